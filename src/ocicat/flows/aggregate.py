"""`Aggregator`: what the kernel tells, under the names of the moment, becomes flow records. Pure.

In goes what a look at the kernel found (connections that live, connections that have ended, counter sets);
out come records, in which each thing is counted once for each end. What could not be counted is in `losses`.
Source: spec/policy-semantics §11, §12.3; design/dataplane §3.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from ocicat.flows.connections import COUNTS, Change, Connections, Flows, Heard
from ocicat.flows.counted import Counted, Counters
from ocicat.flows.naming import Named, named, same_names, with_pending
from ocicat.flows.reporting import Interval, records_of, take
from ocicat.flows.scene import Scene
from ocicat.flows.table import NOWHERE, FlowTable
from ocicat.flows.tuples import FlowTuple
from ocicat.flows.witness import Witness, sums_of
from ocicat.model.record import FlowRecord
from ocicat.ports.accounting import COUNTER_TIMEOUT_S, TUPLE, Closed, Table, Traces

MOST_FLOWS: Final = 65_536
"""Flows that are kept by default: some 60 MB when all are in use."""
BUCKET_NS: Final = 15_000_000_000
"""In every bucket of so long (multiples of Unix time) each open connection is reported as live once, though
nothing passes through it: flow aggregators count by such buckets."""
PENDING_EVERY_MS: Final = 6000
"""How often pending traces of a flow are worked out anew, at most (§11.4: 0.4 of a flush of 15 s)."""
PENDING_AT_ONCE: Final = 500
"""How many flows get new pending traces in one window; the others keep theirs for one more."""
IDLE_MS: Final = 2 * 1000 * COUNTER_TIMEOUT_S
"""After which a flow is forgotten that has nothing open: later than any counter set remembers it."""


class Moment(msgspec.Struct, frozen=True):
    """A time, by both clocks."""

    now_ns: int
    monotonic_ns: int

    @property
    def monotonic_ms(self) -> int:
        """The monotonic clock in milliseconds."""
        return self.monotonic_ns // 1_000_000


class Losses(msgspec.Struct, frozen=True):
    """What could not be counted, or not fully, since the start."""

    events: int = 0
    """Ends of connections that were dropped for want of room in our queue."""
    malformed: int = 0
    """Messages of the kernel that could not be read."""
    vanished: int = 0
    """Connections whose end the kernel never told: their last packets are missing."""
    missed: int = 0
    """Connections of which only their first packet was ever seen; they are in records, without packets."""
    uncounted: int = 0
    """Missed connections of which it is not known, either, through which Service they came: in no record."""
    flows_packets: int = 0
    """Packets of flows for which there was no room."""
    flows_connections: int = 0
    """Connections of flows for which there was no room."""
    unknown_traces: int = 0
    """Reports with an empty trace, because nobody knew the trace's id."""
    undecided_packets: int = 0
    """Packets of connections that policy refused, or allowed again, while they passed: in no record."""
    unjudged_packets: int = 0
    """Refused packets that no policy had judged: of interfaces that were not yet programmed."""
    uncertain_packets: int = 0
    """Refused packets, or first ones, that may be missing because their element expired meanwhile."""


