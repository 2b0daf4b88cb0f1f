"""Metadata that every resource carries, the label selector of Kubernetes, and the reference to a resource."""

from collections.abc import Mapping
from typing import Any

import msgspec


class Part(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """Base of every piece of a resource: frozen, camelCase on the wire, defaults left out when written."""


class OwnerReference(Part, frozen=True):
    """`metadata.ownerReferences[]`."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False


class ObjectMeta(Part, frozen=True):
    """`metadata`, with the fields that policy looks at."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()
    deletion_timestamp: str = ""


class Ref(msgspec.Struct, frozen=True, order=True):
    """The identity of an object: group, kind, namespace (empty when cluster-scoped) and name, as written."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class Resource(Part, frozen=True):
    """Base of every kind."""

    api_version: str = ""
    kind: str = ""
    metadata: ObjectMeta = ObjectMeta()

    @property
    def ref(self) -> Ref:
        """Return the object's identity. The version of its API is not part of it."""
        group, slash, _ = self.api_version.rpartition("/")
        return Ref(group if slash else "", self.kind, self.metadata.namespace, self.metadata.name)


class LabelSelectorRequirement(Part, frozen=True):
    """`matchExpressions[]`: operator is In, NotIn, Exists or DoesNotExist."""

    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()


class LabelSelector(Part, frozen=True):
    """The label selector of Kubernetes; `{}` selects everything, an absent one depends on the field."""

    match_labels: Mapping[str, str] = {}
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()


Raw = Any
"""A document as the reader made it: dict, list, str, int, float, bool or None."""
