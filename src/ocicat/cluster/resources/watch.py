"""Watching: what one change of an object is to one watcher, and the events it is told. Source: spec §5.

A watcher with selectors sees an object that begins to match as ADDED and one that ceases to as DELETED.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ocicat.cluster.resources.selectors import FieldSelector, LabelSelector

INITIAL_END: Final = {"k8s.io/initial-events-end": "true"}


class Change(msgspec.Struct, frozen=True):
    """One committed write: the object before and after it; None where there was or is none."""

    revision: int
    resource: str
    namespace: str
    name: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    """For a deletion None; `gone` then is the object as it was last, at this change's revision."""
    gone: Mapping[str, Any] | None = None


class Interest(msgspec.Struct, frozen=True):
    """What a list or watch wants to see: a namespace (empty: all), labels and fields."""

    namespace: str = ""
    labels: LabelSelector = LabelSelector()
    fields: FieldSelector = FieldSelector()
    tiers: frozenset[str] | None = None
    """The tiers whose policies the watcher may see; None: every object."""

    def covers(self, thing: Mapping[str, Any]) -> bool:
        """Tell whether the object is one that is asked for; its namespace is not looked at."""
        if self.tiers is not None and tier_of(thing) not in self.tiers:
            return False
        return self.labels.matches(thing) and self.fields.matches(thing)


def tier_of(thing: Mapping[str, Any]) -> str:
    """Return the tier of a policy: what its spec says, `default` where it says nothing."""
    spec = thing.get("spec")
    return str((spec.get("tier") if isinstance(spec, Mapping) else "") or "default")


def event_of(change: Change, interest: Interest) -> tuple[str, Mapping[str, Any]] | None:
    """Return the event's type and object as this watcher sees the change, or None where it sees nothing."""
    if interest.namespace and change.namespace != interest.namespace:
        return None
    was = change.before is not None and interest.covers(change.before)
    if change.after is not None and interest.covers(change.after):
        return ("MODIFIED" if was else "ADDED"), change.after
    if not was or change.before is None:
        return None
    if change.after is None:
        return "DELETED", change.gone or change.before
    return "DELETED", _at_revision(change.before, change.revision)


def _at_revision(thing: Mapping[str, Any], revision: int) -> dict[str, Any]:
    return {**thing, "metadata": {**thing["metadata"], "resourceVersion": str(revision)}}


def bookmark(api_version: str, kind: str, revision: int, *, initial_end: bool = False) -> dict[str, Any]:
    """Return the object of a BOOKMARK: nothing but the revision up to which all has been told."""
    annotations = {"annotations": INITIAL_END} if initial_end else {}
    metadata = {"resourceVersion": str(revision), "creationTimestamp": None, **annotations}
    return {"kind": kind, "apiVersion": api_version, "metadata": metadata}
