"""`Judge`: what policy says of many connections, asked one by one, with everything remembered that repeats.

For those who have a Plan and a table of connections: pending traces of flows, connections that policy would
refuse today. Source: spec/policy-semantics §7, §12.3.
"""

from ocicat.engine.plan import Plan
from ocicat.engine.policy import Direction, EntityKind
from ocicat.engine.program import ANY_PORT, Outcome, Program, Signature, Transport, bind
from ocicat.model.net import Address


class Judge:
    """Answers for the workload endpoints of one Plan. Its memory grows with what is asked about."""

    def __init__(self, plan: Plan) -> None:
        """Judge by `plan`."""
        self.plan = plan
        self._programs: dict[tuple[Direction, Address], Program | None] = {}
        self._asking: dict[tuple[Direction, Address], bool] = {}
        self._signatures: dict[tuple[Direction, Address, Address], Signature] = {}
        self._outcomes: dict[tuple[Direction, Address, Address, Transport], Outcome] = {}

    def outcome(
        self, direction: Direction, local: Address, peer: Address, transport: Transport
    ) -> Outcome | None:
        """Return the verdict and traces of the endpoint at `local`, None where there is none.

        The first question about a pair of addresses costs O(rules), the same question again nothing.
        """
        program = self._program(direction, local)
        if program is None:
            return None
        if not self.asks_source_port(direction, local):
            protocol, _, port, icmp_type, icmp_code = transport
            transport = (protocol, 0, port, icmp_type, icmp_code)
        question = (direction, local, peer, transport)
        found = self._outcomes.get(question)
        if found is None:
            signature = self._signatures.get(question[:3])
            if signature is None:
                signature = self._signatures[question[:3]] = program.signature(self.plan, peer)
            live = program.live_bits(signature, transport, program.transport_bits(transport))
            found = self._outcomes[question] = program.outcome(self.plan, live)
        return found

    def asks_source_port(self, direction: Direction, local: Address) -> bool:
        """Tell whether an answer for `local` can depend on the source port."""
        key = (direction, local)
        if key not in self._asking:
            program = self._program(direction, local)
            self._asking[key] = program is not None and any(
                rule.source_ports != ANY_PORT or (rule.peer_ports and direction is Direction.INGRESS)
                for rule in program.rules
            )
        return self._asking[key]

    def _program(self, direction: Direction, local: Address) -> Program | None:
        key = (direction, local)
        if key not in self._programs:
            entity = self.plan.owner(local, EntityKind.WORKLOAD)
            endpoint = self.plan.endpoints.get(entity.key) if entity is not None else None
            self._programs[key] = (
                bind(self.plan, self.plan.classes[endpoint.class_id(direction)], local) if endpoint else None
            )
        return self._programs[key]
