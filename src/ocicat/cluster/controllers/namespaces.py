"""The end of a namespace: first everything in it, then its finalizer, and so the namespace itself."""

from typing import Any, Final

import msgspec

from ocicat.cluster.client import ApiClient, ApiError
from ocicat.cluster.controllers.actions import Thing
from ocicat.cluster.controllers.things import is_going, name_of, spec_of, status_of

FINALIZER: Final = "kubernetes"


class Emptier:
    """Deletes what is in namespaces that go. Asks the server what kinds there are: none is forgotten."""

    def __init__(self, client: ApiClient) -> None:
        """Use `client` for everything."""
        self._client = client

    async def empties(self, namespace: Thing) -> bool:
        """Go one step further in emptying a namespace; tell whether it has to be looked at again.

        Raises ApiError, UnreachableError.
        """
        try:
            return await self._step(namespace)
        except ApiError as error:
            if error.code == 404:
                return False  # it is gone already
            raise

    async def _step(self, namespace: Thing) -> bool:
        if not is_going(namespace) or FINALIZER not in (spec_of(namespace).get("finalizers") or ()):
            return False
        path = f"/api/v1/namespaces/{name_of(namespace)}"
        if status_of(namespace).get("phase") != "Terminating":
            await self._client.patch(f"{path}/status", {"status": {"phase": "Terminating"}})
        if await self._delete_content(name_of(namespace)):
            return True
        rest = [name for name in spec_of(namespace)["finalizers"] if name != FINALIZER]
        current = msgspec.json.decode(await self._client.get(path), type=dict[str, Any])
        await self._client.put(f"{path}/finalize", {**current, "spec": {"finalizers": rest}})
        return False

    async def _delete_content(self, namespace: str) -> bool:
        """Delete everything in a namespace; tell whether something is still there."""
        left = False
        for root, plural in await self._collections():
            path = f"{root}/namespaces/{namespace}/{plural}"
            try:
                found = msgspec.json.decode(await self._client.get(path), type=dict[str, Any])
                items = found.get("items") or []
                if not items:
                    continue
                left = True
                if not all("deletionTimestamp" in item["metadata"] for item in items):
                    await self._client.delete(path)
            except ApiError as error:
                if error.code not in (404, 405):
                    raise
        return left

    async def _collections(self) -> list[tuple[str, str]]:
        """Return root and plural of every namespaced kind that can be listed and deleted."""
        roots = ["/api/v1"]
        groups = msgspec.json.decode(await self._client.get("/apis"), type=dict[str, Any])
        roots += [
            f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups.get("groups") or ()
        ]
        found = []
        for root in roots:
            served = msgspec.json.decode(await self._client.get(root), type=dict[str, Any])
            found += [
                (root, resource["name"])
                for resource in served.get("resources") or ()
                if resource.get("namespaced")
                and "/" not in resource["name"]
                and {"list", "delete"} <= set(resource.get("verbs") or ())
            ]
        return found
