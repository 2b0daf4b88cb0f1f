"""The files of the store on DuckDB: each holds the rows of some span, raw or summed into windows.

A file's name says what it replaces: `flows-000007-000012-15.duckdb` holds what came in the files 7 to 12, in
windows of 15 s; raw rows have 0 there. A file is complete when it has its name, and whoever finds a file that
another one replaces deletes it: so a crash between the two loses and doubles nothing.
"""

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
from numpy.typing import NDArray

from ocicat.base.errors import OcicatError
from ocicat.flows.store.queries import COLUMNS, COUNTS
from ocicat.ports.flowstore import Window

NS: Final = 1_000_000_000
Columns = dict[str, NDArray[np.int64]]
"""Rows by columns."""
_ROWS: Final = ", ".join(f"{name} BIGINT" for name in COLUMNS)
_NAME: Final = re.compile(r"flows-([0-9]+)-([0-9]+)-([0-9]+)\.duckdb")


class StoreError(OcicatError):
    """The files cannot be opened: another hub uses them, or they are damaged."""


class Segment:
    """One file, attached to the database as `alias`. What is asked often is known without a query."""

    def __init__(self, first: int, last: int, step_s: int) -> None:
        """Name the segment that holds what came in the files `first` to `last`, in windows of `step_s`."""
        self.first, self.last, self.step_s = first, last, step_s
        self.rows, self.last_position = 0, 0
        self.window: Window | None = None
        """From the first start to after the last one; None without rows."""
        self.readers = 0
        self.retired = False

    @property
    def name(self) -> str:
        """The name of the file."""
        return f"flows-{self.first:06}-{self.last:06}-{self.step_s}.duckdb"

    @property
    def alias(self) -> str:
        """The name in queries."""
        return f"s{self.first}_{self.last}_{self.step_s}"

    def replaces(self, other: "Segment") -> bool:
        """Tell whether this one holds what the other one holds, in longer windows."""
        return self.first <= other.first and other.last <= self.last and self.step_s > other.step_s

    def overlaps(self, window: Window) -> bool:
        """Tell whether rows of a window can be in it."""
        own = self.window
        return own is not None and own.start_ns < window.end_ns and window.start_ns < own.end_ns

    def is_summed_in(self, window: Window) -> bool:
        """Tell whether it lies in a window whole, and holds its sums: a file in windows is never added to."""
        own = self.window
        if own is None or not self.step_s:
            return False
        return window.start_ns <= own.start_ns and own.end_ns <= window.end_ns

    def note(self, rows: int, columns: Columns) -> None:
        """Note that rows have been added."""
        self.widen(int(columns["start_ns"].min()), int(columns["start_ns"].max()))
        self.rows += rows
        self.last_position = max(self.last_position, int(columns["position"].max()))

    def widen(self, first_ns: int, last_ns: int) -> None:
        """Note that there are rows that begin between two moments."""
        old = self.window or Window(first_ns, last_ns + 1)
        self.window = Window(min(old.start_ns, first_ns), max(old.end_ns, last_ns + 1))


