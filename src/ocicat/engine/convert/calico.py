"""Calico's tiers, policies and profiles in the engine's form.

Source: spec/policy-semantics §2.1 (tiers), §3.2 to §3.7 (policies and rules), §3.10 (profiles), §5.3 and §5.4
(selectors), §6 (what each criterion of a rule means), §7.1 (stages of host endpoints).
"""

import math
from typing import Final

from ocicat.base.problem import Problem
from ocicat.engine.convert import selectors
from ocicat.engine.convert.rules import families_of, split_ports
from ocicat.engine.convert.unconvertible import FAILURES, Unconvertible, absent
from ocicat.engine.policy import (
    ANYTHING,
    IcmpMatch,
    Policy,
    PolicyKey,
    Profile,
    Rule,
    Side,
    Stage,
    Tier,
)
from ocicat.model import calico
from ocicat.model.flow import Action, HitKind
from ocicat.model.net import Prefix, parse_port, parse_protocol
from ocicat.model.selector import Selector

CalicoPolicy = (
    calico.NetworkPolicy
    | calico.GlobalNetworkPolicy
    | calico.StagedNetworkPolicy
    | calico.StagedGlobalNetworkPolicy
)

DEFAULT_TIER: Final = "default"
DEFAULT_TIER_ORDER: Final = 1_000_000.0

BUILT_IN_TIERS: Final = (
    Tier("adminnetworkpolicy", 1_000.0, Action.PASS),
    Tier("kube-admin", 1_000.0, Action.PASS),
    Tier(DEFAULT_TIER, DEFAULT_TIER_ORDER, Action.DENY),
    Tier("baselineadminnetworkpolicy", 10_000_000.0, Action.PASS),
    Tier("kube-baseline", 10_000_000.0, Action.PASS),
)
"""The tiers that exist wherever the source has no object for them, in order (§2.1)."""

_KINDS: Final = {
    calico.NetworkPolicy: HitKind.CALICO_NETWORK_POLICY,
    calico.GlobalNetworkPolicy: HitKind.GLOBAL_NETWORK_POLICY,
    calico.StagedNetworkPolicy: HitKind.STAGED_NETWORK_POLICY,
    calico.StagedGlobalNetworkPolicy: HitKind.STAGED_GLOBAL_NETWORK_POLICY,
}
_NO_CRITERIA: Final = calico.EntityRule()


def tier_of(resource: calico.Tier) -> Tier:
    """Return a tier; a null order is that of `default`, an action other than Pass is Deny (§2.1)."""
    order = resource.spec.order
    if order is None or math.isnan(order):
        order = DEFAULT_TIER_ORDER
    action = Action.PASS if resource.spec.default_action == "Pass" else Action.DENY
    return Tier(resource.metadata.name, float(order), action)


def missing_tier(name: str) -> Tier:
    """Return the stand-in for a tier that a policy names and nobody made: after all others, Deny (§2.1)."""
    return Tier(name, math.inf, Action.DENY, known=False)


def calico_policy(resource: CalicoPolicy) -> tuple[Policy | None, list[Problem]]:
    """Return the policy, or None and the reason: an object is never applied in part (§3.1).

    A staged policy with the action Delete is None without a reason; Learn and Ignore act as Set (§3.7).
    Rules of a direction that the policy does not govern are not in the result; empty `types` govern both
    (§3.2, §16.14).
    """
    if _is_deletion(resource):
        return None, []
    try:
        return _policy(resource), []
    except FAILURES as error:
        return None, [absent(resource, error)]


def _is_deletion(resource: CalicoPolicy) -> bool:
    if isinstance(resource, calico.StagedNetworkPolicy | calico.StagedGlobalNetworkPolicy):
        return resource.spec.staged_action == "Delete"
    return False


def _policy(resource: CalicoPolicy) -> Policy:
    spec = resource.spec
    kind = _KINDS[type(resource)]
    if isinstance(spec, calico.GlobalNetworkPolicySpec):
        namespace, stage, forward = "", _stage(spec), spec.apply_on_forward
        selector = selectors.global_policy(
            spec.selector, spec.namespace_selector, spec.service_account_selector
        )
    else:
        namespace, stage, forward = resource.metadata.namespace, Stage.NORMAL, False
        selector = selectors.namespaced_policy(namespace, spec.selector, spec.service_account_selector)
    ingress = rules_of("spec.ingress", spec.ingress, namespace)
    egress = rules_of("spec.egress", spec.egress, namespace)
    return Policy(
        PolicyKey(kind, namespace, resource.metadata.name),
        tier=spec.tier or DEFAULT_TIER,
        selector=selector,
        order=_order(spec.order),
        ingress=ingress if not spec.types or "Ingress" in spec.types else None,
        egress=egress if not spec.types or "Egress" in spec.types else None,
        stage=stage,
        apply_on_forward=forward,
    )


