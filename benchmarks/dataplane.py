"""What enforcement costs per packet, against connection tracking alone and against a chain for each policy.

Two pods on a node in a private namespace. A C program sends UDP packets from one to the other, of which
each begins a new connection (or, for established traffic, none does); figures are the CPU time of the
sender in the kernel per packet, which includes the way of the packets through forwarding, connection
tracking and ruleset, and the sending itself: so all ratios are nearer to 1 than those of the rulesets
alone. All variants of a table are measured in turn in every round; the figure is the median of the rounds.

The server has N policies, each for clients with another label; the client matches the last. *Compiled* is
what `ocicat.dataplane.nft` renders, with its accounting and its check of source addresses. *Chain per
policy* is the same policies as an agent like Calico's renders them: a chain each with a set of addresses,
walked in order, with bits of the packet mark for what was decided; it counts nothing and checks no source
addresses.
"""

import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from benchmarks.report import Table
from ocicat.dataplane.nft.difference import difference
from ocicat.dataplane.nft.driver import NftProgram
from ocicat.dataplane.nft.render import render
from ocicat.dataplane.nft.ruleset import Chain, Container, Ruleset
from ocicat.dataplane.traces import TraceBook
from ocicat.engine.index import PolicyIndex
from ocicat.engine.plan import Plan
from ocicat.engine.policy import (
    Direction,
    Entity,
    EntityKey,
    EntityKind,
    Policy,
    PolicyKey,
    Profile,
    Rule,
    Side,
)
from ocicat.model.flow import Action, HitKind
from ocicat.model.net import Address, PortRange
from ocicat.model.selector import Selector

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

from support.kernel import NODE_ADDRESSES
from support.netns import Namespaces
from support.packets import UDP, Shot, frame
from support.pods_net import NODE_MAC, PodsNet

SOURCE = Path(__file__).with_name("native") / "newflows.c"
POLICIES = (1, 10, 100, 1000)
ENDPOINTS = (10, 100, 500)
ROUNDS = 7
PACKETS = 20_000
PORT = 20_000
RULES_AT_ONCE = 400
CLIENT, SERVER = "client", "server"
ADDRESSES = {CLIENT: Address.parse("10.65.0.1"), SERVER: Address.parse("10.65.0.2")}
HOOK = "type filter hook forward priority filter; policy accept;"


def measure() -> list[Table]:
    """Measure everything; takes some minutes."""
    if shutil.which("cc") is None:
        raise SystemExit("the load generator is C: install a C compiler")
    with tempfile.TemporaryDirectory() as folder, Namespaces() as namespaces:
        program = Path(folder) / "newflows"
        subprocess.run(["cc", "-O2", "-o", program, SOURCE], check=True)
        bed = Bed(PodsNet(namespaces, NODE_ADDRESSES), program)
        try:
            return [_policies(bed), _endpoints(bed), _established(bed)]
        finally:
            bed.net.close()


# --- what is enforced ---------------------------------------------------------------------------------------


def plan_of(policies: int, protocol: int = UDP) -> Plan:
    """Return a Plan in which the server has so many policies, and the client matches the last of them."""
    index = PolicyIndex()
    allow = (Rule(Action.ALLOW),)
    index.put_profile(Profile("kns.n", allow, allow))
    index.put_entity(_pod(SERVER, ADDRESSES[SERVER], "server"))
    index.put_entity(_pod(CLIENT, ADDRESSES[CLIENT], f"peer-{policies - 1}"))
    ports = Side(ports=(PortRange(PORT, PORT + 9999),))
    for number in range(policies):
        if number < policies - 1:
            other = Address(4, (10 << 24) + (66 << 16) + number)
            index.put_entity(_pod(f"other-{number}", other, f"peer-{number}"))
        peer = Side(selector=Selector.parse(f"app == 'peer-{number}'"))
        rule = Rule(Action.ALLOW, protocol=protocol, source=peer, destination=ports)
        key = PolicyKey(HitKind.CALICO_NETWORK_POLICY, "n", f"p-{number:04}")
        selector = Selector.parse("app == 'server'")
        index.put_policy(Policy(key, "default", selector, float(number), ingress=(rule,)))
    return index.plan()


def _pod(name: str, address: Address, app: str) -> Entity:
    key = EntityKey(EntityKind.WORKLOAD, "n", name)
    return Entity(key, {"app": app}, ("kns.n",), addresses=(address,))


