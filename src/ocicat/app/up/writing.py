"""Writing objects into a cluster over its API, as `kubectl apply` would leave them."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from ocicat.cluster.client import ApiClient, ApiError

_PLURALS: Final[Mapping[str, str]] = {"Endpoints": "endpoints"}
_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_CONFLICT: Final = 409
_MANAGER: Final = "ocicat"


async def applied(client: ApiClient, things: Iterable[Mapping[str, Any]]) -> None:
    """Bring objects to the state that this release wants; other fields stay. Raises ApiError,
    UnreachableError.
    """
    for thing in things:
        await client.apply(f"{collection_of(thing)}/{thing['metadata']['name']}", thing, _MANAGER)


async def created(client: ApiClient, things: Iterable[Mapping[str, Any]]) -> None:
    """Create objects that are not there; those that are stay as they are. Raises ApiError,
    UnreachableError.
    """
    for thing in things:
        try:
            await client.post(collection_of(thing), thing)
        except ApiError as error:
            if error.code != _CONFLICT:
                raise


def as_applied(thing: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with the annotation by which a later `kubectl apply` knows what it had applied."""
    metadata = thing["metadata"]
    text = msgspec.json.encode({**thing, "metadata": {"annotations": {}, **metadata}}, order="deterministic")
    annotations = {**metadata.get("annotations", {}), _APPLIED: text.decode() + "\n"}
    return {**thing, "metadata": {**metadata, "annotations": annotations}}


def collection_of(thing: Mapping[str, Any]) -> str:
    """Return the path of the collection that an object belongs to."""
    version, kind = thing["apiVersion"], thing["kind"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = _PLURALS.get(kind, kind.lower() + "s")
    namespace = thing["metadata"].get("namespace")
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"
