"""How fast the hub takes flows and hands them on: into the store, through gRPC, out to live readers.

Flows are made up: kinds of flows between 300 workloads in 20 namespaces, a twentieth of them denied. The
store has files on this machine's disk, and every commit waits for it. One process is hub and sender, so that
what gRPC costs is counted for both. Latency is from handing a record to the hub until a reader has it.
"""

import asyncio
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc.aio
import msgspec
from aiohttp import web

from benchmarks.report import Table
from ocicat.api.collector import Collector
from ocicat.api.health import Health
from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.proto import flows_pb2_grpc as stubs
from ocicat.api.records import flow_of
from ocicat.api.rest import FlowApi
from ocicat.api.web import Access, application
from ocicat.api.whisker import WhiskerApi
from ocicat.flows.hub import Hub
from ocicat.flows.store.duck import DuckStore
from ocicat.model.flow import Action, Hit, HitKind, Reporter
from ocicat.model.record import EndType, FlowCounts, FlowKey, FlowRecord
from ocicat.ports.flowstore import Row
from ocicat.ports.policyview import NoPolicy
from ocicat.ports.systemclock import SystemClock

NS = 1_000_000_000
KINDS = 5_000
BATCH = 1_000
DEAD = 100
ROUNDS = 3
FILL, TAKEN = 60, 100
"""Batches before and while it is measured."""


def measure() -> list[Table]:
    """Run everything; takes a minute or two."""
    return [asyncio.run(part()) for part in (ingest, latency, dead_readers)]


# --- what is stored -----------------------------------------------------------------------------------------


def kinds(count: int) -> list[FlowRecord]:
    """Return records of `count` kinds of flows, one second long, of now."""
    chance = random.Random(7)
    made = []
    for number in range(count):
        source, dest = chance.randrange(300), chance.randrange(300)
        denied = number % 20 == 0
        action = Action.DENY if denied else Action.ALLOW
        hit = Hit(
            HitKind.CALICO_NETWORK_POLICY, f"ns{dest % 20}", f"p{dest % 50}", "default", action, 0, dest % 5
        )
        key = FlowKey(
            f"app{source}-7c9d-*",
            f"ns{source % 20}",
            EndType.WORKLOAD,
            f"app{dest}-7c9d-*",
            f"ns{dest % 20}",
            EndType.WORKLOAD,
            8000 + number % 100,
            f"app{dest}",
            f"ns{dest % 20}",
            "http",
            80,
            "tcp",
            Reporter.DST if number % 2 else Reporter.SRC,
            action,
            (hit,),
            (hit,),
        )
        counts = FlowCounts(10, 8, 900 + number, 700, 1, 1, 0)
        labels = (f"app=app{source}",), (f"app=app{dest}",)
        made.append(FlowRecord(key, 0, 0, *labels, counts, "10.0.0.1", "10.0.0.2", f"node{source % 10}"))
    return made


def timed(records: list[FlowRecord], start_ns: int) -> list[FlowRecord]:
    """Return records of the second that begins then."""
    return [msgspec.structs.replace(record, start_ns=start_ns, end_ns=start_ns + NS) for record in records]


class Folder:
    """A folder that goes when the measurement is over."""

    def __enter__(self) -> Path:
        self._path = Path(tempfile.mkdtemp(prefix="ocicat-bench-"))
        return self._path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._path)


# --- in -----------------------------------------------------------------------------------------------------


async def ingest() -> Table:
    """Records per second into the store, into the hub, and through gRPC to the commit."""
    rows: list[tuple[str, str]] = []
    records = kinds(KINDS)
    with Folder() as folder:
        store = DuckStore(folder)
        numbers = [store.number_of(record.variant) for record in records]
        now = time.time_ns()
        began, count = time.perf_counter(), 0
        while count < 500_000:
            batch = [
                Row(number, now + count, now + NS + count, record.counts, count)
                for number, record in zip(numbers, records, strict=True)
            ] * 10
            store.append(batch)
            count += len(batch)
        rows.append(
            ("rows into the store, 50,000 at a time", f"{count / (time.perf_counter() - began):,.0f}/s")
        )
        store.close()
    for senders in (1, 8):
        with Folder() as folder:
            rows.append(
                (
                    f"records through batches of 1,000, {senders} senders",
                    f"{await pushed(folder, records, senders):,.0f}/s",
                )
            )
    for senders in (1, 20):
        with Folder() as folder:
            rows.append(
                (
                    f"records turn by turn, {senders} streams",
                    f"{await turned(folder, records, senders):,.0f}/s",
                )
            )
    return Table("Hub: flows in", ["what", "figure"], list(map(list, rows)))


async def pushed(folder: Path, records: list[FlowRecord], senders: int) -> float:
    """Return acknowledged records per second by FlowBatches."""
    now = time.time_ns()
    batches = [
        [flow_of(record) for record in timed(records[at : at + BATCH], now)] for at in range(0, KINDS, BATCH)
    ]
    rounds = 40 // senders

    async def push(channel: grpc.aio.Channel, sender: int) -> int:
        call = stubs.FlowBatchesStub(channel).Push()
        sent = 0
        for number in range(rounds):
            await call.write(
                pb.FlowBatch(flows=batches[number % len(batches)], sequence=number + 1, sender=f"s{sender}")
            )
            await call.read()
            sent += BATCH
        await call.done_writing()
        return sent

    return await rate(folder, senders, push)


