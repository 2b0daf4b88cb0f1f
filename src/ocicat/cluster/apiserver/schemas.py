"""Where the schemas come from: Kubernetes' own from the installed models, policy kinds from ours.

Reading the models takes a second or two, so that the result is kept in the state folder, under the version
of the models and of this reader. No copy of their text is part of this repository.
"""

import importlib
import importlib.metadata
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from ocicat.base.errors import OcicatError
from ocicat.cluster.resources import builtin, rows
from ocicat.cluster.resources.definitions import definitions, documentation, kind_definition
from ocicat.cluster.resources.kinds import Kind
from ocicat.cluster.resources.listmarks import marked
from ocicat.cluster.resources.policydocs import FIELD_DOCS, META_NAMES
from ocicat.cluster.resources.schema import PREFIX, Schemas
from ocicat.model import kinds as policy_kinds
from ocicat.model.meta import LabelSelector, LabelSelectorRequirement, ObjectMeta, OwnerReference

_READER: Final = 9
"""Raised when this module would make other definitions from the same models."""
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1."
_EXTRA: Final = (
    ("meta_v1", "Status"), ("meta_v1", "DeleteOptions"), ("autoscaling_v1", "Scale"),
    ("policy_v1", "Eviction"),
    ("authentication_v1", "TokenRequest"), ("meta_v1", "WatchEvent"),
)  # fmt: skip
_OF_META: Final = {ObjectMeta, OwnerReference, LabelSelector, LabelSelectorRequirement}


class SchemasMissingError(OcicatError):
    """The models of Kubernetes' kinds are not installed; the extra `cluster` brings them."""


def load_schemas(folder: Path) -> Schemas:
    """Return the schemas of all built-in kinds, from the cache in `folder` or made anew.

    Raises:
        SchemasMissingError: there is no cache and the models are not installed.
    """
    try:
        version = importlib.metadata.version("lightkube-models")
    except importlib.metadata.PackageNotFoundError as absent:
        raise SchemasMissingError("the embedded cluster needs the extra: ocicat[cluster]") from absent
    cache = folder / f"schemas-{version}-{_READER}.json"
    try:
        kubernetes = msgspec.json.decode(cache.read_bytes())
    except (OSError, msgspec.DecodeError):
        kubernetes = _kubernetes_definitions()
        folder.mkdir(parents=True, exist_ok=True)
        fresh = cache.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(kubernetes))
        fresh.replace(cache)
    return Schemas(_with_kinds({**kubernetes, **_policy_definitions()}))


def _kubernetes_definitions() -> dict[str, dict[str, Any]]:
    roots = [struct for kind in builtin.BUILTIN.kinds if (struct := _model_of(kind)) is not None]
    roots.extend(
        getattr(importlib.import_module(f"lightkube.models.{module}"), name) for module, name in _EXTRA
    )
    found = definitions(roots, _model_name, lambda struct: documentation(struct.__doc__ or ""))
    found["io.k8s.apimachinery.pkg.api.resource.Quantity"] = {"description": "A quantity.", "type": "string"}
    return marked({name: _polished(name, definition) for name, definition in found.items()})


_MODULES: Final = {
    rows.RBAC: "rbac", rows.EXTENSIONS: "apiextensions", rows.AUTHENTICATION: "authentication",
    rows.AUTHORIZATION: "authorization", "discovery.k8s.io": "discovery",
    "coordination.k8s.io": "coordination",
    "networking.k8s.io": "networking", "": "core", "apps": "apps", "batch": "batch",
    "autoscaling": "autoscaling", "policy": "policy", "scheduling.k8s.io": "scheduling",
    "storage.k8s.io": "storage", "certificates.k8s.io": "certificates",
}  # fmt: skip


def _model_of(kind: Kind) -> type[msgspec.Struct] | None:
    module = _MODULES.get(kind.group)
    if module is None:
        return None
    struct = getattr(importlib.import_module(f"lightkube.models.{module}_{kind.version}"), kind.kind)
    return struct if isinstance(struct, type) and issubclass(struct, msgspec.Struct) else None


def _model_name(struct: type[msgspec.Struct]) -> str:
    package, _, version = struct.__module__.rpartition(".")[2].rpartition("_")
    if package == "meta":
        return _META + struct.__name__
    if package == "apiextensions":
        return f"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.{version}.{struct.__name__}"
    return f"io.k8s.api.{package}.{version}.{struct.__name__}"


def _polished(name: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    """Put right what the models' types do not say."""
    short = name.rpartition(".")[2]
    properties = dict(definition.get("properties") or {})
    if short == "ManagedFieldsEntry":
        properties["fieldsV1"] = {**properties["fieldsV1"], **_open_object()}
    return {**definition, "properties": properties}


def _open_object() -> dict[str, Any]:
    return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _policy_definitions() -> dict[str, dict[str, Any]]:
    own = [kind for kind in policy_kinds.KINDS if kind.group in (rows.CALICO, rows.CLUSTER_POLICY)]
    names: dict[type[msgspec.Struct], str] = {
        kind.struct: rows.schema_name(kind.group, kind.versions[0], kind.kind) for kind in own
    }

    def named(struct: type[msgspec.Struct]) -> str:
        if struct in _OF_META:
            return _META + META_NAMES.get(struct.__name__, struct.__name__)
        return names.get(struct) or f"org.ocicat.{struct.__module__.rpartition('.')[2]}.{struct.__name__}"

    def documented(struct: type[msgspec.Struct]) -> Mapping[str, str]:
        return {**FIELD_DOCS, "": inspect.getdoc(struct) or ""}

    found = definitions([kind.struct for kind in own], named, documented)
    return {name: body for name, body in found.items() if not name.startswith(_META)}


def _with_kinds(found: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the definitions with every served kind marked, and a list beside each."""
    result: dict[str, Mapping[str, Any]] = dict(found)
    meta = {"$ref": f"{PREFIX}{_META}ObjectMeta"}
    for kind in builtin.BUILTIN.kinds:
        definition = result.get(kind.schema) or _bare(kind)
        properties = {**definition.get("properties", {}), "metadata": {**_text_of(definition), **meta}}
        result[kind.schema] = kind_definition({**definition, "properties": properties}, kind.gvk())
        if kind.stored:
            result[kind.schema + "List"] = list_definition(kind)
    return result


def _text_of(definition: Mapping[str, Any]) -> dict[str, Any]:
    found = definition.get("properties", {}).get("metadata", {}).get("description")
    return {"description": found or "Standard object metadata."}


def _bare(kind: Kind) -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "description": f"{kind.kind} of {kind.api_version}.",
        "type": "object",
        "properties": {
            "apiVersion": {"description": FIELD_DOCS["apiVersion"], **text},
            "kind": {"description": FIELD_DOCS["kind"], **text},
            "spec": {"description": FIELD_DOCS["spec"], **_open_object()},
        },
    }


def list_definition(kind: Kind) -> dict[str, Any]:
    """Return the definition of the list of `kind`."""
    text = {"type": "string"}
    properties = {
        "apiVersion": text,
        "items": {
            "description": f"List of {kind.plural}.",
            "type": "array",
            "items": {"$ref": PREFIX + kind.schema},
        },
        "kind": text,
        "metadata": {"$ref": f"{PREFIX}{_META}ListMeta"},
    }
    return kind_definition(
        {
            "description": f"{kind.listed} is a list of {kind.kind}.",
            "type": "object",
            "required": ["items"],
            "properties": properties,
        },
        {"group": kind.group, "version": kind.version, "kind": kind.listed},
    )
