"""Host endpoints: one row per rule of spec/policy-semantics §3.9 and §8."""

import pytest

from ocicat.engine.evaluate import evaluate
from ocicat.engine.host import claimed
from ocicat.engine.index import PolicyIndex
from ocicat.engine.packet import Packet
from ocicat.engine.policy import Entity, EntityKey, EntityKind, Policy, PolicyKey, Profile, Rule, Stage
from ocicat.model.flow import Action, HitKind
from ocicat.model.net import Address
from ocicat.model.selector import Selector

ALLOW, DENY = Action.ALLOW, Action.DENY
NODE, NODE2, POD, POD2, OUTSIDE = map(
    Address.parse, ("172.18.0.2", "172.18.0.3", "10.0.0.1", "10.0.1.1", "192.0.2.1")
)
OPEN = Profile("open", (Rule(ALLOW),), (Rule(ALLOW),))


def host_endpoint(name="hep", *, interface="*", addresses=(), profiles=(), node="n1", labels=None):
    key = EntityKey(EntityKind.HOST, "", name)
    return Entity(key, labels or {"host": "yes"}, profiles, addresses, node=node, interface=interface)


def policy(name, *, ingress=None, egress=None, selector="host == 'yes'", **more):
    key = PolicyKey(HitKind.GLOBAL_NETWORK_POLICY, "", name)
    return Policy(key, "default", Selector.parse(selector), ingress=ingress, egress=egress, **more)


def world(*policies, endpoints=None):
    index = PolicyIndex()
    index.put_profile(OPEN)
    for node, address in (("n1", NODE), ("n2", NODE2)):
        index.put_entity(Entity(EntityKey(EntityKind.NODE, "", node), {}, addresses=(address,)))
    for name, address, node in (("pod", POD, "n1"), ("pod2", POD2, "n2")):
        key = EntityKey(EntityKind.WORKLOAD, "ns", name)
        index.put_entity(Entity(key, {"app": name}, ("open",), (address,), node=node))
    for endpoint in [host_endpoint()] if endpoints is None else endpoints:
        index.put_entity(endpoint)
    for item in policies:
        index.put_policy(item)
    return index.plan()


def tcp(source, destination, port=80):
    return Packet(source, destination, 6, port)


def steps(plan, packet):
    return [
        (step.list.value, step.direction.value, step.action and step.action.value)
        for step in evaluate(plan, packet).hosts
    ]


FORWARD_DENY = {"apply_on_forward": True, "ingress": (Rule(DENY),), "egress": (Rule(DENY),)}


@pytest.mark.parametrize(
    ("policies", "packet", "expected"),
    [
        pytest.param(
            [], tcp(OUTSIDE, NODE), [("normal", "ingress", "Deny")], id="neither policy nor profile"
        ),
        pytest.param([], tcp(NODE, OUTSIDE), [("normal", "egress", "Deny")], id="in either direction"),
        pytest.param(
            [], tcp(OUTSIDE, NODE, 22), [("untracked", "ingress", "Allow")], id="an inbound failsafe port"
        ),
        pytest.param(
            [],
            Packet(NODE, OUTSIDE, 17, 53),
            [("untracked", "egress", "Allow")],
            id="an outbound failsafe port",
        ),
        pytest.param(
            [],
            tcp(NODE, OUTSIDE, 22),
            [("normal", "egress", "Deny")],
            id="inbound failsafes are not outbound ones",
        ),
        pytest.param(
            [policy("p", ingress=(Rule(DENY),))],
            tcp(OUTSIDE, POD),
            [],
            id="normal policies never see forwarded traffic",
        ),
        pytest.param([], tcp(OUTSIDE, POD), [], id="without any forward policy forwarded traffic is allowed"),
        pytest.param(
            [policy("p", **FORWARD_DENY)],
            tcp(OUTSIDE, POD),
            [("forward", "ingress", "Deny")],
            id="forward in",
        ),
        pytest.param(
            [policy("p", **FORWARD_DENY)],
            tcp(POD, OUTSIDE),
            [("forward", "egress", "Deny")],
            id="forward out",
        ),
        pytest.param(
            [policy("p", **FORWARD_DENY)],
            tcp(OUTSIDE, POD, 22),
            [("untracked", "ingress", "Allow"), ("forward", "ingress", "Deny")],
            id="no failsafe for forwarded traffic",
        ),
        pytest.param(
            [policy("p", stage=Stage.UNTRACKED, apply_on_forward=True, ingress=(Rule(ALLOW),))],
            tcp(OUTSIDE, NODE),
            [("untracked", "ingress", "Allow")],
            id="what is allowed untracked is accepted at once",
        ),
        pytest.param(
            [policy("p", stage=Stage.UNTRACKED, apply_on_forward=True, ingress=())],
            tcp(OUTSIDE, NODE),
            [("untracked", "ingress", None), ("normal", "ingress", "Deny")],
            id="an early stage goes on where no rule matches, whatever the tier's default",
        ),
        pytest.param(
            [policy("p", stage=Stage.PRE_DNAT, apply_on_forward=True, ingress=(Rule(ALLOW),))],
            tcp(OUTSIDE, POD),
            [("preDNAT", "ingress", "Allow")],
            id="what is allowed before DNAT skips the forward stage",
        ),
        pytest.param(
            [
                policy("p", stage=Stage.PRE_DNAT, apply_on_forward=True, ingress=(Rule(DENY),)),
            ],
            tcp(OUTSIDE, POD),
            [("preDNAT", "ingress", "Deny")],
            id="what is denied before DNAT does not get further",
        ),
        pytest.param([policy("p", ingress=(Rule(DENY),))], tcp(POD, NODE), [], id="a pod to its own host"),
        pytest.param([policy("p", egress=(Rule(DENY),))], tcp(NODE, POD), [], id="the host to its own pod"),
        pytest.param([], tcp(OUTSIDE, POD2), [], id="a node without a host endpoint is not policed"),
    ],
)
def test_stages(policies, packet, expected):
    assert steps(world(*policies), packet) == expected


