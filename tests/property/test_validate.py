"""Laws of defaulting and validation: policy-semantics §3.1."""

import math
from types import NoneType
from typing import Any, get_args

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ocicat.base.problem import Severity, Where, has_errors
from ocicat.engine import convert
from ocicat.model import calico
from ocicat.model.clusterpolicy import (
    AdminEgressRule,
    AdminIngressRule,
    AdminNetworkPolicy,
    AdminNetworkPolicySpec,
    AdminPort,
    BaselineAdminNetworkPolicy,
    BaselineAdminNetworkPolicySpec,
    ClusterEgressRule,
    ClusterIngressRule,
    ClusterNetworkPolicy,
    ClusterNetworkPolicySpec,
    ClusterPeer,
    ClusterProtocol,
    Subject,
)
from ocicat.model.codes import CODES
from ocicat.model.decode import decode
from ocicat.model.defaults import defaulted
from ocicat.model.documents import read
from ocicat.model.kinds import KINDS, Kind
from ocicat.model.meta import LabelSelector, ObjectMeta, Resource
from ocicat.model.positions import path_of, path_text
from ocicat.model.validate import MAX_PROBLEMS, calico_error_text, validate, validate_together
from support.anything import anything
from support.judged import document, problems, where

WIDE = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
ANYTHING = st.one_of([anything(kind.struct) for kind in KINDS])
POLICIES = st.one_of([anything(kind.struct) for kind in KINDS if kind.policy and "Policy" in kind.kind])


# --- total --------------------------------------------------------------------------------------------------


@WIDE
@given(resource=ANYTHING)
def test_validation_never_raises_and_every_problem_is_complete(resource: Resource) -> None:
    for found in (resource, defaulted(resource)):
        for problem in validate(found, where):
            assert problem.severity is CODES[problem.code].severity
            assert problem.what
            assert problem.fix
            assert path_text(path_of(problem.where.path)) == problem.where.path
        assert bool(calico_error_text(validate(found, where))) is bool(validate(found, where))


@WIDE
@given(resources=st.lists(ANYTHING, max_size=4))
def test_validation_together_never_raises(resources: list[Resource]) -> None:
    found = validate_together((resource, where) for resource in resources)
    twice = len(resources) - len({resource.ref for resource in resources})
    assert [problem.code for problem in found].count("NP0010") == twice


@WIDE
@given(resource=ANYTHING)
def test_every_problem_is_at_a_field_of_the_object_or_beside_one(resource: Resource) -> None:
    """A place is asked for only with a path whose parent can be in the document."""
    written = msgspec.to_builtins(resource, str_keys=True)
    for problem in validate(resource, where):
        value: Any = written
        for step in path_of(problem.where.path)[:-1]:
            if isinstance(step, int):
                assert step < len(value)
                value = value[step]
            else:
                value = value.get(step, {})


@WIDE
@given(resource=ANYTHING)
def test_defaulting_twice_is_defaulting_once(resource: Resource) -> None:
    once = defaulted(resource)
    assert defaulted(once) == once
    assert once.ref == resource.ref


# --- validation and the engine agree ------------------------------------------------------------------------


@WIDE
@given(resource=POLICIES)
def test_what_validation_accepts_the_engine_can_follow(resource: Resource) -> None:
    """A policy is never valid to the user and absent to the engine: each loss has its Problem beforehand."""
    if isinstance(getattr(resource.spec, "order", None), float) and math.isnan(resource.spec.order):
        return  # no text spells it
    named = msgspec.structs.replace(resource, metadata=ObjectMeta(name="default", namespace="catfacts"))
    agreed(defaulted(named))


def agreed(resource: Resource) -> None:
    told = validate(resource, where)
    if has_errors(told):
        return
    policy, lost = convert.policy_of(resource)
    deletion = getattr(resource.spec, "staged_action", "") == "Delete"  # type: ignore[attr-defined]
    assert policy is not None or deletion
    for problem in lost:
        assert any(each.where.path.startswith(problem.where.path) for each in told), (problem, told)


