"""Collecting: what is reported when, over which interval, and what is lost."""

import asyncio
from collections.abc import Collection, Sequence

import msgspec
import pytest

from ocicat.flows import aggregate, collect
from ocicat.flows.collect import Collector
from ocicat.flows.scene import Scene
from ocicat.flows.witness import GRACE_MS
from ocicat.model.flow import Action, Reporter
from ocicat.model.net import Address
from ocicat.model.record import FlowCounts, FlowRecord
from ocicat.ports.accounting import Table
from support.accounted import NODE, SALT, SERVER, HandClock, pod
from support.clocks import FakeTimer, settled
from support.fakekernel import ALLOWED_OUT, REFUSED_IN, REFUSED_OUT, FakeKernel, FakeTraces, flow
from support.flowscene import TWIN_ADDRESS, scene, twin

BEGIN_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000
TO_SERVER = flow()


class Node:
    """A collector on a fake kernel, and the clock of both."""

    def __init__(self, most_flows: int = 100, at: Scene | None = None) -> None:
        self.clock = HandClock()
        self.kernel = FakeKernel(lambda: self.clock.monotonic // 1_000_000)
        self.most_flows = most_flows
        self.start(at)

    def start(self, at: Scene | None = None) -> None:
        self.collector = Collector(
            self.kernel, FakeTraces(), self.clock, salt=SALT, scene=at or scene(), most_flows=self.most_flows
        )
        self.look(0.0)

    def look(self, seconds: float = 0.25) -> list[FlowRecord]:
        self.clock.advance(seconds)
        return self.collector.look()

    def counts(self, seconds: float = 0.25) -> list[FlowCounts]:
        """Return what the destination's records of one look count."""
        return [record.counts for record in self.look(seconds) if record.key.reporter is Reporter.DST]

    @property
    def losses(self) -> aggregate.Losses:
        return self.collector.status().losses


@pytest.fixture
def node() -> Node:
    return Node()


# --- when ---------------------------------------------------------------------------------------------------


def test_a_new_flow_at_the_next_look_and_counters_with_the_window(node: Node) -> None:
    number = node.kernel.connect(TO_SERVER, 60)
    assert node.counts(0.25) == [FlowCounts(1, 0, 60, 0, 1, 0, 1)]
    node.kernel.exchange(number, 2, 80, 3, 300)
    assert node.counts(0.25) == []
    assert node.counts(0.5) == [FlowCounts(2, 3, 80, 300, 0, 0, 1)]


def test_all_connections_are_listed_once_a_second(node: Node) -> None:
    lists = node.kernel.lists
    for _ in range(12):
        node.look(0.25)
    assert node.kernel.lists - lists == 3


def test_both_ends_see_the_counts_from_their_own_side(node: Node) -> None:
    """Dst: in = client→server direction, out = replies. Src: out = client→server, in = replies."""
    node.kernel.exchange(node.kernel.connect(TO_SERVER, 60), 1, 40, 5, 500)
    found = {record.key.reporter: record.counts for record in node.look()}
    assert found == {
        Reporter.DST: FlowCounts(2, 5, 100, 500, 1, 0, 1),
        Reporter.SRC: FlowCounts(5, 2, 500, 100, 1, 0, 1),
    }


class Slow(FakeKernel):
    """A kernel that takes its time to answer."""

    def __init__(self, clock: HandClock, list_s: float, look_s: float) -> None:
        super().__init__(lambda: clock.monotonic // 1_000_000)
        self._clock, self._list_s, self._look_s = clock, list_s, look_s

    def live(self, marks: Collection[int] = ()) -> Table:
        self._clock.advance(self._list_s)
        return super().live(marks)

    def counted(self) -> Table:
        self._clock.advance(self._look_s)
        return super().counted()


def test_looking_for_new_flows_takes_a_fifth_of_the_time_at_most(node: Node) -> None:
    node.kernel = Slow(node.clock, list_s=0.0, look_s=0.3)
    node.start()
    node.look(0.0)
    assert node.collector.wait_s == pytest.approx(4 * 0.3)


def test_listing_connections_takes_a_fifth_of_the_time_at_most(node: Node) -> None:
    node.kernel = Slow(node.clock, list_s=2.0, look_s=0.0)
    node.start()
    node.look(1.0)
    lists = node.kernel.lists
    assert node.collector.status().list_s == pytest.approx(2.0)
    for _ in range(31):
        node.look(0.25)
    assert node.kernel.lists == lists
    node.look(0.25)
    assert node.kernel.lists == lists + 1


# --- intervals ----------------------------------------------------------------------------------------------


def test_a_window_begins_where_the_last_one_ended(node: Node) -> None:
    node.look(1.0)
    node.kernel.connect(TO_SERVER)
    node.look(0.25)
    node.kernel.refuse(flow(ALLOWED_OUT, REFUSED_IN))
    (first, *_) = node.look(0.75)
    assert (first.start_ns, first.end_ns) == (BEGIN_NS + SECOND_NS, BEGIN_NS + 2 * SECOND_NS)


@pytest.mark.parametrize("jump_s", [-86_400, -3, 3, 86_400])
def test_a_clock_that_jumps_does_not_make_windows_longer(node: Node, jump_s: int) -> None:
    node.look(1.0)
    node.kernel.connect(TO_SERVER)
    node.clock.now += jump_s * SECOND_NS
    records = node.look(1.0)
    assert {record.end_ns - record.start_ns for record in records} == {SECOND_NS}
    assert records[0].end_ns == BEGIN_NS + (2 + jump_s) * SECOND_NS


def test_the_node_and_the_addresses(node: Node) -> None:
    node.kernel.connect(TO_SERVER)
    assert {(record.node, record.source_ip, record.dest_ip) for record in node.look()} == {
        (NODE, "10.65.0.1", "10.65.0.2")
    }


def test_addresses_that_differ_are_left_out_and_labels_are_those_in_common(node: Node) -> None:
    """Merging records of one flow: intersection of key=value pairs."""
    node.start(scene(twin("client-5d7b8c-*", zone="z")))
    node.kernel.connect(TO_SERVER)
    node.kernel.connect(flow(source=TWIN_ADDRESS))
    (record,) = (found for found in node.look() if found.key.reporter is Reporter.DST)
    assert (record.source_ip, record.dest_ip, record.source_labels) == ("", "10.65.0.2", ("app=client",))
    assert record.counts.connections_started == 2


# --- live connections ---------------------------------------------------------------------------------------


def test_started_completed_and_live(node: Node) -> None:
    """Started (first seen in interval), completed, live (active at any time in the interval)."""
    numbers = [node.kernel.connect(TO_SERVER) for _ in range(3)]
    assert [
        (c.connections_started, c.connections_completed, c.connections_live) for c in node.counts(1.0)
    ] == [(3, 0, 3)]
    node.kernel.end(numbers[0])
    node.kernel.say_goodbye(numbers[1])
    node.kernel.connect(TO_SERVER)
    assert [
        (c.connections_started, c.connections_completed, c.connections_live) for c in node.counts(1.0)
    ] == [(1, 2, 4)]


def test_a_record_counts_the_open_connections_of_all_its_flows_as_live(node: Node) -> None:
    node.start(scene(twin(SERVER, app=SERVER)))
    node.kernel.connect(flow(destination=TWIN_ADDRESS, dialled=TWIN_ADDRESS))
    number = node.kernel.connect(TO_SERVER)
    node.look(1.0)
    node.kernel.exchange(number, 1, 40, 0, 0)
    assert [counts.connections_live for counts in node.counts(1.0)] == [2]


def test_an_idle_connection_is_reported_once_in_each_bucket(node: Node) -> None:
    node.kernel.connect(TO_SERVER)
    node.look(1.0)
    told = [(second, counts) for second in range(2, 62) for counts in node.counts(1.0)]
    assert {counts for _, counts in told} == {FlowCounts(connections_live=1)}
    # 1,700,000,000 is 5 s into a bucket of 15 s.
    assert [second for second, _ in told] == [10, 25, 40, 55]


def test_a_flow_without_open_connections_is_not_reported_again(node: Node) -> None:
    """No ghost denies with zero counters."""
    node.kernel.refuse(flow(REFUSED_OUT, 0))
    node.look(1.0)
    assert [record for _ in range(40) for record in node.look(1.0)] == []


# --- restart ------------------------------------------------------------------------------------------------


def test_a_collector_adopts_what_is_there(node: Node) -> None:
    number = node.kernel.connect(TO_SERVER)
    node.kernel.refuse(flow(ALLOWED_OUT, REFUSED_IN))
    node.start()
    assert node.look(1.0) == []
    node.kernel.exchange(number, 1, 40, 0, 0)
    node.kernel.end(number)
    assert node.counts(1.0) == [FlowCounts(1, 0, 40, 0, 0, 1, 1)]


def test_the_last_look_reports_all(node: Node) -> None:
    number = node.kernel.connect(TO_SERVER)
    node.look()
    node.kernel.exchange(number, 1, 40, 0, 0)
    node.clock.advance(0.1)
    assert {record.counts.packets_in for record in node.collector.last()} == {0, 1}


def test_sets_that_were_emptied_count_from_zero(node: Node) -> None:
    node.kernel.refuse(flow(ALLOWED_OUT, REFUSED_IN))
    assert len(node.counts()) == 1
    node.kernel._elements.clear()
    node.collector.counters_begin_anew()
    node.kernel.refuse(flow(ALLOWED_OUT, REFUSED_IN))
    node.kernel.refuse(flow(ALLOWED_OUT, REFUSED_IN))
    assert [counts.packets_in for counts in node.counts(1.0)] == [2]


# --- names that change --------------------------------------------------------------------------------------


def test_an_address_that_gets_another_owner(node: Node) -> None:
    """Old connections keep their names, new ones have the new one."""
    old = node.kernel.connect(TO_SERVER)
    node.look(1.0)
    node.collector.show(scene(msgspec.structs.replace(pod(SERVER), shown_name="other-*")))
    node.kernel.exchange(old, 1, 40, 0, 0)
    node.kernel.connect(TO_SERVER)
    found = {
        record.key.dest_name: record.counts
        for record in node.look(1.0)
        if record.key.reporter is Reporter.DST
    }
    assert found == {SERVER: FlowCounts(1, 0, 40, 0, 0, 0, 1), "other-*": FlowCounts(1, 0, 60, 0, 1, 0, 1)}
    node.kernel.end(old)
    (record,) = (found for found in node.look(1.0) if found.key.reporter is Reporter.DST)
    assert (record.key.dest_name, record.counts.connections_completed) == (SERVER, 1)


def test_the_same_names_are_the_same_flow(node: Node) -> None:
    node.kernel.connect(TO_SERVER)
    node.look(1.0)
    node.collector.show(scene())
    node.kernel.connect(TO_SERVER)
    assert node.counts(1.0) == [FlowCounts(1, 0, 60, 0, 1, 0, 2)]
    assert node.collector.status().flows == 1


# --- losses -------------------------------------------------------------------------------------------------


def test_events_that_are_lost_lose_packets_but_no_connection(node: Node) -> None:
    """A connection that no list showed and of whose end no event told is known by its first packet."""
    node.kernel.connect(TO_SERVER)
    node.look(1.0)
    number = node.kernel.connect(TO_SERVER)
    node.kernel.lose_events = True
    node.kernel.end(number)
    told = [counts for _ in range(GRACE_MS // 1000 + 2) for counts in node.counts(1.0)]
    assert sum(counts.connections_started for counts in told) == 1
    assert sum(counts.packets_in for counts in told) == 0
    assert (node.losses.events, node.losses.missed) == (1, 1)


def test_a_connection_whose_end_is_lost(node: Node) -> None:
    number = node.kernel.connect(TO_SERVER)
    node.look(1.0)
    node.kernel.lose_events = True
    node.kernel.end(number)
    told = [counts.connections_completed for _ in range(40) for counts in node.counts(1.0)]
    assert sum(told) == 1
    assert node.losses.vanished == 1


def test_a_missed_connection_of_which_nothing_else_is_known(node: Node) -> None:
    node.kernel.lose_events = True
    node.kernel.end(node.kernel.connect(TO_SERVER))
    told = [counts for _ in range(GRACE_MS // 1000 + 2) for counts in node.counts(1.0)]
    assert [(counts.connections_started, counts.connections_completed) for counts in told] == [(1, 1)]
    assert node.losses.missed == 1


def test_a_missed_connection_that_may_have_dialled_one_of_two_services(node: Node) -> None:
    """Never guessed: counted as in no record."""
    dialled = flow(dialled=Address.parse("10.96.0.10"), dialled_port=8080)
    for of in (TO_SERVER, dialled):
        node.kernel.connect(of)
    node.look(1.0)
    number = node.kernel.connect(dialled)
    node.kernel.lose_events = True
    node.kernel.end(number)
    told = [counts for _ in range(GRACE_MS // 1000 + 2) for counts in node.counts(1.0)]
    assert sum(counts.connections_started for counts in told) == 0
    assert (node.losses.missed, node.losses.uncounted) == (0, 1)


def test_more_flows_than_there_is_room_for() -> None:
    node = Node(most_flows=2)
    for port in range(80, 85):
        node.kernel.connect(flow(port=port), 60)
    told = node.counts(1.0)
    assert len(told) == 2
    assert (node.losses.flows_packets, node.losses.flows_connections) == (3, 3)
    assert node.collector.status().flows == 2


def test_flows_that_are_idle_make_room() -> None:
    node = Node(most_flows=2)
    for port in (80, 81):
        node.kernel.end(node.kernel.connect(flow(port=port)))
    node.look(1.0)
    for _ in range(aggregate.IDLE_MS // 1000 + 60):
        node.look(1.0)
    assert node.collector.status().flows == 0
    assert node.collector.marks_in_use() == frozenset()
    node.kernel.connect(flow(port=82))
    assert len(node.counts(1.0)) == 1
    assert node.losses.flows_connections == 0


def test_flows_that_a_closed_connection_still_belongs_to_are_kept() -> None:
    node = Node(most_flows=2)
    number = node.kernel.connect(TO_SERVER)
    node.kernel.say_goodbye(number)
    for _ in range(aggregate.IDLE_MS // 1000 + 60):
        node.look(1.0)
    node.kernel.exchange(number, 1, 40, 0, 0)
    assert node.counts(1.0) == [FlowCounts(1, 0, 40, 0, 0, 0, 0)]


def test_refused_packets_that_nobody_judged(node: Node) -> None:
    node.kernel.refuse(flow(0, 0))
    assert node.look(1.0) == []
    assert node.losses.unjudged_packets == 1


def test_packets_between_two_verdicts_are_in_no_record(node: Node) -> None:
    """An unanswered connection is judged with each packet; the set of refused ones tells of those."""
    number = node.kernel.connect(TO_SERVER)
    node.look(1.0)
    node.kernel.exchange(number, 2, 80, 0, 0)
    node.kernel._live[number]["tuple"]["mark"] = flow(ALLOWED_OUT, REFUSED_IN).mark
    assert node.counts(1.0) == []
    assert node.losses.undecided_packets == 2
    node.kernel.exchange(number, 3, 120, 0, 0)
    node.kernel._live[number]["tuple"]["mark"] = TO_SERVER.mark
    assert [counts.packets_in for counts in node.counts(1.0)] == []
    assert node.losses.undecided_packets == 5
    node.kernel.exchange(number, 4, 160, 0, 0)
    assert [counts.packets_in for counts in node.counts(1.0)] == [4]


def test_messages_that_cannot_be_read_are_counted(node: Node) -> None:
    node.kernel.unread = 3
    node.look(1.0)
    node.look(1.0)
    assert node.losses.malformed == 3


def test_a_kernel_that_does_not_answer_for_a_while(node: Node) -> None:
    node.kernel.connect(TO_SERVER)
    node.kernel.failing = True
    assert node.look(1.0) == []
    assert "does not answer" in node.collector.status().error
    node.kernel.failing = False
    assert [counts.packets_in for counts in node.counts(1.0)] == [1]
    assert node.collector.status().error == ""


def test_pending_traces_are_worked_out_some_at_a_time(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregate, "PENDING_AT_ONCE", 1)
    for port in (80, 81):
        node.kernel.connect(flow(port=port))
    told = node.look(1.0)
    changed = {record.key.dest_port for record in told if record.key.pending != record.key.enforced}
    assert len(changed) == 1


def test_marks_in_use(node: Node) -> None:
    node.kernel.connect(TO_SERVER)
    node.kernel.refuse(flow(ALLOWED_OUT, REFUSED_IN))
    node.look(1.0)
    assert node.collector.marks_in_use() == {TO_SERVER.mark, flow(ALLOWED_OUT, REFUSED_IN).mark}


# --- the loop -----------------------------------------------------------------------------------------------


class Sink:
    """Fulfils FlowSink."""

    def __init__(self) -> None:
        self.records: list[FlowRecord] = []
        self.lost = 0

    async def send(self, records: Sequence[FlowRecord]) -> None:
        self.records.extend(records)


def test_the_loop_looks_waits_and_looks_a_last_time() -> None:
    async def life() -> None:
        timer, sink = FakeTimer(), Sink()
        kernel = FakeKernel(lambda: timer.monotonic_ns() // 1_000_000)
        collector = Collector(kernel, FakeTraces(), timer, salt=SALT, scene=scene())
        task = asyncio.create_task(collect.collect(collector, sink, timer))
        async with asyncio.timeout(20):
            while not timer.sleepers:
                await asyncio.sleep(0.001)
            kernel.connect(TO_SERVER)
            await timer.advance(0.25)
            while len(sink.records) < 2:
                await asyncio.sleep(0.001)
        kernel.refuse(flow(ALLOWED_OUT, REFUSED_IN))
        task.cancel()
        await settled()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [record.key.action for record in sink.records if record.key.reporter is Reporter.DST] == [
            Action.ALLOW,
            Action.DENY,
        ]

    asyncio.run(life())
