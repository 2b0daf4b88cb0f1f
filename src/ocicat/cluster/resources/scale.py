"""`Scale` (autoscaling/v1): the number of replicas of a workload, as `kubectl scale` reads and writes it."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ocicat.cluster.resources.cells import label_selector_text, part
from ocicat.cluster.resources.errors import bad_request, invalid, invalid_value
from ocicat.cluster.resources.kinds import Kind, metadata_of
from ocicat.cluster.resources.rows import AGE, kind_row

KIND: Final = kind_row(
    "autoscaling/v1/scales", "Scale", "",
    "Desired|spec.replicas|integer", "Available|status.replicas|integer", AGE,
)  # fmt: skip
"""As `kubectl get --subresource=scale` shows it; it is no resource by itself."""


class Paths(msgspec.Struct, frozen=True):
    """Where the numbers stand in an object, as dotted paths."""

    spec: str = "spec.replicas"
    status: str = "status.replicas"
    selector: str = "spec.selector"


_BUILTIN: Final = Paths()


def paths_of(kind: Kind, definition: Mapping[str, Any] | None) -> Paths:
    """Return the paths of a kind; a custom one names them in its definition."""
    if definition is None:
        return _BUILTIN
    row: Mapping[str, Any] = next(
        (row for row in definition["spec"]["versions"] if row["name"] == kind.version), {}
    )
    said = part(row, "subresources.scale") or {}
    words = (said.get(name, "") for name in ("specReplicasPath", "statusReplicasPath", "labelSelectorPath"))
    return Paths(*(str(word).lstrip(".") for word in words))


def scale_of(thing: Mapping[str, Any], paths: Paths) -> dict[str, Any]:
    """Return the Scale of an object."""
    metadata = metadata_of(thing)
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    selector = part(thing, paths.selector) if paths.selector else None
    text = selector if isinstance(selector, str) else label_selector_text(selector) if selector else ""
    replicas = part(thing, paths.spec)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: metadata[name] for name in kept if name in metadata},
        "spec": {"replicas": replicas} if replicas else {},
        "status": {"replicas": part(thing, paths.status) or 0, **({"selector": text} if text else {})},
    }


def wanted_replicas(wanted: Any, present: Mapping[str, Any]) -> int:
    """Return the number that a written Scale asks for. Raises ApiError (400, 422)."""
    if not isinstance(wanted, Mapping):
        raise bad_request("the body must be a Scale")
    replicas = part(wanted, "spec.replicas") or 0
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
        why = "must be greater than or equal to 0"
        name = str(metadata_of(present).get("name", ""))
        raise invalid("Scale", "autoscaling", name, [invalid_value("spec.replicas", replicas, why)])
    return replicas


def change_of(replicas: int, paths: Paths) -> dict[str, Any]:
    """Return the merge patch that sets the number."""
    change: Any = replicas
    for step in reversed(paths.spec.split(".")):
        change = {step: change}
    return dict(change)
