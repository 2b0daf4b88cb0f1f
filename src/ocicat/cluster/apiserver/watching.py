"""WATCH: a stream of events from a revision on. Source: spec/kubernetes-api §5.

A watcher is a place in the store's history, nothing more: it holds no queue. One that is too slow finds
that its place has been forgotten, is told so (410 Expired), and begins anew, as with the real server.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from ocicat.cluster.apiserver.access import Access
from ocicat.cluster.apiserver.call import Call
from ocicat.cluster.apiserver.core import Core
from ocicat.cluster.apiserver.reading import chosen, interest_of, number
from ocicat.cluster.apiserver.settings import ApiServerSettings
from ocicat.cluster.resources.errors import ApiError, expired
from ocicat.cluster.resources.request import flag
from ocicat.cluster.resources.tables import table, wants_table
from ocicat.cluster.resources.versions import in_version
from ocicat.cluster.resources.watch import Change, Interest, bookmark, event_of
from ocicat.cluster.store.protocol import CompactedError

_BATCH: Final = 256
"""Events written in one go: bounds what one wake-up of a watcher buffers."""

Encode = Callable[[str, Mapping[str, Any], Change | None], bytes]


class Watching:
    """The watches of one API server."""

    def __init__(
        self, core: Core, access: Access, settings: ApiServerSettings, stopping: asyncio.Event
    ) -> None:
        self._core: Final = core
        self._access: Final = access
        self._settings: Final = settings
        self._stopping: Final = stopping

    async def watch(self, call: Call) -> web.StreamResponse:
        """Answer a WATCH until its time is over or the client is gone. Raises ApiError before the stream
        begins."""
        tiers = self._access.visible_tiers(call.user, call.ask()) if call.is_tiered else None
        interest = interest_of(call, tiers)
        asked = number(call, "resourceVersion")
        if asked > self._core.store.revision:
            raise ApiError(
                "Timeout", f"Too large resource version: {asked}, current: {self._core.store.revision}"
            )
        initial = flag(call.query, "sendInitialEvents") if "sendInitialEvents" in call.query else not asked
        cursor = self._core.store.revision if initial else asked or self._core.store.revision
        self._check_history(call, cursor)
        limit_s = min(
            number(call, "timeoutSeconds") or self._settings.watch_limit_s, self._settings.watch_limit_s
        )
        encode = self._encoder(call)
        first = (
            [encode("ADDED", stored.thing, None) for stored in chosen(self._core, call.kind, interest)]
            if initial
            else []
        )
        if initial and flag(call.query, "sendInitialEvents") and flag(call.query, "allowWatchBookmarks"):
            first.append(_bookmark_line(call, cursor, initial_end=True))
        answer = web.StreamResponse(
            headers={"Content-Type": "application/json", "Cache-Control": "no-cache, private"}
        )
        answer.enable_chunked_encoding()
        with contextlib.suppress(
            ConnectionError, TimeoutError
        ):  # a vanished client is normal, a stuck one is let go
            await answer.prepare(call.request)
            for begin in range(0, len(first), _BATCH):
                await self._send(answer, first[begin : begin + _BATCH])
            await self._follow(call, interest, cursor, encode, answer, limit_s)
            await answer.write_eof()
            return answer
        answer.force_close()
        return answer

    async def _send(self, answer: web.StreamResponse, lines: Sequence[bytes]) -> None:
        """Write events. Raises ConnectionError, and TimeoutError for one who takes none of them for long."""
        async with asyncio.timeout(self._settings.request_timeout_s):
            await answer.write(b"".join(lines))

    def _check_history(self, call: Call, cursor: int) -> None:
        try:
            self._core.store.since(call.kind.resource, cursor)
        except CompactedError as gone:
            raise expired(gone.oldest, cursor) from gone

    async def _follow(
        self,
        call: Call,
        interest: Interest,
        cursor: int,
        encode: Encode,
        answer: web.StreamResponse,
        limit_s: float,
    ) -> None:
        loop, resource = asyncio.get_running_loop(), call.kind.resource
        ends = loop.time() + limit_s
        wants_bookmarks = flag(call.query, "allowWatchBookmarks")
        next_bookmark = loop.time() + self._settings.bookmark_interval_s
        while not self._stopping.is_set() and call.request.transport is not None:
            try:
                changes = self._core.store.since(resource, cursor)[:_BATCH]
            except CompactedError as gone:
                await self._send(answer, [_line("ERROR", expired(gone.oldest, cursor).status)])
                return
            if changes:
                interest = self._grown(call, interest)
            lines = [
                encode(event[0], event[1], change)
                for change in changes
                if (event := event_of(change, interest)) is not None
            ]
            if changes:
                cursor = changes[-1].revision
                if lines:
                    await self._send(answer, lines)
                continue
            now = loop.time()
            if now >= ends:
                return
            if wants_bookmarks and now >= next_bookmark:
                next_bookmark = now + self._settings.bookmark_interval_s
                cursor = self._core.store.revision
                await self._send(answer, [_bookmark_line(call, cursor)])
            until = min(ends, next_bookmark) if wants_bookmarks else ends
            await self._core.changed(resource, until - now)

    def _grown(self, call: Call, interest: Interest) -> Interest:
        """Return the interest with the tiers that were made since and that the watcher may see, too.

        Those that are gone stay in it: their policies' deletions may still have to be told.
        """
        if interest.tiers is None:
            return interest
        tiers = interest.tiers | self._access.tiers_of(call.user, call.ask())
        return msgspec.structs.replace(interest, tiers=tiers)

    def _encoder(self, call: Call) -> Encode:
        """Return how events are written: as JSON of objects, or as tables whose heads come with the first."""
        version = wants_table(call.request.headers.get("Accept", ""))
        kind = call.kind
        if version is None:
            shared = self._core.registry.stored_as(kind.resource) == kind

            def plain(word: str, thing: Mapping[str, Any], change: Change | None) -> bytes:
                if change is not None and shared and (thing is change.after or thing is change.gone):
                    return self._core.event(change, word, thing)
                return _line(word, in_version(kind, thing))

            return plain
        heads = True
        include = call.query.get("includeObject") or "Metadata"

        def tabled(word: str, thing: Mapping[str, Any], change: Change | None) -> bytes:
            nonlocal heads
            row = table(
                kind, [thing], now_ns=self._core.now_ns(), include=include, version=version, heads=heads,
                list_metadata={"resourceVersion": thing["metadata"].get("resourceVersion", "")},
            )  # fmt: skip
            heads = False
            return _line(word, row)

        return tabled


def _line(kind: str, thing: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode({"type": kind, "object": thing}) + b"\n"


def _bookmark_line(call: Call, revision: int, *, initial_end: bool = False) -> bytes:
    thing = bookmark(call.kind.api_version, call.kind.kind, revision, initial_end=initial_end)
    if wants_table(call.request.headers.get("Accept", "")) is not None:
        thing = table(call.kind, [], now_ns=0, heads=False) | {
            "rows": [
                {
                    "cells": [],
                    "object": {**thing, "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"},
                }
            ],
            "metadata": {"resourceVersion": str(revision)},
        }
    return _line("BOOKMARK", thing)
