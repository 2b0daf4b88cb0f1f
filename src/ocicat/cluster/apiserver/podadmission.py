"""Admission of new pods: their service account, their priority, and how long they stay on a node that fails.

What upstream's admission plugins ServiceAccount, Priority and DefaultTolerationSeconds do, since `kubectl
describe pod` shows it and clients compare against it.
"""

from collections.abc import Mapping
from typing import Any, Final

from ocicat.cluster.apiserver.core import Core
from ocicat.cluster.resources.errors import forbidden
from ocicat.cluster.resources.kinds import metadata_of

_CLASSES: Final = "priorityclasses.scheduling.k8s.io"
_PREEMPTS: Final = "PreemptLowerPriority"
_STAYS_S: Final = 300
_FAILURES: Final = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def admit_pod(core: Core, pod: dict[str, Any]) -> dict[str, Any]:
    """Return a new pod with what the cluster adds to it. Raises ApiError (403)."""
    spec = pod.get("spec")
    if not isinstance(spec, Mapping):
        return pod
    _check_account(core, pod, str(spec.get("serviceAccountName") or "default"))
    added = {**_priority(core, pod, spec), "tolerations": _tolerations(spec)}
    return {**pod, "spec": {**spec, **added}}


def _check_account(core: Core, pod: Mapping[str, Any], account: str) -> None:
    """The account `default` may be on its way, when its namespace is new; any other one must be there."""
    namespace = str(metadata_of(pod).get("namespace", ""))
    if account != "default" and core.store.get("serviceaccounts", namespace, account) is None:
        why = f'error looking up service account {namespace}/{account}: serviceaccount "{account}" not found'
        raise forbidden("pods", "", str(metadata_of(pod).get("name", "")), why)


def _priority(core: Core, pod: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    asked = spec.get("priorityClassName")
    if asked:
        stored = core.store.get(_CLASSES, "", str(asked))
        if stored is None:
            why = f"no PriorityClass with name {asked} was found"
            raise forbidden("pods", "", str(metadata_of(pod).get("name", "")), why)
        chosen: Mapping[str, Any] = stored.thing
    else:
        general = [row for row in core.things(_CLASSES) if row.get("globalDefault")]
        chosen = min(general, key=lambda row: int(row.get("value") or 0), default={})
    found = {
        "priority": chosen.get("value") or 0,
        "preemptionPolicy": chosen.get("preemptionPolicy") or _PREEMPTS,
    }
    return found if not chosen else {**found, "priorityClassName": metadata_of(chosen).get("name")}


def _tolerations(spec: Mapping[str, Any]) -> list[Any]:
    given = list(spec.get("tolerations") or ())
    for key in _FAILURES:
        if not any(_covers(row, key) for row in given if isinstance(row, Mapping)):
            row = {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _STAYS_S}
            given.append(row)
    return given


def _covers(toleration: Mapping[str, Any], key: str) -> bool:
    effect = toleration.get("effect") or "NoExecute"
    return effect == "NoExecute" and (toleration.get("key") or key) == key
