"""`GoldmaneReader`: follows a Goldmane, and hands on what it gives.

Its stream ends with its connection, and a new one may repeat buckets. Each bucket of a key is therefore taken
once: those of the last hour are remembered, which is as far back as a Goldmane knows anything.
Source: spec/flows-and-console §3, §4.4.
"""

from collections import OrderedDict
from typing import Final

import grpc
import grpc.aio
import structlog

from ocicat.api.channel import FlowServer, TlsFilesError
from ocicat.api.collector import Take, is_plausible
from ocicat.api.moments import HISTORY_NS, NS
from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.proto import flows_pb2_grpc as stubs
from ocicat.api.records import RecordError, record_of
from ocicat.base.backoff import Backoff
from ocicat.model.record import FlowKey, FlowRecord
from ocicat.ports.clock import Chance, Timer

OVERLAP_S: Final = 120
"""How much is asked for again after a break: buckets reach the stream late."""

log: Final = structlog.get_logger("ocicat.hub")


class GoldmaneReader:
    """Follows one Goldmane. `run` goes on until it is cancelled."""

    def __init__(self, server: FlowServer, take: Take, timer: Timer, chance: Chance) -> None:
        """Hand what `server` gives to `take`."""
        self._server = server
        self._take = take
        self._timer = timer
        self._backoff = Backoff(1.0, 10.0, chance)
        self._seen: OrderedDict[tuple[FlowKey, int], int] = OrderedDict()
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
            call = stubs.FlowsStub(channel).Stream(pb.FlowStreamRequest(start_time_gte=self._start()))
            async for result in call:
                self._backoff.reset()
                if (record := self._new(result.flow)) is not None:
                    await self._take([record])
                    self._note(record)

    def _start(self) -> int:
        """Return since when to read: all there is at first, then from a while before the last bucket."""
        if not self._latest_ns:
            return -HISTORY_NS // NS
        return self._latest_ns // NS - OVERLAP_S

    def _new(self, flow: pb.Flow) -> FlowRecord | None:
        try:
            record = record_of(flow)
        except RecordError:
            self.refused += 1
            return None
        if not is_plausible(record, self._timer.now_ns()):
            self.refused += 1
            return None
        return None if (record.key, record.start_ns) in self._seen else record

    def _note(self, record: FlowRecord) -> None:
        self._seen[record.key, record.start_ns] = record.start_ns
        self._latest_ns = max(self._latest_ns, record.start_ns)
        while self._seen and next(iter(self._seen.values())) < self._latest_ns - HISTORY_NS:
            self._seen.popitem(last=False)
