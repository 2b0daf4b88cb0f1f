"""Deployments: ReplicaSets by revision, and the way from one to the next.

The new ReplicaSet grows and the old ones shrink so that at no time more pods exist than `maxSurge` allows,
nor fewer are available than `maxUnavailable` allows.
"""

import math
from typing import Any, Final

from ocicat.cluster.controllers.actions import Action, Again, Change, Create, Remove, Say, Thing
from ocicat.cluster.controllers.known import Known
from ocicat.cluster.controllers.things import (
    NS,
    changed,
    condition,
    digest,
    instant,
    is_going,
    name_of,
    owned,
    spec_of,
    status_of,
    timestamp,
    with_condition,
)

REVISION: Final = "deployment.kubernetes.io/revision"
DESIRED: Final = "deployment.kubernetes.io/desired-replicas"
HASH: Final = "pod-template-hash"


def reconcile(known: Known, deployment: Thing, now_ns: int) -> list[Action]:
    """Return the ReplicaSets to create, scale or delete, and the status."""
    if is_going(deployment):
        return []
    sets = sorted(known.controlled("ReplicaSet", deployment), key=_revision)
    new = next((item for item in sets if template_of(item) == wanted_template(deployment)), None)
    old = [item for item in sets if item is not new]
    paused = bool(spec_of(deployment).get("paused"))
    actions: list[Action] = []
    if new is None:
        if not paused:
            made = _new_set(deployment, old)
            told = _told(deployment, name_of(made), 0, _asked(made)) if _asked(made) else []
            return [Create(made), *told, *_status(known, deployment, None, old, now_ns)]
    else:
        actions += _renumbered(new, old, deployment)
    actions += _scaled(deployment, new, old, paused=paused)
    actions += _forgotten(deployment, old)
    return actions + _status(known, deployment, new, old, now_ns)


# --- templates and revisions --------------------------------------------------------------------------------


def wanted_template(deployment: Thing) -> Thing:
    """Return the template that the Deployment has now."""
    return dict(spec_of(deployment).get("template") or {})


def template_of(replicaset: Thing) -> Thing:
    """Return the template that a ReplicaSet was made of: its own, without the label of its hash."""
    template = dict(spec_of(replicaset).get("template") or {})
    metadata = dict(template.get("metadata") or {})
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH}
    metadata["labels"] = labels
    return {**template, "metadata": metadata}


def _revision(replicaset: Thing) -> int:
    text = (replicaset["metadata"].get("annotations") or {}).get(REVISION, "0")
    return int(text) if text.isdecimal() else 0


def _new_set(deployment: Thing, old: list[Thing]) -> Thing:
    template = wanted_template(deployment)
    hashed = digest([template, status_of(deployment).get("collisionCount", 0)])
    metadata = dict(template.get("metadata") or {})
    labels = {**(metadata.get("labels") or {}), HASH: hashed}
    selector = dict(spec_of(deployment).get("selector") or {})
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH: hashed}
    revision = max(map(_revision, old), default=0) + 1
    wanted = int(spec_of(deployment).get("replicas", 1))
    count = wanted if _recreates(deployment) else _room(deployment, old, 0)
    if _recreates(deployment) and any(_pods(item) for item in old):
        count = 0
    body = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name_of(deployment)}-{hashed}",
            "labels": labels,
            "annotations": {REVISION: str(revision), DESIRED: str(wanted)},
        },
        "spec": {
            "replicas": count,
            "minReadySeconds": int(spec_of(deployment).get("minReadySeconds", 0)),
            "selector": selector,
            "template": {**template, "metadata": {**metadata, "labels": labels}},
        },
    }
    return owned(body, deployment)


def _renumbered(new: Thing, old: list[Thing], deployment: Thing) -> list[Action]:
    """Give the current set the highest revision (`kubectl rollout undo` goes back to an old set)."""
    highest = max(map(_revision, old), default=0)
    revision = _revision(new) if _revision(new) > highest else highest + 1
    actions: list[Action] = []
    if revision != _revision(new):
        actions.append(Change(new, {"metadata": {"annotations": {REVISION: str(revision)}}}))
    annotations = deployment["metadata"].get("annotations") or {}
    if annotations.get(REVISION) != str(revision):
        actions.append(Change(deployment, {"metadata": {"annotations": {REVISION: str(revision)}}}))
    return actions


