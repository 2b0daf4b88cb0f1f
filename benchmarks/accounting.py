"""Flow accounting: what a closed connection costs, what rates lose nothing, what counting costs the kernel.

Two pods on a node in a private namespace, one policy, the real ruleset. A C program sends UDP packets from
one pod of which each begins a new connection; the other pod throws them away. Sender, kernel and collector
share the machine's cores, so at the highest rate they are in each other's way. The sender's time in the
kernel holds the way of its packets through forwarding, connection tracking and ruleset. The connection table
has 262,144 entries, which a user namespace cannot change: where unanswered connections are remembered for
30 s (the default), it is full at 8,700 new ones a second, and the kernel then forgets the oldest early, or
drops packets, which is no loss of accounting. There the table is emptied at the end, so that all ends are
told at once.
"""

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.report import Table
from ocicat.dataplane.accounts import KernelAccounts
from ocicat.dataplane.nft.settings import DEFAULT_SETTINGS
from ocicat.dataplane.wire import conntrack as ct
from ocicat.dataplane.wire import netlink, nfnetlink
from ocicat.dataplane.wire.conntrack_rows import ConnectionReader
from ocicat.flows.collect import Collector
from ocicat.model.flow import Reporter
from ocicat.model.net import Address
from ocicat.ports.systemclock import SystemClock

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

from support.accounted import ADDRESSES, CLIENT, SALT, SERVER, Accounted, allowing, from_client
from support.kernel import NODE_ADDRESSES
from support.netns import Namespaces
from support.packets import UDP, Shot, frame
from support.pods_net import NODE_MAC, PodsNet

SOURCE = Path(__file__).with_name("native") / "newflows.c"
RATES = (10_000, 50_000)
SECONDS = 10
TIMEOUTS = {"default (30 s)": 30, "short (1 s)": 1}
ROUNDS = 7
PER_ROUND = 100_000
ESTABLISHED = 400_000
EVENTS = 200_000
DRAIN_S = 60.0


def measure() -> list[Table]:
    """Measure everything; takes some minutes."""
    compiler = shutil.which("gcc")
    if compiler is None:
        raise SystemExit("the load generator is C: install gcc")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "newflows"
        command = [compiler, "-O2", "-Wall", "-Wextra", "-o", str(program), str(SOURCE)]
        subprocess.run(command, check=True)
        tables = [_decoding()]
        with _bed(program) as bed:
            tables.append(_losses(bed))
            tables.append(_overhead(bed))
    return tables


# --- the bed ------------------------------------------------------------------------------------------------


class Load(msgspec.Struct):
    """What the generator says of itself."""

    sent: int
    again: int
    seconds: float
    user_s: float
    system_s: float


