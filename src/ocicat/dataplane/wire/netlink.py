"""Netlink messages and attributes: what every netlink protocol shares.

Numbers of the netlink layer itself are in host order, attributes of netfilter in network order; this machine
family is little-endian, and so are the structs here. Source: linux/netlink.h.
"""

import struct
from collections.abc import Iterator
from typing import Final

import msgspec

from ocicat.base.errors import OcicatError

REQUEST: Final = 0x01
MULTI: Final = 0x02
ACK: Final = 0x04
DUMP_INTERRUPTED: Final = 0x10
DUMP: Final = 0x300
CREATE: Final = 0x400
EXCLUSIVE: Final = 0x200
_CAPPED: Final = 0x100
_ACK_TLVS: Final = 0x200

NOOP: Final = 1
ERROR: Final = 2
DONE: Final = 3
OVERRUN: Final = 4

_HEADER: Final = struct.Struct("<IHHII")
_ATTRIBUTE: Final = struct.Struct("<HH")
_KIND: Final = 0x3FFF
NESTED: Final = 0x8000
HEADER_LENGTH: Final = _HEADER.size
LONGEST_PAYLOAD: Final = 0xFFFF - _ATTRIBUTE.size
"""An attribute's length is 16 bits wide, its header included."""
_ERROR_TEXT: Final = 1
_ERROR_OFFSET: Final = 2
_ERROR_MISSING: Final = 5


class WireError(OcicatError, ValueError):
    """Bytes are not what the protocol says they are. The message tells which part."""


class Message(msgspec.Struct, frozen=True):
    """struct nlmsghdr with what follows it.

    struct nlmsghdr {
        __u32 nlmsg_len; __u16 nlmsg_type; __u16 nlmsg_flags; __u32 nlmsg_seq; __u32 nlmsg_pid;
    }
    """

    type: int
    flags: int
    sequence: int
    port: int
    """Of the socket that sent the request; 0 is the kernel."""
    body: bytes


class Refusal(msgspec.Struct, frozen=True):
    """Why the kernel refused a request: struct nlmsgerr { int error; struct nlmsghdr msg; }, attributes."""

    errno: int
    """Positive; 0 for "accepted"."""
    sequence: int
    """Of the request."""
    text: str = ""
    """What the kernel says; empty where it says nothing."""
    offset: int = 0
    """Where in the request the bad attribute is; 0 for unknown."""
    missing: int = 0
    """The attribute that is wanting; 0 for none."""


# --- messages -----------------------------------------------------------------------------------------------


def aligned(length: int) -> int:
    """Return `length` rounded up to 4 (NLMSG_ALIGN, NLA_ALIGN)."""
    return (length + 3) & ~3


def message(kind: int, flags: int, sequence: int, body: bytes, port: int = 0) -> bytes:
    """Return a message as the socket takes it, padded to 4 bytes."""
    length = HEADER_LENGTH + len(body)
    return _HEADER.pack(length, kind, flags, sequence, port) + body + bytes(aligned(length) - length)


def messages(data: bytes) -> Iterator[Message]:
    """Yield the messages of one datagram. Raises WireError where one does not fit."""
    position, end = 0, len(data)
    while position < end:
        if end - position < HEADER_LENGTH:
            raise WireError(f"{end - position} bytes are too few for a message header")
        length, kind, flags, sequence, port = _HEADER.unpack_from(data, position)
        if not HEADER_LENGTH <= length <= end - position:
            raise WireError(f"a message of {length} bytes where {end - position} are left")
        yield Message(kind, flags, sequence, port, bytes(data[position + HEADER_LENGTH : position + length]))
        position += aligned(length)


def refusal(answer: Message) -> Refusal:
    """Return what an ERROR message, or a DONE that ends a dump, says; errno 0 is an acknowledgement."""
    body = answer.body
    if answer.type == DONE and len(body) < 4:
        return Refusal(0, answer.sequence)
    error = -_signed(body, "the error code")
    if error < 0:
        raise WireError(f"{-error} is not an error code: the kernel sends them negated")
    if answer.type == DONE:
        return Refusal(error, answer.sequence)
    if len(body) < 4 + HEADER_LENGTH:
        raise WireError("an error message ends before the request's header")
    length, _, _, sequence, _ = _HEADER.unpack_from(body, 4)
    if not answer.flags & _ACK_TLVS:
        return Refusal(error, sequence)
    start = 4 + HEADER_LENGTH
    if error and not answer.flags & _CAPPED:
        start = 4 + aligned(max(length, HEADER_LENGTH))
    found = attributes(body[start:])
    return Refusal(
        error,
        sequence,
        text(found[_ERROR_TEXT]) if _ERROR_TEXT in found else "",
        _native_u32(found[_ERROR_OFFSET]) if _ERROR_OFFSET in found else 0,
        _native_u32(found[_ERROR_MISSING]) if _ERROR_MISSING in found else 0,
    )


