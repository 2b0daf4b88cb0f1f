"""The hub: takes records, hands them to readers at once, and remembers them.

Readers are fed from memory before the store has committed; the sender is answered after it has. Commits of
many senders are joined: one writer at a time, and whoever arrives while it writes goes with the next.
Source: spec/flows-and-console §3, design/dependencies "Flow store".
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from ocicat.model.flowfilter import Filter
from ocicat.model.record import FlowRecord, Variant
from ocicat.ports.clock import Clock
from ocicat.ports.flowhub import Found, Live, Loss, Standing
from ocicat.ports.flowstore import FlowStore, Row, Window

NS: Final = 1_000_000_000
RECENT: Final = 50_000
"""Records kept for readers that come back after a break."""
WAITING: Final = 20_000
"""Records that may wait for one reader; then it is too slow, and misses some."""
LAG_WINDOW_NS: Final = 5 * NS


class Hub:
    """Fulfils `ocicat.ports.flowhub.FlowHub`. To be used from one event loop."""

    def __init__(self, store: FlowStore, clock: Clock) -> None:
        """Make a hub that remembers in `store`."""
        self._store = store
        self._clock = clock
        self._recent: deque[Live] = deque(maxlen=RECENT)
        self._position = 0
        self._listeners: set[_Listener] = set()
        self._uncommitted: list[Row] = []
        self._commit: asyncio.Task[None] | None = None
        self._nodes: dict[str, int] = {}
        self._losses: dict[tuple[str, str], Loss] = {}
        self._names: set[str] = set()
        for variant in store.variants().values():
            self._note_names(variant)

    def now_ns(self) -> int:
        """Return the time."""
        return self._clock.now_ns()

    # --- taking ---------------------------------------------------------------------------------------------

    async def take(self, records: Sequence[FlowRecord]) -> None:
        """Keep records; returns when they are committed."""
        now = self._clock.now_ns()
        arrived = []
        for record in records:
            number = self._store.number_of(record.variant)
            self._note_names(record.variant)
            self._position += 1
            arrived.append(Live(self._position, number, record, now))
            self._uncommitted.append(Row(number, record.start_ns, record.end_ns, record.counts))
            if record.node:
                self._nodes[record.node] = now
        self._recent.extend(arrived)
        for listener in self._listeners:
            listener.hear(arrived)
        await self._committed()

    def _note_names(self, variant: Variant) -> None:
        key = variant.key
        self._names.update((key.source_name, key.dest_name, key.source_namespace, key.dest_namespace))

    async def _committed(self) -> None:
        """Return when everything that is uncommitted now has been written."""
        if self._commit is not None:
            # What is being written may not hold our rows: the next one does, for all who wait here.
            await asyncio.wait({self._commit})
        if self._commit is None or self._commit.done():
            self._commit = asyncio.create_task(self._write())
        await asyncio.shield(self._commit)

    async def _write(self) -> None:
        rows, self._uncommitted = self._uncommitted, []
        if rows:
            await asyncio.to_thread(self._store.append, rows)

    def lost(self, node: str, records: int, reason: str) -> None:
        """Note that a node gave records up."""
        old = self._losses.get((node, reason))
        since = old.since_ns if old else self._clock.now_ns()
        total = records + (old.records if old else 0)
        self._losses[node, reason] = Loss(node, total, since, reason)

    # --- asking ---------------------------------------------------------------------------------------------

    async def found(self, window: Window, filter_: Filter, step_ns: int | None = None) -> list[Found]:
        """Return sums by kind of flow and step; rows without any packet or connection are left out (§4.3)."""
        matches = filter_.matcher(self._names.__contains__)
        variants = dict(self._store.variants())
        numbers = [number for number, variant in variants.items() if matches(variant)]
        everything = len(numbers) == len(variants)
        rows = await asyncio.to_thread(self._store.sums, window, None if everything else numbers, step_ns)
        return [
            Found(row.variant, variants[row.variant], row.start_ns, row.end_ns, row.counts)
            for row in rows
            if row.variant in variants and any(row.counts.values()) and filter_.matches_counts(row.counts)
        ]

    async def latest(self, window: Window, numbers: Sequence[int], limit: int) -> list[Found]:
        """Return single records, the newest first."""
        rows = await asyncio.to_thread(self._store.latest, window, numbers, limit)
        variants = self._store.variants()
        return [
            Found(row.variant, variants[row.variant], row.start_ns, row.end_ns, row.counts) for row in rows
        ]

    def variants(self, numbers_of: Callable[[Variant], bool]) -> list[tuple[int, Variant]]:
        """Return the kinds of flows for which a test holds."""
        return [
            (number, variant)
            for number, variant in dict(self._store.variants()).items()
            if numbers_of(variant)
        ]

    def matcher(self, filter_: Filter) -> Callable[[Variant], bool]:
        """Return the filter as a test, with the names in history for names that have a star."""
        return filter_.matcher(self._names.__contains__)

    # --- listening ------------------------------------------------------------------------------------------

    @contextmanager
    def listen(self, after: int | None = None) -> "Iterator[_Listener]":
        """Hear live records; with `after`, first those after that position that are still known."""
        listener = _Listener()
        if after is not None:
            again = [live for live in self._recent if live.position > after]
            gone = (self._recent[0].position if self._recent else self._position + 1) - after - 1
            listener.missed += max(0, gone)
            listener.hear(again)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    @property
    def position(self) -> int:
        """The position of the last record."""
        return self._position

    def standing(self) -> Standing:
        """Return how the hub stands."""
        now = self._clock.now_ns()
        recent = [live for live in self._recent if live.arrived_ns > now - LAG_WINDOW_NS]
        lag_ns = max((live.arrived_ns - live.record.end_ns for live in recent), default=0)
        return Standing(
            store=self._store.stats(),
            lag_ms=max(0, lag_ns) // 1_000_000,
            flows_per_s=len(recent) * NS / LAG_WINDOW_NS,
            losses=tuple(self._losses.values()),
            nodes=tuple(sorted(self._nodes.items())),
        )


class _Listener:
    """Records that wait for one reader."""

    def __init__(self) -> None:
        self.missed = 0
        self._waiting: deque[Live] = deque()
        self._heard = asyncio.Event()

    def hear(self, records: Sequence[Live]) -> None:
        room = WAITING - len(self._waiting)
        self._waiting.extend(records[:room])
        self.missed += max(0, len(records) - room)
        if self._waiting:
            self._heard.set()

    async def __aiter__(self) -> AsyncIterator[Sequence[Live]]:
        while True:
            await self._heard.wait()
            self._heard.clear()
            taken, self._waiting = list(self._waiting), deque()
            yield taken
