"""Server-sent events: one answer that goes on, with a sign of life so that proxies keep it open."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Final

from aiohttp import web

from ocicat.api.headers import SECURITY

HEARTBEAT_S: Final = 15.0


class Events:
    """The stream of one reader."""

    def __init__(self, request: web.Request) -> None:
        """Prepare an answer to `request`."""
        self._request = request
        self._response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-cache",
                "X-Accel-Buffering": "no",
                **SECURITY,
            }
        )
        self._writing = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[web.StreamResponse]:
        """Send the headers at once, and comments while the body runs. A reader may leave at any time."""
        await self._response.prepare(self._request)
        beating = asyncio.create_task(self._beat())
        try:
            with contextlib.suppress(ConnectionError):
                await self._write(b"retry: 2000\n\n")
                yield self._response
        finally:
            beating.cancel()

    async def send(self, data: bytes, *, event: str = "", position: str = "") -> None:
        """Send one event; `data` is one line. Raises ConnectionError when the reader has left."""
        head = (f"id: {position}\n" if position else "") + (f"event: {event}\n" if event else "")
        await self._write(head.encode() + b"data: " + data + b"\n\n")

    async def send_all(self, data: Iterable[bytes]) -> None:
        """Send events without name or position, in one piece. Raises ConnectionError."""
        if body := b"".join(b"data: " + one + b"\n\n" for one in data):
            await self._write(body)

    async def _beat(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await asyncio.sleep(HEARTBEAT_S)
                await self._write(b": alive\n\n")

    async def _write(self, data: bytes) -> None:
        async with self._writing:
            await self._response.write(data)
