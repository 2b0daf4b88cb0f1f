"""From what the kernel saw to what records say: the reports of both ends of a flow.

Pure. Source: spec/policy-semantics §11.1 (reporters), §11.2 (key), §12 (traces); design/dataplane §2 (mark).
"""

from typing import Final

import msgspec

from ocicat.engine.policy import Direction
from ocicat.engine.program import Outcome
from ocicat.flows.scene import Scene
from ocicat.flows.tuples import FlowTuple
from ocicat.model.flow import Action, Reporter, Trace
from ocicat.model.net import flow_protocol
from ocicat.model.record import EndType, FlowKey
from ocicat.ports.accounting import Traces

_DIRECTIONS: Final = {Reporter.SRC: Direction.EGRESS, Reporter.DST: Direction.INGRESS}


class Named(msgspec.Struct, frozen=True):
    """How records tell of a flow."""

    flow: FlowTuple
    src: FlowKey | None
    dst: FlowKey | None
    source_labels: tuple[str, ...]
    dest_labels: tuple[str, ...]
    unknown: int = 0
    """How many of the flow's trace ids nobody knows: such a report has an empty trace."""
    silent: bool = False
    """Whether nothing is told of it, because counter sets tell of it already."""

    @property
    def keys(self) -> tuple[FlowKey, ...]:
        """The keys there are, the source's first."""
        return tuple(key for key in (self.src, self.dst) if key is not None)


def named(flow: FlowTuple, scene: Scene, traces: Traces) -> Named:
    """Return the reports of a flow: of each end that this node has judged.

    * A host endpoint of this node at either end: none (§11.1).
    * A connection one of whose ends is refused now, though it was allowed once: none. Its packets are told by
      the sets of refused attempts.
    * An id that nobody knows: a report with the verdict that the kernel showed, and no trace. Where not even
      the verdict shows, no report.
    """
    source, destination = scene.ends(flow)
    nothing = Named(flow, None, None, source.labels, destination.labels)
    if scene.has_local_host(flow):
        return nothing
    judged = _judged(flow, traces)
    unknown = sum(outcome is None for outcome in judged.values())
    verdicts = _verdicts_of_refused(flow, judged) if flow.denied else _verdicts_of_allowed(judged)
    if verdicts is None:
        return msgspec.structs.replace(nothing, unknown=unknown, silent=True)
    service = scene.service(flow)
    keys: dict[Reporter, FlowKey] = {}
    for reporter, action in verdicts.items():
        outcome = judged[reporter]
        keys[reporter] = FlowKey(
            source.name,
            source.namespace,
            EndType(source.type.value),
            destination.name,
            destination.namespace,
            EndType(destination.type.value),
            flow.port,
            service.name,
            service.namespace,
            service.port_name,
            service.port,
            flow_protocol(flow.protocol),
            reporter,
            action,
            outcome.enforced.trace if outcome else (),
            outcome.pending.trace if outcome else (),
        )
    return Named(
        flow, keys.get(Reporter.SRC), keys.get(Reporter.DST), source.labels, destination.labels, unknown
    )


def _judged(flow: FlowTuple, traces: Traces) -> dict[Reporter, Outcome | None]:
    """Return the outcome of each end that was judged here, None where nobody knows its id."""
    ids = {Reporter.SRC: flow.egress, Reporter.DST: flow.ingress}
    return {
        reporter: traces.outcome(_DIRECTIONS[reporter], number) for reporter, number in ids.items() if number
    }


def _verdicts_of_allowed(judged: dict[Reporter, Outcome | None]) -> dict[Reporter, Action] | None:
    if any(outcome is not None and outcome.enforced.action is Action.DENY for outcome in judged.values()):
        return None
    return dict.fromkeys(judged, Action.ALLOW)


def _verdicts_of_refused(flow: FlowTuple, judged: dict[Reporter, Outcome | None]) -> dict[Reporter, Action]:
    """Return who said what to a refused attempt.

    Egress comes first and refuses at once. So where ingress was asked, egress allowed, unless the mark still
    holds an ingress trace from an earlier judgement: then the egress outcome itself says Deny.
    """
    src = judged.get(Reporter.SRC)
    if src is not None and src.enforced.action is Action.DENY:
        return {Reporter.SRC: Action.DENY}
    if not flow.ingress:
        action = Action.ALLOW if src is not None else Action.DENY
        return {Reporter.SRC: action} if flow.egress else {}
    verdicts = {Reporter.SRC: Action.ALLOW} if src is not None else {}
    dst = judged[Reporter.DST]
    refused_there = dst is not None and dst.enforced.action is Action.DENY
    if refused_there or not flow.egress or src is not None:
        verdicts[Reporter.DST] = Action.DENY
    return verdicts


def with_pending(told: Named, scene: Scene) -> Named:
    """Return the reports with pending traces as policy stands now; those of vanished ends stay."""

    def renewed(key: FlowKey | None) -> FlowKey | None:
        if key is None:
            return None
        trace: Trace | None = scene.pending(told.flow, key.reporter)
        return key if trace is None or trace == key.pending else msgspec.structs.replace(key, pending=trace)

    return msgspec.structs.replace(told, src=renewed(told.src), dst=renewed(told.dst))


def same_names(told: Named, scene: Scene) -> bool:
    """Tell whether both ends, and the Service, still have the names that they have in `told`."""
    key = told.src or told.dst
    if key is None:
        return False
    source, destination = scene.ends(told.flow)
    service = scene.service(told.flow)
    names = (source.name, source.namespace, destination.name, destination.namespace)
    dialled = (service.name, service.namespace, service.port_name, service.port)
    return (
        names == (key.source_name, key.source_namespace, key.dest_name, key.dest_namespace)
        and (source.type.value, destination.type.value) == (key.source_type.value, key.dest_type.value)
        and dialled
        == (
            key.dest_service_name,
            key.dest_service_namespace,
            key.dest_service_port_name,
            key.dest_service_port,
        )
        and (source.labels, destination.labels) == (told.source_labels, told.dest_labels)
        and not scene.has_local_host(told.flow)
    )
