"""Byte pipes to a client: a connection taken over after `101`, or a WebSocket that carries bytes."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Protocol

import aiohttp
from aiohttp import web

_HIGH_WATER: Final = 1 << 20
"""Bytes that are buffered before the client is told to wait (TCP back-pressure)."""
MESSAGE_LIMIT: Final = 1 << 20
"""Bytes of one WebSocket message."""


class Pipe(Protocol):
    """Bytes to and from a client."""

    async def read(self) -> bytes:
        """Return the next bytes, none at the end."""

    async def write(self, data: bytes) -> None:
        """Send bytes. Raises ConnectionError when the client is gone."""


class _Arrivals:
    """Takes what comes on a connection after its request; aiohttp calls it as a parser."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._protocol: Final = request.protocol
        self._buffer = bytearray()
        self._ended = False
        self._woken: Final = asyncio.Event()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take bytes."""
        self._buffer += data
        if len(self._buffer) > _HIGH_WATER:
            self._protocol.pause_reading()
        self._woken.set()
        return False, b""

    def feed_eof(self) -> None:
        """Take note of the end."""
        self._ended = True
        self._woken.set()

    async def read(self) -> bytes:
        while not self._buffer and not self._ended:
            self._woken.clear()
            await self._woken.wait()
        data = bytes(self._buffer)
        self._buffer.clear()
        self._protocol.resume_reading()
        return data


class RawPipe:
    """The raw connection of a request that asked for an upgrade."""

    def __init__(self, answer: web.StreamResponse, arrivals: _Arrivals) -> None:
        self.answer: Final = answer
        self._arrivals: Final = arrivals

    @classmethod
    async def taken_over(cls, request: web.BaseRequest, headers: Mapping[str, str]) -> "RawPipe":
        """Answer `101` with `headers` and take the connection over."""
        arrivals = _Arrivals(request)
        # Before the answer, since bytes may follow it at once. aiohttp calls any parser by these two methods.
        request.protocol.set_parser(arrivals)  # type: ignore[arg-type]
        answer = web.StreamResponse(status=101, headers={"Connection": "Upgrade", **headers})
        await answer.prepare(request)
        answer.force_close()
        return cls(answer, arrivals)

    async def read(self) -> bytes:
        """Return the next bytes, none at the end."""
        return await self._arrivals.read()

    async def write(self, data: bytes) -> None:
        """Send bytes. Raises ConnectionError."""
        await self.answer.write(data)


class SocketPipe:
    """A WebSocket whose binary messages are cut anywhere; empty ones mean nothing."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket: Final = socket

    async def read(self) -> bytes:
        """Return the next bytes, none at the end."""
        while True:
            message: Any = await self._socket.receive()
            if message.type is not aiohttp.WSMsgType.BINARY:
                return b""
            if message.data:
                return bytes(message.data)

    async def write(self, data: bytes) -> None:
        """Send bytes. Raises ConnectionError."""
        await self._socket.send_bytes(data)
