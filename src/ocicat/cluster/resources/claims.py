"""PersistentVolumeClaims as this cluster serves them: a folder of the node where the first pod went.

The scheduler writes the node into the claim, and later pods of it go there. The folder goes by the claim's
uid: one of the same name that is made later begins empty.
"""

from collections.abc import Mapping
from typing import Any, Final

from ocicat.cluster.resources.cells import part, rows

SELECTED: Final = "volume.kubernetes.io/selected-node"
Thing = Mapping[str, Any]


def claim_names(pod: Thing) -> list[str]:
    """Return the claims that the volumes of a pod name."""
    return [
        str(name)
        for volume in rows(pod, "spec.volumes")
        if (name := part(volume, "persistentVolumeClaim.claimName"))
    ]


def node_of(claim: Thing) -> str:
    """Return the node that a claim's folder is on, empty before it has one."""
    annotations = part(claim, "metadata.annotations") or {}
    return str(annotations.get(SELECTED) or "")


def bound_status(claim: Thing) -> dict[str, Any]:
    """Return the status of a claim that has its folder; the size is what was asked for, and no limit."""
    size = part(claim, "spec.resources.requests.storage")
    return {
        "phase": "Bound",
        "accessModes": list(part(claim, "spec.accessModes") or ()),
        "capacity": {"storage": size} if size else {},
    }
