"""Logs of containers: the format, what is shown of it, its bounds."""

import asyncio
from pathlib import Path

import pytest

from ocicat.cluster.pods import logs
from ocicat.cluster.pods.logs import LogPart, LogWriter

NOW = 1_700_000_000_123_456_789
STAMP = "2023-11-14T22:13:20.123456789Z"


def written(folder: Path, *pieces: tuple[str, bytes], run: int = 0) -> bytes:
    writer = LogWriter(logs.log_file(folder, run))
    for number, (stream, data) in enumerate(pieces):
        writer.write(stream, data, NOW + number)
    writer.close(NOW + len(pieces))
    return logs.log_file(folder, run).read_bytes()


async def shown(folder: Path, part: LogPart | None = None, *, follow: bool = False, run: int = 0) -> bytes:
    return b"".join([piece async for piece in logs.read(folder, run, part or LogPart(), follow=follow)])


def test_lines_have_time_and_stream(tmp_path: Path) -> None:
    assert written(tmp_path, ("stdout", b"one\n")).decode() == f"{STAMP} stdout F one\n"


def test_a_line_is_written_when_it_is_whole(tmp_path: Path) -> None:
    text = written(tmp_path, ("stdout", b"o"), ("stderr", b"err\n"), ("stdout", b"ne\n")).decode()
    assert [line.split(" ", 1)[1] for line in text.splitlines()] == ["stderr F err", "stdout F one"]


def test_a_long_line_is_written_in_pieces_and_shown_as_one(tmp_path: Path) -> None:
    line = b"x" * (3 * logs.PIECE + 5)
    text = written(tmp_path, ("stdout", line + b"\nnext\n"))
    kinds = [row.split(b" ")[2] for row in text.splitlines()]
    assert kinds == [b"F", b"F"]
    assert asyncio.run(shown(tmp_path)) == line + b"\nnext\n"


def test_what_has_no_end_of_line_is_shown_without_one(tmp_path: Path) -> None:
    written(tmp_path, ("stdout", b"prompt> "))
    assert asyncio.run(shown(tmp_path)) == b"prompt> "


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        (LogPart(tail_lines=1), b"c\n"),
        (LogPart(tail_lines=0), b""),
        (LogPart(tail_lines=9), b"a\nb\nc\n"),
        (LogPart(limit_bytes=3), b"a\nb"),
        (LogPart(since=logs.stamp(NOW + 1)), b"b\nc\n"),
        (LogPart(tail_lines=1, timestamps=True), logs.stamp(NOW + 2).encode() + b" c\n"),
    ],
)
def test_parts(tmp_path: Path, part: LogPart, wanted: bytes) -> None:
    written(tmp_path, ("stdout", b"a\n"), ("stderr", b"b\n"), ("stdout", b"c\n"))
    assert asyncio.run(shown(tmp_path, part)) == wanted


async def test_who_follows_sees_what_comes_and_ends_with_the_run(tmp_path: Path) -> None:
    writer = LogWriter(logs.log_file(tmp_path, 0))
    writer.write("stdout", b"first\n", NOW)
    following = asyncio.create_task(shown(tmp_path, follow=True))
    await asyncio.sleep(0.05)
    writer.write("stdout", b"second\n", NOW)
    writer.close(NOW)
    assert not following.done()
    logs.end_file(tmp_path, 0).write_text("0")
    assert await asyncio.wait_for(following, 10) == b"first\nsecond\n"


async def test_a_log_that_grows_too_long_is_begun_anew_and_nobody_who_follows_misses_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "BOUND_BYTES", 2000)
    writer = LogWriter(logs.log_file(tmp_path, 0))
    writer.write("stdout", b"line 0\n", NOW)
    following = asyncio.create_task(shown(tmp_path, follow=True))
    for number in range(1, 60):
        writer.write("stdout", f"line {number}\n".encode(), NOW)
        await asyncio.sleep(0.005)
    writer.close(NOW)
    logs.end_file(tmp_path, 0).write_text("0")
    text = await asyncio.wait_for(following, 10)
    assert text.decode().splitlines() == [f"line {number}" for number in range(60)]
    kept = sum(path.stat().st_size for path in tmp_path.glob("0.log*"))
    assert kept < 3 * 2000


def test_it_is_closed_once(tmp_path: Path) -> None:
    writer = LogWriter(logs.log_file(tmp_path, 0))
    writer.write("stdout", b"rest", NOW)
    writer.close(NOW)
    writer.close(NOW)
    assert asyncio.run(shown(tmp_path)) == b"rest"


def test_runs_in_order(tmp_path: Path) -> None:
    for run in (0, 2, 10):
        written(tmp_path, ("stdout", b"x\n"), run=run)
    assert list(logs.runs(tmp_path)) == [0, 2, 10]
