"""The peers that are judged, kept from one rendering to the next as long as nothing about them changes."""

from collections.abc import Sequence

import msgspec

from ocicat.dataplane.nft.kinds import Criteria, Kinds, kinds_of
from ocicat.engine.peers import PeerTable
from ocicat.engine.plan import Plan
from ocicat.model.net import Address


class Crowd(msgspec.Struct, frozen=True, eq=False):
    """The peers of one direction and family."""

    kinds: Kinds
    table: PeerTable
    """An example of each kind, then the free addresses of segments, ready to be judged."""
    epoch: int
    """Another number whenever the addresses in `table`, or who is there, differ from before."""


class Crowds:
    """Finds the peers of each direction and family."""

    def __init__(self) -> None:
        """Start without memory."""
        self._plan: dict[object, tuple[Plan, Criteria, tuple[int | None, ...], Crowd]] = {}
        self._seen: dict[object, tuple[object, int]] = {}
        self._epoch = 0

    def of(self, plan: Plan, whose: object, family: int, criteria: Criteria) -> Crowd:
        """Return the peers that rules ask `criteria` of; `whose` keeps several of a Plan apart."""
        members = tuple(plan.sets.get(name) for name in sorted(criteria.sets))
        last = self._plan.get(whose)
        if last is not None and _same_peers(last[0], plan) and last[1:3] == (criteria, members):
            return last[3]
        kinds = kinds_of(plan, family, criteria)
        judged = kinds.judged()
        crowd = Crowd(kinds, PeerTable(plan, judged), self._epoch_of(plan, whose, judged))
        self._plan[whose] = plan, criteria, members, crowd
        return crowd

    def _epoch_of(self, plan: Plan, whose: object, judged: Sequence[Address]) -> int:
        owners = [plan.owners.get(address, ()) for address in judged]
        ports = [tuple(plan.entities[number].named_ports for number in numbers) for numbers in owners]
        seen = (list(judged), owners, ports, plan.cidrs)
        last = self._seen.get(whose)
        if last is None or last[0] != seen:
            self._epoch += 1
            last = self._seen[whose] = seen, self._epoch
        return last[1]


def _same_peers(before: Plan, now: Plan) -> bool:
    """Tell whether two Plans share what says who is where: an index shares the tables it did not touch."""
    return (
        before.owners is now.owners
        and before.entities is now.entities
        and before.cidrs is now.cidrs
        and before.services is now.services
    )
