"""`GET /api/v1/flows/stream`: what was, then what happens, without gap or double, also after a break.

Source: docs/explanation/console-api.md, "The stream".
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from ocicat.api import asking, views
from ocicat.api.documents import BUCKET_NS, Flow, identity, moment, ours
from ocicat.api.flowpages import GROUPS, asked_of, grouped
from ocicat.api.sse import Events
from ocicat.model.flowfilter import Filter
from ocicat.ports.flowhub import FlowHub, Listener, Live
from ocicat.ports.flowstore import Window

GROUP: Final = 500
"""Flows in one event."""
LAG_S: Final = 5.0


class FlowStream:
    """The handler."""

    def __init__(self, hub: FlowHub) -> None:
        """Answer from `hub`."""
        self._hub = hub

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Send the backfill, or what came after the reader's last position; then records as they arrive."""
        group = asking.one_of(request.query, "group", GROUPS)
        asked = asked_of(self._hub, request.query)
        # A node whose clock is a little ahead has records of the next seconds.
        end = self._hub.now_ns() + BUCKET_NS
        asked = msgspec.structs.replace(asked, window=Window(min(asked.window.start_ns, end), end))
        after = _position(request)
        again: list[Live] = []
        backfill: list[bytes] = []
        missing = 0
        with contextlib.ExitStack() as stack:
            async with self._hub.settled():
                listener = stack.enter_context(self._hub.listen())
                began = self._hub.position
                if after is not None and after <= began:
                    again, missing = await self._hub.since(after)
                else:
                    backfill = _bodies(*await grouped(self._hub, asked, group))
            events = Events(request)
            async with events.opened() as response:
                await self._losses(events)
                if after is not None and after > began:
                    await self._lost(events, 0, "this hub has begun a new history; here is all of it")
                elif missing:
                    await self._lost(events, missing, "the break was longer than what is repeated")
                for place, body in enumerate(backfill, start=1):
                    # Only the last has a position: a break before it begins the backfill anew.
                    is_last = place == len(backfill)
                    await events.send(body, event="flow", position=str(began) if is_last else "")
                await self._show(events, again, asked.filter)
                await events.send(b"{}", event="caught-up")
                await self._follow(events, listener, asked.filter)
            return response

    async def _follow(self, events: Events, listener: Listener, filter_: Filter) -> None:
        missed = 0
        async for records in _with_pauses(listener, LAG_S):
            await self._show(events, records, filter_)
            if listener.missed > missed:
                await self._lost(events, listener.missed - missed, "this page could not keep up")
                missed = listener.missed
            await self._lag(events)

    async def _show(self, events: Events, records: Sequence[Live], filter_: Filter) -> None:
        matches = self._hub.matcher(filter_)
        shown = [
            live
            for live in records
            if matches(live.record.variant)
            and filter_.matches_counts(live.record.counts)
            and any(live.record.counts.values())
        ]
        for start in range(0, len(shown), GROUP):
            part = shown[start : start + GROUP]
            body = msgspec.json.encode([_of_record(live) for live in part])
            await events.send(body, event="flow", position=str(part[-1].position))

    async def _losses(self, events: Events) -> None:
        for loss in self._hub.standing().losses:
            await events.send(msgspec.json.encode(views.loss(loss)), event="lost")

    async def _lost(self, events: Events, records: int, reason: str) -> None:
        since = moment(self._hub.now_ns())
        body = {"node": "", "records": records, "since": since, "reason": reason}
        await events.send(msgspec.json.encode(body), event="lost")

    async def _lag(self, events: Events) -> None:
        standing = self._hub.standing()
        body = {
            "now": moment(self._hub.now_ns()),
            "lag_ms": standing.lag_ms,
            "flows_per_s": standing.flows_per_s,
        }
        await events.send(msgspec.json.encode(body), event="lag")


def _bodies(flows: Sequence[Flow], series: Mapping[str, Any]) -> list[bytes]:
    """Return flows as the data of events."""
    return [
        msgspec.json.encode(
            [ours(flow, series.get(identity(flow.key))) for flow in flows[start : start + GROUP]]
        )
        for start in range(0, len(flows), GROUP)
    ]


def _position(request: web.Request) -> int | None:
    text = request.headers.get("Last-Event-ID") or request.query.get("last_event_id") or ""
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _of_record(live: Live) -> dict[str, Any]:
    record = live.record
    return ours(Flow.of(record.variant, record.start_ns, record.end_ns, record.counts))


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
