"""What is asked of a store, in the words of two databases. Source: design/dependencies "Scale-out"."""

from collections.abc import Mapping, Sequence

import pytest

from ocicat.flows.store.queries import Dialect, DuckDb, GroupSums, Latest, Query, Since, Sums, render
from ocicat.ports.flowstore import Window

WINDOW = Window(100, 200)


class ClickHouse:
    """ClickHouse's SQL: sums keep their width, `/` is no whole number, and lists are tuples."""

    def total(self, column: str) -> str:
        return f"sum({column})"

    def step(self, column: str, length: int) -> str:
        return f"intDiv({column}, {length})"

    def grouped(self, column: str, groups: Mapping[int, int]) -> tuple[str, str]:
        return f"transform({column}, {list(groups)}, {list(groups.values())}, -1)", ""

    def among(self, column: str, numbers: Sequence[int]) -> str:
        return f"{column} IN ({', '.join(map(str, numbers))})" if numbers else "0"


@pytest.mark.parametrize(
    ("query", "dialect", "expected"),
    [
        (
            Sums(WINDOW, [3, 1], 15, 7),
            DuckDb(),
            "start_ns // 15 AS step, min(start_ns), max(end_ns), sum(packets_in)::BIGINT",
        ),
        (
            Sums(WINDOW, [3, 1], 15, 7),
            DuckDb(),
            "AND variant IN (SELECT unnest([3,1]::BIGINT[])) AND position <= 7 GROUP BY variant, step",
        ),
        (Sums(WINDOW, None, None, None), DuckDb(), "WHERE start_ns >= 100 AND start_ns < 200 GROUP BY"),
        (Sums(WINDOW, [3, 1], 15, None), ClickHouse(), "intDiv(start_ns, 15) AS step"),
        (Sums(WINDOW, [3, 1], 15, None), ClickHouse(), "sum(connections_live) FROM source WHERE"),
        (Sums(WINDOW, [3, 1], 15, None), ClickHouse(), "AND variant IN (3, 1) GROUP BY variant, step"),
        (Sums(WINDOW, [], None, None), ClickHouse(), "start_ns < 200 AND 0 GROUP BY"),
        (
            GroupSums(WINDOW, {3: 0, 1: 1}, 15),
            DuckDb(),
            "FROM source JOIN (SELECT unnest([3,1]::BIGINT[]) AS number, unnest([0,1]::BIGINT[]) AS grp) ON",
        ),
        (
            GroupSums(WINDOW, {3: 0, 1: 1}, 15),
            ClickHouse(),
            "SELECT transform(variant, [3, 1], [0, 1], -1) AS kind, intDiv(start_ns, 15) AS step",
        ),
        (
            Latest(WINDOW, [5], 9),
            ClickHouse(),
            "WHERE start_ns >= 100 AND start_ns < 200 AND variant IN (5) ORDER BY start_ns DESC LIMIT 9",
        ),
        (
            Since(4, 50),
            DuckDb(),
            "position FROM source WHERE position > 4 ORDER BY position DESC LIMIT 50",
        ),
    ],
)
def test_a_plan_is_rendered_by_a_dialect(query: Query, dialect: Dialect, expected: str) -> None:
    assert expected in render(query, "source", dialect)
