"""A SPDY session over a pipe: the streams that the client opens, and their ends. Source:
spec/kubernetes-api §9."""

import asyncio
from collections.abc import Mapping
from typing import Final, assert_never

from ocicat.cluster.apiserver.pipes import Pipe
from ocicat.cluster.streams.spdy import Connection, Data, Event, GoAway, Opened, Ping, Reset, SpdyError

_WAITING_LIMIT: Final = 64
"""Pieces of data that a stream holds before the session stops reading."""
STREAMS_LIMIT: Final = 1000
"""Streams at once in one session: two for each connection that is forwarded."""


class Stream:
    """One stream of a session."""

    def __init__(self, session: "Session", number: int, headers: Mapping[str, str]) -> None:
        self.number: Final = number
        self.headers: Final = headers
        self._session: Final = session
        self._arrived: Final[asyncio.Queue[bytes]] = asyncio.Queue(_WAITING_LIMIT)
        self._over = False

    async def read(self) -> bytes:
        """Return the next bytes, none at the end of the client's half."""
        if self._over:
            return b""
        data = await self._arrived.get()
        self._over = not data
        return data

    async def write(self, data: bytes) -> None:
        """Send bytes. Raises ConnectionError."""
        await self._session.send(self._session.connection.data(self.number, data))

    async def end(self) -> None:
        """Close this side's half. Raises ConnectionError."""
        await self._session.send(self._session.connection.data(self.number, b"", finish=True))

    async def arrive(self, data: bytes) -> None:
        """Take bytes of the client; none ends its half."""
        await self._arrived.put(data)

    def break_off(self) -> None:
        """End the client's half at once, whatever waits."""
        self._over = True
        if self._arrived.empty():
            self._arrived.put_nowait(b"")


class Session:
    """All streams of one connection. `opened` yields them as the client opens them, None at the end."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe: Final = pipe
        self.connection: Final = Connection()
        self._streams: Final[dict[int, Stream]] = {}
        self.opened: Final[asyncio.Queue[Stream | None]] = asyncio.Queue()

    async def serve(self) -> None:
        """Read until the client ends the session or breaks the rules; then all streams end."""
        try:
            while data := await self._pipe.read():
                for event in self.connection.feed(data):
                    if isinstance(event, GoAway):
                        return
                    await self._take(event)
        except (SpdyError, ConnectionError):
            return
        finally:
            for stream in self._streams.values():
                stream.break_off()
            self.opened.put_nowait(None)

    async def _take(self, event: Event) -> None:
        match event:
            case Opened():
                if len(self._streams) >= STREAMS_LIMIT:
                    raise SpdyError(f"more than {STREAMS_LIMIT} streams at once")
                stream = self._streams[event.stream] = Stream(self, event.stream, event.headers)
                await self.send(self.connection.reply(event.stream))
                self.opened.put_nowait(stream)
                await self._arrived(event.stream, b"", finished=event.finished)
            case Data():
                await self._arrived(event.stream, event.data, finished=event.finished)
            case Reset():
                broken = self._streams.pop(event.stream, None)
                if broken is not None:
                    broken.break_off()
            case Ping():
                await self.send(self.connection.pong(event))
            case GoAway():
                return
            case _:
                assert_never(event)

    async def _arrived(self, number: int, data: bytes, *, finished: bool) -> None:
        stream = self._streams.get(number)
        if stream is not None and data:
            await stream.arrive(data)
        if stream is not None and finished:
            await stream.arrive(b"")

    def forget(self, stream: Stream) -> None:
        """Drop a stream that both sides have ended."""
        self._streams.pop(stream.number, None)
        self.connection.closed(stream.number)

    async def send(self, data: bytes) -> None:
        """Send a frame. Raises ConnectionError."""
        await self._pipe.write(data)
