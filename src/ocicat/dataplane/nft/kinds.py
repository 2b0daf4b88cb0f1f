"""Peers that no rule of this node can tell apart, found without asking rule by rule. Pure.

Ten thousand pods are a few hundred *kinds*: those with the same memberships in the sets that local rules
name, in the same segment of CIDRs, with the same named ports and Services as far as rules ask for them. One
peer of each kind is judged (`peers`), and its answers are those of all.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

import msgspec
import numpy as np
import numpy.typing as npt

from ocicat.engine.plan import NO_ENDPOINTS, Plan, node_set
from ocicat.engine.program import Program
from ocicat.model.net import WIDTH, Address, Prefix

Ints = npt.NDArray[np.int64]


class Segment(msgspec.Struct, frozen=True, order=True):
    """Addresses `first` to `last` of a family."""

    first: int
    last: int


class Criteria(msgspec.Struct, frozen=True):
    """All that rules ask of a peer's address."""

    sets: frozenset[str] = frozenset()
    """Ids of sets of the Plan."""
    prefixes: frozenset[Prefix] = frozenset()
    """CIDRs that rules name themselves."""
    services: frozenset[tuple[str, str]] = frozenset()
    port_names: bool = False
    """Whether a rule asks for ports that the peer declares."""

    @classmethod
    def of(cls, program: Program) -> "Criteria":
        """Return what the rules of a Program ask."""
        sets: set[str] = set()
        prefixes: set[Prefix] = set()
        services: set[tuple[str, str]] = set()
        for bound in program.rules:
            side = bound.remote
            prefixes.update(side.nets, side.not_nets)
            sets.update(item.canonical for item in (side.selector, side.not_selector) if item is not None)
            if side.nodes is not None:
                sets.add(node_set(side.nodes))
            if side.service is not None:
                services.add(side.service)
        port_names = any(bound.peer_ports for bound in program.rules)
        return cls(frozenset(sets), frozenset(prefixes), frozenset(services), port_names)

    @classmethod
    def together(cls, several: Sequence["Criteria"]) -> "Criteria":
        """Return what is asked by one or the other."""
        return cls(
            frozenset[str]().union(*(item.sets for item in several)),
            frozenset[Prefix]().union(*(item.prefixes for item in several)),
            frozenset[tuple[str, str]]().union(*(item.services for item in several)),
            any(item.port_names for item in several),
        )


class Kinds(msgspec.Struct, frozen=True, eq=False):
    """The peers of one family: which of them are of one kind."""

    family: int
    segments: tuple[Segment, ...]
    """Those in which an address has no owner, ascending."""
    free: tuple[int, ...]
    """The lowest such address of each segment."""
    widest: int
    """Position of the segment with most addresses; of equals the first."""
    examples: tuple[int, ...]
    """For each kind its lowest address, ascending."""
    members: tuple[tuple[str, ...], ...]
    """For each kind its addresses as text, ascending."""
    step: Ints
    """shape (kinds,): the segment that a kind's members are in, -1 where everything in it has an owner."""

    def judged(self) -> list[Address]:
        """Return the addresses to judge: an example of each kind, then the free ones of segments."""
        return [Address(self.family, bits) for bits in (*self.examples, *self.free)]


