"""Where a kind is served: its collections, and how what is stored there reads as the kind. Pure.

Calico's kinds come from `projectcalico.org/v3` where a cluster serves it, else from
`crd.projectcalico.org/v1`, in which Calico stores them: the same specs, but the metadata of the v3 object
partly in an annotation.
Source: spec/policy-semantics §1 (names of stored policies), spec/kubernetes-api §2.
"""

from typing import Any, Final

import msgspec

from ocicat.model import calico
from ocicat.model.kinds import Kind

STORAGE_GROUP: Final = "crd.projectcalico.org"
STORAGE_VERSION: Final = "v1"
METADATA: Final = "projectcalico.org/metadata"
"""The annotation in which Calico keeps what the stored object's own metadata cannot say."""
_TIERED: Final = frozenset(
    {"NetworkPolicy", "GlobalNetworkPolicy", "StagedNetworkPolicy", "StagedGlobalNetworkPolicy"}
)


class Source(msgspec.Struct, frozen=True):
    """One place where a kind may be served."""

    group: str
    version: str
    plural: str
    stored: bool = False
    """Whether objects are as Calico stores them."""

    @property
    def path(self) -> str:
        """The path of the collection, of all namespaces."""
        prefix = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{prefix}/{self.plural}"


def sources_of(kind: Kind) -> tuple[Source, ...]:
    """Return the places where a kind may be served, the best first."""
    found = tuple(Source(kind.group, version, kind.plural) for version in kind.versions)
    if kind.group == calico.GROUP:
        found += (Source(STORAGE_GROUP, STORAGE_VERSION, kind.plural, stored=True),)
    return found


def as_written(document: dict[str, Any], kind: Kind) -> dict[str, Any]:
    """Return an object that Calico stores as the v3 object that a user wrote.

    Its name is the recorded one; a policy that an old release stored without recording it loses a leading
    `default.` where its tier is `default`. A broken annotation counts as none.
    """
    metadata = dict(document.get("metadata") or {})
    annotations = dict(metadata.get("annotations") or {})
    recorded = _recorded(annotations.pop(METADATA, ""))
    name = str(metadata.get("name", ""))
    if isinstance(recorded.get("name"), str) and recorded["name"]:
        name = recorded["name"]
    elif kind.kind in _TIERED and (document.get("spec") or {}).get("tier", "default") in ("", "default"):
        name = name.removeprefix("default.")
    metadata["name"] = name
    metadata["annotations"] = annotations
    return {**document, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}


def _recorded(text: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}
    return found
