"""Fields that no schema knows, fields given twice, and values of the wrong type. Source: spec §4,
fieldValidation."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from ocicat.cluster.resources.errors import ApiError, bad_request
from ocicat.cluster.resources.schema import Node, Schemas

STRICT: Final = "Strict"
WARN: Final = "Warn"
IGNORE: Final = "Ignore"
MODES: Final = (IGNORE, WARN, STRICT)
_SHAPES: Final = {"object": Mapping, "array": list, "string": str, "boolean": bool}


class Finding(msgspec.Struct, frozen=True):
    """One field that is out of place."""

    path: str
    wrong_type: str = ""
    """The type that was found, where the type is what is wrong."""
    wanted: str = ""


def findings(thing: Any, node: Node, schemas: Schemas, path: str = "") -> Iterator[Finding]:
    """Yield the unknown fields and the wrong types in `thing`, in reading order. Null fits everywhere."""
    node = schemas.resolved(node)
    if thing is None:
        return
    if node.get("x-kubernetes-int-or-string"):
        if isinstance(thing, bool) or not isinstance(thing, int | str):
            yield Finding(path, _word(thing), "intstr.IntOrString")
        return
    wanted = node.get("type")
    if not _fits(thing, wanted):
        yield Finding(path, _word(thing), str(wanted))
        return
    if isinstance(thing, Mapping):
        for name, value in thing.items():
            inner = schemas.field(node, name)
            where = f"{path}.{name}" if path else name
            if inner is None:
                yield Finding(where)
            else:
                yield from findings(value, inner, schemas, where)
    elif isinstance(thing, list) and wanted == "array":
        for position, item in enumerate(thing):
            yield from findings(item, schemas.items(node), schemas, f"{path}[{position}]")


def _fits(value: Any, wanted: Any) -> bool:
    if wanted == "integer":
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        return whole and not isinstance(value, bool)
    if wanted == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    shape = _SHAPES.get(wanted)
    return shape is None or isinstance(value, shape)


def _word(value: Any) -> str:
    words = ((bool, "bool"), (str, "string"), (int, "number"), (float, "number"), (list, "array"))
    return next((word for shape, word in words if isinstance(value, shape)), "object")


def wrong_type(kind: str, version: str, found: Finding) -> ApiError:
    """Return the 400 of a value that cannot be read as the field's type."""
    return bad_request(
        f'{kind} in version "{version}" cannot be handled as a {kind}: json: cannot unmarshal'
        f" {found.wrong_type}"
        f" into Go struct field {kind}.{found.path} of type {found.wanted}"
    )


def judged(kind: str, version: str, found: list[Finding], duplicates: list[str], mode: str) -> list[str]:
    """Return the warnings that unknown and duplicate fields are worth in `mode`.

    Raises:
        ApiError: 400 in strict mode, naming all; and in every mode for a value of the wrong type.
    """
    for finding in found:
        if finding.wrong_type:
            raise wrong_type(kind, version, finding)
    told = [f'unknown field "{finding.path}"' for finding in found]
    told += [f'duplicate field "{path}"' for path in duplicates]
    if told and mode == STRICT:
        listed = ", ".join(told)
        raise bad_request(
            f'{kind} in version "{version}" cannot be handled as a {kind}: strict decoding error: {listed}'
        )
    return told if mode == WARN else []


def without_unknown(thing: Any, node: Node, schemas: Schemas) -> Any:
    """Return `thing` without fields that its schema does not know, and without nulls, as a typed server
    keeps it."""
    node = schemas.resolved(node)
    if isinstance(thing, Mapping):
        if not node.get("properties") and not node.get("additionalProperties"):
            return thing
        kept = {}
        for name, value in thing.items():
            inner = schemas.field(node, name)
            if inner is not None and value is not None:
                kept[name] = without_unknown(value, inner, schemas)
        return kept
    if isinstance(thing, list):
        inner = schemas.items(node)
        return [without_unknown(item, inner, schemas) for item in thing]
    return thing
