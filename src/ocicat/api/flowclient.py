"""`FlowClient`: delivers an agent's flow records to whatever serves the flow API.

To our hub it pushes batches, at once, and keeps each until it is acknowledged. A server that does not know
batches (a Goldmane) gets one flow at a time, in windows of 15 s, each after the receipt of the one before;
after a reconnection it gets the last 5 minutes again, because it may have lost them. Which of the two a
server is shows when batches are tried. While nobody is there, records wait up to a bound, then are merged,
then counted as lost. Source: spec/flows-and-console §2, §5.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import grpc
import grpc.aio
import msgspec
import structlog

from ocicat.api.channel import FlowServer, TlsFilesError
from ocicat.api.outbox import Outbox
from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.proto import flows_pb2_grpc as stubs
from ocicat.api.records import SECOND_NS, flow_of, record_of
from ocicat.api.windows import Windows
from ocicat.base.backoff import Backoff
from ocicat.base.errors import OcicatError
from ocicat.model.record import FlowRecord
from ocicat.ports.clock import Chance, Timer

BATCH_RECORDS: Final = 1000
"""Records in one batch: past that a message costs no less for each record."""
BATCHES_UNDERWAY: Final = 8
"""Batches that wait for their receipt; more would only fill the hub's memory instead of ours."""
RECEIPT_TIMEOUT_S: Final = 30.0
"""Without a receipt for so long, the connection counts as dead."""
REPLAY_NS: Final = 300 * SECOND_NS
"""How long sent flows are kept for a Goldmane that restarts."""
SETTLE_NS: Final = 2 * SECOND_NS
"""How long after its end a window is left open for late records: counters come once a second."""
TURNS_WAITING: Final = 5000
"""Flows that wait for their turn."""

log: Final = structlog.get_logger("ocicat.flows")


class StalledError(OcicatError):
    """The server stopped answering, or ended the stream."""


class FlowClientStatus(msgspec.Struct, frozen=True):
    """How delivery stands."""

    server: str
    """`host:port`; empty while no server is known."""
    connected: bool
    method: str
    """`batches`, `turns`, or empty until the server has shown what it knows."""
    queued: int
    """Records that wait."""
    sent: int
    """Records that were acknowledged since the start."""
    lost: int
    """Records given up since the start."""
    error: str
    """Why the last connection ended; empty while connected."""


