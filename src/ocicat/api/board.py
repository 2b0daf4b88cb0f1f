"""Policies and endpoints as applied, with what flows say of each: the board, the list of workloads. Pure.

Source: docs/explanation/console-api.md, console/src/api/views.ts (`Board`, `EndpointList`).
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ocicat.api.documents import connection, moment, shown_name
from ocicat.api.sight import ALL, HIDDEN, Sight
from ocicat.api.views import places, reported_once
from ocicat.engine.convert import BUILT_IN_TIERS
from ocicat.engine.explain import rule_text
from ocicat.engine.identity import shown_labels
from ocicat.engine.plan import Plan
from ocicat.engine.policy import Direction, Entity, EntityKind, Policy, PolicyKey
from ocicat.model.flow import Action, Hit, HitKind, Reporter
from ocicat.model.record import FlowKey
from ocicat.ports.flowhub import Found
from ocicat.ports.flowstore import Window
from ocicat.ports.policyview import PolicyView

SELECTED: Final = 200
PEERS: Final = 8
BUILT_IN: Final = frozenset(tier.name for tier in BUILT_IN_TIERS)
_OWN: Final = HitKind.END_OF_TIER, HitKind.PROFILE
_Named = tuple[HitKind, str, str]
"""Kind, namespace, and name as traces show it."""


# --- the board ----------------------------------------------------------------------------------------------


def board(
    plan: Plan | None,
    view: PolicyView,
    found: Iterable[Found],
    window: Window,
    step_ns: int,
    sight: Sight = ALL,
) -> dict[str, Any]:
    """Return the tiers in order, the policies of each in order, and how often each decided.

    Policies of namespaces that may not be seen are left out. Those without namespace are there, since they
    judge everybody's flows, but what they say only where it may be read.
    """
    tally = _Tally(window, step_ns)
    for item in found:
        tally.add(item)
    if plan is None:
        return {"tiers": [], "unjudged": tally.unjudged}
    selected = _selected(plan)
    cards: dict[str, list[dict[str, Any]]] = {}
    for key in sorted(plan.policies, key=lambda key: plan.policies[key].rank):
        policy = plan.policies[key]
        if key.namespace and not sight.sees(key.namespace):
            continue
        applied = [name for name in selected.get(key, []) if sight.sees(name.partition("/")[0])]
        card = _card(plan, view, policy, applied, tally)
        cards.setdefault(policy.tier, []).append(
            card if sight.sees_policy(key.namespace) else _without_words(card)
        )
    tiers = [
        {
            "name": tier.name,
            "order": tier.order if math.isfinite(tier.order) else None,
            "default_action": tier.default_action.value,
            "builtin": tier.name in BUILT_IN,
            "policies": cards.get(tier.name, []),
            "rest": tally.rest[tier.name],
        }
        for tier in plan.tiers
    ]
    return {"tiers": tiers, "unjudged": tally.unjudged}


class _Tally:
    """How often policies, rules and ends of tiers decided, by the hits of flows."""

    def __init__(self, window: Window, step_ns: int) -> None:
        self._first, self._count = places(window, step_ns)
        self._step_ns = step_ns
        self.by_policy: dict[_Named, dict[Action, list[int]]] = {}
        self.by_rule: dict[tuple[_Named, Direction, int], list[int]] = {}
        self.last: dict[object, int] = {}
        self.ends: Counter[_Named] = Counter()
        self.rest: Counter[str] = Counter()
        self.unjudged = 0

    def add(self, item: Found) -> None:
        key, weight = item.variant.key, item.counts.connections_started
        judged = [hit for hit in key.enforced if hit.kind is not HitKind.PROFILE]
        if not judged:
            self.unjudged += weight
        staged = [hit for hit in key.pending if (hit.trigger or hit).kind.staged]
        for hit in (*judged, *staged):
            self._add(hit, item, weight, enforced=hit in judged)

    def _add(self, hit: Hit, item: Found, weight: int, *, enforced: bool) -> None:
        named = hit.trigger or hit
        policy = (named.kind, named.namespace, named.name)
        direction = Direction.EGRESS if item.variant.key.reporter is Reporter.SRC else Direction.INGRESS
        if hit.kind is HitKind.END_OF_TIER:
            self.ends[policy] += weight
            if enforced:
                self.rest[hit.tier] += weight
        else:
            rule = policy, direction, hit.rule_index
            self._count_in(self.by_rule.setdefault(rule, self._nothing()), item, weight)
            self._see(rule, item.end_ns)
        actions = self.by_policy.setdefault(policy, {})
        self._count_in(actions.setdefault(hit.action, self._nothing()), item, weight)
        self._see(policy, item.end_ns)

    def _nothing(self) -> list[int]:
        return [0] * self._count

    def _count_in(self, series: list[int], item: Found, weight: int) -> None:
        series[item.start_ns // self._step_ns - self._first] += weight

    def _see(self, what: object, when_ns: int) -> None:
        self.last[what] = max(self.last.get(what, 0), when_ns)

    def last_hit(self, what: object) -> str | None:
        """Return when something was hit last, None for never."""
        return moment(self.last[what]) if what in self.last else None

    def rule(self, policy: _Named, direction: Direction, index: int) -> dict[str, Any]:
        """Return the hits of a rule: how many, by step, and when the last one was."""
        series = self.by_rule.get((policy, direction, index), self._nothing())
        last_hit = self.last_hit((policy, direction, index))
        return {"hits": sum(series), "series": series, "last_hit": last_hit}

    def hits(self, policy: _Named) -> dict[str, Any]:
        """Return the hits of a policy by step and action."""
        nothing = self._nothing()
        actions = self.by_policy.get(policy, {})
        return {
            "step_s": self._step_ns // 1_000_000_000,
            "allow": actions.get(Action.ALLOW, nothing),
            "deny": actions.get(Action.DENY, nothing),
            "pass": actions.get(Action.PASS, nothing),
            "last_hit": self.last_hit(policy),
        }


def _selected(plan: Plan) -> Mapping[PolicyKey, list[str]]:
    """Return the workloads that each policy applies to."""
    found: dict[PolicyKey, set[str]] = {}
    for key, endpoint in plan.endpoints.items():
        if key.kind is not EntityKind.WORKLOAD:
            continue
        name = f"{key.namespace}/{_group(plan.entities[plan.numbers[key]])}"
        for class_id in endpoint.classes.values():
            for part in plan.classes[class_id].tiers:
                for policy in part.policies:
                    found.setdefault(policy, set()).add(name)
    return {policy: sorted(names) for policy, names in found.items()}


def _group(entity: Entity) -> str:
    return entity.shown_name or entity.key.name


def _card(plan: Plan, view: PolicyView, policy: Policy, selected: list[str], tally: _Tally) -> dict[str, Any]:
    key, written = policy.key, view.written(policy.key)
    named = (key.kind, key.namespace, plan.names[key])
    directions = [direction for direction in Direction if policy.rules(direction) is not None]
    selector = written.selector or policy.selector.canonical
    return {
        "ref": _ref(plan, key),
        "full_name": key.name,
        "staged": policy.staged,
        "order": policy.order if math.isfinite(policy.order) else None,
        "types": [direction.value.capitalize() for direction in directions],
        "selector": selector,
        "selects": _selects(key, written.selector),
        "selected": selected[:SELECTED],
        "selected_count": len(selected),
        "rules": [
            {
                "direction": direction.value.capitalize(),
                "index": index,
                "action": rule.action.value,
                "text": rule_text(rule),
                **tally.rule(named, direction, index),
                "lines": written.lines.get((direction, index), (0, 0)),
            }
            for direction in directions
            for index, rule in enumerate(policy.rules(direction) or ())
        ],
        "hits": tally.hits(named),
        "end_of_tier": tally.ends[named],
        "changed": written.changed,
        "yaml": written.yaml,
    }


def _without_words(card: dict[str, Any]) -> dict[str, Any]:
    rules = [{**rule, "text": HIDDEN} for rule in card["rules"]]
    return {**card, "selector": "", "selects": "", "yaml": "", "rules": rules}


def _selects(key: PolicyKey, selector: str) -> str:
    what = "all pods" if selector in ("", "all()") else f"pods with {selector}"
    return f"{what} in {key.namespace}" if key.namespace else what


def _ref(plan: Plan, key: PolicyKey) -> dict[str, Any]:
    return {
        "kind": key.kind.value,
        "namespace": key.namespace,
        "name": plan.names[key],
        "tier": plan.policies[key].tier,
    }


# --- endpoints ----------------------------------------------------------------------------------------------


def endpoints(
    plan: Plan | None,
    found: Iterable[Found],
    namespace: str,
    sees: Callable[[str], bool] = lambda namespace: True,
) -> list[dict[str, Any]]:
    """Return the workloads of the cluster, of one namespace where it is given, and what they talk to.

    Only those of namespaces that may be seen.
    """
    if plan is None:
        return []
    groups: dict[tuple[str, str], list[Entity]] = {}
    for entity in plan.entities.values():
        if (
            entity.key.kind is EntityKind.WORKLOAD
            and namespace in ("", entity.key.namespace)
            and sees(entity.key.namespace)
        ):
            groups.setdefault((entity.key.namespace, _group(entity)), []).append(entity)
    traffic = _Traffic(found, groups.keys())
    return [_endpoint(plan, place, groups[place], traffic) for place in sorted(groups)]


class _Traffic:
    """What flows say of some workloads."""

    def __init__(self, found: Iterable[Found], places: Iterable[tuple[str, str]]) -> None:
        self.bytes: Counter[tuple[str, str]] = Counter()
        self.denied: Counter[tuple[tuple[str, str], Direction]] = Counter()
        self.peers: dict[tuple[str, str], dict[str, dict[str, Any]]] = {place: {} for place in places}
        for item in reported_once(found):
            key = item.variant.key
            source = (key.source_namespace, key.source_name)
            dest = (key.dest_namespace, key.dest_name)
            self._add(source, dest, Direction.EGRESS, item)
            self._add(dest, source, Direction.INGRESS, item)

    def _add(self, end: tuple[str, str], peer: tuple[str, str], direction: Direction, item: Found) -> None:
        if end not in self.peers:
            return
        key, counts = item.variant.key, item.counts
        volume, is_denied = counts.bytes_in + counts.bytes_out, key.action is Action.DENY
        known = self.peers[end].setdefault(f"{connection(key)}{direction}", _peer(key, peer, direction))
        known["bytes"] += volume
        known["denied" if is_denied else "connections"] += counts.connections_started
        self.bytes[end] += volume
        if is_denied:
            self.denied[end, direction] += counts.connections_started


def _peer(key: FlowKey, peer: tuple[str, str], direction: Direction) -> dict[str, Any]:
    return {
        "namespace": peer[0] or "-",
        "name": shown_name(peer[1]),
        "direction": direction.value.capitalize(),
        "port": key.dest_port,
        "protocol": key.proto,
        "bytes": 0,
        "connections": 0,
        "denied": 0,
    }


def _endpoint(plan: Plan, place: tuple[str, str], pods: list[Entity], traffic: _Traffic) -> dict[str, Any]:
    pods.sort(key=lambda pod: pod.key)
    peers = sorted(traffic.peers[place].values(), key=lambda peer: (-peer["bytes"], peer["name"]))
    return {
        "type": "WorkloadEndpoint",
        "namespace": place[0],
        "name": place[1],
        "labels": list(shown_labels(pods[0].labels)),
        "pods": [
            {"name": pod.key.name, "ip": str(pod.addresses[0]) if pod.addresses else "", "node": pod.node}
            for pod in pods
        ],
        "ingress": _state(plan, pods[0], Direction.INGRESS),
        "egress": _state(plan, pods[0], Direction.EGRESS),
        "peers": peers[:PEERS],
        "denied_in": traffic.denied[place, Direction.INGRESS],
        "denied_out": traffic.denied[place, Direction.EGRESS],
        "bytes": traffic.bytes[place],
    }


def _state(plan: Plan, pod: Entity, direction: Direction) -> dict[str, Any]:
    tiers = plan.classes[plan.endpoints[pod.key].class_id(direction)].tiers
    keys = [key for part in tiers for key in part.policies]
    enforced = [key for key in keys if not key.kind.staged]
    return {
        "isolated": bool(enforced),
        "policies": [_ref(plan, key) for key in enforced],
        "staged": [_ref(plan, key) for key in keys if key.kind.staged],
    }
