"""What is written and not enforced as written is named (issue: never silently less)."""

import msgspec
import pytest

from ocicat.dataplane.nft.shortfall import closed, shortfalls
from ocicat.engine.convert import DEFAULT_ALLOW
from ocicat.engine.evaluate import evaluate
from ocicat.engine.index import PolicyIndex
from ocicat.engine.packet import Packet
from ocicat.engine.policy import Entity, EntityKey, EntityKind, Policy, PolicyKey, Profile, Rule
from ocicat.model.calico import HttpMatch
from ocicat.model.flow import Action, HitKind
from ocicat.model.net import Address
from ocicat.model.selector import Selector

POD = EntityKey(EntityKind.WORKLOAD, "n", "pod")
HOST = EntityKey(EntityKind.HOST, "", "node-eth0")
ALLOW = Rule(Action.ALLOW)
HTTP = Rule(Action.ALLOW, protocol=6, http=HttpMatch(methods=("GET",)))
LOCAL = {POD: "cali1"}


def index(*policies: Policy, host_profiles: tuple[str, ...] | None = None) -> PolicyIndex:
    made = PolicyIndex()
    made.put_profile(Profile("kns.n", (ALLOW,), (ALLOW,)))
    made.put_profile(DEFAULT_ALLOW)
    address = Address.parse("10.65.0.1")
    made.put_entity(Entity(POD, {"app": "web"}, ("kns.n",), addresses=(address,), node="n1"))
    if host_profiles is not None:
        made.put_entity(Entity(HOST, {"host": "yes"}, host_profiles, node="n1", interface="*"))
    for policy in policies:
        made.put_policy(policy)
    return made


def policy(
    *ingress: Rule, kind: HitKind = HitKind.GLOBAL_NETWORK_POLICY, selector: str = "app == 'web'"
) -> Policy:
    namespace = "" if kind is HitKind.GLOBAL_NETWORK_POLICY else "n"
    return Policy(PolicyKey(kind, namespace, "p"), "default", Selector.parse(selector), ingress=ingress)


def named(made: PolicyIndex) -> list[tuple[str, str, str]]:
    found = shortfalls(made.plan(), LOCAL, "n1")
    return [(item.problem.code, item.problem.where.subject, item.problem.where.path) for item in found]


def test_http_criteria_are_named_with_their_rule() -> None:
    made = index(policy(ALLOW, HTTP, kind=HitKind.CALICO_NETWORK_POLICY))
    assert named(made) == [("EN0001", "NetworkPolicy n/p", "spec.ingress[1].http")]


@pytest.mark.parametrize(
    "other",
    [
        policy(HTTP, selector="app == 'elsewhere'"),
        policy(HTTP, kind=HitKind.STAGED_NETWORK_POLICY),
        policy(ALLOW),
    ],
    ids=["of no pod here", "staged", "without criteria"],
)
def test_what_this_node_enforces_is_not_named(other: Policy) -> None:
    assert named(index(other)) == []


def test_a_host_endpoint_with_policy_is_named() -> None:
    made = index(policy(ALLOW, selector="has(host)"), host_profiles=("projectcalico-default-allow",))
    assert named(made) == [("EN0002", "HostEndpoint node-eth0", "spec")]


def test_a_host_endpoint_without_profile_would_deny_and_is_named() -> None:
    assert named(index(host_profiles=())) == [("EN0002", "HostEndpoint node-eth0", "spec")]


def test_an_automatic_host_endpoint_allows_everything_and_is_not_named() -> None:
    assert named(index(host_profiles=("projectcalico-default-allow",))) == []


def test_host_endpoints_of_other_nodes_are_for_them_to_name() -> None:
    made = index(host_profiles=())
    assert shortfalls(made.plan(), LOCAL, "n2") == ()


def test_a_closed_policy_denies_in_its_directions_and_leaves_the_rest() -> None:
    plan = index(policy(ALLOW)).plan()
    shut = closed(plan, [policy().key])
    outside, pod = Address.parse("192.0.2.1"), Address.parse("10.65.0.1")
    assert evaluate(plan, Packet(outside, pod, 6, 80)).allowed
    assert not evaluate(shut, Packet(outside, pod, 6, 80)).allowed
    assert evaluate(shut, Packet(pod, outside, 6, 80)).allowed
    assert msgspec.structs.replace(shut, policies=plan.policies) == plan
