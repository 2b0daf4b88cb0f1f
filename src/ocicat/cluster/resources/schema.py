"""`Schemas`: the definitions of all kinds, and how one walks an object beside its schema.

A definition is an OpenAPI schema as plain JSON; a reference is `{"$ref": "#/definitions/NAME"}`. Only a
text is a reference: the schema of a schema has a *property* called `$ref` (spec/kubernetes-api §3).
"""

from collections.abc import Mapping
from typing import Any, Final

Node = Mapping[str, Any]
"""One schema: of an object, a field, an item of a list."""

FREE: Final[Node] = {"x-kubernetes-preserve-unknown-fields": True}
"""The schema of what has none: every field is welcome, maps merge, lists are replaced as one."""

PREFIX: Final = "#/definitions/"


class Schemas:
    """A set of definitions by name. Immutable."""

    def __init__(self, definitions: Mapping[str, Node]) -> None:
        self.definitions: Final = definitions

    def root(self, name: str) -> Node:
        """Return the definition called `name`, or FREE where there is none."""
        return self.definitions.get(name, FREE)

    def resolved(self, node: Node) -> Node:
        """Return what `node` refers to, or itself."""
        for _ in range(8):  # references to references: no schema of ours nests them deeper
            reference = node.get("$ref")
            if not isinstance(reference, str):
                return node
            node = self.definitions.get(reference.removeprefix(PREFIX), FREE)
        return FREE

    def field(self, node: Node, name: str) -> Node | None:
        """Return the schema of the field `name`, or None where an object of this schema has no such field."""
        node = self.resolved(node)
        properties = node.get("properties")
        if isinstance(properties, Mapping) and name in properties:
            found: Node = properties[name]
            return found
        more = node.get("additionalProperties")
        if isinstance(more, Mapping):
            return more
        open_ended = node.get("x-kubernetes-preserve-unknown-fields") or more is True
        return FREE if open_ended or (not properties and node.get("type", "object") == "object") else None

    def items(self, node: Node) -> Node:
        """Return the schema of a list's items."""
        found = self.resolved(node).get("items")
        return found if isinstance(found, Mapping) else FREE

    def is_struct_field(self, node: Node, name: str) -> bool:
        """Tell whether `name` is a declared field rather than a key that the user made up."""
        return name in (self.resolved(node).get("properties") or ())


def list_keys(node: Node) -> tuple[str, ...]:
    """Return the keys by which a list's items are told apart in server-side apply; empty for other lists."""
    if node.get("x-kubernetes-list-type") == "map":
        return tuple(node.get("x-kubernetes-list-map-keys") or ())
    return ()


def is_set(node: Node) -> bool:
    """Tell whether a list is a set of scalars."""
    return node.get("x-kubernetes-list-type") == "set"


def merge_key(node: Node) -> str | None:
    """Return the key by which strategic merge tells items apart, the empty word for a merged list of scalars,
    or None where the list is replaced as one."""
    if "merge" not in str(node.get("x-kubernetes-patch-strategy", "")).split(","):
        return None
    return str(node.get("x-kubernetes-patch-merge-key", ""))


def is_atomic_map(node: Node, schemas: Schemas) -> bool:
    """Tell whether a map is owned and replaced as one."""
    return "atomic" in (
        node.get("x-kubernetes-map-type"),
        schemas.resolved(node).get("x-kubernetes-map-type"),
    )
