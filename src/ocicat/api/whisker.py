"""Whisker's own paths, so that its unmodified front end works against the hub.

Source: spec/flows-and-console §7 (paths, parameters, answers, errors), §4 (lists, streams, hints).
"""

import asyncio
import contextlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

from ocicat.api.documents import BUCKET_NS, Flow, buckets_of, edged, flows_of, shown_name, whisker
from ocicat.api.door import longest_stream_s
from ocicat.api.moments import instant, window_of
from ocicat.api.sight import seen_hub
from ocicat.api.sse import Events
from ocicat.api.whiskerfilters import BadFiltersError, filters_of
from ocicat.base.errors import OcicatError
from ocicat.model.flow import HitKind
from ocicat.model.flowfilter import Filter
from ocicat.model.record import FlowKey
from ocicat.model.textmatch import GLOBAL
from ocicat.ports.flowhub import FlowHub
from ocicat.ports.flowstore import Window

SORTS: Final = {
    "Time": None,
    "DestName": "dest_name",
    "DestNamespace": "dest_namespace",
    "SourceName": "source_name",
    "SourceNamespace": "source_namespace",
}
UNSORTED: Final = ("DestType", "SourceType")
"""Orders that have a name, and that no aggregator knows (§4.3)."""
HINTS: Final = (
    "DestName",
    "SourceName",
    "DestNamespace",
    "SourceNamespace",
    "PolicyTier",
    "PolicyName",
    "PolicyKind",
    "PolicyNamespace",
)
JSON: Final = "application/json; charset=utf-8"


class WhiskerError(OcicatError):
    """A request that is answered in Whisker's shape: `{"error": …}` and a newline (§7.4)."""

    def __init__(self, status: int, message: str) -> None:
        """Say what is wrong, with the status of the answer."""
        super().__init__(message)
        self.status = status


class WhiskerApi:
    """The handlers of both paths."""

    def __init__(self, hub: FlowHub) -> None:
        """Answer from `hub`."""
        self._hub = hub

    async def flows(self, request: web.Request) -> web.StreamResponse:
        """`GET /flows`: a list, or an event stream with `watch=true`."""
        filter_ = _filters(request.query)
        start = _integer(request.query, "startTimeGte")
        if request.query.get("watch") == "true":
            return await self._watch(request, filter_, start)
        end = _integer(request.query, "startTimeLt")
        for name in ("page", "pageSize"):
            _integer(request.query, name)  # read, and not used: a list is whole
        hub = seen_hub(self._hub, request)
        flows = await _listed(hub, filter_, start, end, request.query.getall("sortBy", []))
        body = {
            "total": {"totalPages": int(bool(flows)), "totalResults": len(flows)},
            "items": [whisker(edged(flow)) for flow in flows],
        }
        return web.Response(body=msgspec.json.encode(body), headers={"Content-Type": JSON})

    async def _watch(self, request: web.Request, filter_: Filter, start: int) -> web.StreamResponse:
        hub = seen_hub(self._hub, request)
        events = Events(request)
        with hub.listen() as listener:
            # Nothing awaits in between: what comes after this position, the listener hears.
            began, matches = hub.position, hub.matcher(filter_)
            async with events.opened() as response:
                if start:
                    now = hub.now_ns()
                    begin = max(instant(start, now, now), hub.oldest_ns() or 0)
                    window = Window(begin // BUCKET_NS * BUCKET_NS, now + BUCKET_NS)
                    before = flows_of(await hub.found(window, filter_, BUCKET_NS, began), BUCKET_NS)
                    await events.send_all(map(_encoded, reversed(before)))
                # Whoever was let in comes back, so that his rights are looked at again.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(longest_stream_s(request)):
                        async for group in listener:
                            records = (live.record for live in group if matches(live.record.variant))
                            await events.send_all(map(_encoded, buckets_of(records)))
        return response

    async def hints(self, request: web.Request) -> web.Response:
        """`GET /flows-filter-hints`: values in use, ascending, paged."""
        kind = request.query.get("type", "")
        if kind not in HINTS:
            raise WhiskerError(400, f"unknown type {kind!r}, allowed: {', '.join(HINTS)}")
        hub = seen_hub(self._hub, request)
        kinds = hub.variants(hub.matcher(_filters(request.query)))
        values = sorted({value for _, variant in kinds for value in _hints(kind, variant.key)})
        size = _integer(request.query, "pageSize")
        page = max(_integer(request.query, "page"), 0)
        shown = values[page * size : (page + 1) * size] if size > 0 else values
        pages = -(-len(values) // size) if size > 0 else int(bool(values))
        body = {
            "total": {"totalPages": pages, "totalResults": len(values)},
            "items": [{"value": value} for value in shown],
        }
        return web.Response(body=msgspec.json.encode(body), headers={"Content-Type": JSON})


async def _listed(hub: FlowHub, filter_: Filter, start: int, end: int, sorts: list[str]) -> list[Flow]:
    for sort in sorts:
        if sort not in (*SORTS, *UNSORTED):
            allowed = ", ".join((*SORTS, *UNSORTED))
            raise WhiskerError(400, f"failed to decode sortBy: unknown order {sort!r}, allowed: {allowed}")
    if len(sorts) > 1 or not set(sorts) <= SORTS.keys():
        raise WhiskerError(500, "Internal Server Error")
    try:
        window = window_of(start, end, hub.now_ns())
    except ValueError as error:
        raise WhiskerError(500, "Internal Server Error") from error
    flows = flows_of(await hub.found(window, filter_))
    if sorts and (field := SORTS[sorts[0]]) is not None:
        flows.sort(key=lambda flow: str(getattr(flow.key, field)))
    return flows


def _encoded(flow: Flow) -> bytes:
    return msgspec.json.encode(whisker(flow))


def _filters(query: Mapping[str, str]) -> Filter:
    try:
        return filters_of(query.get("filters", ""))
    except BadFiltersError as error:
        raise WhiskerError(400, str(error)) from error


def _integer(query: Mapping[str, str], name: str) -> int:
    text = query.get(name) or "0"
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise WhiskerError(400, f"failed to decode {name}: {text!r} is not an integer")
    return int(text)


def stored_hints(kind: str, key: FlowKey) -> list[str]:
    """Return the values of one type of hint as they are stored (§4.5)."""
    match kind:
        case "DestName":
            return [key.dest_name]
        case "SourceName":
            return [key.source_name]
        case "DestNamespace":
            return [key.dest_namespace or "-"]
        case "SourceNamespace":
            return [key.source_namespace or "-"]
        case _:
            return list(_policy_hints(kind, key))


def _policy_hints(kind: str, key: FlowKey) -> Iterable[str]:
    """Profile hits are passed over, and an end of tier speaks for its trigger (§4.5)."""
    for hit in (*key.enforced, *key.pending):
        if hit.kind is HitKind.PROFILE:
            continue
        named: Any = hit.trigger or hit
        match kind:
            case "PolicyTier":
                yield named.tier
            case "PolicyName":
                yield named.name
            case "PolicyKind":
                yield named.kind.value
            case _:
                yield named.namespace or "-"


def _hints(kind: str, key: FlowKey) -> list[str]:
    """Return the values of one type of hint as they are shown (§7.2)."""
    values = stored_hints(kind, key)
    if kind.endswith("Namespace"):
        return [GLOBAL if value == "-" else value for value in values]
    if kind in ("DestName", "SourceName"):
        return [shown_name(value) for value in values]
    return values