class Bed:
    """A node with two pods, and the generator in one of them."""

    def __init__(self, node: Accounted, program: Path) -> None:
        self.node = node
        self.namespaces = node.net.namespaces
        self._program = program
        self._first = 0
        client = node.net.pods[CLIENT]
        shot = Shot(CLIENT, ADDRESSES[CLIENT][0], ADDRESSES[SERVER][0], UDP, 20_000)
        sample = bytearray(frame(shot, 0, NODE_MAC, client.mac))
        sample[40:42] = b"\0\0"  # without checksum, for the ports will vary
        self._frame = bytes(sample).hex()

    def start(self, count: int, rate: int, *, vary: bool = True) -> "subprocess.Popen[str]":
        """Send so many packets; each call begins connections that no call before has begun."""
        arguments = ["eth0", self._frame, str(count), str(rate), str(self._first), str(int(vary))]
        if vary:
            self._first += count
        command = [*self.namespaces.command(CLIENT), str(self._program), *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def load(self, count: int, rate: int = 0, *, vary: bool = True) -> Load:
        """Send so many packets and wait for the end."""
        return _said(self.start(count, rate, vary=vary))

    def received(self) -> int:
        """Return how many of the sender's packets have arrived in the server's namespace."""
        text = self.namespaces.run("nft", "list", "chain", "inet", "quiet", "c", at=SERVER)
        return int(text.partition("counter packets ")[2].split()[0])

    def forget_connections(self) -> None:
        """Have the kernel forget every connection."""
        self.node.forget_connections()

    def start_forgetting(self) -> "subprocess.Popen[str]":
        """Have the kernel forget every connection, while the caller goes on."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen([*self.namespaces.command(), "conntrack", "-F"], text=True, **quiet)

    def nft(self, text: str, at: str = "node") -> None:
        """Run nft."""
        self.namespaces.run("nft", "-f", "-", at=at, stdin=text + "\n")


def _said(process: "subprocess.Popen[str]") -> Load:
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the load generator ended with {process.returncode}")
    return msgspec.convert(json.loads(output), Load)


_QUIET = """table inet quiet {
chain c { type filter hook prerouting priority -500; policy accept;
udp dport >= 20000 counter drop
}
}"""


@contextmanager
def _bed(program: Path) -> Iterator[Bed]:
    with Namespaces() as namespaces, closing(PodsNet(namespaces, NODE_ADDRESSES)) as net:
        bed = Bed(Accounted(net, [allowing(from_client(UDP))]), program)
        bed.nft(_QUIET, at=SERVER)
        yield bed


# --- decoding -----------------------------------------------------------------------------------------------


def _decoding() -> Table:
    """Events a second, by the fast codec and by the plain one."""
    datagrams = [ct.connection_message(_connection(number), closed=True) for number in range(EVENTS)]
    lengths = np.full(len(datagrams), len(datagrams[0]), np.uint32)
    rows = np.frombuffer(b"".join(datagrams), np.uint8).reshape(len(datagrams), -1)
    plain = datagrams[:20_000]

    def by_rows() -> int:
        return len(ConnectionReader().table_of_rows(rows, lengths))

    def by_datagrams() -> int:
        return len(ConnectionReader().table(datagrams))

    def one_by_one() -> int:
        return sum(
            isinstance(ct.connection(nfnetlink.parse(message)), ct.Connection)
            for datagram in plain
            for message in netlink.messages(datagram)
        )

    cells = []
    for name, read in (
        ("as rows, as events arrive", by_rows),
        ("as a list of datagrams", by_datagrams),
        ("plain codec, one object each", one_by_one),
    ):
        rate = _rate(read)
        cells.append([name, f"{rate:,.0f}", f"{1e6 / rate:.2f}"])
    return Table("events decoded", ["codec", "events/s", "µs each"], cells)


def _rate(read: Callable[[], int]) -> float:
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        count = read()
        taken.append((time.perf_counter() - began) / count)
    return 1 / statistics.median(taken)


def _connection(number: int) -> ct.Connection:
    client, server = (Address(4, (10 << 24) + last) for last in (1, 2))
    ports = 1024 + number % 60_000, 8080
    return ct.Connection(
        ct.Tuple(client, server, 6, *ports),
        ct.Tuple(server, client, 6, *reversed(ports)),
        id=number,
        mark=0x00010001,
        status=ct.CONFIRMED | ct.SEEN_REPLY | ct.ASSURED,
        sent=ct.Counters(5, 400),
        answered=ct.Counters(4, 4000),
    )


# --- losses -------------------------------------------------------------------------------------------------


class Counting:
    """A collector that runs, and what its records say."""

    def __init__(self, bed: Bed) -> None:
        self.accounts = KernelAccounts(DEFAULT_SETTINGS.table, bed.node.opened)
        clock = SystemClock()
        self.collector = Collector(self.accounts, bed.node.book, clock, salt=SALT, scene=bed.node.scene())
        self.started = self.completed = self.packets = 0
        self.look()

    def close(self) -> None:
        """Stop listening."""
        self.accounts.close()

    def look(self) -> None:
        """Look once, and add up what is reported."""
        for record in self.collector.look():
            if record.key.reporter is Reporter.DST:
                self.started += record.counts.connections_started
                self.completed += record.counts.connections_completed
                self.packets += record.counts.packets_in

    def run(self, go_on: Callable[[], bool]) -> None:
        """Look again and again, as an agent does."""
        while go_on():
            self.look()
            time.sleep(self.collector.wait_s)


def _losses(bed: Bed) -> Table:
    rows = [_lost_at(bed, rate, name, timeout) for name, timeout in TIMEOUTS.items() for rate in RATES]
    columns = [
        "time-out of unanswered UDP",
        "offered/s",
        "sent/s",
        "forwarded",
        "connections reported",
        "packets reported",
        "missing",
        "events sent again",
        "collector: cores",
        "collector: µs per connection",
        "generator and kernel: cores",
    ]
    note = (
        f"{SECONDS} s each. Forwarded is what arrived at the other pod; missing is forwarded packets in "
        "no record. The collector's time ends when the last connection is reported; the generator's cores "
        "are its own time and with it the kernel's, for sending, forwarding and judging."
    )
    return Table("new connections at a steady rate", columns, rows, note)


def _lost_at(bed: Bed, rate: int, name: str, timeout_s: int) -> list[str]:
    bed.namespaces.sysctl({"net.netfilter.nf_conntrack_udp_timeout": timeout_s})
    bed.forget_connections()
    with closing(Counting(bed)) as counting:
        before, spent = bed.received(), _spent()
        generator = bed.start(rate * SECONDS, rate)
        counting.run(lambda: generator.poll() is None)
        load = _said(generator)
        forwarded = bed.received() - before
        if timeout_s > SECONDS:
            emptying = bed.start_forgetting()
            counting.run(lambda: emptying.poll() is None)
        deadline = time.monotonic() + DRAIN_S
        counting.run(lambda: counting.completed < forwarded and time.monotonic() < deadline)
        cpu = _spent() - spent
        postponed = counting.accounts.events().postponed
        losses = counting.collector.status().losses
        if losses.events or losses.malformed:
            print(losses, file=sys.stderr)
    wall = load.seconds
    return [
        name,
        f"{rate:,}",
        f"{load.sent / wall:,.0f}",
        f"{forwarded:,}",
        f"{counting.started:,}",
        f"{counting.packets:,}",
        f"{forwarded - counting.packets:,}",
        f"{postponed:,}",
        f"{cpu / wall:.2f}",
        f"{1e6 * cpu / max(1, counting.started):.1f}",
        f"{(load.user_s + load.system_s) / wall:.2f}",
    ]


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


# --- overhead -----------------------------------------------------------------------------------------------

_PLAIN = "flush chain inet ocicat account_allow4\nadd rule inet ocicat account_allow4 accept"


def _overhead(bed: Bed) -> Table:
    """The kernel's time for a packet, with more and more of accounting, interleaved."""
    bed.namespaces.sysctl({"net.netfilter.nf_conntrack_udp_timeout": 300})
    listed = bed.namespaces.run("nft", "-s", "list", "chain", "inet", "ocicat", "account_allow4")
    counting_rules = f"flush chain inet ocicat account_allow4\n{listed}"
    taken: dict[str, list[float]] = {name: [] for name in _VARIANTS}
    established: dict[str, list[float]] = {name: [] for name in _VARIANTS}
    for _ in range(ROUNDS):
        for name, (traffic, sets, collector) in _VARIANTS.items():
            bed.forget_connections()
            bed.namespaces.sysctl({"net.netfilter.nf_conntrack_acct": int(traffic)})
            bed.nft(counting_rules if sets else _PLAIN)
            with ExitStack() as stack:
                counting = stack.enter_context(closing(Counting(bed))) if collector else None
                taken[name].append(_cost(bed, counting, PER_ROUND, vary=True))
                bed.load(1, vary=False)
                _answer(bed)
                established[name].append(_cost(bed, counting, ESTABLISHED, vary=False))
    bed.nft(counting_rules)
    return Table(
        "what accounting costs the kernel", _OVERHEAD_COLUMNS, _ratios(taken, established), _OVERHEAD_NOTE
    )


_VARIANTS = {
    "ruleset without accounting": (False, False, False),
    "+ packets and bytes of connections": (True, False, False),
    "+ counter sets": (True, True, False),
    "+ collector listens": (True, True, True),
}
_OVERHEAD_COLUMNS = ["", "new connection: ns", "ratio", "established packet: ns", "ratio"]
_OVERHEAD_NOTE = (
    f"CPU time of the sender for each packet, its own included, the median of {ROUNDS} interleaved rounds; "
    "ratios are medians of the rounds' ratios to the first line. The collector's own time is not in it."
)


def _cost(bed: Bed, counting: Counting | None, count: int, *, vary: bool) -> float:
    generator = bed.start(count, 0, vary=vary)
    if counting is not None:
        counting.run(lambda: generator.poll() is None)
    load = _said(generator)
    return 1e9 * (load.user_s + load.system_s) / load.sent


def _answer(bed: Bed) -> None:
    """Have the server answer the one connection, so that it is established."""
    client, server = ADDRESSES[CLIENT][0], ADDRESSES[SERVER][0]
    with bed.namespaces.socket(17, 3, 0, at=SERVER) as opened:
        opened.bind(("eth0", 0))
        answer = Shot(SERVER, server, client, UDP, 40_000, 20_000)
        opened.send(frame(answer, 0, NODE_MAC, bed.node.net.pods[SERVER].mac))


def _ratios(taken: dict[str, list[float]], established: dict[str, list[float]]) -> list[list[str]]:
    first = next(iter(taken))
    return [
        [
            name,
            f"{statistics.median(taken[name]):,.0f}",
            f"{_ratio(taken[name], taken[first]):.3f}",
            f"{statistics.median(established[name]):,.0f}",
            f"{_ratio(established[name], established[first]):.3f}",
        ]
        for name in taken
    ]


def _ratio(numbers: list[float], base: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(numbers, base, strict=True))
