"""Sums of flows as the screens ask for them: series, top lists, the graph, both ends of one. Pure."""

import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from ocicat.api.documents import connection, decided_by, identity, moment, shown_name
from ocicat.engine.plan import Plan
from ocicat.engine.policy import Entity, EntityKind
from ocicat.model.flow import Action, HitKind, Reporter
from ocicat.model.record import FlowKey, Variant
from ocicat.model.textmatch import GLOBAL
from ocicat.ports.flowhub import Found, Loss
from ocicat.ports.flowstore import Row, Window

NS: Final = 1_000_000_000
STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


def step_of(window: Window, points: int) -> int:
    """Return a round step, in nanoseconds, that cuts the window into about `points` pieces, at most."""
    wanted_s = (window.end_ns - window.start_ns) / NS / points
    return next((step for step in STEPS_S if step >= wanted_s), STEPS_S[-1]) * NS


def places(window: Window, step_ns: int) -> tuple[int, int]:
    """Return the number of the first step, and how many there are."""
    first = window.start_ns // step_ns
    return first, (window.end_ns - 1) // step_ns - first + 1


def byte_series(found: Iterable[Found], window: Window, step_ns: int) -> Mapping[str, Any]:
    """Return the bytes of each key by step."""
    first, count = places(window, step_ns)
    series: dict[str, Any] = {}
    for item in found:
        one = series.setdefault(
            identity(item.variant.key),
            {"from": moment(first * step_ns), "step_s": step_ns // NS, "bytes": [0] * count},
        )
        one["bytes"][item.start_ns // step_ns - first] += _bytes(item)
    return series


def _bytes(item: Found) -> int:
    return item.counts.bytes_in + item.counts.bytes_out


def reported_once(found: Iterable[Found]) -> list[Found]:
    """Return each connection kind by one reporter: what both ends saw must not be added up (§9).

    The destination's report counts where there is one, since it saw what arrived; the source's otherwise.
    """
    items = list(found)
    arrived = {connection(item.variant.key) for item in items if item.variant.key.reporter is Reporter.DST}
    return [
        item
        for item in items
        if item.variant.key.reporter is Reporter.DST
        or connection(item.variant.key) not in arrived
        or item.variant.key.action is Action.DENY
    ]


# --- one connection -----------------------------------------------------------------------------------------


def history(found: Iterable[Found], window: Window, step_ns: int) -> list[dict[str, Any]]:
    """Return bytes, packets, connections and denials of one connection kind by step."""
    first, count = places(window, step_ns)
    fields = ("bytes_forward", "bytes_back", "packets_forward", "packets_back", "connections", "denied")
    points: list[dict[str, Any]] = [
        {"time": moment((first + place) * step_ns), **dict.fromkeys(fields, 0)} for place in range(count)
    ]
    for item in reported_once(found):
        point, counts = points[item.start_ns // step_ns - first], item.counts
        forward = "in" if item.variant.key.reporter is Reporter.DST else "out"
        back = "out" if forward == "in" else "in"
        for measure in ("bytes", "packets"):
            point[f"{measure}_forward"] += getattr(counts, f"{measure}_{forward}")
            point[f"{measure}_back"] += getattr(counts, f"{measure}_{back}")
        denied = item.variant.key.action is Action.DENY
        point["denied" if denied else "connections"] += counts.connections_started
    return points


def ends_of(
    kinds: Sequence[tuple[int, Variant]], plan: Plan | None, sees: Callable[[str], bool]
) -> dict[str, Any]:
    """Return who both ends are: labels, pods (of namespaces that may be seen), addresses on flows."""
    key = kinds[0][1].key
    variants = [variant for _, variant in kinds]
    return {
        side: _end(side, key, variants, plan if sees(getattr(key, f"{side}_namespace")) else None)
        for side in ("source", "dest")
    }


def _end(side: str, key: FlowKey, variants: list[Variant], plan: Plan | None) -> dict[str, Any]:
    name, namespace = getattr(key, f"{side}_name"), getattr(key, f"{side}_namespace")
    addresses = sorted({ip for variant in variants if (ip := getattr(variant, f"{side}_ip"))})
    labels = sorted({label for variant in variants for label in getattr(variant, f"{side}_labels")})
    pods = [
        {"name": pod.key.name, "ip": str(pod.addresses[0]) if pod.addresses else "", "node": pod.node}
        for pod in workloads(plan, namespace, name)
    ]
    return {
        "type": getattr(key, f"{side}_type").value,
        "namespace": namespace or "-",
        "name": shown_name(name),
        "labels": labels,
        "pods": pods,
        "addresses": [] if pods else addresses,
        "dns_names": [],
    }


def workloads(plan: Plan | None, namespace: str, name: str) -> list[Entity]:
    """Return the pods that flows show under a name."""
    if plan is None:
        return []
    return sorted(
        (
            entity
            for entity in plan.entities.values()
            if entity.key.kind is EntityKind.WORKLOAD
            and entity.key.namespace == namespace
            and (entity.shown_name or entity.key.name) == name
        ),
        key=lambda entity: entity.key,
    )


# --- series, top lists --------------------------------------------------------------------------------------


def groups_of(found: Iterable[Found], by: str) -> tuple[list[str], dict[int, int]]:
    """Return the names of groups, and the group of each kind of flow; each connection kind is in one only."""
    names: dict[str, int] = {}
    groups = {
        item.number: names.setdefault(name, len(names))
        for item in reported_once(found)
        for name in _keys(item.variant.key, by)
    }
    return list(names), groups


def timeseries(rows: Iterable[Row], names: Sequence[str], window: Window, step_ns: int) -> dict[str, Any]:
    """Return bytes, packets and connections by step, one series for each group that has a name."""
    first, count = places(window, step_ns)
    measures = ("bytes", "packets", "connections")
    series = {name: {measure: [0] * count for measure in measures} for name in names}
    for row in rows:
        one, counts = series[names[row.variant]], row.counts
        place = row.start_ns // step_ns - first
        one["bytes"][place] += counts.bytes_in + counts.bytes_out
        one["packets"][place] += counts.packets_in + counts.packets_out
        one["connections"][place] += counts.connections_started
    return {
        "from": moment(first * step_ns),
        "step_s": step_ns // NS,
        "series": [{"key": name, **series[name]} for name in sorted(series)],
    }


def _keys(key: FlowKey, by: str) -> list[str]:
    match by:
        case "action":
            return [key.action.value]
        case "source":
            return [_workload(key.source_namespace, key.source_name)]
        case "dest":
            return [_workload(key.dest_namespace, key.dest_name)]
        case "pair":
            source, dest = _keys(key, "source")[0], _keys(key, "dest")[0]
            return [f"{source} → {dest}"]
        case "service":
            name = key.dest_service_name
            return [f"{key.dest_service_namespace}/{name}"] if name != "-" else []
        case _:
            named = [hit.trigger or hit for hit in key.enforced if hit.kind is not HitKind.PROFILE]
            return [_workload(item.namespace, item.name) for item in named[-1:]]


def _workload(namespace: str, name: str) -> str:
    return f"{namespace}/{shown_name(name)}" if namespace not in ("-", "") else shown_name(name)


def top(found: Iterable[Found], by: str, measure: str, limit: int) -> dict[str, Any]:
    """Return who has most of a measure."""
    sums: dict[str, dict[str, int]] = {}
    for item in reported_once(found):
        denied = item.variant.key.action is Action.DENY
        for name in _keys(item.variant.key, by):
            one = sums.setdefault(name, {"bytes": 0, "connections": 0, "denied": 0})
            one["bytes"] += _bytes(item)
            one["denied" if denied else "connections"] += item.counts.connections_started
    ranked = sorted(sums, key=lambda name: (-sums[name][measure], name))[:limit]
    return {
        "items": [
            {"key": name, "namespace": name.partition("/")[0] if "/" in name else "-", **sums[name]}
            for name in ranked
        ]
    }


# --- the graph ----------------------------------------------------------------------------------------------


def graph(
    found: Iterable[Found], plan: Plan | None, sees: Callable[[str], bool] = lambda namespace: True
) -> dict[str, Any]:
    """Return workloads as nodes, connection kinds as edges; replicas of namespaces that may be seen."""
    nodes: dict[str, dict[str, Any]] = {}
    edges: dict[str, dict[str, Any]] = {}
    pending: dict[str, tuple[int, bool]] = {}
    for item in reported_once(found):
        key = item.variant.key
        source, dest = (
            _node(nodes, item.variant, side, plan if sees(getattr(key, f"{side}_namespace")) else None)
            for side in ("source", "dest")
        )
        edge = edges.setdefault(connection(key), _edge(key, source, dest))
        edge["bytes"] += _bytes(item)
        denied = key.action is Action.DENY
        edge["denied" if denied else "allowed"] += item.counts.connections_started
        staged = any(hit.action is Action.DENY for hit in key.pending[-1:])
        # The newest flow has the word: what older ones say was so before policies changed.
        newest = max(pending.get(edge["id"], (0, False)), (item.end_ns, staged and not denied))
        pending[edge["id"]] = newest
        edge["would_deny"] = newest[1]
        hit = decided_by(key)
        if hit is not None and hit not in edge["decided_by"]:
            edge["decided_by"].append(hit)
    return {
        "nodes": [nodes[name] for name in sorted(nodes)],
        "edges": [edges[name] for name in sorted(edges)],
    }


def _node(nodes: dict[str, dict[str, Any]], variant: Variant, side: str, plan: Plan | None) -> str:
    key = variant.key
    name, namespace = getattr(key, f"{side}_name"), getattr(key, f"{side}_namespace")
    place = f"{namespace or '-'}/{name}"
    if place not in nodes:
        nodes[place] = {
            "id": place,
            "type": getattr(key, f"{side}_type").value,
            "namespace": namespace or "-",
            "name": shown_name(name),
            "replicas": max(1, len(workloads(plan, namespace, name))),
            "labels": list(getattr(variant, f"{side}_labels")),
        }
    return place


def _edge(key: FlowKey, source: str, dest: str) -> dict[str, Any]:
    return {
        "id": connection(key),
        "source": source,
        "dest": dest,
        "service": key.dest_service_name if key.dest_service_name != "-" else "",
        "port": key.dest_port,
        "protocol": key.proto,
        "bytes": 0,
        "allowed": 0,
        "denied": 0,
        "would_deny": False,
        "decided_by": [],
    }


# --- hints, losses ------------------------------------------------------------------------------------------


def _namespace(namespace: str) -> str:
    return GLOBAL if namespace in ("-", "") else namespace


def _policies(key: FlowKey, attribute: str) -> list[str]:
    hits = [hit.trigger or hit for hit in (*key.enforced, *key.pending) if hit.kind is not HitKind.PROFILE]
    return [str(getattr(item, attribute)) for item in hits if getattr(item, attribute)]


HINTS: Final[dict[str, Callable[[FlowKey], list[str]]]] = {
    "source_name": lambda key: [shown_name(key.source_name)],
    "source_namespace": lambda key: [_namespace(key.source_namespace)],
    "dest_name": lambda key: [shown_name(key.dest_name)],
    "dest_namespace": lambda key: [_namespace(key.dest_namespace)],
    "service": lambda key: _keys(key, "service"),
    "policy_kind": lambda key: [hit.kind.value for hit in (*key.enforced, *key.pending)],
    "policy_tier": lambda key: _policies(key, "tier"),
    "policy_namespace": lambda key: [_namespace(space) for space in _policies(key, "namespace")],
    "policy_name": lambda key: _policies(key, "name"),
}
"""What the search boxes offer, by field."""


def is_like(value: str, text: str) -> bool:
    """Tell whether a value contains a text, or matches it from the start as a pattern with stars."""
    if text.lower() in value.lower():
        return True
    return "*" in text and fnmatch.fnmatchcase(value.lower(), text.lower().replace("[", "[[]") + "*")


def loss(found: Loss) -> dict[str, Any]:
    """Return a loss as the stream tells it."""
    return {
        "node": found.node,
        "records": found.records,
        "since": moment(found.since_ns),
        "reason": found.reason,
    }
