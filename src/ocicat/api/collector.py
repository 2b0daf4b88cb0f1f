"""`Collector`: the receiving side of the flow API, for the hub and for tests.

It takes flows one by one (FlowCollector, as Calico's agents send them) and in batches (FlowBatches, ours),
hands them on, and acknowledges what was taken. A sender that reconnects repeats what it sent lately;
repetitions are acknowledged and dropped. They are known by what outlives a sender's connection: its
certificate's name and its address without port. All nodes of a Calico cluster have the same certificate, so
the name alone would take the flows of two nodes for one.
Source: spec/flows-and-console §5.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from typing import Any, Final

from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.proto import flows_pb2_grpc as stubs
from ocicat.api.records import SECOND_NS, RecordError, record_of
from ocicat.model.record import FlowRecord
from ocicat.ports.clock import Clock
from ocicat.ports.flowhub import Ledger
from ocicat.ports.flowstore import Receipt

REMEMBER_NS: Final = 300 * SECOND_NS
"""How long a flow is remembered, as long as senders keep them for repetition."""

SENDERS: Final = 10_000
"""Runs of senders whose last batch is remembered: more agents than a cluster has nodes."""

AHEAD_NS: Final = 86_400 * SECOND_NS
"""How far ahead of ours a sender's clock may be."""

LARGEST: Final = 2**53
"""The largest count of one record: sums of a thousand such stay within 64 bits."""

Take = Callable[[Sequence[FlowRecord]], Awaitable[None]]
"""Keeps records; when it returns, their sender may forget them."""

Lost = Callable[[str, int, str], None]
"""Is told the node, how many records its sender gave up since the last time, and why."""


def _nobody(_node: str, _records: int, _reason: str) -> None:
    """Tell nobody."""


class Collector:
    """Both ways to send flows. Register it with `add_to`."""

    def __init__(self, take: Take, clock: Clock, lost: Lost = _nobody, ledger: Ledger | None = None) -> None:
        """Hand records to `take`, and tell `lost` what senders say that they have given up.

        With a ledger, batches go to it instead, and one that is repeated after a crash of ours is known.
        """
        self._take = take
        self._ledger = ledger
        self._lost = lost
        self._clock = clock
        self._seen = _Seen(clock)
        self._keeping: dict[Hashable, asyncio.Task[None]] = {}
        self.received = 0
        """Flows received since the start, repetitions and refused ones included."""
        self.refused = 0
        """Flows that were no records."""
        self.repeated = 0
        """Flows that had been taken before."""
        self._senders: OrderedDict[str, _Sender] = OrderedDict()

    def add_to(self, server: Any) -> None:
        """Serve both methods on a gRPC server."""
        stubs.add_FlowCollectorServicer_to_server(self, server)
        stubs.add_FlowBatchesServicer_to_server(self, server)

    async def recall(self) -> None:
        """Look at what was taken before the start: senders that reconnect now will repeat it."""
        if self._ledger is not None:
            for record in await self._ledger.lately(REMEMBER_NS):
                self._seen.expect((record.key, record.start_ns, record.end_ns))

    async def Connect(  # noqa: N802  # the name in the contract
        self, updates: AsyncIterator[pb.FlowUpdate], context: Any
    ) -> AsyncIterator[pb.FlowReceipt]:
        """Take flows one by one."""
        sender = f"{identity(context)} {host(context)}"
        async for update in updates:
            self.received += 1
            record = self._readable(update.flow)
            if record is not None:
                await self._once(sender, record)
            yield pb.FlowReceipt()

    async def _once(self, sender: str, record: FlowRecord) -> None:
        """Return when a flow is kept. One that is sent again may still be on its way from the first time."""
        what = (record.key, record.start_ns, record.end_ns)
        flow = (sender, *what)
        keeping = self._keeping.get(flow)
        if keeping is not None or self._seen.known(flow) or self._seen.is_expected(what):
            self.repeated += 1
        else:
            keeping = self._keeping[flow] = asyncio.create_task(self._keep(flow, record))
        if keeping is not None:
            # A connection that breaks now does not stop the commit, so the flow must still become known.
            await asyncio.shield(keeping)

    async def _keep(self, flow: Hashable, record: FlowRecord) -> None:
        try:
            await self._take([record])
            self._seen.note(flow)
        finally:
            del self._keeping[flow]

    async def Push(  # noqa: N802  # the name in the contract
        self, batches: AsyncIterator[pb.FlowBatch], context: Any
    ) -> AsyncIterator[pb.FlowBatchReceipt]:
        """Take flows in batches."""
        async for batch in batches:
            self.received += len(batch.flows)
            name = f"{identity(context)} {batch.sender}"
            sender = self._sender(name)
            if batch.lost > sender.lost:
                node = next((flow.node for flow in batch.flows if flow.node), batch.sender.partition("/")[0])
                self._lost(node, batch.lost - sender.lost, "the agent's queue was full")
            sender.lost = batch.lost
            # As with single flows: a connection that breaks does not stop the commit, which must be noted.
            await asyncio.shield(asyncio.create_task(self._keep_batch(name, sender, batch)))
            yield pb.FlowBatchReceipt(sequence=batch.sequence)

    async def _keep_batch(self, name: str, sender: "_Sender", batch: pb.FlowBatch) -> None:
        # A sender that reconnects repeats a batch while its first copy is perhaps still being kept.
        async with sender.lock:
            if batch.sequence <= sender.sequence:
                self.repeated += len(batch.flows)
                return
            records = [record for flow in batch.flows if (record := self._readable(flow))]
            if self._ledger is None or not records:
                await self._take(records)
            else:
                await self._ledger.take_batch(records, Receipt(name, batch.sequence))
            sender.sequence = batch.sequence

    @property
    def lost_by_senders(self) -> int:
        """How many records the senders say that they have given up."""
        return sum(sender.lost for sender in self._senders.values())

    def _sender(self, name: str) -> "_Sender":
        sender = self._senders.get(name)
        if sender is None:
            sender = self._senders[name] = _Sender(self._ledger.sequence_of(name) if self._ledger else 0)
        self._senders.move_to_end(name)
        while len(self._senders) > SENDERS:
            self._senders.popitem(last=False)
        return sender

    def _readable(self, flow: pb.Flow) -> FlowRecord | None:
        try:
            record = record_of(flow)
        except RecordError:
            self.refused += 1
            return None
        if is_plausible(record, self._clock.now_ns()):
            return record
        self.refused += 1
        return None


