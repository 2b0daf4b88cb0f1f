"""A node that accounts for its flows: pods on the test bed, a Plan enforced by the real ruleset, a Collector.

Beside it stands a witness that shares nothing with it: plain rules with counters in a table of their own.
"""

import contextlib
import re
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from ocicat.dataplane.accounts import KernelAccounts
from ocicat.dataplane.nft.difference import difference
from ocicat.dataplane.nft.driver import NftProgram
from ocicat.dataplane.nft.render import render
from ocicat.dataplane.nft.ruleset import Ruleset
from ocicat.dataplane.nft.settings import DEFAULT_SETTINGS
from ocicat.dataplane.socket import NETFILTER
from ocicat.dataplane.traces import TraceBook
from ocicat.engine.convert.services import ServicePorts
from ocicat.engine.index import PolicyIndex
from ocicat.engine.policy import Entity, EntityKey, EntityKind, Policy, PolicyKey, Profile, Rule, Side
from ocicat.flows.collect import Collector
from ocicat.flows.scene import Scene
from ocicat.model.flow import Action, HitKind
from ocicat.model.net import Address, PortRange
from ocicat.model.record import FlowCounts, FlowKey, FlowRecord
from ocicat.model.selector import Selector
from support.pods_net import PodsNet

NODE = "n1"
SALT = 0x0C1CA7
CLIENT, SERVER, STRANGER = "client", "server", "stranger"
ADDRESSES = {
    name: (Address.parse(f"10.65.0.{number}"), Address.parse(f"fd65::{number}"))
    for number, name in enumerate((CLIENT, SERVER, STRANGER), start=1)
}
ALLOW_ALL = Profile("kns.a", ingress=(Rule(Action.ALLOW),), egress=(Rule(Action.ALLOW),))


def pod(name: str, *, shown: str = "") -> Entity:
    """Return a pod of namespace `a`, labelled with its name."""
    own = {
        "app": name,
        "projectcalico.org/namespace": "a",
        "projectcalico.org/orchestrator": "k8s",
    }
    key = EntityKey(EntityKind.WORKLOAD, "a", name)
    return Entity(
        key, labels=own, profiles=("kns.a",), addresses=ADDRESSES[name], node=NODE, shown_name=shown
    )


def allowing(
    *rules: Rule, name: str = "web", app: str = SERVER, kind: HitKind = HitKind.CALICO_NETWORK_POLICY
) -> Policy:
    """Return a policy of namespace `a` for ingress to the pods of an app."""
    selector = Selector.parse(f"projectcalico.org/namespace == 'a' && app == '{app}'")
    return Policy(PolicyKey(kind, "a", name), tier="default", selector=selector, ingress=rules)


def from_client(protocol: int, *ports: int, action: Action = Action.ALLOW) -> Rule:
    """Return a rule for the client, to ports where some are given."""
    source = Side(selector=Selector.parse("projectcalico.org/namespace == 'a' && app == 'client'"))
    destination = Side(ports=tuple(PortRange(port, port) for port in ports))
    return Rule(action, (4, 6), protocol=protocol, source=source, destination=destination)