def test_the_other_direction_of_a_policed_host_endpoint_goes_straight_to_profiles():
    plan = world(policy("p", ingress=()), endpoints=[host_endpoint(profiles=("open",))])
    assert evaluate(plan, tcp(NODE, OUTSIDE)).allowed
    assert not evaluate(plan, tcp(OUTSIDE, NODE)).allowed


def test_all_stages_on_the_way_apply_in_order():
    endpoints = [host_endpoint("a", node="n1"), host_endpoint("b", node="n2")]
    allow = {"apply_on_forward": True, "ingress": (Rule(ALLOW),), "egress": (Rule(ALLOW),)}
    plan = world(policy("p", **allow), endpoints=endpoints)
    decision = evaluate(plan, tcp(POD, POD2))
    assert [(step.endpoint.name, step.direction.value) for step in decision.hosts] == [
        ("a", "egress"),
        ("b", "ingress"),
    ]
    assert decision.allowed
    assert decision.src
    assert decision.dst


@pytest.mark.parametrize(
    ("endpoints", "interface", "addresses", "expected"),
    [
        pytest.param([("b", "eth0", ()), ("a", "eth0", ())], "eth0", (), "a", id="the smallest name wins"),
        pytest.param([("a", "*", ()), ("b", "eth0", ())], "eth0", (), "b", id="a specific one before *"),
        pytest.param([("a", "*", ())], "eth1", (), "a", id="* covers what nobody claims"),
        pytest.param([("a", "", (NODE,))], "eth0", (NODE,), "a", id="by an expected address"),
        pytest.param(
            [("a", "eth1", (NODE,))],
            "eth0",
            (NODE,),
            None,
            id="another interface's name never matches by address",
        ),
        pytest.param([("a", "", (NODE2,))], "eth0", (NODE,), None, id="another address"),
        pytest.param([("b", "*", ()), ("a", "*", ())], "eth0", (), "a", id="one * covers, the smallest name"),
    ],
)
def test_which_host_endpoint_claims_an_interface(endpoints, interface, addresses, expected):
    found = claimed(
        [host_endpoint(name, interface=own, addresses=expects) for name, own, expects in endpoints],
        interface,
        addresses,
    )
    assert (found.key.name if found else None) == expected


def test_a_workload_policy_is_asked_before_the_host_endpoint_of_its_node():
    plan = world(policy("p", **FORWARD_DENY), policy("q", selector="app == 'pod'", egress=(Rule(DENY),)))
    decision = evaluate(plan, tcp(POD, OUTSIDE))
    assert decision.src.action is DENY
    assert decision.hosts == ()
