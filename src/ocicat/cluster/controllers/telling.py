"""Says Events: once each, and the same thing again as a higher count of the first.

`kubectl describe` shows the count as `x5 over 10s`.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

import structlog

from ocicat.cluster.client import ApiClient, ApiError
from ocicat.cluster.controllers.actions import Say, Thing
from ocicat.cluster.controllers.events import event_of
from ocicat.cluster.controllers.things import name_of, namespace_of, timestamp
from ocicat.ports.clock import Chance, Timer

log: Final = structlog.get_logger("ocicat.controllers")
_REMEMBERED: Final = 512
"""Events that may be said again. The oldest are forgotten: they are said anew then, which is no harm."""


class Teller:
    """Writes the events of one source: a set of controllers, or a node."""

    def __init__(
        self,
        client: ApiClient,
        timer: Timer,
        chance: Chance,
        source: Mapping[str, str] | None = None,
        remembered: int = _REMEMBERED,
    ) -> None:
        """Remember nothing yet, and `remembered` events at most.

        `source` is who says them; without it, the controller of each object's kind.
        """
        self._remembered: Final = remembered
        self._client: Final = client
        self._timer: Final = timer
        self._chance: Final = chance
        self._source: Final = source
        self._said: Final[OrderedDict[tuple[str, str, str], Thing]] = OrderedDict()

    async def say(self, said: Say) -> None:
        """Write one event. A refusal is not retried: its namespace may be going. Raises UnreachableError."""
        now_ns = self._timer.now_ns()
        key = (str(said.about["metadata"].get("uid")), said.reason, said.message)
        before = self._said.get(key)
        try:
            if before is not None and await self._again(before, now_ns):
                self._said.move_to_end(key)
                return
            event = event_of(said, now_ns, self._chance())
            if self._source is not None:
                event |= {"source": self._source, "reportingComponent": self._source["component"]}
            await self._client.post(_events(event), event)
        except ApiError as error:
            log.debug("event.refused", reason=str(error))
            self._said.pop(key, None)
            return
        self._said[key] = event
        while len(self._said) > self._remembered:
            self._said.popitem(last=False)

    async def _again(self, event: Thing, now_ns: int) -> bool:
        """Count an event once more; False where it is gone."""
        count = int(event["count"]) + 1
        patch = {"count": count, "lastTimestamp": timestamp(now_ns)}
        try:
            await self._client.patch(f"{_events(event)}/{name_of(event)}", patch)
        except ApiError as error:
            if error.code == 404:
                return False
            raise
        event["count"] = count
        return True


def _events(event: Thing) -> str:
    return f"/api/v1/namespaces/{namespace_of(event)}/events"