class HandClock:
    """A Clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000_000_000
        self.monotonic = 1_000_000_000

    def now_ns(self) -> int:
        return self.now

    def monotonic_ns(self) -> int:
        return self.monotonic

    def advance(self, seconds: float) -> None:
        self.now += int(seconds * 1e9)
        self.monotonic += int(seconds * 1e9)


class Accounted:
    """The node. `records` gathers all that its collectors have reported."""

    def __init__(
        self, net: PodsNet, policies: Sequence[Policy], services: tuple[ServicePorts, ...] = ()
    ) -> None:
        self.net = net
        self.clock = HandClock()
        self.book = TraceBook()
        self.index = PolicyIndex()
        self.services = services
        self.records: list[FlowRecord] = []
        self._ruleset: Ruleset | None = None
        self._program = NftProgram([*net.namespaces.command(), "nft"])
        self.accounts: KernelAccounts | None = None
        self._collector: Collector | None = None
        net.add(ADDRESSES, stack=True)
        self.index.put_profile(ALLOW_ALL)
        for name in ADDRESSES:
            self.index.put_entity(pod(name))
        self.enforce(*policies)

    def close(self) -> None:
        if self.accounts is not None:
            self.accounts.close()

    def enforce(self, *policies: Policy) -> None:
        """Have the kernel enforce these policies too, and the collector know it."""
        for policy in policies:
            self.index.put_policy(policy)
        plan = self.index.plan()
        interfaces = {
            EntityKey(EntityKind.WORKLOAD, "a", name): made.interface for name, made in self.net.pods.items()
        }
        rendered = render(plan, interfaces, self.book, DEFAULT_SETTINGS)
        self._program.apply(difference(self._ruleset, rendered))
        self._ruleset = rendered
        if self._collector is not None:
            self._collector.show(self.scene())

    def scene(self) -> Scene:
        return Scene(self.index.plan(), self.services, NODE)

    # --- collecting -----------------------------------------------------------------------------------------

    @property
    def collector(self) -> Collector:
        """The running collector; the first use starts one."""
        if self._collector is None:
            self.start()
        assert self._collector is not None
        return self._collector

    def start(self, most_flows: int = 1000) -> None:
        """Start a collector, as an agent does that starts; the one before is gone without a word."""
        self.close()
        self.accounts = KernelAccounts(DEFAULT_SETTINGS.table, self.opened)
        self._collector = Collector(
            self.accounts, self.book, self.clock, salt=SALT, scene=self.scene(), most_flows=most_flows
        )
        self.look()

    def opened(self) -> socket.socket:
        return self.net.namespaces.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETFILTER)

    def look(self, seconds: float = 0.25) -> list[FlowRecord]:
        """Let time pass, look once, and return what was reported."""
        self.clock.advance(seconds)
        found = self.collector.look()
        assert not self.collector.status().error
        self.records += found
        return found

    def settle(self, done: Callable[[], bool], tries: int = 200) -> None:
        """Look, a window each time, until `done`; events of the kernel come when they come."""
        pause = threading.Event()
        for _ in range(tries):
            self.look(1.0)
            if done():
                return
            pause.wait(0.02)
        raise AssertionError(f"not settled: {self.totals()}, {self.collector.status()}")

    def forget_connections(self) -> None:
        """Have the kernel end every connection now."""
        self.net.namespaces.run("conntrack", "-F")

    def totals(self) -> dict[FlowKey, FlowCounts]:
        """Return the sums of all records by key; of live connections the last number."""
        sums: dict[FlowKey, list[int]] = defaultdict(lambda: [0] * 7)
        for record in self.records:
            counts = [getattr(record.counts, name) for name in FlowCounts.__struct_fields__]
            held = sums[record.key]
            held[:] = [before + more for before, more in zip(held, counts, strict=True)]
            held[-1] = counts[-1]
        return {key: FlowCounts(*counts) for key, counts in sums.items()}

    # --- traffic --------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def tcp_server(self, port: int, answer: int, *, at: str = SERVER, family: int = 4) -> Iterator[None]:
        """Serve TCP: read until the client is done, answer with so many bytes, close."""
        inet = socket.AF_INET if family == 4 else socket.AF_INET6
        with self.net.namespaces.socket(inet, socket.SOCK_STREAM, at=at) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == 6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind(("", port))
            listening.listen(64)
            thread = threading.Thread(target=_serve, args=(listening, answer), daemon=True)
            thread.start()
            try:
                yield
            finally:
                listening.shutdown(socket.SHUT_RDWR)
                thread.join()

    def tcp_request(self, address: str, port: int, size: int, *, at: str = CLIENT) -> int:
        """Make one TCP connection, send so many bytes, and return how many come back before it is closed."""
        inet = socket.AF_INET6 if ":" in address else socket.AF_INET
        with self.net.namespaces.socket(inet, socket.SOCK_STREAM, at=at) as opened:
            opened.settimeout(20)
            opened.connect((address, port))
            opened.sendall(b"q" * size)
            opened.shutdown(socket.SHUT_WR)
            received = 0
            while data := opened.recv(65536):
                received += len(data)
            return received

    def udp(self, address: str, port: int, sizes: Iterable[int], *, at: str = CLIENT) -> None:
        """Send datagrams of these sizes from one port."""
        inet = socket.AF_INET6 if ":" in address else socket.AF_INET
        with self.net.namespaces.socket(inet, socket.SOCK_DGRAM, at=at) as opened:
            for size in sizes:
                opened.sendto(b"u" * size, (address, port))

    # --- the witness ----------------------------------------------------------------------------------------

    def watch(self, *matches: str) -> None:
        """Count packets of these nft matches, before and apart from the ruleset."""
        rules = "\n".join(f"{match} counter" for match in matches)
        chain = f"chain c {{ type filter hook forward priority -300; policy accept;\n{rules}\n}}"
        self.net.namespaces.run("nft", "-f", "-", stdin=f"table inet witness {{\n{chain}\n}}\n")

    def watched(self) -> list[tuple[int, int]]:
        """Return packets and bytes of each match of `watch`, in order."""
        text = self.net.namespaces.run("nft", "list", "table", "inet", "witness")
        return [(int(a), int(b)) for a, b in re.findall(r"counter packets (\d+) bytes (\d+)", text)]


def _serve(listening: socket.socket, answer: int) -> None:
    while True:
        try:
            opened, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(opened, answer), daemon=True).start()


def _answer(opened: socket.socket, answer: int) -> None:
    with opened:
        while opened.recv(65536):
            pass
        opened.sendall(b"a" * answer)
