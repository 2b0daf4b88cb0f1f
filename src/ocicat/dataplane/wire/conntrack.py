"""Conntrack messages: connections as structs, and requests to list, zero and delete them.

This is the plain codec, one connection at a time; `conntrack_rows` is the fast one and must agree with it.
Source: linux/netfilter/nfnetlink_conntrack.h, net/netfilter/nf_conntrack_netlink.c.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from ocicat.dataplane.wire.netlink import (
    ACK,
    DUMP,
    WireError,
    attribute,
    attributes,
    nested,
    u8,
    u16,
    u32,
    u64,
)
from ocicat.dataplane.wire.nfnetlink import (
    CONNTRACK,
    FAMILY_NUMBERS,
    IPV4,
    IPV6,
    Netfilter,
    request,
)
from ocicat.model.net import Address

# enum cntl_msg_types
NEW: Final = 0
GET: Final = 1
DELETE: Final = 2
GET_AND_ZERO: Final = 3

GROUP_NEW: Final = 1
GROUP_DESTROY: Final = 3
"""NFNLGRP_CONNTRACK_NEW and _DESTROY, to subscribe to."""

# enum ctattr_type
TUPLE_ORIG: Final = 1
TUPLE_REPLY: Final = 2
STATUS: Final = 3
PROTOINFO: Final = 4
TIMEOUT: Final = 7
MARK: Final = 8
COUNTERS_ORIG: Final = 9
COUNTERS_REPLY: Final = 10
ID: Final = 12
ZONE: Final = 18
TIMESTAMP: Final = 20
MARK_MASK: Final = 21
# enum ctattr_tuple, ctattr_ip, ctattr_l4proto
TUPLE_IP: Final = 1
TUPLE_PROTO: Final = 2
IP_V4_SRC: Final = 1
IP_V4_DST: Final = 2
IP_V6_SRC: Final = 3
IP_V6_DST: Final = 4
PROTO_NUM: Final = 1
PROTO_SRC_PORT: Final = 2
PROTO_DST_PORT: Final = 3
PROTO_ICMP_ID: Final = 4
PROTO_ICMP_TYPE: Final = 5
PROTO_ICMP_CODE: Final = 6
PROTO_ICMPV6_ID: Final = 7
PROTO_ICMPV6_TYPE: Final = 8
PROTO_ICMPV6_CODE: Final = 9
# enum ctattr_protoinfo, ctattr_protoinfo_tcp, ctattr_counters, ctattr_tstamp
PROTOINFO_TCP: Final = 1
TCP_STATE: Final = 1
COUNTERS_PACKETS: Final = 1
COUNTERS_BYTES: Final = 2
TIMESTAMP_START: Final = 1
TIMESTAMP_STOP: Final = 2

# enum ip_conntrack_status
SEEN_REPLY: Final = 1 << 1
ASSURED: Final = 1 << 2
CONFIRMED: Final = 1 << 3
SRC_NAT: Final = 1 << 4
DST_NAT: Final = 1 << 5
DYING: Final = 1 << 9

# enum tcp_conntrack
TCP_TIME_WAIT: Final = 7
TCP_CLOSE: Final = 8

_ICMP_FIELDS: Final = {
    1: (PROTO_ICMP_ID, PROTO_ICMP_TYPE, PROTO_ICMP_CODE),
    58: (PROTO_ICMPV6_ID, PROTO_ICMPV6_TYPE, PROTO_ICMPV6_CODE),
}
_WITH_PORTS: Final = frozenset({6, 17, 33, 132, 136})
"""Protocols whose connections the kernel tells apart by ports (GRE's keys are no ports)."""


class Tuple(msgspec.Struct, frozen=True, gc=False):
    """One direction of a connection, as its first packet had it.

    CTA_TUPLE_ORIG, CTA_TUPLE_REPLY: { CTA_TUPLE_IP: { src, dst }, CTA_TUPLE_PROTO: { num, ports or icmp } }
    """

    source: Address
    destination: Address
    protocol: int
    source_port: int = 0
    destination_port: int = 0
    icmp_id: int = 0
    icmp_type: int = 0
    icmp_code: int = 0


class Counters(msgspec.Struct, frozen=True, gc=False):
    """CTA_COUNTERS_ORIG, CTA_COUNTERS_REPLY: { __be64 packets; __be64 bytes }; bytes are those of layer 3."""

    packets: int = 0
    bytes: int = 0


class Connection(msgspec.Struct, frozen=True):
    """What the kernel tells of a connection. None and 0 stand for what it did not tell."""

    orig: Tuple
    """The client's packets, before NAT."""
    reply: Tuple
    """The server's packets, as the server sends them: its source is the destination after NAT."""
    id: int = 0
    mark: int = 0
    status: int = 0
    """Bits of enum ip_conntrack_status."""
    timeout_s: int = 0
    sent: Counters | None = None
    """In the original direction; None while nf_conntrack_acct is off."""
    answered: Counters | None = None
    tcp_state: int = 0
    """enum tcp_conntrack."""
    zone: int = 0
    start_ns: int = 0
    """Nanoseconds since 1970; needs nf_conntrack_timestamp."""
    stop_ns: int = 0

    @property
    def over(self) -> bool:
        """Whether both ends have said goodbye; the kernel remembers the connection a while longer."""
        return self.tcp_state in (TCP_TIME_WAIT, TCP_CLOSE)


# --- reading ------------------------------------------------------------------------------------------------


def connection(received: Netfilter) -> Connection:
    """Return the connection that a NEW or DELETE message of conntrack tells of. Raises WireError."""
    if received.subsystem != CONNTRACK or received.operation not in (NEW, DELETE):
        raise WireError(
            f"message {received.operation} of subsystem {received.subsystem} tells of no connection"
        )
    found = attributes(received.attributes)
    stamps = attributes(found.get(TIMESTAMP, b""))
    orig, reply = _tuple(found, TUPLE_ORIG), _tuple(found, TUPLE_REPLY)
    if len({end.family for way in (orig, reply) for end in (way.source, way.destination)}) > 1:
        raise WireError("a connection between families")
    return Connection(
        orig=orig,
        reply=reply,
        id=u32(found[ID]) if ID in found else 0,
        mark=u32(found[MARK]) if MARK in found else 0,
        status=u32(found[STATUS]) if STATUS in found else 0,
        timeout_s=u32(found[TIMEOUT]) if TIMEOUT in found else 0,
        sent=_counters(found.get(COUNTERS_ORIG)),
        answered=_counters(found.get(COUNTERS_REPLY)),
        tcp_state=_tcp_state(found),
        zone=u16(found[ZONE]) if ZONE in found else 0,
        start_ns=u64(stamps[TIMESTAMP_START]) if TIMESTAMP_START in stamps else 0,
        stop_ns=u64(stamps[TIMESTAMP_STOP]) if TIMESTAMP_STOP in stamps else 0,
    )


def _tuple(found: Mapping[int, bytes], kind: int) -> Tuple:
    if kind not in found:
        raise WireError(f"a connection without tuple {kind}")
    parts = attributes(found[kind])
    addresses, protocol = attributes(parts.get(TUPLE_IP, b"")), attributes(parts.get(TUPLE_PROTO, b""))
    if PROTO_NUM not in protocol:
        raise WireError("a tuple without protocol")
    number = u8(protocol[PROTO_NUM])
    icmp = _ICMP_FIELDS.get(number)
    return Tuple(
        _address(addresses, IP_V4_SRC, IP_V6_SRC),
        _address(addresses, IP_V4_DST, IP_V6_DST),
        number,
        u16(protocol[PROTO_SRC_PORT]) if PROTO_SRC_PORT in protocol else 0,
        u16(protocol[PROTO_DST_PORT]) if PROTO_DST_PORT in protocol else 0,
        u16(protocol[icmp[0]]) if icmp and icmp[0] in protocol else 0,
        u8(protocol[icmp[1]]) if icmp and icmp[1] in protocol else 0,
        u8(protocol[icmp[2]]) if icmp and icmp[2] in protocol else 0,
    )


def _address(found: Mapping[int, bytes], in_v4: int, in_v6: int) -> Address:
    if in_v4 in found:
        return Address(4, u32(found[in_v4]))
    if len(payload := found.get(in_v6, b"")) != 16:
        raise WireError("a tuple without a whole address")
    return Address(6, int.from_bytes(payload, "big"))


def _counters(payload: bytes | None) -> Counters | None:
    if payload is None:
        return None
    found = attributes(payload)
    if COUNTERS_PACKETS not in found or COUNTERS_BYTES not in found:
        raise WireError("counters without packets or bytes")
    return Counters(u64(found[COUNTERS_PACKETS]), u64(found[COUNTERS_BYTES]))


def _tcp_state(found: Mapping[int, bytes]) -> int:
    of_tcp = attributes(attributes(found.get(PROTOINFO, b"")).get(PROTOINFO_TCP, b""))
    return u8(of_tcp[TCP_STATE]) if TCP_STATE in of_tcp else 0


# --- writing ------------------------------------------------------------------------------------------------


def connection_attributes(told: Connection) -> bytes:
    """Return the attributes that `connection` reads as `told`, in the kernel's order."""
    parts = [tuple_attribute(TUPLE_ORIG, told.orig), tuple_attribute(TUPLE_REPLY, told.reply)]
    if told.zone:
        parts.append(attribute(ZONE, told.zone.to_bytes(2, "big")))
    parts.append(attribute(STATUS, _be32(told.status)))
    if told.timeout_s:
        parts.append(attribute(TIMEOUT, _be32(told.timeout_s)))
    for kind, counters in ((COUNTERS_ORIG, told.sent), (COUNTERS_REPLY, told.answered)):
        if counters is not None:
            packets = attribute(COUNTERS_PACKETS, counters.packets.to_bytes(8, "big"))
            parts.append(nested(kind, packets, attribute(COUNTERS_BYTES, counters.bytes.to_bytes(8, "big"))))
    stamps = ((TIMESTAMP_START, told.start_ns), (TIMESTAMP_STOP, told.stop_ns))
    if told.start_ns or told.stop_ns:
        parts.append(
            nested(TIMESTAMP, *(attribute(kind, at.to_bytes(8, "big")) for kind, at in stamps if at))
        )
    if told.tcp_state:
        parts.append(nested(PROTOINFO, nested(PROTOINFO_TCP, attribute(TCP_STATE, bytes((told.tcp_state,))))))
    if told.mark:
        parts.append(attribute(MARK, _be32(told.mark)))
    parts.append(attribute(ID, _be32(told.id)))
    return b"".join(parts)


def tuple_attribute(kind: int, told: Tuple) -> bytes:
    """Return one direction of a connection as attribute `kind` (TUPLE_ORIG or TUPLE_REPLY)."""
    in_v4 = told.source.family == 4
    width = 4 if in_v4 else 16
    addresses = nested(
        TUPLE_IP,
        attribute(IP_V4_SRC if in_v4 else IP_V6_SRC, told.source.bits.to_bytes(width, "big")),
        attribute(IP_V4_DST if in_v4 else IP_V6_DST, told.destination.bits.to_bytes(width, "big")),
    )
    parts = [attribute(PROTO_NUM, bytes((told.protocol,)))]
    if told.protocol in _WITH_PORTS:
        parts.append(attribute(PROTO_SRC_PORT, told.source_port.to_bytes(2, "big")))
        parts.append(attribute(PROTO_DST_PORT, told.destination_port.to_bytes(2, "big")))
    elif icmp := _ICMP_FIELDS.get(told.protocol):
        parts.append(attribute(icmp[0], told.icmp_id.to_bytes(2, "big")))
        parts.append(attribute(icmp[1], bytes((told.icmp_type,))))
        parts.append(attribute(icmp[2], bytes((told.icmp_code,))))
    return nested(kind, addresses, nested(TUPLE_PROTO, *parts))


def _be32(number: int) -> bytes:
    return number.to_bytes(4, "big")


# --- requests -----------------------------------------------------------------------------------------------


class MarkFilter(msgspec.Struct, frozen=True):
    """Connections whose mark, under `mask`, is `value`."""

    value: int
    mask: int

    @property
    def attributes(self) -> bytes:
        """The filter as a request carries it."""
        return attribute(MARK, _be32(self.value)) + attribute(MARK_MASK, _be32(self.mask))


def list_request(sequence: int, *, mark: MarkFilter | None = None, zero: bool = False) -> bytes:
    """Return the request to list connections, in both families.

    Args:
        sequence: Of the request.
        mark: Which connections; None for all.
        zero: Also set their counters to zero; the answer has the numbers from before.
    """
    return request(CONNTRACK, GET_AND_ZERO if zero else GET, DUMP, sequence, mark.attributes if mark else b"")


def delete_request(sequence: int, orig: Tuple, *, id: int = 0) -> bytes:  # noqa: A002  # the kernel's word
    """Return the request to delete one connection, only if it has the id unless that is 0."""
    body = tuple_attribute(TUPLE_ORIG, orig) + (attribute(ID, _be32(id)) if id else b"")
    family = IPV4 if orig.source.family == 4 else IPV6
    return request(CONNTRACK, DELETE, ACK, sequence, body, family)


def delete_marked_request(sequence: int, mark: MarkFilter) -> bytes:
    """Return the request to delete every connection whose mark passes the filter, in both families."""
    return request(CONNTRACK, DELETE, ACK, sequence, mark.attributes)


def connection_message(told: Connection, sequence: int = 0, *, closed: bool = False) -> bytes:
    """Return the message by which the kernel lists a connection, or tells that it has been closed."""
    family = next(number for number, ours in FAMILY_NUMBERS.items() if ours == told.orig.source.family)
    return request(CONNTRACK, DELETE if closed else NEW, 0, sequence, connection_attributes(told), family)
