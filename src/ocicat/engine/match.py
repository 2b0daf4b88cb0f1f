"""Does a rule match a packet? The readable definition, criterion by criterion.

Source: spec/policy-semantics §6. Every criterion that is present must hold; a rule without criteria matches.
"""

from collections.abc import Iterable, Sequence

from ocicat.engine.http import http_matches
from ocicat.engine.packet import Packet
from ocicat.engine.plan import NO_ENDPOINTS, Plan
from ocicat.engine.policy import EntityKind, Rule, Side
from ocicat.model.net import PROTOCOLS_WITH_PORTS, Address, PortRange, Prefix

ICMP_OF_FAMILY = {4: 1, 6: 58}
"""The number of ICMP in each family."""


def matches(plan: Plan, rule: Rule, packet: Packet) -> bool:
    """Tell whether `rule` matches `packet`. Never raises."""
    return (
        packet.family in rule.families
        and protocol_matches(rule, packet.protocol)
        and icmp_matches(rule, packet)
        and address_matches(plan, rule.source, packet.source)
        and address_matches(plan, rule.destination, packet.destination)
        and ports_match(plan, rule, rule.source, packet.source, packet.protocol, packet.source_port)
        and ports_match(
            plan, rule, rule.destination, packet.destination, packet.protocol, packet.destination_port
        )
        and service_matches(plan, rule, packet)
        and (rule.http is None or http_matches(rule.http, packet.http_method, packet.http_path))
    )


def protocol_matches(rule: Rule, protocol: int) -> bool:
    """§6.2: equal number; `notProtocol`: a different one."""
    return (rule.protocol is None or rule.protocol == protocol) and rule.not_protocol != protocol


def icmp_matches(rule: Rule, packet: Packet) -> bool:
    """§6.7: both forms imply that the packet is ICMP of its family; the negated pair is "not the pair"."""
    if rule.icmp is None and rule.not_icmp is None:
        return True
    if packet.protocol != ICMP_OF_FAMILY[packet.family]:
        return False
    for wanted, expected in ((rule.icmp, True), (rule.not_icmp, False)):
        if wanted is not None:
            equal = packet.icmp_type == wanted.type and wanted.code in (None, packet.icmp_code)
            if equal is not expected:
                return False
    return True


def address_matches(plan: Plan, side: Side, address: Address) -> bool:
    """§5.4, §6.3, §6.4: in the nets, in none of the notNets, a member of the selected, none of the others."""
    if side.nets and not in_any(side.nets, address):
        return False
    if in_any(side.not_nets, address):
        return False
    if side.selector is None and side.not_selector is None and side.nodes is None:
        return True
    covering = plan.covering(address)
    # With named ports only, the tuple of address and port implies the selector (§6.5): asking it is no loss.
    return (
        (side.selector is None or bool(plan.members(side.selector) & covering))
        and (side.not_selector is None or not plan.members(side.not_selector) & covering)
        and (side.nodes is None or bool(plan.node_members(side.nodes) & covering))
    )


def in_any(nets: Iterable[Prefix], address: Address) -> bool:
    """Tell whether a prefix holds the address."""
    return any(net.contains(address.family, address.bits) for net in nets)


def ports_match(plan: Plan, rule: Rule, side: Side, address: Address, protocol: int, port: int) -> bool:
    """§6.5, for one side: numbers, ranges, names are OR-ed; a portless protocol meets no port criterion."""
    if not (side.has_ports or side.not_ports or side.not_named_ports):
        return True
    if protocol not in PROTOCOLS_WITH_PORTS:
        return False
    if side.has_ports and not (
        in_ranges(side.ports, port) or declares(plan, rule, side, address, side.named_ports, protocol, port)
    ):
        return False
    return not (
        in_ranges(side.not_ports, port)
        or declares(plan, rule, side, address, side.not_named_ports, protocol, port)
    )


def in_ranges(ranges: Iterable[PortRange], port: int) -> bool:
    """Tell whether a range holds the port."""
    return any(item.first <= port <= item.last for item in ranges)


def declares(
    plan: Plan, rule: Rule, side: Side, address: Address, names: Sequence[str], protocol: int, port: int
) -> bool:
    """Tell whether an endpoint of the positive selector, at this address, declares the port by a name."""
    return bool(names) and (protocol, port) in declared_ports(plan, rule, side, address, names)


def declared_ports(
    plan: Plan, rule: Rule, side: Side, address: Address, names: Sequence[str]
) -> frozenset[tuple[int, int]]:
    """Return the (protocol, port) pairs that endpoints at `address` declare under one of `names` (§6.5).

    Of several endpoints at one address only those count that match the side's positive selector. A rule with
    a protocol counts only declarations of that protocol; one without counts each with its own.
    """
    candidates = plan.covering(address)
    if side.selector is not None:
        candidates &= plan.members(side.selector)
    return frozenset(
        (declared.protocol, declared.port)
        for entity in plan.each(candidates)
        if entity.key.kind in (EntityKind.WORKLOAD, EntityKind.HOST)
        for declared in entity.named_ports
        if declared.name in names
        and declared.protocol in PROTOCOLS_WITH_PORTS
        and rule.protocol in (None, declared.protocol)
    )


def service_matches(plan: Plan, rule: Rule, packet: Packet) -> bool:
    """§6.6: as destination, address and port of an endpoint; as source, the address of one."""
    if rule.destination.service is not None:
        endpoints = plan.services.get(rule.destination.service, NO_ENDPOINTS)
        wanted = (packet.destination, packet.protocol, packet.destination_port)
        if wanted not in endpoints.ports:
            return False
    if rule.source.service is not None:
        return packet.source in plan.services.get(rule.source.service, NO_ENDPOINTS).addresses
    return True
