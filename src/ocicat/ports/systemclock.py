"""The real time and the real chance, for those who take them as arguments."""

import asyncio
import random
import time


class SystemClock:
    """Fulfils `ocicat.ports.clock.Timer`."""

    def now_ns(self) -> int:
        """Return nanoseconds since 1970."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Return nanoseconds since some moment; never runs backwards."""
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        await asyncio.sleep(seconds)


def chance() -> float:
    """Return a number from 0 up to 1. Good enough to spread retries; not for secrets."""
    return random.random()  # noqa: S311
