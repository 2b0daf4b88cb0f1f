"""SPDY/3.1, as much of it as kubectl speaks. `Connection` turns bytes into events and answers into bytes.

A frame is a control frame (SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY, HEADERS) or data. Header blocks
are compressed with one zlib context for each direction of the connection. Nobody here does flow control:
memory is bounded by not reading. Source: spec/kubernetes-api §9.
"""

import struct
import zlib
from collections.abc import Mapping
from typing import Final

import msgspec

from ocicat.base.errors import OcicatError
from ocicat.cluster.streams.dictionary import DICTIONARY

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FIN: Final = 0x01
_CONTROL: Final = 0x80000000
_VERSION: Final = 3
MAX_FRAME: Final = 1 << 20
"""Bytes of one frame. kubectl sends at most 32 KiB of data in one."""
MAX_HEADERS: Final = 1 << 16
"""Bytes of one header block, unpacked; kubectl sends some hundred."""
MAX_STREAMS: Final = 1024
"""Streams open at once on one connection; each forwarded connection takes two."""


class SpdyError(OcicatError):
    """The other side does not speak SPDY/3.1. The connection cannot go on."""


class Opened(msgspec.Struct, frozen=True):
    """The other side opened a stream. Headers have lower-case names; of several values the first counts."""

    stream: int
    headers: Mapping[str, str]
    finished: bool = False
    """Whether nothing will come on it."""


class Data(msgspec.Struct, frozen=True):
    """Bytes of a stream; with `finished` the last ones, and there may be none."""

    stream: int
    data: bytes
    finished: bool = False


class Reset(msgspec.Struct, frozen=True):
    """The other side gave a stream up."""

    stream: int


class Ping(msgspec.Struct, frozen=True):
    """To be sent back as it is, with `Connection.pong`."""

    number: int


class GoAway(msgspec.Struct, frozen=True):
    """The other side will open no more streams."""


Event = Opened | Data | Reset | Ping | GoAway


