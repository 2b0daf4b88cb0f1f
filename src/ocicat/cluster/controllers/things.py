"""Reading objects of the API: names, owners, labels, conditions, readiness. Pure."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from ocicat.cluster.controllers.actions import Thing

NS: Final = 1_000_000_000


def name_of(thing: Thing) -> str:
    """Return the name."""
    return str(thing["metadata"]["name"])


def namespace_of(thing: Thing) -> str:
    """Return the namespace; empty for what is cluster-scoped."""
    return str(thing["metadata"].get("namespace", ""))


def labels_of(thing: Thing) -> dict[str, str]:
    """Return the labels."""
    return dict(thing["metadata"].get("labels") or {})


def spec_of(thing: Thing) -> Thing:
    """Return the spec, empty where there is none."""
    return dict(thing.get("spec") or {})


def status_of(thing: Thing) -> Thing:
    """Return the status, empty where there is none."""
    return dict(thing.get("status") or {})


def is_going(thing: Thing) -> bool:
    """Tell whether the object is being deleted."""
    return "deletionTimestamp" in thing["metadata"]


def controller_of(thing: Thing) -> Thing | None:
    """Return the owner reference of the controller, or None."""
    for owner in thing["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            return dict(owner)
    return None


def is_controlled_by(thing: Thing, owner: Thing) -> bool:
    """Tell whether `owner` is the object's controller."""
    reference = controller_of(thing)
    return reference is not None and reference.get("uid") == owner["metadata"].get("uid")


def owned(body: Thing, owner: Thing) -> Thing:
    """Return `body` with `owner` as its controller, in its namespace."""
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    metadata = {**body["metadata"], "namespace": namespace_of(owner), "ownerReferences": [reference]}
    return {**body, "metadata": metadata}


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Tell whether a LabelSelector matches labels; an absent one matches nothing, an empty one everything."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_meets(item, labels) for item in selector.get("matchExpressions") or ())


def _meets(item: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(item["key"]), item.get("values") or ()
    match item["operator"]:
        case "In":
            return value is not None and value in values
        case "NotIn":
            return value is None or value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None


# --- pods ---------------------------------------------------------------------------------------------------


def phase_of(pod: Thing) -> str:
    """Return the phase; Pending where it has none yet."""
    return str(status_of(pod).get("phase") or "Pending")


def is_finished(pod: Thing) -> bool:
    """Tell whether all containers have ended for good."""
    return phase_of(pod) in ("Succeeded", "Failed")


def is_active(pod: Thing) -> bool:
    """Tell whether a pod counts among those that a controller has."""
    return not is_finished(pod) and not is_going(pod)


def is_ready(pod: Thing) -> bool:
    """Tell whether the pod's condition Ready is true."""
    found = condition(pod, "Ready")
    return found is not None and found.get("status") == "True"


def is_available(pod: Thing, min_ready_s: int, now_ns: int) -> bool:
    """Tell whether the pod has been ready for `min_ready_s` seconds."""
    found = condition(pod, "Ready")
    if found is None or found.get("status") != "True":
        return False
    since = found.get("lastTransitionTime")
    return min_ready_s == 0 or (since is not None and now_ns - instant(since) >= min_ready_s * NS)


def first_to_go(pods: Iterable[Thing]) -> list[Thing]:
    """Return pods in the order to delete them: without node, not running, not ready, younger first."""

    def rank(pod: Thing) -> tuple[bool, bool, bool, int]:
        created = instant(pod["metadata"].get("creationTimestamp") or "1970-01-01T00:00:00Z")
        return bool(spec_of(pod).get("nodeName")), phase_of(pod) == "Running", is_ready(pod), -created

    return sorted(pods, key=rank)


# --- conditions and times -----------------------------------------------------------------------------------


def condition(thing: Thing, kind: str) -> Thing | None:
    """Return the condition of a type, or None."""
    for found in status_of(thing).get("conditions") or ():
        if found.get("type") == kind:
            return dict(found)
    return None


def with_condition(thing: Thing, new: Thing, now_ns: int) -> list[Thing]:
    """Return the object's conditions with `new`, whose transition time moves when its status does."""
    conditions = [dict(item) for item in status_of(thing).get("conditions") or ()]
    old = condition(thing, new["type"])
    stamped = {**new, "lastTransitionTime": timestamp(now_ns)}
    if old is not None and old.get("status") == new["status"]:
        stamped["lastTransitionTime"] = old.get("lastTransitionTime", stamped["lastTransitionTime"])
    if old is None:
        return [*conditions, stamped]
    return [stamped if item.get("type") == new["type"] else item for item in conditions]


def timestamp(now_ns: int) -> str:
    """Return a time as the API writes it: RFC 3339, seconds, UTC."""
    return datetime.fromtimestamp(now_ns // NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant(text: str) -> int:
    """Return nanoseconds since 1970 of a time as the API writes it."""
    return int(datetime.fromisoformat(text).timestamp()) * NS


def digest(value: Any) -> str:
    """Return ten letters and digits that tell values apart, as the hashes of pod templates look."""
    number = int.from_bytes(
        hashlib.blake2b(msgspec.json.encode(value, order="sorted"), digest_size=8).digest()
    )
    alphabet = "bcdfghjklmnpqrstvwxz2456789"
    letters = []
    for _ in range(10):
        number, place = divmod(number, len(alphabet))
        letters.append(alphabet[place])
    return "".join(letters)


def changed(old: Thing, new: Thing) -> Thing:
    """Return what of `new` differs from `old`, key by key: a merge patch for flat statuses."""
    return {key: value for key, value in new.items() if old.get(key) != value}
