"""A flow store in memory, for tests and for a hub that shall keep nothing."""

from collections.abc import Mapping, Sequence

import msgspec

from ocicat.model.record import Variant
from ocicat.ports.flowstore import Receipt, Row, StoreStats, Window


class MemoryStore:
    """Keeps rows in a list; the plain definition of what a store answers."""

    def __init__(self) -> None:
        """Make an empty store."""
        self._variants: dict[int, Variant] = {}
        self._numbers: dict[Variant, int] = {}
        self._rows: list[Row] = []
        self._receipts: dict[str, int] = {}

    def variants(self) -> Mapping[int, Variant]:
        """Return every kind of flow that is known, by number."""
        return self._variants

    def number_of(self, variant: Variant) -> int:
        """Return the number of a kind of flow, a new one for a new kind."""
        number = self._numbers.setdefault(variant, len(self._numbers) + 1)
        self._variants[number] = variant
        return number

    def append(self, rows: Sequence[Row], receipts: Sequence[Receipt] = ()) -> None:
        """Keep rows and receipts."""
        self._rows += rows
        self._receipts |= {receipt.sender: receipt.sequence for receipt in receipts}

    def receipts(self) -> Mapping[str, int]:
        """Return the last number of each sender."""
        return self._receipts

    def sums(
        self,
        window: Window,
        variants: Sequence[int] | None,
        step_ns: int | None = None,
        upto: int | None = None,
    ) -> list[Row]:
        """Return sums by variant and step."""
        wanted = None if variants is None else set(variants)
        found: dict[tuple[int, int], Row] = {}
        for row in self._rows:
            if not window.start_ns <= row.start_ns < window.end_ns:
                continue
            if wanted is not None and row.variant not in wanted:
                continue
            if upto is not None and row.position > upto:
                continue
            place = (row.variant, row.start_ns // step_ns if step_ns else 0)
            before = found.get(place)
            found[place] = before.joined(row) if before else row
        return [found[place] for place in sorted(found)]

    def group_sums(self, window: Window, groups: Mapping[int, int], step_ns: int) -> list[Row]:
        """Return sums by group and step."""
        found: dict[tuple[int, int], Row] = {}
        for row in self.sums(window, list(groups), step_ns):
            place = (groups[row.variant], row.start_ns // step_ns)
            grouped = msgspec.structs.replace(row, variant=place[0])
            found[place] = found[place].joined(grouped) if place in found else grouped
        return [found[place] for place in sorted(found)]

    def latest(self, window: Window, variants: Sequence[int], limit: int) -> list[Row]:
        """Return single rows, the newest first."""
        wanted = set(variants)
        found = [
            row
            for row in reversed(self._rows)
            if row.variant in wanted and window.start_ns <= row.start_ns < window.end_ns
        ]
        return sorted(found, key=lambda row: -row.start_ns)[:limit]

    def since(self, position: int, limit: int) -> list[Row]:
        """Return the rows that came after a position."""
        found = sorted((row for row in self._rows if row.position > position), key=lambda row: row.position)
        return found[-limit:]

    def last_position(self) -> int:
        """Return the position of the row that came last."""
        return max((row.position for row in self._rows), default=0)

    def roll(self, now_ns: int) -> int:
        """Do nothing: rows stay as they came."""
        return 0

    def retain(self, cutoff_ns: int, most_bytes: int | None) -> int:
        """Forget what ended before the cutoff; memory has no segments and counts no bytes."""
        before = len(self._rows)
        self._rows = [row for row in self._rows if row.end_ns >= cutoff_ns]
        return int(len(self._rows) < before)

    def stats(self) -> StoreStats:
        """Return what the store holds."""
        oldest = min((row.start_ns for row in self._rows), default=None)
        return StoreStats(len(self._rows), len(self._variants), 0, oldest)

    def close(self) -> None:
        """Do nothing."""
