"""`NodeContext`: what the pods of one node share."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from ocicat.cluster.client import ApiClient, ApiError, UnreachableError
from ocicat.cluster.controllers.actions import Say
from ocicat.cluster.controllers.events import event_of
from ocicat.cluster.pods.holding import Holding
from ocicat.cluster.pods.images.making import Images
from ocicat.cluster.pods.network import NodePlace
from ocicat.ports.clock import Chance, Timer

log: Final = structlog.get_logger("ocicat.node")
Thing = Mapping[str, Any]


class NodeContext:
    """One node's connections, folders and addresses."""

    def __init__(
        self,
        *,
        name: str,
        place: NodePlace,
        folder: Path,
        client: ApiClient,
        holding: Holding,
        images: Images,
        timer: Timer,
        chance: Chance,
        authority: str,
        resolver: str,
    ) -> None:
        """Keep what is given; `folder` is the node's, `resolver` the name server outside the cluster."""
        self.name: Final = name
        self.place: Final = place
        self.folder: Final = folder
        self.client: Final = client
        self.holding: Final = holding
        self.images: Final = images
        self.timer: Final = timer
        self.chance: Final = chance
        self.authority: Final = authority
        self.resolver: Final = resolver
        self.services: Final[dict[tuple[str, str], Thing]] = {}
        self._free: Final = list(place.pod_addresses())

    def take_addresses(self) -> tuple[str, str]:
        """Return addresses that no pod of this node has, the longest unused. Raises IndexError when all
        are."""
        return self._free.pop(0)

    def give_back(self, addresses: tuple[str, str]) -> None:
        """Return addresses of a pod that is gone."""
        self._free.append(addresses)

    async def tell(self, pod: Thing, reason: str, message: str, *, warning: bool = False) -> None:
        """Record an event about a pod; that it cannot be recorded stops nobody."""
        said = Say({"apiVersion": "v1", "kind": "Pod", **pod}, reason, message, warning=warning)
        body = event_of(said, self.timer.now_ns(), self.chance())
        body |= {"source": {"component": "kubelet", "host": self.name}, "reportingComponent": "kubelet"}
        try:
            await self.client.post(f"/api/v1/namespaces/{pod['metadata']['namespace']}/events", body)
        except (ApiError, UnreachableError) as error:
            log.debug("event.refused", reason=str(error))

    async def get(self, path: str) -> Thing | None:
        """Return an object, or None where there is none. Raises ApiError, UnreachableError."""
        try:
            found: Thing = msgspec.json.decode(await self.client.get(path))
        except ApiError as error:
            if error.code == 404:
                return None
            raise
        return found
