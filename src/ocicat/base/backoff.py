"""How long to wait before the next try: twice as long each time, and never two clients at the same moment."""

from collections.abc import Callable


class Backoff:
    """Delays that double from a first to a longest one, each shortened at random by up to a half."""

    def __init__(self, first_s: float, longest_s: float, chance: Callable[[], float]) -> None:
        """Begin with the first delay.

        Args:
            first_s: Seconds; the first delay is between half of it and all of it.
            longest_s: Seconds that no delay exceeds.
            chance: Returns a number from 0 up to 1, such as `random.random`.
        """
        self._first_s = first_s
        self._longest_s = longest_s
        self._chance = chance
        self._next_s = first_s

    def delay_s(self) -> float:
        """Return the seconds to wait now, and make the next delay longer."""
        delay_s = self._next_s * (1 - self._chance() / 2)
        self._next_s = min(self._next_s * 2, self._longest_s)
        return delay_s

    def reset(self) -> None:
        """Begin again with the first delay: the last try went well."""
        self._next_s = self._first_s
