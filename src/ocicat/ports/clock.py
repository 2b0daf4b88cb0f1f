"""Time, as an argument: who needs it takes a Clock, and tests drive their own."""

from typing import Protocol


class Clock(Protocol):
    """Tells the time of day and a time that never runs backwards."""

    def now_ns(self) -> int:
        """Return nanoseconds since 1970; may jump when somebody sets the clock."""

    def monotonic_ns(self) -> int:
        """Return nanoseconds since some moment; never runs backwards."""
