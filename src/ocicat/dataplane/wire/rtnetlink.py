"""rtnetlink: which interfaces there are, and which way routes go. Numbers are in host order.

Source: linux/rtnetlink.h, linux/if_link.h.
"""

import struct
from typing import Final

import msgspec

from ocicat.dataplane.wire.netlink import DUMP, REQUEST, Message, WireError, attributes, message, text
from ocicat.model.net import WIDTH, Prefix

NEW_LINK: Final = 16
GET_LINK: Final = 18
NEW_ROUTE: Final = 24
GET_ROUTE: Final = 26
LINK_GROUP: Final = 1
"""RTNLGRP_LINK: interfaces that come, change and go."""
ROUTE_GROUPS: Final = (7, 11)
"""RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE."""

MAIN_TABLE: Final = 254
_UNICAST: Final = 1
_FAMILIES: Final = {2: 4, 10: 6}
"""AF_INET, AF_INET6."""
_IFLA_IFNAME: Final = 3
_RTA_DST: Final = 1
_RTA_OIF: Final = 4
_RTA_TABLE: Final = 15

_ROUTE: Final = struct.Struct("<BBBBBBBBI")
"""struct rtmsg {
    unsigned char rtm_family, rtm_dst_len, rtm_src_len, rtm_tos, rtm_table, rtm_protocol, rtm_scope, rtm_type;
    unsigned rtm_flags;
}"""
_LINK: Final = struct.Struct("<BxHiII")
"""struct ifinfomsg {
    unsigned char ifi_family, __ifi_pad; unsigned short ifi_type;
    int ifi_index; unsigned ifi_flags, ifi_change;
}"""


class Link(msgspec.Struct, frozen=True):
    """An interface."""

    index: int
    name: str


class Route(msgspec.Struct, frozen=True):
    """A way to a network of the main table, over one interface."""

    to: Prefix
    interface: int
    """Its index."""


def links_request(sequence: int) -> bytes:
    """Return the request for all interfaces."""
    return message(GET_LINK, REQUEST | DUMP, sequence, _LINK.pack(0, 0, 0, 0, 0))


def routes_request(sequence: int) -> bytes:
    """Return the request for all routes of both families."""
    return message(GET_ROUTE, REQUEST | DUMP, sequence, _ROUTE.pack(0, 0, 0, 0, 0, 0, 0, 0, 0))


def link_of(told: Message) -> Link | None:
    """Return the interface that a message tells of, None for other messages. Raises WireError."""
    if told.type != NEW_LINK:
        return None
    _, _, index, _, _ = _unpacked(_LINK, told.body)
    name = attributes(told.body[_LINK.size :]).get(_IFLA_IFNAME, b"")
    return Link(index, text(name))


def route_of(told: Message) -> Route | None:
    """Return the route that a message tells of; None where it is no way over one interface of the main table.

    Raises WireError.
    """
    if told.type != NEW_ROUTE:
        return None
    number, length, _, _, table, _, _, kind, _ = _unpacked(_ROUTE, told.body)
    family = _FAMILIES.get(number)
    if family is None or kind != _UNICAST:
        return None
    found = attributes(told.body[_ROUTE.size :])
    if (_native(found[_RTA_TABLE]) if _RTA_TABLE in found else table) != MAIN_TABLE or _RTA_OIF not in found:
        return None
    destination = found.get(_RTA_DST, bytes(WIDTH[family] // 8))
    if len(destination) * 8 != WIDTH[family] or length > WIDTH[family]:
        raise WireError(f"a route of family {family} to {len(destination)} bytes, /{length}")
    return Route(Prefix(family, int.from_bytes(destination, "big"), length), _native(found[_RTA_OIF]))


def _unpacked(layout: struct.Struct, body: bytes) -> tuple[int, ...]:
    if len(body) < layout.size:
        raise WireError(f"{len(body)} bytes are too few for a header of {layout.size}")
    return layout.unpack_from(body)


def _native(payload: bytes) -> int:
    if len(payload) != 4:
        raise WireError(f"a number of 4 bytes has {len(payload)}")
    return int.from_bytes(payload, "little")
