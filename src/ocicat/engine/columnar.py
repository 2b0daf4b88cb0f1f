"""Many flows at once: the same answers as `evaluate`, by columns.

A flow asks little: which class has its local end, what is its peer to that class, which rules does its
transport match. Each is looked up in NumPy for all flows together; the walk runs once for each distinct
combination.
Equality with the plain evaluator is a property test (tests/property/test_columnar.py).

Source: spec/policy-semantics §6, §7. Host endpoints are not asked here; `evaluate` asks them.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from ocicat.engine.peers import PeerTable
from ocicat.engine.plan import Plan
from ocicat.engine.policy import Direction, Entity, EntityKind, Rule
from ocicat.engine.program import Outcome, Program, Signature, Transport, bind
from ocicat.model.flow import Action
from ocicat.model.net import Address

Ints = npt.NDArray[np.int64]

NO_REPORT: Final = -1
"""The outcome of an end that reports nothing: it is no pod, or its own host sends."""


class FlowColumns(msgspec.Struct, frozen=True, eq=False):
    """Flows by column. All arrays have shape (flows,) and an integer dtype."""

    addresses: Sequence[Address]
    """The distinct addresses; `source` and `destination` are positions in it."""
    source: npt.NDArray[Any]
    destination: npt.NDArray[Any]
    protocol: npt.NDArray[Any]
    """1 to 255."""
    destination_port: npt.NDArray[Any]
    """0 where there is none."""
    source_port: npt.NDArray[Any]
    """0 for a port that no rule names."""
    icmp_type: npt.NDArray[Any]
    """-1 where there is none."""
    icmp_code: npt.NDArray[Any]
    """-1 where there is none."""


class FlowVerdicts(msgspec.Struct, frozen=True, eq=False):
    """The answers, in the order of the flows."""

    outcomes: tuple[Outcome, ...]
    """The distinct outcomes that occur."""
    src: Ints
    """shape (flows,): the source's outcome as a position in `outcomes`, or NO_REPORT."""
    dst: Ints
    """shape (flows,): the destination's outcome, or NO_REPORT. It is given also where the source denies."""
    allowed: npt.NDArray[np.bool_]
    """shape (flows,): whether both ends allow."""

    def outcome(self, position: int) -> Outcome | None:
        """Return the outcome at a position of `src` or `dst`, None for NO_REPORT."""
        return None if position == NO_REPORT else self.outcomes[position]


def evaluate_columns(plan: Plan, flows: FlowColumns) -> FlowVerdicts:
    """Return the verdict of both ends of every flow.

    Flows whose two addresses are of different families get NO_REPORT at both ends, and are not allowed.
    """
    peers = PeerTable(plan, flows.addresses)
    transports, transport_of = _distinct_transports(flows, _port_boundaries(plan))
    outcomes: dict[Outcome, int] = {}
    families = np.array([address.family for address in flows.addresses], dtype=np.int8)
    mixed = families[flows.source] != families[flows.destination]
    reports = []
    for direction, local, peer in (
        (Direction.EGRESS, flows.source, flows.destination),
        (Direction.INGRESS, flows.destination, flows.source),
    ):
        side = _Side(plan, peers, direction, transports, outcomes)
        reports.append(side.report(local, peer, transport_of, mixed))
    src, dst = reports
    dst[_from_own_host(plan, flows)] = NO_REPORT
    allows = np.array(
        [outcome.enforced.action is Action.ALLOW for outcome in outcomes] + [True], dtype=np.bool_
    )
    allowed = allows[src] & allows[dst] & ~mixed  # position -1 is the True at the end
    return FlowVerdicts(tuple(outcomes), src, dst, allowed)


def _from_own_host(plan: Plan, flows: FlowColumns) -> npt.NDArray[np.bool_]:
    """Return which flows come to a pod from the node it is on (§9.2)."""
    nodes: dict[str, int] = {}
    host = np.full(len(flows.addresses), -1, dtype=np.int64)
    home = np.full(len(flows.addresses), -2, dtype=np.int64)
    for position, address in enumerate(flows.addresses):
        pod = plan.owner(address, EntityKind.WORKLOAD)
        node = plan.owner(address, EntityKind.NODE)
        if pod is not None:
            if pod.node:
                home[position] = nodes.setdefault(pod.node, len(nodes))
        elif node is not None:
            host[position] = nodes.setdefault(node.key.name, len(nodes))
    result: npt.NDArray[np.bool_] = host[flows.source] == home[flows.destination]
    return result


def _port_boundaries(plan: Plan) -> Ints:
    """Return, ascending, the ports at which a rule's answer can change: where ranges begin and end."""
    edges = {0, 1}
    for policy in plan.policies.values():
        _add_edges(edges, (policy.ingress or ()) + (policy.egress or ()))
    for profile in plan.profiles.values():
        _add_edges(edges, profile.ingress + profile.egress)
    for entity in plan.entities.values():
        for declared in entity.named_ports:
            edges |= {declared.port, declared.port + 1}
    for service in plan.services.values():
        for _, _, port in service.ports:
            edges |= {port, port + 1}
    return np.array(sorted(edges), dtype=np.int64)


