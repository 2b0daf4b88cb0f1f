"""Following a Goldmane: nothing is counted twice, nothing is left out. Source: flows-and-console §3, §4.4."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import grpc.aio
import pytest

from ocicat.api.channel import FlowServer
from ocicat.api.goldmane import GoldmaneReader
from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.proto import flows_pb2_grpc as stubs
from ocicat.api.records import flow_of
from ocicat.model.record import FlowRecord
from support.clocks import FakeTimer, until
from support.hub import flow_record

NS = 1_000_000_000
NOW_S = 1_700_000_000
BUCKET_S = NOW_S // 15 * 15


class Goldmane(stubs.FlowsServicer):
    """Tells on each connection what the test has written down for it, and notes since when it is asked."""

    def __init__(self, *connections: Sequence[pb.Flow]) -> None:
        self.connections = list(connections)
        self.starts: list[int] = []

    async def Stream(self, request: pb.FlowStreamRequest, _context: Any) -> AsyncIterator[pb.FlowResult]:  # noqa: N802
        self.starts.append(request.start_time_gte)
        for number, flow in enumerate(self.connections.pop(0)):
            yield pb.FlowResult(id=number, flow=flow)
        if not self.connections:
            await asyncio.Event().wait()


def told(packets: int, *, start_s: int = BUCKET_S, port: int = 80) -> pb.Flow:
    """Return a bucket of a flow, as a Goldmane tells it: in whole seconds, nothing of ours."""
    flow = flow_of(flow_record(port=port, start_ns=start_s * NS, source_ip="", dest_ip="", node=""))
    flow.start_time, flow.end_time, flow.packets_in = start_s, start_s + 15, packets
    for name in ("start_time_ns", "end_time_ns"):
        flow.ClearField(name)
    return flow


@contextlib.asynccontextmanager
async def following(goldmane: Goldmane, timer: FakeTimer) -> AsyncIterator[list[FlowRecord]]:
    server = grpc.aio.server()
    stubs.add_FlowsServicer_to_server(goldmane, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    taken: list[FlowRecord] = []

    async def take(records: Sequence[FlowRecord]) -> None:
        taken.extend(records)

    reader = GoldmaneReader(FlowServer(f"127.0.0.1:{port}"), take, timer, lambda: 0.0)
    task = asyncio.create_task(reader.run())
    try:
        yield taken
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await server.stop(None)


async def packets_after(*connections: Sequence[pb.Flow]) -> dict[int, int]:
    """Return the packets by port that were taken, when the last connection has told all."""
    end = told(1, port=9)
    goldmane, timer = Goldmane(*connections[:-1], [*connections[-1], end]), FakeTimer(NOW_S * NS)
    async with following(goldmane, timer) as taken:
        for number in range(1, len(connections)):
            await until(lambda: timer.sleepers > 0)
            assert len(goldmane.starts) == number
            await timer.advance(11)
        await until(lambda: any(record.key.dest_port == 9 for record in taken))
    sums: dict[int, int] = {}
    for record in taken:
        sums[record.key.dest_port] = sums.get(record.key.dest_port, 0) + record.counts.packets_in
    del sums[9]
    return sums


LATE = BUCKET_S - 300


@pytest.mark.parametrize(
    ("connections", "expected"),
    [
        pytest.param([[told(5), told(7, start_s=BUCKET_S - 15)]], 12, id="buckets add up"),
        pytest.param([[told(5)], [told(5)]], 5, id="a bucket that is told again is not new"),
        pytest.param([[told(5)], [told(8)]], 8, id="what a bucket has gained during the break is"),
        # A hub of ours sends what it gets at once, in parts of a bucket.
        pytest.param([[told(5), told(5), told(2)]], 12, id="a bucket in parts"),
        pytest.param([[told(5), told(5)], [told(12)]], 12, id="parts, and their sum after a break"),
        pytest.param([[told(5), told(5)], [told(10), told(3)]], 13, id="parts before and after a break"),
        pytest.param(
            [[told(5, start_s=LATE), told(1)], [told(1), told(4, start_s=LATE)]], 10, id="late records"
        ),
        pytest.param([[told(5)], [], [told(5)]], 5, id="a connection that brought nothing"),
    ],
)
async def test_each_packet_is_taken_once(connections: list[list[pb.Flow]], expected: int) -> None:
    assert await packets_after(*connections) == {80: expected}


async def test_it_asks_for_less_than_history_and_after_a_break_for_what_it_lacks() -> None:
    """§4.4: "a start older than the ring gives **no backfill at all**": so as much is never asked for."""
    goldmane, timer = Goldmane([told(5)], [], []), FakeTimer(NOW_S * NS)
    async with following(goldmane, timer):
        await until(lambda: timer.sleepers > 0)
        await timer.advance(11)
        await until(lambda: len(goldmane.starts) == 2 and timer.sleepers > 0)
        await timer.advance(7200)
        await until(lambda: len(goldmane.starts) == 3)
    assert goldmane.starts == [-3570, BUCKET_S - 120, -3570]
