"""`Running`: one run of a container — its streams, its log, and who is attached to it."""

import asyncio
import contextlib
import errno
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from ocicat.cluster.pods.entry import Entry
from ocicat.cluster.pods.holding import HolderError, Holding, Start, Started
from ocicat.cluster.pods.logs import LogWriter, RunRecord, end_file, log_file, record_file

STDOUT: Final = 1
STDERR: Final = 2
_PIECE: Final = 1 << 16
_LISTENER_PIECES: Final = 256
"""Pieces of output that wait for one who is attached; beyond that the oldest are lost to him, as upstream."""
_DRAIN_S: Final = 2.0
_WITH_STDIN: Final = 3
"""How many streams are kept with a process whose standard input is open."""

Listener = asyncio.Queue[tuple[int, bytes]]


class Running:
    """A process that is a container's first, with all that hangs on it."""

    def __init__(self, folder: Path, run: int, now_ns: Callable[[], int]) -> None:
        """Prepare the run numbered `run` of the container whose files are in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder: Final = folder
        self._run: Final = run
        self._now_ns: Final = now_ns
        self._log: Final = LogWriter(log_file(folder, run))
        self._readers: Final[dict[int, str]] = {}
        self._drained: Final = asyncio.Event()
        self._stdin: Entry | None = None
        self._started: Started | None = None
        self._holding: Holding | None = None
        self._keep = ""
        self.listeners: Final[set[Listener]] = set()
        self._early: list[tuple[int, bytes]] | None = None
        """What was printed before anybody listened, of a run that is one person's session."""
        self.tty = False
        self.over: Final = asyncio.Event()
        self.code = 0
        """The exit code, when the run is over."""
        self.ending: asyncio.Task[None] | None = None
        """What is ending it, where its container is not well."""
        self._record: RunRecord | None = None

    @property
    def pid(self) -> int:
        """The process, as the holder's pid namespace numbers it."""
        return self._started.pid if self._started else 0

    @property
    def record(self) -> RunRecord:
        """What those need who work beside it. Raises RuntimeError where it was not started."""
        if self._record is None:
            raise RuntimeError("the run was not started")
        return self._record

    async def start(self, holding: Holding, what: Start, *, stdin: bool, once: bool = False) -> None:
        """Start it.

        Args:
            holding: Where.
            what: The process.
            stdin: Whether its standard input is open.
            once: Whether it is one person's session, whose standard input ends when he goes.

        Raises:
            HolderError: It does not run, and nothing is left behind.
        """
        self._early = [] if stdin and once else None
        end_file(self._folder, self._run).unlink(missing_ok=True)
        self.tty, self._holding, self._keep = what.tty, holding, what.keep
        theirs: list[int] = []
        try:
            if not what.tty:
                theirs = self._pipes(stdin=stdin)
            entry = self._stdin.descriptor if self._stdin is not None else None
            ours = [descriptor for descriptor in (entry, *self._readers) if descriptor is not None]
            self._started = await holding.start(what, [*theirs, *ours])
        except BaseException:
            self._close()
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        if self._started.terminal is not None:
            self._take_terminal(self._started.terminal, stdin=stdin)
        self._record = RunRecord(
            self._started.pid,
            what.space,
            what.cwd,
            dict(what.env),
            what.rights,
            stdin=stdin,
            once=once,
            tty=what.tty,
        )
        try:
            record_file(self._folder, self._run).write_bytes(msgspec.json.encode(self._record))
        except OSError as error:
            # Nobody could work beside it, nor find it again.
            self._close()
            await (holding.forget(what.keep) if what.keep else holding.kill(self._started.pid))
            raise HolderError(f"what was started cannot be recorded: {error.strerror}") from error

    async def adopt(self, holding: Holding, keep: str) -> None:
        """Take over what an earlier process of this node has started. Raises HolderError."""
        self._holding, self._keep = holding, keep
        try:
            record = self._record = self._written()
            self._started = await holding.adopt(keep)
        except BaseException as error:
            self._close()
            if isinstance(error, OSError | msgspec.MsgspecError):
                # The node was killed before it had written what it started: nobody could work beside it.
                await holding.forget(keep)
                raise HolderError(f"the record of what was started cannot be read: {error}") from error
            raise
        self.tty = record.tty
        streams = list(self._started.streams)
        if record.tty:
            self._take_terminal(streams[0], stdin=record.stdin)
            return
        if record.stdin and len(streams) == _WITH_STDIN:
            self._stdin = Entry(streams.pop(0))
        for descriptor, stream in zip(streams, ("stdout", "stderr"), strict=True):
            self._read(descriptor, stream)

    def _written(self) -> RunRecord:
        raw = record_file(self._folder, self._run).read_bytes()
        return msgspec.json.decode(raw, type=RunRecord)

    def _take_terminal(self, master: int, *, stdin: bool) -> None:
        self._read(master, "stdout")
        self._stdin = Entry(os.dup(master)) if stdin else None

    def _pipes(self, *, stdin: bool) -> list[int]:
        if stdin:
            entry, ours_in = os.pipe()
            self._stdin = Entry(ours_in)
        else:
            entry = os.open(os.devnull, os.O_RDONLY)
        theirs = [entry]
        for stream in ("stdout", "stderr"):
            ours, end = os.pipe()
            self._read(ours, stream)
            theirs.append(end)
        return theirs

    def _read(self, descriptor: int, stream: str) -> None:
        os.set_blocking(descriptor, False)
        self._readers[descriptor] = stream
        asyncio.get_running_loop().add_reader(descriptor, self._readable, descriptor)

    def _readable(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, _PIECE)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:  # what a terminal says when nobody has it open any more
                raise
            data = b""
        stream = self._readers[descriptor]
        if not data:
            self._forget(descriptor)
            return
        self._log.write(stream, data, self._now_ns())
        piece = (STDERR if stream == "stderr" else STDOUT, data)
        if self._early is not None and len(self._early) < _LISTENER_PIECES:
            self._early.append(piece)
        for listener in self.listeners:
            if listener.full():
                listener.get_nowait()
            listener.put_nowait(piece)

    def _forget(self, descriptor: int) -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        del self._readers[descriptor]
        os.close(descriptor)
        if not self._readers:
            self._drained.set()

    async def ended(self) -> int:
        """Return the exit code when the process has ended and its output is written."""
        if self._started is None:
            raise RuntimeError("the run was not started")
        code = await asyncio.shield(self._started.ended)
        if self._readers:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), _DRAIN_S)
        self._close()
        end_file(self._folder, self._run).write_text(str(code))
        if self._holding is not None and self._keep:
            await self._holding.forget(self._keep)
        self.code = code
        self.over.set()
        return code

    def let_go(self) -> None:
        """Close our ends of its streams; what has a name goes on, and can be adopted."""
        self._close()

    def _close(self) -> None:
        for descriptor in list(self._readers):
            self._forget(descriptor)
        if self._stdin is not None:
            self._stdin.close()
            self._stdin = None
        self._log.close(self._now_ns())

    # --- those who are attached -----------------------------------------------------------------------------

    def listen(self) -> Listener:
        """Return a queue that gets the output from now on; give it back to `listeners.discard`.

        The first who listens to a session gets its beginning too: he has asked for it by `kubectl run -i`.
        """
        listener: Listener = asyncio.Queue(_LISTENER_PIECES)
        for piece in self._early or ():
            listener.put_nowait(piece)
        self._early = None
        self.listeners.add(listener)
        return listener

    async def feed(self, data: bytes) -> None:
        """Write to standard input; what nobody takes is lost."""
        if self._stdin is not None:
            with contextlib.suppress(OSError):
                await self._stdin.write(data)

    async def close_stdin(self) -> None:
        """End standard input; of a terminal, which has no end, only our hold on it."""
        if self._stdin is None:
            return
        self._stdin.close()
        self._stdin = None
        if self._holding is not None and not self.tty:
            await self._holding.shut(self._keep)

    def resize(self, columns: int, rows: int) -> None:
        """Tell the terminal its size."""
        if self.tty and self._readers:
            fcntl.ioctl(
                next(iter(self._readers)), termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0)
            )

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the process."""
        if self._started is not None and not self._started.ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._started.pid, number)