async def turned(folder: Path, records: list[FlowRecord], senders: int) -> float:
    """Return acknowledged records per second by FlowCollector."""
    now = time.time_ns()

    async def turn(channel: grpc.aio.Channel, sender: int) -> int:
        call = stubs.FlowCollectorStub(channel).Connect()
        for number in range(200):
            start = now + (sender * 1000 + number) * 1000
            [record] = timed([records[number]], start)
            await call.write(pb.FlowUpdate(flow=flow_of(record)))
            await call.read()
        await call.done_writing()
        return 200

    return await rate(folder, senders, turn)


async def rate(folder: Path, senders: int, send: Callable[[grpc.aio.Channel, int], Awaitable[int]]) -> float:
    """Return how many records per second some senders get acknowledged."""
    store = DuckStore(folder)
    hub = Hub(store, SystemClock())
    server = grpc.aio.server()
    Collector(hub.take, SystemClock()).add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await send(channel, 99)  # kinds are new only once
        began = time.perf_counter()
        sent = sum(await asyncio.gather(*(send(channel, number) for number in range(senders))))
        taken = time.perf_counter() - began
    await server.stop(None)
    store.close()
    return sent / taken


# --- live ---------------------------------------------------------------------------------------------------


async def latency() -> Table:
    """From handing over to reading, alone and under load, with slow readers."""
    rows: list[tuple[str, str]] = []
    records = kinds(KINDS)
    for load, label in ((0, "alone"), (5_000, "under 5,000 records/s"), (20_000, "under 20,000 records/s")):
        with Folder() as folder:
            found = await latencies(folder, records, load)
        rows.append((f"record taken → read, {label}", spread(found)))
    return Table(
        "Hub: latency to readers, with 100 readers that never read", ["what", "figure"], list(map(list, rows))
    )


async def latencies(folder: Path, records: list[FlowRecord], load: int) -> list[float]:
    """Return seconds from take to a reader, 100 times."""
    store = DuckStore(folder)
    hub = Hub(store, SystemClock())
    found: list[float] = []
    stopped = False

    async def press() -> None:
        while load and not stopped:
            began = time.perf_counter()
            await hub.take(timed(random.sample(records, min(1_000, KINDS)), time.time_ns()))
            await asyncio.sleep(max(0.0, 1_000 / load - (time.perf_counter() - began)))

    pressing = asyncio.create_task(press())
    for listening in (listeners := [hub.listen() for _ in range(100)]):
        listening.__enter__()
    with hub.listen() as listener:
        groups = aiter(listener)
        for number in range(100):
            marked = timed([records[number]], 1_000_000 + number)
            began = time.perf_counter()
            taking = asyncio.create_task(hub.take(marked))
            async for group in groups:
                if any(live.record.start_ns == 1_000_000 + number for live in group):
                    break
            found.append(time.perf_counter() - began)
            await taking
            await asyncio.sleep(0.01)
    for listening in listeners:
        listening.__exit__(None, None, None)
    stopped = True
    await pressing
    store.close()
    return found


async def dead_readers() -> Table:
    """What readers that do not read cost senders: the whole hub, over HTTP, with and without them."""
    records = kinds(KINDS)
    rounds = [(await taken(records, 0), await taken(records, DEAD)) for _ in range(ROUNDS)]
    without, with_them = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(slow / fast for fast, slow in rounds)
    rows = [
        ["records taken, nobody reads", f"{without:,.0f}/s"],
        [f"records taken, {DEAD} streams are open that nobody reads", f"{with_them:,.0f}/s"],
        ["ratio, the median of the rounds'", f"{ratio:.2f}"],
    ]
    return Table("Hub: dead readers", ["what", "figure"], rows)


async def taken(records: list[FlowRecord], readers: int) -> float:
    """Return records per second that a hub takes in batches, with streams that nobody reads."""
    with Folder() as folder:
        store = DuckStore(folder)
        clock = SystemClock()
        hub = Hub(store, clock)
        handlers = FlowApi(hub, NoPolicy(), ""), WhiskerApi(hub), Health(hub, Collector(hub.take, clock))
        runner = web.AppRunner(application(*handlers, None, Access(), clock), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        connections = [await asyncio.open_connection("127.0.0.1", port, limit=4096) for _ in range(readers)]
        for _, writer in connections:
            writer.write(b"GET /api/v1/flows/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await push(hub, records, FILL)  # until what sockets hold and what may wait is full
        began = time.perf_counter()
        await push(hub, records, TAKEN)
        lasted = time.perf_counter() - began
        for _, writer in connections:
            writer.close()
        await runner.cleanup()
        store.close()
    return TAKEN * BATCH / lasted


async def push(hub: Hub, records: list[FlowRecord], batches: int) -> None:
    """Hand batches to the hub, one after another."""
    for number in range(batches):
        start = number * BATCH % KINDS
        await hub.take(timed(records[start : start + BATCH], time.time_ns()))


def spread(found: list[float]) -> str:
    """Return median and 95th percentile in milliseconds."""
    quantiles = statistics.quantiles(found, n=20)
    return f"{statistics.median(found) * 1000:,.0f} ms, p95 {quantiles[18] * 1000:,.0f} ms"
