"""Reading the body of a request: JSON, YAML or protobuf into plain values, within bounds. Source: spec §1,
§6."""

import json
from typing import Any, Final

import msgspec

from ocicat.cluster.resources import protobuf
from ocicat.cluster.resources.errors import bad_request, unsupported_media_type
from ocicat.model import documents

BODY_LIMIT: Final = 3 * 1024 * 1024
"""Bytes of a request body, as upstream's bound."""
DEPTH_LIMIT: Final = 200
"""Levels that a body may nest: no schema comes near, and every later walk may recurse."""

JSON_TYPES: Final = ("application/json", "")
YAML_TYPES: Final = ("application/yaml", "text/yaml", "application/x-yaml")
PROTOBUF: Final = "application/vnd.kubernetes.protobuf"
READ: Final = ("application/json", "application/yaml", PROTOBUF)


class Body(msgspec.Struct, frozen=True):
    """A body that was read, and the paths of fields that it gives twice."""

    value: Any
    duplicates: tuple[str, ...] = ()


def read(data: bytes, content_type: str, *, look_for_duplicates: bool = False) -> Body:
    """Return the value that `data` holds; no media type means JSON.

    Raises:
        ApiError: 400 where it cannot be read or nests too deep, 415 for another media type.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == PROTOBUF:
        return Body(protobuf.decode(data))
    if kind in YAML_TYPES:
        return Body(_checked(_yaml(data)))
    if kind in JSON_TYPES or kind.endswith("+json"):
        return _json(data, look_for_duplicates)
    raise unsupported_media_type(kind[:100], READ)


def _json(data: bytes, look_for_duplicates: bool) -> Body:
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, ValueError) as unreadable:
        raise bad_request(f"the body of the request is not JSON: {str(unreadable)[:200]}") from unreadable
    return Body(_checked(value), _duplicates(data) if look_for_duplicates else ())


def _duplicates(data: bytes) -> tuple[str, ...]:
    """Return the names that an object of the body gives twice; the JSON is known to be sound and not deep."""
    found: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in items]
        if len(set(keys)) != len(keys):
            found.extend(sorted({key for key in keys if keys.count(key) > 1}))
        return dict(items)

    json.loads(data, object_pairs_hook=pairs)
    return tuple(found)


def _yaml(data: bytes) -> Any:
    """Return the one object of a YAML text, read as manifests are, with aliases bounded."""
    found, problems = documents.read(data, "body")
    if problems or len(found) != 1:
        why = problems[0].what if problems else f"it holds {len(found)} objects"
        raise bad_request(f"the body of the request is not YAML: {why[:200]}")
    return found[0].raw


def _checked(value: Any) -> Any:
    """Return `value`, known to nest within bounds and to have text for keys."""
    waiting = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if depth > DEPTH_LIMIT:
            raise bad_request(f"the body of the request nests deeper than {DEPTH_LIMIT} levels")
        if isinstance(item, dict):
            if not all(isinstance(key, str) for key in item):
                raise bad_request("the body of the request has a key that is not text")
            waiting.extend((inner, depth + 1) for inner in item.values())
        elif isinstance(item, list):
            waiting.extend((inner, depth + 1) for inner in item)
    return value
