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
    with_condition,
)


def reconcile(known: Known, pod: Thing, now_ns: int) -> list[Action]:
    """Return the binding of a pod to a node, or why there is none."""
    if spec_of(pod).get("nodeName") or is_going(pod) or is_finished(pod):
        return []
    reasons: dict[str, int] = {}
    possible = []
    for node in known.all("Node"):
        reason = why_not(node, pod)
        if reason:
            reasons[reason] = reasons.get(reason, 0) + 1
        else:
            possible.append(node)
    if not possible:
        return _unscheduled(pod, reasons, now_ns)
    chosen = min(possible, key=lambda node: (*_load(known, node, pod), name_of(node)))
    target = {"target": {"apiVersion": "v1", "kind": "Node", "name": name_of(chosen)}}
    text = f"Successfully assigned {namespace_of(pod)}/{name_of(pod)} to {name_of(chosen)}"
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


def _unscheduled(pod: Thing, reasons: dict[str, int], now_ns: int) -> list[Action]:
    total = sum(reasons.values())
    detail = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    message = f"0/{total} nodes are available: {detail}." if total else "no nodes available to schedule pods"
    new = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    old = condition(pod, "PodScheduled")
    if old is not None and all(old.get(key) == value for key, value in new.items()):
        return []
    conditions = with_condition(pod, new, now_ns)
    return [
        Change(pod, {"status": {"conditions": conditions}}, "status"),
        Say(pod, "FailedScheduling", message, warning=True),
    ]
