"""Two witnesses of each connection: the table of connections, and the set that counts their first packets.

Each can only miss some. Conntrack tells of a connection when its list is read or its end is told; the set
counts it at once, and whatever happens to events. So the set says first that there is something new, and in
the end whether the other has missed connections. Pure. Source: design/dataplane §3.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
import numpy as np

from ocicat.flows.connections import Flows
from ocicat.flows.counted import Counted
from ocicat.flows.tuples import directly, flow_numbers
from ocicat.ports.accounting import Table

GRACE_MS: Final = 5000
"""How long the table of connections may take to tell of what the set has counted."""


class _Group(msgspec.Struct):
    """Connections between the same ends with the same mark, whatever was dialled."""

    row: bytes
    """Its TUPLE, as if nothing else had been dialled."""
    counted: int = 0
    told: int = 0
    uneven_since_ms: int | None = None
    then: tuple[int, int] = (0, 0)
    """What `counted` and `told` were at that moment."""
    touched_ms: int = 0
    flows: tuple[int, ...] = ()
    """The flows that make it up, as far as they are known."""


class Missed(msgspec.Struct, frozen=True):
    """Connections that were counted, and of which nothing else was ever told."""

    row: bytes
    flows: tuple[int, ...]
    connections: int


class Witness:
    """Compares the two, group by group."""

    def __init__(self, salt: int) -> None:
        """Begin with nothing seen; for `salt` see `ocicat.flows.tuples`."""
        self._salt = salt
        self._groups: dict[int, _Group] = {}
        self._of_flow: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._groups)

    def counted(self, counted: Counted, now_ms: int) -> frozenset[int]:
        """Take in what `conns…` sets counted. Return the marks of groups that nobody has told of yet."""
        numbers = flow_numbers(counted.tuples, self._salt).tolist()
        marks: set[int] = set()
        for position, (number, packets) in enumerate(zip(numbers, counted.packets.tolist(), strict=True)):
            group = self._groups.get(number)
            if group is None:
                group = self._groups[number] = _Group(counted.tuples[position].tobytes())
            if not group.flows:
                marks.add(int(counted.tuples["mark"][position]))
            group.counted += packets
            _weigh(group, now_ms)
        return frozenset(marks)

    def known(self, tuples: Table, flows: Flows) -> None:
        """Note which group flows belong to: TUPLE rows and their flows, beside each other."""
        plain = directly(tuples)
        numbers = flow_numbers(plain, self._salt).tolist()
        for position, (number, flow) in enumerate(zip(numbers, flows.tolist(), strict=True)):
            if flow >= 0 and self._of_flow.get(flow) != number:
                self._of_flow[flow] = number
                group = self._groups.setdefault(number, _Group(plain[position].tobytes()))
                group.flows = (*group.flows, flow)

    def told(self, flows: Flows, started: Iterable[int], now_ms: int) -> None:
        """Take in how many connections of each flow the table of connections has told of."""
        for flow, number in zip(flows.tolist(), started, strict=True):
            group = self._groups.get(self._of_flow.get(flow, 0))
            if group is not None and number:
                group.told += number
                _weigh(group, now_ms)

    def settle(self, now_ms: int) -> Iterator[Missed]:
        """Yield what was missed for so long that it will not be told any more; each connection once.

        While connections keep coming the two are never even, so what was counted then is compared with what
        has been told by now.
        """
        for group in self._groups.values():
            since = group.uneven_since_ms
            if since is None or now_ms - since < GRACE_MS:
                continue
            counted, told = group.then
            if counted > group.told:
                yield Missed(group.row, group.flows, counted - group.told)
                group.told = counted
            elif told > group.counted:  # the set was full, or connections were taken over: nothing is wanting
                group.counted = told
            group.uneven_since_ms = None
            _weigh(group, now_ms)

    def forget(self, flows: Iterable[int], before_ms: int) -> None:
        """Forget flows that are gone, and groups of which nothing was heard since a moment."""
        for flow in flows:
            number = self._of_flow.pop(flow, None)
            group = self._groups.get(number) if number is not None else None
            if group is not None:
                group.flows = tuple(other for other in group.flows if other != flow)
        self._groups = {
            number: group
            for number, group in self._groups.items()
            if group.flows or group.touched_ms >= before_ms or group.uneven_since_ms is not None
        }


def _weigh(group: _Group, now_ms: int) -> None:
    group.touched_ms = now_ms
    if group.counted == group.told:
        group.uneven_since_ms = None
    elif group.uneven_since_ms is None:
        group.uneven_since_ms, group.then = now_ms, (group.counted, group.told)


def sums_of(flows: Flows, numbers: np.ndarray) -> tuple[Flows, list[int]]:
    """Return each flow once, with the sum of its numbers."""
    once, inverse = np.unique(flows, return_inverse=True)
    sums = np.zeros(len(once), np.int64)
    np.add.at(sums, inverse, numbers)
    return once, sums.tolist()
