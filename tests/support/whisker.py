"""A real hub that knows the catfacts application, and what Whisker's page does with it."""

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
import pytest

from ocicat.model.flow import Action, Hit, HitKind, Reporter
from support.hub import STAGED, RealHub, denied_record, flow_record

FLOWS, HINTS = "/whisker-backend/flows", "/whisker-backend/flows-filter-hints"
NS = 1_000_000_000
OLD_S = 2 * 3600
WAIT_S = 20.0
PASSED = (
    Hit(HitKind.GLOBAL_NETWORK_POLICY, "", "allow-dns", "security", Action.PASS, 0, 1),
    Hit(HitKind.NETWORK_POLICY, "catfacts", "web", "default", Action.ALLOW, 1, 0),
)
ALL_KEYS = {
    "start_time": str,
    "end_time": str,
    "action": str,
    "source_name": str,
    "source_namespace": str,
    "source_labels": str,
    "dest_name": str,
    "dest_namespace": str,
    "dest_labels": str,
    "protocol": str,
    "dest_port": int,
    "reporter": str,
    "policies": dict,
    "packets_in": int,
    "packets_out": int,
    "bytes_in": int,
    "bytes_out": int,
}
"""Of a flow, with their types."""
PUBLIC, PRIVATE = "worker→PUBLIC NETWORK", "PRIVATE NETWORK→web"
WORKER_DB, FACTS_DB, BACKUP = "worker→db", "facts→db", "facts→db-backup"
DENIED, DNS = "worker→facts", "facts→dns"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHub]:
    """A hub with seven flows of the last minute, and one of two hours ago."""
    hub = RealHub(tmp_path_factory.mktemp("hub"))
    start = time.time_ns() - 40 * NS
    src, labels = Reporter.SRC, ("app=facts", "version=v1")
    dns = flow_record("facts", "dns", 53, start_ns=start, reporter=src, enforced=())
    hub.push(
        [
            flow_record("worker", "db", start_ns=start),
            flow_record("facts", "db", start_ns=start, reporter=src, pending=STAGED, source_labels=labels),
            flow_record("facts", "db-backup", start_ns=start, reporter=src),
            flow_record("worker", "pub", 443, start_ns=start, reporter=src),
            flow_record("pvt", "web", 8080, start_ns=start, enforced=PASSED),
            denied_record(start_ns=start),
            msgspec.structs.replace(dns, key=msgspec.structs.replace(dns.key, proto="udp")),
            flow_record("ancient", "db", start_ns=time.time_ns() - OLD_S * NS),
        ]
    )
    yield hub
    assert hub.process.poll() is None
    hub.stop()


def sent(hub: RealHub, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Send a request whose path goes out as it is given, unescaped."""
    connection = http.client.HTTPConnection(urlsplit(hub.url).netloc, timeout=WAIT_S)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def got(hub: RealHub, path: str, **query: str) -> Any:
    """Return the JSON of an answer that must be a success."""
    status, _, body = sent(hub, f"{path}?{urlencode(query)}")
    assert status == 200, body
    return json.loads(body)


def listed(hub: RealHub, **query: str) -> list[dict[str, Any]]:
    """Return the flows of the last minutes."""
    items: list[dict[str, Any]] = got(hub, FLOWS, startTimeGte="-300", **query)["items"]
    return items


def filtered(hub: RealHub, filters: dict[str, Any]) -> list[str]:
    """Return source and destination, in short, of the flows that a filter lets through."""
    flows = listed(hub, filters=json.dumps(filters))
    return sorted(f"{_short(flow['source_name'])}→{_short(flow['dest_name'])}" for flow in flows)


def _short(name: str) -> str:
    return name.removesuffix("-7c9d5f-*")


def text(value: str, kind: str = "Exact") -> list[dict[str, str]]:
    """Return the one match of a field."""
    return [{"value": value, "type": kind}]


class Source:
    """An EventSource: the page's own way to read, line by line."""

    def __init__(self, hub: RealHub, query: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(hub.url).netloc, timeout=WAIT_S)
        # As a browser sends it: `{`, `}`, `[`, `]`, `:` and `,` stay as they are.
        self._connection.request("GET", f"{FLOWS}?{query}", headers={"Accept": "text/event-stream"})
        self.answer = self._connection.getresponse()

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def lines(self, flows: int) -> list[str]:
        """Return all lines up to the end of so many flows."""
        found: list[str] = []
        while sum(line.startswith("data:") for line in found) < flows or found[-1]:
            found.append(self.answer.readline().decode().removesuffix("\n"))
        return found

    def flows(self, count: int) -> list[dict[str, Any]]:
        """Return the next flows."""
        lines = self.lines(count)
        return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data:")]
