"""`GET /api/v1/flows/stream`: what was, then what happens, without gap or double, also after a break.

Source: docs/explanation/console-api.md, "The stream".
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from ocicat.api import asking, views
from ocicat.api.contract.words import GROUPS
from ocicat.api.documents import BUCKET_NS, Flow, identity, moment, ours
from ocicat.api.door import longest_stream_s
from ocicat.api.flowpages import asked_of, grouped
from ocicat.api.sight import seen_hub
from ocicat.api.sse import Events
from ocicat.model.flowfilter import Filter
from ocicat.ports.flowhub import FlowHub, Listener, Live
from ocicat.ports.flowstore import Window

GROUP: Final = 500
"""Flows in one event."""
LAG_S: Final = 5.0
"""The longest pause between two events `lag`."""
LAG_EVERY_S: Final = 1.0
"""The shortest, while records come."""
ENCODED: Final = 8_192
"""Records whose JSON is kept for other readers."""


class FlowStream:
    """The handler."""

    def __init__(self, hub: FlowHub) -> None:
        """Answer from `hub`."""
        self._hub = hub
        self._encoded = _Encoded()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Send the backfill, or what came after the reader's last position; then records as they arrive."""
        hub = seen_hub(self._hub, request)
        group = asking.one_of(request.query, "group", GROUPS)
        asked = asked_of(hub, request.query)
        # A node whose clock is a little ahead has records of the next seconds.
        end = hub.now_ns() + BUCKET_NS
        asked = msgspec.structs.replace(asked, window=Window(min(asked.window.start_ns, end), end))
        after = _position(request)
        events = Events(request)
        reader = _Reader(hub, events, asked.filter, self._encoded)
        with hub.listen() as listener:
            # Nothing awaits in between: what comes after this position, the listener hears.
            began = hub.position
            async with events.opened() as response:
                await reader.losses()
                if after is not None and after <= began:
                    await reader.go_on(after, began)
                else:
                    if after is not None:
                        await reader.lost(0, "this hub has begun a new history; here is all of it")
                    await reader.backfill(*await grouped(hub, asked, group, began), began)
                await events.send(b"{}", event="caught-up")
                await reader.follow(listener, longest_stream_s(request))
        return response


class _Reader:
    """One stream."""

    def __init__(self, hub: FlowHub, events: Events, filter_: Filter, encoded: "_Encoded") -> None:
        self._hub = hub
        self._events = events
        self._filter = filter_
        self._encoded = encoded

    async def go_on(self, after: int, began: int) -> None:
        """Send what came after a position. What came after `began`, the listener has heard."""
        again, missing = await self._hub.since(after)
        if missing:
            await self.lost(missing, "the break was longer than what is repeated")
        await self._show([live for live in again if live.position <= began])

    async def backfill(self, flows: Sequence[Flow], series: Mapping[str, Any], began: int) -> None:
        """Send what was. Only the last event has a position: a break before it begins the backfill anew."""
        for start in range(0, len(flows), GROUP):
            part = flows[start : start + GROUP]
            body = msgspec.json.encode([ours(flow, series.get(identity(flow.key))) for flow in part])
            is_last = start + GROUP >= len(flows)
            await self._events.send(body, event="flow", position=str(began) if is_last else "")

    async def follow(self, listener: Listener, longest_s: float | None) -> None:
        """Send records as they arrive, for so long; whoever has rights to be looked at again comes back."""
        begun = time.monotonic()
        told, missed = begun - LAG_EVERY_S, 0
        async for records in _with_pauses(listener, LAG_S):
            # Read before anything awaits: meanwhile the listener may go on to records that were not shown.
            looked_at = listener.position
            await self._show(records)
            if listener.missed > missed:
                await self.lost(listener.missed - missed, "this page could not keep up")
                missed = listener.missed
            now = time.monotonic()
            ends = longest_s is not None and now - begun >= longest_s
            if not records or ends or now - told >= LAG_EVERY_S:
                told = now
                await self._lag(looked_at)
            if ends:
                return

    async def _show(self, records: Sequence[Live]) -> None:
        matches = self._hub.matcher(self._filter)
        shown = [
            live
            for live in records
            if matches(live.record.variant)
            and self._filter.matches_counts(live.record.counts)
            and any(live.record.counts.values())
        ]
        for start in range(0, len(shown), GROUP):
            part = shown[start : start + GROUP]
            body = b"[" + b",".join(map(self._encoded.of, part)) + b"]"
            await self._events.send(body, event="flow", position=str(part[-1].position))

    async def losses(self) -> None:
        """Send what was lost before."""
        for loss in self._hub.standing().losses:
            await self._events.send(msgspec.json.encode(views.loss(loss)), event="lost")

    async def lost(self, records: int, reason: str) -> None:
        """Send that this reader misses something."""
        since = moment(self._hub.now_ns())
        body = {"node": "", "records": records, "since": since, "reason": reason}
        await self._events.send(msgspec.json.encode(body), event="lost")

    async def _lag(self, looked_at: int) -> None:
        """Say how the hub stands, and up to which record this reader has been told what is his.

        His own may be rare: without it he would come back with an old position, and be told of losses.
        """
        standing = self._hub.standing()
        body = {
            "now": moment(self._hub.now_ns()),
            "lag_ms": standing.lag_ms,
            "flows_per_s": standing.flows_per_s,
        }
        await self._events.send(msgspec.json.encode(body), event="lag", position=str(looked_at))


class _Encoded:
    """Records as JSON, each made once for all readers; those of the last moments are kept."""

    def __init__(self) -> None:
        self._bodies: OrderedDict[int, bytes] = OrderedDict()

    def of(self, live: Live) -> bytes:
        body = self._bodies.get(live.position)
        if body is None:
            record = live.record
            body = msgspec.json.encode(
                ours(Flow.of(record.variant, record.start_ns, record.end_ns, record.counts))
            )
            self._bodies[live.position] = body
            while len(self._bodies) > ENCODED:
                self._bodies.popitem(last=False)
        return body


def _position(request: web.Request) -> int | None:
    text = request.headers.get("Last-Event-ID") or request.query.get("last_event_id") or ""
    return int(text) if text.isdecimal() and len(text) < 19 else None


async def _with_pauses(listener: Listener, seconds: float) -> AsyncIterator[Sequence[Live]]:
    """Yield groups of records, and an empty one when nothing came for so long."""
    groups = aiter(listener)
    waiting = asyncio.ensure_future(anext(groups))
    try:
        while True:
            done, _ = await asyncio.wait({waiting}, timeout=seconds)
            if not done:
                yield ()
                continue
            yield waiting.result()
            waiting = asyncio.ensure_future(anext(groups))
    finally:
        waiting.cancel()
