"""What flow accounting knows of the cluster to name things: one picture, replaced when the cluster changes.

Pure. Source: spec/policy-semantics §11.5, §11.6, §12.3.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Final

from ocicat.engine.convert.services import ServicePorts
from ocicat.engine.identity import (
    NO_SERVICE,
    NOTHING,
    SEVERAL,
    DialledService,
    FlowEnd,
    IdentityIndex,
    ServiceIndex,
    attributed_service,
    flow_ends,
)
from ocicat.engine.judge import Judge
from ocicat.engine.plan import NO_ENDPOINTS, Plan
from ocicat.engine.policy import Direction, EntityKind
from ocicat.engine.program import Transport
from ocicat.flows.tuples import FlowTuple
from ocicat.model.flow import Reporter, Trace
from ocicat.model.net import Address

_ICMP: Final = (1, 58)


class Scene:
    """A Plan in force with the Services of the same moment. What it derives, it derives once, when asked."""

    def __init__(self, plan: Plan, services: tuple[ServicePorts, ...] = (), node: str = "") -> None:
        """Take a picture.

        Args:
            plan: What is enforced now.
            services: What clients dial.
            node: The node that this is.
        """
        self.plan = plan
        self.node = node
        self._services = services
        self._judge = Judge(plan)

    @cached_property
    def _identity(self) -> IdentityIndex:
        return IdentityIndex.of(self.plan.entities.values())

    @cached_property
    def _fronts(self) -> ServiceIndex:
        return ServiceIndex.of(self._services)

    @cached_property
    def _ports_at(self) -> Mapping[tuple[Address, int], dict[int, frozenset[tuple[str, str, str]]]]:
        """(address, protocol) → port → Services."""
        found: dict[tuple[Address, int], dict[int, frozenset[tuple[str, str, str]]]] = {}
        for (address, protocol, port), names in self._fronts.fronts.items():
            found.setdefault((address, protocol), {})[port] = names
        return found

    def ends(self, flow: FlowTuple) -> tuple[FlowEnd, FlowEnd]:
        """Return how records name source and destination (§11.5)."""
        return flow_ends(self._identity, flow.source, flow.destination)

    def has_local_host(self, flow: FlowTuple) -> bool:
        """Tell whether an end is a host endpoint of this node: then nothing is recorded at all (§11.1)."""
        found = (self._identity.endpoints.get(address) for address in (flow.source, flow.destination))
        return any(
            entity is not None and entity.key.kind is EntityKind.HOST and entity.node == self.node
            for entity in found
        )

    # --- the Service ----------------------------------------------------------------------------------------

    def service(self, flow: FlowTuple) -> DialledService:
        """Return the Service that was dialled (§11.6)."""
        if flow.protocol in _ICMP:
            return NO_SERVICE
        if flow.dialled != flow.destination and not flow.dialled_port:
            return self._service_at(flow)
        return attributed_service(
            self._fronts,
            flow.protocol,
            (flow.destination, flow.port),
            (flow.dialled, flow.dialled_port),
            self._identity.node_addresses,
        )

    def _service_at(self, flow: FlowTuple) -> DialledService:
        """Return the Service of an attempt of which the kernel told the address dialled, not the port.

        That is so for refused ones. Of an address's ports those count that lead to where the attempt was
        going; where several do, what differs is `*`, and the port 0.
        """
        fronts = self._ports_at.get((flow.dialled, flow.protocol))
        if fronts is None:
            return self._node_port_of(flow)
        there = {port: self._leading(flow, names) for port, names in fronts.items()}
        leading = {port: names for port, names in there.items() if names}
        if len(leading) == 1:
            ((port, _),) = leading.items()
            return attributed_service(
                self._fronts, flow.protocol, (flow.destination, flow.port), (flow.dialled, port), ()
            )
        return _together({name for names in leading.values() for name in names})

    def _node_port_of(self, flow: FlowTuple) -> DialledService:
        leading = {
            port: names
            for (protocol, port), found in self._fronts.node_ports.items()
            if protocol == flow.protocol and (names := self._leading(flow, found))
        }
        if len(leading) == 1:
            ((port, names),) = leading.items()
            found = _together(set(names))
            return DialledService(found.namespace, found.name, found.port_name, port)
        return _together({name for names in leading.values() for name in names})

    def _leading(
        self, flow: FlowTuple, names: frozenset[tuple[str, str, str]]
    ) -> frozenset[tuple[str, str, str]]:
        """Return those Services that have an endpoint where the flow was going."""
        goal = (flow.destination, flow.protocol, flow.port)
        return frozenset(
            name for name in names if goal in self.plan.services.get(name[:2], NO_ENDPOINTS).ports
        )

    # --- pending traces -------------------------------------------------------------------------------------

    def pending(self, flow: FlowTuple, reporter: Reporter) -> Trace | None:
        """Return what one end's evaluation would be now, were staged policies enforced (§12.3).

        None where the end is no endpoint of the Plan any more, or a rule asks for the source port, of which a
        flow has many: then the trace from before stands.
        """
        direction = Direction.EGRESS if reporter is Reporter.SRC else Direction.INGRESS
        near, far = flow.source, flow.destination
        if reporter is Reporter.DST:
            near, far = far, near
        if self._judge.asks_source_port(direction, near):
            return None
        found = self._judge.outcome(direction, near, far, _transport(flow))
        return found.pending.trace if found is not None else None


def _transport(flow: FlowTuple) -> Transport:
    if flow.protocol in _ICMP:
        return flow.protocol, 0, 0, flow.port >> 8, flow.port & 0xFF
    return flow.protocol, 0, flow.port, -1, -1


def _together(names: set[tuple[str, str, str]]) -> DialledService:
    """Return what several Services have in common; the port is not known."""
    if not names:
        return NO_SERVICE
    namespace, name, port_name = (
        values.pop() if len(values) == 1 else SEVERAL for values in map(set, zip(*names, strict=True))
    )
    return DialledService(namespace or NOTHING, name, port_name, 0)
