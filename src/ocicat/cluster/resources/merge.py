"""Merging an applied configuration into a live object, and taking out what is no longer applied.

Both follow the schema: maps merge, keyed lists merge by key, sets unite, whatever is atomic is replaced.
Source: spec/kubernetes-api §7, server-side apply.
"""

from collections.abc import Mapping
from typing import Any

from ocicat.cluster.resources.fields import Path, encode_sorted, item_step
from ocicat.cluster.resources.schema import Node, Schemas, is_atomic_map, is_set, list_keys


def applied(live: Any, wanted: Any, node: Node, schemas: Schemas) -> Any:
    """Return `live` with `wanted` merged into it; neither is changed."""
    if isinstance(live, Mapping) and isinstance(wanted, Mapping) and not is_atomic_map(node, schemas):
        merged = dict(live)
        for name, value in wanted.items():
            inner = schemas.field(node, name) or {}
            if name in live:
                merged[name] = applied(live[name], value, inner, schemas)
            elif value != [] or not (list_keys(inner) or is_set(inner)):
                merged[name] = value  # an empty list of items says nothing: its items would be owned, not it
        return merged
    if isinstance(live, list) and isinstance(wanted, list):
        if list_keys(node):
            return _keyed(live, wanted, node, schemas)
        if is_set(node):
            return [*live, *(item for item in wanted if item not in live)]
    return wanted


def _keyed(live: list[Any], wanted: list[Any], node: Node, schemas: Schemas) -> list[Any]:
    keys, inner = list_keys(node), schemas.items(node)
    old = {item_step(item, keys): item for item in live if isinstance(item, Mapping)}
    new = {item_step(item, keys): item for item in wanted if isinstance(item, Mapping)}
    merged = []
    for step in _interleaved(list(old), list(new)):
        if step in old and step in new:
            merged.append(applied(old[step], new[step], inner, schemas))
        else:
            merged.append(new[step] if step in new else old[step])
    return merged


def _interleaved(old: list[str | None], new: list[str | None]) -> list[str | None]:
    """Return all steps once: those of both in the order of `new`, the others where they stood among them."""
    was, comes = frozenset(old), frozenset(new)
    order: list[str | None] = []
    i = j = 0
    while i < len(old) or j < len(new):
        while i < len(old) and old[i] not in comes:
            order.append(old[i])
            i += 1
        while j < len(new) and new[j] not in was:
            order.append(new[j])
            j += 1
        order.extend(new[j : j + 1])
        i, j = i + 1, j + 1
    return order


def without(thing: Any, path: Path, node: Node, schemas: Schemas) -> Any:
    """Return `thing` without what is at `path`; maps and lists that become empty by it go too."""
    step, rest = path[0], path[1:]
    if isinstance(thing, Mapping) and step.startswith("f:"):
        name = step[2:]
        if name not in thing:
            return thing
        inner = without(thing[name], rest, schemas.field(node, name) or {}, schemas) if rest else None
        if inner in (None, {}, []):
            return {key: value for key, value in thing.items() if key != name}
        return {**thing, name: inner}
    if isinstance(thing, list):
        return _list_without(thing, step, rest, node, schemas)
    return thing


def _list_without(thing: list[Any], step: str, rest: Path, node: Node, schemas: Schemas) -> list[Any]:
    keys = list_keys(node)
    kept = []
    for item in thing:
        found = item_step(item, keys) if keys and isinstance(item, Mapping) else _value_step(item)
        if found != step:
            kept.append(item)
        elif rest:
            kept.append(without(item, rest, schemas.items(node), schemas))
    return kept


def _value_step(item: Any) -> str:
    return "v:" + encode_sorted(item).decode()
