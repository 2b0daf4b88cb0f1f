"""`Objects`: create, update, patch, apply and delete, each one synchronous step from request to commit.

Nothing here knows HTTP. Source: spec/kubernetes-api §4, §7.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from ocicat.cluster.apiserver.admission import Admission
from ocicat.cluster.apiserver.core import DEFINITIONS, Core
from ocicat.cluster.resources import certrequests, deletion, managed, meta, patches, versions
from ocicat.cluster.resources.bodies import Body
from ocicat.cluster.resources.defaults import defaulted
from ocicat.cluster.resources.errors import already_exists, bad_request, conflict, invalid, not_found, success
from ocicat.cluster.resources.fieldcheck import IGNORE, findings, judged, without_unknown
from ocicat.cluster.resources.kinds import Kind, metadata_of
from ocicat.cluster.resources.managed import Writer
from ocicat.cluster.resources.rbac import User
from ocicat.cluster.resources.times import rfc3339
from ocicat.cluster.store.protocol import Stored, Write

Thing = Mapping[str, Any]
STATUS: Final = "status"
_CLEANUP: Final = "customresourcecleanup.apiextensions.k8s.io"


class Context(msgspec.Struct, frozen=True):
    """Who writes, and how the write is to be treated."""

    user: User
    manager: str
    dry_run: bool = False
    validation: str = IGNORE


class Answer(msgspec.Struct, frozen=True):
    """What a write answers: the object, what the user should know, and whether it is new."""

    thing: Thing
    warnings: tuple[str, ...] = ()
    created: bool = False


class Objects:
    """The writing half of one API server."""

    def __init__(self, core: Core, admission: Admission) -> None:
        self._core: Final = core
        self._admission: Final = admission

    def create(self, kind: Kind, namespace: str, body: Body, context: Context) -> Answer:
        """Create the object in `body`. Raises ApiError."""
        thing, warnings = self._read(kind, namespace, "", body, context)
        time = rfc3339(self._core.now_ns())
        uid, suffix = self._core.chance.uid(), self._core.chance.suffix()
        thing = meta.born(thing, uid=uid, time=time, suffix=suffix, counted=kind.counts_generations)
        if kind.status_apart:
            thing.pop(STATUS, None)
        name = str(thing["metadata"].get("name", ""))
        if name and self._core.find(kind, namespace, name) is not None:
            raise already_exists(kind.plural, kind.group, name)
        admitted = self._admission.admit(kind, None, defaulted(kind, thing), context.user)
        node = self._core.schemas.root(kind.schema)
        writer = Writer(context.manager, "Update", kind.api_version)
        thing = managed.after_update(None, admitted.thing, writer, time, node, self._core.schemas)
        stored = self._store(kind, thing, 0, context)
        return Answer(stored, (*warnings, *admitted.warnings), created=True)

    def replace(
        self, kind: Kind, namespace: str, name: str, body: Body, context: Context, part: str = ""
    ) -> Answer:
        """Put the object in `body` in the place of the stored one, or its status alone. Raises ApiError."""
        old = self.existing(kind, namespace, name)
        new, warnings = self._read(kind, namespace, name, body, context)
        if "managedFields" not in new["metadata"] and "managedFields" in metadata_of(old.thing):
            new["metadata"]["managedFields"] = metadata_of(old.thing)["managedFields"]
        return self._update(kind, old, new, context, part, warnings)

    def patch(
        self, kind: Kind, namespace: str, name: str, how: str, body: Body, context: Context, part: str = ""
    ) -> Answer:
        """Apply a JSON, merge or strategic patch to the stored object. Raises ApiError."""
        old = self.existing(kind, namespace, name)
        node = self._core.schemas.root(kind.schema)
        new = patches.patched(
            self.presented(kind, old), body.value, how, node, self._core.schemas,
            kind=kind.kind, group=kind.group, name=name,
        )  # fmt: skip
        new, warnings = self._read(kind, namespace, name, Body(_own(new), body.duplicates), context)
        return self._update(kind, old, new, context, part, warnings)

    def apply(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        body: Body,
        context: Context,
        *,
        force: bool,
        part: str = "",
    ) -> Answer:
        """Apply a configuration server-side: create, or merge under the rules of ownership. Raises
        ApiError."""
        wanted, warnings = self._read(kind, namespace, name, body, context)
        time = rfc3339(self._core.now_ns())
        writer = Writer(context.manager, "Apply", kind.api_version, part)
        node = self._core.schemas.root(kind.schema)
        old = self._core.find(kind, namespace, name)
        if old is None:
            if part:
                raise not_found(kind.plural, kind.group, name)
            if metadata_of(wanted).get("resourceVersion"):
                raise conflict(kind.plural, kind.group, name)
            merged = managed.after_apply(None, wanted, writer, time, node, self._core.schemas, force=force)
            uid, counted = self._core.chance.uid(), kind.counts_generations
            born = meta.born(merged, uid=uid, time=time, suffix="", counted=counted)
            if kind.status_apart:
                born.pop(STATUS, None)
            admitted = self._admission.admit(kind, None, defaulted(kind, born), context.user)
            stored = self._store(kind, admitted.thing, 0, context)
            return Answer(stored, (*warnings, *admitted.warnings), created=True)
        self._check_version(kind, old, wanted)
        live = self.presented(kind, old)
        merged = managed.after_apply(live, wanted, writer, time, node, self._core.schemas, force=force)
        if context.manager == "kubectl" and not part:
            merged = managed.with_last_applied(merged, wanted)
        return self._update(kind, old, _own(merged), context, part, warnings, owned=True)

    def _read(
        self, kind: Kind, namespace: str, name: str, body: Body, context: Context
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return the object of a body, checked against its schema, and the warnings that this gives."""
        thing = meta.checked(body.value, kind, namespace if kind.namespaced else "", name)
        node, schemas = self._core.schemas.root(kind.schema), self._core.schemas
        found = list(findings(thing, node, schemas))
        told = judged(kind.kind, kind.version, found, list(body.duplicates), context.validation)
        cleaned: dict[str, Any] = without_unknown(thing, node, schemas)
        return cleaned, tuple(told)

    def _update(
        self,
        kind: Kind,
        old: Stored,
        new: dict[str, Any],
        context: Context,
        part: str,
        warnings: tuple[str, ...],
        *,
        owned: bool = False,
    ) -> Answer:
        self._check_version(kind, old, new)
        live = self.presented(kind, old)
        if metadata_of(new).get("uid", metadata_of(live).get("uid")) != metadata_of(live).get("uid"):
            raise conflict(
                kind.plural, kind.group, str(live["metadata"]["name"]), "Precondition failed: UID differs"
            )
        new = _of_part(kind, live, new, part)
        causes = deletion.finalizers_grew(live, new)
        if causes:
            raise invalid(kind.kind, kind.group, str(live["metadata"]["name"]), causes)
        new = defaulted(kind, _own(meta.carried_over(new, live)))
        admitted = self._admission.admit(kind, live, new, context.user)
        new = meta.carried_over(admitted.thing, live)
        if not owned:
            writer = Writer(context.manager, "Update", kind.api_version, part)
            node, time = self._core.schemas.root(kind.schema), rfc3339(self._core.now_ns())
            new = managed.after_update(live, new, writer, time, node, self._core.schemas)
        told = (*warnings, *admitted.warnings)
        if deletion.after_update(kind, new).gone:
            self._remove(kind, old, context)
            return Answer(new, told)
        return Answer(live if new == live else self._store(kind, new, old.revision, context), told)

    def _check_version(self, kind: Kind, old: Stored, new: Thing) -> None:
        asked = metadata_of(new).get("resourceVersion")
        if asked and asked not in (str(old.revision), "0"):
            raise conflict(kind.plural, kind.group, str(metadata_of(old.thing)["name"]))

    def _store(self, kind: Kind, thing: dict[str, Any], expected: int, context: Context) -> Thing:
        metadata = metadata_of(thing)
        if context.dry_run:
            return thing
        namespace = str(metadata.get("namespace", ""))
        write = Write(kind.resource, namespace, str(metadata["name"]), self._as_stored(kind, thing), expected)
        after = self._core.commit([write])[0].after
        return versions.in_version(kind, after if after is not None else thing)

    def _as_stored(self, kind: Kind, thing: dict[str, Any]) -> dict[str, Any]:
        """Return the object in the version in which its resource is stored."""
        stored = self._core.registry.stored_as(kind.resource)
        return thing if stored is None else dict(versions.in_version(stored, thing))

    def presented(self, kind: Kind, stored: Stored) -> dict[str, Any]:
        """Return a copy of the stored object, in the version that was asked for."""
        return dict(versions.in_version(kind, stored.copy()))

    def existing(self, kind: Kind, namespace: str, name: str) -> Stored:
        """Return the stored object. Raises ApiError (404)."""
        found = self._core.find(kind, namespace, name)
        if found is None:
            raise not_found(kind.plural, kind.group, name)
        return found

    def _remove(self, kind: Kind, old: Stored, context: Context) -> None:
        if context.dry_run:
            return
        writes = [_removal(kind.resource, old)]
        if kind.custom and len(self._core.store.scan(kind.resource)) == 1:
            definition = self._core.store.get(DEFINITIONS, "", kind.resource)
            if definition is not None and metadata_of(definition.thing).get("deletionTimestamp"):
                writes.append(_removal(DEFINITIONS, definition))  # it only waited for its last object
        self._core.commit(writes)

    def _empty(self, definition: Thing, options: deletion.Options, context: Context) -> bool:
        """Delete all objects of a custom resource that goes; False where finalizers hold some of them."""
        resource = str(metadata_of(definition)["name"])
        kind = self._core.registry.stored_as(resource)
        if kind is None or context.dry_run:
            return True
        self.delete_all(
            kind, self._core.store.scan(resource), deletion.Options(policy=options.policy), context
        )
        return not self._core.store.scan(resource)

    def delete(
        self, kind: Kind, namespace: str, name: str, options: deletion.Options, context: Context
    ) -> Answer:
        """Delete the object, or mark it as dying. Raises ApiError."""
        old = self.existing(kind, namespace, name)
        self._admission.admit_deletion(kind, old.thing)
        live = self.presented(kind, old)
        if kind.resource == DEFINITIONS and not self._empty(live, options, context):
            live["metadata"]["finalizers"] = [*(live["metadata"].get("finalizers") or ()), _CLEANUP]
        outcome = deletion.deleted(kind, live, options, self._core.now_ns())
        if outcome.gone:
            self._remove(kind, old, context)
            uid = str(metadata_of(old.thing).get("uid", ""))
            return Answer(success(kind.plural, kind.group, name, uid))
        if outcome.thing == old.thing:
            return Answer(outcome.thing)
        return Answer(self._store(kind, dict(outcome.thing), old.revision, context))

    def delete_all(
        self, kind: Kind, chosen: Sequence[Stored], options: deletion.Options, context: Context
    ) -> list[Thing]:
        """Delete the chosen objects, each by itself; return them as they were."""
        for stored in chosen:
            metadata = metadata_of(stored.thing)
            self.delete(kind, str(metadata.get("namespace", "")), str(metadata["name"]), options, context)
        return [versions.in_version(kind, stored.thing) for stored in chosen]


