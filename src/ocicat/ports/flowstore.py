"""Where flows are remembered."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from ocicat.model.record import FlowCounts, Variant


class Row(msgspec.Struct, frozen=True, gc=False):
    """Counts of one kind of flow in one interval."""

    variant: int
    """Its number in the store."""
    start_ns: int
    end_ns: int
    counts: FlowCounts
    position: int = 0
    """Counts the rows of a store in the order in which they came; 0 in sums."""

    def joined(self, other: "Row") -> "Row":
        """Return both as one: sums, outer edges."""
        edges = min(self.start_ns, other.start_ns), max(self.end_ns, other.end_ns)
        return Row(self.variant, *edges, self.counts + other.counts)


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """Says that a sender's batches up to a number are kept."""

    sender: str
    sequence: int


class Window(msgspec.Struct, frozen=True, gc=False):
    """A span of time: records that begin in it, the end excluded. Nanoseconds since 1970."""

    start_ns: int
    end_ns: int


class StoreStats(msgspec.Struct, frozen=True):
    """What a store holds."""

    rows: int
    variants: int
    bytes: int
    """On disk; 0 where there is none."""
    oldest_ns: int | None
    """Begin of the oldest row."""


class FlowStore(Protocol):
    """Remembers rows; one process writes, and reads from any thread."""

    def variants(self) -> Mapping[int, Variant]:
        """Return every kind of flow that is known, by number."""

    def number_of(self, variant: Variant) -> int:
        """Return the number of a kind of flow, a new one for a new kind."""

    def append(self, rows: Sequence[Row], receipts: Sequence[Receipt] = ()) -> None:
        """Keep rows, and receipts for the batches that brought them, all or nothing.

        When it returns, they survive the end of the process.
        """

    def receipts(self) -> Mapping[str, int]:
        """Return the last number of each sender, at least of those heard of in the last hour."""

    def sums(
        self,
        window: Window,
        variants: Sequence[int] | None,
        step_ns: int | None = None,
        upto: int | None = None,
    ) -> list[Row]:
        """Return the sums of the rows that begin in `window`, one for each variant and step.

        Args:
            window: The span of time.
            variants: The kinds of flows that count; None for all.
            step_ns: The length of a step, aligned to multiples of it since 1970; None for one step that is
                the window. Rows of the answer have the outer edges of what was summed.
            upto: Only rows up to this position count; None for all.
        """

    def group_sums(self, window: Window, groups: Mapping[int, int], step_ns: int) -> list[Row]:
        """Return sums by group and step of variants that have a group; rows have it in place of the variant.

        A thousand kinds in a handful of groups are summed where they are, and need not be carried.
        """

    def latest(self, window: Window, variants: Sequence[int], limit: int) -> list[Row]:
        """Return single rows as they came, the newest first, at most `limit`."""

    def since(self, position: int, limit: int) -> list[Row]:
        """Return the rows that came after a position, in order; the newest `limit` where there are more.

        Rows that have been summed into windows since have no position any more, and are not among them.
        """

    def last_position(self) -> int:
        """Return the position of the row that came last; 0 for an empty store."""

    def roll(self, now_ns: int) -> int:
        """Keep rows of some age as sums of windows; return how much was joined. To be called now and then."""

    def retain(self, cutoff_ns: int, most_bytes: int | None) -> int:
        """Forget what is older than the cutoff, then the oldest while more than `most_bytes` are used.

        Whole segments go, so that some older rows may stay. Returns how many segments went.
        """

    def stats(self) -> StoreStats:
        """Return what the store holds."""

    def close(self) -> None:
        """Finish writing and close."""
