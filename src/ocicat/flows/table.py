"""The flows that are being counted, with what has been counted of each since it was last reported.

A flow is a tuple of addresses, port, mark and Service, under the names that it had when it was first seen;
when the cluster gives an address another name, new connections make a new flow and old ones stay in theirs.
Bounded: past the bound a flow has the number -1, and what is counted of it is counted as lost. Pure.
"""

from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from ocicat.flows.connections import COUNTS, Change, Flows
from ocicat.flows.naming import Named
from ocicat.flows.tuples import FlowTuple, flow_numbers
from ocicat.model.record import FlowKey
from ocicat.ports.accounting import Table

NOWHERE: Final = -1
"""The number of flows for which there is no room."""
_FIRST_SIZE: Final = 256
_COLUMNS: Final = ("counts", "started", "completed", "open", "keys", "touched_ms", "silent", "used")
_ENDS: Final = 2
"""Columns of `keys`: the report of the source, the report of the destination."""


class Lost(msgspec.Struct):
    """What was counted of flows for which there was no room."""

    packets: int = 0
    connections: int = 0


class Name(msgspec.Struct):
    """What a flow is called, and by which picture of the cluster that is known to hold."""

    named: Named
    scene: object
    pending: object = None
    """The picture that its pending traces are from."""
    pending_ms: int = 0
    """Monotonic: when they were worked out."""


