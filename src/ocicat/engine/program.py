"""A class bound to one endpoint: rules reduced to what still depends on the peer, signatures, outcomes.

For one endpoint, direction and family the local side of each rule is known: it holds or not, and its named
ports are numbers. What remains of a rule is a question about the peer's address and one about protocol and
ports:

* the *signature* of a peer says which rules its address satisfies (one bit each), and the ports that rules
  take from the peer (named ports, Services);
* the *outcome* for a signature and a transport is the verdict and both traces.

Peers with equal signatures get equal outcomes, so a kernel map or a table needs one entry for each signature.
The kernel renderer, the columnar evaluator and reachability read Programs. Source: design/dataplane §1,
spec/policy-semantics §6, §7.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from ocicat.engine import walk
from ocicat.engine.match import ICMP_OF_FAMILY, address_matches, declared_ports, in_ranges
from ocicat.engine.plan import NO_ENDPOINTS, Plan, PolicyClass, numbers_of
from ocicat.engine.policy import Direction, Rule, Side
from ocicat.engine.walk import Found, Walked
from ocicat.model.flow import Action
from ocicat.model.net import PROTOCOLS_WITH_PORTS, Address, PortRange

Transport = tuple[int, int, int, int, int]
"""(protocol, source port, destination port, ICMP type, ICMP code): 0 for no port, -1 for no ICMP."""

Span = tuple[int, int, int]
"""(protocol, first port, last port): ports that an endpoint declares by name, or a Service has."""


class Ports(msgspec.Struct, frozen=True):
    """What a rule asks of one port, with names resolved as far as they can be."""

    asked: bool = False
    """Whether one of `ranges` and `spans` must hold the port."""
    ranges: tuple[PortRange, ...] = ()
    spans: tuple[Span, ...] = ()
    not_ranges: tuple[PortRange, ...] = ()
    not_spans: tuple[Span, ...] = ()
    within: tuple[Span, ...] | None = None
    """Ports of a Service's endpoint, one of which it must be too; None where no Service is named (§6.6)."""
    needs_port: bool = False
    """Whether the rule says anything of the port, if only by names that nobody declares here: a portless
    protocol then does not match."""

    def accept(self, protocol: int, port: int) -> bool:
        """Tell whether the criterion holds; a portless protocol meets none (§6.5)."""
        if self.within is not None and not in_spans(self.within, protocol, port):
            return False
        if not self.needs_port:
            return True
        if protocol not in PROTOCOLS_WITH_PORTS:
            return False
        if self.asked and not (in_ranges(self.ranges, port) or in_spans(self.spans, protocol, port)):
            return False
        return not (in_ranges(self.not_ranges, port) or in_spans(self.not_spans, protocol, port))


ANY_PORT: Final = Ports()


def in_spans(spans: tuple[Span, ...], protocol: int, port: int) -> bool:
    """Tell whether a span of the protocol holds the port."""
    return any(number == protocol and first <= port <= last for number, first, last in spans)


class BoundRule(msgspec.Struct, frozen=True):
    """What remains of a rule once its local side is known to hold."""

    tier: int
    """Position of the tier slice in the class; -1 for profiles."""
    owner: int
    """Position of the policy in the slice, or of the profile in the class."""
    index: int
    """Position of the rule in its policy, Log rules counted."""
    staged: bool
    rule: Rule
    remote: Side
    source_ports: Ports
    destination_ports: Ports
    peer_ports: bool
    """Whether the peer decides ports: named ports on its side, or a Service as destination."""

    def transport_matches(self, family: int, transport: Transport) -> bool:
        """Tell whether protocol, ICMP and ports match, the ports that the peer decides apart."""
        protocol, source_port, destination_port, icmp_type, icmp_code = transport
        rule = self.rule
        if rule.protocol not in (None, protocol) or rule.not_protocol == protocol:
            return False
        if rule.icmp is not None or rule.not_icmp is not None:
            if protocol != ICMP_OF_FAMILY[family]:
                return False
            for wanted, expected in ((rule.icmp, True), (rule.not_icmp, False)):
                if wanted is not None:
                    equal = icmp_type == wanted.type and wanted.code in (None, icmp_code)
                    if equal is not expected:
                        return False
        return self.source_ports.accept(protocol, source_port) and self.destination_ports.accept(
            protocol, destination_port
        )


