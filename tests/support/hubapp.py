"""The hub's HTTP application in the test's own event loop, with a store in memory."""

import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import TCPConnector
from aiohttp.test_utils import TestClient, TestServer

from ocicat.api.collector import Collector
from ocicat.api.health import Health
from ocicat.api.rest import FlowApi
from ocicat.api.web import Access, application
from ocicat.api.whisker import WhiskerApi
from ocicat.flows.hub import Hub
from ocicat.flows.store.memory import MemoryStore
from ocicat.ports.policyview import NoPolicy, PolicyView
from support.clocks import FakeTimer

LINE_BYTES = 1 << 22
"""The longest event of a test."""


class HubApp:
    """A hub, and a client of its application."""

    def __init__(self, hub: Hub, timer: FakeTimer, client: TestClient) -> None:
        self.hub = hub
        self.timer = timer
        self.client = client

    async def get(self, path: str, **query: Any) -> Any:
        """Return the JSON of an answer that must be a success."""
        async with self.client.get(path, params=query) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def refused(self, path: str, **query: Any) -> tuple[int, Any]:
        """Return status and JSON of an answer that must be a refusal."""
        async with self.client.get(path, params=query) as answer:
            assert answer.status >= 400
            return answer.status, await answer.json()

    @contextlib.asynccontextmanager
    async def stream(self, path: str, **query: Any) -> AsyncIterator["Events"]:
        """Open an event stream."""
        headers = query.pop("headers", {})
        async with self.client.get(path, params=query, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            yield Events(answer)


class Events:
    """The events of one answer."""

    def __init__(self, answer: Any) -> None:
        self.headers = answer.headers
        self._content = answer.content

    async def lines(self) -> list[str]:
        """Return the lines of the next block, comments included."""
        found: list[str] = []
        while line := (await self._content.readline(max_line_length=LINE_BYTES)).decode().rstrip("\n"):
            found.append(line)
        return found

    async def next(self) -> dict[str, str]:
        """Return the next event that has data."""
        while True:
            event = dict(line.partition(": ")[::2] for line in await self.lines())
            if "data" in event:
                return event

    async def rest(self) -> bytes:
        """Return what comes until the stream ends."""
        rest: bytes = await self._content.read()
        return rest


def _small(address: Any) -> socket.socket:
    """Make a socket that holds little, so that a client who does not read is soon felt."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    return made


@contextlib.asynccontextmanager
async def serving(
    *, policy: PolicyView | None = None, console: Path | None = None, access: Access | None = None
) -> AsyncIterator[HubApp]:
    """Serve a hub that nobody has told anything."""
    timer = FakeTimer()
    hub = Hub(MemoryStore(), timer)
    collector = Collector(hub.take, timer, hub.lost)
    app = application(
        FlowApi(hub, policy or NoPolicy(), "0.0.0"),
        WhiskerApi(hub),
        Health(hub, collector),
        console,
        access or Access(),
        timer,
    )
    async with TestClient(TestServer(app), connector=TCPConnector(limit=0, socket_factory=_small)) as client:
        yield HubApp(hub, timer, client)
