"""Flows as OpenTelemetry logs, sent by OTLP over HTTP to a collector, as they arrive.

Each record becomes one log record: what happened in words, and its fields as attributes. A collector that is
away or slow costs nobody else anything: what has waited too long is given up, counted and said. Headers, say
for a token, come from OTEL_EXPORTER_OTLP_HEADERS, as the exporter's users expect.
Source: OpenTelemetry's semantic conventions for network attributes; ours begin with `ocicat.`.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

import structlog
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from ocicat.api.documents import shown_name
from ocicat.model.flow import Action
from ocicat.model.record import FlowKey, FlowRecord
from ocicat.ports.flowhub import FlowHub, Live

EVENT: Final = "ocicat.flow"
AT_ONCE: Final = 1_000
"""Log records in one request."""
TIMEOUT_S: Final = 10.0
"""For one request with its repetitions."""

log: Final = structlog.get_logger("ocicat.hub")


class FlowLogs:
    """Sends the flows of a hub to a collector. `run` goes on until it is cancelled."""

    def __init__(self, hub: FlowHub, endpoint: str, version: str) -> None:
        """Send to `endpoint`, a URL such as http://collector:4318/v1/logs."""
        self._hub = hub
        self._exporter = OTLPLogExporter(endpoint, timeout=TIMEOUT_S)
        self._resource = Resource({"service.name": "ocicat-hub", "service.version": version})
        self._scope = InstrumentationScope("ocicat", version)
        # It says each failed try at length; we say once that it fails, and once that it works again.
        logging.getLogger("opentelemetry.exporter.otlp").setLevel(logging.CRITICAL)
        self.sent = 0
        """Records that the collector has taken."""
        self.lost = 0
        """Records that were given up: the collector was away, or too slow."""

    async def run(self) -> None:
        """Send what arrives from now on."""
        missed, works = 0, True
        try:
            with self._hub.listen() as listener:
                async for group in listener:
                    for start in range(0, len(group), AT_ONCE):
                        works = await self._send(group[start : start + AT_ONCE], works=works)
                    self.lost += listener.missed - missed
                    missed = listener.missed
        finally:
            self._exporter.shutdown()  # type: ignore[no-untyped-call]

    async def _send(self, group: Sequence[Live], *, works: bool) -> bool:
        """Send some records; return whether they were taken."""
        records = [ReadableLogRecord(as_log(live), self._resource, self._scope) for live in group]
        result = await asyncio.to_thread(self._exporter.export, records)
        taken = result is LogRecordExportResult.SUCCESS
        if taken:
            self.sent += len(records)
        else:
            self.lost += len(records)
        if taken is not works:
            log.warning("otlp.works_again" if taken else "otlp.fails", sent=self.sent, lost=self.lost)
        return taken


def as_log(live: Live) -> LogRecord:
    """Return a flow as a log record; a denied one is a warning."""
    record, denied = live.record, live.record.key.action is Action.DENY
    return LogRecord(
        timestamp=record.end_ns,
        observed_timestamp=live.arrived_ns,
        severity_number=SeverityNumber.WARN if denied else SeverityNumber.INFO,
        severity_text="WARN" if denied else "INFO",
        body=_sentence(record.key),
        attributes={name: value for name, value in _attributes(record).items() if value not in ("", "-", ())},
        event_name=EVENT,
    )


def _sentence(key: FlowKey) -> str:
    source, dest = _end(key.source_namespace, key.source_name), _end(key.dest_namespace, key.dest_name)
    return f"{key.action} {source} → {dest} {key.proto}/{key.dest_port}, says {key.reporter}"


def _end(namespace: str, name: str) -> str:
    return f"{namespace}/{shown_name(name)}" if namespace not in ("", "-") else shown_name(name)


def _attributes(record: FlowRecord) -> dict[str, str | int | tuple[str, ...]]:
    key, counts = record.key, record.counts
    return {
        "source.address": record.source_ip,
        "destination.address": record.dest_ip,
        "destination.port": key.dest_port,
        "network.transport": key.proto,
        "k8s.node.name": record.node,
        "ocicat.source.name": shown_name(key.source_name),
        "ocicat.source.namespace": key.source_namespace,
        "ocicat.source.type": key.source_type.value,
        "ocicat.source.labels": record.source_labels,
        "ocicat.destination.name": shown_name(key.dest_name),
        "ocicat.destination.namespace": key.dest_namespace,
        "ocicat.destination.type": key.dest_type.value,
        "ocicat.destination.labels": record.dest_labels,
        "ocicat.destination.service.name": key.dest_service_name,
        "ocicat.destination.service.namespace": key.dest_service_namespace,
        "ocicat.reporter": key.reporter.value,
        "ocicat.action": key.action.value,
        "ocicat.policies.enforced": tuple(hit.text() for hit in key.enforced),
        "ocicat.policies.pending": tuple(hit.text() for hit in key.pending),
        "ocicat.packets.in": counts.packets_in,
        "ocicat.packets.out": counts.packets_out,
        "ocicat.bytes.in": counts.bytes_in,
        "ocicat.bytes.out": counts.bytes_out,
        "ocicat.connections.started": counts.connections_started,
        "ocicat.connections.completed": counts.connections_completed,
    }
