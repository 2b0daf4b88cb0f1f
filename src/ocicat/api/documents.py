"""Flows as JSON: the shape of Whisker's back end, and ours beside it. Pure.

Source: spec/flows-and-console §7.1, docs/explanation/console-api.md.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec

from ocicat.engine.identity import merged_labels
from ocicat.model.record import FlowCounts, FlowKey, FlowRecord, Variant
from ocicat.model.textmatch import PRIVATE, PUBLIC
from ocicat.ports.flowhub import Found

NS: Final = 1_000_000_000
BUCKET_NS: Final = 15 * NS
"""The width of the flow API's buckets."""
_SHOWN: Final = {"pub": PUBLIC, "pvt": PRIVATE}


class Flow(msgspec.Struct, frozen=True):
    """Sums of one key over a span of time; what differs between its variants is joined."""

    key: FlowKey
    source_labels: tuple[str, ...]
    dest_labels: tuple[str, ...]
    source_ip: str
    """Empty where several addresses share the key."""
    dest_ip: str
    node: str
    start_ns: int
    end_ns: int
    counts: FlowCounts

    @classmethod
    def of(cls, variant: Variant, start_ns: int, end_ns: int, counts: FlowCounts) -> "Flow":
        """Return the flow of one variant."""
        return cls(
            variant.key,
            variant.source_labels,
            variant.dest_labels,
            variant.source_ip,
            variant.dest_ip,
            variant.node,
            start_ns,
            end_ns,
            counts,
        )

    def joined(self, other: "Flow") -> "Flow":
        """Return the two as one: sums, outer edges, the labels that both have."""
        return Flow(
            self.key,
            merged_labels(self.source_labels, other.source_labels),
            merged_labels(self.dest_labels, other.dest_labels),
            self.source_ip if self.source_ip == other.source_ip else "",
            self.dest_ip if self.dest_ip == other.dest_ip else "",
            self.node if self.node == other.node else "",
            min(self.start_ns, other.start_ns),
            max(self.end_ns, other.end_ns),
            self.counts + other.counts,
        )


def flows_of(found: Iterable[Found], bucket_ns: int | None = None) -> list[Flow]:
    """Return one flow for each key (and bucket, whose edges it then has), the newest start first."""
    joined: dict[tuple[FlowKey, int], Flow] = {}
    for item in found:
        bucket = item.start_ns // bucket_ns if bucket_ns else 0
        flow = Flow.of(item.variant, item.start_ns, item.end_ns, item.counts)
        if bucket_ns:
            start = bucket * bucket_ns
            # Old flows are kept in windows that are longer than a bucket, and say so.
            end = flow.end_ns if flow.end_ns - flow.start_ns > 2 * bucket_ns else start + bucket_ns
            flow = msgspec.structs.replace(flow, start_ns=start, end_ns=end)
        before = joined.get((flow.key, bucket))
        joined[flow.key, bucket] = before.joined(flow) if before else flow
    return sorted(joined.values(), key=lambda flow: (-flow.start_ns, identity(flow.key)))


