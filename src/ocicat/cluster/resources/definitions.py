"""Definitions made from typed models: `msgspec.Struct` classes become OpenAPI schemas with their
documentation.

The models of Kubernetes' own kinds come with a package (read at first start), those of policy kinds are
ours. What the types do not say, such as the keys by which lists merge, comes from `listmarks`.
"""

import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from ocicat.cluster.resources.schema import PREFIX

Struct = type[msgspec.Struct]
Named = Callable[[Struct], str]
Documented = Callable[[Struct], Mapping[str, str]]

_SCALARS: Final[Mapping[Any, Mapping[str, Any]]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
}
_INT_OR_STRING: Final = {"type": "string", "format": "int-or-string", "x-kubernetes-int-or-string": True}
_ANYTHING: Final = {"x-kubernetes-preserve-unknown-fields": True}
"""The schema of a field of any type; an empty one would break `kubectl explain`."""
_ANY_OBJECT: Final = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def definitions(
    roots: Iterable[Struct], named: Named, documented: Documented, shared: Mapping[str, Struct] | None = None
) -> dict[str, dict[str, Any]]:
    """Return the definitions of `roots` and of all structs that they reach, by name."""
    found: dict[str, dict[str, Any]] = {}
    waiting = list(roots)
    while waiting:
        struct = waiting.pop()
        name = named(struct)
        if name in found:
            continue
        reached: list[Struct] = []
        found[name] = _definition(struct, documented(struct), named, reached)
        waiting.extend(reached)
    return found


def _definition(
    struct: Struct, docs: Mapping[str, str], named: Named, reached: list[Struct]
) -> dict[str, Any]:
    hints = typing.get_type_hints(struct)
    properties, required = {}, []
    for field in msgspec.structs.fields(struct):
        schema = _schema(hints[field.name], named, reached)
        text = docs.get(field.encode_name) or docs.get(field.name) or ""
        properties[field.encode_name] = {"description": text, **schema} if text else schema
        if field.required:
            required.append(field.encode_name)
    body: dict[str, Any] = {"description": docs.get("", ""), "type": "object", "properties": properties}
    return {**body, "required": required} if required else body


def _schema(hint: Any, named: Named, reached: list[Struct]) -> dict[str, Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        kept = [part for part in arguments if part is not type(None)]
        if set(kept) == {int, str}:
            return dict(_INT_OR_STRING)
        return _schema(kept[0], named, reached) if len(kept) == 1 else dict(_ANYTHING)
    if origin in (list, tuple):
        return {"type": "array", "items": _schema(arguments[0], named, reached)}
    if (isinstance(origin, type) and issubclass(origin, Mapping)) or origin is dict:
        if not arguments:
            return dict(_ANY_OBJECT)
        return {"type": "object", "additionalProperties": _schema(arguments[1], named, reached)}
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        reached.append(hint)
        return {"$ref": PREFIX + named(hint)}
    if hint in _SCALARS:
        return dict(_SCALARS[hint])
    if getattr(hint, "__name__", "") == "datetime":
        return {"type": "string", "format": "date-time"}
    return dict(_ANY_OBJECT) if hint is dict or hint is typing.Dict else dict(_ANYTHING)  # noqa: UP006


_PARAMETER: Final = re.compile(r"\*\s+\*\*(?P<name>[^*]+)\*\*\s+``[^`]*``\s*-?\s?")


def documentation(docstring: str) -> dict[str, str]:
    """Return the texts of a docstring that lists its parameters as `* **name** ``type`` - text`, and the
    text of the whole under the empty name. Lines are joined, blank lines kept as breaks."""
    head, _, rest = docstring.partition("**parameters**")
    found = {"": _flowed(head)}
    matches = list(_PARAMETER.finditer(rest))
    for match, following in zip(matches, [*matches[1:], None], strict=True):
        text = rest[match.end() : following.start() if following else len(rest)]
        found[match["name"].strip()] = _flowed(text)
    return found


def _flowed(text: str) -> str:
    blocks = re.split(r"\n\s*\n", text.strip())
    return "\n\n".join(
        " ".join(line.strip() for line in block.splitlines()) for block in blocks if block.strip()
    )


def kind_definition(definition: Mapping[str, Any], gvk: Mapping[str, str]) -> dict[str, Any]:
    """Return a definition marked as that of a served kind."""
    return {**definition, "x-kubernetes-group-version-kind": [dict(gvk)]}