def one_field(struct: type[Any], *names: str) -> st.SearchStrategy[Any]:
    """Return a strategy for a struct of which one of the optional fields is given, with anything in it."""
    fields = {field.name: field.type for field in msgspec.structs.fields(struct)}
    return st.one_of([filled(struct, name, fields[name]) for name in names or fields])


def filled(struct: type[Any], name: str, wanted: Any) -> st.SearchStrategy[Any]:
    given_types = [each for each in get_args(wanted) if each is not NoneType] or [wanted]
    return st.one_of([anything(each) for each in given_types]).map(lambda value: struct(**{name: value}))


PEERS = st.lists(one_field(ClusterPeer), min_size=1, max_size=2).map(tuple)
INGRESS_PEERS = st.lists(one_field(ClusterPeer, "namespaces", "pods"), min_size=1, max_size=2).map(tuple)
SUBJECTS = st.just(Subject(namespaces=LabelSelector())) | one_field(Subject)
CLUSTER_ITEMS = st.none() | st.lists(one_field(ClusterProtocol), min_size=1, max_size=2).map(tuple)
ADMIN_ITEMS = st.none() | st.lists(one_field(AdminPort), max_size=2).map(tuple)


@st.composite
def cluster_policies(draw: st.DrawFn) -> Resource:
    """Draw a policy whose frame is valid, with peers, ports and labels that may be nonsense."""
    action = st.sampled_from(["Accept", "Deny", "Pass"])
    ingress = st.builds(ClusterIngressRule, action=action, from_=INGRESS_PEERS, protocols=CLUSTER_ITEMS)
    egress = st.builds(ClusterEgressRule, action=action, to=PEERS, protocols=CLUSTER_ITEMS)
    spec = ClusterNetworkPolicySpec(
        tier=draw(st.sampled_from(["Admin", "Baseline"])),
        priority=draw(st.integers(0, 1000)),
        subject=draw(SUBJECTS),
        ingress=tuple(draw(st.lists(ingress, max_size=2))),
        egress=tuple(draw(st.lists(egress, max_size=2))),
    )
    return ClusterNetworkPolicy(metadata=ObjectMeta(name="cats"), spec=spec)


@st.composite
def admin_policies(draw: st.DrawFn) -> Resource:
    action = st.sampled_from(["Allow", "Deny"])
    ingress = st.builds(AdminIngressRule, action=action, from_=INGRESS_PEERS, ports=ADMIN_ITEMS)
    egress = st.builds(AdminEgressRule, action=action, to=PEERS, ports=ADMIN_ITEMS)
    given = {
        "subject": draw(SUBJECTS),
        "ingress": tuple(draw(st.lists(ingress, max_size=2))),
        "egress": tuple(draw(st.lists(egress, max_size=2))),
    }
    if draw(st.booleans()):
        spec = AdminNetworkPolicySpec(priority=draw(st.integers(0, 1000)), **given)
        return AdminNetworkPolicy(metadata=ObjectMeta(name="cats"), spec=spec)
    baseline = BaselineAdminNetworkPolicySpec(**given)
    return BaselineAdminNetworkPolicy(metadata=ObjectMeta(name="default"), spec=baseline)


@WIDE
@given(resource=cluster_policies() | admin_policies())
def test_a_rule_that_fails_closed_was_warned_of(resource: Resource) -> None:
    agreed(resource)