def _add_edges(edges: set[int], rules: Iterable[Rule]) -> None:
    for rule in rules:
        for side in (rule.source, rule.destination):
            for item in side.ports + side.not_ports:
                edges |= {item.first, item.last + 1}


def _representatives(ports: npt.NDArray[Any], boundaries: Ints) -> Ints:
    """Return for each port the lowest one that no rule tells apart from it."""
    result: Ints = boundaries[np.searchsorted(boundaries, ports, side="right") - 1]
    return result


def _distinct_transports(flows: FlowColumns, boundaries: Ints) -> tuple[list[Transport], Ints]:
    """Return the transports that some rule could tell apart, and for each flow the position of its own."""
    source_port = _representatives(flows.source_port, boundaries)
    destination_port = _representatives(flows.destination_port, boundaries)
    columns = (flows.protocol, source_port, destination_port, flows.icmp_type, flows.icmp_code)
    widths = (8, 16, 16, 9, 9)  # bits; ICMP fields are shifted by one for their -1
    key = np.zeros(len(flows.source), dtype=np.int64)
    for column, width, shift in zip(columns, widths, (0, 0, 0, 1, 1), strict=True):
        key = (key << width) | (np.asarray(column, dtype=np.int64) + shift)
    distinct, position = np.unique(key, return_inverse=True)
    parts = []
    rest = distinct
    for width, shift in zip(reversed(widths), (1, 1, 0, 0, 0), strict=True):
        parts.append((rest & ((1 << width) - 1)) - shift)
        rest = rest >> width
    return list(zip(*(part.tolist() for part in reversed(parts)), strict=True)), position


class _Side:
    """One end of all flows: its endpoints' Programs, asked about peers and transports."""

    def __init__(
        self,
        plan: Plan,
        peers: PeerTable,
        direction: Direction,
        transports: list[Transport],
        outcomes: dict[Outcome, int],
    ) -> None:
        self.plan = plan
        self.peers = peers
        self.direction = direction
        self.transports = transports
        self.outcomes = outcomes

    def report(
        self, local: npt.NDArray[Any], peer: npt.NDArray[Any], transport: Ints, mixed: npt.NDArray[np.bool_]
    ) -> Ints:
        """Return for each flow the position of the outcome at this end, or NO_REPORT."""
        programs, program_of_address = self._programs()
        program = program_of_address[local]
        program[mixed] = -1
        result = np.full(len(local), NO_REPORT, dtype=np.int64)
        by_program = np.argsort(program, kind="stable")
        ends = np.searchsorted(program[by_program], np.arange(len(programs) + 1))
        for number, bound in enumerate(programs):
            rows = by_program[ends[number] : ends[number + 1]]
            if len(rows):
                result[rows] = self._of_program(bound, peer[rows], transport[rows])
        return result

    def _programs(self) -> tuple[list[Program], Ints]:
        """Return the distinct Programs of the endpoints, and for each address the position of its own."""
        programs: list[Program] = []
        bound: dict[tuple[str, object], int] = {}
        of_address = np.full(len(self.peers.addresses), -1, dtype=np.int64)
        for position, address in enumerate(self.peers.addresses):
            pod = self.plan.owner(address, EntityKind.WORKLOAD)
            if pod is None:
                continue
            class_id = self.plan.endpoints[pod.key].class_id(self.direction)
            key = (class_id, self._binding(class_id, pod, address))
            number = bound.get(key)
            if number is None:
                number = bound[key] = len(programs)
                programs.append(bind(self.plan, self.plan.classes[class_id], address))
            of_address[position] = number
        return programs, of_address

    def _binding(self, class_id: str, pod: Entity, address: Address) -> object:
        """Return what of an endpoint a Program can depend on, so that most are bound once for their class."""
        if not self.peers.asks_local_address(class_id):
            return address.family, pod.named_ports
        return address

    def _of_program(self, program: Program, peer: npt.NDArray[Any], transport: Ints) -> Ints:
        signatures, signature_of = self.peers.signatures(program, peer)
        distinct, row = np.unique(signature_of * len(self.transports) + transport, return_inverse=True)
        transport_bits: dict[int, int] = {}
        found: dict[int, int] = {}
        positions = np.empty(len(distinct), dtype=np.int64)
        for position, code in enumerate(distinct.tolist()):
            signature, transport_number = divmod(code, len(self.transports))
            if transport_number not in transport_bits:
                transport_bits[transport_number] = program.transport_bits(self.transports[transport_number])
            positions[position] = self._outcome(
                program, signatures[signature], transport_number, transport_bits[transport_number], found
            )
        result: Ints = positions[row]
        return result

    def _outcome(
        self,
        program: Program,
        signature: Signature,
        transport: int,
        transport_bits: int,
        found: dict[int, int],
    ) -> int:
        live = program.live_bits(signature, self.transports[transport], transport_bits)
        position = found.get(live)
        if position is None:
            outcome = program.outcome(self.plan, live)
            position = found[live] = self.outcomes.setdefault(outcome, len(self.outcomes))
        return position
