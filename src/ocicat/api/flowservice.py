"""`FlowService`: lists, streams and hints of the flow API, as its readers know them from Calico's aggregator.

Ours differs where the original surprises: a stream that starts before history begins with the oldest there
is, late records reach it, and nothing that counts nothing is sent. Source: spec/flows-and-console §2, §4.
"""

from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import grpc

from ocicat.api import whisker
from ocicat.api.documents import Flow, buckets_of, edged, flows_of
from ocicat.api.moments import BUCKET_NS, instant, window_of
from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.proto import flows_pb2_grpc as stubs
from ocicat.api.protofilters import filter_of_message
from ocicat.api.records import flow_of
from ocicat.api.whiskerfilters import BadFiltersError
from ocicat.model.flowfilter import Filter
from ocicat.model.record import FlowKey, FlowRecord
from ocicat.ports.flowhub import FlowHub
from ocicat.ports.flowstore import Window

STREAMS: Final = 100
"""Readers at a time; the next is refused (§4.4)."""
SORTS: Final = {
    pb.DestName: "dest_name",
    pb.DestNamespace: "dest_namespace",
    pb.SourceName: "source_name",
    pb.SourceNamespace: "source_namespace",
}
HINTS: Final = {
    number: pb.FilterType.Name(number).removeprefix("FilterType")
    for number in pb.FilterType.values()
    if number
}


class FlowService:
    """Fulfils the service Flows. Register it with `add_to`."""

    def __init__(self, hub: FlowHub) -> None:
        """Answer from `hub`."""
        self._hub = hub
        self._numbers: dict[FlowKey, int] = {}
        self._streams = 0

    def add_to(self, server: Any) -> None:
        """Serve the methods on a gRPC server."""
        stubs.add_FlowsServicer_to_server(self, server)

    async def List(self, request: pb.FlowListRequest, context: Any) -> pb.FlowListResult:  # noqa: N802
        """Return one flow for each key, summed over the window, by pages."""
        window, filter_ = await self._asked(request, request.start_time_lt, context)
        sorts = [option.sort_by for option in request.sort_by]
        if len(sorts) > 1 or not {*sorts} <= {pb.Time, *SORTS}:
            await context.abort(grpc.StatusCode.UNKNOWN, "one order at most, by time, name or namespace")
        flows = flows_of(await self._hub.found(window, filter_))
        if sorts and sorts[0] != pb.Time:
            field = SORTS[sorts[0]]
            flows.sort(key=lambda flow: (str(getattr(flow.key, field)), self._number(flow.key)))
        meta, page = _paged(flows, request.page, request.page_size)
        return pb.FlowListResult(meta=meta, flows=map(self._result, map(edged, page)))

    async def Stream(  # noqa: N802
        self, request: pb.FlowStreamRequest, context: Any
    ) -> AsyncIterator[pb.FlowResult]:
        """Send what was since the start, then records as they arrive, as flows of their 15 s buckets."""
        if self._streams >= STREAMS:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"there are {STREAMS} streams already")
        self._streams += 1
        try:
            async for flow in self._stream(request, context):
                yield self._result(flow)
        finally:
            self._streams -= 1

    async def _stream(self, request: pb.FlowStreamRequest, context: Any) -> AsyncIterator[Flow]:
        filter_ = await self._filter(request.filter, context)
        with self._hub.listen() as listener:
            # Nothing awaits in between: what comes after this position, the listener hears.
            began, matches = self._hub.position, self._hub.matcher(filter_)
            # The head says that the reader is heard of, long before there may be a flow to send.
            await context.send_initial_metadata(())
            if request.start_time_gte:
                window = self._since(request.start_time_gte)
                before = flows_of(await self._hub.found(window, filter_, BUCKET_NS, began), BUCKET_NS)
                for flow in reversed(before):
                    yield flow
            async for group in listener:
                for flow in buckets_of(live.record for live in group if matches(live.record.variant)):
                    yield flow

    def _since(self, start: int) -> Window:
        now = self._hub.now_ns()
        begin = max(instant(start, now, now), self._hub.oldest_ns() or 0)
        return Window(begin // BUCKET_NS * BUCKET_NS, max(begin, now) + BUCKET_NS)

    async def FilterHints(  # noqa: N802
        self, request: pb.FilterHintsRequest, context: Any
    ) -> pb.FilterHintsResult:
        """Return values in use, ascending, by pages."""
        if request.type not in HINTS:
            await context.abort(grpc.StatusCode.UNKNOWN, f"there are no hints of type {request.type}")
        window, filter_ = await self._asked(request, request.start_time_lt, context)
        keys = {item.variant.key for item in await self._hub.found(window, filter_)}
        values = sorted({value for key in keys for value in whisker.stored_hints(HINTS[request.type], key)})
        meta, page = _paged(values, request.page, request.page_size)
        return pb.FilterHintsResult(meta=meta, hints=[pb.FilterHint(value=value) for value in page])

    async def _asked(self, request: Any, end: int, context: Any) -> tuple[Window, Filter]:
        try:
            window = window_of(request.start_time_gte, end, self._hub.now_ns())
        except ValueError as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))
            raise
        return window, await self._filter(request.filter, context)

    async def _filter(self, message: pb.Filter, context: Any) -> Filter:
        try:
            return filter_of_message(message)
        except (BadFiltersError, ValueError) as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise

    def _number(self, key: FlowKey) -> int:
        """Return the id of a key: each new one gets the next number (§3)."""
        return self._numbers.setdefault(key, len(self._numbers) + 1)

    def _result(self, flow: Flow) -> pb.FlowResult:
        return pb.FlowResult(id=self._number(flow.key), flow=flow_of(_record(flow)))


def _record(flow: Flow) -> FlowRecord:
    return FlowRecord(
        flow.key,
        flow.start_ns,
        flow.end_ns,
        flow.source_labels,
        flow.dest_labels,
        flow.counts,
        flow.source_ip,
        flow.dest_ip,
        flow.node,
    )


def _paged(items: Iterable[Any], page: int, size: int) -> tuple[pb.ListMetadata, list[Any]]:
    """Return the page, counted from 0, and how much there is; size 0 is everything."""
    everything = list(items)
    if size <= 0:
        meta = pb.ListMetadata(totalPages=int(bool(everything)), totalResults=len(everything))
        return meta, everything
    meta = pb.ListMetadata(totalPages=-(-len(everything) // size), totalResults=len(everything))
    begin = max(page, 0) * size
    return meta, everything[begin : begin + size]
