"""The processes of a cluster: started beside us or within its network, watched, started again."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from ocicat.base.backoff import Backoff
from ocicat.cluster.pods.holder.syscalls import die_with_parent
from ocicat.cluster.pods.holding import HolderGoneError, Holding, Start
from ocicat.ports.clock import Chance, Timer

log: Final = structlog.get_logger("ocicat.up")
_FIRST_DELAY_S: Final = 0.2
_LONGEST_DELAY_S: Final = 10.0
_HEALTHY_S: Final = 30.0
_END_S: Final = 10.0


class Process(msgspec.Struct, frozen=True):
    """A process that runs."""

    pid: int
    ended: Awaitable[int]
    """Gives the exit code."""


class Launch(Protocol):
    """How a process is started."""

    async def __call__(self, streams: Sequence[int]) -> Process:
        """Start it with these descriptors as standard input, output and error."""
        ...


def within(holding: Holding, what: Start) -> Launch:
    """Return what starts a process in the cluster's namespaces; it ends with them. Raises HolderError."""

    async def launch(streams: Sequence[int]) -> Process:
        started = await holding.start(what, streams)
        return Process(started.pid, asyncio.shield(started.ended))

    return launch


class Beside:
    """Starts a process of our own on the host, which ends when we do."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], inherited: Sequence[int]) -> None:
        """Keep its command line, its variables, and the descriptors that it gets under the same numbers."""
        self._argv: Final = argv
        self._environment: Final = environment
        self._inherited: Final = inherited
        self._process: asyncio.subprocess.Process | None = None

    async def __call__(self, streams: Sequence[int]) -> Process:
        """Start it."""
        self._process = process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=streams[0],
            stdout=streams[1],
            stderr=streams[2],
            env=dict(self._environment),
            pass_fds=self._inherited,
            start_new_session=True,  # Ctrl-C is for us: we end it in our turn
            preexec_fn=lambda: die_with_parent(signal.SIGKILL),
        )
        return Process(process.pid, process.wait())

    async def end(self) -> None:
        """End it, gently at first."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_S):
                    await process.wait()
                    return


class Part:
    """One process, kept running until the task that runs it is cancelled."""

    def __init__(self, name: str, launch: Launch, log_file: Path, said: Callable[[str], None]) -> None:
        """Prepare it.

        Args:
            name: What people call it.
            launch: Starts it.
            log_file: Where its output goes.
            said: Gets a line when it has ended and is started again.
        """
        self.name: Final = name
        self._launch: Final = launch
        self._log_file: Final = log_file
        self._said: Final = said
        self.pid = 0
        self.restarts = 0

    async def run(self, timer: Timer, chance: Chance) -> None:
        """Keep it running. Raises HolderGoneError."""
        backoff = Backoff(_FIRST_DELAY_S, _LONGEST_DELAY_S, chance)
        while True:
            began_ns = timer.monotonic_ns()
            code = await self._once()
            if timer.monotonic_ns() - began_ns > _HEALTHY_S * 1e9:
                backoff = Backoff(_FIRST_DELAY_S, _LONGEST_DELAY_S, chance)
            self.restarts += 1
            log.warning("part.ended", part=self.name, code=code)
            self._said(f"{self.name} ended with code {code} and is started again; see {self._log_file}")
            await timer.sleep(backoff.delay_s())

    async def _once(self) -> int:
        output = os.open(self._log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            process = await self._launch([nothing, output, output])
        finally:
            os.close(output)
            os.close(nothing)
        self.pid = process.pid
        return await process.ended


async def until_gone(holding: Holding) -> None:
    """Wait until the holder has ended. Raises HolderGoneError."""
    await asyncio.shield(holding.gone)
    raise HolderGoneError("the process that holds the cluster's namespaces has ended, and all in them")
