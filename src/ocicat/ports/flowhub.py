"""What the hub offers to those that serve it: history, live records, and how it stands."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from ocicat.model.flowfilter import Filter
from ocicat.model.record import FlowCounts, FlowRecord, Variant
from ocicat.ports.flowstore import Receipt, Row, StoreStats, Window


class Found(msgspec.Struct, frozen=True):
    """Sums of one kind of flow over a span of time."""

    number: int
    """The kind's number; stable while the store lives."""
    variant: Variant
    start_ns: int
    end_ns: int
    counts: FlowCounts


class Live(msgspec.Struct, frozen=True):
    """A record as it arrived."""

    position: int
    """Counts the records of a history; what a reader says to go on after a break."""
    number: int
    record: FlowRecord
    arrived_ns: int


class Loss(msgspec.Struct, frozen=True):
    """Records that nobody will ever see."""

    node: str
    records: int
    since_ns: int
    reason: str
    """For people."""


class Standing(msgspec.Struct, frozen=True):
    """How the hub stands."""

    store: StoreStats
    lag_ms: int
    """From the end of a record's interval to its arrival; the worst of the last five seconds."""
    flows_per_s: float
    losses: Sequence[Loss]
    nodes: Sequence[tuple[str, int]]
    """Name, and when it was heard of last (nanoseconds since 1970)."""


class Listener(Protocol):
    """One reader of live records."""

    def __aiter__(self) -> AsyncIterator[Sequence[Live]]:
        """Yield records in groups, as they come; what the reader is too slow for is counted, not kept."""

    @property
    def position(self) -> int:
        """The last record that was looked at, whether it was yielded or is not for this reader."""

    @property
    def missed(self) -> int:
        """How many records this reader has missed because it was too slow."""


class Ledger(Protocol):
    """Keeps batches so that one that is sent again is known, also after a crash."""

    async def take_batch(self, records: Sequence[FlowRecord], receipt: Receipt) -> None:
        """Keep records with the number of their batch, all or nothing; both survive a crash."""

    def sequence_of(self, sender: str) -> int:
        """Return the number of the sender's last batch that is kept; 0 for none."""

    async def lately(self, span_ns: int) -> Sequence[FlowRecord]:
        """Return the records of the last time that name no node: those of senders without batches."""


class FlowHub(Protocol):
    """Flows, past and present."""

    def now_ns(self) -> int:
        """Return the hub's time, nanoseconds since 1970."""

    async def take(self, records: Sequence[FlowRecord]) -> None:
        """Keep records; when this returns, readers have them, and they survive a crash."""

    async def found(
        self, window: Window, filter_: Filter, step_ns: int | None = None, upto: int | None = None
    ) -> list[Found]:
        """Return sums by kind of flow and step of those that the filter lets through.

        Of records up to a position, where it is given. What counts nothing is left out (§4.3).
        """

    async def sums(self, window: Window, numbers: Sequence[int], step_ns: int | None = None) -> list[Found]:
        """Return sums of some kinds of flows, by number and step."""

    async def group_sums(self, window: Window, groups: Mapping[int, int], step_ns: int) -> list[Row]:
        """Return sums by group and step of kinds of flows that have a group, which stands for the variant."""

    async def latest(self, window: Window, numbers: Sequence[int], limit: int) -> list[Found]:
        """Return single records of kinds of flows, the newest first."""

    def variants(self, numbers_of: Callable[[Variant], bool]) -> list[tuple[int, Variant]]:
        """Return the kinds of flows in history for which a test holds."""

    def matcher(self, filter_: Filter) -> Callable[[Variant], bool]:
        """Return a filter as a test, with the names of history for names that have a star."""

    def oldest_ns(self) -> int | None:
        """Return the begin of the oldest record in history."""

    @property
    def position(self) -> int:
        """The position of the last record that readers were told."""

    def listen(self) -> AbstractContextManager[Listener]:
        """Begin to hear live records: those after `position`, as it is at this moment."""

    async def since(self, position: int) -> tuple[list[Live], int]:
        """Return what readers were told after a position so far, and how many of those are missing."""

    def standing(self) -> Standing:
        """Return how the hub stands."""