def _order(written: float | None) -> float:
    if written is None:
        return math.inf
    if math.isnan(written):
        raise Unconvertible("order is not a number", "spec.order")
    return float(written)


def _stage(spec: calico.GlobalNetworkPolicySpec) -> Stage:
    if spec.do_not_track:
        return Stage.UNTRACKED
    return Stage.PRE_DNAT if spec.pre_dnat else Stage.NORMAL


def profile_of(resource: calico.Profile) -> tuple[Profile | None, list[Problem]]:
    """Return a profile, or None and the reason."""
    spec = resource.spec
    try:
        ingress = rules_of("spec.ingress", spec.ingress, "")
        egress = rules_of("spec.egress", spec.egress, "")
    except FAILURES as error:
        return None, [absent(resource, error)]
    return Profile(resource.metadata.name, ingress, egress, spec.labels_to_apply), []


# --- rules --------------------------------------------------------------------------------------------------


def rules_of(path: str, written: tuple[calico.Rule, ...], namespace: str) -> tuple[Rule, ...]:
    """Return the rules, `Log` ones in their places, for a policy in `namespace` (empty for none).

    Raises Unconvertible with the place of the first rule that has no meaning.
    """
    rules: list[Rule] = []
    for index, rule in enumerate(written):
        try:
            rules.append(_rule(rule, namespace))
        except FAILURES as error:
            raise Unconvertible(str(error), f"{path}[{index}]") from error
    return tuple(rules)


def _rule(written: calico.Rule, namespace: str) -> Rule:
    source, destination = _side(written.source, namespace), _side(written.destination, namespace)
    return Rule(
        _action(written.action),
        families=families_of(written.ip_version, written.protocol, source, destination),
        protocol=None if written.protocol is None else parse_protocol(written.protocol),
        not_protocol=None if written.not_protocol is None else parse_protocol(written.not_protocol),
        icmp=_icmp(written.icmp),
        not_icmp=_icmp(written.not_icmp),
        source=source,
        destination=destination,
        http=written.http,
        annotations=written.metadata.annotations if written.metadata else {},
    )


def _action(written: str) -> Action:
    try:
        return Action(written)
    except ValueError as error:
        raise Unconvertible(f"{written!r} is not an action") from error


def _icmp(written: calico.IcmpMatch | None) -> IcmpMatch | None:
    if written is None or (written.type is None and written.code is None):
        return None
    if written.type is None:
        raise Unconvertible("ICMP code specified without an ICMP type")
    return IcmpMatch(written.type, written.code)


def _side(written: calico.EntityRule, namespace: str) -> Side:
    if written == _NO_CRITERIA:
        return ANYTHING
    ports, named_ports = split_ports(parse_port(item) for item in written.ports)
    not_ports, not_named_ports = split_ports(parse_port(item) for item in written.not_ports)
    return Side(
        nets=tuple(Prefix.parse(net) for net in written.nets),
        not_nets=tuple(Prefix.parse(net) for net in written.not_nets),
        selector=_positive(written, namespace),
        not_selector=Selector.parse(written.not_selector) if written.not_selector else None,
        ports=ports,
        named_ports=named_ports,
        not_ports=not_ports,
        not_named_ports=not_named_ports,
        service=_service(written.services, namespace),
    )


def _positive(written: calico.EntityRule, namespace: str) -> Selector | None:
    """§5.4, steps 1 to 4."""
    own: list[Selector] = []
    if written.service_accounts is not None:
        accounts = written.service_accounts
        own += filter(None, [selectors.of_service_accounts(accounts.selector, accounts.names)])
    if written.selector:
        own.append(Selector.parse(written.selector))
    return selectors.peers(
        namespace,
        selectors.joined(*own) if own else None,
        Selector.parse(written.namespace_selector) if written.namespace_selector else None,
        excluding=bool(written.not_selector),
    )


def _service(written: calico.ServiceMatch | None, namespace: str) -> tuple[str, str] | None:
    """Without a namespace of its own it is the policy's (§16.1); in a global policy it then names nothing."""
    return None if written is None else (written.namespace or namespace, written.name)
