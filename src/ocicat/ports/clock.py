"""Time, as an argument: who needs it takes a Clock, and tests drive their own."""

from collections.abc import Callable
from typing import Protocol

Chance = Callable[[], float]
"""Returns a number from 0 up to, not including, 1: a different one each time, or a test's own."""


class Clock(Protocol):
    """Tells the time of day and a time that never runs backwards."""

    def now_ns(self) -> int:
        """Return nanoseconds since 1970; may jump when somebody sets the clock."""

    def monotonic_ns(self) -> int:
        """Return nanoseconds since some moment; never runs backwards."""


class Timer(Clock, Protocol):
    """A Clock that can also be waited on."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of monotonic time; at once where it is 0 or less."""
