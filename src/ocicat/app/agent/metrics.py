"""The agent's metrics for Prometheus, on the loopback. Their names are stable.

Most are read from the status at the moment of the scrape, so that they agree with `ocicat agent status`.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from prometheus_client import CollectorRegistry, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from ocicat.app.agent.status import AgentStatus

PREFIX: Final = "ocicat_agent_"
APPLY_BUCKETS_S: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

GAUGES: Final[dict[str, tuple[str, Callable[[AgentStatus], float]]]] = {
    "synced": ("Whether every kind has been listed.", lambda s: s.synced),
    "inbox_objects": ("Changed objects that wait for the next pass.", lambda s: s.waiting),
    "generation": ("What was programmed last.", lambda s: s.enforcement.generation),
    "endpoints": ("Pods of this node that are enforced.", lambda s: s.enforcement.endpoints),
    "policies": ("Policies that the Plan holds.", lambda s: s.enforcement.policies),
    "unenforced_objects": ("Objects that were written and are not enforced.", lambda s: len(s.lacking)),
    "warnings": ("Warnings of objects that are enforced all the same.", lambda s: len(s.warnings)),
    "flow_queue_records": ("Flow records that wait for the hub.", lambda s: s.flows.queued),
    "flow_connected": ("Whether the hub acknowledges flows.", lambda s: s.flows.connected),
}
"""Name → meaning, and where it is in the status."""
COUNTERS: Final[dict[str, tuple[str, Callable[[AgentStatus], float]]]] = {
    "passes": ("Times that the kernel was programmed.", lambda s: s.enforcement.passes),
    "failures": ("Times that the kernel refused.", lambda s: s.enforcement.failures),
    "deviations": ("Foreign edits of the ruleset, put right.", lambda s: s.enforcement.deviations),
    "faults": ("Times that a part of the agent failed and was started again.", lambda s: s.faults),
    "connections_cut": ("Connections ended because policy refuses them now.", lambda s: s.cut.ended),
    "flow_records": ("Flow records that were made.", lambda s: s.accounting.records),
    "flow_records_sent": ("Flow records that the hub acknowledged.", lambda s: s.flows.sent),
    "flow_records_lost": ("Flow records given up.", lambda s: s.flows.lost),
}


class Metrics:
    """A registry of its own: nothing is registered at import."""

    def __init__(self, status: Callable[[], AgentStatus]) -> None:
        """Read what `status` returns at every scrape."""
        self._status = status
        self.registry = CollectorRegistry()
        self.apply_seconds = Histogram(
            f"{PREFIX}apply_seconds",
            "Time from taking changes to the kernel enforcing them.",
            buckets=APPLY_BUCKETS_S,
            registry=self.registry,
        )
        self.registry.register(self)
        self._server: Any = None

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of the moment."""
        status = self._status()
        for name, (meaning, value) in GAUGES.items():
            yield GaugeMetricFamily(PREFIX + name, meaning, float(value(status)))
        for name, (meaning, value) in COUNTERS.items():
            yield CounterMetricFamily(PREFIX + name, meaning, float(value(status)))
        state = GaugeMetricFamily(
            f"{PREFIX}reflector_objects", "Objects that are known, by kind.", labels=["kind", "state"]
        )
        for reflector in status.reflectors:
            state.add_metric([reflector.kind, reflector.state], float(reflector.objects))
        yield state
        losses = CounterMetricFamily(
            f"{PREFIX}flow_losses", "What could not be counted, or not fully, by kind.", labels=["kind"]
        )
        for kind, count in msgspec.structs.asdict(status.accounting.losses).items():
            losses.add_metric([kind], float(count))
        yield losses

    def serve(self, port: int) -> None:
        """Serve `/metrics` on 127.0.0.1. Raises OSError."""
        self._server, _ = start_http_server(port, "127.0.0.1", self.registry)

    def close(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