class Aggregator:
    """The accounts of one node."""

    def __init__(
        self, traces: Traces, scene: Scene, salt: int, moment: Moment, most_flows: int = MOST_FLOWS
    ) -> None:
        """Begin with nothing counted.

        Args:
            traces: What trace ids stand for.
            scene: The names of the moment; `show` replaces it.
            salt: 64 random bits; see `ocicat.flows.tuples`.
            moment: Now.
            most_flows: Flows that are kept; what is counted of others is lost, and counted so.
        """
        self._traces = traces
        self._scene = scene
        self._table = FlowTable(salt, most_flows, self._named, self._same)
        self._table.scene = scene
        self._connections = Connections(salt, self._index)
        self._counters = Counters(salt, 1000 * COUNTER_TIMEOUT_S)
        self._witness = Witness(salt)
        self._since = moment
        self._bucket = moment.now_ns // BUCKET_NS
        self._forgot_ms = moment.monotonic_ms
        self._now_ms = moment.monotonic_ms
        self._lost = Losses()

    # --- what is asked --------------------------------------------------------------------------------------

    @property
    def losses(self) -> Losses:
        """What could not be counted since the start."""
        return msgspec.structs.replace(
            self._lost,
            vanished=self._connections.vanished,
            uncertain_packets=self._counters.uncertain,
            flows_packets=self._table.lost.packets,
            flows_connections=self._table.lost.connections,
        )

    @property
    def flows(self) -> int:
        """How many flows are kept."""
        return len(self._table)

    @property
    def connections(self) -> int:
        """How many live connections are known."""
        return len(self._connections)

    def marks_in_use(self) -> frozenset[int]:
        """Return the marks whose trace ids must not be given to other outcomes yet."""
        return self._table.marks() | self._connections.marks()

    # --- what is told ---------------------------------------------------------------------------------------

    def show(self, scene: Scene) -> None:
        """Take names from `scene` from now on. Connections that are known keep theirs."""
        self._scene = self._table.scene = scene

    def adopt(self, live: Table, closed: Closed, counted: Table, moment: Moment) -> None:
        """Take over what there is: it was reported by an earlier process, or by nobody, and not by us.

        `closed` is what was heard while the lists were made; it is left out.
        """
        self._now_ms = moment.monotonic_ms
        self._counters.adopt(counted, self._now_ms)
        self._hear(self._connections.adopt(live, closed.connections))
        self._since = moment

    def lose_malformed(self, messages: int) -> None:
        """Note messages of the kernel that could not be read."""
        self._lose(malformed=messages)

    def counters_begin_anew(self) -> None:
        """Note that the counter sets were emptied."""
        self._counters.begin_anew()

    def take_counted(self, listed: Table, moment: Moment) -> frozenset[int]:
        """Take in a list of all counter sets.

        Returns:
            The marks of connections that nobody has told of yet: listing these tells what they are.
        """
        self._now_ms = moment.monotonic_ms
        told = self._counters.listed(listed, self._now_ms)
        refused = told.tuples["denied"] != 0
        self._refuse(Counted(told.tuples[refused], told.packets[refused], told.bytes[refused]))
        judged = ~refused & (told.tuples["mark"] != 0)
        first = Counted(told.tuples[judged], told.packets[judged], told.bytes[judged])
        return self._witness.counted(first, self._now_ms)

    def _refuse(self, told: Counted) -> None:
        """Count refused attempts: each packet is one, which begins and ends at once."""
        judged = told.tuples["mark"] != 0
        self._lose(unjudged_packets=int(told.packets[~judged].sum()))
        packets = told.packets[judged].astype(np.int64)
        counts = np.zeros((len(packets), len(COUNTS)), np.uint64)
        counts[:, 0], counts[:, 1] = packets, told.bytes[judged]
        flows = self._table.index(told.tuples[judged])
        self._table.add(Change(flows, counts, packets, packets, np.zeros_like(packets)), self._now_ms)

    def take_closed(self, closed: Closed, moment: Moment) -> None:
        """Take in connections that have ended."""
        self._now_ms = moment.monotonic_ms
        self._lose(events=closed.lost, malformed=closed.malformed)
        self._hear(self._connections.closed(closed.connections))

    def take_live(self, live: Table, closed: Closed, moment: Moment, *, complete: bool = True) -> None:
        """Take in a list of live connections, and what was heard of closed ones since it was begun."""
        self._now_ms = moment.monotonic_ms
        self._hear(self._connections.listed(live, closed=closed.connections, complete=complete))
        self.take_closed(closed, moment)

    def _hear(self, heard: Heard) -> None:
        for change in heard.changes:
            self._table.add(change, self._now_ms)
            self._witness.told(*sums_of(change.flow, change.started), self._now_ms)
        for moved in heard.moved:
            placed = (moved.before != NOWHERE) & (moved.after != NOWHERE)
            before, after, counts = moved.before[placed], moved.after[placed], moved.counts[placed]
            doubtful = self._table.silent[before] | self._table.silent[after]
            self._lose(undecided_packets=int(counts[doubtful][:, (0, 2)].sum()))
            np.subtract.at(self._table.counts, after[doubtful], counts[doubtful].astype(np.int64))

    def _index(self, tuples: Table) -> Flows:
        flows = self._table.index(tuples)
        once, first = np.unique(flows, return_index=True)
        self._witness.known(tuples[first], once)
        return flows

    def _named(self, flow: FlowTuple) -> Named:
        told = named(flow, self._scene, self._traces)
        self._lose(unknown_traces=told.unknown)
        return told

    def _same(self, told: Named) -> bool:
        return same_names(told, self._scene)

    def _lose(self, **lost: int) -> None:
        if any(lost.values()):
            sums = {name: getattr(self._lost, name) + number for name, number in lost.items()}
            self._lost = msgspec.structs.replace(self._lost, **sums)

    # --- what comes out -------------------------------------------------------------------------------------

    def fresh(self, moment: Moment) -> list[FlowRecord]:
        """Return records of the flows under whose keys nothing has been reported yet."""
        active = self._table.active()
        reported = self._table.held.reported
        keys = self._table.keys[active]
        known = np.isin(keys, np.fromiter(reported, np.int32, len(reported))) | (keys == NOWHERE)
        return records_of(self._table, active[~known.all(axis=1)], self._interval(moment), self._scene.node)

    def window(self, moment: Moment) -> list[FlowRecord]:
        """Return records of all flows of which something was counted since the last window, and end it.

        In the first window of a bucket there are also those that have open connections and nothing else.
        """
        self._now_ms = moment.monotonic_ms
        self._count_missed()
        flows = self._table.active()
        bucket = moment.now_ns // BUCKET_NS
        if bucket != self._bucket:
            flows = np.union1d(flows, np.flatnonzero(self._table.open[: len(self._table.names)] > 0))
        self._renew_pending(flows)
        records = records_of(self._table, flows, self._interval(moment), self._scene.node)
        take(self._table, flows)
        self._bucket, self._since = bucket, moment
        self._forget_idle()
        return records

    def _interval(self, moment: Moment) -> Interval:
        """Return what has passed since the last window; as long as it was, whoever has set the clock."""
        passed_ns = moment.monotonic_ns - self._since.monotonic_ns
        return Interval(moment.now_ns - passed_ns, moment.now_ns)

    def _count_missed(self) -> None:
        """Count the connections of which only the first packet was seen, where it is known what they were."""
        for missed in self._witness.settle(self._now_ms):
            flows = np.asarray(missed.flows, np.int32)
            if not len(flows):
                flows = self._index(np.frombuffer(missed.row, TUPLE))
            if len(flows) > 1 or flows[0] == NOWHERE:
                self._lose(uncounted=missed.connections)
                continue
            change = Change.of(flows, started=missed.connections, completed=missed.connections)
            self._table.add(change, self._now_ms)
            self._lose(missed=missed.connections)

    def _renew_pending(self, flows: NDArray[np.intp]) -> None:
        """Work out pending traces as policy stands now, for flows that pass while it changed (§12.3)."""
        done = 0
        for flow in flows.tolist():
            name = self._table.names[flow]
            if name is None or name.pending is self._scene:
                continue
            if self._now_ms - name.pending_ms < PENDING_EVERY_MS and name.pending is not None:
                continue
            told = with_pending(name.named, self._scene)
            if told != name.named:
                self._table.rename(flow, told)
            name = self._table.names[flow]
            if name is not None:
                name.pending, name.pending_ms = self._scene, self._now_ms
            done += 1
            if done == PENDING_AT_ONCE:
                return

    def _forget_idle(self) -> None:
        if self._now_ms - self._forgot_ms < IDLE_MS // 4:
            return
        self._forgot_ms = self._now_ms
        idle = self._table.idle(self._now_ms - IDLE_MS)
        idle = np.setdiff1d(idle, self._connections.flows_in_use())
        self._table.forget(idle)
        self._witness.forget(idle.tolist(), self._now_ms - IDLE_MS)