class Signature(msgspec.Struct, frozen=True):
    """What a peer's address means to a Program."""

    bits: int
    """The rules whose address criteria the peer satisfies, by position."""
    peer_ports: tuple[tuple[int, Ports], ...] = ()
    """For each of these rules that asks the peer for ports: its position, and what the peer makes of it."""


class Program(msgspec.Struct, frozen=True):
    """A class bound to an endpoint, for one family."""

    policies: PolicyClass
    family: int
    rules: tuple[BoundRule, ...]
    """In the order of the walk."""
    tier_bits: tuple[int, ...]
    """The rules of each tier slice."""
    profile_bits: tuple[int, ...]
    """The rules of each profile."""
    staged_bits: int
    """The rules of staged policies."""
    log_bits: int = 0
    """The Log rules. They never decide, so every answer but `logged` passes them over."""

    def signature(self, plan: Plan, peer: Address) -> Signature:
        """Return what `peer` means to this Program. Cost: O(rules)."""
        bits = 0
        peer_ports: list[tuple[int, Ports]] = []
        for position, bound in enumerate(self.rules):
            if remote_matches(plan, bound, self.policies.direction, peer):
                bits |= 1 << position
                if bound.peer_ports:
                    peer_ports.append((position, ports_of_peer(plan, bound, self.policies.direction, peer)))
        return Signature(bits, tuple(peer_ports))

    def transport_bits(self, transport: Transport) -> int:
        """Return the rules that match a transport, the ports that the peer decides apart. Cost: O(rules)."""
        bits = 0
        for position, bound in enumerate(self.rules):
            if bound.transport_matches(self.family, transport):
                bits |= 1 << position
        return bits

    def live_bits(self, signature: Signature, transport: Transport, transport_bits: int) -> int:
        """Return the rules that match: `transport_bits` and signature, with the ports of the peer applied."""
        bits = signature.bits & transport_bits
        protocol, source_port, destination_port, *_ = transport
        port = source_port if self.policies.direction is Direction.INGRESS else destination_port
        for position, ports in signature.peer_ports:
            if not ports.accept(protocol, port):
                bits &= ~(1 << position)
        return bits

    def outcome(self, plan: Plan, live: int) -> "Outcome":
        """Return the verdict and traces for the set of rules that match. Cost: O(tiers)."""
        finder = _ByBits(self, live)
        return Outcome(walk.enforced(plan, self.policies, finder), walk.pending(plan, self.policies, finder))

    def logged(self, plan: Plan, live: int) -> tuple[BoundRule, ...]:
        """Return the Log rules that the enforced walk passes, in order. Cost: O(tiers)."""
        if not live & self.log_bits:
            return ()
        finder = _ByBits(self, live)
        walk.enforced(plan, self.policies, finder)
        return tuple(self.rules[position] for position in numbers_of(finder.passed & self.log_bits))


class Outcome(msgspec.Struct, frozen=True):
    """A distinct answer of a Program: what the data plane calls a trace, and gives an id."""

    enforced: Walked
    pending: Walked


class _ByBits:
    """Finds the first matching rule among bits that are already known."""

    def __init__(self, program: Program, live: int) -> None:
        self.program = program
        self.live = live
        self.passed = 0
        """The matching rules that were met before one decided, Log rules included."""

    def in_tier(self, position: int, *, staged: bool) -> Found | None:
        bits = self.live & self.program.tier_bits[position]
        return self._first(bits if staged else bits & ~self.program.staged_bits)

    def in_profile(self, position: int) -> Found | None:
        return self._first(self.live & self.program.profile_bits[position])

    def _first(self, bits: int) -> Found | None:
        deciding = bits & ~self.program.log_bits
        if not deciding:
            self.passed |= bits
            return None
        first = deciding & -deciding
        self.passed |= bits & (first - 1)
        bound = self.program.rules[first.bit_length() - 1]
        return Found(bound.owner, bound.index, bound.rule.action)


# --- binding ------------------------------------------------------------------------------------------------


