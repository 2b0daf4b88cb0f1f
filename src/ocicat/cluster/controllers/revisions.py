"""ControllerRevisions: the templates that a StatefulSet or DaemonSet has had, by number.

`kubectl rollout history` shows them, and `rollout undo` patches one back; it then becomes the newest.
"""

from typing import Final

from ocicat.cluster.controllers.actions import Action, Change, Create, Remove, Thing
from ocicat.cluster.controllers.known import Known
from ocicat.cluster.controllers.things import labels_of, name_of, owned, spec_of

HASH: Final = "controller-revision-hash"
_CAUSE: Final = "kubernetes.io/change-cause"


def recorded(known: Known, owner: Thing, label: str, pods: list[Thing]) -> list[Action]:
    """Return what keeps the history of `owner` true.

    Args:
        known: What is known.
        owner: A StatefulSet or DaemonSet.
        label: The value of `HASH` on pods of the present template.
        pods: The pods of the owner; templates that they are made of are kept.
    """
    history = sorted(known.controlled("ControllerRevision", owner), key=_number)
    present = next((item for item in history if labels_of(item).get(HASH) == label), None)
    highest = _number(history[-1]) if history else 0
    actions = _forgotten(owner, [item for item in history if item is not present], pods)
    if present is None:
        return [Create(_revision(owner, label, highest + 1)), *actions]
    if _number(present) < highest:
        return [Change(present, {"revision": highest + 1}), *actions]
    return actions


def _number(revision: Thing) -> int:
    return int(revision.get("revision") or 0)


def _revision(owner: Thing, label: str, number: int) -> Thing:
    template = spec_of(owner).get("template") or {}
    labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH: label}
    cause = (owner["metadata"].get("annotations") or {}).get(_CAUSE)
    metadata = {
        "name": f"{name_of(owner)}-{label.removeprefix(name_of(owner) + '-')}",
        "labels": labels,
        **({"annotations": {_CAUSE: cause}} if cause else {}),
    }
    body = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": metadata,
        # A strategic merge patch that puts this template in the place of another.
        "data": {"spec": {"template": {**template, "$patch": "replace"}}},
        "revision": number,
    }
    return owned(body, owner)


def _forgotten(owner: Thing, old: list[Thing], pods: list[Thing]) -> list[Action]:
    """Delete the oldest that no pod is made of, past the history that is to be kept."""
    kept = int(spec_of(owner).get("revisionHistoryLimit", 10))
    in_use = {labels_of(pod).get(HASH) for pod in pods}
    unused = [item for item in old if labels_of(item).get(HASH) not in in_use]
    return [Remove(item) for item in unused[: max(0, len(unused) - kept)]]
