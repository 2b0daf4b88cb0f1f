"""Addresses, prefixes, ports and protocols as integers: text at the edge, numbers inside.

Everything is written once over `(family, bits, length)`; nothing here knows whether it handles IPv4 or IPv6
beyond the width of its numbers. Source: spec/policy-semantics §3.4 (ports, protocols, nets), §3.8 (lax nets).
"""

import ipaddress
import re
from typing import Final, Literal

import msgspec

from ocicat.base.errors import OcicatError

Family = Literal[4, 6]

WIDTH: Final[dict[int, int]] = {4: 32, 6: 128}
"""Bits in an address of each family."""

PROTOCOL_NUMBERS: Final[dict[str, int]] = {
    "ICMP": 1,
    "TCP": 6,
    "UDP": 17,
    "ICMPv6": 58,
    "SCTP": 132,
    "UDPLite": 136,
}
"""IANA numbers of the protocols that the API knows by name (case-sensitive there)."""

FLOW_PROTOCOL_NAMES: Final[dict[int, str]] = {
    1: "icmp",
    4: "ipip",
    6: "tcp",
    17: "udp",
    50: "esp",
    58: "icmp6",
    132: "sctp",
}
"""How flow records spell a protocol; any other is its decimal number. Source: policy-semantics §11.2."""

PROTOCOLS_WITH_PORTS: Final[frozenset[int]] = frozenset({6, 17, 132})
"""TCP, UDP, SCTP. UDPLite does not count (§3.3)."""


class NetError(OcicatError, ValueError):
    """A text is not an address, a prefix, a port or a protocol. The message says why."""


class Address(msgspec.Struct, frozen=True, order=True, gc=False):
    """An IP address; `bits` is big-endian."""

    family: int
    bits: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read an IPv4 or IPv6 address. Raises NetError."""
        try:
            parsed = ipaddress.ip_address(text)
        except ValueError as error:
            raise NetError(f"{text!r} is not an IP address") from error
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.scope_id is not None:
            raise NetError(f"{text!r} has a zone, which a policy cannot name")
        return cls(parsed.version, int(parsed))

    def __str__(self) -> str:
        cls = ipaddress.IPv4Address if self.family == 4 else ipaddress.IPv6Address
        return str(cls(self.bits))

    def prefix(self) -> "Prefix":
        """Return the prefix that holds this address alone."""
        return Prefix(self.family, self.bits, WIDTH[self.family])


class Prefix(msgspec.Struct, frozen=True, order=True, gc=False):
    """An IP prefix; `bits` is the address with its host part zeroed, big-endian."""

    family: int
    bits: int
    length: int

    @classmethod
    def parse(cls, text: str, *, strict: bool = True) -> "Prefix":
        """Read `address/length`. Raises NetError.

        `strict` refuses host bits (`10.0.0.1/8`) and a bare address, as rule nets do (§3.4); otherwise
        host bits are masked off and a bare address is its own prefix, as in network sets (§3.8).
        """
        if "/" not in text:
            if strict:
                raise NetError(f"{text!r} is not a CIDR: it has no /length")
            return Address.parse(text).prefix()
        base, _, length_text = text.partition("/")
        address = Address.parse(base)
        width = WIDTH[address.family]
        if not re.fullmatch("[0-9]{1,3}", length_text) or int(length_text) > width:
            raise NetError(f"{text!r} is not a CIDR: its length is not 0 to {width}")
        prefix = cls.of(address.family, address.bits, int(length_text))
        if strict and prefix.bits != address.bits:
            raise NetError(f"{text!r} has host bits set; the network is {prefix}")
        return prefix

    @classmethod
    def of(cls, family: int, bits: int, length: int) -> "Prefix":
        """Return the prefix of `length` that holds the address `bits`."""
        host = WIDTH[family] - length
        return cls(family, bits >> host << host, length)

    def __str__(self) -> str:
        return f"{Address(self.family, self.bits)}/{self.length}"

    def contains(self, family: int, bits: int) -> bool:
        """Tell whether the address lies in this prefix."""
        return family == self.family and (bits ^ self.bits) >> (WIDTH[family] - self.length) == 0

    @property
    def last(self) -> int:
        """The highest address of the prefix."""
        return self.bits | ((1 << (WIDTH[self.family] - self.length)) - 1)


class PortRange(msgspec.Struct, frozen=True, order=True, gc=False):
    """Ports `first` to `last`, both included."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}:{self.last}"

    def contains(self, port: int) -> bool:
        """Tell whether `port` is in the range."""
        return self.first <= port <= self.last


