"""`Cutting`: after every pass, ends the connections that policy refuses now. Off by default.

A change of policy leaves established connections alone (policy-semantics §9.1). Who wants it strict sets
`agent.cut_refused`. A cut runs between two passes, never beside one: what it judges by is what is in force,
and a connection that it ends is judged anew by the same policy. Source: design/dataplane §5.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from ocicat.app.agent.enforcer import Enforcer
from ocicat.base.backoff import Backoff
from ocicat.base.errors import OcicatError
from ocicat.dataplane.cut import Cut
from ocicat.engine.plan import Plan
from ocicat.ports.clock import Chance, Timer

Ending = Callable[[Plan], Cut]
"""Ends the connections that a Plan refuses. Blocks. Raises OcicatError."""

log: Final = structlog.get_logger("ocicat.cutting")


class CutStatus(msgspec.Struct, frozen=True):
    """How cutting goes; all zero where it is off."""

    judged: int = 0
    """Connections that the last cut looked at."""
    ended: int = 0
    """Connections ended since the start."""
    error: str = ""
    """Why the last cut failed; it is tried again."""


class Cutting:
    """Cuts after each pass that `passed` tells of; passes during a cut share the next one."""

    def __init__(self, ending: Ending | None, enforcer: Enforcer, timer: Timer, chance: Chance) -> None:
        """Cut by `ending` between the passes of `enforcer`; None for never."""
        self._ending = ending
        self._enforcer = enforcer
        self._timer = timer
        self._backoff = Backoff(0.5, 10.0, chance)
        self._due = asyncio.Event()
        self._status = CutStatus()

    def passed(self) -> None:
        """Note that something else is in force."""
        self._due.set()

    async def run(self) -> None:
        """Cut for ever. Ends only by being cancelled."""
        if self._ending is None:
            await asyncio.Event().wait()
            return
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                done = await self._enforcer.alone(self._cut)
            except OcicatError as error:
                self._status = msgspec.structs.replace(self._status, error=str(error))
                log.warning("connections.uncut", reason=str(error))
                await self._timer.sleep(self._backoff.delay_s())
                self._due.set()
                continue
            self._backoff.reset()
            self._status = CutStatus(done.judged, self._status.ended + done.ended)
            if done.ended:
                log.info("connections.cut", ended=done.ended, judged=done.judged)

    def _cut(self) -> Cut:
        programmed = self._enforcer.programmed
        return self._ending(programmed.plan) if self._ending and programmed else Cut(0, 0)

    def status(self) -> CutStatus:
        """Return how it goes."""
        return self._status
