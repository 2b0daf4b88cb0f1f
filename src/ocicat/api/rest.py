"""Our own paths below /api/v1. Source: docs/explanation/console-api.md, console/src/api/types.ts."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

from ocicat.api import asking, board, views
from ocicat.api.asking import Question
from ocicat.api.documents import Flow, connection, flows_of, identity, moment, ours
from ocicat.api.export import Export
from ocicat.api.flowpages import GROUPS, SERIES_POINTS, asked_of, grouped
from ocicat.api.flowstream import FlowStream
from ocicat.api.walks import walks_of
from ocicat.model.flowfilter import EVERYTHING
from ocicat.ports.flowhub import FlowHub
from ocicat.ports.policyview import PolicyView

NS: Final = 1_000_000_000


class FlowApi:
    """The handlers of our own paths."""

    def __init__(self, hub: FlowHub, policy: PolicyView, version: str) -> None:
        """Answer from `hub`, and explain by `policy`."""
        self._hub = hub
        self._policy = policy
        self._version = version

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        handlers = {
            "/flows": self.flows,
            "/flows/stream": FlowStream(self._hub).serve,
            "/flows/{id}": self.details,
            "/timeseries": self.timeseries,
            "/top": self.top,
            "/graph": self.graph,
            "/policies": self.policies,
            "/endpoints": self.endpoints,
            "/hints": self.hints,
            "/status": self.status,
            "/export": Export(self._hub).serve,
        }
        return [web.get(f"/api/v1{path}", handler) for path, handler in handlers.items()]

    # --- flows ----------------------------------------------------------------------------------------------

    async def flows(self, request: web.Request) -> web.Response:
        """`GET /flows`."""
        group = asking.one_of(request.query, "group", GROUPS)
        asked = self._question(request.query)
        flows, series = await grouped(self._hub, asked, group)
        total = len({connection(flow.key) for flow in flows}) if group == "connection" else len(flows)
        page = flows[asked.cursor : asked.cursor + asked.limit]
        rest = asked.cursor + len(page)
        return answer(
            {
                "items": [ours(flow, series.get(identity(flow.key))) for flow in page],
                "total": total,
                "next_cursor": str(rest) if rest < len(flows) else None,
                "notes": [],
            }
        )

    def _question(self, query: Mapping[str, str]) -> Question:
        return asked_of(self._hub, query)

    async def details(self, request: web.Request) -> web.Response:
        """`GET /flows/{id}`, where id is a flow's or a connection's."""
        asked = self._question(request.query)
        wanted = request.match_info["id"]
        kinds = self._hub.variants(lambda variant: wanted in (identity(variant.key), connection(variant.key)))
        if not kinds:
            return answer({"error": f"there is no flow {wanted!r} in history"}, status=404)
        same = {connection(variant.key) for _, variant in kinds}
        kinds = self._hub.variants(lambda variant: connection(variant.key) in same)
        numbers = [number for number, _ in kinds]
        flows = flows_of(await self._hub.sums(asked.window, numbers))
        step = views.step_of(asked.window, 60)
        points = await self._hub.sums(asked.window, numbers, step)
        raw = await self._hub.latest(asked.window, numbers, 50)
        key = kinds[0][1].key
        plan = self._policy.plan()
        return answer(
            {
                "flows": [ours(flow) for flow in flows],
                **views.ends_of(kinds, plan),
                **walks_of(plan, self._policy, key, [variant for _, variant in kinds]),
                "step_s": step // NS,
                "history": views.history(points, asked.window, step),
                "raw": [ours(Flow.of(item.variant, item.start_ns, item.end_ns, item.counts)) for item in raw],
            }
        )

    # --- sums -----------------------------------------------------------------------------------------------

    async def timeseries(self, request: web.Request) -> web.Response:
        """`GET /timeseries`."""
        asked = self._question(request.query)
        by = asking.one_of(request.query, "by", ("action", "source", "dest", "policy"))
        step_s = asking.number(request.query, "step_s", views.step_of(asked.window, 60) // NS, 86_400)
        step = max(1, step_s) * NS
        found = await self._hub.found(asked.window, asked.filter, step)
        return answer(views.timeseries(found, asked.window, step, by))

    async def top(self, request: web.Request) -> web.Response:
        """`GET /top`."""
        asked = self._question(request.query)
        by = asking.one_of(request.query, "by", ("source", "dest", "pair", "service", "policy"))
        measure = asking.one_of(request.query, "measure", ("bytes", "connections", "denied"))
        limit = asking.number(request.query, "limit", 10, 1000)
        return answer(views.top(await self._hub.found(asked.window, asked.filter), by, measure, limit))

    async def graph(self, request: web.Request) -> web.Response:
        """`GET /graph`."""
        asked = self._question(request.query)
        return answer(views.graph(await self._hub.found(asked.window, asked.filter), self._policy.plan()))

    async def policies(self, request: web.Request) -> web.Response:
        """`GET /policies`: the board."""
        asked = self._question(request.query)
        step = views.step_of(asked.window, SERIES_POINTS)
        found = await self._hub.found(asked.window, EVERYTHING, step)
        return answer(board.board(self._policy.plan(), self._policy, found, asked.window, step))

    async def endpoints(self, request: web.Request) -> web.Response:
        """`GET /endpoints`."""
        asked = self._question(request.query)
        namespace = request.query.get("namespace", "")
        found = await self._hub.found(asked.window, EVERYTHING)
        return answer({"endpoints": board.endpoints(self._policy.plan(), found, namespace)})

    async def hints(self, request: web.Request) -> web.Response:
        """`GET /hints`: values in use that contain a text."""
        asked = self._question(request.query)
        field = asking.one_of(request.query, "field", tuple(views.HINTS))
        text = request.query.get("text", "")
        kinds = self._hub.variants(self._hub.matcher(asked.filter))
        values = sorted({value for _, variant in kinds for value in views.HINTS[field](variant.key)})
        meant = [value for value in values if views.is_like(value, text)]
        page = meant[asked.cursor : asked.cursor + asked.limit]
        rest = asked.cursor + len(page)
        return answer(
            {
                "items": [{"value": value} for value in page],
                "total": len(meant),
                "next_cursor": str(rest) if rest < len(meant) else None,
            }
        )

    async def status(self, _request: web.Request) -> web.Response:
        """`GET /status`."""
        standing, now = self._hub.standing(), self._hub.now_ns()
        kinds = self._hub.variants(lambda _variant: True)
        spaces = {
            key for _, variant in kinds for key in (variant.key.source_namespace, variant.key.dest_namespace)
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
                "namespaces": sorted(spaces - {"-", ""}),
            }
        )


def answer(body: Any, status: int = 200) -> web.Response:
    """Return JSON."""
    headers = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"}
    return web.Response(body=msgspec.json.encode(body), status=status, headers=headers)
