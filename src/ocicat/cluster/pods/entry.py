"""`Entry`: standard input of somebody else's process, a pipe or a terminal, written to without a thread.

Whoever does not read lets its writer wait, and nobody else.
"""

import asyncio
import os
from typing import Final


class Entry:
    """A descriptor that is written to; closed once, by whoever comes first."""

    def __init__(self, descriptor: int) -> None:
        """Take over the writing end of a pipe, or a terminal's master."""
        os.set_blocking(descriptor, False)
        self._descriptor: int | None = descriptor
        self._lock: Final = asyncio.Lock()
        self._room: asyncio.Future[None] | None = None

    @property
    def descriptor(self) -> int | None:
        """The descriptor, None when it is closed."""
        return self._descriptor

    async def write(self, data: bytes) -> None:
        """Return when all has been taken. Raises OSError where nobody takes it any more, or it is closed."""
        async with self._lock:
            rest = memoryview(data)
            while rest:
                if self._descriptor is None:
                    raise BrokenPipeError("it is closed")
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except BlockingIOError:
                    await self._until_room(self._descriptor)

    async def _until_room(self, descriptor: int) -> None:
        loop = asyncio.get_running_loop()
        room = self._room = loop.create_future()
        loop.add_writer(descriptor, self._wake)
        try:
            await room
        finally:
            self._room = None
            if self._descriptor is not None:
                loop.remove_writer(descriptor)

    def _wake(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def close(self) -> None:
        """Close it; what reads from it sees the end, and who waits to write a broken pipe."""
        if self._descriptor is None:
            return
        if self._room is not None:
            asyncio.get_running_loop().remove_writer(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = None
        self._wake()
