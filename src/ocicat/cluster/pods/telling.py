"""`Teller`: events about pods, written one after the other by a task of their own: no pod waits for them.

What is said again counts up in the event that is there, as a kubelet's does. Source: kubernetes-api, Event.
"""

import asyncio
from collections import OrderedDict
from typing import Any, Final

import msgspec
import structlog

from ocicat.cluster.client import ApiClient, ApiError, UnreachableError
from ocicat.cluster.controllers.actions import Say
from ocicat.cluster.controllers.events import event_of
from ocicat.cluster.controllers.things import timestamp
from ocicat.ports.clock import Chance, Timer

log: Final = structlog.get_logger("ocicat.node")
WAITING_AT_MOST: Final = 1000
"""Events that wait to be written; beyond that they are lost, and that is logged."""
_KNOWN_AT_MOST: Final = 2000
"""Events that are remembered, so that they can be counted up."""


class _Written:
    """An event that is in the API."""

    def __init__(self, path: str) -> None:
        self.path: Final = path
        self.count = 1


class Teller:
    """Writes events as one node. `run` goes on until it is cancelled."""

    def __init__(self, node: str, client: ApiClient, timer: Timer, chance: Chance) -> None:
        """Write as `node`."""
        self._source: Final = {"component": "kubelet", "host": node}
        self._client: Final = client
        self._timer: Final = timer
        self._chance: Final = chance
        self._waiting: Final[asyncio.Queue[Say]] = asyncio.Queue(WAITING_AT_MOST)
        self._known: Final[OrderedDict[tuple[str, str, str], _Written]] = OrderedDict()
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
                await self._write(said)
            except (ApiError, UnreachableError) as error:
                log.debug("event.refused", reason=str(error))
            if self._lost:
                log.warning("event.lost", count=self._lost)
                self._lost = 0

    async def _write(self, said: Say) -> None:
        metadata = said.about["metadata"]
        key = (str(metadata["uid"]), said.reason, said.message)
        collection = f"/api/v1/namespaces/{metadata['namespace']}/events"
        now_ns = self._timer.now_ns()
        if (known := self._known.get(key)) is not None:
            try:
                counted = {"count": known.count + 1, "lastTimestamp": timestamp(now_ns)}
                await self._client.patch(known.path, counted)
            except ApiError as error:
                if error.code != 404:
                    raise
                del self._known[key]  # it was too old, and is gone
            else:
                known.count += 1
                self._known.move_to_end(key)
                return
        body = event_of(said, now_ns, self._chance())
        body |= {"source": self._source, "reportingComponent": "kubelet"}
        made: Any = msgspec.json.decode(await self._client.post(collection, body))
        self._known[key] = _Written(f"{collection}/{made['metadata']['name']}")
        while len(self._known) > _KNOWN_AT_MOST:
            self._known.popitem(last=False)
