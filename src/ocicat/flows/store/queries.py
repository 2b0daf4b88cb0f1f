"""What is asked of a store, as plans, and their SQL. Pure.

A plan says what is meant; a dialect says how a database writes the few things in which databases differ. So a
second database needs a dialect, and no caller changes. All values are numbers of ours, and stand in the text.
Source: design/dependencies "Scale-out: ClickHouse".
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

from ocicat.model.record import FlowCounts
from ocicat.ports.flowstore import Window

COUNTS: Final = FlowCounts.__struct_fields__
COLUMNS: Final = ("variant", "start_ns", "end_ns", *COUNTS, "position")
"""The columns of a row, all of them whole numbers of 64 bits."""


class Sums(msgspec.Struct, frozen=True):
    """Sums by variant and step: `variant, step, start, end, counts…`."""

    window: Window
    variants: Sequence[int] | None
    step_ns: int | None
    upto: int | None
    """Only rows up to this position; None for all."""


class GroupSums(msgspec.Struct, frozen=True):
    """Sums by group of variants and step: `group, step, start, end, counts…`. The others are left out."""

    window: Window
    groups: Mapping[int, int]
    """Variant → group."""
    step_ns: int


class Latest(msgspec.Struct, frozen=True):
    """Single rows, the newest first: all columns."""

    window: Window
    variants: Sequence[int]
    limit: int


class Since(msgspec.Struct, frozen=True):
    """Rows that came after a position, the last first: all columns."""

    position: int
    limit: int


Query = Sums | GroupSums | Latest | Since


class Dialect(Protocol):
    """How one database writes what databases write differently."""

    def total(self, column: str) -> str:
        """Return the sum of a column as a number of 64 bits."""

    def step(self, column: str, length: int) -> str:
        """Return in which step of a length a column lies."""

    def among(self, column: str, numbers: Sequence[int]) -> str:
        """Return the condition that a column is one of some numbers, perhaps of none."""

    def grouped(self, column: str, groups: Mapping[int, int]) -> tuple[str, str]:
        """Return the group of a column's number, and what the source is joined with to know it."""


class DuckDb:
    """DuckDB's SQL."""

    def total(self, column: str) -> str:
        """Return the sum of a column; DuckDB sums into 128 bits."""
        return f"sum({column})::BIGINT"

    def step(self, column: str, length: int) -> str:
        """Return the whole number of steps."""
        return f"{column} // {length}"

    def among(self, column: str, numbers: Sequence[int]) -> str:
        """Return a semi-join with a list, which stays fast for thousands of numbers."""
        listed = ",".join(map(str, numbers))
        return f"{column} IN (SELECT unnest([{listed}]::BIGINT[]))"

    def grouped(self, column: str, groups: Mapping[int, int]) -> tuple[str, str]:
        """Return a column of a table that is joined: made of two lists, it is read once."""
        numbers, found = (",".join(map(str, part)) for part in (groups.keys(), groups.values()))
        table = f"SELECT unnest([{numbers}]::BIGINT[]) AS number, unnest([{found}]::BIGINT[]) AS grp"
        return "grp", f" JOIN ({table}) ON {column} = number"


def render(query: Query, source: str, dialect: Dialect) -> str:
    """Return the SQL of a query.

    Args:
        query: What is asked.
        source: A table, or a query in brackets, with `COLUMNS`.
        dialect: For which database.
    """
    every = ", ".join(COLUMNS)
    match query:
        case Sums():
            step = dialect.step("start_ns", query.step_ns) if query.step_ns else "0"
            upto = [] if query.upto is None else [f"position <= {query.upto}"]
            where = " AND ".join([*_within(query.window, query.variants, dialect), *upto])
            return (
                f"SELECT variant, {step} AS step, {_sums(dialect)} FROM {source} "  # noqa: S608
                f"WHERE {where} GROUP BY variant, step"
            )
        case GroupSums():
            group, join = dialect.grouped("variant", query.groups)
            step = dialect.step("start_ns", query.step_ns)
            where = " AND ".join(_within(query.window, None, dialect))
            return (
                f"SELECT {group} AS kind, {step} AS step, {_sums(dialect)} FROM {source}{join} "  # noqa: S608
                f"WHERE {where} GROUP BY kind, step"
            )
        case Latest():
            where = " AND ".join(_within(query.window, query.variants, dialect))
            return f"SELECT {every} FROM {source} WHERE {where} ORDER BY start_ns DESC LIMIT {query.limit}"  # noqa: S608
        case Since():
            return (
                f"SELECT {every} FROM {source} WHERE position > {query.position} "  # noqa: S608
                f"ORDER BY position DESC LIMIT {query.limit}"
            )


def _sums(dialect: Dialect) -> str:
    return ", ".join(["min(start_ns)", "max(end_ns)", *(dialect.total(name) for name in COUNTS)])


def _within(window: Window, variants: Sequence[int] | None, dialect: Dialect) -> list[str]:
    conditions = [f"start_ns >= {window.start_ns}", f"start_ns < {window.end_ns}"]
    return conditions if variants is None else [*conditions, dialect.among("variant", variants)]
