"""ReplicaSets: as many pods of one template as asked for."""

from ocicat.cluster.controllers.actions import Action, Again, Change, Create, Remove, Say, Thing
from ocicat.cluster.controllers.known import Known
from ocicat.cluster.controllers.things import (
    changed,
    first_to_go,
    is_active,
    is_available,
    is_going,
    is_ready,
    labels_of,
    name_of,
    owned,
    spec_of,
    status_of,
)


def reconcile(known: Known, replicaset: Thing, now_ns: int) -> list[Action]:
    """Return the pods to create or delete, and the status."""
    if is_going(replicaset):
        return []
    spec = spec_of(replicaset)
    wanted = int(spec.get("replicas", 1))
    pods = known.controlled("Pod", replicaset)
    active = [pod for pod in pods if is_active(pod)]
    actions: list[Action] = []
    actions += [
        Create(pod_of(replicaset, spec.get("template") or {}), replicaset)
        for _ in range(max(0, wanted - len(active)))
    ]
    surplus = first_to_go(active)[: max(0, len(active) - wanted)]
    for pod in surplus:
        actions += [
            Remove(pod),
            Say(replicaset, "SuccessfulDelete", f"Deleted pod: {name_of(pod)}"),
        ]
    return actions + _status(replicaset, [pod for pod in active if pod not in surplus], now_ns)


def pod_of(owner: Thing, template: Thing, name: str = "") -> Thing:
    """Return a pod of a workload's template; without `name` the server makes one up."""
    given = template.get("metadata") or {}
    metadata = {key: given[key] for key in ("labels", "annotations") if given.get(key)}
    metadata |= {"name": name} if name else {"generateName": f"{name_of(owner)}-"}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": dict(template.get("spec") or {})}
    return owned(body, owner)


def _status(replicaset: Thing, pods: list[Thing], now_ns: int) -> list[Action]:
    spec = spec_of(replicaset)
    least_ready_s = int(spec.get("minReadySeconds", 0))
    template_labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    ready = [pod for pod in pods if is_ready(pod)]
    available = sum(is_available(pod, least_ready_s, now_ns) for pod in pods)
    status = {
        "replicas": len(pods),
        "fullyLabeledReplicas": sum(template_labels.items() <= labels_of(pod).items() for pod in pods),
        "readyReplicas": len(ready),
        "availableReplicas": available,
        "observedGeneration": replicaset["metadata"].get("generation", 1),
    }
    actions: list[Action] = []
    if patch := changed(status_of(replicaset), status):
        actions.append(Change(replicaset, {"status": patch}, "status"))
    if available < len(ready):
        actions.append(Again(least_ready_s))
    return actions
