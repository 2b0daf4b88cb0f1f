"""`Inbox`: the bounded channel between the watches and whoever acts on what they tell.

Of an object that changes many times before anybody looks, only the last state is kept. When as many objects
wait as the bound says, the watches wait too, and the API server with them.
"""

import asyncio

from ocicat.cluster.reflection import Delta

Waiting = tuple[str, str, str, str]


class Inbox:
    """Deltas that wait, one for each object. To be used from one event loop."""

    def __init__(self, bound: int = 100_000) -> None:
        """Make an empty one for at most `bound` objects."""
        self._bound = bound
        self._waiting: dict[Waiting, Delta] = {}
        self._filled = asyncio.Event()
        self._taken = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    async def put(self, delta: Delta) -> None:
        """Add what became of an object, in place of what was said of it before."""
        place = (delta.kind.group, delta.kind.kind, delta.namespace, delta.name)
        while place not in self._waiting and len(self._waiting) >= self._bound:
            self._taken.clear()
            await self._taken.wait()
        # The place in the order is that of the last change: an address that moves is first given back.
        self._waiting.pop(place, None)
        self._waiting[place] = delta
        self._filled.set()

    def take(self) -> list[Delta]:
        """Remove and return everything, in order of the last change."""
        taken, self._waiting = list(self._waiting.values()), {}
        self._filled.clear()
        self._taken.set()
        return taken

    def nudge(self) -> None:
        """Wake whoever waits, though no object has changed: something else about the watches has."""
        self._filled.set()

    async def filled(self) -> None:
        """Return as soon as there is something to take, or somebody was nudged."""
        await self._filled.wait()
