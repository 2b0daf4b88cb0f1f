"""The OpenAPI documents, v2 and v3, made from the registry and the schemas. Source: spec/kubernetes-api §3.

kubectl decides by them: server-side validation where `fieldValidation` is a parameter, server dry-run where
`dryRun` is, and it explains and merges by the schemas.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ocicat.cluster.resources.kinds import Kind, Registry
from ocicat.cluster.resources.patches import APPLY, JSON, MERGE, STRATEGIC
from ocicat.cluster.resources.schema import PREFIX, Node, Schemas

_V3_PREFIX: Final = "#/components/schemas/"
_BODIES: Final = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
_WRITE_PARAMETERS: Final = ("dryRun", "fieldManager", "fieldValidation")
_TEXTS: Final = {
    "dryRun": "When present, indicates that modifications should not be persisted.",
    "fieldManager": "The name of the one who makes the change.",
    "fieldValidation": "What is done about unknown or duplicate fields: Ignore, Warn or Strict.",
    "force": "Take over fields that other managers own; for apply patches only.",
}

Operation = tuple[str, str, tuple[str, ...]]
"""HTTP method, action as `x-kubernetes-action` names it, and query parameters."""

_COLLECTION: Final[tuple[tuple[str, Operation], ...]] = (
    ("list", ("get", "list", ())),
    ("create", ("post", "post", _WRITE_PARAMETERS)),
    ("deletecollection", ("delete", "deletecollection", ("dryRun",))),
)
_ITEM: Final[tuple[tuple[str, Operation], ...]] = (
    ("get", ("get", "get", ())),
    ("update", ("put", "put", _WRITE_PARAMETERS)),
    ("patch", ("patch", "patch", (*_WRITE_PARAMETERS, "force"))),
    ("delete", ("delete", "delete", ("dryRun",))),
)


def patch_types(kind: Kind) -> tuple[str, ...]:
    """Return the patches that a kind takes; a strategic one needs a schema with merge keys.

    kubectl sends a strategic patch to whatever lists it here.
    """
    return (JSON, MERGE, *((STRATEGIC,) if kind.strategic else ()), APPLY)


def root_of(group: str, version: str) -> str:
    """Return the path of a group and version, without a leading slash: `api/v1`, `apis/apps/v1`."""
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _paths(kind: Kind) -> Iterable[tuple[str, list[Operation]]]:
    base = f"/{root_of(kind.group, kind.version)}"
    spaced = f"{base}/namespaces/{{namespace}}" if kind.namespaced else base
    collection = [operation for verb, operation in _COLLECTION if verb in kind.verbs]
    item = [operation for verb, operation in _ITEM if verb in kind.verbs]
    yield f"{spaced}/{kind.plural}", collection
    if kind.namespaced and "list" in kind.verbs:
        yield f"{base}/{kind.plural}", [_COLLECTION[0][1]]
    if item:
        yield f"{spaced}/{kind.plural}/{{name}}", item
    for sub in kind.subresources:
        chosen = [operation for verb, operation in _ITEM if verb in sub.verbs]
        if chosen and sub.name in ("status", "scale"):
            yield f"{spaced}/{kind.plural}/{{name}}/{sub.name}", chosen


def _operation_id(kind: Kind, path: str, action: str) -> str:
    words = [
        word.strip("{}").capitalize() for word in path.split("/") if word and word not in ("api", "apis")
    ]
    return action + "".join(words).replace(".", "").replace("-", "")


def document_v2(registry: Registry, schemas: Schemas, title: str, version: str) -> dict[str, Any]:
    """Return the whole v2 document."""
    paths: dict[str, Any] = {}
    for kind in registry.kinds:
        for path, operations in _paths(kind):
            paths[path] = {
                method: _operation_v2(kind, path, method, action, names)
                for method, action, names in operations
            }
    return {
        "swagger": "2.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "definitions": dict(schemas.definitions),
    }


def _operation_v2(kind: Kind, path: str, method: str, action: str, names: tuple[str, ...]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "operationId": _operation_id(kind, path, action),
        "parameters": [_parameter_v2(name) for name in names],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": kind.gvk(),
    }
    if method == "patch":
        body["consumes"] = list(patch_types(kind))
    return body


def _parameter_v2(name: str) -> dict[str, Any]:
    return {
        "description": _TEXTS[name],
        "in": "query",
        "name": name,
        "type": "boolean" if name == "force" else "string",
        "uniqueItems": True,
    }


def document_v3(
    registry: Registry, schemas: Schemas, group: str, version: str, title: str, release: str
) -> dict[str, Any] | None:
    """Return the v3 document of one group and version, None where there is no such."""
    kinds = registry.within(group, version)
    if not kinds:
        return None
    paths: dict[str, Any] = {}
    wanted: list[str] = ["io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"]
    for kind in kinds:
        wanted += [kind.schema, kind.schema + "List"]
        for path, operations in _paths(kind):
            paths[path] = {
                method: _operation_v3(kind, path, method, action, names)
                for method, action, names in operations
            }
    return {
        "openapi": "3.0.0",
        "info": {"title": title, "version": release},
        "paths": paths,
        "components": {"schemas": _reachable(schemas, wanted)},
    }


def _operation_v3(kind: Kind, path: str, method: str, action: str, names: tuple[str, ...]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "operationId": _operation_id(kind, path, action),
        "parameters": [
            {
                "name": name,
                "in": "query",
                "description": _TEXTS[name],
                "schema": {"type": "boolean" if name == "force" else "string", "uniqueItems": True},
            }
            for name in names
        ],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": kind.gvk(),
    }
    if method in ("post", "put", "patch"):
        reference = {"$ref": _V3_PREFIX + kind.schema}
        types = patch_types(kind) if method == "patch" else _BODIES
        schema: dict[str, Any] = {"type": "object"} if method == "patch" else reference
        body["requestBody"] = {"required": True, "content": {word: {"schema": schema} for word in types}}
    return body


def _reachable(schemas: Schemas, names: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    waiting = [name for name in names if name in schemas.definitions]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        reached: list[str] = []
        found[name] = as_v3(schemas.definitions[name], reached.append)
        waiting.extend(each for each in reached if each in schemas.definitions and each not in found)
    return dict(sorted(found.items()))


def as_v3(node: Node, reached: Callable[[str], object]) -> dict[str, Any]:
    """Return a schema in v3's spelling; `reached` is told of every definition that it refers to.

    v3 ignores what stands beside a reference, so that a described reference is wrapped.
    """
    result: dict[str, Any] = {}
    for key, value in node.items():
        if key == "properties" and isinstance(value, Mapping):
            result[key] = {name: as_v3(inner, reached) for name, inner in value.items()}
        elif key in ("items", "additionalProperties", "not") and isinstance(value, Mapping):
            result[key] = as_v3(value, reached)
        elif key in ("allOf", "anyOf", "oneOf") and isinstance(value, list):
            result[key] = [as_v3(inner, reached) for inner in value]
        elif key != "$ref":
            result[key] = value
    reference = node.get("$ref")
    if not isinstance(reference, str):
        return result
    name = reference.removeprefix(PREFIX)
    reached(name)
    pointer = {"$ref": _V3_PREFIX + name}
    return {**result, "allOf": [pointer]} if result else pointer


def digest(document: bytes) -> bytes:
    """Return the hash, as hexadecimal digits, by which clients cache a document."""
    return hashlib.sha256(document).hexdigest().upper().encode()


def index_v3(hashes: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """Return the index of the v3 documents, by group and version with their hashes."""
    return {
        "paths": {
            root_of(*at): {"serverRelativeURL": f"/openapi/v3/{root_of(*at)}?hash={found}"}
            for at, found in hashes.items()
        }
    }