class Connection:
    """The state of one connection: both zlib contexts, what has come of the next frame, and open streams."""

    def __init__(self) -> None:
        """Begin a connection; SPDY has no greeting."""
        self._deflate = zlib.compressobj(zdict=DICTIONARY)
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._buffer = bytearray()
        self._streams: set[int] = set()

    # --- bytes → events -------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes as they come, cut anywhere; return the events that are complete. Raises SpdyError."""
        self._buffer += data
        events: list[Event] = []
        while len(self._buffer) >= 8:
            word, rest = struct.unpack_from(">II", self._buffer)
            flags, length = rest >> 24, rest & 0xFFFFFF
            if length > MAX_FRAME:
                raise SpdyError(f"a frame of {length} bytes is too long")
            if len(self._buffer) < 8 + length:
                break
            body = bytes(self._buffer[8 : 8 + length])
            del self._buffer[: 8 + length]
            if word & _CONTROL:
                events += self._control(word, flags, body)
            else:
                events += self._data(word, flags, body)
        return events

    def _data(self, stream: int, flags: int, body: bytes) -> list[Event]:
        if stream not in self._streams:
            return []  # it was reset, and the other side did not know yet
        return [Data(stream, body, bool(flags & FIN))]

    def _control(self, word: int, flags: int, body: bytes) -> list[Event]:
        if (version := word >> 16 & 0x7FFF) != _VERSION:
            raise SpdyError(f"version {version} is not SPDY/3")
        match word & 0xFFFF:
            case 1:  # SYN_STREAM
                return [self._opened(flags, body)]
            case 2 | 8:  # SYN_REPLY, HEADERS: read, since the zlib context must not lose them
                self._headers(_from(body, 4))
                return []
            case 3:  # RST_STREAM
                stream = _number(body, 0)
                self._streams.discard(stream)
                return [Reset(stream)]
            case 6:  # PING
                return [Ping(_number(body, 0))]
            case 7:  # GOAWAY
                return [GoAway()]
            case _:  # SETTINGS, WINDOW_UPDATE and what we do not know ask nothing of us
                return []

    def _opened(self, flags: int, body: bytes) -> Opened:
        stream = _number(body, 0) & 0x7FFFFFFF
        headers = self._headers(_from(body, 10))
        if len(self._streams) >= MAX_STREAMS:
            raise SpdyError(f"more than {MAX_STREAMS} streams at once")
        self._streams.add(stream)
        return Opened(stream, headers, bool(flags & FIN))

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            raw = self._inflate.decompress(block, MAX_HEADERS)
        except zlib.error as error:
            raise SpdyError(f"a header block cannot be unpacked: {error}") from error
        if self._inflate.unconsumed_tail:
            raise SpdyError(f"a header block has more than {MAX_HEADERS} bytes")
        count, position = _number(raw, 0), 4
        headers: dict[str, str] = {}
        for _ in range(count):
            name, position = _text(raw, position)
            value, position = _text(raw, position)
            headers.setdefault(name.lower(), value.split("\0", 1)[0])
        return headers

    # --- answers → bytes ------------------------------------------------------------------------------------

    def reply(self, stream: int) -> bytes:
        """Return the SYN_REPLY that accepts a stream."""
        return self._frame(SYN_REPLY, struct.pack(">I", stream) + self._block({}))

    def open(self, stream: int, headers: Mapping[str, str]) -> bytes:
        """Return the SYN_STREAM that opens a stream from our side."""
        self._streams.add(stream)
        return self._frame(SYN_STREAM, struct.pack(">IIH", stream, 0, 0) + self._block(headers))

    def data(self, stream: int, data: bytes, *, finish: bool = False) -> bytes:
        """Return data frames for a stream; `finish` half-closes it."""
        frames = bytearray()
        pieces = [data[start : start + MAX_FRAME] for start in range(0, len(data), MAX_FRAME)] or [b""]
        for number, piece in enumerate(pieces, start=1):
            flags = FIN if finish and number == len(pieces) else 0
            frames += struct.pack(">II", stream, flags << 24 | len(piece)) + piece
        return bytes(frames)

    def reset(self, stream: int) -> bytes:
        """Return the RST_STREAM that gives a stream up (status CANCEL)."""
        self._streams.discard(stream)
        return self._frame(RST_STREAM, struct.pack(">II", stream, 5))

    def closed(self, stream: int) -> None:
        """Forget a stream that both sides have finished."""
        self._streams.discard(stream)

    def pong(self, ping: Ping) -> bytes:
        """Return the answer to a ping."""
        return self._frame(PING, struct.pack(">I", ping.number))

    def goaway(self) -> bytes:
        """Return that no more streams are wanted."""
        return self._frame(GOAWAY, struct.pack(">II", max(self._streams, default=0), 0))

    def _block(self, headers: Mapping[str, str]) -> bytes:
        raw = struct.pack(">I", len(headers))
        for name, value in headers.items():
            raw += _counted(name.lower()) + _counted(value)
        return self._deflate.compress(raw) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    @staticmethod
    def _frame(kind: int, body: bytes) -> bytes:
        return struct.pack(">II", _CONTROL | _VERSION << 16 | kind, len(body)) + body


def _number(raw: bytes, position: int) -> int:
    if position + 4 > len(raw):
        raise SpdyError("a frame ends too early")
    found: int = struct.unpack_from(">I", raw, position)[0]
    return found


def _from(body: bytes, position: int) -> bytes:
    if position > len(body):
        raise SpdyError("a frame ends too early")
    return body[position:]


def _text(raw: bytes, position: int) -> tuple[str, int]:
    length = _number(raw, position)
    end = position + 4 + length
    if end > len(raw):
        raise SpdyError("a header block ends too early")
    return raw[position + 4 : end].decode("utf-8", "replace"), end


def _counted(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">I", len(data)) + data
