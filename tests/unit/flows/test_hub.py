"""The hub between senders, store and readers: nothing twice, nothing lost unsaid."""

import asyncio
import threading
from typing import Any

import pytest

from ocicat.flows import hub as hub_module
from ocicat.flows.hub import Hub
from ocicat.flows.store.memory import MemoryStore
from ocicat.model.flowfilter import EVERYTHING, parse
from ocicat.ports.flowstore import Receipt, Window
from support.clocks import FakeTimer, settled, until
from support.hub import flow_record

ALL = Window(0, 1 << 62)


class SlowStore(MemoryStore):
    """A store whose commits wait for the test, and may fail."""

    def __init__(self) -> None:
        super().__init__()
        self.may_commit = threading.Event()
        self.commits: list[int] = []
        self.fails = 0

    def append(self, rows: Any, receipts: Any = ()) -> None:
        assert self.may_commit.wait(20)
        if self.fails:
            self.fails -= 1
            raise OSError(28, "No space left on device")
        super().append(rows, receipts)
        self.commits.append(len(rows))


async def test_a_sender_is_answered_after_the_commit_and_commits_are_joined() -> None:
    store = SlowStore()
    hub = Hub(store, FakeTimer())
    senders = [asyncio.create_task(hub.take([flow_record(port=port)])) for port in range(1, 101)]
    await settled()
    assert not any(sender.done() for sender in senders)
    store.may_commit.set()
    await asyncio.gather(*senders)
    assert sum(store.commits) == 100
    assert len(store.commits) <= 2


async def test_a_commit_that_fails_is_told_to_the_sender_and_shown_to_no_reader() -> None:
    store = SlowStore()
    store.may_commit.set()
    store.fails = 1
    hub = Hub(store, FakeTimer())
    with hub.listen() as listener:
        with pytest.raises(OSError, match="No space left"):
            await hub.take([flow_record(port=1)])
        await hub.take([flow_record(port=2)])
        [live] = await anext(aiter(listener))
    assert live.record.key.dest_port == 2
    assert [item.variant.key.dest_port for item in await hub.found(ALL, EVERYTHING)] == [2]


async def test_readers_have_a_record_when_its_sender_is_answered() -> None:
    hub = Hub(MemoryStore(), FakeTimer())
    with hub.listen() as first, hub.listen() as second:
        await hub.take([flow_record(port=1), flow_record(port=2)])
        for listener in (first, second):
            group = await asyncio.wait_for(anext(aiter(listener)), 10)
            assert [(live.position, live.record.key.dest_port) for live in group] == [(1, 1), (2, 2)]


async def test_history_and_live_records_meet_without_gap_or_double() -> None:
    hub = Hub(MemoryStore(), FakeTimer())
    stopped = False

    async def push(first: int) -> None:
        port = first
        while not stopped:
            await hub.take([flow_record(port=port)])
            port += 2

    senders = [asyncio.create_task(push(first)) for first in (1, 2)]
    await until(lambda: hub.position > 20)
    for _ in range(20):
        with hub.listen() as listener:
            position = hub.position
            found = await hub.found(ALL, EVERYTHING, upto=position)
            before = {item.variant.key.dest_port for item in found}
            assert len(before) == position
            group = await anext(aiter(listener))
            assert group[0].position == position + 1
            assert not before & {live.record.key.dest_port for live in group}
    stopped = True
    await asyncio.gather(*senders)


async def test_a_reader_that_is_too_slow_misses_records_and_is_told_how_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub_module, "WAITING", 3)
    hub = Hub(MemoryStore(), FakeTimer())
    with hub.listen() as slow:
        for port in range(1, 6):
            await hub.take([flow_record(port=port)])
        group = await anext(aiter(slow))
        assert ([live.position for live in group], slow.missed) == ([1, 2, 3], 2)
        await hub.take([flow_record(port=6)])
        assert [live.position for live in await anext(aiter(slow))] == [6]


