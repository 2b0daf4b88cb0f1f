"""A SPDY session over a pipe: the streams that the client opens, and their ends. Source:
spec/kubernetes-api §9."""

import asyncio
from typing import Final

from ocicat.cluster.apiserver.pipes import Pipe
from ocicat.cluster.resources import spdy

_STREAMS_LIMIT: Final = 1024
_WAITING_LIMIT: Final = 64
"""Pieces of data that a stream holds before the session stops reading."""
_REFUSED: Final = 3


class Stream:
    """One stream of a session."""

    def __init__(self, session: "Session", number: int, headers: dict[str, str]) -> None:
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
        for begin in range(0, len(data), 1 << 15):
            await self._session.send(spdy.data_frame(self.number, data[begin : begin + (1 << 15)]))

    async def end(self) -> None:
        """Close this side's half. Raises ConnectionError."""
        await self._session.send(spdy.data_frame(self.number, b"", fin=True))

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
        self._decoder: Final = spdy.Decoder()
        self._encoder: Final = spdy.Encoder()
        self._streams: Final[dict[int, Stream]] = {}
        self.opened: Final[asyncio.Queue[Stream | None]] = asyncio.Queue()

    async def serve(self) -> None:
        """Read until the client ends the session or breaks the rules; then all streams end."""
        try:
            while data := await self._pipe.read():
                for frame in self._decoder.feed(data):
                    if frame.kind == spdy.GOAWAY:
                        return
                    await self._take(frame)
        except (spdy.SpdyError, ConnectionError):
            return
        finally:
            for stream in self._streams.values():
                stream.break_off()
            self.opened.put_nowait(None)

    async def _take(self, frame: spdy.Frame) -> None:
        if frame.kind == spdy.SYN_STREAM:
            await self._open(frame)
        elif frame.kind == spdy.PING:
            await self.send(spdy.ping(frame.stream))
        elif frame.kind == spdy.RST_STREAM:
            stream = self._streams.pop(frame.stream, None)
            if stream is not None:
                stream.break_off()
        elif frame.kind == 0 and (stream := self._streams.get(frame.stream)) is not None:
            if frame.data:
                await stream.arrive(frame.data)
            if frame.flags & spdy.FIN:
                await stream.arrive(b"")

    async def _open(self, frame: spdy.Frame) -> None:
        if len(self._streams) >= _STREAMS_LIMIT or frame.stream in self._streams:
            await self.send(spdy.rst_stream(frame.stream, _REFUSED))
            return
        stream = Stream(self, frame.stream, dict(frame.headers))
        self._streams[frame.stream] = stream
        await self.send(self._encoder.syn_reply(frame.stream))
        self.opened.put_nowait(stream)

    def forget(self, stream: Stream) -> None:
        """Drop a stream that both sides have ended."""
        self._streams.pop(stream.number, None)

    async def send(self, data: bytes) -> None:
        """Send a frame. Raises ConnectionError."""
        await self._pipe.write(data)
