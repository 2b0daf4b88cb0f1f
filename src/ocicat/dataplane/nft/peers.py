"""What each peer gets from one Program, without saying anything twice. Pure.

A packet's peer is looked for among exact addresses, then among CIDRs, and else it is one of the *rest*. All
addresses are cut into segments at the bounds of the CIDRs that rules name (`kinds`); the rest is what the
widest segment gets. An address or segment is written down only where its answer differs from the one that
it would find one step further down.

Source: design/dataplane §1, §8; docs/adr/0009.
"""

from collections.abc import Iterator, Mapping

import msgspec
import numpy as np

from ocicat.dataplane.nft.kinds import Ints, Kinds, Segment
from ocicat.model.net import WIDTH, Address, Prefix


class Row(msgspec.Struct, frozen=True, eq=False):
    """The answers of one Program."""

    chains: tuple[str, ...]
    """The distinct signature chains."""
    own: Ints
    """shape (kinds + free addresses,): which of them is whose."""


class JudgedPeers(msgspec.Struct, frozen=True):
    """Where peers go: text of an address or of a segment → signature chain."""

    exact: Mapping[str, str]
    nets: Mapping[str, str]
    rest: str


def judged_peers(kinds: Kinds, row: Row) -> JudgedPeers:
    """Return where the peers of a Program go. Cost: O(kinds), and O(1) for each address that is written
    down."""
    count = len(kinds.examples)
    of_kinds, of_free = row.own[:count], row.own[count:]
    rest = int(of_free[kinds.widest])
    found = np.where(kinds.step >= 0, of_free[kinds.step], rest)
    exact: dict[str, str] = {}
    for kind in np.flatnonzero(of_kinds != found).tolist():
        exact.update(dict.fromkeys(kinds.members[kind], row.chains[of_kinds[kind]]))
    nets = {
        range_text(kinds.family, segment): row.chains[answer]
        for segment, answer in _merged(kinds.segments, of_free.tolist())
        if answer != rest
    }
    return JudgedPeers(exact, nets, row.chains[rest])


def _merged(segments: tuple[Segment, ...], answers: list[int]) -> Iterator[tuple[Segment, int]]:
    """Yield segments with their answers; neighbours with the same one as one."""
    held: tuple[Segment, int] | None = None
    for segment, answer in zip(segments, answers, strict=True):
        if held is not None and held[1] == answer and held[0].last + 1 == segment.first:
            held = Segment(held[0].first, segment.last), answer
            continue
        if held is not None:
            yield held
        held = segment, answer
    if held is not None:
        yield held


def range_text(family: int, segment: Segment) -> str:
    """Return a segment as nft prints it: a CIDR where it is one, else both ends."""
    size = segment.last - segment.first + 1
    length = WIDTH[family] - (size.bit_length() - 1)
    if size & (size - 1) == 0 and segment.first % size == 0:
        return str(Prefix(family, segment.first, length))
    return f"{Address(family, segment.first)}-{Address(family, segment.last)}"
