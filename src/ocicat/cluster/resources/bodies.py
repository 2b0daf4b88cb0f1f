"""Reading the body of a request: JSON, YAML or protobuf into plain values, within bounds. Source: spec §1,
§6."""

import json
from typing import Any, Final

import msgspec
import yaml

from ocicat.cluster.resources import protobuf
from ocicat.cluster.resources.errors import bad_request, unsupported_media_type

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


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """YAML without anchors, which can blow up a small body, and without dates, which JSON has not."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse aliases."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read here")
        return super().compose_node(parent, index)


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in rows if tag != "tag:yaml.org,2002:timestamp"]
    for letter, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _yaml(data: bytes) -> Any:
    try:
        return yaml.load(data, Loader=_Loader)  # noqa: S506 - a subclass of the safe loader
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as unreadable:
        raise bad_request(f"the body of the request is not YAML: {str(unreadable)[:200]}") from unreadable


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