class FlowClient:
    """A FlowSink. `run` does the work, and goes on until it is cancelled."""

    def __init__(
        self,
        server: Callable[[], FlowServer | None],
        timer: Timer,
        chance: Chance,
        sender: str,
        bound: int = 50_000,
    ) -> None:
        """Make a client that is not connected yet.

        Args:
            server: Returns where to connect to now, or None while that is not known; asked before every try.
            timer: Tells the time and waits.
            chance: For the back-off.
            sender: Names this run of the agent; no other run may use the same.
            bound: Records that wait at most.
        """
        self._server = server
        self._timer = timer
        self._sender = sender
        self._backoff = Backoff(1.0, 10.0, chance)
        self._outbox = Outbox(bound)
        self._underway: dict[int, tuple[int, pb.FlowBatch]] = {}
        self._room = asyncio.Event()
        self._room.set()
        self._sequence = 0
        self._turns = _Turns()
        self._sent = 0
        self._address = ""
        self._method = ""
        self._connected = False
        self._error = ""

    async def send(self, records: Sequence[FlowRecord]) -> None:
        """Take records for delivery; see FlowSink."""
        self._outbox.put(records)

    @property
    def lost(self) -> int:
        """How many records were given up since the start."""
        return self._outbox.lost + self._turns.lost

    def status(self) -> FlowClientStatus:
        """Return how delivery stands."""
        underway = sum(len(batch.flows) for _, batch in self._underway.values())
        queued = len(self._outbox) + underway + len(self._turns)
        return FlowClientStatus(
            self._address, self._connected, self._method, queued, self._sent, self.lost, self._error
        )

    async def run(self) -> None:
        """Connect and deliver, again and again. Ends only by being cancelled."""
        while True:
            try:
                await self._session()
            except grpc.aio.AioRpcError as error:
                self._failed(f"{error.code().name}: {error.details()}")
            except (StalledError, TlsFilesError) as error:
                self._failed(str(error))
            finally:
                self._connected = False
            await self._timer.sleep(self._backoff.delay_s())

    def _failed(self, reason: str) -> None:
        if self._connected or reason != self._error:
            log.warning(
                "flows.disconnected", server=self._address, reason=reason, queued=self.status().queued
            )
        self._error = reason

    def _greeted(self, method: str) -> None:
        """Note the first sign of life of a session."""
        self._backoff.reset()
        if not self._connected:
            log.info("flows.connected", server=self._address, method=method)
        self._connected, self._method, self._error = True, method, ""

    async def _session(self) -> None:
        server = self._server()
        if server is None:
            raise StalledError("no hub is known: none is set, and the cluster has no Service for it")
        self._address = server.address
        channel = server.channel()
        try:
            try:
                await self._push(stubs.FlowBatchesStub(channel).Push())
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                    raise
                self._recall()
                await self._take_turns(stubs.FlowCollectorStub(channel).Connect())
        finally:
            await channel.close()

    # --- batches --------------------------------------------------------------------------------------------

    async def _push(self, call: Any) -> None:
        """Push batches until the connection ends."""
        tasks = {
            asyncio.create_task(work)
            for work in (self._write_batches(call), self._read_receipts(call), self._watch_receipts())
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        failures = [error for error in ended if isinstance(error, grpc.aio.AioRpcError | OcicatError)]
        # The reader knows why the server ended the stream; the writer only that it did.
        for error in sorted(failures, key=lambda error: not isinstance(error, grpc.aio.AioRpcError)):
            raise error
        for task in done:
            task.result()

    async def _write_batches(self, call: Any) -> None:
        # An empty batch first: its receipt tells whether the server knows batches, before there are flows.
        await self._write(call, pb.FlowBatch(sender=self._sender, lost=self.lost))
        for sequence, (_, batch) in list(self._underway.items()):
            self._underway[sequence] = (self._timer.monotonic_ns(), batch)
            await self._write(call, batch)
        while True:
            await self._room.wait()
            await self._outbox.filled()
            batch = self._next_batch()
            await self._write(call, batch)

    @staticmethod
    async def _write(call: Any, message: Any) -> None:
        try:
            await call.write(message)
        except asyncio.InvalidStateError as error:
            raise StalledError("the server ended the stream") from error

    def _next_batch(self) -> pb.FlowBatch:
        self._sequence += 1
        flows = [flow_of(record) for record in self._outbox.take(BATCH_RECORDS)]
        batch = pb.FlowBatch(flows=flows, sequence=self._sequence, sender=self._sender, lost=self.lost)
        self._underway[self._sequence] = (self._timer.monotonic_ns(), batch)
        if len(self._underway) >= BATCHES_UNDERWAY:
            self._room.clear()
        return batch

    async def _read_receipts(self, call: Any) -> None:
        while (receipt := await call.read()) is not grpc.aio.EOF:
            self._greeted("batches")
            for sequence in [held for held in self._underway if held <= receipt.sequence]:
                _, batch = self._underway.pop(sequence)
                self._sent += len(batch.flows)
            self._room.set()
        raise StalledError("the server ended the stream")

    async def _watch_receipts(self) -> None:
        while True:
            await self._timer.sleep(RECEIPT_TIMEOUT_S / 6)
            oldest_ns = min((sent_ns for sent_ns, _ in self._underway.values()), default=None)
            if (
                oldest_ns is not None
                and self._timer.monotonic_ns() - oldest_ns > RECEIPT_TIMEOUT_S * SECOND_NS
            ):
                raise StalledError(f"no receipt for {RECEIPT_TIMEOUT_S:g} s")

    def _recall(self) -> None:
        """Take back the batches underway: this server does not know batches."""
        for _, batch in self._underway.values():
            for flow in batch.flows:
                self._turns.windows.add(record_of(flow))
        self._underway.clear()
        self._room.set()

    # --- turns ----------------------------------------------------------------------------------------------

    async def _take_turns(self, call: Any) -> None:
        """Send one flow after the receipt of the other, what was sent lately first."""
        turns = self._turns
        now_ns = self._timer.monotonic_ns
        for update in turns.sent_since(now_ns() - REPLAY_NS):
            await self._turn(call, update)
        while not call.done():
            turns.gather(self._outbox.take(TURNS_WAITING), self._timer.now_ns() - SETTLE_NS)
            while turns.due:
                update = pb.FlowUpdate(flow=flow_of(turns.due[0]))
                await self._turn(call, update)
                turns.done(now_ns(), update)
                self._sent += 1
            turns.forget(now_ns() - REPLAY_NS)
            await self._timer.sleep(1.0)
        raise StalledError("the server ended the stream")

    async def _turn(self, call: Any, update: pb.FlowUpdate) -> None:
        await self._write(call, update)
        try:
            receipt = await asyncio.wait_for(call.read(), RECEIPT_TIMEOUT_S)
        except TimeoutError as error:
            raise StalledError(f"no receipt for {RECEIPT_TIMEOUT_S:g} s") from error
        if receipt is grpc.aio.EOF:
            raise StalledError("the server ended the stream")
        self._greeted("turns")


class _Turns:
    """What goes to a Goldmane: windows that fill, flows that wait for their turn, flows sent lately."""

    def __init__(self) -> None:
        self.windows = Windows()
        self.due: deque[FlowRecord] = deque()
        self.lost = 0
        self._sent: deque[tuple[int, pb.FlowUpdate]] = deque()

    def __len__(self) -> int:
        return len(self.windows) + len(self.due)

    def gather(self, records: Sequence[FlowRecord], now_ns: int) -> None:
        """Add records, and line up those of windows that have ended."""
        for record in records:
            self.windows.add(record)
        for record in self.windows.take_complete(now_ns):
            if len(self.due) < TURNS_WAITING:
                self.due.append(record)
            else:
                self.lost += 1

    def done(self, moment_ns: int, update: pb.FlowUpdate) -> None:
        """Note that the first flow in line was received."""
        self.due.popleft()
        self._sent.append((moment_ns, update))

    def sent_since(self, moment_ns: int) -> list[pb.FlowUpdate]:
        """Return what was sent since a moment, in order."""
        return [update for sent_ns, update in self._sent if sent_ns >= moment_ns]

    def forget(self, moment_ns: int) -> None:
        """Forget what was sent before a moment."""
        while self._sent and self._sent[0][0] < moment_ns:
            self._sent.popleft()
