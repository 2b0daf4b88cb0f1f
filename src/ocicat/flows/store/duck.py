"""A flow store on DuckDB: raw rows, then the same in windows that grow with age, then nothing.

A row names its kind of flow by number; the kinds themselves stand in a file of their own, each once, as JSON.
So a row is a few numbers, filters are judged on kinds in Python, and SQL only sums. Only this process may
open the files. Source: design/dependencies "Flow store".
"""

import itertools
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import duckdb
import msgspec
import numpy as np

from ocicat.flows.store.queries import COLUMNS, DuckDb, GroupSums, Latest, Query, Since, Sums, render
from ocicat.flows.store.segments import NS, Columns, Segment, Segments, StoreError, attach, union
from ocicat.model.record import FlowCounts, Variant
from ocicat.ports.flowstore import Receipt, Row, StoreStats, Window

MEMORY: Final = "512MB"
"""What DuckDB may use; queries that need more go to disk."""
HOUR_NS: Final = 3_600 * NS
DAY_NS: Final = 86_400 * NS
SEGMENT_NS: Final = HOUR_NS
"""How long rows go to one file."""
SEGMENT_ROWS: Final = 40_000_000
"""How many rows go to one file at most."""
AGEING: Final = ((HOUR_NS, HOUR_NS, 15), (DAY_NS, DAY_NS, 300))
"""From which age files are joined, what ended in the same hour or day, and the width of their windows (s)."""