def compiled(plan: Plan, interfaces: Mapping[EntityKey, str]) -> Ruleset:
    """Return what we render."""
    return render(plan, interfaces, TraceBook())


def tracking_alone() -> Ruleset:
    """Return a table that makes the kernel track connections, and does nothing else."""
    return Ruleset.of("bench", Chain("forward", ("ct state invalid drop",), HOOK))


def chain_per_policy(plan: Plan, interfaces: Sequence[str], protocol: int = UDP) -> Ruleset:
    """Return the same policies as a chain each, walked in order; the server's interface is the last."""
    endpoint = plan.endpoints[EntityKey(EntityKind.WORKLOAD, "n", SERVER)]
    (tier,) = plan.classes[endpoint.class_id(Direction.INGRESS)].tiers
    parts: list[Chain | Container] = []
    walk = ["meta mark set meta mark & 0xfff8ffff"]
    for number, key in enumerate(tier.policies):
        (rule,) = plan.policies[key].ingress or ()
        assert rule.source.selector is not None
        entities = plan.each(plan.members(rule.source.selector))
        members = {str(address): "" for entity in entities for address in entity.addresses}
        parts.append(Container(f"s{number}", "ipv4_addr", elements=members))
        match = f"meta l4proto {protocol} ip saddr @s{number} th dport {PORT}-{PORT + 9999}"
        accepted = "meta mark & 0x10000 == 0x10000 return"
        parts.append(Chain(f"p{number}", (f"{match} meta mark set meta mark | 0x10000", accepted)))
        walk += (f"meta mark & 0x20000 == 0 jump p{number}", accepted)
    # In parts, for in a user namespace nft cannot send 2,000 rules of one chain at once.
    walk.append("drop")
    for start in range(0, len(walk), RULES_AT_ONCE):
        name = f"to_pod_{start}" if start else "to_pod"
        rest = start + RULES_AT_ONCE
        onwards = (f"goto to_pod_{rest}",) if rest < len(walk) else ()
        parts.append(Chain(name, (*walk[start:rest], *onwards)))
    dispatch = (f'oifname "{interface}" jump to_pod' for interface in interfaces)
    forward = ("ct state established,related accept", "ct state invalid drop", *dispatch)
    return Ruleset.of("bench", *parts, Chain("forward", forward, HOOK))


# --- the bed ------------------------------------------------------------------------------------------------


class Bed:
    """A node with two pods, and the generator in one of them."""

    def __init__(self, net: PodsNet, program: Path) -> None:
        self.net = net
        self._program = program
        self._first = 0
        net.add({name: (address,) for name, address in ADDRESSES.items()})
        # Unanswered connections go at once, so that the table of connections is never full.
        net.namespaces.sysctl({"net.netfilter.nf_conntrack_udp_timeout": 1})
        self.nft = NftProgram((*net.namespaces.command(), "nft"))
        sample = bytearray(frame(self.shot(), 0, NODE_MAC, net.pods[CLIENT].mac))
        sample[40:42] = b"\0\0"  # without checksum, for the ports will vary
        self._frame = bytes(sample).hex()

    def shot(self) -> Shot:
        """Return the packet from client to server."""
        return Shot(CLIENT, ADDRESSES[CLIENT], ADDRESSES[SERVER], UDP, PORT)

    def interfaces(self, plan: Plan, most: int = 2) -> dict[EntityKey, str]:
        """Return the interfaces of the two pods, and made-up ones of others up to `most`."""
        return interfaces_of(self.net, plan, most)

    def hold(self, ruleset: Ruleset) -> None:
        """Put a ruleset in place of the one before."""
        hold(self.net, self.nft, ruleset)

    def cost_ns(self, *, vary: bool = True) -> float:
        """Return the sender's CPU time in the kernel for a packet, in nanoseconds."""
        count = PACKETS
        arguments = ["eth0", self._frame, str(count), "0", str(self._first), str(int(vary))]
        if vary:
            self._first += count
        command = [*self.net.namespaces.command(CLIENT), str(self._program), *arguments]
        said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        return float(said["system_s"]) / said["sent"] * 1e9


