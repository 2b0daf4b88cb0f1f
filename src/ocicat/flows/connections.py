"""Live connections and what they have told so far: counters since birth become differences, counted once.

Connections are heard of in two ways, by listing those that exist and by the event of each one's end; what was
counted at the last hearing is kept for each. Whichever way comes first, every packet is told once. Pure.
Source: design/dataplane §3, spec/policy-semantics §11.3.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from ocicat.flows.tuples import Numbers, connection_numbers
from ocicat.ports.accounting import Table, empty

COUNTS: Final = ("packets", "bytes", "reply_packets", "reply_bytes")
VANISHED_AFTER: Final = 30
"""Lists in a row without a connection whose end was never told, until it counts as ended."""

_STATE: Final = np.dtype(
    [
        ("number", "<u8"),
        ("counts", "<u8", len(COUNTS)),
        ("mark", "<u4"),
        ("flow", "<i4"),
        ("over", "u1"),  # its end has been counted
        ("missing", "u1"),  # lists in a row that did not hold it
    ]
)

Flows = NDArray[np.int32]
Mask = NDArray[np.bool_]
Index = Callable[[Table], Flows]
"""Returns the flow of each row of TUPLE; -1 where there is no room for it."""


class Change(msgspec.Struct, frozen=True):
    """What one hearing added, row by row. A flow may have many rows, or none."""

    flow: Flows
    counts: NDArray[np.uint64]
    """(rows, 4): packets, bytes, packets and bytes of replies."""
    started: NDArray[np.int64]
    completed: NDArray[np.int64]
    opened: NDArray[np.int64]
    """By how many the flow's open connections become more, or fewer."""

    @classmethod
    def of(cls, flow: Flows, started: object = 0, completed: object = 0, opened: object = 0) -> "Change":
        """Return a change without packets; single numbers count for each row."""
        rows = len(flow)
        columns = [np.broadcast_to(np.asarray(item, np.int64), rows) for item in (started, completed, opened)]
        return cls(flow, np.zeros((rows, len(COUNTS)), np.uint64), *columns)


class Moved(msgspec.Struct, frozen=True):
    """Connections that policy has judged anew since the last hearing: from which flow they came to which."""

    before: Flows
    after: Flows
    counts: NDArray[np.uint64]
    """What was counted since the last hearing: under which verdict nobody knows."""


class Heard(msgspec.Struct, frozen=True):
    """What one hearing says."""

    changes: tuple[Change, ...] = ()
    moved: tuple[Moved, ...] = ()
    """The counts are in `changes` too, as those of the later flow."""


class Connections:
    """The live connections of a node."""

    def __init__(self, salt: int, index: Index) -> None:
        """Begin with none.

        Args:
            salt: Of this process; see `ocicat.flows.tuples`.
            index: Gives flows their numbers.
        """
        self._salt = salt
        self._index = index
        self._state = empty(_STATE)
        """By number, ascending."""
        self.vanished = 0
        """Connections that ended without their event: what they carried last is not known."""

    def __len__(self) -> int:
        return len(self._state)

    def flows_in_use(self) -> Flows:
        """Return the flows that live connections belong to, each once."""
        flows: Flows = np.unique(self._state["flow"])
        return flows

    def marks(self) -> frozenset[int]:
        """Return the marks of live connections."""
        return frozenset(np.unique(self._state["mark"]).tolist())

    def adopt(self, listed: Table, closed: Table) -> Heard:
        """Take over the connections that existed before: known from now on, nothing of them counted.

        Those that have been `closed` since are left out.
        """
        rows, numbers = _each_once(*self._judged(listed, dying=False))
        alive = ~np.isin(numbers, connection_numbers(closed, self._salt))
        rows, numbers = rows[alive], numbers[alive]
        flows = self._index(rows["tuple"])
        self._state = _states(rows, numbers, flows)
        return Heard((Change.of(flows, opened=1 - rows["over"].astype(np.int64)),))

    def listed(self, listed: Table, *, closed: Table, complete: bool = True) -> Heard:
        """Take in a list of live connections.

        Args:
            listed: CONNECTION rows.
            closed: What has been heard of closed ones since the list was begun. They are left to `closed`,
                lest one that is listed after its end was told should count twice.
            complete: Whether it was a list of all, so that who is not in it has ended.
        """
        rows, numbers = _each_once(*self._judged(listed, dying=False))
        alive = ~np.isin(numbers, connection_numbers(closed, self._salt))
        rows, numbers = rows[alive], numbers[alive]
        meeting = _Meeting.of(self._state, rows, numbers, self._index)
        over = rows["over"] != 0
        self._state = meeting.remembered(self._state, over)
        changes = list(meeting.changes(over))
        self.vanished += int(meeting.replaced.sum())
        if complete:
            changes.append(self._without_vanished(numbers))
        return Heard(tuple(changes), meeting.moved())

    def closed(self, closed: Table) -> Heard:
        """Take in connections that have ended, in the order of events."""
        rows, numbers = self._judged(closed, dying=True)
        changes: list[Change] = []
        moved: list[Moved] = []
        while len(rows):
            # One number may come twice: the kernel gives the place of a dead connection to the next one.
            _, first = np.unique(numbers, return_index=True)
            meeting = _Meeting.of(self._state, rows[first], numbers[first], self._index)
            changes += meeting.changes(np.ones(len(first), np.bool_))
            moved += meeting.moved()
            self.vanished += int(meeting.replaced.sum())
            self._state = meeting.forgotten(self._state)
            rest = np.ones(len(rows), np.bool_)
            rest[first] = False
            rows, numbers = rows[rest], numbers[rest]
        return Heard(tuple(changes), tuple(moved))

    def _judged(self, rows: Table, *, dying: bool) -> tuple[Table, Numbers]:
        """Return the rows that policy has judged, with their numbers; those that are dying only if asked."""
        kept = rows["tuple"]["mark"] != 0
        if not dying:
            kept &= rows["dying"] == 0
        rows = rows[kept]
        return rows, connection_numbers(rows, self._salt)

    def _without_vanished(self, listed: Numbers) -> Change:
        """Forget connections that no list has held for long, and whose end nobody told."""
        missing = ~np.isin(self._state["number"], listed)
        self._state["missing"] = np.where(missing, self._state["missing"] + 1, 0)
        gone = self._state["missing"] >= VANISHED_AFTER
        lost = self._state[gone]
        self._state = self._state[~gone]
        self.vanished += len(lost)
        return _ending(lost)