class DuckStore:
    """Keeps flows below a folder. Calls may come from any thread."""

    def __init__(self, folder: Path) -> None:
        """Open the store, and make it where there is none. Raises StoreError."""
        folder.mkdir(parents=True, exist_ok=True)
        self._names = threading.Lock()
        self._writing = threading.Lock()
        self._database = duckdb.connect(
            config={"memory_limit": MEMORY, "threads": 2, "autoinstall_known_extensions": False}
        )
        try:
            self._database.execute(
                f"SET temp_directory = '{str(folder).replace(chr(39), chr(39) * 2)}/spill'"
            )
            attach(self._database, folder / "kinds.duckdb", "kinds")
            self._segments = Segments(folder, self._database)
        except StoreError:
            self._database.close()
            raise
        self._variants = self._kinds()
        self._numbers = {variant: number for number, variant in self._variants.items()}
        self._next = max(self._variants, default=0) + 1
        self._new: list[tuple[int, bytes]] = []
        self._lately: tuple[set[int], set[int]] = (set(), set())
        """Numbers that were asked for since kinds were last forgotten, and in the time before that."""
        raw = [segment for segment in self._segments.all if not segment.step_s]
        self._current = raw[-1] if raw else self._segments.begin()
        self._begun_ns: int | None = None
        """When the current file was seen to have rows."""

    def _kinds(self) -> dict[int, Variant]:
        cursor = self._database.cursor()
        cursor.execute("CREATE TABLE IF NOT EXISTS kinds.kinds (number BIGINT PRIMARY KEY, kind BLOB)")
        found = cursor.execute("SELECT number, kind FROM kinds.kinds").fetchall()
        return {number: msgspec.json.decode(kind, type=Variant) for number, kind in found}

    def variants(self) -> Mapping[int, Variant]:
        """Return every kind of flow that is known, by number."""
        with self._names:
            return dict(self._variants)

    def number_of(self, variant: Variant) -> int:
        """Return the number of a kind of flow; a new kind is written with the rows that name it first."""
        with self._names:
            number = self._numbers.get(variant)
            if number is None:
                number, self._next = self._next, self._next + 1
                self._numbers[variant] = number
                self._variants[number] = variant
                self._new.append((number, msgspec.json.encode(variant)))
            self._lately[0].add(number)
        return number

    # --- writing --------------------------------------------------------------------------------------------

    def append(self, rows: Sequence[Row], receipts: Sequence[Receipt] = ()) -> None:
        """Keep rows and receipts; when it returns, they are committed."""
        if not rows and not receipts:
            return
        with self._writing:
            self._keep_kinds()
            columns = _columns(rows)
            cursor = self._database.cursor()
            cursor.begin()
            try:
                self._insert(cursor, columns, receipts)
            except duckdb.Error:
                cursor.rollback()
                raise
            cursor.commit()
            if rows:
                self._current.note(len(rows), columns)

    def _insert(
        self, cursor: duckdb.DuckDBPyConnection, columns: Columns, receipts: Sequence[Receipt]
    ) -> None:
        into = f"INSERT INTO {self._current.alias}"
        cursor.register("batch", columns)
        cursor.execute(f"{into}.flows SELECT {', '.join(COLUMNS)} FROM batch")  # noqa: S608
        cursor.unregister("batch")
        if receipts:
            senders, numbers = [one.sender for one in receipts], [one.sequence for one in receipts]
            values = "SELECT unnest(?::VARCHAR[]), unnest(?::BIGINT[])"
            cursor.execute(f"{into}.receipts {values}", [senders, numbers])

    def receipts(self) -> Mapping[str, int]:
        """Return the last number of each sender, as the files have them that are still as they came."""
        found: dict[str, int] = {}
        with self._segments.held() as segments:
            for segment in segments:
                query = f"SELECT sender, max(sequence) FROM {segment.alias}.receipts GROUP BY sender"  # noqa: S608
                for sender, sequence in self._database.cursor().execute(query).fetchall():
                    found[sender] = max(found.get(sender, 0), sequence)
        return found

    def _keep_kinds(self) -> None:
        """Kinds first: a row must never name one that a crash has lost."""
        with self._names:
            new = self._new[:]
        if new:
            cursor = self._database.cursor()
            numbers, kinds = zip(*new, strict=True)
            cursor.execute(
                "INSERT INTO kinds.kinds SELECT unnest(?::BIGINT[]), unnest(?::BLOB[])", [numbers, kinds]
            )
            with self._names:
                del self._new[: len(new)]

    # --- asking ---------------------------------------------------------------------------------------------

    def sums(
        self,
        window: Window,
        variants: Sequence[int] | None,
        step_ns: int | None = None,
        upto: int | None = None,
    ) -> list[Row]:
        """Return sums by variant and step."""
        found = self._asked(Sums(window, variants, step_ns, upto), window)
        return [
            Row(variant, start, end, FlowCounts(*counts)) for variant, _, start, end, *counts in sorted(found)
        ]

    def group_sums(self, window: Window, groups: Mapping[int, int], step_ns: int) -> list[Row]:
        """Return sums by group and step."""
        found = self._asked(GroupSums(window, groups, step_ns), window)
        return [
            Row(group, start, end, FlowCounts(*counts)) for group, _, start, end, *counts in sorted(found)
        ]

    def latest(self, window: Window, variants: Sequence[int], limit: int) -> list[Row]:
        """Return single rows, the newest first."""
        return _rows(self._asked(Latest(window, variants, limit), window))

    def since(self, position: int, limit: int) -> list[Row]:
        """Return the rows that came after a position. Those that are kept in windows have lost theirs."""
        return _rows(self._asked(Since(position, limit), None))[::-1]

    def _asked(self, query: Query, window: Window | None) -> list[tuple[int, ...]]:
        with self._segments.held(window) as segments:
            if not segments:
                return []
            summed = query.window if isinstance(query, Sums) and not query.step_ns else None
            sql = render(query, union(segments, summed), DuckDb())
            return self._database.cursor().execute(sql).fetchall()

    def last_position(self) -> int:
        """Return the position of the row that came last."""
        return max((segment.last_position for segment in self._segments.all), default=0)

    # --- ageing ---------------------------------------------------------------------------------------------

    def roll(self, now_ns: int) -> int:
        """Begin a new file each hour, and keep rows of some age in windows; return how many files were."""
        self._turn(now_ns)
        rolled, finer = 0, 0
        for age_ns, span_ns, step_s in AGEING:
            for run in self._runs(finer, (now_ns - age_ns) // span_ns, span_ns):
                self._segments.roll(run, step_s)
                rolled += len(run)
            finer = step_s
        return rolled

    def _turn(self, now_ns: int) -> None:
        with self._writing:
            if not self._current.rows:
                return
            self._begun_ns = min(self._begun_ns or now_ns, now_ns)
            if now_ns - self._begun_ns >= SEGMENT_NS or self._current.rows >= SEGMENT_ROWS:
                self._current, self._begun_ns = self._segments.begin(), None

    def _runs(self, step_s: int, before: int, span_ns: int) -> list[list[Segment]]:
        """Return neighbours with windows of `step_s` that ended in the same span, of those before a span."""

        def span(segment: Segment) -> int:
            """What does not qualify divides those around it."""
            if segment.window is None or segment.step_s != step_s or segment is self._current:
                return before
            return min(before, (segment.window.end_ns - 1) // span_ns)

        runs = itertools.groupby(self._segments.all, key=span)
        return [list(run) for number, run in runs if number < before]

    def retain(self, cutoff_ns: int, most_bytes: int | None) -> int:
        """Delete files that ended before the cutoff, then the oldest while too much is used.

        The file that is written stays, and the newest one with rows is never too much.
        """
        gone = 0
        filled = [segment for segment in self._segments.all if segment.window is not None]
        for segment in filled:
            if segment is self._current or segment.window is None:
                continue
            too_old = segment.window.end_ns <= cutoff_ns
            is_newest = segment is filled[-1]
            too_much = most_bytes is not None and not is_newest and self._segments.bytes() > most_bytes
            if too_old or too_much:
                self._segments.drop(segment)
                gone += 1
        if gone:
            self._forget_kinds()
        return gone

    def _forget_kinds(self) -> None:
        """Forget kinds that no row names, but those asked for lately: their rows may be on their way."""
        with self._segments.held() as segments:
            query = f"SELECT DISTINCT variant FROM {union(segments)}"  # noqa: S608
            used = {number for (number,) in self._database.cursor().execute(query).fetchall()}
        with self._writing, self._names:
            unused = self._variants.keys() - used - self._lately[0] - self._lately[1]
            self._lately = set(), self._lately[0]
            for number in unused:
                del self._numbers[self._variants.pop(number)]
            self._database.cursor().execute(
                f"DELETE FROM kinds.kinds WHERE {DuckDb().among('number', sorted(unused))}"  # noqa: S608
            )

    def stats(self) -> StoreStats:
        """Return what the store holds."""
        segments = self._segments.all
        windows = [segment.window for segment in segments if segment.window is not None]
        return StoreStats(
            sum(segment.rows for segment in segments),
            len(self._variants),
            self._segments.bytes(),
            min((window.start_ns for window in windows), default=None),
        )

    def close(self) -> None:
        """Close all files."""
        with self._writing:
            self._database.close()


def _columns(rows: Sequence[Row]) -> Columns:
    """Return rows by columns: inserted so, they are a hundred times faster than one by one."""
    values = itertools.chain.from_iterable(
        (row.variant, row.start_ns, row.end_ns, *row.counts.values(), row.position) for row in rows
    )
    table = np.fromiter(values, np.int64, len(rows) * len(COLUMNS)).reshape(-1, len(COLUMNS)).T
    return {name: np.ascontiguousarray(column) for name, column in zip(COLUMNS, table, strict=True)}


def _rows(found: list[tuple[int, ...]]) -> list[Row]:
    return [
        Row(variant, start, end, FlowCounts(*counts), position)
        for variant, start, end, *counts, position in found
    ]
