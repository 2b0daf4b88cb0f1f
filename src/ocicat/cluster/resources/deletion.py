"""Deletion as a decision: what a DELETE does to an object, and what an update of a dying object does.

An object goes at once, or it is marked with `deletionTimestamp` and goes when its last finalizer is taken
away and its grace is over. Source: spec/kubernetes-api §4.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from ocicat.cluster.resources.errors import ApiError, Cause, bad_request, conflict, unsupported_value
from ocicat.cluster.resources.errors import invalid as invalid_object
from ocicat.cluster.resources.kinds import Kind, metadata_of
from ocicat.cluster.resources.times import rfc3339

FOREGROUND: Final = "foregroundDeletion"
ORPHAN: Final = "orphan"
_POLICIES: Final = {"Background": "", "Foreground": FOREGROUND, "Orphan": ORPHAN}
_POD_GRACE_S: Final = 30


class Options(msgspec.Struct, frozen=True):
    """`DeleteOptions` of a request, read and checked."""

    grace_s: int | None = None
    policy: str = ""
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False


def options_from(body: Mapping[str, Any], query: Mapping[str, str]) -> Options:
    """Return the options of a DELETE, from its body and from its address (the address fills gaps).

    Raises:
        ApiError: 400 or 422, where an option has no such value.
    """
    policy = str(body.get("propagationPolicy") or query.get("propagationPolicy") or "")
    orphan = body.get("orphanDependents")
    if orphan is not None and policy:
        raise bad_request("orphanDependents and deletionPropagation cannot be both set")
    if orphan is not None:
        policy = "Orphan" if orphan else "Background"
    if policy and policy not in _POLICIES:
        causes = [unsupported_value("propagationPolicy", policy, (*_POLICIES,))]
        raise invalid_object("DeleteOptions", "meta.k8s.io", "", causes)
    return Options(
        _grace(body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))),
        policy,
        **_preconditions(body.get("preconditions")),
        dry_run=is_dry_run(body.get("dryRun") or query.get("dryRun")),
    )


def _grace(found: object) -> int | None:
    try:
        return None if found is None else max(int(str(found)), 0)
    except ValueError:
        raise bad_request("gracePeriodSeconds must be a whole number") from None


def _preconditions(found: object) -> dict[str, str]:
    row = found if isinstance(found, Mapping) else {}
    return {"uid": str(row.get("uid") or ""), "resource_version": str(row.get("resourceVersion") or "")}


def is_dry_run(asked: object) -> bool:
    """Tell whether `dryRun` is asked for. Raises ApiError (422) for a value other than All."""
    values = asked if isinstance(asked, list) else [asked] if asked else []
    if any(value != "All" for value in values):
        cause = unsupported_value("dryRun", values[0], ("All",))
        raise invalid_object("DeleteOptions", "meta.k8s.io", "", [cause])
    return bool(values)


class Outcome(msgspec.Struct, frozen=True):
    """What becomes of the object: it is gone (`thing` is its last state), or it stays as `thing`."""

    gone: bool
    thing: Mapping[str, Any]


def deleted(kind: Kind, thing: Mapping[str, Any], options: Options, now_ns: int) -> Outcome:
    """Return what a DELETE with `options` makes of `thing`.

    Raises:
        ApiError: 409, where a precondition of the request does not hold.
    """
    _check_preconditions(kind, thing, options)
    metadata = dict(metadata_of(thing))
    finalizers = _finalizers(metadata.get("finalizers") or (), options.policy)
    grace_s = grace_of(kind, thing, options.grace_s)
    held = bool(finalizers) or bool(
        (thing.get("spec") or {}).get("finalizers") and kind.resource == "namespaces"
    )
    if not held and not grace_s:
        return Outcome(True, thing)
    shorter = grace_s < int(metadata.get("deletionGracePeriodSeconds", grace_s + 1))
    if "deletionTimestamp" not in metadata or shorter:
        metadata["deletionTimestamp"] = rfc3339(now_ns + grace_s * 1_000_000_000)
        metadata["deletionGracePeriodSeconds"] = grace_s
        if metadata.get("generation"):
            metadata["generation"] = int(metadata["generation"]) + 1
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)
    marked = {**thing, "metadata": metadata}
    if kind.resource == "namespaces":
        marked["status"] = {**(thing.get("status") or {}), "phase": "Terminating"}
    return Outcome(False, marked)


def _check_preconditions(kind: Kind, thing: Mapping[str, Any], options: Options) -> None:
    metadata = metadata_of(thing)
    for word, asked, found in (
        ("UID", options.uid, metadata.get("uid")),
        ("ResourceVersion", options.resource_version, metadata.get("resourceVersion")),
    ):
        if asked and asked != found:
            why = f"Precondition failed: {word} in precondition: {asked[:64]}, {word} in object meta: {found}"
            raise conflict(kind.plural, kind.group, str(metadata.get("name")), why)


def _finalizers(present: Sequence[str], policy: str) -> list[str]:
    kept = [word for word in present if word not in (FOREGROUND, ORPHAN) or not policy]
    asked = _POLICIES.get(policy, "")
    return [*kept, asked] if asked else kept


def grace_of(kind: Kind, thing: Mapping[str, Any], asked_s: int | None) -> int:
    """Return the seconds that the object has to end: pods that run on a node have some, all else none."""
    if kind.resource != "pods":
        return 0
    spec = thing.get("spec") or {}
    ended = (thing.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    if not spec.get("nodeName") or ended:
        return 0
    if asked_s is not None:
        return asked_s
    wanted = spec.get("terminationGracePeriodSeconds")
    return int(wanted) if isinstance(wanted, int) else _POD_GRACE_S


def after_update(kind: Kind, thing: Mapping[str, Any]) -> Outcome:
    """Return whether an object, just updated, goes: it was dying and nothing holds it any more."""
    metadata = metadata_of(thing)
    held = metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds")
    if kind.resource == "namespaces":
        held = held or (thing.get("spec") or {}).get("finalizers")
    return Outcome(bool(metadata.get("deletionTimestamp")) and not held, thing)


def finalizers_grew(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Cause]:
    """Return what is wrong where a dying object is given new finalizers."""
    if not metadata_of(old).get("deletionTimestamp"):
        return []
    before = metadata_of(old).get("finalizers") or ()
    added = [word for word in metadata_of(new).get("finalizers") or () if word not in before]
    why = "no new finalizers can be added if the object is being deleted, found new finalizers "
    return [Cause("FieldValueForbidden", f"Forbidden: {why}{added}", "metadata.finalizers")] if added else []


def namespace_is_terminating(plural: str, group: str, name: str, namespace: str) -> ApiError:
    """Return the 403 of creating something in a namespace that is going away."""
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    cause = Cause("NamespaceTerminating", f"namespace {namespace} is being terminated", "metadata.namespace")
    message = f'{plural} "{name}" is forbidden: {why}'
    return ApiError("Forbidden", message, group=group, kind=plural, name=name, causes=[cause])
