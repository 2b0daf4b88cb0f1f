"""Which answer each peer gets from each local endpoint, and peers that get the same ones as groups.

All addresses of a family are cut into *segments*, at the bounds of the CIDRs that local rules and their
network sets name; in between no rule tells addresses apart, unless something owns one. So there are three
kinds of peers: the *rest* (the widest segment), the other segments, and exact addresses. A peer's answers
are compared with what it would get one step further down this list, and only what differs is kept; peers
with the same remainder share a group. A peer with no remainder is in no map.

Source: design/dataplane §1, §8; docs/adr/0007.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from ocicat.dataplane.nft.answers import Answers
from ocicat.engine.peers import PeerTable
from ocicat.engine.plan import Plan
from ocicat.engine.program import Program
from ocicat.model.net import WIDTH, Address, Prefix

SAME: Final = ""
"""Stands in a group for an answer that is found one step further down."""
Ints = npt.NDArray[np.int64]


class Segment(msgspec.Struct, frozen=True, order=True):
    """Addresses `first` to `last` of a family."""

    first: int
    last: int


class PeerGroup(msgspec.Struct, frozen=True):
    """Peers that get the same answers."""

    answers: tuple[str, ...]
    """For each Program the signature chain, or SAME."""
    addresses: tuple[int, ...] = ()
    """The exact members, ascending."""
    segments: tuple[Segment, ...] = ()
    """The segments, ascending."""

    @property
    def name(self) -> int:
        """The lowest member: stable while others come and go, and the same on every path to this state."""
        return self.addresses[0] if self.addresses else self.segments[0].first


class Peers(msgspec.Struct, frozen=True):
    """The answers of all peers of one family to a list of Programs."""

    rest: tuple[str, ...]
    """For each Program the signature chain of the rest."""
    exact: tuple[PeerGroup, ...]
    wide: tuple[PeerGroup, ...]


def judged_peers(plan: Plan, family: int, programs: Sequence[Program], answers: Answers) -> Peers:
    """Return what every peer gets from each of `programs`, all of one family.

    Cost: O(peers x rules) in NumPy, and O(groups x programs).
    """
    segments = _segments(family, _prefixes(plan, family, programs))
    addresses = _owned(plan, family)
    addresses |= {segment.first for segment in segments if segment.first == segment.last}
    wide = _represented(segments, addresses)
    rest = max(range(len(wide)), key=lambda number: wide[number][0].last - wide[number][0].first)
    exact = sorted(addresses)
    people = [Address(family, bits) for bits in exact]
    people += [Address(family, representative) for _, representative in wide]
    matrix, names = _answer_matrix(plan, programs, people, answers)
    of_exact, of_wide = matrix[:, : len(exact)], matrix[:, len(exact) :]
    of_rest = of_wide[:, rest]
    inside = _segment_of(exact, [segment for segment, _ in wide])
    step = np.where(inside >= 0, inside, rest)
    exact_groups = _groups(np.where(of_exact == of_wide[:, step], -1, of_exact), names)
    wide_groups = _groups(np.where(of_wide == of_rest[:, None], -1, of_wide), names)
    return Peers(
        tuple(names[number] for number in of_rest.tolist()),
        tuple(
            PeerGroup(found, addresses=tuple(exact[column] for column in members))
            for found, members in exact_groups
        ),
        tuple(
            PeerGroup(found, segments=tuple(wide[column][0] for column in members))
            for found, members in wide_groups
        ),
    )


def _prefixes(plan: Plan, family: int, programs: Iterable[Program]) -> set[Prefix]:
    """Return the CIDRs by which rules of the Programs tell peers apart: their own, and of network sets."""
    found: set[Prefix] = set()
    members = 0
    for program in programs:
        for bound in program.rules:
            side = bound.remote
            found.update(side.nets, side.not_nets)
            for selector in (side.selector, side.not_selector):
                if selector is not None:
                    members |= plan.members(selector)
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
    bounds = sorted(cuts)
    return [Segment(first, after - 1) for first, after in pairwise(bounds)]


def _owned(plan: Plan, family: int) -> set[int]:
    """Return the addresses that a rule can tell from their neighbours by who has them."""
    found = {address.bits for address in plan.owners if address.family == family}
    for service in plan.services.values():
        found |= {address.bits for address in service.addresses if address.family == family}
        found |= {address.bits for address, _, _ in service.ports if address.family == family}
    return found


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


def _segment_of(exact: Sequence[int], segments: Sequence[Segment]) -> Ints:
    """Return for each address the position of the segment around it, -1 for none. Both are ascending."""
    result = np.full(len(exact), -1, dtype=np.int64)
    position = 0
    for number, bits in enumerate(exact):
        while position < len(segments) and segments[position].last < bits:
            position += 1
        if position < len(segments) and segments[position].first <= bits:
            result[number] = position
    return result


def _answer_matrix(
    plan: Plan, programs: Sequence[Program], people: Sequence[Address], answers: Answers
) -> tuple[Ints, list[str]]:
    """Return the signature chains by number, shape (programs, people), and their names."""
    table = PeerTable(plan, people)
    everyone = np.arange(len(people))
    numbers: dict[str, int] = {}
    matrix = np.zeros((len(programs), len(people)), dtype=np.int64)
    for row, program in enumerate(programs):
        signatures, own = table.signatures(program, everyone)
        chains = [answers.signature_chain(program, signature) for signature in signatures]
        by_signature = np.array([numbers.setdefault(chain, len(numbers)) for chain in chains])
        matrix[row] = by_signature[own]
    return matrix, list(numbers)


def _groups(remainder: Ints, names: Sequence[str]) -> list[tuple[tuple[str, ...], list[int]]]:
    """Return the distinct columns but the one that is all -1, as names, each with its members ascending."""
    if not remainder.shape[1]:
        return []
    distinct, own = np.unique(remainder, axis=1, return_inverse=True)
    members: list[list[int]] = [[] for _ in range(distinct.shape[1])]
    for column, group in enumerate(own.ravel().tolist()):
        members[group].append(column)
    found = []
    for group, column in enumerate(distinct.T.tolist()):
        if any(number >= 0 for number in column):
            found.append((tuple(names[number] if number >= 0 else SAME for number in column), members[group]))
    return found
