"""nfnetlink: the header that all netfilter messages have, and batches of which all or nothing takes effect.

Source: linux/netfilter/nfnetlink.h.
"""

import struct
from collections.abc import Sequence
from typing import Final

import msgspec

from ocicat.dataplane.wire.netlink import REQUEST, Message, WireError, attribute, message

CONNTRACK: Final = 1
NFTABLES: Final = 10
_BATCH_BEGIN: Final = 0x10
_BATCH_END: Final = 0x11
_BATCH_GENERATION: Final = 1

ANY_FAMILY: Final = 0
INET: Final = 1
"""NFPROTO_INET: a table for IPv4 and IPv6."""
IPV4: Final = 2
IPV6: Final = 10
FAMILY_NUMBERS: Final = {IPV4: 4, IPV6: 6}

_HEADER: Final = struct.Struct(">BBH")
HEADER_LENGTH: Final = _HEADER.size


class Netfilter(msgspec.Struct, frozen=True):
    """A netfilter message, taken apart as far as all subsystems share it.

    struct nfgenmsg { __u8 nfgen_family; __u8 version; __be16 res_id; }
    """

    subsystem: int
    operation: int
    family: int
    resource: int
    """For nf_tables the low 16 bits of the generation; else 0."""
    attributes: bytes


def parse(received: Message) -> Netfilter:
    """Return a message of a netfilter subsystem. Raises WireError."""
    if len(received.body) < HEADER_LENGTH:
        raise WireError("a netfilter message ends before its header does")
    family, version, resource = _HEADER.unpack_from(received.body)
    if version != 0:
        raise WireError(f"nfnetlink version {version} is not known")
    return Netfilter(
        received.type >> 8, received.type & 0xFF, family, resource, received.body[HEADER_LENGTH:]
    )


def request(  # the header's fields, one each
    subsystem: int, operation: int, flags: int, sequence: int, body: bytes = b"", family: int = ANY_FAMILY
) -> bytes:
    """Return a request to a subsystem."""
    return message(subsystem << 8 | operation, REQUEST | flags, sequence, _HEADER.pack(family, 0, 0) + body)


def batch(
    requests: Sequence[bytes], sequence: int, *, generation: int | None = None, subsystem: int = NFTABLES
) -> bytes:
    """Return `requests` as one transaction.

    Args:
        requests: Messages of the subsystem, with sequences of their own.
        sequence: Of the begin and end messages.
        generation: The ruleset generation that the requests were made for; the kernel refuses the batch with
            ERESTART when it has moved on. None applies it to whatever is there.
    """
    header = _HEADER.pack(0, 0, subsystem)
    condition = b"" if generation is None else attribute(_BATCH_GENERATION, generation.to_bytes(4, "big"))
    begin = message(_BATCH_BEGIN, REQUEST, sequence, header + condition)
    return begin + b"".join(requests) + message(_BATCH_END, REQUEST, sequence, header)