def _removal(resource: str, stored: Stored) -> Write:
    metadata = metadata_of(stored.thing)
    return Write(resource, str(metadata.get("namespace", "")), str(metadata["name"]), None, stored.revision)


def _own(thing: Thing) -> dict[str, Any]:
    """Return a deep copy that may be changed."""
    copy = msgspec.json.decode(msgspec.json.encode(thing))
    if not isinstance(copy, dict):
        raise bad_request("the body of the request must be an object")
    return copy


def _of_part(kind: Kind, live: Thing, new: dict[str, Any], part: str) -> dict[str, Any]:
    """Return `new` with all but the written part taken from `live`."""
    if part == "approval":
        return certrequests.decided(live, new)
    if part == STATUS and kind.resource == certrequests.RESOURCE:
        new = certrequests.undecided(live, new)
    if part == STATUS:
        metadata = {**metadata_of(live)}
        if "managedFields" in metadata_of(new):
            metadata["managedFields"] = metadata_of(new)["managedFields"]
        kept = {**live, "metadata": metadata}
        kept.pop(STATUS, None)
        return {**kept, STATUS: new[STATUS]} if STATUS in new else kept
    if part == "ephemeralcontainers":
        added = (new.get("spec") or {}).get("ephemeralContainers")
        return {**live, "metadata": new["metadata"], "spec": {**live["spec"], "ephemeralContainers": added}}
    if kind.status_apart:
        new = {key: value for key, value in new.items() if key != STATUS}
        if STATUS in live:
            new[STATUS] = live[STATUS]
    if kind.resource == "namespaces" and part != "finalize" and "spec" in live:
        new["spec"] = live["spec"]
    return new
