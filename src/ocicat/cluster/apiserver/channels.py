"""The streams of a command as the two protocols carry them. Source: spec/kubernetes-api §9."""

import asyncio
from typing import Any, Final

import aiohttp
from aiohttp import web

from ocicat.cluster.apiserver.runner import STDERR, STDOUT, Command
from ocicat.cluster.apiserver.spdysession import Session, Stream
from ocicat.cluster.streams import channels
from ocicat.cluster.streams.channels import Channel

_WAITING_LIMIT: Final = 64
_NAMES: Final = {STDOUT: "stdout", STDERR: "stderr"}


class SocketChannels:
    """Channels of a WebSocket: the first byte of each message says which."""

    def __init__(self, socket: web.WebSocketResponse, protocol: str) -> None:
        self._socket: Final = socket
        self._closes: Final = protocol.startswith("v5")
        self._input: Final[asyncio.Queue[bytes]] = asyncio.Queue(_WAITING_LIMIT)
        self._sizes: Final[asyncio.Queue[tuple[int, int]]] = asyncio.Queue()
        self._over = False

    async def serve(self) -> None:
        """Read messages until the client is gone; then standard input ends."""
        while True:
            message: Any = await self._socket.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                data = message.data.encode()
            elif message.type is aiohttp.WSMsgType.BINARY:
                data = message.data
            else:
                break
            await self._take(data)
        await self._input.put(b"")

    async def _take(self, data: bytes) -> None:
        message = channels.read(data)
        if message is None:
            return
        if message.channel is Channel.RESIZE and (size := channels.size_of(message.data)):
            self._sizes.put_nowait((size.width, size.height))
        elif message.channel is Channel.STDIN and (message.data or (message.closed and self._closes)):
            await self._input.put(message.data)

    async def read(self) -> bytes:
        """Return the next bytes of standard input; none at its end."""
        if self._over:
            return b""
        data = await self._input.get()
        self._over = not data
        return data

    async def write(self, channel: int, data: bytes) -> None:
        """Send output. Raises ConnectionError."""
        if data:
            await self._socket.send_bytes(channels.written(Channel(channel), data))

    async def resized(self) -> tuple[int, int]:
        """Return the next size of the terminal."""
        return await self._sizes.get()

    async def finish(self, status: bytes) -> None:
        """Send how the command ended. Raises ConnectionError."""
        await self._socket.send_bytes(channels.written(Channel.ERROR, status))


class SpdyChannels:
    """Channels of a SPDY session: one stream each."""

    def __init__(self, streams: dict[str, Stream]) -> None:
        self._streams: Final = streams

    @classmethod
    async def opened(cls, session: Session, command: Command) -> "SpdyChannels":
        """Wait for the streams that `command` needs. Raises ConnectionError when the client goes before."""
        wanted = {"error", *(name for name in ("stdin", "stdout", "stderr") if getattr(command, name))}
        if command.tty:
            wanted.add("resize")
        streams: dict[str, Stream] = {}
        while not wanted <= streams.keys():
            stream = await session.opened.get()
            if stream is None:
                raise ConnectionError("the client is gone")
            streams[stream.headers.get("streamtype", "")] = stream
        return cls(streams)

    async def read(self) -> bytes:
        """Return the next bytes of standard input; none at its end."""
        stream = self._streams.get("stdin")
        return await stream.read() if stream else b""

    async def write(self, channel: int, data: bytes) -> None:
        """Send output. Raises ConnectionError."""
        stream = self._streams.get(_NAMES[channel]) or self._streams.get("stdout")
        if stream and data:
            await stream.write(data)

    async def resized(self) -> tuple[int, int]:
        """Return the next size of the terminal; waits for ever where there is none."""
        stream = self._streams.get("resize")
        while stream and (data := await stream.read()):
            if size := channels.size_of(data):
                return size.width, size.height
        never: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        return await never

    async def finish(self, status: bytes) -> None:
        """Send how the command ended, and end all streams. Raises ConnectionError."""
        await self._streams["error"].write(status)
        for stream in self._streams.values():
            await stream.end()