# --- scaling ------------------------------------------------------------------------------------------------


def _scaled(deployment: Thing, new: Thing | None, old: list[Thing], *, paused: bool) -> list[Action]:
    wanted = int(spec_of(deployment).get("replicas", 1))
    if paused or new is None:
        return _proportioned(deployment, [*old, *([new] if new else [])], wanted)
    if _recreates(deployment):
        return _recreated(deployment, new, old, wanted)
    grown = min(wanted, max(_asked(new), _asked(new) + _room(deployment, old, _asked(new))))
    actions: list[Action] = []
    if grown != _asked(new):
        actions += _rescale(deployment, new, wanted if _asked(new) > wanted else grown)
    return actions + _shrunk(deployment, new, old, wanted)


def _room(deployment: Thing, old: list[Thing], own: int) -> int:
    """Return how many pods the new set may have more than `own`, given the old ones and maxSurge."""
    wanted = int(spec_of(deployment).get("replicas", 1))
    surge, _ = limits(deployment)
    existing = sum(max(_asked(item), _pods(item)) for item in old)
    return max(0, min(wanted - own, wanted + surge - existing - own))


def _shrunk(deployment: Thing, new: Thing, old: list[Thing], wanted: int) -> list[Action]:
    """Take from the old sets what may go: pods that are not available first, then as many as may miss."""
    _, missing = limits(deployment)
    available = sum(_available(item) for item in [*old, new])
    spare = max(0, available - (wanted - missing))
    actions: list[Action] = []
    for item in old:
        asked = _asked(item)
        unavailable = max(0, asked - _available(item))
        healthy = min(asked - unavailable, spare)
        spare -= healthy
        left = asked - unavailable - healthy
        if left != asked:
            actions += _rescale(deployment, item, left)
    return actions


def _recreated(deployment: Thing, new: Thing, old: list[Thing], wanted: int) -> list[Action]:
    down = [action for item in old if _asked(item) for action in _rescale(deployment, item, 0)]
    if down or any(_pods(item) for item in old):
        return down
    return _rescale(deployment, new, wanted) if _asked(new) != wanted else []


def _proportioned(deployment: Thing, sets: list[Thing], wanted: int) -> list[Action]:
    """Scale a paused Deployment: the newest set that has pods takes the difference."""
    having = [item for item in sets if _asked(item)] or sets[-1:]
    difference = wanted - sum(map(_asked, sets))
    if not having or not difference:
        return []
    last = having[-1]
    return _rescale(deployment, last, max(0, _asked(last) + difference))


def _rescale(deployment: Thing, replicaset: Thing, count: int) -> list[Action]:
    wanted = str(spec_of(deployment).get("replicas", 1))
    patch = {"metadata": {"annotations": {DESIRED: wanted}}, "spec": {"replicas": count}}
    told = _told(deployment, name_of(replicaset), _asked(replicaset), count)
    return [Change(replicaset, patch), *told]


def _told(deployment: Thing, name: str, before: int, after: int) -> list[Action]:
    way = "up" if after > before else "down"
    text = f"Scaled {way} replica set {name} from {before} to {after}"
    return [Say(deployment, "ScalingReplicaSet", text)]


def limits(deployment: Thing) -> tuple[int, int]:
    """Return how many pods may exist above, and how many may miss below, what is wanted; never both 0."""
    wanted = int(spec_of(deployment).get("replicas", 1))
    given = (spec_of(deployment).get("strategy") or {}).get("rollingUpdate") or {}
    surge = _share(given.get("maxSurge", "25%"), wanted, up=True)
    missing = _share(given.get("maxUnavailable", "25%"), wanted, up=False)
    return surge, missing if surge or missing else 1


def _share(value: Any, wanted: int, *, up: bool) -> int:
    if isinstance(value, str) and value.endswith("%"):
        share = int(value[:-1]) * wanted / 100
        return math.ceil(share) if up else math.floor(share)
    return int(value)


def _recreates(deployment: Thing) -> bool:
    return bool((spec_of(deployment).get("strategy") or {}).get("type") == "Recreate")


