"""A flow store on DuckDB: one file for each day, deleted whole when it is old.

A row names its kind of flow by number; the kinds themselves stand in a file of their own, each once, as JSON.
So a row is a few numbers, filters are judged on kinds in Python, and SQL only sums. Only this process may
open the files. Source: design/dependencies "Flow store".
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec
import numpy as np

from ocicat.base.errors import OcicatError
from ocicat.model.record import FlowCounts, Variant
from ocicat.ports.flowstore import Row, StoreStats, Window

COUNTS: Final = FlowCounts.__struct_fields__
DAY_NS: Final = 86_400 * 1_000_000_000
MEMORY: Final = "512MB"
"""What DuckDB may use; queries that need more go to disk."""

COLUMNS: Final = ("variant", "start_ns", "end_ns", *COUNTS, "position")
_ROWS: Final = ", ".join(f"{name} BIGINT" for name in COLUMNS)
_SUMS: Final = ", ".join(f"sum({name})::BIGINT" for name in COUNTS)


class StoreError(OcicatError):
    """The files cannot be opened: another hub uses them, or they are damaged."""


class DuckStore:
    """Keeps flows below a folder. Calls may come from any thread; writes are serialised."""

    def __init__(self, folder: Path) -> None:
        """Open the store, and make it where there is none. Raises StoreError."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._segments: dict[str, _Segment] = {}
        self._kinds = _opened(folder / "kinds.duckdb")
        self._kinds.execute("CREATE TABLE IF NOT EXISTS kinds (number BIGINT PRIMARY KEY, kind BLOB)")
        self._variants: dict[int, Variant] = {
            number: msgspec.json.decode(kind, type=Variant)
            for number, kind in self._kinds.execute("SELECT number, kind FROM kinds").fetchall()
        }
        self._numbers = {variant: number for number, variant in self._variants.items()}
        self._new: list[tuple[int, bytes]] = []
        for path in sorted(folder.glob("flows-*.duckdb")):
            self._segments[path.stem.removeprefix("flows-")] = _Segment(path)

    def variants(self) -> Mapping[int, Variant]:
        """Return every kind of flow that is known, by number."""
        return self._variants

    def number_of(self, variant: Variant) -> int:
        """Return the number of a kind of flow; a new kind is written with the rows that name it first."""
        with self._lock:
            number = self._numbers.get(variant)
            if number is None:
                number = max(self._variants, default=0) + 1
                self._numbers[variant] = number
                self._variants[number] = variant
                self._new.append((number, msgspec.json.encode(variant)))
            return number

    def append(self, rows: Sequence[Row]) -> None:
        """Keep rows; when it returns, they are committed."""
        with self._lock:
            if self._new:
                # Kinds first: a row must never name one that a crash has lost.
                self._kinds.executemany("INSERT INTO kinds VALUES (?, ?)", self._new)
                self._new = []
            by_day: dict[str, list[Row]] = {}
            for row in rows:
                by_day.setdefault(_day(row.start_ns), []).append(row)
            for day, found in by_day.items():
                self._of_day(day).insert(found)

    def _of_day(self, day: str) -> "_Segment":
        if day not in self._segments:
            self._segments[day] = _Segment(self._folder / f"flows-{day}.duckdb")
        return self._segments[day]

    def sums(self, window: Window, variants: Sequence[int] | None, step_ns: int | None = None) -> list[Row]:
        """Return sums by variant and step."""
        step = f"start_ns // {int(step_ns)}" if step_ns else "0"
        query = (
            f"SELECT variant, {step} AS step, min(start_ns), max(end_ns), {_SUMS} FROM flows "  # noqa: S608
            "WHERE start_ns >= ? AND start_ns < ? {of} GROUP BY variant, step"
        )
        found: dict[tuple[int, int], Row] = {}
        for cursor in self._asked(window, query, variants):
            for variant, place, start, end, *counts in cursor.fetchall():
                row = Row(variant, start, end, FlowCounts(*counts))
                before = found.get((variant, place))
                found[variant, place] = before.joined(row) if before else row
        return [found[place] for place in sorted(found)]

    def latest(self, window: Window, variants: Sequence[int], limit: int) -> list[Row]:
        """Return single rows, the newest first."""
        query = (
            f"SELECT {', '.join(COLUMNS)} FROM flows "  # noqa: S608
            f"WHERE start_ns >= ? AND start_ns < ? {{of}} ORDER BY start_ns DESC LIMIT {int(limit)}"
        )
        found = [row for cursor in self._asked(window, query, variants) for row in _rows(cursor)]
        return sorted(found, key=lambda row: -row.start_ns)[:limit]

    def since(self, position: int, limit: int) -> list[Row]:
        """Return the rows that came after a position."""
        query = (
            f"SELECT {', '.join(COLUMNS)} FROM flows "  # noqa: S608
            f"WHERE position > ? ORDER BY position DESC LIMIT {int(limit)}"
        )
        with self._lock:
            cursors = [
                segment.cursor() for segment in self._segments.values() if segment.last_position > position
            ]
        found = [row for cursor in cursors for row in _rows(cursor.execute(query, [position]))]
        return sorted(found, key=lambda row: row.position)[-limit:]

    def last_position(self) -> int:
        """Return the position of the row that came last."""
        with self._lock:
            return max((segment.last_position for segment in self._segments.values()), default=0)

    def _asked(
        self, window: Window, query: str, variants: Sequence[int] | None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """Run a query on every segment that can hold rows of the window; yield a cursor for each."""
        with self._lock:
            segments = [
                segment.cursor()
                for day, segment in self._segments.items()
                if _day(window.start_ns) <= day <= _day(max(window.start_ns, window.end_ns - 1))
            ]
        of = "" if variants is None else "AND variant IN (SELECT unnest(?::BIGINT[]))"
        for cursor in segments:
            values: list[Any] = [window.start_ns, window.end_ns]
            if variants is not None:
                values.append(list(variants))
            yield cursor.execute(query.replace("{of}", of), values)

    def retain(self, cutoff_ns: int, most_bytes: int | None) -> int:
        """Delete segments that ended before the cutoff, then the oldest while too much is used."""
        gone = 0
        with self._lock:
            for day in sorted(self._segments):
                is_last = len(self._segments) == 1
                too_old = day < _day(cutoff_ns)
                too_much = most_bytes is not None and self._bytes() > most_bytes and not is_last
                if too_old or too_much:
                    self._segments.pop(day).close()
                    for path in self._folder.glob(f"flows-{day}.duckdb*"):
                        path.unlink()
                    gone += 1
        return gone

    def _bytes(self) -> int:
        return sum(path.stat().st_size for path in self._folder.iterdir() if path.is_file())

    def stats(self) -> StoreStats:
        """Return what the store holds."""
        with self._lock:
            segments = list(self._segments.values())
            return StoreStats(
                sum(segment.rows for segment in segments),
                len(self._variants),
                self._bytes(),
                min(
                    (segment.oldest_ns for segment in segments if segment.oldest_ns is not None), default=None
                ),
            )

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            for segment in self._segments.values():
                segment.close()
            self._kinds.close()


def _opened(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        connection = duckdb.connect(str(path), config={"memory_limit": MEMORY, "threads": 2})
    except duckdb.Error as error:
        raise StoreError(f"the flow store {path.name} cannot be opened: {error}") from error
    return connection


class _Segment:
    """The flows of one day. What is asked often is known without a query."""

    def __init__(self, path: Path) -> None:
        self._connection = _opened(path)
        self._connection.execute(f"CREATE TABLE IF NOT EXISTS flows ({_ROWS})")
        self.rows, self.last_position = 0, 0
        self.oldest_ns: int | None = None
        found = self._connection.execute(
            "SELECT count(*), max(position), min(start_ns) FROM flows"
        ).fetchone()
        if found is not None and found[0]:
            self.rows, self.last_position, self.oldest_ns = found

    def cursor(self) -> duckdb.DuckDBPyConnection:
        return self._connection.cursor()

    def close(self) -> None:
        self._connection.close()

    def insert(self, rows: Sequence[Row]) -> None:
        """Insert by columns: a hundred times faster than row by row."""
        values = np.array(
            [(row.variant, row.start_ns, row.end_ns, *row.counts.values(), row.position) for row in rows],
            dtype=np.int64,
        )
        columns = {name: np.ascontiguousarray(values[:, place]) for place, name in enumerate(COLUMNS)}
        cursor = self.cursor()
        cursor.register("batch", columns)
        cursor.execute(f"INSERT INTO flows SELECT {', '.join(COLUMNS)} FROM batch")  # noqa: S608
        cursor.unregister("batch")
        self.rows += len(rows)
        self.last_position = max(self.last_position, *(row.position for row in rows), 0)
        starts = [row.start_ns for row in rows]
        self.oldest_ns = min(starts) if self.oldest_ns is None else min(self.oldest_ns, *starts)


def _rows(cursor: duckdb.DuckDBPyConnection) -> list[Row]:
    return [
        Row(variant, start, end, FlowCounts(*counts), position)
        for variant, start, end, *counts, position in cursor.fetchall()
    ]


def _day(moment_ns: int) -> str:
    return datetime.fromtimestamp(moment_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d")
