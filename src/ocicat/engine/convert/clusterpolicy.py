"""ClusterNetworkPolicy, AdminNetworkPolicy and BaselineAdminNetworkPolicy in the engine's form.

The three share one scheme and differ in words: tier, actions, how ports are written. A rule that has no
meaning fails closed: what denies or passes then denies everything in its direction, what accepts is dropped.
A peer given by namespaces alone is not confined to pods, so network sets of those namespaces match too
(§16.6). Source: spec/policy-semantics §10.3, §16.6, §16.14, §16.19.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import msgspec

from ocicat.base.problem import Problem
from ocicat.engine.convert import selectors
from ocicat.engine.convert.networkpolicy import masked
from ocicat.engine.convert.rules import grouped, one_per_peer, port_range
from ocicat.engine.convert.unconvertible import (
    FAILURES,
    DomainNamesUnsupported,
    Unconvertible,
    absent,
    fails_closed,
)
from ocicat.engine.policy import Direction, Policy, PolicyKey, Rule, Side
from ocicat.model.clusterpolicy import (
    AdminEgressRule,
    AdminIngressRule,
    AdminNetworkPolicy,
    AdminPort,
    BaselineAdminNetworkPolicy,
    ClusterEgressRule,
    ClusterIngressRule,
    ClusterNetworkPolicy,
    ClusterPeer,
    ClusterProtocol,
    NamespacedPods,
    Subject,
    TransportMatch,
)
from ocicat.model.flow import Action, HitKind
from ocicat.model.meta import LabelSelector
from ocicat.model.net import PortItem, parse_port
from ocicat.model.selector import Selector

ClusterPolicy: TypeAlias = ClusterNetworkPolicy | AdminNetworkPolicy | BaselineAdminNetworkPolicy
_WrittenRule: TypeAlias = ClusterIngressRule | ClusterEgressRule | AdminIngressRule | AdminEgressRule

BASELINE_ADMIN_ORDER: Final = 1_000.0
_TIERS: Final = {"Admin": "kube-admin", "Baseline": "kube-baseline"}

_ACTIONS: Final = {
    HitKind.CLUSTER_NETWORK_POLICY: {"Accept": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS},
    HitKind.ADMIN_NETWORK_POLICY: {"Allow": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS},
    HitKind.BASELINE_ADMIN_NETWORK_POLICY: {"Allow": Action.ALLOW, "Deny": Action.DENY},
}


class _Place(msgspec.Struct, frozen=True):
    """Where a policy belongs."""

    kind: HitKind
    tier: str
    order: float


def cluster_policy(resource: ClusterPolicy) -> tuple[Policy | None, list[Problem]]:
    """Return the policy, with a Problem for each rule that fails closed.

    None, with the reason, where tier, priority, subject or an action has no meaning.
    """
    problems: list[Problem] = []
    try:
        place = _place(resource)
        selector = _subject(resource.spec.subject)
        ingress = _rules(resource, place.kind, Direction.INGRESS, problems)
        egress = _rules(resource, place.kind, Direction.EGRESS, problems)
    except FAILURES as error:
        return None, [absent(resource, error)]
    neither = not ingress and not egress
    policy = Policy(
        PolicyKey(place.kind, "", resource.metadata.name),
        place.tier,
        selector,
        place.order,
        ingress=ingress if ingress or neither else None,
        egress=egress if egress or neither else None,
    )
    return policy, problems


def _place(resource: ClusterPolicy) -> _Place:
    match resource:
        case BaselineAdminNetworkPolicy():
            kind, tier = HitKind.BASELINE_ADMIN_NETWORK_POLICY, "baselineadminnetworkpolicy"
            return _Place(kind, tier, BASELINE_ADMIN_ORDER)
        case AdminNetworkPolicy(spec=spec):
            return _Place(HitKind.ADMIN_NETWORK_POLICY, "adminnetworkpolicy", _priority(spec.priority))
        case ClusterNetworkPolicy(spec=spec):
            if spec.tier not in _TIERS:
                raise Unconvertible(f"tier {spec.tier!r} is neither Admin nor Baseline", "spec.tier")
            return _Place(HitKind.CLUSTER_NETWORK_POLICY, _TIERS[spec.tier], _priority(spec.priority))


def _priority(written: int | None) -> float:
    if written is None:
        raise Unconvertible("the policy has no priority", "spec.priority")
    return float(written)


def _subject(subject: Subject | None) -> Selector:
    if subject is None or (subject.namespaces is None) == (subject.pods is None):
        raise Unconvertible("the subject is neither namespaces nor pods", "spec.subject")
    try:
        if subject.pods is not None:
            namespaces, pods = _both(subject.pods)
        else:
            namespaces, pods = _namespaces(subject.namespaces), selectors.pods(None)
        return selectors.global_policy(pods.canonical, namespaces.canonical, "")
    except FAILURES as error:
        raise Unconvertible(str(error), "spec.subject") from error


# --- rules --------------------------------------------------------------------------------------------------


def _rules(
    resource: ClusterPolicy, kind: HitKind, direction: Direction, problems: list[Problem]
) -> tuple[Rule, ...]:
    spec = resource.spec
    written: Sequence[_WrittenRule] = spec.ingress if direction is Direction.INGRESS else spec.egress
    rules: list[Rule] = []
    for index, rule in enumerate(written):
        path = f"spec.{direction}[{index}]"
        action = _ACTIONS[kind].get(rule.action)
        if action is None:
            raise Unconvertible(f"{rule.action!r} is not an action", f"{path}.action")
        annotations = {"name": rule.name} if rule.name else {}
        try:
            rules += one_per_peer(action, direction, _peers(rule), grouped(_port_items(rule)), annotations)
        except FAILURES as error:
            if action is Action.ALLOW:
                consequence = "the rule is dropped"
            else:
                consequence = f"the rule denies all {direction}"
                rules.append(Rule(Action.DENY, annotations=annotations))
            problems.append(fails_closed(resource, path, error, consequence))
    return tuple(rules)


def _peers(rule: _WrittenRule) -> list[Side]:
    """The API refuses an empty list; here it fails closed, since a Deny of nobody would enforce less."""
    if isinstance(rule, ClusterIngressRule | AdminIngressRule):
        peers = [_ingress_peer(peer) for peer in rule.from_]
    else:
        peers = [_egress_peer(peer) for peer in rule.to]
    if not peers:
        raise Unconvertible("the rule has no peers")
    return peers


def _ingress_peer(peer: ClusterPeer) -> Side:
    if peer.nodes is not None or peer.networks is not None or peer.domain_names is not None:
        raise Unconvertible("an ingress peer is namespaces or pods")
    return _egress_peer(peer)


def _egress_peer(peer: ClusterPeer) -> Side:
    given = [name for name in peer.__struct_fields__ if getattr(peer, name) is not None]
    if len(given) != 1:
        raise Unconvertible(f"a peer has exactly one field, not {len(given)}")
    if peer.namespaces is not None:
        return Side(selector=selectors.peers("", None, selectors.labelled(peer.namespaces)))
    if peer.pods is not None:
        namespaces, pods = _both(peer.pods)
        return Side(selector=selectors.peers("", pods, namespaces))
    if peer.nodes is not None:
        return Side(nodes=selectors.labelled(peer.nodes))
    if peer.networks:
        return Side(nets=tuple(masked(network) for network in peer.networks))
    if peer.domain_names is not None:
        raise DomainNamesUnsupported("domainNames are not supported")
    raise Unconvertible("networks is empty")


def _both(written: NamespacedPods) -> tuple[Selector, Selector]:
    """An absent selector is an empty one, as in the API's Go types; validation warns where one is
    required."""
    return _namespaces(written.namespace_selector), selectors.pods(written.pod_selector)


def _namespaces(written: LabelSelector | None) -> Selector:
    return selectors.labelled(written or LabelSelector())


# --- ports --------------------------------------------------------------------------------------------------


def _port_items(rule: _WrittenRule) -> Iterator[tuple[str, PortItem | None]]:
    """Yield (protocol, port); a named port keeps no protocol, so that it means whichever one declares it."""
    if isinstance(rule, ClusterIngressRule | ClusterEgressRule):
        for protocol in rule.protocols or ():
            yield _protocol_item(protocol)
    else:
        for port in rule.ports or ():
            yield _admin_item(port)


def _protocol_item(written: ClusterProtocol) -> tuple[str, PortItem | None]:
    transports = {"TCP": written.tcp, "UDP": written.udp, "SCTP": written.sctp}
    given = [(name, transport) for name, transport in transports.items() if transport is not None]
    if len(given) + bool(written.destination_named_port) != 1:
        raise Unconvertible("a protocol has exactly one field")
    if not given:
        return "", _named(written.destination_named_port)
    name, transport = given[0]
    return name, _transport_port(transport)


def _transport_port(written: TransportMatch) -> PortItem | None:
    port = written.destination_port
    if port is None:
        return None
    if port.number is not None and port.range is None:
        return parse_port(port.number)
    if port.range is not None and port.number is None:
        return port_range(port.range.start, port.range.end)
    raise Unconvertible("a destinationPort is a number or a range")


def _admin_item(written: AdminPort) -> tuple[str, PortItem | None]:
    given = [written.port_number is not None, written.port_range is not None, bool(written.named_port)]
    if sum(given) != 1:
        raise Unconvertible("a port has exactly one field")
    if written.port_number is not None:
        return _transport(written.port_number.protocol), parse_port(written.port_number.port)
    if written.port_range is not None:
        return _transport(written.port_range.protocol), port_range(
            written.port_range.start, written.port_range.end
        )
    return "", _named(written.named_port)


def _transport(protocol: str) -> str:
    if protocol not in ("TCP", "UDP", "SCTP"):
        raise Unconvertible(f"{protocol!r} is not a protocol with ports")
    return protocol


def _named(text: str) -> str:
    item = parse_port(text)
    if not isinstance(item, str):
        raise Unconvertible(f"{text!r} is not the name of a port")
    return item