def refusal_message(told: Refusal, request: bytes = bytes(HEADER_LENGTH), *, kind: int = ERROR) -> bytes:
    """Return the message that `refusal` reads as `told`, in the kernel's extended form."""
    if kind == DONE:
        return message(DONE, MULTI, told.sequence, struct.pack("<i", -told.errno))
    header = _HEADER.pack(*_HEADER.unpack_from(request)[:3], told.sequence, 0)
    body = struct.pack("<i", -told.errno) + header
    if told.text:
        body += attribute(_ERROR_TEXT, told.text.encode() + b"\0")
    if told.offset:
        body += attribute(_ERROR_OFFSET, struct.pack("<I", told.offset))
    if told.missing:
        body += attribute(_ERROR_MISSING, struct.pack("<I", told.missing))
    return message(ERROR, _CAPPED | _ACK_TLVS, told.sequence, body)


def _signed(data: bytes, what: str) -> int:
    if len(data) < 4:
        raise WireError(f"{what} is cut off")
    number: int = struct.unpack_from("<i", data)[0]
    return number


def _native_u32(payload: bytes) -> int:
    if len(payload) != 4:
        raise WireError(f"a number of 4 bytes has {len(payload)}")
    return int.from_bytes(payload, "little")


# --- attributes ---------------------------------------------------------------------------------------------


def attribute(kind: int, payload: bytes) -> bytes:
    """Return struct nlattr { __u16 nla_len; __u16 nla_type; } with its payload, padded. Raises WireError."""
    if len(payload) > LONGEST_PAYLOAD:
        raise WireError(f"attribute {kind & _KIND} would have {len(payload)} bytes, {LONGEST_PAYLOAD} fit")
    length = _ATTRIBUTE.size + len(payload)
    return _ATTRIBUTE.pack(length, kind) + payload + bytes(aligned(length) - length)


def nested(kind: int, *payloads: bytes) -> bytes:
    """Return an attribute that holds attributes."""
    return attribute(kind | NESTED, b"".join(payloads))


def each_attribute(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (type, payload) of attributes that follow one another, flags removed. Raises WireError."""
    for kind, start, length in attribute_places(data, 0, len(data)):
        yield kind, bytes(data[start : start + length])


def attribute_places(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (type, offset of the payload, its length) of the attributes in a part. Raises WireError."""
    position = start
    while position < end:
        if end - position < _ATTRIBUTE.size:
            raise WireError(f"{end - position} bytes are too few for an attribute header")
        length, kind = _ATTRIBUTE.unpack_from(data, position)
        if not _ATTRIBUTE.size <= length <= end - position:
            raise WireError(f"attribute {kind & _KIND} has {length} bytes where {end - position} are left")
        yield kind & _KIND, position + _ATTRIBUTE.size, length - _ATTRIBUTE.size
        position += aligned(length)


def attributes(data: bytes) -> dict[int, bytes]:
    """Return payloads by type; of several of one type the last counts. Raises WireError."""
    return dict(each_attribute(data))


def u8(payload: bytes) -> int:
    """Read a number of one byte. Raises WireError."""
    return _number(payload, 1)


def u16(payload: bytes) -> int:
    """Read a number of two bytes in network order. Raises WireError."""
    return _number(payload, 2)


def u32(payload: bytes) -> int:
    """Read a number of four bytes in network order. Raises WireError."""
    return _number(payload, 4)


def u64(payload: bytes) -> int:
    """Read a number of eight bytes in network order. Raises WireError."""
    return _number(payload, 8)


def _number(payload: bytes, length: int) -> int:
    if len(payload) != length:
        raise WireError(f"a number of {length} bytes has {len(payload)}")
    return int.from_bytes(payload, "big")


def text(payload: bytes) -> str:
    """Read a text that ends with a zero byte, or with the payload. Undecodable bytes become `\\xNN`."""
    return payload.partition(b"\0")[0].decode("utf-8", "backslashreplace")
