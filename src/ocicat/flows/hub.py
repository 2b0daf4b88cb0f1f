"""The hub: takes records, remembers them, and hands them to readers at once.

Records are committed first; then readers have them and the sender is answered. So what a reader has seen
survives a crash, and the positions by which readers go on after a break mean the same after a restart.
Commits of many senders are joined: one writer at a time; whoever arrives while it writes goes with the next.
Source: spec/flows-and-console §3, design/dependencies "Flow store".
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from ocicat.model.flowfilter import Filter
from ocicat.model.record import FlowRecord, Variant
from ocicat.ports.clock import Clock
from ocicat.ports.flowhub import Found, Live, Loss, Standing
from ocicat.ports.flowstore import FlowStore, Receipt, Row, Window

NS: Final = 1_000_000_000
RECENT: Final = 50_000
"""Records kept in memory for readers that come back after a break; older ones come from the store."""
WAITING: Final = 20_000
"""Records that may wait for one reader; then it is too slow, and misses some."""
LATELY: Final = 500_000
"""Records that are looked at for repetitions after a start."""
LAG_SECONDS: Final = 5


class Hub:
    """Fulfils `ocicat.ports.flowhub.FlowHub`. To be used from one event loop."""

    def __init__(self, store: FlowStore, clock: Clock) -> None:
        """Make a hub that remembers in `store`."""
        self._store = store
        self._clock = clock
        self._recent: deque[Live] = deque(maxlen=RECENT)
        self._position = self._told = store.last_position()
        self._listeners: set[_Listener] = set()
        self._uncommitted: list[Live] = []
        self._unwritten_receipts: list[Receipt] = []
        self._receipts = store.receipts()
        self._commit: asyncio.Task[None] | None = None
        self._pace = _Pace()
        self._nodes: dict[str, int] = {}
        self._losses: dict[tuple[str, str], Loss] = {}
        self._names: set[str] = set()
        for variant in store.variants().values():
            self._note_names(variant)

    def now_ns(self) -> int:
        """Return the time."""
        return self._clock.now_ns()

    # --- taking ---------------------------------------------------------------------------------------------

    async def take_batch(self, records: Sequence[FlowRecord], receipt: Receipt) -> None:
        """Keep the records of a batch with its number. Raises what the store raises; then none is kept."""
        self._unwritten_receipts.append(receipt)
        await self.take(records)

    def sequence_of(self, sender: str) -> int:
        """Return the number of the sender's last batch that was kept before this start; 0 for none."""
        return self._receipts.get(sender, 0)

    async def lately(self, span_ns: int) -> Sequence[FlowRecord]:
        """Return the records of the last time that name no node."""
        numbers = [number for number, _ in self.variants(lambda variant: not variant.node)]
        window = Window(self.now_ns() - span_ns, 1 << 62)
        found = await self.latest(window, numbers, LATELY)
        return [item.variant.record(item.start_ns, item.end_ns, item.counts) for item in found]

    async def take(self, records: Sequence[FlowRecord]) -> None:
        """Keep records; returns when they are committed. Raises what the store raises; then none is kept."""
        now = self._clock.now_ns()
        for record in records:
            number = self._store.number_of(record.variant)
            self._note_names(record.variant)
            self._position += 1
            self._uncommitted.append(Live(self._position, number, record, now))
            self._pace.note(now, record.end_ns)
            if record.node:
                self._nodes[record.node] = now
        if records:
            await self._committed()

    def _note_names(self, variant: Variant) -> None:
        key = variant.key
        self._names.update((key.source_name, key.dest_name, key.source_namespace, key.dest_namespace))

    async def _committed(self) -> None:
        """Return when everything that is uncommitted now has been written."""
        if self._commit is not None:
            # What is being written may not hold our records: the next one does, for all who wait here.
            await asyncio.wait({self._commit})
        if self._commit is None or self._commit.done():
            self._commit = asyncio.create_task(self._write())
        await asyncio.shield(self._commit)

    async def _write(self) -> None:
        """Write what waits, and tell the readers. One such task runs at a time."""
        written, self._uncommitted = self._uncommitted, []
        receipts, self._unwritten_receipts = self._unwritten_receipts, []
        rows = [
            Row(live.number, live.record.start_ns, live.record.end_ns, live.record.counts, live.position)
            for live in written
        ]
        await asyncio.to_thread(self._store.append, rows, receipts)
        if written:
            self._told = written[-1].position
        self._recent.extend(written)
        for listener in self._listeners:
            listener.hear(written)

    async def age(self, keep_ns: int, most_bytes: int | None) -> tuple[int, int]:
        """Keep old records as sums, and forget what is older than `keep_ns`, or too much.

        Returns how many files were joined, and how many are gone. To be called now and then.
        """
        now = self._clock.now_ns()
        # What is forgotten makes room for joining the rest.
        gone = await asyncio.to_thread(self._store.retain, now - keep_ns, most_bytes)
        return await asyncio.to_thread(self._store.roll, now), gone

    def lost(self, node: str, records: int, reason: str) -> None:
        """Note that a node gave records up."""
        old = self._losses.get((node, reason))
        since = old.since_ns if old else self._clock.now_ns()
        total = records + (old.records if old else 0)
        self._losses[node, reason] = Loss(node, total, since, reason)

    # --- asking ---------------------------------------------------------------------------------------------

    async def found(
        self, window: Window, filter_: Filter, step_ns: int | None = None, upto: int | None = None
    ) -> list[Found]:
        """Return sums by kind of flow and step; rows without any packet or connection are left out (§4.3)."""
        matches = self.matcher(filter_)

        def summed() -> list[Found]:
            variants = self._store.variants()
            numbers = [number for number, variant in variants.items() if matches(variant)]
            chosen = None if len(numbers) == len(variants) else numbers
            found = _found(variants, self._store.sums(window, chosen, step_ns, upto))
            return [item for item in found if filter_.matches_counts(item.counts)]

        return await asyncio.to_thread(summed)

    async def sums(self, window: Window, numbers: Sequence[int], step_ns: int | None = None) -> list[Found]:
        """Return sums of some kinds of flows, by number and step."""
        rows = await asyncio.to_thread(self._store.sums, window, numbers, step_ns)
        return _found(self._store.variants(), rows)

    async def group_sums(self, window: Window, groups: Mapping[int, int], step_ns: int) -> list[Row]:
        """Return sums by group and step of kinds of flows that have a group."""
        return await asyncio.to_thread(self._store.group_sums, window, groups, step_ns)

    async def latest(self, window: Window, numbers: Sequence[int], limit: int) -> list[Found]:
        """Return single records, the newest first."""
        rows = await asyncio.to_thread(self._store.latest, window, numbers, limit)
        return _found(self._store.variants(), rows)

    def oldest_ns(self) -> int | None:
        """Return the begin of the oldest record in history."""
        return self._store.stats().oldest_ns

    def variants(self, numbers_of: Callable[[Variant], bool]) -> list[tuple[int, Variant]]:
        """Return the kinds of flows for which a test holds."""
        return [
            (number, variant) for number, variant in self._store.variants().items() if numbers_of(variant)
        ]

    def matcher(self, filter_: Filter) -> Callable[[Variant], bool]:
        """Return the filter as a test, with the names in history for names that have a star."""
        return filter_.matcher(self._names.__contains__)

    # --- listening ------------------------------------------------------------------------------------------

    @contextmanager
    def listen(self) -> "Iterator[_Listener]":
        """Hear live records from now on."""
        listener = _Listener(self._told)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def since(self, position: int) -> tuple[list[Live], int]:
        """Return what readers were told after a position so far, at most the newest 50,000.

        And how many before them are missing. After a position that was never reached there is nothing.
        """
        told = self._told
        if position > told:
            return [], 0
        if self._recent and self._recent[0].position <= position + 1:
            return [live for live in self._recent if live.position > position], 0
        rows = await asyncio.to_thread(self._store.since, position, RECENT)
        rows = [row for row in rows if row.position <= told]
        first = rows[0].position if rows else told + 1
        variants = self._store.variants()
        again = [
            Live(
                row.position,
                row.variant,
                variants[row.variant].record(row.start_ns, row.end_ns, row.counts),
                row.end_ns,
            )
            for row in rows
        ]
        return again, max(0, first - position - 1)

    @property
    def position(self) -> int:
        """The position of the last record that readers were told."""
        return self._told

    def standing(self) -> Standing:
        """Return how the hub stands."""
        lag_ns, arrived = self._pace.of(self._clock.now_ns())
        return Standing(
            store=self._store.stats(),
            lag_ms=max(0, lag_ns) // 1_000_000,
            flows_per_s=arrived / LAG_SECONDS,
            losses=tuple(self._losses.values()),
            nodes=tuple(sorted(self._nodes.items())),
        )


def _found(variants: Mapping[int, Variant], rows: Sequence[Row]) -> list[Found]:
    return [
        Found(row.variant, variants[row.variant], row.start_ns, row.end_ns, row.counts)
        for row in rows
        if row.variant in variants and any(row.counts.values())
    ]


class _Pace:
    """How many records came in the last seconds, and how late the latest of them was."""

    def __init__(self) -> None:
        self._seconds: deque[list[int]] = deque(maxlen=LAG_SECONDS + 1)

    def note(self, now_ns: int, end_ns: int) -> None:
        second = now_ns // NS
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append([second, 0, 0])
        last = self._seconds[-1]
        last[1] += 1
        last[2] = max(last[2], now_ns - end_ns)

    def of(self, now_ns: int) -> tuple[int, int]:
        """Return the worst lag, in nanoseconds, and the number of records."""
        lately = [item for item in self._seconds if item[0] > now_ns // NS - LAG_SECONDS]
        return max((lag for _, _, lag in lately), default=0), sum(count for _, count, _ in lately)


class _Listener:
    """Records that wait for one reader."""

    def __init__(self, position: int) -> None:
        self.position = position
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
            self.position = taken[-1].position
            yield taken
