"""Which answer each peer gets from each local endpoint, and peers that get the same ones as groups. Pure.

All addresses of a family are cut into *segments*, at the bounds of the CIDRs that local rules and their
network sets name; in between no rule tells addresses apart, unless something owns one. So there are three
sorts of peers: the *rest* (the widest segment), the other segments, and exact addresses. A peer's answers
are compared with what it would get one step further down this list, and only what differs is kept; peers
with the same remainder share a group. A peer with no remainder is in no map.

Source: design/dataplane §1, §8; docs/adr/0007.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from ocicat.dataplane.nft.kinds import Ints, Kinds, Segment

_SAME: Final = -1
"""Stands in a matrix for an answer that is found one step further down."""


class Row(msgspec.Struct, frozen=True, eq=False):
    """What peers get from one Program."""

    chains: tuple[str, ...]
    """The distinct signature chains."""
    own: Ints
    """shape (peers,): which of them is a peer's own."""


class PeerGroup(msgspec.Struct, frozen=True):
    """Peers that get the same answers."""

    answers: tuple[tuple[int, str], ...]
    """Position of a Program and the signature chain there; the others answer one step further down."""
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


def judged_peers(kinds: Kinds, rows: Sequence[Row]) -> Peers:
    """Return what every peer gets from each Program.

    Args:
        kinds: The peers of a family.
        rows: For each Program, what it gives the examples of kinds, then the free addresses.

    Cost: O(kinds x Programs).
    """
    numbers: dict[str, int] = {}
    matrix = np.stack(
        [np.array([numbers.setdefault(name, len(numbers)) for name in row.chains])[row.own] for row in rows]
    )
    names = list(numbers)
    of_kinds, of_wide = matrix[:, : len(kinds.examples)], matrix[:, len(kinds.examples) :]
    widths = [segment.last - segment.first for segment in kinds.segments]
    rest = widths.index(max(widths))
    of_rest = of_wide[:, rest]
    step = _segment_of_kind(kinds, rest)
    kind_groups = _groups(np.where(of_kinds == of_wide[:, step], _SAME, of_kinds), names)
    wide_groups = _groups(np.where(of_wide == of_rest[:, None], _SAME, of_wide), names)
    members = _members(kinds)
    return Peers(
        tuple(names[number] for number in of_rest.tolist()),
        tuple(
            PeerGroup(found, addresses=tuple(sorted(bits for kind in chosen for bits in members[kind])))
            for found, chosen in kind_groups
        ),
        tuple(
            PeerGroup(found, segments=tuple(kinds.segments[column] for column in chosen))
            for found, chosen in wide_groups
        ),
    )


def _segment_of_kind(kinds: Kinds, rest: int) -> Ints:
    """Return the segment that a kind's peers fall through to; all of a kind are in one."""
    result = np.full(len(kinds.examples), rest, dtype=np.int64)
    result[kinds.kind_of] = np.where(kinds.segment_of >= 0, kinds.segment_of, rest)
    return result


def _members(kinds: Kinds) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in kinds.examples]
    for bits, kind in zip(kinds.exact, kinds.kind_of.tolist(), strict=True):
        found[kind].append(bits)
    return found


def _groups(remainder: Ints, names: Sequence[str]) -> list[tuple[tuple[tuple[int, str], ...], list[int]]]:
    """Return the distinct columns but the one that is all _SAME, each with its members ascending."""
    columns = np.ascontiguousarray(remainder.T)
    if not len(columns):
        return []
    as_bytes = columns.view(np.dtype((np.void, columns.dtype.itemsize * columns.shape[1]))).ravel()
    _, first, own = np.unique(as_bytes, return_index=True, return_inverse=True)
    members: list[list[int]] = [[] for _ in first]
    for column, group in enumerate(own.ravel().tolist()):
        members[group].append(column)
    found = []
    for group, example in enumerate(first.tolist()):
        programs = np.flatnonzero(columns[example] != _SAME).tolist()
        if programs:
            answers = tuple((program, names[columns[example, program]]) for program in programs)
            found.append((answers, members[group]))
    return found
