"""What the agent asks of flow accounting: to run, to know what is in force, and to say what it counted."""

import asyncio
from typing import Protocol

from ocicat.app.agent.enforcer import Pass
from ocicat.app.agent.status import AccountingStatus


class Unaccounted:
    """Fulfils `Accounting` where it is switched off."""

    async def run(self) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()

    def show(self, done: Pass) -> None:
        """Need not know."""

    def status(self) -> AccountingStatus:
        """Return that nothing was counted."""
        return AccountingStatus()


class Accounting(Protocol):
    """Reads the kernel's counters and sends flow records."""

    async def run(self) -> None:
        """Account for ever. Ends only by being cancelled."""

    def show(self, done: Pass) -> None:
        """Tell what is in force from now on."""

    def status(self) -> AccountingStatus:
        """Return what was counted and lost."""
