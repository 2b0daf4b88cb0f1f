"""The processes of a cluster that run within its network: started over the holder, watched, started again."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from ocicat.base.backoff import Backoff
from ocicat.cluster.pods.holding import HolderGoneError, Holding, Start
from ocicat.ports.clock import Chance, Timer

log: Final = structlog.get_logger("ocicat.up")
_FIRST_DELAY_S: Final = 0.2
_LONGEST_DELAY_S: Final = 10.0
_HEALTHY_S: Final = 30.0


class Part:
    """One process, kept running until the task that runs it is cancelled."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        space: str,
        log_file: Path,
        environment: Mapping[str, str],
        said: Callable[[str], None],
    ) -> None:
        """Prepare it.

        Args:
            name: What people call it.
            argv: Its command line.
            space: The holder's name of the network that it is in.
            log_file: Where its output goes.
            environment: Its variables.
            said: Gets a line when it has ended and is started again.
        """
        self.name: Final = name
        self._argv: Final = argv
        self._space: Final = space
        self._log_file: Final = log_file
        self._environment: Final = environment
        self._said: Final = said
        self.pid = 0
        self.restarts = 0

    async def run(self, holding: Holding, timer: Timer, chance: Chance) -> None:
        """Keep it running. Raises HolderGoneError."""
        backoff = Backoff(_FIRST_DELAY_S, _LONGEST_DELAY_S, chance)
        while True:
            began_ns = timer.monotonic_ns()
            code = await self._once(holding)
            if holding.gone.done():
                raise HolderGoneError("the holder has ended")
            if timer.monotonic_ns() - began_ns > _HEALTHY_S * 1e9:
                backoff = Backoff(_FIRST_DELAY_S, _LONGEST_DELAY_S, chance)
            self.restarts += 1
            log.warning("part.ended", part=self.name, code=code)
            self._said(f"{self.name} ended with code {code} and is started again; see {self._log_file}")
            await timer.sleep(backoff.delay_s())

    async def _once(self, holding: Holding) -> int:
        output = os.open(self._log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            what = Start(argv=self._argv, env=self._environment, space=self._space)
            started = await holding.start(what, [nothing, output, output])
        finally:
            os.close(output)
            os.close(nothing)
        self.pid = started.pid
        return await asyncio.shield(started.ended)