# --- valid by construction ----------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "web-1", "9"])
SELECTORS = st.sampled_from(["", "all()", "a == 'b'", "!has(x) && (y in {'1', '2'} || z starts with 'q')"])
PORTS = st.lists(
    st.one_of(
        st.integers(1, 65535),
        st.sampled_from(["80", "http", "dns-tcp"]),
        st.tuples(st.integers(1, 65535), st.integers(0, 65535)).map(lambda pair: f"{pair[0]}:{max(pair)}"),
    ),
    max_size=50,
)
NETS = {
    4: st.lists(st.sampled_from(["10.0.0.0/8", "10.1.2.3/32", "192.0.2.0/24"]), unique=True),
    6: st.lists(st.sampled_from(["fd00::/8", "::1/128", "2001:db8::/32"]), unique=True),
}


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    family = draw(st.sampled_from([4, 6]))
    rule: dict[str, Any] = {
        "action": draw(st.sampled_from(["Allow", "Deny", "Log", "Pass"])),
        "protocol": draw(st.sampled_from(["TCP", "UDP", "SCTP", 6, "17"])),
    }
    if draw(st.booleans()):
        rule["ipVersion"] = family
    for side in ("source", "destination"):
        rule[side] = {
            "nets": draw(NETS[family]),
            "notNets": draw(NETS[family]),
            "ports": draw(PORTS),
            "notPorts": draw(PORTS),
            "selector": draw(SELECTORS),
            "notSelector": draw(SELECTORS),
            "namespaceSelector": draw(st.one_of(SELECTORS, st.just("global()"))),
            "serviceAccounts": {"names": draw(st.lists(NAMES, unique=True)), "selector": draw(SELECTORS)},
        }
    return rule


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["NetworkPolicy", "GlobalNetworkPolicy", "StagedNetworkPolicy"]))
    spec = {
        "tier": draw(NAMES),
        "order": draw(st.floats(allow_nan=False, allow_infinity=False)),
        "selector": draw(SELECTORS),
        "serviceAccountSelector": draw(SELECTORS),
        "types": draw(st.lists(st.sampled_from(["Ingress", "Egress"]), unique=True)),
        "ingress": draw(st.lists(rules(), max_size=3)),
        "egress": draw(st.lists(rules(), max_size=3)),
    }
    labels = draw(st.dictionaries(NAMES, NAMES))
    return document(kind, spec, name=draw(NAMES), labels=labels)


@WIDE
@given(policy=policies())
def test_a_policy_that_is_made_validly_is_valid(policy: dict[str, Any]) -> None:
    assert problems(policy) == []


@WIDE
@given(policy=policies(), kind=st.sampled_from([kind for kind in KINDS if kind.group == calico.GROUP]))
@example(policy=document("NetworkPolicy", {"ingress": [{}] * 3}), kind=KINDS[0])
def test_problems_of_a_file_have_a_line(policy: dict[str, Any], kind: Kind) -> None:
    """From text to Problem: any specification, under any kind."""
    text = msgspec.json.format(msgspec.json.encode({**policy, "kind": kind.kind}), indent=1)
    (found,), unreadable = read(text, "policy.json")
    resource, told = decode(found)
    if resource is not None:
        told += validate(defaulted(resource), found.where)
    for problem in unreadable + told:
        assert problem.where.file == "policy.json"
        assert 1 <= problem.where.line <= text.count(b"\n") + 1


# --- the bound on how much is told --------------------------------------------------------------------------


def test_of_too_many_problems_the_rest_is_counted() -> None:
    found = problems(document("NetworkSet", {"nets": [f"x{number}" for number in range(MAX_PROBLEMS + 5)]}))
    assert len(found) == MAX_PROBLEMS
    assert found[-1].what.endswith("(and 5 more in this object)")


def test_too_many_warnings_do_not_hide_that_there_is_an_error() -> None:
    peers = [{"ipBlock": {"cidr": "10.0.0.1/8"}}] * (MAX_PROBLEMS + 1)
    spec = {"ingress": [{"from": peers}], "policyTypes": ["Ingress", "Egress", "egress"]}
    found = problems(document("NetworkPolicy", spec, "networking.k8s.io/v1"))
    assert has_errors(found)
    assert sum(problem.severity is Severity.WARNING for problem in found) == MAX_PROBLEMS
    assert found[0].where == Where(path="spec.ingress[0].from[0].ipBlock.cidr")
