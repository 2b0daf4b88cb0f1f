"""A signature's answers over protocols, ports and ICMP types: where they change, and what they are between.

For peers of one signature the answer is a function of the transport alone, and constant between the ports
that some rule names. So it is asked once in each interval, of the engine, and never worked out here. The
result is a `Dispatch`: a value without redundancy, which `answers` writes down as a chain.

Source: design/dataplane §1; spec/policy-semantics §6.2, §6.5, §6.7.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final, TypeVar

import msgspec

from ocicat.engine.match import ICMP_OF_FAMILY
from ocicat.engine.plan import numbers_of
from ocicat.engine.policy import Direction
from ocicat.engine.program import BoundRule, Ports, Program, Signature, Transport
from ocicat.model.net import PROTOCOLS_WITH_PORTS

Answer = str
"""The chain that gives the answer."""
Ask = Callable[[Transport], Answer]

LAST_PORT: Final = 65535
Item = TypeVar("Item")
_UNNAMED: Final = 253
"""A protocol number for experiments (RFC 3692), that stands for all that no rule names; if one names it,
the next number below that none names."""


class PortTable(msgspec.Struct, frozen=True):
    """Answers by destination port: `ranges` are disjoint and ascending, all other ports get `default`."""

    default: Answer
    ranges: tuple[tuple[int, int, Answer], ...] = ()


class IcmpTable(msgspec.Struct, frozen=True):
    """Answers by ICMP type and code."""

    default: Answer
    types: tuple[tuple[int, Answer], ...] = ()
    """By type, for codes that are not in `pairs`."""
    pairs: tuple[tuple[int, int, Answer], ...] = ()


class ProtocolTable(msgspec.Struct, frozen=True):
    """Answers of one protocol with ports: by destination port, and where rules ask it, by source port
    first."""

    ports: PortTable
    sources: tuple[tuple[int, int, PortTable], ...] = ()
    """Source ports which have a table of their own; all others have `ports`."""


class Dispatch(msgspec.Struct, frozen=True):
    """All answers of a signature."""

    default: Answer
    """Of every protocol that is not named here."""
    protocols: tuple[tuple[int, ProtocolTable], ...] = ()
    """TCP, UDP and SCTP, where they are not as `default` altogether."""
    icmp: IcmpTable | None = None
    """ICMP of the family, where it is not as `default` altogether."""
    numbers: tuple[tuple[int, Answer], ...] = ()
    """Other protocols by number."""


def dispatch_of(program: Program, signature: Signature, ask: Ask) -> Dispatch:
    """Return the answers of a signature.

    Args:
        program: The class bound to an endpoint.
        signature: What the peers mean to it.
        ask: Returns the answer for a transport, for peers of this signature.
    """
    scene = _Scene(program, signature)
    named = scene.protocols()
    default = ask((_unnamed(named), 0, 0, -1, -1))
    icmp_number = ICMP_OF_FAMILY[program.family]
    protocols = []
    for number in sorted(PROTOCOLS_WITH_PORTS):
        table = _protocol_table(scene, number, ask)
        if table != ProtocolTable(PortTable(default)):
            protocols.append((number, table))
    icmp = _icmp_table(scene, icmp_number, ask)
    others = sorted(named - PROTOCOLS_WITH_PORTS - {icmp_number})
    numbers = tuple(
        (number, answer) for number in others if (answer := ask((number, 0, 0, -1, -1))) != default
    )
    return Dispatch(default, tuple(protocols), None if icmp == IcmpTable(default) else icmp, numbers)


class _Scene:
    """The rules that a signature leaves in play, and the ports that its peer gives them."""

    def __init__(self, program: Program, signature: Signature) -> None:
        peer_ports = dict(signature.peer_ports)
        ingress = program.policies.direction is Direction.INGRESS
        self.family = program.family
        self.rules: list[tuple[BoundRule, Ports, Ports]] = []
        """Each with what it asks of source and destination port."""
        for position in numbers_of(signature.bits):
            bound = program.rules[position]
            source, destination = bound.source_ports, bound.destination_ports
            if position in peer_ports:
                source, destination = (
                    (peer_ports[position], destination) if ingress else (source, peer_ports[position])
                )
            self.rules.append((bound, source, destination))

    def protocols(self) -> set[int]:
        """Return every protocol number that some rule names."""
        rules = [bound.rule for bound, _, _ in self.rules]
        return {
            number for rule in rules for number in (rule.protocol, rule.not_protocol) if number is not None
        }

    def edges(self, protocol: int) -> tuple[list[int], list[int]]:
        """Return the source and the destination ports at which answers for a protocol can change, from 0."""
        sources, destinations = {0}, {0}
        for bound, source, destination in self.rules:
            if bound.rule.protocol in (None, protocol):
                sources |= _edges(source, protocol)
                destinations |= _edges(destination, protocol)
        return sorted(sources), sorted(destinations)

    def icmp_pairs(self) -> set[tuple[int, int | None]]:
        """Return the ICMP types, with codes where they name some, of rules."""
        return {
            (wanted.type, wanted.code)
            for bound, _, _ in self.rules
            for wanted in (bound.rule.icmp, bound.rule.not_icmp)
            if wanted is not None
        }


def _edges(ports: Ports, protocol: int) -> set[int]:
    spans = (*ports.spans, *ports.not_spans, *(ports.within or ()))
    edges = {edge for number, first, last in spans if number == protocol for edge in (first, last + 1)}
    for item in (*ports.ranges, *ports.not_ranges):
        edges |= {item.first, item.last + 1}
    return {edge for edge in edges if edge <= LAST_PORT}


def _protocol_table(scene: _Scene, protocol: int, ask: Ask) -> ProtocolTable:
    sources, destinations = scene.edges(protocol)
    tables = [
        (first, last, _port_table(destinations, partial(_ask_port, ask, protocol, first)))
        for first, last in _intervals(sources)
    ]
    default = _widest((last - first + 1, table) for first, last, table in tables)
    own = tuple((first, last, table) for first, last, table in _merged(tables) if table != default)
    return ProtocolTable(default, own)


def _ask_port(ask: Ask, protocol: int, source_port: int, port: int) -> Answer:
    return ask((protocol, source_port, port, -1, -1))


def _port_table(edges: list[int], ask: Callable[[int], Answer]) -> PortTable:
    answers = [(first, last, ask(first)) for first, last in _intervals(edges)]
    default = _widest((last - first + 1, answer) for first, last, answer in answers)
    return PortTable(default, tuple(item for item in _merged(answers) if item[2] != default))


def _icmp_table(scene: _Scene, protocol: int, ask: Ask) -> IcmpTable:
    pairs = scene.icmp_pairs()
    named = {kind for kind, _ in pairs}
    default = ask((protocol, 0, 0, _first_not_in(named), 0))
    types, codes = [], []
    for kind in sorted(named):
        named_codes = sorted(code for number, code in pairs if number == kind and code is not None)
        usual = ask((protocol, 0, 0, kind, _first_not_in(named_codes)))
        if usual != default:
            types.append((kind, usual))
        for code in named_codes:
            answer = ask((protocol, 0, 0, kind, code))
            if answer != usual:
                codes.append((kind, code, answer))
    return IcmpTable(default, tuple(types), tuple(codes))


def _intervals(edges: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last port of each interval that begins at an edge."""
    for position, first in enumerate(edges):
        yield first, edges[position + 1] - 1 if position + 1 < len(edges) else LAST_PORT


def _merged(intervals: Iterable[tuple[int, int, Item]]) -> list[tuple[int, int, Item]]:
    """Return intervals in which neighbours differ."""
    merged: list[tuple[int, int, Item]] = []
    for first, last, item in intervals:
        if merged and merged[-1][2] == item:
            merged[-1] = (merged[-1][0], last, item)
        else:
            merged.append((first, last, item))
    return merged


def _widest(widths: Iterable[tuple[int, Item]]) -> Item:
    """Return the item that covers most; of equals the one that came first."""
    total: Counter[Item] = Counter()
    for width, item in widths:
        total[item] += width
    return max(total, key=total.__getitem__)


def _first_not_in(numbers: Iterable[int]) -> int:
    """Return the lowest number that is not among `numbers`."""
    taken = set(numbers)
    return next(number for number in range(len(taken) + 1) if number not in taken)


def _unnamed(named: set[int]) -> int:
    """Return a protocol number that stands for all that no rule names; -1 if rules name them all."""
    taken = named | PROTOCOLS_WITH_PORTS | set(ICMP_OF_FAMILY.values())
    return next((number for number in range(_UNNAMED, 0, -1) if number not in taken), -1)
