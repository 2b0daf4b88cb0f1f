"""What policies and rules did, counted from the hits of flows: for the flow API's Statistics and ours. Pure.

Enforced and pending hits both count, a hit in both once; an end of tier counts for the policy that it holds
responsible; profiles decide nothing worth counting. Source: spec/flows-and-console §4.6.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from ocicat.model.flow import Action, Hit, HitKind, Reporter
from ocicat.model.flowfilter import Filter, hit_test
from ocicat.model.record import FlowCounts, FlowKey
from ocicat.ports.flowhub import Found

VERBS: Final = {Action.ALLOW: "allowed", Action.DENY: "denied", Action.PASS: "passed"}


class Group(msgspec.Struct, frozen=True):
    """What is counted together."""

    kind: HitKind
    namespace: str
    name: str
    tier: str
    rule: tuple[Reporter, int] | None
    """Direction and index, where rules are told apart."""

    @property
    def place(self) -> tuple[str, str, str, str, str, int]:
        """By what groups are in order: tier, namespace, name, kind, direction, rule."""
        reporter, index = self.rule or ("", 0)
        return (self.tier, self.namespace, self.name, self.kind.value, str(reporter), index)


def groups_of(key: FlowKey, *, by_rule: bool) -> list[tuple[Group, Hit]]:
    """Return what the hits of a key count for."""
    groups: dict[tuple[Group, Action], Hit] = {}
    for hit in (*key.enforced, *key.pending):
        if hit.kind is HitKind.PROFILE:
            continue
        named = hit.trigger or hit
        rule = (key.reporter, hit.rule_index) if by_rule else None
        group = Group(named.kind, named.namespace, named.name, hit.tier, rule)
        groups.setdefault((group, hit.action), hit)
    return [(group, hit) for (group, _), hit in groups.items()]


def statistics(found: Iterable[Found], filter_: Filter, of: str, measure: str) -> dict[str, Any]:
    """Return what each policy, or each rule, allowed, denied and passed on.

    Args:
        found: Sums of flows.
        filter_: Its clauses on policies choose hits too, not only flows that have one.
        of: `policy` or `rule`.
        measure: `connections`, `packets` or `bytes`, the latter two both ways.
    """
    matches = hit_test(filter_)
    sums: dict[Group, dict[str, int]] = {}
    for item in found:
        for group, hit in groups_of(item.variant.key, by_rule=of == "rule"):
            if matches(hit):
                line = sums.setdefault(group, dict.fromkeys(VERBS.values(), 0))
                line[VERBS[hit.action]] += _measured(item.counts, measure)
    ordered = sorted(sums, key=lambda group: group.place)
    return {"measure": measure, "items": [{**_named(group), **sums[group]} for group in ordered]}


def _measured(counts: FlowCounts, measure: str) -> int:
    if measure == "connections":
        return counts.connections_started
    return int(getattr(counts, f"{measure}_in") + getattr(counts, f"{measure}_out"))


def _named(group: Group) -> dict[str, Any]:
    reporter, index = group.rule or (None, None)
    policy = {
        "kind": group.kind.value,
        "namespace": group.namespace,
        "name": group.name,
        "tier": group.tier,
    }
    direction = {Reporter.SRC: "Egress", Reporter.DST: "Ingress"}[reporter] if reporter else None
    return {"policy": policy, "direction": direction, "rule_index": index}