class FlowTable:
    """Flows by number."""

    def __init__(
        self, salt: int, most: int, name: Callable[[FlowTuple], Named], same: Callable[[Named], bool]
    ) -> None:
        """Begin with none.

        Args:
            salt: Of this process; see `ocicat.flows.tuples`.
            most: Flows that are kept.
            name: Names a flow that is met for the first time.
            same: Tells whether a flow would still have the names it has. Asked once for each `scene`.
        """
        self._salt = salt
        self._most = most
        self._name = name
        self._same = same
        self._numbers: dict[int, int] = {}
        self._free: list[int] = []
        self.held = Keys()
        self.scene: object = None
        """What the names are taken from; whoever changes it has new connections looked at anew."""
        self.names: list[Name | None] = []
        self.lost = Lost()
        self._columns(_FIRST_SIZE)

    def _columns(self, size: int) -> None:
        self.counts = np.zeros((size, len(COUNTS)), np.int64)
        """(flows, 4): packets, bytes, packets and bytes of replies, since the last report."""
        self.started = np.zeros(size, np.int64)
        self.completed = np.zeros(size, np.int64)
        self.open = np.zeros(size, np.int64)
        """Connections that are open now."""
        self.keys = np.full((size, _ENDS), NOWHERE, np.int32)
        """(flows, 2): the numbers of the keys under which source and destination report it."""
        self.touched_ms = np.zeros(size, np.int64)
        """Monotonic: when something was last counted."""
        self.silent = np.zeros(size, np.bool_)
        """Flows that are not reported, because counter sets tell of them."""
        self.used = np.zeros(size, np.bool_)

    def __len__(self) -> int:
        return len(self.names) - len(self._free)

    # --- numbers --------------------------------------------------------------------------------------------

    def index(self, tuples: Table) -> Flows:
        """Return the number of each row's flow, a new one where it is new, NOWHERE where there is no room."""
        numbers = flow_numbers(tuples, self._salt)
        once, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
        found = np.empty(len(once), np.int32)
        for position, (number, row) in enumerate(zip(once.tolist(), first.tolist(), strict=True)):
            found[position] = self._one(number, tuples, row)
        flows: Flows = found[inverse]
        return flows

    def _one(self, number: int, tuples: Table, row: int) -> int:
        flow = self._numbers.get(number)
        if flow is not None:
            name = self.names[flow]
            if name is not None and (name.scene is self.scene or self._still(name)):
                return flow
        flow = self._place()
        if flow != NOWHERE:
            self._numbers[number] = flow
            self.rename(flow, self._name(FlowTuple.of(tuples[row].tobytes())))
        return flow

    def rename(self, flow: int, named: Named) -> None:
        """Report a flow as `named` says from now on."""
        old = self.keys[flow].tolist()
        self.names[flow] = Name(named, self.scene)
        self.keys[flow] = [self.held.hold(key) for key in (named.src, named.dst)]
        self.silent[flow], self.used[flow] = named.silent, True
        for number in old:
            self.held.release(number)

    def _still(self, name: Name) -> bool:
        if not self._same(name.named):
            return False
        name.scene = self.scene
        return True

    def _place(self) -> int:
        if self._free:
            return self._free.pop()
        if len(self.names) == self._most:
            return NOWHERE
        if len(self.names) == len(self.open):
            self._grow()
        self.names.append(None)
        return len(self.names) - 1

    def _grow(self) -> None:
        size = len(self.open)
        old = {name: getattr(self, name) for name in _COLUMNS}
        self._columns(2 * size)
        for name, before in old.items():
            getattr(self, name)[:size] = before

    def marks(self) -> frozenset[int]:
        """Return the marks of all flows."""
        return frozenset(name.named.flow.mark for name in self.names if name is not None)

    def forget(self, flows: NDArray[np.intp]) -> None:
        """Give back the numbers of flows that nothing refers to any more."""
        gone = set(flows.tolist())
        self._numbers = {number: flow for number, flow in self._numbers.items() if flow not in gone}
        for flow in gone:
            self.names[flow] = None
            for number in self.keys[flow].tolist():
                self.held.release(number)
        self._free.extend(gone)
        self.used[flows] = False
        self.counts[flows] = 0
        self.started[flows] = self.completed[flows] = self.open[flows] = 0
        self.keys[flows] = NOWHERE

    # --- counting -------------------------------------------------------------------------------------------

    def add(self, change: Change, now_ms: int) -> None:
        """Count a change."""
        kept = change.flow != NOWHERE
        if not kept.all():
            self.lost.packets += int(change.counts[~kept][:, (0, 2)].sum())
            self.lost.connections += int(change.started[~kept].sum())
            change = Change(*(getattr(change, name)[kept] for name in Change.__struct_fields__))
        np.add.at(self.counts, change.flow, change.counts.astype(np.int64))
        np.add.at(self.started, change.flow, change.started)
        np.add.at(self.completed, change.flow, change.completed)
        np.add.at(self.open, change.flow, change.opened)
        self.touched_ms[change.flow] = now_ms

    def active(self) -> NDArray[np.intp]:
        """Return the flows of which something was counted since the last report."""
        size = len(self.names)
        counted = (self.started[:size] != 0) | (self.completed[:size] != 0) | self.counts[:size].any(axis=1)
        return np.flatnonzero(counted)

    def idle(self, before_ms: int) -> NDArray[np.intp]:
        """Return the flows of which nothing was counted since a moment, and that have nothing open."""
        size = len(self.names)
        quiet = (self.touched_ms[:size] < before_ms) & (self.open[:size] == 0)
        quiet &= self.used[:size]
        quiet[self.active()] = False
        return np.flatnonzero(quiet)


class Keys:
    """The keys that flows report under, by number; each is held by as many flows as have it."""

    def __init__(self) -> None:
        """Begin with none."""
        self._numbers: dict[FlowKey, int] = {}
        self._holders: list[int] = []
        self._free: list[int] = []
        self.keys: list[FlowKey | None] = []
        self.reported: set[int] = set()
        """Keys that some record has borne since they are held."""

    def __len__(self) -> int:
        return len(self.keys)

    def hold(self, key: FlowKey | None) -> int:
        """Return the number of a key, NOWHERE for none."""
        if key is None:
            return NOWHERE
        number = self._numbers.get(key)
        if number is None:
            number = self._free.pop() if self._free else len(self.keys)
            if number == len(self.keys):
                self.keys.append(key)
                self._holders.append(0)
            self.keys[number] = key
            self._numbers[key] = number
        self._holders[number] += 1
        return number

    def release(self, number: int) -> None:
        """Let go of a key; without holders it is forgotten."""
        if number == NOWHERE:
            return
        self._holders[number] -= 1
        if not self._holders[number]:
            key = self.keys[number]
            if key is not None:
                del self._numbers[key]
            self.keys[number] = None
            self.reported.discard(number)
            self._free.append(number)
