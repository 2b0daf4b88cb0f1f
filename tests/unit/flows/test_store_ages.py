"""Old rows become windows, and then go; a crash meanwhile loses and doubles nothing. Source: adr/0013."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocicat.flows.hub import Hub
from ocicat.flows.store import segments
from ocicat.flows.store.duck import DAY_NS, HOUR_NS, DuckStore
from ocicat.model.record import FlowCounts
from ocicat.ports.flowstore import Row, Window
from support.clocks import FakeTimer
from support.hub import flow_record

NS = 1_000_000_000
T0 = 1_700_000_000 * NS // DAY_NS * DAY_NS
"""The begin of a day."""
ALL = Window(0, 1 << 62)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckStore]:
    made = DuckStore(tmp_path)
    yield made
    made.close()


def rows(first_s: int, count: int, position: int = 0) -> list[Row]:
    """Return one row each second, of two kinds in turn, each of one byte and connection."""
    return [
        Row(
            1 + second % 2,
            T0 + (first_s + second) * NS,
            T0 + (first_s + second + 1) * NS,
            FlowCounts(bytes_in=1, connections_started=1),
            position + second + 1,
        )
        for second in range(count)
    ]


def fill(store: DuckStore, hours: int) -> None:
    """Append a minute at the begin of each hour, as time goes by; it is then so many hours later."""
    for hour in range(hours):
        store.append(rows(hour * 3600, 60, hour * 60))
        store.roll(T0 + hour * HOUR_NS)
        store.roll(T0 + (hour + 1) * HOUR_NS)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("flows-*.duckdb"))


def total(store: DuckStore, window: Window = ALL) -> int:
    return sum(row.counts.bytes_in for row in store.sums(window, None))


def test_joining_that_fails_changes_nothing_and_can_be_done_later(
    store: DuckStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append(rows(0, 60))
    store.roll(T0)
    there = files(tmp_path)

    def full(_folder: Path) -> None:
        raise OSError(28, os.strerror(28))

    for broken in ("_create", "_flush"):
        with monkeypatch.context() as patch:
            patch.setattr(segments, broken, lambda *_: full(tmp_path))
            with pytest.raises(OSError, match="No space left"):
                store.roll(T0 + 2 * HOUR_NS)
        assert total(store) == 60
        assert not list(tmp_path.glob("*.new*"))
    assert set(there) <= set(files(tmp_path))
    store.roll(T0 + 2 * HOUR_NS)
    assert total(store) == 60
    assert "flows-000001-000001-15.duckdb" in files(tmp_path)


def test_an_hour_ends_its_file_and_makes_it_windows_of_15_s(store: DuckStore, tmp_path: Path) -> None:
    fill(store, 3)
    assert files(tmp_path) == [
        "flows-000001-000001-15.duckdb",
        "flows-000002-000002-15.duckdb",
        "flows-000003-000003-0.duckdb",
        "flows-000004-000004-0.duckdb",
    ]
    assert total(store) == 180
    found = store.latest(Window(T0, T0 + HOUR_NS), [1, 2], 99)
    assert len(found) == 2 * 4
    assert {(row.start_ns % (15 * NS), row.end_ns - row.start_ns) for row in found} == {(0, 15 * NS)}
    assert store.stats().rows == 8 + 8 + 60


@pytest.mark.parametrize("cut_s", [0, 30], ids=["whole", "a part of it"])
def test_the_sums_of_a_file_stand_for_its_rows_where_all_are_meant(store: DuckStore, cut_s: int) -> None:
    fill(store, 3)
    window = Window(T0 + cut_s * NS, T0 + 3 * HOUR_NS)
    counted = store.sums(window, None)
    assert sum(row.counts.bytes_in for row in counted) == 180 - cut_s
    assert [row.counts for row in counted] == [
        sum((row.counts for row in store.sums(window, [kind], 15 * NS)), FlowCounts()) for kind in (1, 2)
    ]
    [summed] = store.sums(window, [1])
    edges = store.sums(window, [1], 15 * NS)
    assert (summed.start_ns, summed.end_ns) == (edges[0].start_ns, edges[-1].end_ns)


def test_a_day_makes_them_one_file_of_windows_of_5_min(store: DuckStore, tmp_path: Path) -> None:
    fill(store, 49)
    names = files(tmp_path)
    assert names[0] == "flows-000001-000024-300.duckdb"
    assert [name for name in names if name.endswith("-300.duckdb")] == names[:1]
    assert total(store) == 49 * 60
    assert total(store, Window(T0, T0 + DAY_NS)) == 24 * 60
    first = store.latest(Window(T0, T0 + 300 * NS), [1, 2], 9)
    assert [(row.start_ns, row.end_ns, row.counts.bytes_in) for row in first] == [(T0, T0 + 300 * NS, 30)] * 2


def test_what_is_asked_meanwhile_is_answered_from_the_files_it_began_with(
    store: DuckStore, tmp_path: Path
) -> None:
    fill(store, 2)
    segments = store._segments
    with segments.held() as held:
        store.roll(T0 + 9 * HOUR_NS)
        assert [segment.retired for segment in held] == [False, True, False]
        assert "flows-000002-000002-0.duckdb" in files(tmp_path)
    assert "flows-000002-000002-0.duckdb" not in files(tmp_path)
    assert total(store) == 120


def test_a_file_that_was_replaced_before_a_crash_is_not_counted_again(tmp_path: Path) -> None:
    store = DuckStore(tmp_path)
    fill(store, 2)
    store.close()
    raw = "flows-000002-000002-0.duckdb"
    shutil.copy(tmp_path / raw, tmp_path.parent / "kept")
    store = DuckStore(tmp_path)
    store.roll(T0 + 9 * HOUR_NS)
    store.close()
    shutil.copy(tmp_path.parent / "kept", tmp_path / raw)
    (tmp_path / "flows-000003-000003-15.duckdb.new").write_bytes(b"half of it")
    store = DuckStore(tmp_path)
    assert total(store) == 120
    assert raw not in files(tmp_path)
    assert not list(tmp_path.glob("*.new"))
    store.close()


def test_positions_go_on_when_all_rows_have_become_windows(tmp_path: Path) -> None:
    store = DuckStore(tmp_path)
    fill(store, 1)
    store.roll(T0 + 9 * HOUR_NS)
    store.close()
    store = DuckStore(tmp_path)
    assert (store.last_position(), store.since(0, 99)) == (60, [])
    store.append(rows(9 * 3600, 2, 60))
    assert [row.position for row in store.since(59, 99)] == [61, 62]
    assert total(store) == 62
    store.close()


async def test_a_reader_who_comes_back_too_late_is_told_how_many_records_he_missed(tmp_path: Path) -> None:
    timer = FakeTimer(T0)
    store = DuckStore(tmp_path)
    hub = Hub(store, timer)
    await hub.take([flow_record(port=port, start_ns=T0) for port in range(1, 6)])
    for _ in range(4):
        await hub.age(DAY_NS, None)
        await timer.advance(3600)
    await hub.take([flow_record(port=9, start_ns=timer.now_ns())])
    again, missing = await Hub(store, timer).since(2)
    assert ([live.record.key.dest_port for live in again], missing) == ([9], 3)
    store.close()


def test_sums_up_to_a_position_leave_later_rows_out(store: DuckStore) -> None:
    store.append(rows(0, 10))
    assert [row.counts.bytes_in for row in store.sums(ALL, None, None, 3)] == [2, 1]
    assert store.sums(ALL, [2], None, 1) == []


def test_kinds_go_with_their_last_row_and_come_again_with_new_numbers(tmp_path: Path) -> None:
    store = DuckStore(tmp_path)
    old, new = flow_record(port=1).variant, flow_record(port=2).variant
    number = store.number_of(old)
    store.append([Row(number, T0, T0 + NS, FlowCounts(bytes_in=1), 1)])
    for hour in range(9):
        store.roll(T0 + hour * HOUR_NS)
        kept = store.number_of(new)
        store.append([Row(kept, T0 + hour * HOUR_NS, T0 + hour * HOUR_NS + NS, FlowCounts(bytes_in=1), 2)])
        store.retain(T0 + (hour - 1) * HOUR_NS, None)
    assert dict(store.variants()) == {kept: new}
    store.close()
    store = DuckStore(tmp_path)
    assert dict(store.variants()) == {kept: new}
    assert store.number_of(old) not in (number, kept)
    store.close()


def test_a_kind_that_was_asked_for_lately_stays_though_no_row_names_it_yet(store: DuckStore) -> None:
    number = store.number_of(flow_record(port=1).variant)
    fill(store, 3)
    assert store.retain(T0 + HOUR_NS, None) == 1
    assert number in store.variants()


def test_a_file_is_not_forgotten_while_a_query_reads_it(tmp_path: Path) -> None:
    store = DuckStore(tmp_path)
    fill(store, 3)
    with store._segments.held(Window(T0, T0 + NS)) as [segment]:
        assert store.retain(T0 + HOUR_NS, None) == 1
        assert segment.name in files(tmp_path)
        assert total(store) == 120
    assert segment.name not in files(tmp_path)
    store.close()


def test_a_folder_with_a_quotation_mark_in_its_name_works(tmp_path: Path) -> None:
    store = DuckStore(tmp_path / "o'hara")
    fill(store, 3)
    store.roll(T0 + 9 * HOUR_NS)
    assert total(store) == 180
    store.close()


KILLED = """
import sys
from pathlib import Path
from ocicat.flows.store.duck import DuckStore, HOUR_NS
from ocicat.model.record import FlowCounts
from ocicat.ports.flowstore import Row
from support.hub import flow_record
store = DuckStore(Path(sys.argv[1]))
number = store.number_of(flow_record().variant)
for n in range(1, 100_000):
    start = n * HOUR_NS // 4
    store.append([Row(number, start, start + 1, FlowCounts(bytes_in=1), n)])
    print(n, flush=True)
    store.roll(start)
"""


@pytest.mark.parametrize("rows_kept", [37, 151])
def test_a_process_that_is_killed_while_it_joins_files_counts_each_row_once(
    tmp_path: Path, rows_kept: int
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        kept = 0
        for line in process.stdout:
            kept = int(line)
            if kept >= rows_kept:
                process.send_signal(signal.SIGKILL)
                break
        kept = max([kept, *(int(line) for line in process.stdout if line.strip().isdecimal())])
    store = DuckStore(tmp_path)
    # The row on its way when the process was killed may have been kept, unsaid.
    assert kept <= total(store) <= kept + 1
    assert store.last_position() == total(store)
    store.close()


def test_names_that_are_no_files_of_ours_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "flows-a-b-c.duckdb").write_text("mine too")
    DuckStore(tmp_path).close()
    assert (tmp_path / "flows-a-b-c.duckdb").read_text() == "mine too"
