"""The flow record: what one end of connections between two groups reports of an interval.

Source: spec/policy-semantics §11, spec/flows-and-console §2, §3, §9.
"""

from enum import StrEnum

import msgspec

from ocicat.model.flow import Action, Reporter, Trace


class EndType(StrEnum):
    """What an end of a flow is (§11.5)."""

    WORKLOAD = "WorkloadEndpoint"
    HOST = "HostEndpoint"
    NETWORK_SET = "NetworkSet"
    NETWORK = "Network"


class FlowKey(msgspec.Struct, frozen=True, order=True):
    """What makes flows the same: both ends, service dialled, protocol, reporter, action, policy traces."""

    source_name: str
    source_namespace: str
    source_type: EndType
    dest_name: str
    dest_namespace: str
    dest_type: EndType
    dest_port: int
    """After destination NAT; for ICMP type * 256 + code."""
    dest_service_name: str
    dest_service_namespace: str
    dest_service_port_name: str
    dest_service_port: int
    proto: str
    reporter: Reporter
    action: Action
    enforced: Trace
    pending: Trace


class Variant(msgspec.Struct, frozen=True, order=True):
    """Everything about a flow that is neither time nor count: what filters look at."""

    key: FlowKey
    source_labels: tuple[str, ...]
    dest_labels: tuple[str, ...]
    source_ip: str
    dest_ip: str
    node: str

    def record(self, start_ns: int, end_ns: int, counts: "FlowCounts") -> "FlowRecord":
        """Return the record of this kind with times and counts."""
        return FlowRecord(
            self.key,
            start_ns,
            end_ns,
            self.source_labels,
            self.dest_labels,
            counts,
            self.source_ip,
            self.dest_ip,
            self.node,
        )


class FlowCounts(msgspec.Struct, frozen=True, gc=False):
    """What was counted in an interval; all are deltas. "In" is towards the reporting end (§11.3)."""

    packets_in: int = 0
    packets_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    connections_started: int = 0
    connections_completed: int = 0
    connections_live: int = 0
    """Connections that were open at some time of the interval."""

    def __add__(self, other: "FlowCounts") -> "FlowCounts":
        """Return the sums; live connections add up too, as in the flow API (flows-and-console §3)."""
        return FlowCounts(*(a + b for a, b in zip(self.values(), other.values(), strict=True)))

    def beyond(self, other: "FlowCounts") -> "FlowCounts":
        """Return by how much each count is larger, 0 where it is not."""
        return FlowCounts(*(max(0, a - b) for a, b in zip(self.values(), other.values(), strict=True)))

    def values(self) -> tuple[int, ...]:
        """Return the counts in the order of the fields."""
        return msgspec.structs.astuple(self)


class FlowRecord(msgspec.Struct, frozen=True):
    """One report: a key, the interval, the labels of both ends and the counts."""

    key: FlowKey
    start_ns: int
    """Nanoseconds since 1970, of the interval's beginning."""
    end_ns: int
    """Nanoseconds since 1970, of the interval's end."""
    source_labels: tuple[str, ...]
    """`key=value`, sorted; without `projectcalico.org/` ones (§11.7)."""
    dest_labels: tuple[str, ...]
    counts: FlowCounts
    source_ip: str = ""
    """The real address, where all connections of the record share it; ours, beyond the original's fields."""
    dest_ip: str = ""
    node: str = ""
    """The node that reports; ours."""

    @property
    def variant(self) -> Variant:
        """Return the record without times and counts."""
        return Variant(
            self.key, self.source_labels, self.dest_labels, self.source_ip, self.dest_ip, self.node
        )
