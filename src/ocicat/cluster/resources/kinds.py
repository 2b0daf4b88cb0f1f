"""`Kind` and `Registry`: which resources are served, under which names, with which verbs.

The built-in ones are rows of `ocicat.cluster.resources.builtin`; a CustomResourceDefinition adds more. A
registry is immutable: a changed set of definitions makes a new one.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from ocicat.cluster.resources.errors import qualified

ALL_VERBS: Final = (
    "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
)  # fmt: skip
_COUNTED: Final = (
    "apiextensions.k8s.io", "apps", "batch", "networking.k8s.io", "policy", "policy.networking.k8s.io",
    "projectcalico.org", "scheduling.k8s.io",
)  # fmt: skip


class Column(msgspec.Struct, frozen=True):
    """One column of the table that `kubectl get` shows."""

    name: str
    cell: str
    """A dotted path into the object, or `=word`, the name of a function of `cells`."""
    type: str = "string"
    priority: int = 0
    """0 is always shown, 1 with `-o wide` only."""
    description: str = ""


class Subresource(msgspec.Struct, frozen=True):
    """A part of an object with its own address, such as `status` or `scale`."""

    name: str
    verbs: tuple[str, ...]
    group: str = ""
    """Group, version and kind of what is sent and received; empty: those of the object."""
    version: str = ""
    kind: str = ""


class Kind(msgspec.Struct, frozen=True):
    """A served resource in one version."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[Subresource, ...] = ()
    columns: tuple[Column, ...] = ()
    """After the column Name, where there is one."""
    name_first: bool = True
    """Whether the first column is the name; events are told apart by what they are about."""
    schema: str = ""
    """Name of the definition in the schema set; empty: objects are kept as they come."""
    strategic: bool = True
    """Whether strategic merge patches are understood; custom resources and Calico's kinds have none."""
    status_apart: bool = True
    """Whether `status` is written through its own address only."""
    custom: bool = False
    """Whether it comes from a CustomResourceDefinition."""
    single: str = ""
    list_kind: str = ""
    stored: bool = True
    """False for questions such as TokenReview, which are answered and forgotten."""

    @property
    def singular(self) -> str:
        """Return the singular name."""
        return self.single or self.kind.lower()

    @property
    def counts_generations(self) -> bool:
        """Whether objects have a generation, which counts the changes of what is wanted; upstream's do where
        a controller acts on the kind.
        """
        if self.custom or self.plural == "replicationcontrollers":
            return True
        return self.group in _COUNTED and self.plural != "controllerrevisions"

    @property
    def resource(self) -> str:
        """Return `plural.group`: the name under which objects are stored, whatever the version."""
        return qualified(self.plural, self.group)

    @property
    def api_version(self) -> str:
        """Return `group/version`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def listed(self) -> str:
        """Return the kind of a list of these."""
        return self.list_kind or self.kind + "List"

    def subresource(self, name: str) -> Subresource | None:
        """Return the subresource called `name`, or None."""
        return next((sub for sub in self.subresources if sub.name == name), None)

    def gvk(self) -> dict[str, str]:
        """Return group, version and kind as OpenAPI's extension spells them."""
        return {"group": self.group, "version": self.version, "kind": self.kind}


class Registry:
    """All served kinds, with the look-ups that routing, discovery and admission need. Immutable."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self.kinds: Final = tuple(kinds)
        self._by_path: Final[Mapping[tuple[str, str, str], Kind]] = {
            (kind.group, kind.version, kind.plural): kind for kind in self.kinds
        }
        self._by_kind: Final[Mapping[tuple[str, str, str], Kind]] = {
            (kind.group, kind.version, kind.kind): kind for kind in self.kinds
        }
        self._by_resource: Final[dict[str, Kind]] = {}
        for kind in self.kinds:
            self._by_resource.setdefault(kind.resource, kind)

    def at(self, group: str, version: str, plural: str) -> Kind | None:
        """Return the kind that answers `/apis/group/version/plural`, or None."""
        return self._by_path.get((group, version, plural))

    def of(self, api_version: str, kind: str) -> Kind | None:
        """Return the kind of an object by what the object says of itself, or None."""
        group, _, version = api_version.rpartition("/")
        return self._by_kind.get((group, version, kind))

    def stored_as(self, resource: str) -> Kind | None:
        """Return the first version of the resource that is stored under `resource`, or None."""
        return self._by_resource.get(resource)

    def versions(self) -> dict[str, list[str]]:
        """Return every group with its versions, the preferred one first; the core group is the empty word."""
        found: dict[str, list[str]] = {}
        for kind in self.kinds:
            versions = found.setdefault(kind.group, [])
            if kind.version not in versions:
                versions.append(kind.version)
        return found

    def within(self, group: str, version: str) -> list[Kind]:
        """Return the kinds of one group and version, in order of registration."""
        return [kind for kind in self.kinds if kind.group == group and kind.version == version]

    def extended(self, kinds: Iterable[Kind]) -> "Registry":
        """Return a registry with `kinds` added; a name that is taken keeps its first owner."""
        added = [kind for kind in kinds if (kind.group, kind.version, kind.plural) not in self._by_path]
        return Registry((*self.kinds, *added))


def metadata_of(thing: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the `metadata` of an object, empty when it has none."""
    found = thing.get("metadata")
    return found if isinstance(found, Mapping) else {}
