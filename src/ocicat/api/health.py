"""What orchestrators and Prometheus ask of the hub."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from ocicat.api.collector import Collector
from ocicat.ports.flowhub import FlowHub, Standing

PREFIX: Final = "ocicat_hub_"
GAUGES: Final[dict[str, tuple[str, Callable[[Standing], float]]]] = {
    "rows": ("Rows in the store.", lambda s: s.store.rows),
    "flow_kinds": ("Kinds of flows in the store.", lambda s: s.store.variants),
    "store_bytes": ("Size of the store on disk.", lambda s: s.store.bytes),
    "lag_seconds": ("From a record's end to its arrival; the worst lately.", lambda s: s.lag_ms / 1000),
    "flows_per_second": ("Records that arrived lately, by second.", lambda s: s.flows_per_s),
    "nodes": ("Nodes that were heard of since the start.", lambda s: len(s.nodes)),
}
COUNTERS: Final[dict[str, tuple[str, Callable[[Collector], float]]]] = {
    "flows_received": ("Flows received, repetitions and refused ones included.", lambda c: c.received),
    "flows_repeated": ("Flows that had been taken before.", lambda c: c.repeated),
    "flows_refused": ("Flows that were no records.", lambda c: c.refused),
    "flows_lost_by_senders": ("Records that senders say they gave up.", lambda c: c.lost_by_senders),
}
"""Name → meaning, and where it is."""


class Health:
    """The handlers, and a registry of its own: nothing is registered at import."""

    def __init__(self, hub: FlowHub, collector: Collector) -> None:
        """Tell of both."""
        self._hub = hub
        self._collector = collector
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of the moment."""
        standing = self._hub.standing()
        for name, (meaning, value) in GAUGES.items():
            yield GaugeMetricFamily(PREFIX + name, meaning, float(value(standing)))
        for name, (meaning, count) in COUNTERS.items():
            yield CounterMetricFamily(PREFIX + name, meaning, float(count(self._collector)))

    async def alive(self, _request: web.Request) -> web.Response:
        """`GET /healthz`."""
        return web.Response(text="ok\n")

    async def ready(self, _request: web.Request) -> web.Response:
        """`GET /readyz`: the store is open and answers."""
        self._hub.standing()
        return web.Response(text="ok\n")

    async def metrics(self, _request: web.Request) -> web.Response:
        """`GET /metrics`."""
        body: Any = generate_latest(self._registry)
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
