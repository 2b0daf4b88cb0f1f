"""`PodRunner`: what the streams of pods need from whoever runs them, without a word of HTTP, SPDY or
WebSocket."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

import msgspec

STDOUT = 1
STDERR = 2


class Command(msgspec.Struct, frozen=True):
    """What is to be run in a container, or (without words) attached to."""

    container: str
    """Empty: the pod's first, or the one that its annotation names."""
    words: tuple[str, ...]
    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


class LogAsk(msgspec.Struct, frozen=True):
    """Which part of a container's log is wanted."""

    container: str = ""
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since_s: int | None = None
    since_time: str = ""
    limit_bytes: int | None = None


class Channels(Protocol):
    """The client's end of a command's streams."""

    async def read(self) -> bytes:
        """Return the next bytes of standard input; none at its end."""

    async def write(self, channel: int, data: bytes) -> None:
        """Send output (STDOUT or STDERR). Raises ConnectionError when the client is gone."""

    async def resized(self) -> tuple[int, int]:
        """Return the next size of the client's terminal (columns, rows); waits for it."""


class PodRunner(Protocol):
    """Who runs the pods of this cluster."""

    async def run(self, pod: Mapping[str, Any], command: Command, channels: Channels) -> int:
        """Run a command beside a container's processes and return its exit code. Raises ApiError."""

    async def attach(self, pod: Mapping[str, Any], command: Command, channels: Channels) -> int:
        """Join a container's main process until it ends or the client goes; return the exit code. Raises
        ApiError."""

    async def dial(
        self, pod: Mapping[str, Any], port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a port inside the pod. Raises OSError, whose text the user sees."""

    def log(self, pod: Mapping[str, Any], ask: LogAsk) -> AsyncIterator[bytes]:
        """Yield the log in pieces; with `follow` until the container ends. Raises ApiError."""
