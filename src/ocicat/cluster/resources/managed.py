"""`metadata.managedFields`: who owns which field, and what follows from it.

A server-side apply owns what it sends and loses what it no longer sends; every other write owns what it
changed. Two managers that want different values of one field are in conflict. Source: spec/kubernetes-api §7.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from ocicat.cluster.resources.errors import ApiError, Cause, bad_request
from ocicat.cluster.resources.fields import Path, flatten, from_fields_v1, is_below, readable, to_fields_v1
from ocicat.cluster.resources.kinds import metadata_of
from ocicat.cluster.resources.merge import applied, without
from ocicat.cluster.resources.schema import Node, Schemas

_UNOWNED: Final = frozenset(
    ("f:metadata", "f:" + name)
    for name in (
        "name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink",
        "managedFields", "deletionTimestamp", "deletionGracePeriodSeconds",
    )
) | {("f:apiVersion",), ("f:kind",)}  # fmt: skip
"""What is never owned: the identity of an object, and what the server alone writes."""


class Writer(msgspec.Struct, frozen=True):
    """Who writes: name, `Apply` or `Update`, version of the API, and the subresource written to."""

    manager: str
    operation: str
    api_version: str
    subresource: str = ""


class Entry(msgspec.Struct, frozen=True):
    """One entry of `managedFields`."""

    writer: Writer
    time: str
    paths: frozenset[Path]

    def as_json(self) -> dict[str, Any]:
        """Return the wire form."""
        body: dict[str, Any] = {
            "manager": self.writer.manager,
            "operation": self.writer.operation,
            "apiVersion": self.writer.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": to_fields_v1(self.paths),
        }
        return {**body, "subresource": self.writer.subresource} if self.writer.subresource else body


def entries_of(thing: Mapping[str, Any]) -> list[Entry]:
    """Return the entries that an object carries; what cannot be read is left out."""
    listed = metadata_of(thing).get("managedFields")
    found = []
    for row in listed if isinstance(listed, list) else ():
        if not isinstance(row, Mapping) or not row.get("operation"):
            continue
        words = (str(row.get(name, "")) for name in ("manager", "operation", "apiVersion", "subresource"))
        found.append(Entry(Writer(*words), str(row.get("time", "")), from_fields_v1(row.get("fieldsV1"))))
    return found


def with_entries(thing: Mapping[str, Any], entries: Iterable[Entry]) -> dict[str, Any]:
    """Return `thing` with `managedFields` set to the entries that own something."""
    metadata = {key: value for key, value in metadata_of(thing).items() if key != "managedFields"}
    listed = [entry.as_json() for entry in entries if entry.paths]
    return {**thing, "metadata": {**metadata, "managedFields": listed} if listed else metadata}


def leaves(thing: Mapping[str, Any], node: Node, schemas: Schemas) -> dict[Path, Any]:
    """Return the leaves that somebody can own."""
    found = flatten(thing, node, schemas)
    return {path: value for path, value in found.items() if path[:2] not in _UNOWNED and path not in _UNOWNED}


def after_update(
    old: Mapping[str, Any] | None,
    new: Mapping[str, Any],
    writer: Writer,
    time: str,
    node: Node,
    schemas: Schemas,
) -> dict[str, Any]:
    """Return `new` with the ownership that an ordinary write from `old` to it makes.

    The entries that `new` carries are the ones gone on from, so that a client can rewrite them.
    """
    before = leaves(old, node, schemas) if old is not None else {}
    after = leaves(new, node, schemas)
    changed = frozenset(path for path, value in after.items() if path not in before or before[path] != value)
    entries = [
        _reduced(entry, changed if entry.writer != writer else frozenset(), after)
        for entry in entries_of(new)
    ]
    return with_entries(new, _owning(entries, writer, changed, time, replace=False))


def _reduced(entry: Entry, lost: frozenset[Path], present: Mapping[Path, Any]) -> Entry:
    kept = frozenset(path for path in entry.paths if path not in lost and path in present)
    return entry if kept == entry.paths else msgspec.structs.replace(entry, paths=kept)


def _owning(
    entries: Sequence[Entry], writer: Writer, paths: frozenset[Path], time: str, *, replace: bool
) -> list[Entry]:
    """Return `entries` with `paths` owned by `writer`, added to what it had or in its place.

    An entry keeps its place and, when nothing changes, its time: a write without effect must look like none.
    """
    found: list[Entry] = []
    done = False
    for entry in entries:
        if entry.writer != writer:
            found.append(entry)
        elif not done:
            wanted = paths if replace else entry.paths | paths
            found.append(Entry(writer, entry.time if wanted == entry.paths else time, wanted))
            done = True
    return found if done else [*found, Entry(writer, time, paths)]


def after_apply(
    live: Mapping[str, Any] | None,
    wanted: Mapping[str, Any],
    writer: Writer,
    time: str,
    node: Node,
    schemas: Schemas,
    *,
    force: bool,
) -> dict[str, Any]:
    """Return `live` with `wanted` applied, or `wanted` alone where there is no object yet.

    Raises:
        ApiError: 400 where `wanted` carries managedFields; 409 where others own fields with other values and
            `force` is not set.
    """
    if metadata_of(wanted).get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    own = leaves(wanted, node, schemas)
    if live is None:
        return with_entries(wanted, [Entry(writer, time, frozenset(own))])
    present = leaves(live, node, schemas)
    entries = entries_of(live)
    contested = _contested(entries, writer, own, present)
    if contested and not force:
        raise _conflicts(contested, writer)
    taken = frozenset(path for _, path in contested)
    merged = applied(live, wanted, node, schemas)
    kept = [_reduced(entry, taken, present) if entry.writer != writer else entry for entry in entries]
    before = next((entry.paths for entry in entries if entry.writer == writer), frozenset[Path]())
    others = [entry for entry in kept if entry.writer != writer]
    merged = _pruned(merged, before - own.keys(), others, own, node, schemas)
    return with_entries(merged, _owning(kept, writer, frozenset(own), time, replace=True))


def _contested(
    entries: Iterable[Entry], writer: Writer, own: Mapping[Path, Any], present: Mapping[Path, Any]
) -> list[tuple[Entry, Path]]:
    found: list[tuple[Entry, Path]] = []
    for entry in entries:
        if entry.writer == writer:
            continue
        shared = sorted(
            path for path in own if path in entry.paths and path in present and present[path] != own[path]
        )
        found.extend((entry, path) for path in shared)
    return found


def _conflicts(contested: Sequence[tuple[Entry, Path]], writer: Writer) -> ApiError:
    causes = [
        Cause("FieldManagerConflict", f"conflict with {_named(entry, writer)}", readable(path))
        for entry, path in contested
    ]
    if len(causes) == 1:
        told = f"1 conflict: {causes[0].message}: {causes[0].field}"
    else:
        by_owner: dict[str, list[str]] = {}
        for entry, path in contested:
            by_owner.setdefault(_named(entry, writer), []).append(f"- {readable(path)}")
        blocks = (f"conflicts with {owner}:\n" + "\n".join(paths) for owner, paths in by_owner.items())
        told = f"{len(causes)} conflicts: " + "\n".join(blocks)
    return ApiError("Conflict", f"Apply failed with {told}", causes=causes)


def _named(entry: Entry, writer: Writer) -> str:
    owner = entry.writer
    words = f'"{owner.manager}"'
    if owner.subresource:
        words += f' with subresource "{owner.subresource}"'
    return words if owner.api_version == writer.api_version else f"{words} using {owner.api_version}"


def _pruned(
    merged: Any,
    given_up: Iterable[Path],
    others: Sequence[Entry],
    own: Mapping[Path, Any],
    node: Node,
    schemas: Schemas,
) -> Any:
    """Take out what the writer gave up and nobody else owns.

    What holds others goes before them, whole: an item without its key could no longer be found.
    """
    held = [path for entry in others for path in entry.paths]
    held.extend(own)
    gone: list[Path] = []
    for path in sorted(given_up, key=len):
        if any(is_below(path, above) for above in gone) or any(is_below(below, path) for below in held):
            continue
        merged = without(merged, path, node, schemas)
        gone.append(path)
    return merged


_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


def with_last_applied(thing: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return `thing` with the annotation of client-side apply brought up to date, where it has one.

    So a user of server-side apply can go back to the client's. Source: spec/kubernetes-api §7.
    """
    annotations = metadata_of(thing).get("annotations") or {}
    if _LAST_APPLIED not in annotations:
        return dict(thing)
    metadata = dict(metadata_of(wanted))
    kept = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != _LAST_APPLIED}
    metadata["annotations"] = kept
    text = msgspec.json.encode({**wanted, "metadata": metadata}).decode() + "\n"
    return {**thing, "metadata": {**metadata_of(thing), "annotations": {**annotations, _LAST_APPLIED: text}}}
