"""Aggregated ClusterRoles: their rules are those of the roles that they select, written for people to see.

The API server judges by the selection itself; this is what `kubectl describe clusterrole view` shows.
"""

from ocicat.cluster.controllers.actions import Action, Change, Thing
from ocicat.cluster.controllers.known import Known
from ocicat.cluster.resources.selectors import from_object


def reconcile(known: Known, role: Thing, now_ns: int) -> list[Action]:
    """Return the change that brings the rules of an aggregated role up to date."""
    aggregation = role.get("aggregationRule")
    if not aggregation:
        return []
    rules: list[Thing] = []
    for selector in aggregation.get("clusterRoleSelectors") or ():
        chosen = from_object(selector)
        for other in known.all("ClusterRole"):
            if not other.get("aggregationRule") and chosen.matches(other):
                rules += [rule for rule in other.get("rules") or () if rule not in rules]
    return [] if rules == (role.get("rules") or []) else [Change(role, {"rules": rules})]