def kinds_of(plan: Plan, family: int, criteria: Criteria) -> Kinds:
    """Return the kinds of all peers of a family.

    Cost: O(sets x entities) in NumPy, O(addresses + CIDRs) besides.
    """
    segments = _segments(family, _prefixes(plan, family, criteria))
    owned = _owned(plan, family)
    owned |= {segment.first for segment in segments if segment.first == segment.last}
    represented = _represented(segments, owned)
    exact = sorted(owned)
    segment_of = _positions(exact, segments)
    columns = np.stack([_entity_column(plan, family, exact, criteria), segment_of])
    _, first, inverse = np.unique(columns, axis=1, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")  # kinds by their first member, so that examples ascend
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    members: list[list[str]] = [[] for _ in order]
    for bits, kind in zip(exact, rank[inverse.ravel()].tolist(), strict=True):
        members[kind].append(address_text(Address(family, bits)))
    kept = {segment: position for position, (segment, _) in enumerate(represented)}
    to_kept = np.array([kept.get(segment, -1) for segment in segments], dtype=np.int64)
    widths = [segment.last - segment.first for segment, _ in represented]
    return Kinds(
        family,
        tuple(segment for segment, _ in represented),
        tuple(free for _, free in represented),
        widths.index(max(widths)),
        tuple(exact[position] for position in first[order].tolist()),
        tuple(map(tuple, members)),
        to_kept[segment_of[first[order]]],
    )


@lru_cache(maxsize=1 << 17)
def address_text(address: Address) -> str:
    """Return an address as text; the same few thousand are asked for in every rendering."""
    return str(address)


# --- segments -----------------------------------------------------------------------------------------------


def _prefixes(plan: Plan, family: int, criteria: Criteria) -> set[Prefix]:
    """Return the CIDRs by which rules tell peers of a family apart: their own, and of the sets they ask."""
    found = set(criteria.prefixes)
    members = 0
    for name in criteria.sets:
        members |= plan.sets.get(name, 0)
    for prefixes in plan.cidrs.values():
        for numbers in prefixes.values():
            for number in numbers:
                if members >> number & 1:
                    found.update(plan.entities[number].nets)
    return {prefix for prefix in found if prefix.family == family}


def _segments(family: int, prefixes: Iterable[Prefix]) -> list[Segment]:
    """Return the whole of a family, cut at the bounds of the prefixes."""
    cuts = {0, 1 << WIDTH[family]}
    for prefix in prefixes:
        cuts |= {prefix.bits, prefix.last + 1}
    return [Segment(first, after - 1) for first, after in pairwise(sorted(cuts))]


def _represented(segments: Iterable[Segment], owned: set[int]) -> list[tuple[Segment, int]]:
    """Return the segments in which an address has no owner, each with its lowest such address."""
    found = []
    for segment in segments:
        candidate = segment.first
        while candidate in owned and candidate < segment.last:
            candidate += 1
        if candidate not in owned:
            found.append((segment, candidate))
    return found


def _positions(exact: Sequence[int], segments: Sequence[Segment]) -> Ints:
    """Return for each address, ascending, the position of its segment; the segments cover everything."""
    result = np.empty(len(exact), dtype=np.int64)
    position = 0
    for number, bits in enumerate(exact):
        while segments[position].last < bits:
            position += 1
        result[number] = position
    return result


# --- what owns an address -----------------------------------------------------------------------------------


def _owned(plan: Plan, family: int) -> set[int]:
    """Return the addresses that a rule can tell from their neighbours by who has them."""
    found = {address.bits for address in plan.owners if address.family == family}
    for service in plan.services.values():
        found |= {address.bits for address in service.addresses if address.family == family}
        found |= {address.bits for address, _, _ in service.ports if address.family == family}
    return found


def _entity_column(plan: Plan, family: int, exact: Sequence[int], criteria: Criteria) -> Ints:
    """Return a number for each address: equal where owners and Services mean the same to rules."""
    classes = _entity_classes(plan, tuple(sorted(criteria.sets)))
    services = _service_meanings(plan, family, sorted(criteria.services))
    numbering: dict[object, int] = {}
    result = np.empty(len(exact), dtype=np.int64)
    for position, bits in enumerate(exact):
        owners = plan.owners.get(Address(family, bits), ())
        meaning: object
        if len(owners) == 1:
            ports = plan.entities[owners[0]].named_ports if criteria.port_names else ()
            meaning = (int(classes[owners[0]]), ports, services.get(bits))
        elif owners:
            meaning = (bits,)  # several owners at one address are a kind of their own
        else:
            meaning = services.get(bits)
        result[position] = numbering.setdefault(meaning, len(numbering))
    return result


def _entity_classes(plan: Plan, sets: Sequence[str]) -> Ints:
    """Return for each entity number the class of its memberships in `sets`."""
    size = max(plan.entities, default=-1) + 1
    if not sets or not size:
        return np.zeros(size, dtype=np.int64)
    width = (size + 7) // 8
    raw = b"".join(plan.sets.get(name, 0).to_bytes(width, "little") for name in sets)
    matrix = np.unpackbits(
        np.frombuffer(raw, dtype=np.uint8).reshape(len(sets), width), axis=1, bitorder="little"
    )
    rows = np.ascontiguousarray(np.packbits(matrix, axis=0).T)[:size]
    _, classes = np.unique(rows.view(np.dtype((np.void, rows.shape[1]))).ravel(), return_inverse=True)
    return classes.ravel()


def _service_meanings(
    plan: Plan, family: int, services: Iterable[tuple[str, str]]
) -> Mapping[int, tuple[object, ...]]:
    """Return for the addresses of Services which of them they belong to, and with which ports."""
    found: dict[int, list[object]] = {}
    for key in services:
        endpoints = plan.services.get(key, NO_ENDPOINTS)
        for address in endpoints.addresses:
            if address.family == family:
                found.setdefault(address.bits, []).append(key)
        for address, protocol, port in sorted(endpoints.ports):
            if address.family == family:
                found.setdefault(address.bits, []).append((key, protocol, port))
    return {bits: tuple(meaning) for bits, meaning in found.items()}