def interfaces_of(net: PodsNet, plan: Plan, most: int = 2) -> dict[EntityKey, str]:
    """Return the interfaces of the two pods, and made-up ones of others up to `most`."""
    found = {EntityKey(EntityKind.WORKLOAD, "n", name): net.pods[name].interface for name in ADDRESSES}
    for number, key in enumerate(sorted(plan.endpoints)):
        if len(found) < most:
            found.setdefault(key, f"cali{number:x}x")
    return found


def hold(net: PodsNet, nft: NftProgram, ruleset: Ruleset) -> None:
    """Put a ruleset in place of the one before, and forget all connections."""
    net.namespaces.run("nft", "flush", "ruleset")
    nft.apply(difference(None, ruleset))
    net.namespaces.run("conntrack", "-F")


def _in_turn(bed: Bed, variants: Mapping[str, Ruleset], *, vary: bool = True) -> dict[str, float]:
    """Measure all variants in every round, in an order of its own, and return the median of each."""
    chosen = random.Random(1)
    found: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(ROUNDS):
        for name in chosen.sample(sorted(variants), len(variants)):
            bed.hold(variants[name])
            if not vary:
                _establish(bed)
            found[name].append(bed.cost_ns(vary=vary))
    return {name: statistics.median(costs) for name, costs in found.items()}


def _establish(bed: Bed) -> None:
    shot = bed.shot()
    answer = Shot(SERVER, shot.destination, shot.source, UDP, shot.source_port, shot.port)
    bed.net.forget_arrivals()
    results = [seen.result for seen in bed.net.probe([shot, answer])]
    assert results == ["delivered", "delivered"], results


# --- the tables ---------------------------------------------------------------------------------------------


def _policies(bed: Bed) -> Table:
    rows = []
    for number in POLICIES:
        plan = plan_of(number)
        found = _in_turn(
            bed,
            {
                "tracking": tracking_alone(),
                "compiled": compiled(plan, bed.interfaces(plan)),
                "chains": chain_per_policy(plan, [bed.net.pods[SERVER].interface]),
            },
        )
        alone, ours, theirs = found["tracking"], found["compiled"], found["chains"]
        rows.append(
            [
                f"{number:,}",
                f"{alone:,.0f} ns",
                f"{ours:,.0f} ns",
                f"{theirs:,.0f} ns",
                f"{ours / alone:.2f}",
                f"{theirs / alone:.2f}",
                f"{theirs / ours:.1f}",
                f"{(theirs - alone) / max(ours - alone, 1):.0f}",
            ]
        )
    columns = ["policies", "tracking alone", "compiled", "chain per policy"]
    columns += [
        "compiled ÷ alone",
        "chains ÷ alone",
        "chains ÷ compiled",
        "the same without what tracking costs",
    ]
    return Table("A new connection, by policies of the endpoint", columns, rows)


def _endpoints(bed: Bed) -> Table:
    rows = []
    plan = plan_of(501)
    few = plan_of(10)
    for number in ENDPOINTS:
        others = [f"cali{other:x}x" for other in range(number - 1)]
        found = _in_turn(
            bed,
            {
                "tracking": tracking_alone(),
                "compiled": compiled(plan, bed.interfaces(plan, number)),
                "linear": chain_per_policy(few, [*others, bed.net.pods[SERVER].interface]),
            },
        )
        alone = found["tracking"]
        ratios = [f"{found[name] / alone:.2f}" for name in ("compiled", "linear")]
        rows.append([f"{number:,}", f"{alone:,.0f} ns", *ratios])
    columns = [
        "endpoints on the node",
        "tracking alone",
        "compiled ÷ alone",
        "rule for each interface ÷ alone",
    ]
    note = "Compiled with 501 policies on the server, the other with 10: it is about the way to the endpoint."
    return Table("A new connection, by endpoints", columns, rows, note)


def _established(bed: Bed) -> Table:
    plan = plan_of(1000)
    variants = {"tracking": tracking_alone(), "compiled": compiled(plan, bed.interfaces(plan))}
    found = _in_turn(bed, variants, vary=False)
    alone, ours = found["tracking"], found["compiled"]
    row = [f"{alone:,.0f} ns", f"{ours:,.0f} ns", f"{alone / ours:.2f}"]
    columns = ["tracking alone", "1,000 policies, compiled", "throughput with ÷ without"]
    return Table("A packet of an established connection", columns, [row])


if __name__ == "__main__":
    print(json.dumps(msgspec.to_builtins(measure()), indent=2))
