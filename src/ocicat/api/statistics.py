"""`StatisticsService`: how much each policy, or each rule, let through, denied and passed on.

Source: spec/flows-and-console §4.6. Two oddities of the original are not kept: rules are grouped
by their index, not the policy's, and a policy match with an action matches.
"""

from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import grpc

from ocicat.api.moments import BUCKET_NS, NS, window_of
from ocicat.api.policycounts import VERBS, Group, groups_of
from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.proto import flows_pb2_grpc as stubs
from ocicat.api.protofilters import policy_document
from ocicat.api.records import policy_message
from ocicat.api.whiskerfilters import filter_of
from ocicat.model.flow import Action, Reporter
from ocicat.model.flowfilter import EVERYTHING, Filter, hit_test
from ocicat.model.record import FlowCounts, FlowKey
from ocicat.ports.flowhub import FlowHub, Found

_SERIES: Final = tuple(f"{verb}_{way}" for verb in VERBS.values() for way in ("in", "out"))


class StatisticsService:
    """Fulfils the service Statistics. Register it with `add_to`."""

    def __init__(self, hub: FlowHub) -> None:
        """Answer from `hub`."""
        self._hub = hub

    def add_to(self, server: Any) -> None:
        """Serve the method on a gRPC server."""
        stubs.add_StatisticsServicer_to_server(self, server)

    async def List(  # noqa: N802
        self, request: pb.StatisticsRequest, context: Any
    ) -> AsyncIterator[pb.StatisticsResult]:
        """Send one result for each policy or rule that decided something in the window."""
        try:
            pb.StatisticType.Name(request.type), pb.StatisticsGroupBy.Name(request.group_by)
            wanted = _wanted(request)
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise
        try:
            window = window_of(request.start_time_gte, request.start_time_lt, self._hub.now_ns())
        except ValueError as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))
            raise
        found = await self._hub.found(window, wanted, BUCKET_NS)
        results = results_of(found, request, wanted)
        if not results:
            yield pb.StatisticsResult()
            await context.abort(grpc.StatusCode.NOT_FOUND, "no policy decided anything in that time")
        for result in results:
            yield result


def _wanted(request: pb.StatisticsRequest) -> Filter:
    if not request.HasField("policy_match"):
        return EVERYTHING
    document = policy_document(request.policy_match)
    return filter_of({"policies": [document]}) if document else EVERYTHING


def results_of(
    found: Iterable[Found], request: pb.StatisticsRequest, wanted: Filter
) -> list[pb.StatisticsResult]:
    """Return the results of sums by bucket, in order of tier, namespace, name and rule."""
    matches = hit_test(wanted)
    sums: dict[Group, dict[int, dict[str, int]]] = {}
    actions: dict[Group, Action] = {}
    for item in found:
        x = item.start_ns // BUCKET_NS * (BUCKET_NS // NS) if request.time_series else 0
        for group, hit in groups_of(item.variant.key, by_rule=request.group_by == pb.PolicyRule):
            if not matches(hit):
                continue
            actions.setdefault(group, hit.action)
            point = sums.setdefault(group, {}).setdefault(x, dict.fromkeys(_SERIES, 0))
            for way, count in _counts(item.variant.key, item.counts, request.type):
                point[f"{VERBS[hit.action]}_{way}"] += count
    ordered = sorted(sums, key=lambda group: group.place)
    return [_result(group, actions[group], sums[group], request) for group in ordered]


def _counts(key: FlowKey, counts: FlowCounts, kind: int) -> list[tuple[str, int]]:
    if kind == pb.LiveConnectionCount:
        return [("in" if key.reporter is Reporter.DST else "out", counts.connections_live)]
    measure = "bytes" if kind == pb.ByteCount else "packets"
    return [(way, getattr(counts, f"{measure}_{way}")) for way in ("in", "out")]


def _result(
    group: Group, action: Action, points: dict[int, dict[str, int]], request: pb.StatisticsRequest
) -> pb.StatisticsResult:
    """Name the policy itself, also where the end of its tier counts for it; with rules, the rule too."""
    named = (group.kind, group.namespace, group.name, group.tier)
    policy, direction = policy_message(*named), pb.Any
    if group.rule is not None:
        reporter, index = group.rule
        policy = policy_message(*named, action, index)
        direction = pb.Ingress if reporter is Reporter.DST else pb.Egress
    moments = sorted(points)
    series = {name: [points[x][name] for x in moments] for name in _SERIES}
    return pb.StatisticsResult(
        policy=policy,
        direction=direction,
        group_by=request.group_by,
        type=request.type,
        x=moments if request.time_series else [],
        **series,
    )
