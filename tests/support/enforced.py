"""A world enforced on a test bed: what the kernel does to packets, beside what the evaluator says of them.

The bed is the node `n1`. Its own pods have interfaces; every other address, pods of other nodes included,
is behind the uplink. What this node must say of a packet follows from the evaluator's reports of the ends
it has.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ocicat.dataplane.counters import COUNTER_SETS
from ocicat.dataplane.nft.render import Interfaces
from ocicat.dataplane.traces import TraceBook
from ocicat.engine.evaluate import evaluate, report
from ocicat.engine.packet import Packet
from ocicat.engine.plan import Plan
from ocicat.engine.policy import Direction, EntityKey, EntityKind
from ocicat.engine.program import Outcome
from ocicat.model.flow import Action, Reporter, Trace
from ocicat.model.net import Address
from support.packets import ICMP, ICMP6, Shot, name_of
from support.pods_net import HOST, WORLD, PodsNet, Result, Seen

NODE = "n1"
NOTHING = (None, None)
_WITH_PORTS = (6, 17, 132)


class Verdict(msgspec.Struct, frozen=True):
    """What a node does to a packet, and why: for both ends (enforced, pending), None for an end it does not
    judge."""

    allowed: bool
    src: tuple[Trace | None, Trace | None] = NOTHING
    dst: tuple[Trace | None, Trace | None] = NOTHING

    def __str__(self) -> str:
        ends = (
            f"{name}={[hit.text() for hit in trace]}" if trace is not None else f"{name}=none"
            for name, pair in (("src", self.src), ("dst", self.dst))
            for trace in pair
        )
        return f"{'allowed' if self.allowed else 'denied'} {' '.join(ends)}"


def expected(plan: Plan, packet: Packet, local: Interfaces) -> Verdict:
    """Return what the evaluator has the node do, of which `local` are the pods."""
    source = plan.owner(packet.source, EntityKind.WORKLOAD)
    destination = plan.owner(packet.destination, EntityKind.WORKLOAD)
    node = plan.owner(packet.source, EntityKind.NODE)
    from_own_host = source is None and node is not None and node.key.name == NODE
    src = dst = None
    if source is not None and source.key in local:
        src = report(plan, source.key, packet, Reporter.SRC)
        if src.action is Action.DENY:
            return Verdict(False, (src.enforced, src.pending))
    if destination is not None and destination.key in local and not from_own_host:
        dst = report(plan, destination.key, packet, Reporter.DST)
    verdict = Verdict(
        dst is None or dst.action is Action.ALLOW,
        (src.enforced, src.pending) if src else NOTHING,
        (dst.enforced, dst.pending) if dst else NOTHING,
    )
    everything_here = (source is None or source.key in local) and (
        destination is None or destination.key in local
    )
    assert not everything_here or evaluate(plan, packet).allowed == verdict.allowed
    return verdict


class KernelView:
    """Reads back what the kernel made of shots: from connection marks, and from the sets of denials."""

    def __init__(self, net: PodsNet, book: TraceBook, table: str = "ocicat") -> None:
        """Read the table named `table`, whose numbers `book` explains."""
        self.net = net
        self.book = book
        self.table = table

    def forget(self) -> None:
        """Empty connection tracking and the sets of flows."""
        self.net.namespaces.run("conntrack", "-F")
        flush = "\n".join(f"flush set inet {self.table} {counted.name}" for counted in COUNTER_SETS)
        self.net.namespaces.run("nft", "-f", "-", stdin=f"{flush}\n")

    def verdicts(self, shots: Sequence[Shot]) -> list[tuple[Verdict, Seen]]:
        """Send the shots, and return for each the kernel's verdict and what became of the packet.

        The shots must differ in what flows are counted by (`counted_as`), else their marks cannot be told
        apart.
        """
        assert len({counted_as(shot) for shot in shots}) == len(shots)
        first = self.net.next_number
        seen = self.net.probe(shots)
        connections = dict(self._connections())
        counted = {denied: dict(self._counted(denied)) for denied in (False, True)}
        found = []
        for number, (shot, item) in enumerate(zip(shots, seen, strict=True), start=first):
            allowed = item.result is Result.DELIVERED
            mark = counted[not allowed].get(counted_as(shot), 0)
            # A connection that the node itself has reset is gone already.
            assert not allowed or connections.get(tuple_of(shot, number), mark) == mark
            assert counted_as(shot) not in counted[allowed]
            found.append((self._explained(allowed, mark), item))
        return found

    def _explained(self, allowed: bool, mark: int) -> Verdict:
        src = self.book.outcome(Direction.EGRESS, mark & 0xFFFF)
        dst = self.book.outcome(Direction.INGRESS, mark >> 16)
        return Verdict(allowed, _traces(src), _traces(dst))

    def _connections(self) -> Iterator[tuple[tuple[Any, ...], int]]:
        """Yield (original tuple, mark) of every tracked connection."""
        text = self.net.namespaces.read("/proc/thread-self/net/nf_conntrack")
        for line in text.splitlines():
            fields: dict[str, str] = {}
            for key, value in re.findall(r"(\w+)=(\S+)", line):
                if key == "mark" or key not in fields:
                    fields[key] = value
            protocol = int(line.split()[3])
            ends = (Address.parse(fields["src"]), Address.parse(fields["dst"]), protocol)
            if protocol in _WITH_PORTS:
                key_of_line: tuple[Any, ...] = (*ends, int(fields["sport"]), int(fields["dport"]))
            elif protocol in (ICMP, ICMP6):
                key_of_line = (*ends, int(fields["type"]), int(fields["code"]), int(fields["id"]))
            else:
                key_of_line = ends
            yield key_of_line, int(fields.get("mark", "0"))

    def _counted(self, denied: bool) -> Iterator[tuple[tuple[Any, ...], int]]:
        """Yield (what a flow is counted by, mark) of those that were denied, or of those that were
        allowed."""
        listing = self.net.namespaces.run("nft", "-nn", "-j", "list", "table", "inet", self.table)
        for item in msgspec.json.decode(listing)["nftables"]:
            name = item.get("set", {}).get("name", "")
            counted = _COUNTED.get(name)
            if counted is None or counted.denied is not denied:
                continue
            for element in item["set"].get("elem", ()):
                mark, source, destination, *rest = element["elem"]["val"]["concat"]
                ends = (Address.parse(source), Address.parse(destination))
                numbers = [_number(value) for value in rest if isinstance(value, int) or value in _NAMES]
                if counted.protocol:
                    numbers.insert(0, counted.protocol)
                yield (*ends, *numbers), _number(mark)


def _traces(outcome: Outcome | None) -> tuple[Trace | None, Trace | None]:
    return (outcome.enforced.trace, outcome.pending.trace) if outcome else NOTHING


_COUNTED = {counted.name: counted for counted in COUNTER_SETS}
_NAMES = {"tcp": 6, "udp": 17, "sctp": 132, "gre": 47, "esp": 50, "icmp": 1, "ipv6-icmp": 58}
_NAMES |= {
    "echo-request": 8,
    "net-unreachable": 0,
    "host-unreachable": 1,
    "no-route": 0,
    "admin-prohibited": 1,
}


def _number(value: Any) -> int:
    return _NAMES[value] if value in _NAMES else int(value)


def tuple_of(shot: Shot, number: int) -> tuple[Any, ...]:
    """Return the original tuple that connection tracking has of a shot."""
    ends = (shot.source, shot.destination, shot.protocol)
    if shot.protocol in _WITH_PORTS:
        return (*ends, shot.source_port, shot.port)
    if shot.protocol in (ICMP, ICMP6):
        return (*ends, shot.icmp_type, shot.icmp_code, number & 0xFFFF)
    return ends


def counted_as(shot: Shot) -> tuple[Any, ...]:
    """Return the key under which the flow of a shot is counted, its mark apart."""
    ends = (shot.source, shot.destination, shot.protocol)
    if shot.protocol in _WITH_PORTS:
        return (*ends, shot.port)
    if shot.protocol in (ICMP, ICMP6):
        return (*ends, shot.icmp_type, shot.icmp_code)
    return ends


def shot_of(
    packet: Packet, pods: Mapping[Address, str], node_addresses: Iterable[Address], port: int
) -> Shot:
    """Return the shot of a packet: from its pod, from the host, or from the world.

    `port` is the source port where the packet leaves it open.
    """
    if packet.source in pods:
        origin = pods[packet.source]
    else:
        origin = HOST if packet.source in set(node_addresses) else WORLD
    return Shot(
        origin,
        packet.source,
        packet.destination,
        packet.protocol,
        packet.destination_port,
        packet.source_port or port,
        packet.icmp_type or 0,
        packet.icmp_code or 0,
    )


def described(shot: Shot) -> str:
    """Return a shot as a line of text, for messages of failing tests."""
    kind = f" type {shot.icmp_type}/{shot.icmp_code}" if shot.protocol in (ICMP, ICMP6) else ""
    return (
        f"{shot.origin}: {shot.source}:{shot.source_port} -> {shot.destination}:{shot.port} "
        f"{name_of(shot.protocol)}{kind}"
    )


def interfaces_of(net: PodsNet, keys: Mapping[str, EntityKey]) -> dict[EntityKey, str]:
    """Return the interfaces of the bed's pods, of which `keys` says who they are."""
    return {key: net.pods[name].interface for name, key in keys.items()}
