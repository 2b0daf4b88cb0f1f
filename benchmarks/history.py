"""How fast the hub answers what the screens ask, over ten million rows of a day, while flows come in.

Flows are made up: kinds of flows between 300 workloads in 20 namespaces, a twentieth of them denied. History
is in windows of 15 s, one file for each hour, as the hub keeps what is older than an hour; 1,000 records come
in five times a second meanwhile. Times are from the question to the answer as a value, before it is JSON.
"""

import asyncio
import resource
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import duckdb

from benchmarks.hub import KINDS, NS, Folder, kinds, spread, timed
from benchmarks.report import Table
from ocicat.api.asking import Question
from ocicat.api.documents import flows_of
from ocicat.api.flowpages import grouped
from ocicat.api.views import graph, groups_of, step_of, timeseries, top
from ocicat.flows.hub import Hub
from ocicat.flows.store.duck import DuckStore
from ocicat.flows.store.queries import COLUMNS
from ocicat.flows.store.segments import fill_totals
from ocicat.model.flowfilter import EVERYTHING, parse
from ocicat.model.record import FlowRecord
from ocicat.ports.flowstore import Row, Window
from ocicat.ports.systemclock import SystemClock

ROWS = 10_000_000
QUESTIONS = 30


def measure() -> list[Table]:
    """Run everything; takes a minute or two."""
    return [asyncio.run(questions())]


async def questions() -> Table:
    """What the screens ask, with the rows of a day, while flows come in."""
    records = kinds(KINDS)
    with Folder() as folder:
        make_history(folder, records)
        began = time.perf_counter()
        store = DuckStore(folder)
        hub = Hub(store, SystemClock())
        opened = time.perf_counter() - began
        stats = store.stats()
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
    rows.append(("store opened after a restart", f"{opened:.2f} s"))
    rows.append(("disk per row", f"{stats.bytes / stats.rows:.0f} B"))
    rows.append(("peak memory of the process, senders included", f"{peak:,.0f} MB"))
    return Table(
        f"Hub: questions over {stats.rows:,} rows of a day, {KINDS:,} kinds of flows",
        ["what", "figure"],
        list(map(list, rows)),
    )


def make_history(folder: Path, records: list[FlowRecord]) -> None:
    """Fill a store with a day of windows of 15 s, a file for each hour, as the hub leaves them behind.

    By SQL, which is faster than the hub's own way. Which kinds a window has, and the counts, are by hash:
    bytes have nothing in common from row to row, and compress no better than real ones.
    """
    store = DuckStore(folder)
    now = time.time_ns() // (3600 * NS) * 3600 * NS
    store.append(
        [Row(store.number_of(record.variant), now, now + NS, record.counts, 1) for record in records]
    )
    store.close()
    for hour in range(24):
        with duckdb.connect(str(folder / f"flows-{hour + 2:06}-{hour + 2:06}-15.duckdb")) as file:
            file.execute(f"CREATE TABLE flows ({', '.join(f'{name} BIGINT' for name in COLUMNS)})")
            file.execute(f"CREATE TABLE totals ({', '.join(f'{name} BIGINT' for name in COLUMNS)})")
            file.execute("CREATE TABLE about AS SELECT 1::BIGINT AS last_position")
            start = now - (24 - hour) * 3600 * NS
            file.execute(HISTORY, [KINDS, start, start, ROWS // 24])
            fill_totals(file, "main")


HISTORY = """
INSERT INTO flows
SELECT 1 + hash(i) % ?, ?::BIGINT + i // 1737 * 15_000_000_000 AS start,
    ?::BIGINT + (i // 1737 + 1) * 15_000_000_000,
    packets, packets, packets * (60 + hash(i + 2) % 1400), packets * (60 + hash(i + 3) % 1400),
    1 + packets // 20, 1 + packets // 20, hash(i + 4) % 3, 0
FROM (SELECT i, 1 + hash(i + 1) % 500 AS packets FROM generate_series(0, ? - 1) AS made(i))
"""
"""1,737 of the kinds in each window of 15 s."""


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
        names, groups = groups_of(await hub.found(day, EVERYTHING), "action")
        return timeseries(await hub.group_sums(day, groups, step), names, day, step)

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