def is_plausible(record: FlowRecord, now_ns: int) -> bool:
    """Tell whether a record can be true: time goes forward and not far ahead, counts are counts."""
    return 0 <= record.start_ns <= min(record.end_ns, now_ns + AHEAD_NS) and all(
        0 <= count <= LARGEST for count in record.counts.values()
    )


def identity(context: Any) -> str:
    """Return who sends: the first name of the client's certificate, else its address without port."""
    names = context.peer_identities()
    if names:
        first: bytes = next(iter(names))
        return first.decode("utf-8", "replace")
    return host(context)


def host(context: Any) -> str:
    """Return from where somebody sends: the address without port, `unix:` for a socket of this machine."""
    kind, _, rest = context.peer().partition(":")
    return f"{kind}:{rest.rpartition(':')[0] if kind in ('ipv4', 'ipv6') else rest}"


class _Sender:
    """What is known of one run of a sender of batches."""

    def __init__(self, sequence: int) -> None:
        self.sequence = sequence
        self.lost = 0
        self.lock = asyncio.Lock()


class _Seen:
    """What was taken lately."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._moments: OrderedDict[Hashable, int] = OrderedDict()
        self._expected: Counter[Hashable] = Counter()
        self._began_ns = clock.monotonic_ns()

    def expect(self, thing: Hashable) -> None:
        """Note that `thing` was taken once before the start; nobody remembers from whom."""
        self._expected[thing] += 1

    def is_expected(self, thing: Hashable) -> bool:
        """Tell whether `thing` was taken before the start; each repetition counts once, and not for long."""
        if not self._expected:
            return False
        if self._clock.monotonic_ns() - self._began_ns > REMEMBER_NS:
            self._expected.clear()
        if self._expected[thing] <= 0:
            return False
        self._expected[thing] -= 1
        return True

    def known(self, thing: Hashable) -> bool:
        """Tell whether `thing` was noted lately."""
        horizon_ns = self._clock.monotonic_ns() - REMEMBER_NS
        while self._moments:
            oldest, moment_ns = next(iter(self._moments.items()))
            if moment_ns >= horizon_ns:
                break
            del self._moments[oldest]
        return thing in self._moments

    def note(self, thing: Hashable) -> None:
        """Remember `thing` from now on."""
        self._moments[thing] = self._clock.monotonic_ns()