def bind(plan: Plan, policies: PolicyClass, local: Address) -> Program:
    """Return the class bound to the endpoint that has the address `local`. Cost: O(rules of the class)."""
    rules: list[BoundRule] = []
    tier_bits = [0] * len(policies.tiers)
    profile_bits = [0] * len(policies.profiles)
    staged_bits = log_bits = 0
    for tier, owner, index, staged, rule in _rules_of(plan, policies):
        bound = _bound(plan, policies.direction, local, (tier, owner, index, staged), rule)
        if bound is None:
            continue
        bit = 1 << len(rules)
        rules.append(bound)
        if tier < 0:
            profile_bits[owner] |= bit
        else:
            tier_bits[tier] |= bit
        staged_bits |= bit if staged else 0
        log_bits |= bit if rule.action is Action.LOG else 0
    return Program(
        policies,
        local.family,
        tuple(rules),
        tuple(tier_bits),
        tuple(profile_bits),
        staged_bits,
        log_bits,
    )


def _rules_of(plan: Plan, policies: PolicyClass) -> Iterator[tuple[int, int, int, bool, Rule]]:
    """Yield (tier, owner, index, staged, rule) of every rule, in the order of the walk."""
    for tier, part in enumerate(policies.tiers):
        for owner, key in enumerate(part.policies):
            for index, rule in enumerate(plan.policies[key].rules(policies.direction) or ()):
                yield tier, owner, index, key.kind.staged, rule
    for owner, name in enumerate(policies.profiles):
        profile = plan.profiles.get(name)
        for index, rule in enumerate(profile.rules(policies.direction) if profile else ()):
            yield -1, owner, index, False, rule


def _bound(
    plan: Plan, direction: Direction, local: Address, place: tuple[int, int, int, bool], rule: Rule
) -> BoundRule | None:
    """Return what remains of a rule at `local`, or None where its local side cannot hold."""
    ingress = direction is Direction.INGRESS
    near, far = (rule.destination, rule.source) if ingress else (rule.source, rule.destination)
    if local.family not in rule.families or not address_matches(plan, near, local):
        return None
    near_ports = resolved_ports(plan, rule, near, local)
    if near.service is not None:
        endpoints = plan.services.get(near.service, NO_ENDPOINTS)
        if not ingress and local not in endpoints.addresses:
            return None
        if ingress:
            near_ports = _with_service(near_ports, endpoints.ports, local)
    peer_ports = bool(far.named_ports or far.not_named_ports) or (not ingress and far.service is not None)
    far_ports = ANY_PORT if peer_ports else resolved_ports(plan, rule, far, None)
    source_ports, destination_ports = (far_ports, near_ports) if ingress else (near_ports, far_ports)
    tier, owner, index, staged = place
    return BoundRule(tier, owner, index, staged, rule, far, source_ports, destination_ports, peer_ports)


def resolved_ports(plan: Plan, rule: Rule, side: Side, address: Address | None) -> Ports:
    """Return what a side asks of its port, with named ports as the endpoints at `address` declare them."""

    def spans(names: tuple[str, ...]) -> tuple[Span, ...]:
        if not names or address is None:
            return ()
        return tuple(
            sorted(
                (protocol, port, port) for protocol, port in declared_ports(plan, rule, side, address, names)
            )
        )

    return Ports(
        side.has_ports,
        side.ports,
        spans(side.named_ports),
        side.not_ports,
        spans(side.not_named_ports),
        needs_port=bool(side.has_ports or side.not_ports or side.not_named_ports),
    )


def _with_service(ports: Ports, endpoints: frozenset[tuple[Address, int, int]], address: Address) -> Ports:
    """Return `ports` that must also be one that a Service has at `address`."""
    spans = tuple(sorted((protocol, port, port) for at, protocol, port in endpoints if at == address))
    return msgspec.structs.replace(ports, within=spans)


def remote_matches(plan: Plan, bound: BoundRule, direction: Direction, peer: Address) -> bool:
    """Tell whether the peer's address satisfies what the rule asks of it."""
    if not address_matches(plan, bound.remote, peer):
        return False
    if bound.remote.service is None:
        return True
    endpoints = plan.services.get(bound.remote.service, NO_ENDPOINTS)
    if direction is Direction.INGRESS:
        return peer in endpoints.addresses
    return any(address == peer for address, _, _ in endpoints.ports)


def ports_of_peer(plan: Plan, bound: BoundRule, direction: Direction, peer: Address) -> Ports:
    """Return what a rule asks of the peer's port, with names and Services as they stand at `peer`."""
    ports = resolved_ports(plan, bound.rule, bound.remote, peer)
    if bound.remote.service is not None and direction is Direction.EGRESS:
        endpoints = plan.services.get(bound.remote.service, NO_ENDPOINTS)
        ports = _with_service(ports, endpoints.ports, peer)
    return ports
