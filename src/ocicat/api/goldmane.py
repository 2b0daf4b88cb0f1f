"""`GoldmaneReader`: follows a Goldmane, and hands on what it gives.

Its stream ends with its connection, and a new one repeats what the buckets since its start hold. So it is
remembered how much of each bucket of a key was taken, and only what is more is new: of the last hour, which
is as far back as a Goldmane knows anything. Another hub of ours, followed as a Goldmane, tells of a bucket in
parts, as its records arrive; their sum counts.
Source: spec/flows-and-console §3, §4.4.
"""

from collections import OrderedDict
from typing import Final

import grpc
import grpc.aio
import msgspec
import structlog

from ocicat.api.channel import FlowServer, TlsFilesError
from ocicat.api.collector import Take, is_plausible
from ocicat.api.moments import HISTORY_NS, NS
from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.proto import flows_pb2_grpc as stubs
from ocicat.api.records import RecordError, record_of
from ocicat.base.backoff import Backoff
from ocicat.model.record import FlowCounts, FlowKey, FlowRecord
from ocicat.ports.clock import Chance, Timer

OVERLAP_S: Final = 120
"""How much is asked for again after a break: buckets reach the stream late."""

LONGEST_S: Final = HISTORY_NS // NS - 30
"""How far back is asked at most: a Goldmane that is asked for more than it has gives nothing of it."""

log: Final = structlog.get_logger("ocicat.hub")


class GoldmaneReader:
    """Follows one Goldmane. `run` goes on until it is cancelled."""

    def __init__(self, server: FlowServer, take: Take, timer: Timer, chance: Chance) -> None:
        """Hand what `server` gives to `take`."""
        self._server = server
        self._take = take
        self._timer = timer
        self._backoff = Backoff(1.0, 10.0, chance)
        self._taken: OrderedDict[tuple[FlowKey, int], FlowCounts] = OrderedDict()
        self._told: dict[tuple[FlowKey, int], FlowCounts] = {}
        """What the present connection has told of each bucket."""
        self._latest_ns = 0
        self.refused = 0
        """Flows that were no records."""

    async def run(self) -> None:
        """Connect and read, again and again."""
        while True:
            try:
                await self._read()
                reason = "the server ended the stream"
            except grpc.aio.AioRpcError as error:
                reason = f"{error.code().name}: {error.details()}"
            except TlsFilesError as error:
                reason = str(error)
            log.warning("goldmane.disconnected", server=self._server.address, reason=reason)
            await self._timer.sleep(self._backoff.delay_s())

    async def _read(self) -> None:
        async with self._server.channel() as channel:
            start = self._start()
            # Of buckets before the start, this connection repeats nothing.
            begin = start * NS if start > 0 else 0
            self._told = {of: counts for of, counts in self._taken.items() if of[1] < begin}
            call = stubs.FlowsStub(channel).Stream(pb.FlowStreamRequest(start_time_gte=start))
            async for result in call:
                self._backoff.reset()
                if (record := self._readable(result.flow)) is not None:
                    await self._take_new(record)

    async def _take_new(self, record: FlowRecord) -> None:
        """Take what this connection has told of a bucket beyond what was taken of it."""
        of, nothing = (record.key, record.start_ns), FlowCounts()
        told = self._told[of] = self._told.get(of, nothing) + record.counts
        taken = self._taken.get(of, nothing)
        new = told.beyond(taken)
        if any(new.values()):
            await self._take([msgspec.structs.replace(record, counts=new)])
            self._note(of, taken + new)

    def _start(self) -> int:
        """Return since when to read: all there is at first, then from a while before the last bucket."""
        again = self._latest_ns // NS - OVERLAP_S
        return again if again > self._timer.now_ns() // NS - LONGEST_S else -LONGEST_S

    def _readable(self, flow: pb.Flow) -> FlowRecord | None:
        try:
            record = record_of(flow)
        except RecordError:
            self.refused += 1
            return None
        if not is_plausible(record, self._timer.now_ns()):
            self.refused += 1
            return None
        return record

    def _note(self, of: tuple[FlowKey, int], counts: FlowCounts) -> None:
        self._taken[of] = counts
        self._latest_ns = max(self._latest_ns, of[1])
        while self._taken and next(iter(self._taken))[1] < self._latest_ns - HISTORY_NS:
            forgotten, _ = self._taken.popitem(last=False)
            self._told.pop(forgotten, None)
