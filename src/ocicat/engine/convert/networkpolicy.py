"""Kubernetes NetworkPolicy, enforced and staged, in the engine's form.

All its rules allow; what they leave over is denied by the end of the tier `default`. Source:
spec/policy-semantics §10.2; §3.7 and §16.2 for the staged kind.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from ocicat.base.problem import Problem
from ocicat.engine.convert import selectors
from ocicat.engine.convert.calico import DEFAULT_TIER
from ocicat.engine.convert.rules import grouped, one_per_peer, port_range
from ocicat.engine.convert.unconvertible import FAILURES, Unconvertible, absent, allows_nothing
from ocicat.engine.policy import ANYTHING, Direction, Policy, PolicyKey, Rule, Side
from ocicat.model.calico import StagedKubernetesNetworkPolicy
from ocicat.model.flow import Action, HitKind
from ocicat.model.net import PortItem, Prefix, parse_port
from ocicat.model.networkpolicy import (
    EgressRule,
    IngressRule,
    IpBlock,
    KubernetesNetworkPolicy,
    PolicyPeer,
    PolicyPort,
)

ORDER: Final = 1_000.0
"""Calico policies in `default` with a lower order come before, those without order after."""


def network_policy(
    resource: KubernetesNetworkPolicy | StagedKubernetesNetworkPolicy,
) -> tuple[Policy | None, list[Problem]]:
    """Return the policy, with a Problem for each rule that has no meaning and so allows nothing.

    None for the staged action Delete, and, with the reason, where the podSelector has no meaning.
    """
    spec = resource.spec
    kind = HitKind.NETWORK_POLICY
    if isinstance(resource, StagedKubernetesNetworkPolicy):
        kind = HitKind.STAGED_KUBERNETES_NETWORK_POLICY
        if resource.spec.staged_action == "Delete":
            return None, []
    namespace = resource.metadata.namespace
    try:
        selector = selectors.joined(selectors.in_namespace(namespace), selectors.pods(spec.pod_selector))
    except FAILURES as error:
        return None, [absent(resource, Unconvertible(str(error), "spec.podSelector"))]
    problems: list[Problem] = []
    ingress = egress = None
    if "Ingress" in spec.policy_types or "Egress" not in spec.policy_types:
        ingress = _rules(resource, Direction.INGRESS, spec.ingress, problems)
    if "Egress" in spec.policy_types:
        egress = _rules(resource, Direction.EGRESS, spec.egress, problems)
    key = PolicyKey(kind, namespace, resource.metadata.name)
    return Policy(key, DEFAULT_TIER, selector, ORDER, ingress, egress), problems


def _rules(
    resource: KubernetesNetworkPolicy | StagedKubernetesNetworkPolicy,
    direction: Direction,
    written: Sequence[IngressRule | EgressRule],
    problems: list[Problem],
) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    for index, rule in enumerate(written):
        try:
            rules += _expanded(rule, direction, resource.metadata.namespace)
        except FAILURES as error:
            problems.append(allows_nothing(resource, f"spec.{direction}[{index}]", error))
    return tuple(rules)


def _expanded(written: IngressRule | EgressRule, direction: Direction, namespace: str) -> tuple[Rule, ...]:
    from_or_to = written.from_ if isinstance(written, IngressRule) else written.to
    peers = [_peer(peer, namespace) for peer in from_or_to] or [ANYTHING]
    return one_per_peer(Action.ALLOW, direction, peers, grouped(_port_items(written.ports)), {})


def _port_items(ports: Sequence[PolicyPort]) -> Iterator[tuple[str, PortItem | None]]:
    for port in ports:
        yield port.protocol or "TCP", _port(port)


def _port(written: PolicyPort) -> PortItem | None:
    if written.end_port is not None:
        if not isinstance(written.port, int):
            raise Unconvertible(f"endPort {written.end_port} needs a port that is a number")
        return port_range(written.port, written.end_port)
    return None if written.port is None else parse_port(written.port)


def _peer(written: PolicyPeer, namespace: str) -> Side:
    if written.ip_block is not None:
        return _block(written.ip_block)
    return Side(
        selector=selectors.peers(
            namespace,
            selectors.pods(written.pod_selector),
            None if written.namespace_selector is None else selectors.labelled(written.namespace_selector),
        )
    )


def _block(written: IpBlock) -> Side:
    return Side(
        nets=(masked(written.cidr),), not_nets=tuple(masked(excluded) for excluded in written.except_)
    )


def masked(text: str) -> Prefix:
    """Return a CIDR with its host bits masked off; a bare address is none. Raises Unconvertible, NetError."""
    if "/" not in text:
        raise Unconvertible(f"{text!r} is not a CIDR: it has no /length")
    return Prefix.parse(text, strict=False)
