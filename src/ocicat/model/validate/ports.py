"""Protocols and ports of rules and of host endpoints. Source: spec/policy-semantics §3.3, §3.4."""

import re
from collections.abc import Sequence
from typing import Final

from ocicat.model.calico import PortItemText, ProtocolItem
from ocicat.model.net import PROTOCOL_NUMBERS, PROTOCOLS_WITH_PORTS, NetError, parse_port, parse_protocol
from ocicat.model.positions import Path
from ocicat.model.validate import formats
from ocicat.model.validate.finding import Finding, Findings, too_many
from ocicat.model.validate.spelling import meant

MAX_PORTS: Final = 50

_NUMERIC: Final = re.compile("[0-9]+(:[0-9]+)?")
_SPAN: Final = re.compile(r"([0-9]+)[ \t]*(?:-|:|\.\.+|to)[ \t]*([0-9]+)")
"""A range as people write it elsewhere."""
_EVERY_PROTOCOL: Final = frozenset({"any", "all", "*", "ip", ""})
_CODES: Final = {
    "port range invalid": "NP0104",
    "invalid name for": "NP0105",
    "minimum port number": "NP0107",
}
"""How messages of `parse_port` begin, and their codes; the others are about numbers out of range."""


def number_of(protocol: ProtocolItem | None) -> int | None:
    """Return the number of a protocol; None where it is absent or none."""
    if protocol is None:
        return None
    try:
        return parse_protocol(protocol)
    except NetError:
        return None


def protocol(written: ProtocolItem, path: Path) -> Findings:
    """Find what is no protocol."""
    try:
        parse_protocol(written)
    except NetError as error:
        code = "NP0101" if "number" in str(error) else "NP0102"
        yield Finding(code, path, str(error), _protocol_fix(written), "Protocol", str(written))


def _protocol_fix(written: ProtocolItem) -> str:
    if not isinstance(written, str):
        return ""
    if written.strip().casefold() in _EVERY_PROTOCOL:
        return "remove protocol: without it the rule is for every protocol"
    guess = meant(written, PROTOCOL_NUMBERS)
    return f"write {guess}" if guess else ""


def supports_ports(written: ProtocolItem) -> bool:
    """Tell whether a rule with this protocol may name ports.

    A wrong spelling of one that does counts too: the spelling is a mistake of its own.
    """
    if isinstance(written, str) and written.upper() in ("TCP", "UDP", "SCTP"):
        return True
    return number_of(written) in PROTOCOLS_WITH_PORTS


def is_numeric(item: PortItemText) -> bool:
    """Tell whether a port is meant by number, in or out of range, rather than by name."""
    return isinstance(item, int) or _NUMERIC.fullmatch(item) is not None


def ports(items: Sequence[PortItemText], path: Path) -> Findings:
    """Find what is wrong with a list of ports: its length, and each item by itself."""
    if not items:
        return
    yield from too_many("NP0108", path, len(items), MAX_PORTS)
    for index, item in enumerate(items):
        yield from _port(item, (*path, index))


def _port(item: PortItemText, path: Path) -> Findings:
    try:
        parsed = parse_port(item)
    except NetError as error:
        what = str(error)
        code = next((code for start, code in _CODES.items() if what.startswith(start)), "NP0103")
        yield Finding(code, path, what, _port_fix(item), "Port", str(item))
        return
    if isinstance(parsed, str):
        yield from port_name(parsed, "NP0106", path, "PortName")


def _port_fix(item: PortItemText) -> str:
    """Return the edit for an item that is no port, where what was meant can be guessed."""
    if isinstance(item, int):
        return ""
    text = item.strip()
    if "," in text:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return f"write one item for each: {', '.join(parts)}" if parts else ""
    if span := _SPAN.fullmatch(text):
        first, last = sorted((span[1], span[2]), key=lambda digits: (len(digits), digits))
        if int(first[:6]) and len(last) < 6 and int(last) <= 65535:
            return f"write {first}:{last}"
        return ""
    if text.isascii() and text.isdecimal():
        return f"write {text}" if text != item and not formats.size(text) > 5 else ""
    name = re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")
    return f"write {name}" if name != item and not formats.port_name(name) else ""


def port_name(written: str, code: str, path: Path, field: str) -> Findings:
    """Find a name by which no endpoint can declare a port, with all that is wrong with it."""
    wrong = formats.port_name(written)
    if wrong:
        yield Finding(code, path, "; ".join(wrong), _port_fix(written), field, written)
