"""Laws of conversion, over anything that decodes: policy-semantics §3.1, §6.1, §10.2, §10.3."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocicat.base.problem import Severity
from ocicat.engine import convert
from ocicat.engine.policy import EntityKind, Policy, Rule, Side
from ocicat.model import calico, clusterpolicy, kubernetes
from ocicat.model.codes import CODES
from ocicat.model.flow import Action
from ocicat.model.kinds import KINDS
from ocicat.model.meta import ObjectMeta, Resource
from ocicat.model.net import WIDTH
from ocicat.model.networkpolicy import (
    IngressRule,
    KubernetesNetworkPolicy,
    KubernetesNetworkPolicySpec,
    PolicyPort,
)
from ocicat.model.selector import Selector
from support.anything import anything

POLICIES = [kind.struct for kind in KINDS if kind.policy and "Policy" in kind.kind]
WIDE = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


def rules_of(policy: Policy) -> tuple[Rule, ...]:
    return (*(policy.ingress or ()), *(policy.egress or ()))


def sides_of(policy: Policy) -> list[Side]:
    return [side for rule in rules_of(policy) for side in (rule.source, rule.destination)]


# --- total --------------------------------------------------------------------------------------------------


@WIDE
@given(resource=st.one_of([anything(struct) for struct in POLICIES]))
def test_converting_a_policy_never_raises_and_never_is_silent(resource: Resource) -> None:
    """What is not converted is reported, unless it is a deletion; what is converted has only warnings."""
    policy, problems = convert.policy_of(resource)
    if policy is None:
        deletion = getattr(resource.spec, "staged_action", "") == "Delete"  # type: ignore[attr-defined]
        assert deletion is not any(problem.severity is Severity.ERROR for problem in problems)
    else:
        assert all(problem.severity is Severity.WARNING for problem in problems)
    for problem in problems:
        assert problem.severity is CODES[problem.code].severity
        assert problem.where.subject == str(resource.ref)


@WIDE
@given(resource=st.one_of([anything(struct) for struct in POLICIES]))
def test_a_converted_policy_is_well_formed(resource: Resource) -> None:
    """It can be ordered, its ports and families exist, and its selectors say what their text says."""
    policy, _ = convert.policy_of(resource)
    if policy is None:
        return
    assert policy.rank == policy.rank
    assert not math.isnan(policy.order)
    assert policy.tier
    assert Selector.parse(policy.selector.canonical) == policy.selector
    for rule in rules_of(policy):
        assert rule.families in ((4, 6), (4,), (6,), ())
        assert rule.protocol is None or 1 <= rule.protocol <= 255
    for side in sides_of(policy):
        for selector in (side.selector, side.not_selector, side.nodes):
            assert selector is None or Selector.parse(selector.canonical) == selector
        assert all(1 <= ports.first <= ports.last <= 65535 for ports in (*side.ports, *side.not_ports))
        for net in (*side.nets, *side.not_nets):
            assert 0 <= net.length <= WIDTH[net.family]
            assert net.contains(net.family, net.bits)


@WIDE
@given(resource=st.one_of([anything(kind.struct) for kind in KINDS]))
def test_making_an_entity_never_raises(resource: Resource) -> None:
    found = convert.entity_of(resource)
    if isinstance(resource, kubernetes.Pod) and found is not None:
        assert found.addresses
        stand_in = convert.workload_entity(resource)
        assert stand_in is not None
        assert stand_in.key == found.key
    for entity in (found, convert.workload_entity(resource)):
        if entity is not None and entity.key.kind is EntityKind.WORKLOAD:
            assert entity.labels["projectcalico.org/namespace"] == entity.key.namespace
            assert entity.profiles[0] == f"kns.{entity.key.namespace}"
            assert not any(key.startswith(("pcns.", "pcsa.")) for key in entity.labels)


@WIDE
@given(
    tier=anything(calico.Tier),
    profile=anything(calico.Profile),
    namespace=anything(kubernetes.Namespace),
    account=anything(kubernetes.ServiceAccount),
    service=anything(kubernetes.Service),
    slices=st.lists(anything(kubernetes.EndpointSlice), max_size=3),
)
def test_the_other_conversions_never_raise(
    tier: calico.Tier,
    profile: calico.Profile,
    namespace: kubernetes.Namespace,
    account: kubernetes.ServiceAccount,
    service: kubernetes.Service,
    slices: list[kubernetes.EndpointSlice],
) -> None:
    assert not math.isnan(convert.tier_of(tier).order)
    converted, problems = convert.profile_of(profile)
    assert (converted is None) is bool(problems)
    assert convert.namespace_profile(namespace).name == f"kns.{namespace.metadata.name}"
    assert not convert.service_account_profile(account).ingress
    assert all(port.port for _, _, port in convert.endpoints_of(slices).ports) or not slices
    convert.service_ports(service)
    named = {convert.service_of(item) for item in slices} - {None}
    assert convert.service_endpoints(slices).keys() == named


# --- families, §6.1 -----------------------------------------------------------------------------------------

TWINS = {
    "10.0.0.0/8": "fd00::/8",
    "10.1.0.0/16": "fd01::/16",
    "0.0.0.0/0": "::/0",
    "192.0.2.1/32": "2001:db8::1/128",
}
OTHER_FAMILY: dict[Any, Any] = {
    **TWINS,
    **{six: four for four, six in TWINS.items()},
    "ICMP": "ICMPv6",
    "ICMPv6": "ICMP",
    4: 6,
    6: 4,
}
nets = st.lists(st.sampled_from([*TWINS, *TWINS.values()]), max_size=3).map(tuple)
entity_rules = st.builds(calico.EntityRule, nets=nets, not_nets=nets)
calico_rules = st.builds(
    calico.Rule,
    action=st.just("Allow"),
    ip_version=st.sampled_from((None, None, 4, 6)),
    protocol=st.sampled_from((None, "TCP", "ICMP", "ICMPv6", 1, 58)),
    source=entity_rules,
    destination=entity_rules,
)


def swapped(rule: calico.Rule) -> calico.Rule:
    """Return the rule with the families exchanged."""

    def side(written: calico.EntityRule) -> calico.EntityRule:
        return calico.EntityRule(
            nets=tuple(OTHER_FAMILY[net] for net in written.nets),
            not_nets=tuple(OTHER_FAMILY[net] for net in written.not_nets),
        )

    return msgspec.structs.replace(
        rule,
        ip_version=OTHER_FAMILY.get(rule.ip_version),
        protocol=OTHER_FAMILY.get(rule.protocol, rule.protocol)
        if isinstance(rule.protocol, str)
        else rule.protocol,
        source=side(rule.source),
        destination=side(rule.destination),
    )


def families(rule: calico.Rule) -> set[int]:
    spec = calico.GlobalNetworkPolicySpec(types=("Ingress",), ingress=(rule,))
    policy, problems = convert.policy_of(calico.GlobalNetworkPolicy(spec=spec))
    assert problems == []
    assert policy is not None
    assert policy.ingress is not None
    return set(policy.ingress[0].families)


@given(rule=calico_rules)
def test_families_are_symmetric(rule: calico.Rule) -> None:
    assert families(swapped(rule)) == {OTHER_FAMILY[family] for family in families(rule)}


@given(rule=calico_rules)
def test_each_list_can_only_take_a_family_away(rule: calico.Rule) -> None:
    without_lists = msgspec.structs.replace(rule, source=calico.EntityRule(), destination=calico.EntityRule())
    assert families(rule) <= families(without_lists)


# --- Kubernetes NetworkPolicy, §10.2 ------------------------------------------------------------------------


@WIDE
@given(resource=anything(KubernetesNetworkPolicy) | anything(calico.StagedKubernetesNetworkPolicy))
def test_every_rule_of_a_kubernetes_policy_allows(resource: Resource) -> None:
    policy, _ = convert.policy_of(resource)
    if policy is not None:
        assert all(rule.action is Action.ALLOW for rule in rules_of(policy))
        assert (policy.tier, policy.order) == ("default", 1000)


policy_ports = st.builds(
    PolicyPort,
    protocol=st.sampled_from(("TCP", "UDP", "SCTP")),
    port=st.none() | st.integers(1, 12) | st.sampled_from(("http", "dns")),
)


def opened(ports: list[PolicyPort]) -> tuple[list[int | None], set[tuple[int | None, int | str]]]:
    """Return the protocols in their order, and what is open as (protocol, port); port 0 means all of them."""
    spec = KubernetesNetworkPolicySpec(policy_types=("Ingress",), ingress=(IngressRule(ports=tuple(ports)),))
    policy, problems = convert.policy_of(KubernetesNetworkPolicy(metadata=ObjectMeta(name="p"), spec=spec))
    assert problems == []
    assert policy is not None
    found: set[tuple[int | None, int | str]] = set()
    for rule in rules_of(policy):
        side = rule.destination
        found |= {(rule.protocol, name) for name in side.named_ports}
        found |= {(rule.protocol, port) for item in side.ports for port in range(item.first, item.last + 1)}
        if not side.has_ports:
            found.add((rule.protocol, 0))
    return [rule.protocol for rule in rules_of(policy)], found


@given(ports=st.lists(policy_ports, max_size=6), data=st.data())
def test_the_order_in_which_ports_are_listed_does_not_matter(
    ports: list[PolicyPort], data: st.DataObject
) -> None:
    assert opened(data.draw(st.permutations(ports))) == opened(ports)


@given(ports=st.lists(policy_ports, min_size=1, max_size=6))
def test_ports_are_the_union_of_what_is_listed(ports: list[PolicyPort]) -> None:
    numbers = {"TCP": 6, "UDP": 17, "SCTP": 132}
    whole = {numbers[port.protocol] for port in ports if port.port is None}
    listed = {(numbers[port.protocol], port.port) for port in ports if port.port is not None}
    expected = {(protocol, 0) for protocol in whole} | {item for item in listed if item[0] not in whole}
    assert opened(ports)[1] == expected


# --- cluster policies, §10.3 --------------------------------------------------------------------------------

CLUSTER_KINDS = [
    clusterpolicy.ClusterNetworkPolicy,
    clusterpolicy.AdminNetworkPolicy,
    clusterpolicy.BaselineAdminNetworkPolicy,
]


@pytest.mark.parametrize("kind", CLUSTER_KINDS)
@WIDE
@given(data=st.data())
def test_a_rule_that_does_not_accept_never_vanishes(
    kind: type[clusterpolicy.ClusterNetworkPolicy], data: Any
) -> None:
    """It is converted, or denies everything in its direction; each that fails is reported once."""
    resource = data.draw(anything(kind))
    policy, problems = convert.policy_of(resource)
    if policy is None:
        return
    written = [*resource.spec.ingress, *resource.spec.egress]
    restricting = [rule for rule in written if rule.action in ("Deny", "Pass")]
    assert len([rule for rule in rules_of(policy) if rule.action is not Action.ALLOW]) >= len(restricting)
    assert len({problem.where.path for problem in problems}) == len(problems) <= len(written)
