"""`Table`: what `kubectl get` asks for and shows. Source: spec/kubernetes-api §5.

A request says by its Accept header whether it wants the table; columns come from the kind, cells from the
object. Custom resources bring JSON paths of their own, which are read here too.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ocicat.cluster.resources.cells import CELLS as _CELLS
from ocicat.cluster.resources.cells import NONE
from ocicat.cluster.resources.idlecells import IDLE_CELLS
from ocicat.cluster.resources.kinds import Column, Kind, metadata_of
from ocicat.cluster.resources.times import age

CELLS: Final = {**_CELLS, **IDLE_CELLS}
_NAME: Final = {
    "name": "Name",
    "type": "string",
    "format": "name",
    "description": "Name must be unique within a namespace.",
    "priority": 0,
}
_STEP: Final = re.compile(r"""\.?(?:([\w$-]+)|\[(?:'([^']*)'|"([^"]*)"|(\d+)|(\*)|\?\(([^()]*)\))\])""")
_TEST: Final = re.compile(r"""@\.([\w.-]+)\s*==\s*['"]([^'"]*)['"]""")


def wants_table(accept: str) -> str | None:
    """Return the version (`v1`, `v1beta1`) of the first table that `accept` offers before plain JSON, or
    None."""
    for offer in accept.split(","):
        kind, *parameters = (part.strip() for part in offer.split(";"))
        given = dict(part.partition("=")[::2] for part in parameters)
        if kind == "application/json":
            if given.get("as") == "Table" and given.get("g") == "meta.k8s.io":
                return given.get("v", "v1")
            if "as" not in given:
                return None
    return None


def column_definitions(kind: Kind) -> list[dict[str, Any]]:
    """Return the heads of the table of `kind`."""
    heads = [
        {
            "name": column.name,
            "type": "string" if column.type == "date" and not kind.custom else column.type,
            "format": "",
            "description": column.description,
            "priority": column.priority,
        }
        for column in kind.columns
    ]
    return [_NAME, *heads] if kind.name_first else heads


def table(
    kind: Kind,
    things: Iterable[Mapping[str, Any]],
    *,
    now_ns: int,
    include: str = "Metadata",
    version: str = "v1",
    list_metadata: Mapping[str, Any] | None = None,
    heads: bool = True,
) -> dict[str, Any]:
    """Return the Table of `things`; `include` is Metadata, Object or None; `heads` False leaves columns
    out."""
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": dict(list_metadata or {}),
        "columnDefinitions": column_definitions(kind) if heads else [],
        "rows": [_row(kind, thing, now_ns, include, version) for thing in things],
    }


def _row(kind: Kind, thing: Mapping[str, Any], now_ns: int, include: str, version: str) -> dict[str, Any]:
    cells = [_cell(column, thing, now_ns) for column in kind.columns]
    if kind.name_first:
        cells.insert(0, metadata_of(thing).get("name"))
    if include == "None":
        return {"cells": cells}
    if include == "Object":
        return {"cells": cells, "object": thing}
    bare = {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata_of(thing),
    }
    return {"cells": cells, "object": bare}


def _cell(column: Column, thing: Mapping[str, Any], now_ns: int) -> Any:
    if column.cell.startswith("="):
        return CELLS[column.cell[1:]](thing, now_ns)
    found = json_path(thing, column.cell)
    value = found[0] if found else None
    if column.type == "date":
        return age(value, now_ns) if value else None
    if column.type == "integer":
        return value if isinstance(value, int) else 0
    if isinstance(value, (int, float)) and not isinstance(value, bool) and column.type == "number":
        return value
    if value is None:
        return NONE if not column.cell.startswith(".") else None
    return str(value).lower() if isinstance(value, bool) else str(value)


def json_path(thing: Any, path: str) -> list[Any]:
    """Return what the simple JSON path finds: names, `['x']`, indexes, `[*]` and `[?(@.a=="b")]`."""
    found = [thing]
    for match in _STEP.finditer(path):
        name = match[1] or match[2] or match[3]
        found = [value for item in found for value in _step(item, name, match)]
    return found


def _step(item: Any, name: str | None, match: re.Match[str]) -> list[Any]:
    if name is not None:
        return [item[name]] if isinstance(item, Mapping) and name in item else []
    if match[5]:
        return (
            list(item.values()) if isinstance(item, Mapping) else list(item) if isinstance(item, list) else []
        )
    if not isinstance(item, list):
        return []
    if match[4]:
        index = int(match[4])
        return [item[index]] if index < len(item) else []
    test = _TEST.fullmatch(match[6].strip())
    return [row for row in item if test and _text_at(row, test[1]) == test[2]]


def _text_at(row: Any, path: str) -> str | None:
    found = json_path(row, path)
    return str(found[0]) if found else None
