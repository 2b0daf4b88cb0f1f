"""Garbage collection by owner, and the three ways of deleting an owner.

Background: the dependents go after their owner. Foreground: the owner waits for those that block it. Orphan:
the dependents lose their reference and stay. Source: spec/kubernetes-api §4.
"""

from collections.abc import Iterator
from typing import Final

from ocicat.cluster.controllers.actions import Action, Change, Remove, Thing
from ocicat.cluster.controllers.known import WATCHED, Known
from ocicat.cluster.controllers.things import is_going, namespace_of

FOREGROUND: Final = "foregroundDeletion"
ORPHAN: Final = "orphan"


def reconcile(known: Known, thing: Thing) -> list[Action]:
    """Return what becomes of an object whose owners are gone, or that is going and waits for dependents."""
    finalizers = thing["metadata"].get("finalizers") or []
    if is_going(thing):
        if ORPHAN in finalizers:
            return _orphaned(known, thing, finalizers)
        if FOREGROUND in finalizers:
            return _after_dependents(known, thing, finalizers)
        return []
    references = thing["metadata"].get("ownerReferences") or []
    followed = [reference for reference in references if reference.get("kind") in WATCHED]
    if not references or len(followed) < len(references):
        return []  # an owner of a kind that nobody here follows may well exist
    owners = [_owner(known, thing, reference) for reference in followed]
    if all(owner is None for owner in owners):
        return [Remove(thing)]
    waiting = [owner for owner in owners if owner is not None and is_going(owner)]
    in_foreground = any(FOREGROUND in (owner["metadata"].get("finalizers") or ()) for owner in waiting)
    alive = any(owner is not None and not is_going(owner) for owner in owners)
    return [Remove(thing, "Foreground")] if in_foreground and not alive else []


def _owner(known: Known, thing: Thing, reference: Thing) -> Thing | None:
    kind = WATCHED[reference["kind"]]
    namespace = namespace_of(thing) if kind.namespaced else ""
    owner = known.get(kind.kind, namespace, reference["name"])
    return owner if owner is not None and owner["metadata"].get("uid") == reference.get("uid") else None


def dependents(known: Known, owner: Thing) -> Iterator[Thing]:
    """Yield the objects that name `owner` among their owners."""
    uid = owner["metadata"].get("uid")
    for thing in known.each():
        if any(reference.get("uid") == uid for reference in thing["metadata"].get("ownerReferences") or ()):
            yield thing


def _orphaned(known: Known, owner: Thing, finalizers: list[str]) -> list[Action]:
    uid = owner["metadata"].get("uid")
    actions: list[Action] = []
    for thing in dependents(known, owner):
        rest = [item for item in thing["metadata"]["ownerReferences"] if item.get("uid") != uid]
        actions.append(Change(thing, {"metadata": {"ownerReferences": rest or None}}))
    return [*actions, _without(owner, finalizers, ORPHAN)]


def _after_dependents(known: Known, owner: Thing, finalizers: list[str]) -> list[Action]:
    uid = owner["metadata"].get("uid")
    found = list(dependents(known, owner))
    blocking = [
        thing
        for thing in found
        if any(
            item.get("uid") == uid and item.get("blockOwnerDeletion")
            for item in thing["metadata"]["ownerReferences"]
        )
    ]
    actions: list[Action] = [Remove(thing, "Foreground") for thing in found if not is_going(thing)]
    return actions if blocking else [*actions, _without(owner, finalizers, FOREGROUND)]


def _without(owner: Thing, finalizers: list[str], taken: str) -> Change:
    rest = [name for name in finalizers if name != taken]
    return Change(owner, {"metadata": {"finalizers": rest or None}})
