"""Elements of counter sets and what they have told so far: counters become differences, counted once.

An element goes when nothing has renewed it for a time-out, and comes back counting from zero; what tells the
two apart is when it is due to go. Pure. Source: design/dataplane §3.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from ocicat.flows.tuples import Numbers, flow_numbers
from ocicat.ports.accounting import Table, empty

_STATE: Final = np.dtype(
    [
        ("number", "<u8"),
        ("packets", "<u8"),
        ("bytes", "<u8"),
        ("due_ms", "<i8"),  # monotonic: when the element goes if nothing renews it
    ]
)
_SLACK_MS: Final = 200
"""By how much an element may outlive what we think: the kernel tells its time while a list is under way.
Until then one that is not listed is remembered, because a list may leave one out while the set grows."""


class Counted(msgspec.Struct, frozen=True):
    """What elements told beyond what was known, row by row."""

    tuples: Table
    """TUPLE rows, each once."""
    packets: NDArray[np.uint64]
    bytes: NDArray[np.uint64]


class Counters:
    """The elements of all counter sets."""

    def __init__(self, salt: int, timeout_ms: int) -> None:
        """Begin with none.

        Args:
            salt: Of this process; see `ocicat.flows.tuples`.
            timeout_ms: After which an element goes that nothing renews.
        """
        self._salt = salt
        self._timeout_ms = timeout_ms
        self._state = empty(_STATE)
        self.uncertain = 0
        """Packets that may have been missed: an element went and came again between two lists, and counted
        more than before, so that the two cannot be told apart."""

    def __len__(self) -> int:
        return len(self._state)

    def adopt(self, listed: Table, now_ms: int) -> None:
        """Take over what was counted before: known from now on, nothing of it told."""
        self.listed(listed, now_ms)
        self.uncertain = 0

    def begin_anew(self) -> None:
        """Forget all: the sets were emptied, and count from zero."""
        self._state = empty(_STATE)

    def listed(self, listed: Table, now_ms: int) -> Counted:
        """Return what a list of all sets adds.

        Args:
            listed: COUNTED rows.
            now_ms: Monotonic time at which the list was begun.
        """
        rows, numbers = self._each_once(listed)
        due = now_ms + rows["expires_ms"].astype(np.int64)
        before = self._known(numbers)
        there = before["number"] == numbers
        anew = there & self._came_again(rows, before, due, now_ms)
        known = there & ~anew
        packets = rows["packets"] - np.where(known, before["packets"], np.uint64(0))
        counted = rows["bytes"] - np.where(known, before["bytes"], np.uint64(0))
        self._remember(rows, numbers, due, now_ms)
        told = packets > 0
        return Counted(rows["tuple"][told], packets[told], counted[told])

    def _known(self, numbers: Numbers) -> Table:
        """Return the state of each number; one of number 0 where there is none."""
        if not len(self._state):
            return np.zeros(len(numbers), _STATE)
        place = np.searchsorted(self._state["number"], numbers)
        place[place == len(self._state)] = 0
        return self._state[place]

    def _came_again(
        self, rows: Table, before: Table, due: NDArray[np.int64], now_ms: int
    ) -> NDArray[np.bool_]:
        """Tell which elements went since the last list and came again."""
        fewer = (rows["packets"] < before["packets"]) | (rows["bytes"] < before["bytes"])
        renewed = due - before["due_ms"] > self._timeout_ms // 2
        equal = (rows["packets"] == before["packets"]) & renewed
        unclear = renewed & ~fewer & ~equal & (before["due_ms"] <= now_ms) & (before["number"] != 0)
        # Renewed only after the old one was due: either it came again, or it was renewed in time as well.
        unclear &= due - self._timeout_ms > before["due_ms"]
        self.uncertain += int(before["packets"][unclear].sum())
        again: NDArray[np.bool_] = fewer | equal
        return again

    def _remember(self, rows: Table, numbers: Numbers, due: NDArray[np.int64], now_ms: int) -> None:
        states = np.zeros(len(rows), _STATE)
        states["number"], states["due_ms"] = numbers, due
        states["packets"], states["bytes"] = rows["packets"], rows["bytes"]
        waiting = ~np.isin(self._state["number"], numbers)
        waiting &= self._state["due_ms"] + _SLACK_MS > now_ms
        joined = np.concatenate([self._state[waiting], states])
        self._state = joined[np.argsort(joined["number"], kind="stable")]

    def _each_once(self, listed: Table) -> tuple[Table, Numbers]:
        """Return each element once: a list may hold one twice while the set grows; the later has more."""
        numbers = flow_numbers(listed["tuple"], self._salt)
        order = np.lexsort((listed["packets"], numbers))
        rows, numbers = listed[order], numbers[order]
        last = np.ones(len(rows), np.bool_)
        last[:-1] = numbers[1:] != numbers[:-1]
        return rows[last], numbers[last]
