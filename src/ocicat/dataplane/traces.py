"""`TraceBook`: the numbers under which the kernel writes outcomes into connection marks.

A number stands for one outcome (verdict with its enforced and pending trace) in one direction. It is given
to another outcome only after two things: no chain writes it any more, and no connection carries it any
more. Numbers between the two are *retired*; their chains stay in the ruleset, out of reach, so that whoever
reads a connection's mark still learns what it meant, also after a restart: `restore` takes back what the
kernel's own comments say.

Source: design/dataplane §2 (halves of the mark), §3 (recycling).
"""

from collections.abc import Collection, Mapping
from typing import Final

from ocicat.engine.policy import Direction
from ocicat.engine.program import Outcome

UNKNOWN: Final = 65535
"""The number of every outcome that found none free. Never given back."""
NOT_JUDGED: Final = 0


class TraceBook:
    """Outcomes by number and numbers by outcome, for each direction."""

    def __init__(self, most: int = UNKNOWN - 1) -> None:
        """Start empty; numbers are 1 to `most`."""
        self._most = most
        self._pages = {direction: _Page() for direction in Direction}

    def id_of(self, direction: Direction, outcome: Outcome) -> int:
        """Return the number of an outcome, a new one if it has none; UNKNOWN if none is free."""
        page = self._pages[direction]
        number = page.numbers.get(outcome)
        if number is not None:
            page.retired.discard(number)
            return number
        number = page.free.pop() if page.free else page.top + 1
        if number > self._most:
            return UNKNOWN
        page.set(number, outcome)
        return number

    def outcome(self, direction: Direction, number: int) -> Outcome | None:
        """Return the outcome of a number; None for one that is not in use."""
        return self._pages[direction].outcomes.get(number)

    def known(self, direction: Direction) -> Mapping[int, Outcome]:
        """Return every number in use, the retired ones included."""
        return self._pages[direction].outcomes

    def retired(self, direction: Direction) -> frozenset[int]:
        """Return the numbers that no chain writes any more."""
        return frozenset(self._pages[direction].retired)

    def rendered(self, direction: Direction, numbers: Collection[int]) -> None:
        """Note which numbers a ruleset still writes. The others are retired.

        Numbers that were given back are free from now on: this ruleset has no chain of theirs, so that in the
        next one such a chain is new, and never changes its meaning while packets are on their way through it.
        """
        page = self._pages[direction]
        page.unexplained = UNKNOWN in numbers
        page.retired = set(page.outcomes) - set(numbers)
        page.free += sorted(page.leaving, reverse=True)
        page.leaving.clear()

    @property
    def unexplained(self) -> tuple[Direction, ...]:
        """The directions in which the last ruleset writes UNKNOWN: such connections are allowed or denied as
        policy says, and nobody can tell why."""
        return tuple(direction for direction, page in self._pages.items() if page.unexplained)

    @property
    def may_explain(self) -> bool:
        """Whether another rendering finds numbers for outcomes that have none, or the one after it."""
        return any(
            page.unexplained and (page.free or page.leaving or page.top < self._most)
            for page in self._pages.values()
        )

    def retire(self, direction: Direction, ids_in_use: Collection[int]) -> frozenset[int]:
        """Give back the retired numbers that no connection carries, and return them.

        Args:
            direction: Which half of the mark it is about. ids_in_use: The numbers found in the marks of all
            connections, read *after* the ruleset that no longer writes them was in force.
        """
        page = self._pages[direction]
        gone = page.retired - set(ids_in_use)
        for number in gone:
            del page.numbers[page.outcomes.pop(number)]
        page.leaving |= gone
        page.retired -= gone
        return frozenset(gone)

    def restore(self, direction: Direction, outcomes: Mapping[int, Outcome]) -> None:
        """Take over the numbers of an earlier process, before any number has been given."""
        page = self._pages[direction]
        for number, outcome in sorted(outcomes.items()):
            if 0 < number <= self._most and outcome not in page.numbers:
                page.set(number, outcome)
        page.free = [number for number in range(page.top, 0, -1) if number not in page.outcomes]
        page.retired = set(page.outcomes)


class _Page:
    """The numbers of one direction."""

    def __init__(self) -> None:
        self.numbers: dict[Outcome, int] = {}
        self.outcomes: dict[int, Outcome] = {}
        self.retired: set[int] = set()
        self.leaving: set[int] = set()
        """Given back, and free once a ruleset without them has been rendered."""
        self.free: list[int] = []
        self.unexplained = False
        self.top = 0
        """The highest number that was ever given."""

    def set(self, number: int, outcome: Outcome) -> None:
        self.numbers[outcome] = number
        self.outcomes[number] = outcome
        self.top = max(self.top, number)
