"""Flows as OpenTelemetry logs, as a small collector reads them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from ocicat.api.otlp import FlowLogs
from ocicat.flows.hub import Hub
from ocicat.flows.store.memory import MemoryStore
from support.clocks import FakeTimer, until
from support.hub import denied_record, flow_record


class Collector:
    """Takes what is exported; refuses while `status` says so."""

    def __init__(self) -> None:
        self.status = 200
        self.requests: list[ExportLogsServiceRequest] = []

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.status == 200:
            self.requests.append(ExportLogsServiceRequest.FromString(body))
        return web.Response(status=self.status)

    def records(self) -> list[Any]:
        return [
            record
            for request in self.requests
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]


@contextlib.asynccontextmanager
async def exporting() -> AsyncIterator[tuple[Hub, Collector, FlowLogs]]:
    collector = Collector()
    app = web.Application()
    app.add_routes([web.post("/v1/logs", collector.take)])
    async with TestServer(app) as server:
        hub = Hub(MemoryStore(), FakeTimer())
        logs = FlowLogs(hub, str(server.make_url("/v1/logs")), "1.2.3")
        running = asyncio.create_task(logs.run())
        await asyncio.sleep(0)
        try:
            yield hub, collector, logs
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def attributes(record: Any) -> dict[str, Any]:
    found = {}
    for item in record.attributes:
        kind = item.value.WhichOneof("value")
        value = getattr(item.value, kind)
        found[item.key] = [one.string_value for one in value.values] if kind == "array_value" else value
    return found


async def test_each_record_becomes_a_log_record_with_its_fields() -> None:
    async with exporting() as (hub, collector, logs):
        denied = denied_record(start_ns=1_000_000_000)
        await hub.take([denied, flow_record("worker", "pub", 443)])
        await until(lambda: logs.sent == 2)
    [resource] = {
        attribute.value.string_value
        for request in collector.requests
        for attribute in request.resource_logs[0].resource.attributes
        if attribute.key == "service.name"
    }
    assert resource == "ocicat-hub"
    first, second = collector.records()
    assert (first.severity_text, second.severity_text) == ("WARN", "INFO")
    assert first.time_unix_nano == denied.end_ns
    assert first.event_name == "ocicat.flow"
    assert first.body.string_value == (
        "Deny catfacts/worker-7c9d5f-* → catfacts/facts-7c9d5f-* tcp/80, says Dst"
    )
    found = attributes(first)
    assert found["ocicat.policies.enforced"] == ["0|application-catfacts|np:catfacts/facts|deny|-1"]
    assert (found["destination.port"], found["ocicat.bytes.in"]) == (80, 300)
    assert found["ocicat.source.labels"] == ["app=worker"]
    assert found["k8s.node.name"] == "n1"
    assert attributes(second)["ocicat.destination.name"] == "PUBLIC NETWORK"
    assert "ocicat.destination.namespace" not in attributes(second)


async def test_a_collector_that_refuses_costs_only_what_it_refuses() -> None:
    async with exporting() as (hub, collector, logs):
        collector.status = 400
        await hub.take([flow_record(port=1), flow_record(port=2)])
        await until(lambda: logs.lost == 2)
        collector.status = 200
        await hub.take([flow_record(port=3)])
        await until(lambda: logs.sent == 1)
        assert [attributes(record)["destination.port"] for record in collector.records()] == [3]
        assert hub.position == 3
