"""How fast the hub takes flows and gives them back: into the store, through gRPC, out to readers and screens.

Flows are made up: kinds of flows between 300 workloads in 20 namespaces, a twentieth of them denied. The
store has files on this machine's disk, and every commit waits for it. One process is hub and sender, so that
what gRPC costs is counted for both. Latency is from handing a record to the hub until a reader has it.
"""

import asyncio
import random
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc.aio
import msgspec

from benchmarks.report import Table
from ocicat.api.asking import Question
from ocicat.api.collector import Collector
from ocicat.api.documents import flows_of
from ocicat.api.flowpages import grouped
from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.proto import flows_pb2_grpc as stubs
from ocicat.api.records import flow_of
from ocicat.api.views import graph, step_of, timeseries, top
from ocicat.app.clock import SystemClock
from ocicat.flows.hub import Hub
from ocicat.flows.store.duck import DuckStore
from ocicat.model.flow import Action, Hit, HitKind, Reporter
from ocicat.model.flowfilter import EVERYTHING, parse
from ocicat.model.record import EndType, FlowCounts, FlowKey, FlowRecord
from ocicat.ports.flowstore import Row, Window

NS = 1_000_000_000
KINDS = 5_000
ROWS = 1_000_000
BATCH = 1_000
QUESTIONS = 30


def measure() -> list[Table]:
    """Run everything; takes a minute or two."""
    return [asyncio.run(ingest()), asyncio.run(latency()), asyncio.run(questions())]


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


# --- out ----------------------------------------------------------------------------------------------------


async def questions() -> Table:
    """What the screens ask, with a million rows in the last day, while flows come in."""
    records = kinds(KINDS)
    with Folder() as folder:
        store = DuckStore(folder)
        hub = Hub(store, SystemClock())
        now = time.time_ns()
        numbers = [store.number_of(record.variant) for record in records]
        for minute in range(ROWS // KINDS):
            start = now - (minute + 1) * 7 * 60 * NS
            store.append(
                [
                    Row(number, start, start + NS, record.counts, minute * KINDS + place)
                    for place, (number, record) in enumerate(zip(numbers, records, strict=True))
                ]
            )
        store.close()
        store = DuckStore(folder)
        hub = Hub(store, SystemClock())
        size = store.stats().bytes
        stopped = False

        async def press() -> None:
            while not stopped:
                await hub.take(timed(records[:1000], time.time_ns()))
                await asyncio.sleep(0.2)

        pressing = asyncio.create_task(press())
        rows = [(name, spread([await once(ask) for _ in range(QUESTIONS)])) for name, ask in asked(hub)]
        stopped = True
        await pressing
        store.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows.append(("disk per row", f"{size / ROWS:.0f} B"))
    rows.append(("peak memory of the process, senders included", f"{peak:,.0f} MB"))
    return Table(
        f"Hub: questions over {ROWS:,} rows of a day, {KINDS:,} kinds of flows",
        ["what", "figure"],
        list(map(list, rows)),
    )


def asked(hub: Hub) -> list[tuple[str, Callable[[], Awaitable[object]]]]:
    """Return what the screens ask, by name."""

    def window(hours: float) -> Window:
        return Window(hub.now_ns() - int(hours * 3600 * NS), hub.now_ns() + NS)

    denied = parse("action=Deny")

    async def recent_denied() -> object:
        return flows_of(await hub.found(window(1), denied))

    async def page() -> object:
        return await grouped(hub, Question(window(1), EVERYTHING, 500, 0), "connection")

    async def talkers() -> object:
        return top(await hub.found(window(24), EVERYTHING), "pair", "bytes", 10)

    async def series() -> object:
        day = window(24)
        step = step_of(day, 60)
        return timeseries(await hub.found(day, EVERYTHING, step), day, step, "action")

    async def whole_graph() -> object:
        return graph(await hub.found(window(24), EVERYTHING), None)

    return [
        ("denied flows of the last hour", recent_denied),
        ("first page of the flows screen, last hour", page),
        ("top talkers over 24 h", talkers),
        ("series by action over 24 h", series),
        ("service graph over 24 h", whole_graph),
    ]


async def once(ask: Callable[[], Awaitable[object]]) -> float:
    """Return how long a question takes, in seconds."""
    began = time.perf_counter()
    await ask()
    return time.perf_counter() - began


def spread(found: list[float]) -> str:
    """Return median and 95th percentile in milliseconds."""
    quantiles = statistics.quantiles(found, n=20)
    return f"{statistics.median(found) * 1000:,.0f} ms, p95 {quantiles[18] * 1000:,.0f} ms"
