"""What every flow store does, for the one on DuckDB and the one in memory. Source: ports/flowstore."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocicat.flows.store.duck import DuckStore, StoreError
from ocicat.flows.store.memory import MemoryStore
from ocicat.model.record import FlowCounts
from ocicat.ports.flowstore import FlowStore, Receipt, Row, Window
from support.hub import flow_record

NS = 1_000_000_000
HOUR = 3_600 * NS
DAY = 24 * HOUR
T0 = 1_700_000_000 * NS // DAY * DAY
"""The begin of a day."""
ALL = Window(0, 1 << 62)


@pytest.fixture(params=["duck", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FlowStore]:
    made: FlowStore = DuckStore(tmp_path) if request.param == "duck" else MemoryStore()
    yield made
    made.close()


def row(number: int, start_s: int, size: int = 1, position: int = 0) -> Row:
    start = T0 + start_s * NS
    return Row(number, start, start + NS, FlowCounts(bytes_in=size, connections_started=1), position)


def test_a_kind_of_flow_has_one_number(store: FlowStore) -> None:
    first, second = flow_record(port=1).variant, flow_record(port=2).variant
    numbers = [store.number_of(first), store.number_of(second), store.number_of(first)]
    assert numbers[0] == numbers[2] != numbers[1]
    assert dict(store.variants()) == {numbers[0]: first, numbers[1]: second}


def test_sums_are_by_kind_and_step_with_their_outer_edges(store: FlowStore) -> None:
    store.append([row(1, 0, 10), row(1, 14, 5), row(1, 15, 1), row(2, 3, 7)])
    whole = store.sums(ALL, None)
    assert [(found.variant, found.counts.bytes_in) for found in whole] == [(1, 16), (2, 7)]
    assert (whole[0].start_ns, whole[0].end_ns) == (T0, T0 + 16 * NS)
    steps = store.sums(ALL, [1], 15 * NS)
    assert [(found.start_ns, found.counts.bytes_in) for found in steps] == [(T0, 15), (T0 + 15 * NS, 1)]


def test_a_window_holds_what_begins_in_it_without_its_end(store: FlowStore) -> None:
    store.append([row(1, 0), row(1, 10), row(1, 20)])
    found = store.sums(Window(T0, T0 + 20 * NS), None)
    assert [item.counts.connections_started for item in found] == [2]


def test_kinds_that_are_not_asked_for_are_left_out(store: FlowStore) -> None:
    store.append([row(1, 0), row(2, 0), row(3, 0)])
    assert [found.variant for found in store.sums(ALL, [3, 1])] == [1, 3]
    assert store.sums(ALL, []) == []


def test_groups_are_summed_by_step_and_what_has_none_is_left_out(store: FlowStore) -> None:
    store.append([row(1, 0, 10), row(2, 3, 5), row(3, 4, 7), row(1, 15, 1), row(4, 0, 99)])
    found = store.group_sums(ALL, {1: 0, 2: 0, 3: 1}, 15 * NS)
    assert [(one.variant, one.start_ns - T0, one.counts.bytes_in) for one in found] == [
        (0, 0, 15),
        (0, 15 * NS, 1),
        (1, 4 * NS, 7),
    ]
    assert store.group_sums(ALL, {}, 15 * NS) == []


def test_rows_of_several_days_are_summed_together(store: FlowStore) -> None:
    store.append([row(1, -1, 4), row(1, 1, 5)])
    assert [found.counts.bytes_in for found in store.sums(ALL, None)] == [9]


def test_the_latest_come_first_and_are_no_more_than_asked(store: FlowStore) -> None:
    store.append([row(1, second, position=second) for second in (5, 1, 3)])
    assert [found.position for found in store.latest(ALL, [1], 2)] == [5, 3]


def test_what_came_after_a_position_comes_in_its_order(store: FlowStore) -> None:
    store.append([row(1, 9, position=1), row(1, 8, position=2)])
    store.append([row(1, -5, position=3), row(1, 6, position=4)])
    assert [found.position for found in store.since(1, 10)] == [2, 3, 4]
    assert [found.position for found in store.since(1, 2)] == [3, 4]
    assert store.since(4, 10) == []
    assert store.last_position() == 4


def test_receipts_are_the_last_of_each_sender(store: FlowStore) -> None:
    assert dict(store.receipts()) == {}
    store.append([row(1, 0)], [Receipt("n1", 1), Receipt("n2", 5)])
    store.append([row(1, 0)], [Receipt("n1", 2)])
    assert dict(store.receipts()) == {"n1": 2, "n2": 5}


def test_it_says_what_it_holds(store: FlowStore) -> None:
    assert (store.stats().rows, store.stats().oldest_ns, store.last_position()) == (0, None, 0)
    store.append([row(store.number_of(flow_record().variant), 7), row(1, 3)])
    stats = store.stats()
    assert (stats.rows, stats.variants, stats.oldest_ns) == (2, 1, T0 + 3 * NS)


def test_what_is_too_old_is_forgotten(store: FlowStore) -> None:
    store.append([row(1, -10)])
    store.roll(T0)
    store.roll(T0 + HOUR)
    store.append([row(1, 10)])
    assert store.retain(T0 + NS, None) == 1
    assert [found.start_ns for found in store.latest(ALL, [1], 9)] == [T0 + 10 * NS]
    assert store.stats().oldest_ns == T0 + 10 * NS
    assert store.retain(T0 + NS, None) == 0


def test_the_oldest_days_go_while_too_much_is_used(tmp_path: Path) -> None:
    store = DuckStore(tmp_path)
    for hour in range(3):
        store.append([row(1, (hour - 1) * 86_400)])
        store.roll(T0 + hour * HOUR)
        store.roll(T0 + (hour + 1) * HOUR)
    assert store.retain(0, 1) == 2
    assert [found.start_ns for found in store.latest(ALL, [1], 9)] == [T0 + DAY]
    assert len(list(tmp_path.glob("flows-*.duckdb"))) == 2  # one of them is new and empty
    store.close()


def test_a_closed_store_is_opened_again_with_all_it_had(tmp_path: Path) -> None:
    store = DuckStore(tmp_path)
    number = store.number_of(flow_record().variant)
    store.append([row(number, 1, 5, 17)])
    store.close()
    again = DuckStore(tmp_path)
    assert again.number_of(flow_record().variant) == number
    assert again.last_position() == 17
    assert [found.counts.bytes_in for found in again.sums(ALL, None)] == [5]
    again.close()


def test_files_that_are_no_store_are_refused_with_their_name(tmp_path: Path) -> None:
    (tmp_path / "kinds.duckdb").write_bytes(b"not a database, and long enough to be looked at" * 100)
    with pytest.raises(StoreError, match=r"kinds\.duckdb cannot be opened"):
        DuckStore(tmp_path)


KILLED = """
import sys
from pathlib import Path
from ocicat.flows.store.duck import DuckStore
from ocicat.model.record import FlowCounts
from ocicat.ports.flowstore import Row
from support.hub import flow_record
store = DuckStore(Path(sys.argv[1]))
for n in range(1, 10_000):
    number = store.number_of(flow_record(port=n).variant)
    store.append([Row(number, n * 10**9, n * 10**9 + 1, FlowCounts(bytes_in=n), n)])
    print(n, flush=True)
"""


def test_a_killed_process_has_lost_no_row_that_was_kept(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        kept = 0
        for line in process.stdout:
            kept = int(line)
            if kept >= 100:
                process.send_signal(signal.SIGKILL)
                break
        kept = max([kept, *(int(line) for line in process.stdout if line.strip().isdecimal())])
    store = DuckStore(tmp_path)
    found = store.sums(ALL, None)
    assert {item.counts.bytes_in for item in found} >= set(range(1, kept + 1))
    assert {item.variant for item in found} <= set(store.variants())
    store.close()