def _asked(replicaset: Thing) -> int:
    return int(spec_of(replicaset).get("replicas", 1))


def _pods(replicaset: Thing) -> int:
    return int(status_of(replicaset).get("replicas", 0))


def _available(replicaset: Thing) -> int:
    return int(status_of(replicaset).get("availableReplicas", 0))


def _forgotten(deployment: Thing, old: list[Thing]) -> list[Action]:
    """Delete the oldest sets without pods, past the history that is to be kept."""
    kept = int(spec_of(deployment).get("revisionHistoryLimit", 10))
    empty = [item for item in old if not _asked(item) and not _pods(item) and not is_going(item)]
    return [Remove(item) for item in empty[: max(0, len(empty) - kept)]]


# --- status -------------------------------------------------------------------------------------------------


def _status(
    known: Known, deployment: Thing, new: Thing | None, old: list[Thing], now_ns: int
) -> list[Action]:
    wanted = int(spec_of(deployment).get("replicas", 1))
    sets = [*old, *([new] if new else [])]
    replicas, available = sum(map(_pods, sets)), sum(map(_available, sets))
    updated = _pods(new) if new else 0
    _, missing = limits(deployment)
    status: Thing = {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        "replicas": replicas,
        "updatedReplicas": updated,
        "readyReplicas": sum(int(status_of(item).get("readyReplicas", 0)) for item in sets),
        "availableReplicas": available,
        "unavailableReplicas": max(0, wanted - available),
    }
    enough = available >= wanted - missing
    met = {
        "type": "Available",
        "status": "True" if enough else "False",
        "reason": "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        "message": f"Deployment {'has' if enough else 'does not have'} minimum availability.",
        "lastUpdateTime": timestamp(now_ns),
    }
    conditions = with_condition(deployment, _kept(deployment, met), now_ns)
    complete = new is not None and updated == replicas == available == wanted
    progress, again = _progress(deployment, new, status, now_ns, complete=complete)
    beside = {**deployment, "status": {**status_of(deployment), "conditions": conditions}}
    status["conditions"] = with_condition(beside, progress, now_ns)
    patch = changed(status_of(deployment), status)
    actions: list[Action] = [Change(deployment, {"status": patch}, "status")] if patch else []
    return [*actions, *([Again(again)] if again else [])]


def _kept(deployment: Thing, new: Thing) -> Thing:
    """Return a condition with the update time of the one it repeats, so that nothing is written anew."""
    old = condition(deployment, new["type"])
    same = old is not None and all(old.get(key) == new[key] for key in ("status", "reason", "message"))
    return {**new, "lastUpdateTime": old["lastUpdateTime"]} if same and old is not None else new


def _progress(
    deployment: Thing, new: Thing | None, status: Thing, now_ns: int, *, complete: bool
) -> tuple[Thing, float]:
    """Return the condition Progressing, and after how many seconds it may have to be judged again."""
    name = name_of(new) if new else ""
    old = condition(deployment, "Progressing")
    if complete:
        text = f'ReplicaSet "{name}" has successfully progressed.'
        return _kept(deployment, _progressing("True", "NewReplicaSetAvailable", text, now_ns)), 0
    before = status_of(deployment)
    moved = old is None or any(
        before.get(key, 0) != status[key] for key in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    fresh = old is not None and old.get("reason") == "NewReplicaSetAvailable"
    deadline_s = int(spec_of(deployment).get("progressDeadlineSeconds", 600))
    if moved or fresh or old is None:
        text = f'ReplicaSet "{name}" is progressing.'
        return _progressing("True", "ReplicaSetUpdated", text, now_ns), deadline_s
    waited_s = (now_ns - instant(old.get("lastUpdateTime") or timestamp(now_ns))) / NS
    if waited_s < deadline_s:
        return old, deadline_s - waited_s
    text = f'ReplicaSet "{name}" has timed out progressing.'
    return _kept(deployment, _progressing("False", "ProgressDeadlineExceeded", text, now_ns)), 0


def _progressing(status: str, reason: str, message: str, now_ns: int) -> Thing:
    return {
        "type": "Progressing",
        "status": status,
        "reason": reason,
        "message": message,
        "lastUpdateTime": timestamp(now_ns),
    }
