"""Field paths: which leaves an object has, and the sets of them that `managedFields` record.

A path is a tuple of steps as FieldsV1 writes them: `f:name` a field, `k:{"name":"x"}` an item of a keyed
list, `v:"x"` an item of a set. Keyed items and keys of free maps are paths themselves, beside what is in
them. Source: spec/kubernetes-api §7.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from ocicat.cluster.resources.schema import Node, Schemas, is_atomic_map, is_set, list_keys

Path = tuple[str, ...]
PRESENT: Final = "\0present"
"""The value of a path that only says that a map's key or a list's item is there."""

encode_sorted: Final = msgspec.json.Encoder(order="sorted").encode


def item_step(item: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    """Return the step to a keyed list's item, or None where the item lacks all its keys."""
    found = {key: item[key] for key in keys if key in item}
    if not found:
        return None
    if "protocol" in keys:
        found.setdefault("protocol", "TCP")  # the one key with a default: of container and service ports
    return "k:" + encode_sorted(found).decode()


def flatten(thing: Any, node: Node, schemas: Schemas, top: Path = ()) -> dict[Path, Any]:
    """Return every leaf of `thing` by its path, with its value; whatever is atomic is one leaf."""
    found: dict[Path, Any] = {}
    _walk(thing, node, schemas, top, found)
    return found


def _walk(thing: Any, node: Node, schemas: Schemas, path: Path, found: dict[Path, Any]) -> None:
    if isinstance(thing, Mapping) and not is_atomic_map(node, schemas):
        if not thing and path:
            found[path] = thing
        for name, value in thing.items():
            step = (*path, "f:" + name)
            if not schemas.is_struct_field(node, name) and path:
                found[step] = PRESENT
            _walk(value, schemas.field(node, name) or {}, schemas, step, found)
    elif isinstance(thing, list) and (list_keys(node) or is_set(node)):
        _walk_list(thing, node, schemas, path, found)
    else:
        found[path] = thing


def _walk_list(thing: list[Any], node: Node, schemas: Schemas, path: Path, found: dict[Path, Any]) -> None:
    keys = list_keys(node)
    for item in thing:
        if keys and isinstance(item, Mapping):
            name = item_step(item, keys)
            if name is not None:
                found[(*path, name)] = PRESENT
                _walk(item, schemas.items(node), schemas, (*path, name), found)
        elif not keys:
            found[(*path, "v:" + encode_sorted(item).decode())] = PRESENT


def to_fields_v1(paths: Iterable[Path]) -> dict[str, Any]:
    """Return the set as FieldsV1: nested by step, `.` for a path that has others below it."""
    tree: dict[str, Any] = {}
    for path in sorted(paths):
        branch = tree
        for step in path:
            branch = branch.setdefault(step, {})
        branch["."] = {}
    return _without_leaf_dots(tree)


def _without_leaf_dots(tree: dict[str, Any]) -> dict[str, Any]:
    if tree.keys() == {"."}:
        return {}
    return {step: branch if step == "." else _without_leaf_dots(branch) for step, branch in tree.items()}


_DEPTH_LIMIT: Final = 64
"""Steps that a foreign FieldsV1 may nest: far beyond any schema, far below Python's recursion limit."""


def from_fields_v1(tree: Any, top: Path = ()) -> frozenset[Path]:
    """Return the set that FieldsV1 writes; what is not FieldsV1 is left out."""
    found: set[Path] = set()
    stack = [(top, tree)]
    while stack:
        path, branch = stack.pop()
        if not isinstance(branch, Mapping) or len(path) > _DEPTH_LIMIT:
            continue
        if path and (not branch or "." in branch):
            found.add(path)
        stack.extend(
            ((*path, step), below) for step, below in branch.items() if step != "." and isinstance(step, str)
        )
    return frozenset(found)


def readable(path: Path) -> str:
    """Return a path as messages show it: `.spec.template.spec.containers[name="web"].image`."""
    words = []
    for step in path:
        kind, _, rest = step.partition(":")
        if kind == "f":
            words.append("." + rest)
        elif kind == "k":
            pairs = ",".join(
                f"{key}={encode_sorted(value).decode()}" for key, value in msgspec.json.decode(rest).items()
            )
            words.append(f"[{pairs}]")
        else:
            words.append(f"[={rest}]")
    return "".join(words)


def is_below(path: Path, ancestor: Path) -> bool:
    """Tell whether `path` is `ancestor` or lies under it."""
    return path[: len(ancestor)] == ancestor