@pytest.mark.parametrize("remembered", [2, 50_000], ids=["from the store", "from memory"])
async def test_a_reader_goes_on_after_its_position(monkeypatch: pytest.MonkeyPatch, remembered: int) -> None:
    monkeypatch.setattr(hub_module, "RECENT", remembered)
    hub = Hub(MemoryStore(), FakeTimer())
    for port in range(1, 5):
        await hub.take([flow_record(port=port)])
    again, missing = await hub.since(1)
    expected = [3, 4] if remembered == 2 else [2, 3, 4]
    assert ([live.position for live in again], missing) == (expected, 4 - len(expected) - 1)
    assert again[-1].record.key.dest_port == 4


async def test_positions_go_on_when_a_hub_starts_again() -> None:
    store = MemoryStore()
    await Hub(store, FakeTimer()).take([flow_record(port=1), flow_record(port=2)])
    hub = Hub(store, FakeTimer())
    assert hub.position == 2
    await hub.take([flow_record(port=3)])
    again, missing = await hub.since(1)
    assert ([live.position for live in again], missing) == ([2, 3], 0)


async def test_what_counts_nothing_is_no_row() -> None:
    """§4.3: "A key whose only bucket is still filling … leave such rows out"."""
    hub = Hub(MemoryStore(), FakeTimer())
    await hub.take([flow_record(connections=0), flow_record(port=2)])
    assert [item.variant.key.dest_port for item in await hub.found(ALL, EVERYTHING)] == [2]


async def test_a_name_with_a_star_in_history_wins_over_the_pattern() -> None:
    hub = Hub(MemoryStore(), FakeTimer())
    await hub.take([flow_record(dest="db-backup-5f-*")])
    wanted = parse("dest_name=db-*")
    assert len(await hub.found(ALL, wanted)) == 1
    await hub.take([flow_record(dest="db-*", port=9)])
    assert [item.variant.key.dest_port for item in await hub.found(ALL, wanted)] == [9]


async def test_it_says_how_it_stands() -> None:
    timer = FakeTimer()
    hub = Hub(MemoryStore(), timer)
    await hub.take([flow_record(start_ns=timer.now_ns() - 3_500_000_000)] * 10)
    hub.lost("n1", 3, "the agent's queue was full")
    hub.lost("n1", 4, "the agent's queue was full")
    standing = hub.standing()
    assert (standing.lag_ms, standing.flows_per_s) == (2500, 2.0)
    assert [(name, seen) for name, seen in standing.nodes] == [("n1", timer.now_ns())]
    assert [(loss.node, loss.records) for loss in standing.losses] == [("n1", 7)]
    await timer.advance(6)
    assert (hub.standing().lag_ms, hub.standing().flows_per_s) == (0, 0.0)


async def test_a_batch_is_kept_with_its_number_and_neither_without_the_other() -> None:
    store = SlowStore()
    store.may_commit.set()
    store.fails = 1
    hub = Hub(store, FakeTimer())
    with pytest.raises(OSError, match="No space left"):
        await hub.take_batch([flow_record(port=1)], Receipt("n1", 7))
    assert Hub(store, FakeTimer()).sequence_of("n1") == 0
    await hub.take_batch([flow_record(port=2)], Receipt("n1", 8))
    again = Hub(store, FakeTimer())
    assert (again.sequence_of("n1"), again.sequence_of("n2")) == (8, 0)
    assert len(await again.found(ALL, EVERYTHING)) == 1


async def test_lately_are_the_records_of_the_last_time_that_name_no_node() -> None:
    timer = FakeTimer()
    hub = Hub(MemoryStore(), timer)
    now = timer.now_ns()
    records = [
        flow_record(port=1, start_ns=now - 400_000_000_000, node=""),
        flow_record(port=2, start_ns=now - 200_000_000_000, node=""),
        flow_record(port=3, start_ns=now - 100_000_000_000, node="n1"),
    ]
    await hub.take(records)
    assert await hub.lately(300_000_000_000) == [records[1]]
