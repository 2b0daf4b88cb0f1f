"""Conntrack messages as tables: the fast codec, for nodes that close 10,000 connections a second and more.

It reads what flow accounting asks for and nothing else, and agrees with the plain codec of `conntrack` on
every message that the latter takes (property tests hold it to that).
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ocicat.dataplane.wire import conntrack as ct
from ocicat.dataplane.wire import netlink, nfnetlink
from ocicat.dataplane.wire.netlink import WireError
from ocicat.dataplane.wire.rows import Bytes, Layout, Layouts, Path
from ocicat.ports.accounting import CONNECTION, Table, empty

_ATTRIBUTES: Final = netlink.HEADER_LENGTH + nfnetlink.HEADER_LENGTH
_TUPLES: Final = (ct.TUPLE_ORIG, ct.TUPLE_REPLY)
_NESTS: Final[frozenset[Path]] = frozenset(
    {
        (ct.PROTOINFO,),
        (ct.PROTOINFO, ct.PROTOINFO_TCP),
        (ct.COUNTERS_ORIG,),
        (ct.COUNTERS_REPLY,),
        *((kind,) for kind in _TUPLES),
        *((kind, part) for kind in _TUPLES for part in (ct.TUPLE_IP, ct.TUPLE_PROTO)),
    }
)
_SHAPE: Final = (0, 1, 2, 3, 4, 5, _ATTRIBUTES - 4, _ATTRIBUTES - 3)
"""Bytes of the header that make a shape: length and type of the message, its family and version."""


def _ip(kind: int, part: int) -> Path:
    return (kind, ct.TUPLE_IP, part)


def _proto(kind: int, part: int) -> Path:
    return (kind, ct.TUPLE_PROTO, part)


_ORIG: Final = ct.TUPLE_ORIG
_FIELDS: Final[dict[str, tuple[Path, Any]]] = {
    "mark": ((ct.MARK,), ">u4"),
    "id": ((ct.ID,), ">u4"),
    "status": ((ct.STATUS,), ">u4"),
    "protocol": (_proto(_ORIG, ct.PROTO_NUM), "u1"),
    "source4": (_ip(_ORIG, ct.IP_V4_SRC), ("u1", 4)),
    "source6": (_ip(_ORIG, ct.IP_V6_SRC), ("u1", 16)),
    "dialled4": (_ip(_ORIG, ct.IP_V4_DST), ("u1", 4)),
    "dialled6": (_ip(_ORIG, ct.IP_V6_DST), ("u1", 16)),
    "destination4": (_ip(ct.TUPLE_REPLY, ct.IP_V4_SRC), ("u1", 4)),
    "destination6": (_ip(ct.TUPLE_REPLY, ct.IP_V6_SRC), ("u1", 16)),
    "source_port": (_proto(_ORIG, ct.PROTO_SRC_PORT), ">u2"),
    "dialled_port": (_proto(_ORIG, ct.PROTO_DST_PORT), ">u2"),
    "port": (_proto(ct.TUPLE_REPLY, ct.PROTO_SRC_PORT), ">u2"),
    "icmp_id": (_proto(_ORIG, ct.PROTO_ICMP_ID), ">u2"),
    "icmp_type": (_proto(_ORIG, ct.PROTO_ICMP_TYPE), "u1"),
    "icmp_code": (_proto(_ORIG, ct.PROTO_ICMP_CODE), "u1"),
    "icmpv6_id": (_proto(_ORIG, ct.PROTO_ICMPV6_ID), ">u2"),
    "icmpv6_type": (_proto(_ORIG, ct.PROTO_ICMPV6_TYPE), "u1"),
    "icmpv6_code": (_proto(_ORIG, ct.PROTO_ICMPV6_CODE), "u1"),
    "packets": ((ct.COUNTERS_ORIG, ct.COUNTERS_PACKETS), ">u8"),
    "bytes": ((ct.COUNTERS_ORIG, ct.COUNTERS_BYTES), ">u8"),
    "reply_packets": ((ct.COUNTERS_REPLY, ct.COUNTERS_PACKETS), ">u8"),
    "reply_bytes": ((ct.COUNTERS_REPLY, ct.COUNTERS_BYTES), ">u8"),
    "tcp_state": ((ct.PROTOINFO, ct.PROTOINFO_TCP, ct.TCP_STATE), "u1"),
}
_NEEDED: Final = frozenset(
    {(kind, ct.TUPLE_PROTO, ct.PROTO_NUM) for kind in _TUPLES} | {(kind, ct.TUPLE_IP) for kind in _TUPLES}
)
WITH_PORTS: Final = (6, 17, 132)
"""What flows have ports of; of others (UDPLite, keys of GRE) what the kernel calls ports is left out."""
_LENGTH_AND_TYPE: Final = struct.Struct("<IH")
_TELLING: Final = frozenset((nfnetlink.CONNTRACK << 8 | ct.NEW, nfnetlink.CONNTRACK << 8 | ct.DELETE))


class ConnectionReader:
    """Reads datagrams of conntrack messages into CONNECTION tables."""

    def __init__(self) -> None:
        """Begin without having met any layout."""
        self._layouts = Layouts(_ATTRIBUTES, _NESTS, _SHAPE)
        self.malformed = 0
        """Messages that could not be read so far."""

    def table(self, datagrams: Iterable[bytes]) -> Table:
        """Return one row for each message that tells of a connection, in the order of messages.

        Other messages are passed over; those that cannot be read are counted in `malformed`. Never raises.
        """
        by_length: dict[int, tuple[list[bytes], list[int]]] = {}
        order = 0
        for datagram in datagrams:
            for length, run in self._runs(datagram):
                runs, places = by_length.setdefault(length, ([], []))
                runs.append(run)
                places.append(order)
                order += len(run) // length
        parts = []
        for length, (runs, places) in by_length.items():
            found, kept = self._read(np.frombuffer(b"".join(runs), np.uint8).reshape(-1, length))
            counts = np.fromiter((len(run) // length for run in runs), np.intp, len(runs))
            parts.append((found, _counted_up(np.asarray(places), counts)[kept]))
        return _in_order(parts)

    def table_of_rows(self, rows: Bytes, lengths: NDArray[np.uint32]) -> Table:
        """Return the same of datagrams as (datagrams, longest) uint8 with their lengths.

        Faster than `table` where, as with events, each datagram is one message. Never raises.
        """
        fitting = (lengths >= _ATTRIBUTES) & (lengths <= rows.shape[1])
        self.malformed += int((~fitting).sum())
        rows, lengths = rows[fitting], lengths[fitting]
        if not len(rows):
            return empty(CONNECTION)
        whole = np.ascontiguousarray(rows[:, :4]).view("<u4")[:, 0] == lengths
        whole &= np.isin(np.ascontiguousarray(rows[:, 4:6]).view("<u2")[:, 0], tuple(_TELLING))
        if not whole.all():
            pairs = zip(rows, lengths.tolist(), strict=True)
            return self.table(row[:length].tobytes() for row, length in pairs)
        parts = []
        for length in np.unique(lengths).tolist():
            places = np.flatnonzero(lengths == length)
            found, kept = self._read(np.ascontiguousarray(rows[places, :length]))
            parts.append((found, places[kept]))
        return _in_order(parts)

    def _runs(self, datagram: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the messages of a datagram that tell of connections, as (length, messages of that length)."""
        if (length := _only_length(datagram)) is not None:
            yield length, datagram
            return
        position, end = 0, len(datagram)
        while position < end:
            if end - position < netlink.HEADER_LENGTH:
                self.malformed += 1
                break
            length, kind = _LENGTH_AND_TYPE.unpack_from(datagram, position)
            if not netlink.HEADER_LENGTH <= length <= end - position:
                self.malformed += 1
                break
            if kind in _TELLING:
                yield length, datagram[position : position + length]
            position += netlink.aligned(length)

    def _read(self, rows: Bytes) -> tuple[Table, Any]:
        """Return what `rows`: (messages, length) uint8 tell, and the numbers of the rows that do."""
        if rows.shape[1] < _ATTRIBUTES:
            self.malformed += len(rows)
            return empty(CONNECTION), np.zeros(0, np.intp)
        tables: list[Table] = []
        kept: list[Any] = []
        sorted_out, strange = self._layouts.sorted_out(rows)
        singles = list(strange)
        for layout, numbers in sorted_out:
            try:
                tables.append(_told(layout, rows[numbers]))
                kept.append(numbers)
            except WireError:
                singles.extend(numbers)
        for number in singles:
            try:
                tables.append(row_of(_plain(bytes(rows[number]))))
                kept.append(np.asarray([number]))
            except WireError:
                self.malformed += 1
        if not tables:
            return empty(CONNECTION), np.zeros(0, np.intp)
        return np.concatenate(tables), np.concatenate(kept)


