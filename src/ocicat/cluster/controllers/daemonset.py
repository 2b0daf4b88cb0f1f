"""DaemonSets: one pod on every node that can take it. The pod is given its node when it is made."""

from ocicat.cluster.controllers.actions import Action, Change, Create, Remove, Thing
from ocicat.cluster.controllers.known import Known
from ocicat.cluster.controllers.replicaset import pod_of
from ocicat.cluster.controllers.revisions import HASH, recorded
from ocicat.cluster.controllers.scheduler import why_not
from ocicat.cluster.controllers.things import (
    changed,
    digest,
    is_active,
    is_finished,
    is_going,
    is_ready,
    labels_of,
    name_of,
    spec_of,
    status_of,
)

_TOLERATED = (
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/unschedulable",
)


def reconcile(known: Known, daemonset: Thing, now_ns: int) -> list[Action]:
    """Return the pods to create or delete, and the status."""
    if is_going(daemonset):
        return []
    hashed = digest(spec_of(daemonset).get("template") or {})
    pods = known.controlled("Pod", daemonset)
    model = _pod(daemonset, "", hashed)
    nodes = [name_of(node) for node in known.all("Node") if not why_not(node, model)]
    by_node: dict[str, list[Thing]] = {}
    for pod in pods:
        by_node.setdefault(spec_of(pod).get("nodeName", ""), []).append(pod)
    actions: list[Action] = []
    for node in nodes:
        actions += _on_node(daemonset, node, by_node.get(node, []), hashed)
    for node, there in by_node.items():
        if node not in nodes:
            actions += [Remove(pod) for pod in there if not is_going(pod)]
    actions += _outdated(daemonset, pods, hashed, len(nodes))
    actions += recorded(known, daemonset, hashed, pods)
    return actions + _status(daemonset, pods, nodes, hashed)


def _on_node(daemonset: Thing, node: str, there: list[Thing], hashed: str) -> list[Action]:
    finished = [pod for pod in there if is_finished(pod) and not is_going(pod)]
    active = [pod for pod in there if is_active(pod)]
    actions: list[Action] = [Remove(pod) for pod in [*finished, *active[1:]]]
    if not active and not any(is_going(pod) for pod in there):
        actions.append(Create(_pod(daemonset, node, hashed), daemonset))
    return actions


def _outdated(daemonset: Thing, pods: list[Thing], hashed: str, nodes: int) -> list[Action]:
    """Replace pods of an earlier template, as many at once as may miss."""
    strategy = spec_of(daemonset).get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return []
    given = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1)
    missing = max(1, int(given[:-1]) * nodes // 100) if isinstance(given, str) else max(1, int(given))
    unavailable = sum(not is_ready(pod) or is_going(pod) for pod in pods)
    old = [pod for pod in pods if is_active(pod) and labels_of(pod).get(HASH) != hashed]
    broken = [pod for pod in old if not is_ready(pod)]
    healthy = [pod for pod in old if is_ready(pod)]
    return [Remove(pod) for pod in broken + healthy[: max(0, missing - unavailable)]]


def _pod(daemonset: Thing, node: str, hashed: str) -> Thing:
    pod = pod_of(daemonset, spec_of(daemonset).get("template") or {})
    tolerations = [{"key": key, "operator": "Exists"} for key in _TOLERATED]
    spec = {**pod["spec"], "tolerations": [*(pod["spec"].get("tolerations") or ()), *tolerations]}
    if node:
        spec["nodeName"] = node
    metadata = {**pod["metadata"], "labels": {**labels_of(pod), HASH: hashed}}
    return {**pod, "metadata": metadata, "spec": spec}


def _status(daemonset: Thing, pods: list[Thing], nodes: list[str], hashed: str) -> list[Action]:
    active = [pod for pod in pods if is_active(pod)]
    on_time = [pod for pod in active if spec_of(pod).get("nodeName") in nodes]
    ready = sum(is_ready(pod) for pod in on_time)
    status = {
        "desiredNumberScheduled": len(nodes),
        "currentNumberScheduled": len({spec_of(pod).get("nodeName") for pod in on_time}),
        "numberMisscheduled": len(active) - len(on_time),
        "numberReady": ready,
        "numberAvailable": ready,
        "numberUnavailable": max(0, len(nodes) - ready),
        "updatedNumberScheduled": sum(labels_of(pod).get(HASH) == hashed for pod in on_time),
        "observedGeneration": daemonset["metadata"].get("generation", 1),
    }
    patch = changed(status_of(daemonset), status)
    return [Change(daemonset, {"status": patch}, "status")] if patch else []
