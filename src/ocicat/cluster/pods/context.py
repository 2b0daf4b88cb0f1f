"""`NodeContext`: what the pods of one node share."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from ocicat.cluster.client import ApiClient, ApiError
from ocicat.cluster.pods.holding import Holding
from ocicat.cluster.pods.images.making import Images
from ocicat.cluster.pods.network import NodePlace
from ocicat.cluster.pods.programmed import Programmed
from ocicat.cluster.pods.telling import NodeTeller
from ocicat.ports.clock import Chance, Timer

PODS_AT_MOST: Final = 250
Thing = Mapping[str, Any]


def capacity_of_this_machine() -> dict[str, str]:
    """Return what a node has, by resource: nodes share the machine, and each says all of it."""
    memory = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') // 1024}Ki"
    return {"cpu": str(os.cpu_count() or 1), "memory": memory, "pods": str(PODS_AT_MOST)}


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
        self.images: Final = images.of(name)
        self.timer: Final = timer
        self.chance: Final = chance
        self.authority: Final = authority
        self.resolver: Final = resolver
        self.programmed: Final = Programmed()
        self.services: Final[dict[tuple[str, str], Thing]] = {}
        self.teller: Final = NodeTeller(name, client, timer, chance)
        self.capacity: Final = capacity_of_this_machine()
        self._free: Final = list(place.pod_addresses())

    def take_addresses(self, wanted: tuple[str, ...] = ()) -> tuple[str, str]:
        """Return addresses that no pod of this node has: those that are wanted, or the longest unused.

        Raises IndexError when all are in use, ValueError where those that are wanted cannot be had.
        """
        if not wanted:
            return self._free.pop(0)
        found = next((pair for pair in self._free if pair == wanted), None)
        if found is None:
            raise ValueError(f"{', '.join(wanted)} cannot be had")
        self._free.remove(found)
        return found

    def give_back(self, addresses: tuple[str, str]) -> None:
        """Return addresses of a pod that is gone."""
        self._free.append(addresses)

    def tell(self, pod: Thing, reason: str, message: str, *, warning: bool = False) -> None:
        """Have an event written about a pod."""
        self.teller.tell(pod, reason, message, warning=warning)

    async def get(self, path: str) -> Thing | None:
        """Return an object, or None where there is none. Raises ApiError, UnreachableError."""
        try:
            found: Thing = msgspec.json.decode(await self.client.get(path))
        except ApiError as error:
            if error.code == 404:
                return None
            raise
        return found
