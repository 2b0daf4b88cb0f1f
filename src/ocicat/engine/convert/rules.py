"""What the rules of every kind of policy have in common: families, ports by protocol, one rule per peer.

Source: spec/policy-semantics §6.1 (families), §10.2 and §10.3 (ports and peers of Kubernetes' policies).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from ocicat.engine.policy import Direction, Rule, Side
from ocicat.model.flow import Action
from ocicat.model.net import (
    NetError,
    PortItem,
    PortRange,
    Prefix,
    merge_ranges,
    parse_port,
    parse_protocol,
    protocol_family,
)

_FAMILIES: Final = (4, 6)


def families_of(
    ip_version: int | None, protocol: int | str | None, source: Side, destination: Side
) -> tuple[int, ...]:
    """Return the families for which a rule exists, 4 before 6 (§6.1).

    `protocol` is as written: the names ICMP and ICMPv6 imply a family, their numbers do not.
    """
    wanted = protocol_family(protocol) if ip_version is None else ip_version
    families = tuple(family for family in _FAMILIES if wanted in (None, family))
    lists = (source.nets, source.not_nets, destination.nets, destination.not_nets)
    if not any(lists):
        return families
    excluded = (*source.not_nets, *destination.not_nets)
    return tuple(
        family
        for family in families
        if all(not nets or _has_family(nets, family) for nets in lists)
        and not any(net.length == 0 and net.family == family for net in excluded)
    )


def _has_family(nets: Iterable[Prefix], family: int) -> bool:
    return any(net.family == family for net in nets)


def split_ports(items: Iterable[PortItem]) -> tuple[tuple[PortRange, ...], tuple[str, ...]]:
    """Return the ports given by number and the ports given by name."""
    ranges: list[PortRange] = []
    names: list[str] = []
    for item in items:
        if isinstance(item, str):
            names.append(item)
        else:
            ranges.append(item)
    return tuple(ranges), tuple(names)


def port_range(first: int, last: int) -> PortRange:
    """Return the ports `first` to `last`. Raises NetError."""
    item = parse_port(f"{first}:{last}")
    if isinstance(item, str):  # a negative number, which reads as a name
        raise NetError(f"{item} is no port range")
    return item


class PortGroup(msgspec.Struct, frozen=True):
    """The ports of one protocol; without ports and names, the whole protocol."""

    protocol: str
    """As written; empty for "whatever protocol"."""
    ports: tuple[PortRange, ...] = ()
    names: tuple[str, ...] = ()


def grouped(items: Iterable[tuple[str, PortItem | None]]) -> tuple[PortGroup, ...]:
    """Gather (protocol, port) items into one group per protocol, ascending by the protocol's name (§10.2).

    An item without port opens its whole protocol, whatever else is listed. No items at all make one group
    without protocol. Numbers become minimal ranges.
    """
    gathered: dict[str, list[PortItem] | None] = {}
    for protocol, item in items:
        listed = gathered.setdefault(protocol, [])
        if item is None:
            gathered[protocol] = None
        elif listed is not None:
            listed.append(item)
    if not gathered:
        return (PortGroup(""),)
    groups: list[PortGroup] = []
    for protocol in sorted(gathered):
        ranges, names = split_ports(gathered[protocol] or ())
        groups.append(PortGroup(protocol, merge_ranges(ranges), names))
    return tuple(groups)


def one_per_peer(
    action: Action,
    direction: Direction,
    peers: Sequence[Side],
    groups: Iterable[PortGroup],
    annotations: Mapping[str, str],
) -> tuple[Rule, ...]:
    """Return one rule for each protocol and, within it, for each peer: the order behind `rule_index` (§10.2).

    Ports are the destination's in both directions. Raises NetError for a protocol that is none.
    """
    return tuple(_rule(action, direction, peer, group, annotations) for group in groups for peer in peers)


def _rule(
    action: Action, direction: Direction, peer: Side, group: PortGroup, annotations: Mapping[str, str]
) -> Rule:
    if direction is Direction.INGRESS:
        source, destination = peer, Side(ports=group.ports, named_ports=group.names)
    else:
        source = Side()
        destination = msgspec.structs.replace(peer, ports=group.ports, named_ports=group.names)
    return Rule(
        action,
        families=families_of(None, group.protocol or None, source, destination),
        protocol=parse_protocol(group.protocol) if group.protocol else None,
        source=source,
        destination=destination,
        annotations=annotations,
    )
