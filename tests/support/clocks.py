"""A Timer that stands still until a test moves it."""

import asyncio


class FakeTimer:
    """Fulfils `ocicat.ports.clock.Timer`. Sleepers wake when `advance` passes their moment."""

    def __init__(self, now_ns: int = 1_700_000_000_000_000_000) -> None:
        self._now_ns = now_ns
        self._monotonic_ns = 0
        self._sleepers: list[tuple[int, asyncio.Future[None]]] = []

    def now_ns(self) -> int:
        return self._now_ns

    def monotonic_ns(self) -> int:
        return self._monotonic_ns

    def set_clock(self, now_ns: int) -> None:
        """Change the time of day, as a person does; nobody wakes of it."""
        self._now_ns = now_ns

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._monotonic_ns + int(seconds * 1e9), future))
        await future

    @property
    def sleepers(self) -> int:
        """How many wait now."""
        return sum(not future.done() for _, future in self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Let time pass, and those who wake run."""
        self._now_ns += int(seconds * 1e9)
        self._monotonic_ns += int(seconds * 1e9)
        due = [future for moment, future in self._sleepers if moment <= self._monotonic_ns]
        self._sleepers = [(m, f) for m, f in self._sleepers if m > self._monotonic_ns and not f.done()]
        for future in due:
            if not future.done():
                future.set_result(None)
        await settled()


async def settled(turns: int = 20) -> None:
    """Let every task run that can."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def until(condition, timeout_s: float = 20.0) -> None:
    """Return when `condition()` holds; fail where it does not within the deadline."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)
