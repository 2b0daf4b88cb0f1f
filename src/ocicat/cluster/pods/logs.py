"""A container's log: written as lines with time and stream, read in parts, followed.

The format is the container runtime interface's: `2026-01-01T00:00:00.000000000Z stdout F text`; `P`
instead of `F` is a piece of a line that goes on. One file per run of a container, and beside it a file
that says how the run ended: so that a reader needs nothing but the folder.
"""

import asyncio
import datetime
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import msgspec

from ocicat.cluster.pods.security import Rights

PIECE: Final = 16384
BOUND_BYTES: Final = 10 << 20
"""A log that is longer is begun anew; the last one is kept beside it."""
_POLL_S: Final = 0.1
_READ: Final = 1 << 16


class RunRecord(msgspec.Struct, frozen=True):
    """A run of a container, for those who work beside it."""

    pid: int
    space: str
    cwd: str
    env: dict[str, str]
    rights: Rights
    stdin: bool
    once: bool
    """Whether standard input ends when the first who is attached goes."""
    tty: bool


def record_file(folder: Path, run: int) -> Path:
    """Return the file of a run's record."""
    return folder / f"{run}.json"


def log_file(folder: Path, run: int) -> Path:
    """Return the file of a run's log."""
    return folder / f"{run}.log"


def end_file(folder: Path, run: int) -> Path:
    """Return the file that exists when a run is over."""
    return folder / f"{run}.end"


def stamp(now_ns: int) -> str:
    """Return a moment as logs tell it, to the nanosecond."""
    seconds, rest = divmod(now_ns, 1_000_000_000)
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


class LogWriter:
    """Writes one run's log."""

    def __init__(self, path: Path) -> None:
        """Begin at the end of what is there."""
        self._path: Final = path
        self._file = path.open("ab", buffering=0)
        self._rest: Final = {"stdout": b"", "stderr": b""}

    def write(self, stream: str, data: bytes, now_ns: int) -> None:
        """Add output; what has no end of line yet waits for it."""
        *lines, rest = (self._rest[stream] + data).split(b"\n")
        head = f"{stamp(now_ns)} {stream} ".encode()
        text = b"".join(head + b"F " + line + b"\n" for line in lines)
        while len(rest) >= PIECE:
            text += head + b"P " + rest[:PIECE] + b"\n"
            rest = rest[PIECE:]
        self._rest[stream] = rest
        if text:
            self._file.write(text)
            if self._file.tell() > BOUND_BYTES:
                self._begin_anew()

    def _begin_anew(self) -> None:
        self._file.close()
        self._path.replace(self._path.with_suffix(".log.1"))
        self._file = self._path.open("ab", buffering=0)

    def close(self, now_ns: int) -> None:
        """Write what still waits, and close; once."""
        if self._file.closed:
            return
        for stream, rest in self._rest.items():
            if rest:
                self._file.write(f"{stamp(now_ns)} {stream} P ".encode() + rest + b"\n")
        self._file.close()


class LogPart(msgspec.Struct, frozen=True):
    """Which part of a log is wanted."""

    timestamps: bool = False
    tail_lines: int | None = None
    since: str = ""
    """The earliest time, as `stamp` writes it; empty for all."""
    limit_bytes: int | None = None


def shown(line: bytes, part: LogPart) -> bytes:
    """Return a line of the file as the user sees it; empty where it is too old."""
    time, _, rest = line.partition(b" ")
    if part.since and time.decode("ascii", "replace") < part.since:
        return b""
    _, _, rest = rest.partition(b" ")
    whole, _, text = rest.partition(b" ")
    end = b"\n" if whole == b"F" else b""
    return (time + b" " if part.timestamps else b"") + text + end


def _tail(lines: list[bytes], count: int | None) -> list[bytes]:
    return lines if count is None else lines[len(lines) - count :] if count < len(lines) else lines


async def read(folder: Path, run: int, part: LogPart, *, follow: bool) -> AsyncIterator[bytes]:
    """Yield a run's log in pieces; with `follow` until the run is over."""
    left = part.limit_bytes if part.limit_bytes is not None else 1 << 62
    async for lines in _lines(folder, run, part.tail_lines, follow=follow):
        text = b"".join(shown(line, part) for line in lines)[:left]
        left -= len(text)
        if text:
            yield text
        if left <= 0:
            return


async def _lines(
    folder: Path, run: int, tail: int | None, *, follow: bool, whole: bool = True
) -> AsyncIterator[list[bytes]]:
    path = log_file(folder, run)
    older = path.with_suffix(".log.1")
    first = older.read_bytes().splitlines() if whole and older.exists() else []
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        rest = b""
        *lines, rest = file.read().split(b"\n")
        yield _tail(first + lines, tail)
        while follow:
            over = end_file(folder, run).exists()
            data = file.read(_READ)
            if data:
                *lines, rest = (rest + data).split(b"\n")
                yield lines
            elif over:
                return
            elif not path.exists() or os.fstat(file.fileno()).st_ino != path.stat().st_ino:
                async for more in _lines(folder, run, None, follow=True, whole=False):
                    yield more
                return
            else:
                await asyncio.sleep(_POLL_S)


def runs(folder: Path) -> Iterator[int]:
    """Yield the numbers of the runs that have a log, in order."""
    yield from sorted(int(path.stem) for path in folder.glob("*.log") if path.stem.isdigit())
