"""Strategic merge patch: lists merge by the key that the schema names, and directives say what else to do.

Source: spec/kubernetes-api §7: `$patch: delete|replace|merge`, `$retainKeys`, `$deleteFromPrimitiveList/F`,
`$setElementOrder/F`.
"""

from collections.abc import Mapping
from typing import Any, Final

from ocicat.cluster.resources.errors import bad_request
from ocicat.cluster.resources.schema import Node, Schemas, merge_key

_PATCH: Final = "$patch"
_RETAIN: Final = "$retainKeys"
_DELETE_FROM: Final = "$deleteFromPrimitiveList/"
_ORDER: Final = "$setElementOrder/"


def strategic_merge(live: Any, patch: Mapping[str, Any], node: Node, schemas: Schemas) -> Any:
    """Return `live` with `patch` merged; `live` is not changed. Raises ApiError (400) on an unknown
    directive."""
    directive = patch.get(_PATCH)
    if directive == "replace":
        return {name: value for name, value in patch.items() if name != _PATCH}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise bad_request(f"unknown patch directive: {str(directive)[:100]!r}")
    merged = dict(live) if isinstance(live, Mapping) else {}
    retained = patch.get(_RETAIN)
    if isinstance(retained, list):
        merged = {name: value for name, value in merged.items() if name in retained}
    for name, value in patch.items():
        if name.startswith(_DELETE_FROM):
            _delete_from(merged, name.removeprefix(_DELETE_FROM), value)
        elif not name.startswith("$"):
            _merge_field(merged, name, value, schemas.field(node, name) or {}, schemas)
    for name, value in patch.items():
        if name.startswith(_ORDER):
            field = name.removeprefix(_ORDER)
            old = live.get(field) if isinstance(live, Mapping) else None
            _reorder(merged, field, value, old, merge_key(schemas.field(node, field) or {}))
    return merged


def _merge_field(merged: dict[str, Any], name: str, value: Any, node: Node, schemas: Schemas) -> None:
    if value is None:
        merged.pop(name, None)
    elif isinstance(value, Mapping):
        if value.get(_PATCH) == "delete":
            merged.pop(name, None)
        else:
            merged[name] = strategic_merge(merged.get(name), value, node, schemas)
    elif isinstance(value, list):
        merged[name] = _merge_list(merged.get(name), value, node, schemas)
    else:
        merged[name] = value


def _merge_list(live: Any, patch: list[Any], node: Node, schemas: Schemas) -> list[Any]:
    old = live if isinstance(live, list) else []
    key = merge_key(node)
    replaces = any(isinstance(item, Mapping) and _is_bare(item, "replace") for item in patch)
    if key is None or replaces:
        return [_plain(item) for item in patch if not (isinstance(item, Mapping) and _PATCH in item)]
    if not key:
        return [*old, *(item for item in patch if item not in old)]
    return _merge_keyed(old, patch, key, schemas.items(node), schemas)


def _is_bare(item: Mapping[str, Any], directive: str) -> bool:
    return item.get(_PATCH) == directive and len(item) == 1


def _merge_keyed(old: list[Any], patch: list[Any], key: str, inner: Node, schemas: Schemas) -> list[Any]:
    merged = list(old)
    for item in patch:
        if not isinstance(item, Mapping) or key not in item:
            raise bad_request(f"map: {str(item)[:100]} does not contain declared merge key: {key}")
        position = next(
            (i for i, row in enumerate(merged) if isinstance(row, Mapping) and row.get(key) == item[key]),
            None,
        )
        directive = item.get(_PATCH)
        if directive == "delete":
            merged = [row for row in merged if not (isinstance(row, Mapping) and row.get(key) == item[key])]
        elif position is None:
            merged.append(strategic_merge({}, {**item, _PATCH: "merge"}, inner, schemas))
        elif directive == "replace":
            merged[position] = _plain(item)
        else:
            merged[position] = strategic_merge(merged[position], item, inner, schemas)
    return merged


def _plain(item: Any) -> Any:
    """Return a patch's value without the directives and the nulls in it."""
    if isinstance(item, Mapping):
        return {
            name: _plain(value)
            for name, value in item.items()
            if not name.startswith("$") and value is not None
        }
    return [_plain(row) for row in item] if isinstance(item, list) else item


def _delete_from(merged: dict[str, Any], name: str, gone: Any) -> None:
    old = merged.get(name)
    if isinstance(old, list) and isinstance(gone, list):
        merged[name] = [item for item in old if item not in gone]


def _reorder(merged: dict[str, Any], name: str, order: Any, old: Any, key: str | None) -> None:
    """Put the items that `order` names in its order; the others stay before the items they stood before."""
    items = merged.get(name)
    if not isinstance(items, list) or not isinstance(order, list):
        return

    def mark(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, Mapping) else item

    wanted = [mark(item) for item in order]
    was = [mark(item) for item in old] if isinstance(old, list) else []
    named = sorted(
        (item for item in items if mark(item) in wanted), key=lambda item: wanted.index(mark(item))
    )
    others = [item for item in items if mark(item) not in wanted]
    result: list[Any] = []
    while named or others:
        if not others or (named and not _stood_before(mark(others[0]), mark(named[0]), was)):
            result.append(named.pop(0))
        else:
            result.append(others.pop(0))
    merged[name] = result


def _stood_before(one: Any, other: Any, was: list[Any]) -> bool:
    return one in was and other in was and was.index(one) < was.index(other)
