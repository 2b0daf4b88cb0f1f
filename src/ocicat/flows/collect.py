"""`Collector`: looks at the kernel's accounts again and again, and hands records on.

New flows are looked for four times a second, counters once a second. Where looking takes long, because there
are very many connections, it is done less often, so that it never takes more than a fifth of the time.
Source: spec/policy-semantics §11.4, design/dataplane §3.
"""

import asyncio
import threading
from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from ocicat.engine.index import PolicyIndex
from ocicat.flows.aggregate import MOST_FLOWS, Aggregator, Losses, Moment
from ocicat.flows.scene import Scene
from ocicat.model.record import FlowRecord
from ocicat.ports.accounting import Accounts, AccountsError, Table, Traces
from ocicat.ports.clock import Clock, Timer
from ocicat.ports.flows import FlowSink

LOOK_NS: Final = 250_000_000
"""How often new flows are looked for."""
WINDOW_NS: Final = 1_000_000_000
"""How long a window is: so often counters are reported."""
_SHARE: Final = 5
"""Looking may take one part in so many of the time."""


class CollectorStatus(msgspec.Struct, frozen=True):
    """How collecting goes."""

    flows: int = 0
    """Flows that are kept."""
    connections: int = 0
    """Live connections that are known."""
    records: int = 0
    """Records made since the start."""
    losses: Losses = Losses()
    look_s: float = 0.0
    """How long the last look at the counter sets took."""
    list_s: float = 0.0
    """How long the last list of all connections took."""
    error: str = ""
    """Why the last look failed; empty when it did not."""


class Collector:
    """The flow accounting of one node. Any thread may call; looks are made one after the other."""

    def __init__(
        self,
        accounts: Accounts,
        traces: Traces,
        clock: Clock,
        *,
        salt: int,
        node: str = "",
        scene: Scene | None = None,
        most_flows: int = MOST_FLOWS,
    ) -> None:
        """Make a collector that has not looked yet.

        Args:
            accounts: The kernel's.
            traces: What trace ids stand for.
            clock: Tells the time.
            salt: 64 random bits; see `ocicat.flows.tuples`.
            node: The node's name, for records; used where `scene` is None.
            scene: The cluster as it is now; None until `show` tells.
            most_flows: Flows that are kept at most.
        """
        self._accounts = accounts
        self._clock = clock
        self._node = node
        moment = self._moment()
        self._aggregator = Aggregator(traces, scene or _empty(node), salt, moment, most_flows)
        self._lock = threading.Lock()
        self._scene: Scene | None = None
        self._adopted = self._emptied = False
        self._window_due_ns = moment.monotonic_ns + WINDOW_NS
        self._records = self._malformed = 0
        self._look_ns = self._list_ns = 0
        self._error = ""

    def show(self, scene: Scene) -> None:
        """Take names from `scene` from the next look on."""
        self._scene = scene

    def counters_begin_anew(self) -> None:
        """Note that the counter sets have been emptied, as by replacing their table."""
        self._emptied = True

    def marks_in_use(self) -> frozenset[int]:
        """Look, and return the marks whose trace ids must not be given to other outcomes yet.

        What the look finds is reported by the next one. Blocks as `look` does. Raises AccountsError.
        """
        with self._lock:
            if not self._adopted:
                self._adopt()
            self._aggregator.take_counted(self._accounts.counted(), self._moment())
            self._list(())
            return self._aggregator.marks_in_use()

    @property
    def wait_s(self) -> float:
        """How long to wait until the next `look`."""
        return max(LOOK_NS, (_SHARE - 1) * self._look_ns) / 1e9

    def look(self) -> list[FlowRecord]:
        """Look once, and return what is to be reported: new flows, and when a window ends all it counted.

        Blocks for as long as the kernel takes. What fails is tried again the next time; `status` shows it.
        """
        with self._lock:
            self._take_notice()
            try:
                records = self._look()
            except AccountsError as error:
                self._error = str(error)
                return []
            self._error = ""
            self._records += len(records)
            return records

    def _take_notice(self) -> None:
        """Take over what was told since the last look."""
        if self._emptied:
            self._emptied = False
            self._aggregator.counters_begin_anew()
        if self._scene is not None:
            self._aggregator.show(self._scene)
            self._scene = None

    def _look(self) -> list[FlowRecord]:
        if not self._adopted:
            self._adopt()
            return []
        began = self._moment()
        marks = self._aggregator.take_counted(self._accounts.counted(), began)
        if began.monotonic_ns >= self._window_due_ns:
            self._list(())
            self._list_ns = self._clock.monotonic_ns() - began.monotonic_ns
            self._window_due_ns = began.monotonic_ns + max(WINDOW_NS, _SHARE * self._list_ns)
            self._note_malformed()
            return self._aggregator.window(self._moment())
        if marks:
            self._list(marks)
        else:
            self._aggregator.take_closed(self._accounts.closed(), self._moment())
        moment = self._moment()
        self._look_ns = moment.monotonic_ns - began.monotonic_ns
        return self._aggregator.fresh(moment)

    def _list(self, marks: Collection[int]) -> None:
        """Take in live connections: all, or those with marks that a counter set has shown first."""
        self._aggregator.take_closed(self._accounts.closed(), self._moment())
        live = self._accounts.live(marks)
        closed = self._accounts.closed()
        self._aggregator.take_live(live, closed, self._moment(), complete=not marks)

    def _adopt(self) -> None:
        """Take over what was there before us; nothing of it is reported as new."""
        self._accounts.closed()
        live: Table = self._accounts.live()
        counted = self._accounts.counted()
        closed = self._accounts.closed()
        self._aggregator.adopt(live, closed, counted, self._moment())
        self._adopted = True

    def _note_malformed(self) -> None:
        malformed = self._accounts.malformed()
        self._aggregator.lose_malformed(malformed - self._malformed)
        self._malformed = malformed

    def last(self) -> list[FlowRecord]:
        """Look a last time, and return all that has not been reported. For a collector that stops."""
        with self._lock:
            self._window_due_ns = 0
        return self.look()

    def status(self) -> CollectorStatus:
        """Return how it goes."""
        return CollectorStatus(
            self._aggregator.flows,
            self._aggregator.connections,
            self._records,
            self._aggregator.losses,
            self._look_ns / 1e9,
            self._list_ns / 1e9,
            self._error,
        )

    def _moment(self) -> Moment:
        return Moment(self._clock.now_ns(), self._clock.monotonic_ns())


async def collect(collector: Collector, sink: FlowSink, timer: Timer) -> None:
    """Look for ever, each time in a thread of its own, and send what is found.

    When cancelled it looks a last time, so that what was counted until then is reported too.
    """
    try:
        while True:
            await _send(sink, await asyncio.to_thread(collector.look))
            await timer.sleep(collector.wait_s)
    finally:
        await _send(sink, collector.last())


async def _send(sink: FlowSink, records: Sequence[FlowRecord]) -> None:
    if records:
        await sink.send(records)


def _empty(node: str) -> Scene:
    """Return a picture of nothing: every address is a network."""
    return Scene(PolicyIndex().plan(), (), node)
