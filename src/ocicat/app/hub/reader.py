"""`HubReader`: a hub's REST API as the command line reads it: pages, and a stream that survives breaks."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx2 as httpx
import msgspec

from ocicat.base.backoff import Backoff
from ocicat.base.errors import OcicatError

TIMEOUT_S: Final = 30.0
SILENCE_S: Final = 30.0
"""Longer than the hub is ever silent; then the connection counts as dead."""


class HubUnreachableError(OcicatError):
    """No hub answers there."""


class HubRefusedError(OcicatError):
    """The hub does not answer this; the message is its own."""


class HubReader:
    """Asks one hub."""

    def __init__(self, url: str, token: str = "") -> None:
        """Ask the hub at `url`."""
        self._url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # The hub is named by whoever calls, and is mostly on the loopback: no proxy stands between.
        self._http = httpx.Client(base_url=self._url, headers=headers, timeout=TIMEOUT_S, trust_env=False)

    def page(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return a page of flows. Raises HubUnreachableError, HubRefusedError."""
        return self.get("/api/v1/flows", query)

    def get(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Return an answer. Raises HubUnreachableError, HubRefusedError."""
        try:
            response = self._http.get(path, params=dict(query))
        except httpx.HTTPError as error:
            raise HubUnreachableError(f"no hub answers at {self._url}: {error}") from error
        if response.is_error:
            raise _refused(response)
        return msgspec.json.decode(response.content, type=dict[str, Any])

    def follow(self, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Yield flows as they arrive, for ever; after a break it goes on where it was.

        Raises HubUnreachableError where the first try fails, and HubRefusedError.
        """
        position, reached = "", False
        backoff = Backoff(0.5, 10.0, lambda: 0.5)
        while True:
            try:
                again = {"last_event_id": position} if position else {}
                for identity, flows in self._events({**query, **again}):
                    reached = True
                    backoff.reset()
                    yield from flows
                    position = identity or position
            except httpx.HTTPError as error:
                if not reached:
                    raise HubUnreachableError(f"no hub answers at {self._url}: {error}") from error
            time.sleep(backoff.delay_s())

    def _events(self, query: Mapping[str, str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Yield the position of each event, and its flows."""
        timeout = httpx.Timeout(TIMEOUT_S, read=SILENCE_S)
        with self._http.stream(
            "GET", "/api/v1/flows/stream", params=dict(query), timeout=timeout
        ) as response:
            if response.is_error:
                response.read()
                raise _refused(response)
            event: dict[str, str] = {}
            for line in response.iter_lines():
                if line:
                    field, _, value = line.partition(": ")
                    event[field] = value
                    continue
                flows = msgspec.json.decode(event["data"]) if event.get("event") == "flow" else []
                yield event.get("id", ""), flows
                event = {}


def _refused(response: httpx.Response) -> HubRefusedError:
    try:
        failure = msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.MsgspecError:
        failure = {}
    # A page of somebody else's server can be long; its beginning says what it is.
    message = str(failure.get("error") or response.text[:200])
    return HubRefusedError(f"the hub answers {response.status_code}: {message}")
