"""StatefulSets: pods with ordinals, made in order, taken away from the highest."""

from ocicat.cluster.controllers.actions import Action, Change, Create, Remove, Thing
from ocicat.cluster.controllers.known import Known
from ocicat.cluster.controllers.replicaset import pod_of
from ocicat.cluster.controllers.revisions import HASH, recorded
from ocicat.cluster.controllers.things import (
    changed,
    digest,
    is_finished,
    is_going,
    is_ready,
    labels_of,
    name_of,
    namespace_of,
    spec_of,
    status_of,
)


def reconcile(known: Known, statefulset: Thing, now_ns: int) -> list[Action]:
    """Return the next pods to create or delete, and the status. Without order they go all at once."""
    if is_going(statefulset):
        return []
    spec = spec_of(statefulset)
    pods = {name_of(pod): pod for pod in known.controlled("Pod", statefulset)}
    wanted = [f"{name_of(statefulset)}-{ordinal}" for ordinal in range(int(spec.get("replicas", 1)))]
    revision = f"{name_of(statefulset)}-{digest(spec.get('template') or {})}"
    in_order = spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady"
    actions = _next(statefulset, pods, wanted, revision, in_order=in_order)
    actions += recorded(known, statefulset, revision, list(pods.values()))
    return actions + _status(statefulset, pods, revision)


def _next(
    statefulset: Thing, pods: dict[str, Thing], wanted: list[str], revision: str, *, in_order: bool
) -> list[Action]:
    actions: list[Action] = []
    for name in wanted:
        pod = pods.get(name)
        if pod is None:
            actions += _claims(statefulset, name)
            actions.append(Create(_pod(statefulset, name, revision), statefulset))
        elif is_finished(pod) and not is_going(pod):
            actions.append(Remove(pod))
        if (pod is None or is_going(pod) or not is_ready(pod)) and in_order:
            return actions  # the next one waits for this one
    surplus = sorted((name for name in pods if name not in wanted), key=_ordinal, reverse=True)
    going = [Remove(pods[name]) for name in surplus if not is_going(pods[name])]
    if surplus:
        waits = in_order and any(is_going(pods[name]) for name in surplus)
        return [*actions, *([] if waits else going[:1] if in_order else going)]
    return [*actions, *_outdated(statefulset, pods, wanted, revision)]


def _outdated(statefulset: Thing, pods: dict[str, Thing], wanted: list[str], revision: str) -> list[Action]:
    """Replace one pod of an earlier template, from the highest ordinal; the next when that one is ready."""
    strategy = spec_of(statefulset).get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return []
    first = int((strategy.get("rollingUpdate") or {}).get("partition", 0))
    if any(is_going(pod) or not is_ready(pod) for pod in pods.values()):
        return []
    for name in reversed(wanted[first:]):
        if name in pods and labels_of(pods[name]).get(HASH) != revision:
            return [Remove(pods[name])]
    return []


def _ordinal(name: str) -> int:
    text = name.rpartition("-")[2]
    return int(text) if text.isdecimal() else -1


def _pod(statefulset: Thing, name: str, revision: str) -> Thing:
    pod = pod_of(statefulset, spec_of(statefulset).get("template") or {}, name)
    labels = {
        **labels_of(pod),
        "statefulset.kubernetes.io/pod-name": name,
        "apps.kubernetes.io/pod-index": str(_ordinal(name)),
        HASH: revision,
    }
    metadata = {**pod["metadata"], "generateName": f"{name_of(statefulset)}-", "labels": labels}
    spec = {**pod["spec"], "hostname": name, "subdomain": spec_of(statefulset).get("serviceName", "")}
    claimed = {
        name_of(template): {"claimName": f"{name_of(template)}-{name}"}
        for template in spec_of(statefulset).get("volumeClaimTemplates") or ()
    }
    given = [row for row in spec.get("volumes") or () if row.get("name") not in claimed]
    volumes = [{"name": volume, "persistentVolumeClaim": claim} for volume, claim in claimed.items()]
    if volumes:
        spec["volumes"] = [*given, *volumes]
    return {**pod, "metadata": metadata, "spec": spec}


def _claims(statefulset: Thing, pod: str) -> list[Action]:
    """Return the claims of a pod's volumes; they are no one's, and outlive pod and StatefulSet."""
    made: list[Action] = []
    selected = (spec_of(statefulset).get("selector") or {}).get("matchLabels") or {}
    for template in spec_of(statefulset).get("volumeClaimTemplates") or ():
        metadata = {
            "name": f"{name_of(template)}-{pod}",
            "namespace": namespace_of(statefulset),
            "labels": {**labels_of(template), **selected},
        }
        body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata}
        made.append(Create({**body, "spec": dict(spec_of(template))}))
    return made


def _status(statefulset: Thing, pods: dict[str, Thing], revision: str) -> list[Action]:
    updated = [pod for pod in pods.values() if labels_of(pod).get(HASH) == revision]
    ready = sum(is_ready(pod) for pod in pods.values())
    before = status_of(statefulset)
    done = len(updated) == len(pods) and ready == len(pods)
    status = {
        "replicas": len(pods),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "currentReplicas": len(updated) if done else len(pods) - len(updated),
        "updatedReplicas": len(updated),
        "updateRevision": revision,
        "currentRevision": revision if done else before.get("currentRevision", revision),
        "observedGeneration": statefulset["metadata"].get("generation", 1),
    }
    patch = changed(before, status)
    return [Change(statefulset, {"status": patch}, "status")] if patch else []