class _Meeting(msgspec.Struct, frozen=True):
    """Rows, each connection once, beside what is known of the same connections."""

    rows: Table
    numbers: Numbers
    place: NDArray[np.intp]
    """Where in the state each number is, or would be."""
    before: Table
    """What is known, row by row; without meaning where nothing is."""
    known: Mask
    replaced: Mask
    """Another connection had the number; its end was not told."""
    flows: Flows

    @classmethod
    def of(cls, state: Table, rows: Table, numbers: Numbers, index: Index) -> "_Meeting":
        if len(state):
            place = np.searchsorted(state["number"], numbers)
            place[place == len(state)] = 0
            before = state[place]
            there = before["number"] == numbers
        else:
            place = np.zeros(len(rows), np.intp)
            before = np.zeros(len(rows), _STATE)
            there = np.zeros(len(rows), np.bool_)
        # Counters never run backwards: where they seem to, this is another connection.
        backwards = (_counts(rows) < before["counts"]).any(axis=1)
        known = there & ~backwards
        flows = before["flow"].copy()
        new = ~(known & (before["mark"] == rows["tuple"]["mark"]))
        if new.any():
            flows[new] = index(rows["tuple"][new])
        return cls(rows, numbers, place, before, known, there & backwards, flows)

    @property
    def delta(self) -> NDArray[np.uint64]:
        """What was counted since the last hearing."""
        return _counts(self.rows) - np.where(self.known[:, None], self.before["counts"], np.uint64(0))

    @property
    def was_over(self) -> Mask:
        """Whose end has been counted before."""
        over: Mask = self.before["over"] != 0
        return self.known & over

    def changes(self, over: Mask) -> Iterable[Change]:
        """Yield what the rows add, when those in `over` have ended."""
        started = (~self.known).astype(np.int64)
        completed = (over & ~self.was_over).astype(np.int64)
        yield Change(self.flows, self.delta, started, completed, started - completed)
        moving = self._moving()
        if moving.any():
            still_open = 1 - self.was_over[moving].astype(np.int64)
            yield Change.of(self.before["flow"][moving], opened=-still_open)
            yield Change.of(self.flows[moving], opened=still_open)
        if self.replaced.any():
            yield _ending(self.before[self.replaced])

    def moved(self) -> tuple[Moved, ...]:
        """Return the connections that are in another flow than before."""
        moving = self._moving()
        if not moving.any():
            return ()
        return (Moved(self.before["flow"][moving], self.flows[moving], self.delta[moving]),)

    def _moving(self) -> Mask:
        elsewhere: Mask = self.before["flow"] != self.flows
        return self.known & elsewhere

    def remembered(self, state: Table, over: Mask) -> Table:
        """Return the state that knows these rows."""
        fresh = _states(self.rows, self.numbers, self.flows)
        fresh["over"] = over | self.was_over
        there = self.known | self.replaced
        state[self.place[there]] = fresh[there]
        if there.all():
            return state
        joined = np.concatenate([state, fresh[~there]])
        return joined[np.argsort(joined["number"], kind="stable")]

    def forgotten(self, state: Table) -> Table:
        """Return the state without the connections of these rows."""
        kept = np.ones(len(state), np.bool_)
        kept[self.place[self.known | self.replaced]] = False
        return state[kept]


def _ending(states: Table) -> Change:
    """Return the end of connections whose event was never heard."""
    completed = 1 - states["over"].astype(np.int64)
    return Change.of(states["flow"].copy(), completed=completed, opened=-completed)


def _counts(rows: Table) -> NDArray[np.uint64]:
    return np.stack([rows[name] for name in COUNTS], axis=1)


def _states(rows: Table, numbers: Numbers, flows: Flows) -> Table:
    states = np.zeros(len(rows), _STATE)
    states["number"], states["flow"], states["counts"] = numbers, flows, _counts(rows)
    states["mark"], states["over"] = rows["tuple"]["mark"], rows["over"]
    return states


def _each_once(rows: Table, numbers: Numbers) -> tuple[Table, Numbers]:
    """Return each connection once: a list may hold one twice while the kernel's table changes its size."""
    once, first = np.unique(numbers, return_index=True)
    return rows[first], once
