"""The bounded queue: it merges before it drops, and counts what it drops."""

import asyncio

from ocicat.api.outbox import Outbox
from support.flowrecords import record


def test_records_come_out_in_order():
    box = Outbox(10)
    box.put([record(1), record(2), record(3)])
    assert [r.key.dest_port for r in box.take(2)] == [1, 2]
    assert [r.key.dest_port for r in box.take(2)] == [3]


def test_a_full_queue_merges_records_of_one_flow_and_loses_nothing():
    box = Outbox(10)
    for _ in range(100):
        box.put([record()])
    assert box.lost == 0
    assert len(box) <= 10
    assert sum(r.counts.packets_in for r in box.take(100)) == 300


def test_what_cannot_be_merged_is_given_up_oldest_first_and_counted():
    box = Outbox(10)
    box.put([record(port) for port in range(100)])
    kept = [r.key.dest_port for r in box.take(100)]
    assert kept[-1] == 99
    assert len(kept) <= 10
    assert box.lost == 100 - len(kept)


def test_who_waits_wakes_when_there_is_something():
    async def scene():
        box = Outbox(10)
        waiting = asyncio.create_task(box.filled())
        await asyncio.sleep(0)
        assert not waiting.done()
        box.put([record()])
        await asyncio.wait_for(waiting, 5)
        box.take(1)
        assert not box._filled.is_set()

    asyncio.run(scene())
