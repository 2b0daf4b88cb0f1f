"""`NodeTeller`: events about pods, written one after the other by a task of their own: no pod waits for them.

What is said again counts up in the event that is there, as a kubelet's does. Source: kubernetes-api, Event.
"""

import asyncio
from typing import Any, Final

import structlog

from ocicat.cluster.client import ApiClient, UnreachableError
from ocicat.cluster.controllers.actions import Say
from ocicat.cluster.controllers.telling import Teller
from ocicat.ports.clock import Chance, Timer

log: Final = structlog.get_logger("ocicat.node")
WAITING_AT_MOST: Final = 1000
"""Events that wait to be written; beyond that they are lost, and that is logged."""
_REMEMBERED: Final = 2000
"""Events that are remembered, so that they can be counted up."""


class NodeTeller:
    """Writes events as one node. `run` goes on until it is cancelled."""

    def __init__(self, node: str, client: ApiClient, timer: Timer, chance: Chance) -> None:
        """Write as `node`."""
        source = {"component": "kubelet", "host": node}
        self._teller: Final = Teller(client, timer, chance, source, _REMEMBERED)
        self._waiting: Final[asyncio.Queue[Say]] = asyncio.Queue(WAITING_AT_MOST)
        self._lost = 0

    def tell(self, pod: Any, reason: str, message: str, *, warning: bool = False) -> None:
        """Have an event written about a pod; that it cannot be written stops nobody."""
        try:
            self._waiting.put_nowait(
                Say({"apiVersion": "v1", "kind": "Pod", **pod}, reason, message, warning)
            )
        except asyncio.QueueFull:
            self._lost += 1

    async def run(self) -> None:
        """Write what is told."""
        while True:
            said = await self._waiting.get()
            try:
                await self._teller.say(said)
            except UnreachableError as error:
                log.debug("event.refused", reason=str(error))
            if self._lost:
                log.warning("event.lost", count=self._lost)
                self._lost = 0