def _only_length(datagram: bytes) -> int | None:
    """Return the length of a datagram's messages where all have one, and all tell of connections.

    Lists of connections of one protocol are made of such; looking at all headers at once beats a walk.
    """
    if len(datagram) < _ATTRIBUTES:
        return None
    length, kind = _LENGTH_AND_TYPE.unpack_from(datagram)
    if length == len(datagram):
        return length if kind in _TELLING else None
    if length < netlink.HEADER_LENGTH or length % 4 or len(datagram) % length:
        return None
    words = np.frombuffer(datagram, "<u4").reshape(-1, length // 4)
    kinds = words[:, 1] & 0xFFFF
    return length if (words[:, 0] == length).all() and np.isin(kinds, tuple(_TELLING)).all() else None


def _counted_up(starts: NDArray[np.intp], counts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return start, start + 1, … for each of `starts`, as many as `counts` says."""
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(counts.sum())


def _in_order(parts: list[tuple[Table, NDArray[np.intp]]]) -> Table:
    """Return tables as one, each row at its place in the order of messages."""
    if not parts:
        return empty(CONNECTION)
    joined: Table = np.concatenate([table for table, _ in parts])
    return joined[np.argsort(np.concatenate([places for _, places in parts]), kind="stable")]


def _plain(message: bytes) -> ct.Connection:
    return ct.connection(nfnetlink.parse(next(netlink.messages(message))))


def _told(layout: Layout, rows: Bytes) -> Table:
    """Return the connections that messages of one layout tell of. Raises WireError if something lacks."""
    version = rows[0, netlink.HEADER_LENGTH + 1]
    if version or not all(path in layout.places for path in _NEEDED):
        raise WireError("no whole connection")
    seen = layout.view(rows, _FIELDS)
    there = frozenset(seen.dtype.names or ())
    told = np.zeros(len(rows), CONNECTION)
    _tell_addresses(told["tuple"], seen, there)
    told["tuple"]["protocol"] = seen["protocol"]
    if "mark" in there:
        told["tuple"]["mark"] = seen["mark"]
    _tell_ports(told, seen, there)
    for name in there & {"id", "packets", "bytes", "reply_packets", "reply_bytes"}:
        told[name] = seen[name]
    if "status" in there:
        told["dying"] = (seen["status"] & ct.DYING) != 0
    if "tcp_state" in there:
        told["over"] = np.isin(seen["tcp_state"], (ct.TCP_TIME_WAIT, ct.TCP_CLOSE))
    return told


def _tell_addresses(flow: Table, seen: Table, there: frozenset[str]) -> None:
    family = 4 if "source4" in there else 6
    flow["family"] = family
    for side in ("source", "destination", "dialled"):
        if f"{side}{family}" not in there:
            raise WireError("a tuple without a whole address")
        flow[side][:, : 4 if family == 4 else 16] = seen[f"{side}{family}"]


def _tell_ports(told: Table, seen: Table, there: frozenset[str]) -> None:
    """Fill in the ports. Raises WireError where a protocol comes with the fields of another."""
    flow, protocol = told["tuple"], seen["protocol"]
    for icmp, number in (("icmp", 1), ("icmpv6", 58)):
        fields = {f"{icmp}_id", f"{icmp}_type", f"{icmp}_code"}
        if there & fields:
            if not fields <= there or (protocol != number).any():
                raise WireError(f"{icmp} in part, or of another protocol")
            flow["port"] = seen[f"{icmp}_type"].astype("<u2") * 256 + seen[f"{icmp}_code"]
            flow["dialled_port"] = flow["port"]
            told["source_port"] = seen[f"{icmp}_id"]
            return
    if np.isin(protocol, (1, 58)).any():
        raise WireError("ICMP without type and code")
    with_ports = np.isin(protocol, WITH_PORTS)
    for name in there & {"port", "dialled_port"}:
        flow[name] = np.where(with_ports, seen[name], 0)
    if "source_port" in there:
        told["source_port"] = np.where(with_ports, seen["source_port"], 0)


def row_of(told: ct.Connection) -> Table:
    """Return a connection of the plain codec as a table of one row."""
    rows = np.zeros(1, CONNECTION)
    row, flow = rows[0], rows[0]["tuple"]
    sides = (
        ("source", told.orig.source),
        ("destination", told.reply.source),
        ("dialled", told.orig.destination),
    )
    for side, address in sides:
        packed = address.bits.to_bytes(4 if address.family == 4 else 16, "big")
        flow[side][: len(packed)] = list(packed)
    flow["family"], flow["protocol"], flow["mark"] = told.orig.source.family, told.orig.protocol, told.mark
    if told.orig.protocol in (1, 58):
        flow["port"] = flow["dialled_port"] = told.orig.icmp_type * 256 + told.orig.icmp_code
        row["source_port"] = told.orig.icmp_id
    elif told.orig.protocol in WITH_PORTS:
        flow["port"], flow["dialled_port"] = told.reply.source_port, told.orig.destination_port
        row["source_port"] = told.orig.source_port
    row["id"], row["over"], row["dying"] = told.id, told.over, bool(told.status & ct.DYING)
    if told.sent is not None:
        row["packets"], row["bytes"] = told.sent.packets, told.sent.bytes
    if told.answered is not None:
        row["reply_packets"], row["reply_bytes"] = told.answered.packets, told.answered.bytes
    return rows
