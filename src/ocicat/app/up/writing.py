"""Writing objects into a cluster over its API, as `kubectl apply` would leave them."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from ocicat.cluster.client import ApiClient, ApiError

_PLURALS: Final[Mapping[str, str]] = {"Endpoints": "endpoints"}
_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_CONFLICT: Final = 409


async def written(client: ApiClient, things: Iterable[Mapping[str, Any]]) -> None:
    """Create objects that are not there; those that are stay as they are, but for the data of Secrets.

    Raises ApiError, UnreachableError.
    """
    for thing in things:
        collection = collection_of(thing)
        try:
            await client.post(collection, thing)
        except ApiError as error:
            if error.code != _CONFLICT:
                raise
            if thing["kind"] == "Secret":
                await client.patch(f"{collection}/{thing['metadata']['name']}", {"data": thing["data"]})


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
