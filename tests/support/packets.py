"""Packets as bytes, for probes: made with right checksums, and recognised again where they arrive.

Every probe carries a number, in a place that survives NAT and the kernel's own answers: TCP in its sequence
number, SCTP in its initiate tag, all others in the payload.
"""

import socket
import struct
from typing import Final

import msgspec

from ocicat.model.net import Address

TCP, UDP, SCTP, ICMP, ICMP6 = 6, 17, 132, 1, 58
MAGIC: Final = b"ocicat:"
ETHERTYPES: Final = {4: 0x0800, 6: 0x86DD}
BARRIER: Final = 0x88B5
"""The Ethernet type of frames that only mark a place in a queue (IEEE: local experiments)."""
_SYN, _RST = 0x02, 0x04


class Shot(msgspec.Struct, frozen=True):
    """One packet to send."""

    origin: str
    """Where it is sent from: a pod's name, `host` or `world`."""
    source: Address
    destination: Address
    protocol: int
    port: int = 0
    source_port: int = 40000
    icmp_type: int = 8
    icmp_code: int = 0


class Arrival(msgspec.Struct, frozen=True):
    """A packet that was sent, as it came in somewhere."""

    number: int
    source: Address
    destination: Address
    source_port: int
    port: int
    refusal: bool
    """Whether it is not the packet but an answer that refuses it: TCP reset, ICMP unreachable."""


def frame(shot: Shot, number: int, to_mac: bytes, from_mac: bytes) -> bytes:
    """Return the Ethernet frame of a shot."""
    return to_mac + from_mac + struct.pack("!H", ETHERTYPES[shot.source.family]) + packet(shot, number)


def packet(shot: Shot, number: int) -> bytes:
    """Return the IP packet of a shot."""
    body = _transport(shot, number)
    source, destination = _bytes(shot.source), _bytes(shot.destination)
    if shot.source.family == 4:
        head = struct.pack(
            "!BBHHHBBH", 0x45, 0, 20 + len(body), number & 0xFFFF, 0x4000, 63, shot.protocol, 0
        )
        check = checksum(head + source + destination)
        return head[:10] + struct.pack("!H", check) + source + destination + body
    return struct.pack("!IHBB", 6 << 28, len(body), shot.protocol, 63) + source + destination + body


def _transport(shot: Shot, number: int) -> bytes:
    mark = MAGIC + struct.pack("!I", number)
    ports = struct.pack("!HH", shot.source_port, shot.port)
    match shot.protocol:
        case 6:
            body = ports + struct.pack("!IIBBHHH", number, 0, 5 << 4, _SYN, 64240, 0, 0)
            return _summed(shot, body, 16)
        case 17:
            body = ports + struct.pack("!HH", 8 + len(mark), 0) + mark
            return _summed(shot, body, 6)
        case 132:
            chunk = struct.pack("!BBHIIHHI", 1, 0, 20, number, 65536, 1, 1, number)
            head = ports + struct.pack("!I", 0)
            return head + struct.pack("<I", crc32c(head + bytes(4) + chunk)) + chunk
        case 1 | 58:
            head = struct.pack("!BBHHH", shot.icmp_type, shot.icmp_code, 0, number & 0xFFFF, 1)
            return _summed(shot, head + mark, 2)
        case _:
            return mark


def _summed(shot: Shot, body: bytes, at: int) -> bytes:
    pseudo = b""
    if shot.protocol != ICMP:
        length = struct.pack("!II", len(body), shot.protocol)
        pseudo = _bytes(shot.source) + _bytes(shot.destination) + length
    check = checksum(pseudo + body) or 0xFFFF
    return body[:at] + struct.pack("!H", check) + body[at + 2 :]


def parse(ip: bytes) -> Arrival | None:
    """Return which shot an IP packet is, or refuses; None for anything else."""
    if len(ip) < 20:
        return None
    if ip[0] >> 4 == 4:
        family, protocol, length = 4, ip[9], (ip[0] & 15) * 4
        addresses = ip[12:16], ip[16:20]
    else:
        family, protocol, length = 6, ip[6], 40
        addresses = ip[8:24], ip[24:40]
    ends = tuple(Address(family, int.from_bytes(item)) for item in addresses)
    return parse_transport(ends, protocol, ip[length:])


def parse_transport(ends: tuple[Address, ...], protocol: int, body: bytes) -> Arrival | None:
    """Return which shot a packet is, of which the IP header has been taken off."""
    source, destination = ends
    source_port, port = (
        struct.unpack_from("!HH", body) if protocol in (TCP, UDP, SCTP) and len(body) > 4 else (0, 0)
    )
    if protocol == TCP and len(body) >= 14:
        if body[13] & _RST:
            number = (struct.unpack_from("!I", body, 8)[0] - 1) & 0xFFFFFFFF
            return Arrival(number, source, destination, source_port, port, refusal=True)
        if body[13] & 0x3F == _SYN:
            number = struct.unpack_from("!I", body, 4)[0]
            return Arrival(number, source, destination, source_port, port, refusal=False)
        return None
    if protocol in (ICMP, ICMP6) and body[0] == {ICMP: 0, ICMP6: 129}[protocol]:
        return None  # an echo reply
    if protocol in (ICMP, ICMP6) and body[0] in {ICMP: (3,), ICMP6: (1,)}[protocol]:
        quoted = parse(body[8:]) or _quoted_tcp(body[8:])
        return None if quoted is None else msgspec.structs.replace(quoted, refusal=True)
    if protocol == SCTP and len(body) >= 20 and body[12] == 1:
        number = struct.unpack_from("!I", body, 16)[0]
        return Arrival(number, source, destination, source_port, port, refusal=False)
    at = body.find(MAGIC)
    if at < 0 or len(body) < at + len(MAGIC) + 4:
        return None
    number = struct.unpack_from("!I", body, at + len(MAGIC))[0]
    return Arrival(number, source, destination, source_port, port, refusal=False)


def _quoted_tcp(ip: bytes) -> Arrival | None:
    """Return the shot of a TCP packet that an ICMP error quotes no further than its sequence number."""
    if len(ip) >= 28 and ip[0] >> 4 == 4 and ip[9] == TCP:
        return parse(ip[:28] + bytes(5) + bytes([_SYN]) + bytes(6))
    return None


def _bytes(address: Address) -> bytes:
    return address.bits.to_bytes(4 if address.family == 4 else 16)


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_CRC_TABLE: Final = _crc_table()


def crc32c(data: bytes) -> int:
    """Return the CRC-32C that SCTP uses (RFC 9260 Appendix A)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def name_of(protocol: int) -> str:
    """Return the protocol's name, for messages of tests."""
    names = {TCP: "tcp", UDP: "udp", SCTP: "sctp", ICMP: "icmp", ICMP6: "icmp6"}
    return names.get(protocol, str(protocol))


INET: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