class Segments:
    """All segments of a folder, in one database that attaches their files."""

    def __init__(self, folder: Path, database: duckdb.DuckDBPyConnection) -> None:
        """Attach what is there. Raises StoreError."""
        self._folder = folder
        self._database = database
        self._lock = threading.Lock()
        found = [
            Segment(*(int(number) for number in match.groups()))
            for path in folder.iterdir()
            if (match := _NAME.fullmatch(path.name))
        ]
        for path in folder.glob("*.new*"):
            path.unlink()
        for segment in found:
            if any(other.replaces(segment) for other in found):
                self._delete(segment)
        kept = [one for one in found if not any(other.replaces(one) for other in found)]
        self._all = sorted(kept, key=lambda segment: segment.first)
        for segment in self._all:
            self._attach(segment)

    @property
    def all(self) -> list[Segment]:
        """The segments, in order of their numbers."""
        with self._lock:
            return list(self._all)

    @contextlib.contextmanager
    def held(self, window: Window | None = None) -> Iterator[list[Segment]]:
        """Inside, these segments stay, even if they are replaced meanwhile: all, or those of a window."""
        with self._lock:
            chosen = [one for one in self._all if window is None or one.overlaps(window)]
            for segment in chosen:
                segment.readers += 1
        try:
            yield chosen
        finally:
            with self._lock:
                for segment in chosen:
                    segment.readers -= 1
                gone = [one for one in chosen if one.retired and not one.readers]
            for segment in gone:
                self._detach(segment)

    def begin(self) -> Segment:
        """Add an empty segment for raw rows."""
        number = self._all[-1].last + 1 if self._all else 1
        segment = Segment(number, number, 0)
        self._attach(segment)
        with self._lock:
            self._all.append(segment)
        return segment

    def roll(self, old: list[Segment], step_s: int) -> Segment:
        """Replace segments, neighbours, by one with their rows in windows of `step_s`.

        Where that fails, for example for want of room, nothing is changed. Raises duckdb.Error, OSError.
        """
        new = Segment(old[0].first, old[-1].last, step_s)
        self._join(old, new)
        self._attach(new)
        with self._lock:
            self._all = sorted(
                [*(one for one in self._all if one not in old), new], key=lambda one: one.first
            )
        self._retire(old)
        return new

    def _join(self, old: list[Segment], new: Segment) -> None:
        """Write the file of `new`, whole or not at all."""
        path = self._folder / f"{new.name}.new"
        step = new.step_s * NS
        counts = ", ".join(f"sum({name})::BIGINT" for name in COUNTS)
        reached = max(segment.last_position for segment in old)
        try:
            with attached_or_not(self._database, path, "making") as cursor:
                _create(cursor, "making")
                cursor.execute(
                    f"INSERT INTO making.flows SELECT variant, start_ns // {step} * {step} AS start, "  # noqa: S608
                    f"max(greatest(end_ns, start_ns // {step} * {step} + {step})), {counts}, 0 "
                    f"FROM {union(old)} GROUP BY variant, start ORDER BY start, variant"
                )
                cursor.execute(f"INSERT INTO making.about VALUES ({reached})")  # noqa: S608
                fill_totals(cursor, "making")
            self._database.cursor().execute("DETACH making")
            path.rename(self._folder / new.name)
            _flush(self._folder)
        except BaseException:
            for left in self._folder.glob(f"{path.name}*"):
                left.unlink(missing_ok=True)
            raise

    def drop(self, segment: Segment) -> None:
        """Forget a segment."""
        with self._lock:
            self._all.remove(segment)
        self._retire([segment])

    def bytes(self) -> int:
        """Return the size of all files."""
        return sum(path.stat().st_size for path in self._folder.iterdir() if path.is_file())

    def _retire(self, segments: list[Segment]) -> None:
        with self._lock:
            for segment in segments:
                segment.retired = True
            unused = [segment for segment in segments if not segment.readers]
        for segment in unused:
            self._detach(segment)

    def _detach(self, segment: Segment) -> None:
        self._database.cursor().execute(f"DETACH {segment.alias}")
        self._delete(segment)

    def _delete(self, segment: Segment) -> None:
        for path in self._folder.glob(f"{segment.name}*"):
            path.unlink(missing_ok=True)

    def _attach(self, segment: Segment) -> None:
        with attached_or_not(self._database, self._folder / segment.name, segment.alias) as cursor:
            _create(cursor, segment.alias)
            found = cursor.execute(
                f"SELECT count(*), min(start_ns), max(start_ns), max(position) FROM {segment.alias}.flows"  # noqa: S608
            ).fetchone()
            reached = cursor.execute(f"SELECT max(last_position) FROM {segment.alias}.about").fetchone()  # noqa: S608
        if found is not None and found[0]:
            segment.rows = found[0]
            segment.widen(found[1], found[2])
            segment.last_position = max(found[3], (reached or (0,))[0] or 0)


@contextlib.contextmanager
def attached_or_not(
    database: duckdb.DuckDBPyConnection, path: Path, alias: str
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Attach a file, and yield a cursor to fill it; where that fails it is not attached any more."""
    attach(database, path, alias)
    try:
        yield database.cursor()
    except BaseException:
        with contextlib.suppress(duckdb.Error):
            database.cursor().execute(f"DETACH {alias}")
        raise


def attach(database: duckdb.DuckDBPyConnection, path: Path, alias: str) -> None:
    """Attach a file, made where there is none. Raises StoreError."""
    quoted = str(path).replace("'", "''")
    try:
        database.cursor().execute(f"ATTACH '{quoted}' AS {alias}")
    except duckdb.Error as error:
        raise StoreError(f"the flow store {path.name} cannot be opened: {error}") from error


def union(segments: list[Segment], summed: Window | None = None) -> str:
    """Return the rows of segments as one table of a query.

    With a window, of which only the sum by kind is wanted, those that lie in it whole and change no more give
    the sums that they hold.
    """
    columns = ", ".join(COLUMNS)
    tables = [
        f"{one.alias}.{'totals' if summed is not None and one.is_summed_in(summed) else 'flows'}"
        for one in segments
    ]
    return "(" + " UNION ALL ".join(f"SELECT {columns} FROM {table}" for table in tables) + ")"  # noqa: S608


def fill_totals(cursor: duckdb.DuckDBPyConnection, alias: str) -> None:
    """Write the sums by kind of a file whose rows are complete."""
    counts = ", ".join(f"sum({name})::BIGINT" for name in COUNTS)
    cursor.execute(
        f"INSERT INTO {alias}.totals SELECT variant, min(start_ns), max(end_ns), {counts}, 0 "  # noqa: S608
        f"FROM {alias}.flows GROUP BY variant"
    )


def _create(cursor: duckdb.DuckDBPyConnection, alias: str) -> None:
    cursor.execute(f"CREATE TABLE IF NOT EXISTS {alias}.flows ({_ROWS})")
    cursor.execute(f"CREATE TABLE IF NOT EXISTS {alias}.totals ({_ROWS})")
    cursor.execute(f"CREATE TABLE IF NOT EXISTS {alias}.about (last_position BIGINT)")
    cursor.execute(f"CREATE TABLE IF NOT EXISTS {alias}.receipts (sender VARCHAR, sequence BIGINT)")


def _flush(folder: Path) -> None:
    """Make sure that a new name is on the disk before what it replaces goes."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