def edged(flow: Flow) -> Flow:
    """Return a flow with the outer edges of its buckets, which is what lists of the flow API give (§4.3)."""
    begin = flow.start_ns // BUCKET_NS * BUCKET_NS
    end = max(-(-flow.end_ns // BUCKET_NS) * BUCKET_NS, begin + BUCKET_NS)
    return msgspec.structs.replace(flow, start_ns=begin, end_ns=end)


def buckets_of(records: Iterable[FlowRecord]) -> list[Flow]:
    """Return records as flows of the 15 s bucket that each belongs to, one for each key.

    What counts nothing is left out: it would show a row in which nothing happened (§11.6).
    """
    joined: dict[tuple[FlowKey, int], Flow] = {}
    for record in records:
        if not any(record.counts.values()):
            continue
        start = record.start_ns // BUCKET_NS * BUCKET_NS
        flow = Flow.of(record.variant, start, start + BUCKET_NS, record.counts)
        before = joined.get((flow.key, start))
        joined[flow.key, start] = before.joined(flow) if before else flow
    return list(joined.values())


def shown_name(name: str) -> str:
    """Return a stored name as people see it."""
    return _SHOWN.get(name, name)


def policies(key: FlowKey) -> dict[str, Any]:
    """Return `{"enforced": […], "pending": […]}`, never null."""
    return {
        "enforced": [hit.document() for hit in key.enforced],
        "pending": [hit.document() for hit in key.pending],
    }


def whisker(flow: Flow) -> dict[str, Any]:
    """Return a flow exactly as Whisker's front end reads it (§7.1); extra keys are plain values only."""
    key, counts = flow.key, flow.counts
    return {
        "start_time": whole_seconds(flow.start_ns),
        "end_time": whole_seconds(flow.end_ns),
        "action": key.action.value,
        "source_name": shown_name(key.source_name),
        "source_namespace": key.source_namespace or "-",
        "source_labels": " | ".join(flow.source_labels),
        "dest_name": shown_name(key.dest_name),
        "dest_namespace": key.dest_namespace or "-",
        "dest_labels": " | ".join(flow.dest_labels),
        "protocol": key.proto,
        "dest_port": key.dest_port,
        "reporter": key.reporter.value,
        "policies": policies(key),
        "packets_in": counts.packets_in,
        "packets_out": counts.packets_out,
        "bytes_in": counts.bytes_in,
        "bytes_out": counts.bytes_out,
    }


def ours(flow: Flow, series: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a flow as our own paths give it (`Flow` of console/src/api/types.ts)."""
    key, counts = flow.key, flow.counts
    return {
        "id": identity(key),
        "connection": connection(key),
        "start_time": moment(flow.start_ns),
        "end_time": moment(flow.end_ns),
        "source_name": shown_name(key.source_name),
        "source_namespace": key.source_namespace or "-",
        "source_type": key.source_type.value,
        "source_labels": list(flow.source_labels),
        "source_ip": flow.source_ip,
        "dest_name": shown_name(key.dest_name),
        "dest_namespace": key.dest_namespace or "-",
        "dest_type": key.dest_type.value,
        "dest_labels": list(flow.dest_labels),
        "dest_ip": flow.dest_ip,
        "dest_port": key.dest_port,
        "dest_service_name": key.dest_service_name,
        "dest_service_namespace": key.dest_service_namespace,
        "dest_service_port_name": key.dest_service_port_name,
        "dest_service_port": key.dest_service_port,
        "protocol": key.proto,
        "reporter": key.reporter.value,
        "action": key.action.value,
        "policies": policies(key),
        "packets_in": counts.packets_in,
        "packets_out": counts.packets_out,
        "bytes_in": counts.bytes_in,
        "bytes_out": counts.bytes_out,
        "connections_started": counts.connections_started,
        "connections_completed": counts.connections_completed,
        "connections_live": counts.connections_live,
        "node": flow.node,
        "series": series,
    }


@lru_cache(maxsize=100_000)
def identity(key: FlowKey) -> str:
    """Return what names a key in addresses: the same in every process."""
    return _digest(msgspec.json.encode(key))


@lru_cache(maxsize=100_000)
def connection(key: FlowKey) -> str:
    """Return what both reporters' keys of one kind of connection share."""
    ends = (key.source_namespace, key.source_name, key.dest_namespace, key.dest_name)
    service = (key.dest_service_namespace, key.dest_service_name)
    return _digest(msgspec.json.encode((ends, service, key.dest_port, key.proto)))


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=9).hexdigest()


@lru_cache(maxsize=4_096)
def whole_seconds(ns: int) -> str:
    """Return RFC 3339 in UTC, whole seconds."""
    return datetime.fromtimestamp(ns // NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(ns: int) -> str:
    """Return RFC 3339 in UTC, milliseconds."""
    return f"{datetime.fromtimestamp(ns // NS, UTC):%Y-%m-%dT%H:%M:%S}.{ns % NS // 1_000_000:03d}Z"


def decided_by(key: FlowKey) -> dict[str, Any] | None:
    """Return the hit that ended the enforced walk."""
    return key.enforced[-1].document() if key.enforced else None
