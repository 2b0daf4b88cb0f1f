"""Attaching to a container's process: frames over the node's Unix socket, both ends of it.

A frame is one byte of channel, four of length, and so many of data. The first of the client names the
container; the last of the node is RESULT with the exit code, or ERROR with a text.
"""

import asyncio
import contextlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from ocicat.cluster.pods.running import Running
from ocicat.cluster.pods.sockets import listening

STDIN: Final = 0
RESULT: Final = 3
RESIZE: Final = 4
ERROR: Final = 5
END: Final = 6
"""Standard input has ended."""
_HEAD: Final = struct.Struct("!BI")
_LONGEST: Final = 1 << 20
_LAST_S: Final = 5.0
"""How long a client may take to hang up after the last frame."""


class Wanted(msgspec.Struct, frozen=True):
    """Which container, and what of it."""

    uid: str
    container: str
    stdin: bool


Find = Callable[[str, str], Running | None]
"""(uid of a pod, name of a container) → its present run."""


async def frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return the next frame. Raises ConnectionError where there is none."""
    try:
        channel, length = _HEAD.unpack(await reader.readexactly(_HEAD.size))
        if length > _LONGEST:
            raise ConnectionResetError("a frame is too long")
        return channel, await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError("the other end has closed") from error


def framed(channel: int, data: bytes) -> bytes:
    """Return a frame."""
    return _HEAD.pack(channel, len(data)) + data


async def serve(path: Path, find: Find) -> asyncio.Server:
    """Serve those who attach, at a Unix socket."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, msgspec.MsgspecError):
            _, data = await frame(reader)
            await _attached(msgspec.json.decode(data, type=Wanted), find, reader, writer)
            # What the client still sends must be read: with it unread, a close could overtake our last frame.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_S):
                    while await reader.read(_LONGEST):
                        pass
        writer.close()

    return await asyncio.start_unix_server(one, sock=listening(path))


async def _attached(
    wanted: Wanted, find: Find, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    running = find(wanted.uid, wanted.container)
    if running is None:
        writer.write(framed(ERROR, b"the container does not run"))
        await writer.drain()
        return
    listener = running.listen()
    reading = asyncio.create_task(_fed(running, reader, stdin=wanted.stdin))
    ending = asyncio.create_task(running.over.wait())
    try:
        while True:
            getting = asyncio.create_task(listener.get())
            await asyncio.wait([getting, reading, ending], return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                channel, data = getting.result()
                writer.write(framed(channel, data))
                await writer.drain()
                continue
            getting.cancel()
            if ending.done() and listener.empty():
                writer.write(framed(RESULT, str(running.code).encode()))
                await writer.drain()
                return
            if reading.done():
                return
    finally:
        running.listeners.discard(listener)
        for task in (reading, ending):
            task.cancel()


async def _fed(running: Running, reader: asyncio.StreamReader, *, stdin: bool) -> None:
    """Carry what the client sends, until it is gone, and with it the input of what was its session."""
    with contextlib.suppress(ConnectionError):
        while True:
            channel, data = await frame(reader)
            if channel == STDIN and stdin:
                await running.feed(data)
            elif channel == END and stdin:
                await running.close_stdin()
            elif channel == RESIZE:
                columns, rows = struct.unpack("!HH", data)
                running.resize(columns, rows)
    if stdin and running.record.once and not running.tty:
        await running.close_stdin()
