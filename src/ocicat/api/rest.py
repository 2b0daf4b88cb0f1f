"""Our own paths below /api/v1. Source: docs/explanation/console-api.md, console/src/api/types.ts."""

from typing import Final

import msgspec
from aiohttp import web

from ocicat.api import asking, board, views
from ocicat.api.contract import words
from ocicat.api.contract.openapi import document
from ocicat.api.documents import Flow, connection, flows_of, identity, moment, ours
from ocicat.api.door import LOGIN, VISITOR, Login
from ocicat.api.export import Export
from ocicat.api.flowpages import SERIES_POINTS, asked_of, grouped
from ocicat.api.flowstream import FlowStream
from ocicat.api.policycounts import statistics
from ocicat.api.replies import JSON, answer, failure
from ocicat.api.sight import seen_hub, seen_policy, sight_of
from ocicat.api.walks import walks_of
from ocicat.model.flowfilter import EVERYTHING
from ocicat.ports.flowhub import FlowHub
from ocicat.ports.policyview import PolicyView

NS: Final = 1_000_000_000


class FlowApi:
    """The handlers of our own paths. Each answers by what its reader may see."""

    def __init__(self, hub: FlowHub, policy: PolicyView, version: str) -> None:
        """Answer from `hub`, and explain by `policy`."""
        self._hub = hub
        self._policy = policy
        self._version = version
        self._document = msgspec.json.encode(document(version))

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        handlers = {
            "/openapi.json": self.openapi,
            "/flows": self.flows,
            "/flows/{id}": self.details,
            "/timeseries": self.timeseries,
            "/top": self.top,
            "/graph": self.graph,
            "/policies": self.policies,
            "/statistics": self.statistics,
            "/endpoints": self.endpoints,
            "/hints": self.hints,
            "/status": self.status,
            "/session": self.session,
        }
        # Streams and files have no head without body: HEAD would run them for nothing.
        long = {"/flows/stream": FlowStream(self._hub).serve, "/export": Export(self._hub).serve}
        return [
            *(web.get(f"/api/v1{path}", handler, allow_head=False) for path, handler in long.items()),
            *(web.get(f"/api/v1{path}", handler) for path, handler in handlers.items()),
        ]

    async def openapi(self, _request: web.Request) -> web.Response:
        """`GET /openapi.json`: what all the others promise."""
        return web.Response(body=self._document, headers={"Content-Type": JSON})

    # --- flows ----------------------------------------------------------------------------------------------

    async def flows(self, request: web.Request) -> web.Response:
        """`GET /flows`."""
        hub = seen_hub(self._hub, request)
        group = asking.one_of(request.query, "group", words.GROUPS)
        asked = asked_of(hub, request.query)
        flows, series = await grouped(hub, asked, group)
        total = len({connection(flow.key) for flow in flows}) if group == "connection" else len(flows)
        page = flows[asked.cursor : asked.cursor + asked.limit]
        rest = asked.cursor + len(page)
        return answer(
            {
                "items": [ours(flow, series.get(identity(flow.key))) for flow in page],
                "total": total,
                "next_cursor": str(rest) if page and rest < len(flows) else None,
                "notes": [],
            }
        )

    async def details(self, request: web.Request) -> web.Response:
        """`GET /flows/{id}`, where id is a flow's or a connection's."""
        hub, sight = seen_hub(self._hub, request), sight_of(request)
        asked = asked_of(hub, request.query)
        wanted = request.match_info["id"]
        kinds = hub.variants(lambda variant: wanted in (identity(variant.key), connection(variant.key)))
        if not kinds:
            return failure(404, f"there is no flow {wanted!r} in history")
        same = {connection(variant.key) for _, variant in kinds}
        kinds = hub.variants(lambda variant: connection(variant.key) in same)
        numbers = [number for number, _ in kinds]
        flows = flows_of(await hub.sums(asked.window, numbers))
        step = views.step_of(asked.window, 60)
        points = await hub.sums(asked.window, numbers, step)
        raw = await hub.latest(asked.window, numbers, 50)
        key = kinds[0][1].key
        plan, policy = self._policy.plan(), seen_policy(self._policy, request)
        return answer(
            {
                "flows": [ours(flow) for flow in flows],
                **views.ends_of(kinds, plan, sight.sees),
                **walks_of(plan, policy, key, [variant for _, variant in kinds], sight),
                "step_s": step // NS,
                "history": views.history(points, asked.window, step),
                "raw": [ours(Flow.of(item.variant, item.start_ns, item.end_ns, item.counts)) for item in raw],
            }
        )

    # --- sums -----------------------------------------------------------------------------------------------

    async def timeseries(self, request: web.Request) -> web.Response:
        """`GET /timeseries`."""
        hub = seen_hub(self._hub, request)
        asked = asked_of(hub, request.query)
        by = asking.one_of(request.query, "by", words.BY)
        step = asking.step_ns(request.query, asked.window, views.step_of(asked.window, 60))
        names, groups = views.groups_of(await hub.found(asked.window, asked.filter), by)
        rows = await hub.group_sums(asked.window, groups, step)
        return answer(views.timeseries(rows, names, asked.window, step))

    async def top(self, request: web.Request) -> web.Response:
        """`GET /top`."""
        hub = seen_hub(self._hub, request)
        asked = asked_of(hub, request.query)
        by = asking.one_of(request.query, "by", words.RANKED)
        measure = asking.one_of(request.query, "measure", words.MEASURES)
        limit = asking.number(request.query, "limit", 10, words.MOST_TOP)
        return answer(views.top(await hub.found(asked.window, asked.filter), by, measure, limit))

    async def graph(self, request: web.Request) -> web.Response:
        """`GET /graph`."""
        hub, sight = seen_hub(self._hub, request), sight_of(request)
        asked = asked_of(hub, request.query)
        found = await hub.found(asked.window, asked.filter)
        return answer(views.graph(found, self._policy.plan(), sight.sees))

    async def policies(self, request: web.Request) -> web.Response:
        """`GET /policies`: the board."""
        hub = seen_hub(self._hub, request)
        asked = asked_of(hub, request.query)
        step = views.step_of(asked.window, SERIES_POINTS)
        found = await hub.found(asked.window, EVERYTHING, step)
        policy = seen_policy(self._policy, request)
        return answer(board.board(self._policy.plan(), policy, found, asked.window, step, sight_of(request)))

    async def statistics(self, request: web.Request) -> web.Response:
        """`GET /statistics`."""
        hub = seen_hub(self._hub, request)
        asked = asked_of(hub, request.query)
        of = asking.one_of(request.query, "of", words.STATISTICS_OF)
        measure = asking.one_of(request.query, "measure", words.STATISTICS)
        found = await hub.found(asked.window, asked.filter)
        return answer(statistics(found, asked.filter, of, measure))

    async def endpoints(self, request: web.Request) -> web.Response:
        """`GET /endpoints`."""
        hub = seen_hub(self._hub, request)
        asked = asked_of(hub, request.query)
        namespace = request.query.get("namespace", "")
        found = await hub.found(asked.window, EVERYTHING)
        listed = board.endpoints(self._policy.plan(), found, namespace, sight_of(request).sees)
        return answer({"endpoints": listed})

    async def hints(self, request: web.Request) -> web.Response:
        """`GET /hints`: values in use that contain a text."""
        hub = seen_hub(self._hub, request)
        asked = asked_of(hub, request.query)
        field = asking.one_of(request.query, "field", tuple(views.HINTS))
        text = request.query.get("text", "")
        kinds = hub.variants(hub.matcher(asked.filter))
        values = sorted({value for _, variant in kinds for value in views.HINTS[field](variant.key)})
        meant = [value for value in values if views.is_like(value, text)]
        page = meant[asked.cursor : asked.cursor + asked.limit]
        rest = asked.cursor + len(page)
        return answer(
            {
                "items": [{"value": value} for value in page],
                "total": len(meant),
                "next_cursor": str(rest) if page and rest < len(meant) else None,
            }
        )

    async def status(self, request: web.Request) -> web.Response:
        """`GET /status`."""
        hub, sight = seen_hub(self._hub, request), sight_of(request)
        standing, now = hub.standing(), hub.now_ns()
        spaces = {
            space
            for _, variant in hub.variants(lambda _variant: True)
            for space in (variant.key.source_namespace, variant.key.dest_namespace)
        }
        return answer(
            {
                "version": self._version,
                "now": moment(now),
                "lag_ms": standing.lag_ms,
                "flows_per_s": standing.flows_per_s,
                "oldest": moment(standing.store.oldest_ns) if standing.store.oldest_ns is not None else None,
                "losses": [views.loss(loss) for loss in standing.losses],
                "nodes": [{"name": name, "last_seen": moment(seen)} for name, seen in standing.nodes],
                "namespaces": sorted(space for space in spaces - {"-", ""} if sight.sees(space)),
            }
        )

    async def session(self, request: web.Request) -> web.Response:
        """`GET /session`: who asks, and what he may see."""
        visitor, sight = request.get(VISITOR), sight_of(request)
        return answer(
            {
                "login": request.app[LOGIN].value if LOGIN in request.app else Login.NONE.value,
                "user": visitor or "",
                "all_namespaces": sight.all_namespaces,
                "namespaces": sorted(sight.namespaces),
                "shared_policies": sight.shared_policies,
            }
        )
