"""`Outbox`: the bounded queue between what is observed and the wire. It never blocks and counts every loss.

When it is full it first merges what waits into one record for each key and window, which loses nothing but
the moment within 15 s. Only where that makes too little room are the oldest records given up.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from ocicat.api.windows import merged
from ocicat.model.record import FlowRecord


class Outbox:
    """Records that wait to be sent. To be used from one event loop."""

    def __init__(self, bound: int) -> None:
        """Make an empty one that holds at most `bound` records (at least 4)."""
        self._bound = max(bound, 4)
        self._waiting: deque[FlowRecord] = deque()
        self._filled = asyncio.Event()
        self.lost = 0
        """Records given up since the start."""

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, records: Sequence[FlowRecord]) -> None:
        """Take records; what there is no room for is merged, or given up and counted."""
        for record in records:
            if len(self._waiting) >= self._bound:
                self._make_room()
            self._waiting.append(record)
        if self._waiting:
            self._filled.set()

    def _make_room(self) -> None:
        """Bring the queue to three quarters of its bound, so that the cost of merging is rare."""
        kept = merged(self._waiting)
        excess = len(kept) - self._bound * 3 // 4
        if excess > 0:
            self.lost += excess
            kept = kept[excess:]
        self._waiting = deque(kept)

    def take(self, most: int) -> list[FlowRecord]:
        """Remove and return the oldest records, `most` at the most."""
        taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        if not self._waiting:
            self._filled.clear()
        return taken

    async def filled(self) -> None:
        """Return as soon as there is something to take."""
        await self._filled.wait()
