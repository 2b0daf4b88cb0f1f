"""The scheduler: a node for each pod that has none, spread over those that can take it."""

from ocicat.cluster.controllers.actions import Action, Change, Say, Thing
from ocicat.cluster.controllers.known import Known
from ocicat.cluster.controllers.things import (
    condition,
    is_finished,
    is_going,
    labels_of,
    name_of,
    namespace_of,
    spec_of,
    status_of,
    with_condition,
)
from ocicat.cluster.resources.claims import SELECTED, bound_status, claim_names, node_of


def reconcile(known: Known, pod: Thing, now_ns: int) -> list[Action]:
    """Return the binding of a pod to a node, or why there is none."""
    if spec_of(pod).get("nodeName") or is_going(pod) or is_finished(pod):
        return []
    claims = {name: known.get("PersistentVolumeClaim", namespace_of(pod), name) for name in claim_names(pod)}
    absent = next((name for name, claim in claims.items() if claim is None), None)
    if absent is not None:
        return _unscheduled(pod, f'persistentvolumeclaim "{absent}" not found', now_ns)
    taken = {at for claim in claims.values() if claim is not None and (at := node_of(claim))}
    reasons: dict[str, int] = {}
    possible = []
    for node in known.all("Node"):
        reason = why_not(node, pod)
        if not reason and taken - {name_of(node)}:
            reason = "node(s) had volume node affinity conflict"
        if reason:
            reasons[reason] = reasons.get(reason, 0) + 1
        else:
            possible.append(node)
    if not possible:
        return _unscheduled(pod, _reasons_text(reasons), now_ns)
    chosen = min(possible, key=lambda node: (*_load(known, node, pod), name_of(node)))
    found = [claim for claim in claims.values() if claim is not None]
    return _with_claims(found, name_of(chosen)) or _bound(pod, name_of(chosen))


def _with_claims(claims: list[Thing], node: str) -> list[Action]:
    """Return what gives claims their node, and then their status; a pod is bound when they have both."""
    placed = {"metadata": {"annotations": {SELECTED: node}}}
    actions: list[Action] = [Change(claim, placed) for claim in claims if not node_of(claim)]
    return actions or [
        Change(claim, {"status": bound_status(claim)}, "status")
        for claim in claims
        if status_of(claim).get("phase") != "Bound"
    ]


def _bound(pod: Thing, node: str) -> list[Action]:
    target = {"target": {"apiVersion": "v1", "kind": "Node", "name": node}}
    text = f"Successfully assigned {namespace_of(pod)}/{name_of(pod)} to {node}"
    return [Change(pod, target, "binding"), Say(pod, "Scheduled", text)]


def why_not(node: Thing, pod: Thing) -> str:
    """Return why a node cannot take a pod, empty where it can."""
    if spec_of(node).get("unschedulable") and not _tolerates(
        pod, {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    ):
        return "node(s) were unschedulable"
    ready = condition(node, "Ready")
    if ready is None or ready.get("status") != "True":
        return "node(s) were not ready"
    wanted = spec_of(pod).get("nodeSelector") or {}
    if not wanted.items() <= labels_of(node).items():
        return "node(s) didn't match Pod's node affinity/selector"
    for taint in spec_of(node).get("taints") or ():
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not _tolerates(pod, taint):
            return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
    return ""


def _tolerates(pod: Thing, taint: Thing) -> bool:
    for toleration in spec_of(pod).get("tolerations") or ():
        if toleration.get("effect") not in (None, "", taint.get("effect")):
            continue
        if toleration.get("operator", "Equal") == "Exists":
            if toleration.get("key") in (None, "", taint["key"]):
                return True
        elif toleration.get("key") == taint["key"] and toleration.get("value", "") == taint.get("value", ""):
            return True
    return False


def _load(known: Known, node: Thing, pod: Thing) -> tuple[int, int]:
    """Return how many pods of the same labels the node has, and how many at all."""
    there = [
        item
        for item in known.all("Pod")
        if spec_of(item).get("nodeName") == name_of(node) and not is_finished(item)
    ]
    alike = [
        item
        for item in there
        if namespace_of(item) == namespace_of(pod) and labels_of(item) == labels_of(pod)
    ]
    return len(alike), len(there)


def _reasons_text(reasons: dict[str, int]) -> str:
    detail = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    total = sum(reasons.values())
    return f"0/{total} nodes are available: {detail}." if total else "no nodes available to schedule pods"


def _unscheduled(pod: Thing, message: str, now_ns: int) -> list[Action]:
    new = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    old = condition(pod, "PodScheduled")
    if old is not None and all(old.get(key) == value for key, value in new.items()):
        return []
    conditions = with_condition(pod, new, now_ns)
    return [
        Change(pod, {"status": {"conditions": conditions}}, "status"),
        Say(pod, "FailedScheduling", message, warning=True),
    ]
