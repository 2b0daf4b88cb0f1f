"""Kubernetes Events on objects that are not enforced: whoever wrote them learns of it by `kubectl describe`.

Every agent of a cluster sees the same invalid policy. The name of an Event is therefore made of what it says:
the first agent creates it, the others are told that it exists. Rate limited: an Event is help, never load.
"""

import hashlib
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from ocicat.app.agent.unenforced import Unenforced
from ocicat.cluster.client import ApiClient, ApiError, UnreachableError
from ocicat.model.kinds import kind_of
from ocicat.ports.clock import Timer

REASON: Final = "NotEnforced"
WARNING: Final = "NotExplained"
"""The reason where policy is enforced as written all the same."""
COMPONENT: Final = "ocicat-agent"
BURST: Final = 20
PER_EVENT_S: Final = 1.0
"""After a burst, one Event in so many seconds."""
REMEMBERED: Final = 10_000
MESSAGE_CHARACTERS: Final = 1000
"""The API server refuses messages longer than 1,024 bytes."""

log: Final = structlog.get_logger("ocicat.events")


class EventReporter:
    """Tells of unenforced objects, each once."""

    def __init__(self, client: ApiClient, node: str, timer: Timer) -> None:
        """Tell the cluster of `client`, as the agent of `node`."""
        self._client = client
        self._node = node
        self._timer = timer
        self._waiting: deque[Unenforced] = deque()
        self._known: dict[Unenforced, None] = {}
        self._credit = float(BURST)
        self._credited_ns = timer.monotonic_ns()

    def tell(self, found: Sequence[Unenforced]) -> None:
        """Take what is unenforced now. What was told already is not told again while it lasts."""
        present = set(found)
        for gone in [known for known in self._known if known not in present]:
            del self._known[gone]
        for item in found:
            if item not in self._known and len(self._known) < REMEMBERED:
                self._known[item] = None
                self._waiting.append(item)

    async def run(self) -> None:
        """Send what waits, for ever."""
        while True:
            while self._waiting and self._may():
                await self._send(self._waiting.popleft())
            await self._timer.sleep(PER_EVENT_S)

    def _may(self) -> bool:
        now_ns = self._timer.monotonic_ns()
        self._credit = min(BURST, self._credit + (now_ns - self._credited_ns) / 1e9 / PER_EVENT_S)
        self._credited_ns = now_ns
        if self._credit < 1:
            return False
        self._credit -= 1
        return True

    async def _send(self, item: Unenforced) -> None:
        event = event_for(item, self._node, self._timer.now_ns())
        try:
            await self._client.post(f"/api/v1/namespaces/{event['metadata']['namespace']}/events", event)
        except ApiError as error:
            if error.code != 409:
                log.warning("event.refused", subject=str(item.ref), reason=str(error))
        except UnreachableError:
            self._waiting.appendleft(item)


def event_for(item: Unenforced, node: str, now_ns: int) -> dict[str, Any]:
    """Return the Event that says why an object is not enforced."""
    ref, reason = item.ref, item.reason
    known = kind_of(ref.group, ref.kind)
    namespace = ref.namespace or "default"
    digest = hashlib.blake2b(f"{ref} {ref.group} {reason}".encode(), digest_size=8).hexdigest()
    moment = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{ref.name[:200]}.{digest}", "namespace": namespace},
        "involvedObject": {
            "apiVersion": known.api_version if known else ref.group,
            "kind": ref.kind,
            "namespace": ref.namespace,
            "name": ref.name,
        },
        "type": "Warning",
        "reason": WARNING if item.enforced else REASON,
        "message": reason[:MESSAGE_CHARACTERS],
        "source": {"component": COMPONENT, "host": node},
        "reportingComponent": COMPONENT,
        "reportingInstance": node,
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }
