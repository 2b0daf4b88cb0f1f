"""SPDY/3.1 frames: bytes to frames and back, without any I/O. Source: spec/kubernetes-api §9.

Older kubectls carry exec, attach and port-forward in it, newer ones port-forward still. Only what they send
is read; headers are compressed with one zlib context per direction, primed with the protocol's dictionary.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from ocicat.base.errors import OcicatError

SYN_STREAM: Final = 1
SYN_REPLY: Final = 2
RST_STREAM: Final = 3
PING: Final = 6
GOAWAY: Final = 7
HEADERS: Final = 8
FIN: Final = 0x01

_VERSION: Final = 0x8003
_FRAME_LIMIT: Final = 1 << 20
"""Bytes of one frame that are borne; clients send at most 64 KiB."""
_BLOCK_LIMIT: Final = 64 * 1024
"""Bytes of headers after decompression."""
_PREFIXED: Final = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges"
    " age allow"
    " authorization cache-control connection content-base content-encoding content-language content-length"
    " content-location content-md5 content-range content-type date etag expect expires from host if-match"
    " if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma"
    " proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding"
    " upgrade"
    " user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public"
    " set-cookie"
    " keep-alive origin"
)
_PLAIN: Final = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _dictionary() -> bytes:
    words = (word.replace("_", " ").encode() for word in _PREFIXED.split())
    return b"".join(struct.pack(">I", len(word)) + word for word in words) + _PLAIN.encode()


DICTIONARY: Final = _dictionary()


class SpdyError(OcicatError):
    """The peer sent what is not SPDY/3.1."""


class Frame(msgspec.Struct, frozen=True):
    """One frame: data of a stream (`kind` 0), or a control frame."""

    kind: int
    stream: int = 0
    """The stream; for a PING its id."""
    flags: int = 0
    data: bytes = b""
    headers: Mapping[str, str] = {}


class Decoder:
    """Bytes of one direction into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._zlib: Final = zlib.decompressobj(zdict=DICTIONARY)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that are complete with `data`; kinds of no use here are left out.

        Raises:
            SpdyError: what comes is not SPDY.
        """
        self._buffer += data
        while len(self._buffer) >= 8:
            first, second = struct.unpack_from(">II", self._buffer)
            length = second & 0xFFFFFF
            if length > _FRAME_LIMIT:
                raise SpdyError(f"a frame of {length} bytes")
            if len(self._buffer) < 8 + length:
                return
            body = bytes(self._buffer[8 : 8 + length])
            del self._buffer[: 8 + length]
            if first >> 31:
                frame = self._control(first, second >> 24, body)
                if frame is not None:
                    yield frame
            else:
                yield Frame(0, first, second >> 24, body)

    def _control(self, first: int, flags: int, body: bytes) -> Frame | None:
        if first >> 16 != _VERSION:
            raise SpdyError(f"version {first >> 16 & 0x7FFF} is not 3")
        kind = first & 0xFFFF
        try:
            if kind == SYN_STREAM:
                return Frame(kind, _id(body), flags, headers=self._headers(body[10:]))
            if kind in (SYN_REPLY, HEADERS):
                return Frame(kind, _id(body), flags, headers=self._headers(body[4:]))
            if kind in (RST_STREAM, PING, GOAWAY):
                return Frame(kind, struct.unpack_from(">I", body)[0], flags)
        except (struct.error, zlib.error, UnicodeDecodeError) as damaged:
            raise SpdyError(f"a damaged frame of kind {kind}: {damaged}") from damaged
        return None

    def _headers(self, block: bytes) -> dict[str, str]:
        plain = self._zlib.decompress(block, _BLOCK_LIMIT)
        if self._zlib.unconsumed_tail:
            raise SpdyError("headers too long")
        (count,) = struct.unpack_from(">I", plain)
        position, found = 4, {}
        for _ in range(count):
            name, position = _counted(plain, position)
            value, position = _counted(plain, position)
            found[name.lower()] = value
        return found


def _id(body: bytes) -> int:
    return int(struct.unpack_from(">I", body)[0]) & 0x7FFFFFFF


def _counted(data: bytes, position: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">I", data, position)
    end = position + 4 + length
    if end > len(data):
        raise SpdyError("a header is longer than its block")
    return data[position + 4 : end].decode(), end


class Encoder:
    """Frames of one direction into bytes. Each answer must be sent, and in order: headers share a context."""

    def __init__(self) -> None:
        self._zlib: Final = zlib.compressobj(zdict=DICTIONARY)

    def syn_stream(self, stream: int, headers: Mapping[str, str]) -> bytes:
        """Return the opening of a stream."""
        return _control(SYN_STREAM, struct.pack(">IIH", stream, 0, 0) + self._block(headers))

    def syn_reply(self, stream: int, headers: Mapping[str, str] | None = None) -> bytes:
        """Return the acceptance of a stream."""
        return _control(SYN_REPLY, struct.pack(">I", stream) + self._block(headers or {}))

    def _block(self, headers: Mapping[str, str]) -> bytes:
        plain = [struct.pack(">I", len(headers))]
        words = (word for name, value in headers.items() for word in (name.lower().encode(), value.encode()))
        plain.extend(struct.pack(">I", len(word)) + word for word in words)
        return self._zlib.compress(b"".join(plain)) + self._zlib.flush(zlib.Z_SYNC_FLUSH)


def data_frame(stream: int, data: bytes, *, fin: bool = False) -> bytes:
    """Return data of a stream; with `fin` its last."""
    return struct.pack(">II", stream, (FIN if fin else 0) << 24 | len(data)) + data


def ping(number: int) -> bytes:
    """Return the echo of a PING."""
    return _control(PING, struct.pack(">I", number))


def rst_stream(stream: int, status: int) -> bytes:
    """Return the refusal of a stream."""
    return _control(RST_STREAM, struct.pack(">II", stream, status))


def goaway(last: int) -> bytes:
    """Return the end of a session."""
    return _control(GOAWAY, struct.pack(">II", last, 0))


def _control(kind: int, body: bytes) -> bytes:
    return struct.pack(">HHI", _VERSION, kind, len(body)) + body