PortItem = PortRange | str
"""A port of a rule: numbers, or the name of a port that endpoints declare."""

_NAMED_PORT = re.compile("[a-zA-Z0-9_.-]{1,128}")
_DIGITS = re.compile("[0-9]+")
_RANGE = re.compile("[0-9]+:[0-9]+")


def parse_port(item: int | str) -> PortItem:
    """Read an item of `ports` or `notPorts`. Raises NetError with Calico's message (§3.4)."""
    if isinstance(item, int):
        if not 0 <= item <= 65535:
            raise NetError(f"invalid port format ({item})")
        return _range_of(item, item)
    if _DIGITS.fullmatch(item):
        if len(item) > 20 or int(item) > 65535:
            raise NetError(f"invalid port format ({item})")
        return _range_of(int(item), int(item))
    if _RANGE.fullmatch(item):
        first_text, _, last_text = item.partition(":")
        if len(first_text) > 20 or int(first_text) > 65535:
            raise NetError(f"invalid minimum port number in range ({item})")
        if len(last_text) > 20 or int(last_text) > 65535:
            raise NetError(f"invalid maximum port number in range ({item})")
        first, last = int(first_text), int(last_text)
        if first > last:
            raise NetError(
                f"minimum port number ({first}) is greater than maximum port number ({last}) in port range"
            )
        return _range_of(first, last)
    if not _NAMED_PORT.fullmatch(item):
        raise NetError(f"invalid name for named port ({item})")
    return item


def _range_of(first: int, last: int) -> PortRange:
    if first == 0:
        raise NetError("port range invalid, port number must be between 1 and 65535")
    return PortRange(first, last)


def parse_protocol(item: int | str) -> int:
    """Return the protocol's number. Raises NetError with Calico's message (§3.4)."""
    if isinstance(item, str):
        if item in PROTOCOL_NUMBERS:
            return PROTOCOL_NUMBERS[item]
        if not _DIGITS.fullmatch(item) or len(item) > 20 or int(item) > 255:
            raise NetError("protocol name invalid")
        item = int(item)
    if not 1 <= item <= 255:
        raise NetError("protocol number invalid")
    return item


def protocol_family(item: int | str | None) -> int | None:
    """Return the family that a protocol *name* implies: ICMP 4, ICMPv6 6, others and numbers None (§6.1)."""
    return {"ICMP": 4, "ICMPv6": 6}.get(item) if isinstance(item, str) else None


def flow_protocol(number: int) -> str:
    """Return the protocol as flow records spell it (§11.2)."""
    return FLOW_PROTOCOL_NAMES.get(number, str(number))


def network_name(address: Address) -> str:
    """Return `pvt` for 10/8, 172.16/12 and 192.168/16, `pub` for every other address (§11.5)."""
    return "pvt" if any(net.contains(address.family, address.bits) for net in _PRIVATE) else "pub"


_PRIVATE: Final = (
    Prefix(4, 10 << 24, 8),
    Prefix(4, 172 << 24 | 16 << 16, 12),
    Prefix(4, 192 << 24 | 168 << 16, 16),
)


def merge_ranges(ranges: "list[PortRange] | tuple[PortRange, ...]") -> tuple[PortRange, ...]:
    """Return the same ports as ascending ranges that neither overlap nor touch."""
    merged: list[PortRange] = []
    for item in sorted(ranges):
        if merged and item.first <= merged[-1].last + 1:
            merged[-1] = PortRange(merged[-1].first, max(merged[-1].last, item.last))
        else:
            merged.append(item)
    return tuple(merged)
