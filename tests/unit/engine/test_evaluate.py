"""Evaluation of pods: one row per rule of spec/policy-semantics §6, §7, §9.2 and §12."""

import math

import pytest

from ocicat.engine.evaluate import evaluate
from ocicat.engine.index import PolicyIndex
from ocicat.engine.packet import Packet, PacketError
from ocicat.engine.plan import ServiceEndpoints
from ocicat.engine.policy import (
    Entity,
    EntityKey,
    EntityKind,
    IcmpMatch,
    NamedPort,
    Policy,
    PolicyKey,
    Profile,
    Rule,
    Side,
    Stage,
    Tier,
)
from ocicat.model.flow import Action, HitKind
from ocicat.model.net import Address, PortRange, Prefix
from ocicat.model.selector import Selector
from support.columns import same_in_columns

ALLOW, DENY, PASS, LOG = Action.ALLOW, Action.DENY, Action.PASS, Action.LOG
CLIENT, SERVER, OTHER, OUTSIDE = map(Address.parse, ("10.0.0.1", "10.0.0.2", "10.0.0.3", "192.0.2.1"))
CLIENT6, SERVER6 = map(Address.parse, ("fd00::1", "fd00::2"))
NODE = Address.parse("172.18.0.2")
ALLOW_ALL = (Rule(ALLOW),)


def pod(name, address, labels=None, **more):
    own = {"projectcalico.org/namespace": "ns", **(labels or {})}
    key = EntityKey(EntityKind.WORKLOAD, "ns", name)
    return Entity(key, own, more.pop("profiles", ("kns.ns",)), address, **more)


def policy(name, *, ingress=None, egress=None, kind=HitKind.GLOBAL_NETWORK_POLICY, **more):
    namespace = "" if "Global" in kind or kind is HitKind.CLUSTER_NETWORK_POLICY else "ns"
    key = PolicyKey(kind, namespace, name)
    selector = Selector.parse(more.pop("selector", "role == 'server'"))
    return Policy(key, more.pop("tier", "default"), selector, ingress=ingress, egress=egress, **more)


def world(*policies, tiers=(), profiles=None, services=(), server=None):
    index = PolicyIndex()
    for tier in tiers:
        index.put_tier(tier)
    for profile in profiles if profiles is not None else [Profile("kns.ns", ALLOW_ALL, ALLOW_ALL)]:
        index.put_profile(profile)
    index.put_entity(pod("client", (CLIENT, CLIENT6), {"role": "client"}))
    index.put_entity(server or pod("server", (SERVER, SERVER6), {"role": "server"}, node="n1"))
    index.put_entity(pod("other", (OTHER,), {}))
    index.put_entity(Entity(EntityKey(EntityKind.NODE, "", "n1"), {}, addresses=(NODE,)))
    for item in policies:
        index.put_policy(item)
    for name, endpoints in services:
        index.put_service("ns", name, endpoints)
    return index.plan()


def tcp(source=CLIENT, destination=SERVER, port=80, source_port=0):
    return Packet(source, destination, 6, port, source_port)


def decided(plan, packet):
    """Return the evaluator's answer, once the columns have given the same."""
    decision = evaluate(plan, packet)
    assert same_in_columns(plan, [packet]), "the columnar evaluator differs"
    return decision


def ingress(plan, packet):
    """Return what the destination's end says: its hits, in the text form."""
    report = decided(plan, packet).dst
    return [hit.text() for hit in report.enforced], [hit.text() for hit in report.pending]


# --- §7.3, §7.4: the walk -----------------------------------------------------------------------------------


def test_a_pod_that_no_policy_selects_is_open_by_its_namespace():
    assert ingress(world(), tcp())[0] == ["0|__PROFILE__|pro:kns.ns|allow|0"]


def test_a_policy_without_rules_attaches_and_the_tier_denies_at_its_end():
    assert ingress(world(policy("p", ingress=())), tcp())[0] == ["0|default|gnp:p|deny|-1"]


def test_an_egress_only_policy_never_isolates_ingress():
    assert evaluate(world(policy("p", egress=())), tcp()).allowed


def test_a_tier_whose_default_is_pass_goes_on_to_the_next():
    plan = world(policy("p", tier="soft", ingress=()), tiers=[Tier("soft", 1.0, PASS)])
    assert ingress(plan, tcp())[0] == ["0|soft|gnp:p|pass|-1", "1|__PROFILE__|pro:kns.ns|allow|0"]


def test_pass_skips_the_rest_of_the_tier_and_its_other_policies():
    plan = world(
        policy("a", tier="t", order=1.0, ingress=(Rule(PASS), Rule(DENY))),
        policy("b", tier="t", order=2.0, ingress=(Rule(DENY),)),
        tiers=[Tier("t", 1.0, DENY)],
    )
    assert ingress(plan, tcp())[0] == ["0|t|gnp:a|pass|0", "1|__PROFILE__|pro:kns.ns|allow|0"]


def test_log_rules_are_counted_in_the_index_but_leave_no_hit():
    plan = world(policy("p", ingress=(Rule(LOG), Rule(LOG), Rule(DENY))))
    assert ingress(plan, tcp())[0] == ["0|default|gnp:p|deny|2"]


def test_a_tier_with_staged_policies_only_is_skipped_but_applies_in_the_pending_trace():
    staged = policy("s", kind=HitKind.STAGED_GLOBAL_NETWORK_POLICY, ingress=())
    assert ingress(world(staged), tcp()) == (
        ["0|__PROFILE__|pro:kns.ns|allow|0"],
        ["0|default|sgnp:s|deny|-1"],
    )


def test_the_trigger_is_the_last_policy_when_enforced_and_the_first_when_pending():
    plan = world(policy("a", order=1.0, ingress=()), policy("b", order=2.0, ingress=()))
    assert ingress(plan, tcp()) == (["0|default|gnp:b|deny|-1"], ["0|default|gnp:a|deny|-1"])


def test_a_missing_tier_comes_last_and_denies():
    plan = world(policy("p", tier="nowhere", ingress=()), policy("q", ingress=(Rule(PASS),)))
    expected = ["0|default|gnp:q|pass|0", "1|nowhere|gnp:p|deny|-1"]
    assert ingress(plan, tcp()) == (expected, expected)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ((Rule(PASS),), "1"),
        ((Rule(LOG), Rule(DENY)), "0"),
    ],
    ids=["Pass stops this profile and tries the next", "Log goes on"],
)
def test_profiles_are_asked_in_order(rules, expected):
    server = pod("server", (SERVER,), {"role": "server"}, profiles=("first", "second"))
    plan = world(profiles=[Profile("first", rules), Profile("second", ALLOW_ALL)], server=server)
    action = {"0": "pro:first|deny|1", "1": "pro:second|allow|0"}[expected]
    assert ingress(plan, tcp(source=OUTSIDE))[0] == [f"0|__PROFILE__|{action}"]


def test_what_no_profile_matches_is_denied_and_the_pending_trace_is_empty():
    plan = world(profiles=[Profile("kns.ns")])
    decision = evaluate(plan, tcp(source=OUTSIDE))
    assert [hit.text() for hit in decision.dst.enforced] == ["0|__PROFILE__|pro:__NO_MATCH__|deny|0"]
    assert decision.dst.pending == ()
    assert decision.dst.pending_action is DENY


def test_an_endpoint_without_profiles_says_so_in_the_pending_trace():
    plan = world(server=pod("server", (SERVER,), {"role": "server"}, profiles=()))
    assert ingress(plan, tcp(source=OUTSIDE)) == (
        ["0|__PROFILE__|pro:__NO_MATCH__|deny|0"],
        ["0|__PROFILE__|pro:__PROFILE__|deny|-1"],
    )


def test_both_ends_must_allow_and_what_the_source_denies_never_arrives():
    plan = world(policy("p", selector="role == 'client'", egress=(Rule(DENY),)))
    decision = evaluate(plan, tcp())
    assert not decision.allowed
    assert decision.src.action is DENY
    assert decision.dst is None


@pytest.mark.parametrize("stage", [Stage.UNTRACKED, Stage.PRE_DNAT])
def test_untracked_and_pre_dnat_policies_have_no_effect_on_pods(stage):
    assert evaluate(world(policy("p", ingress=(Rule(DENY),), stage=stage)), tcp()).allowed


# --- §7.2: order --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [("a-b", "a.b", "a"), ("a", "b"), ("p", "q")],
    ids=["- before . before the slash that ends a name", "by name", "any names"],
)
def test_equal_orders_sort_by_the_bytes_of_name_namespace_kind(names):
    plan = world(*(policy(name, ingress=()) for name in reversed(names)))
    policies = plan.classes[
        plan.endpoints[EntityKey(EntityKind.WORKLOAD, "ns", "server")].class_id("ingress")
    ]
    assert [key.name for key in policies.tiers[0].policies] == list(names)


def test_null_orders_come_last_and_an_enforced_policy_before_its_staged_twin():
    twin = policy("a", kind=HitKind.STAGED_GLOBAL_NETWORK_POLICY, ingress=(), order=5.0)
    plan = world(policy("z", ingress=(), order=math.inf), twin, policy("a", ingress=(), order=5.0))
    server = plan.endpoints[EntityKey(EntityKind.WORKLOAD, "ns", "server")]
    keys = plan.classes[server.class_id("ingress")].tiers[0].policies
    assert [str(key) for key in keys] == ["gnp:a", "sgnp:a", "gnp:z"]


def test_tiers_sort_existing_ones_first_then_by_order_then_by_name():
    tiers = [Tier("b", 5.0, DENY), Tier("a", 5.0, DENY), Tier("z", -1.5, DENY)]
    plan = world(policy("p", tier="gone", ingress=()), tiers=tiers)
    assert [tier.name for tier in plan.tiers] == [
        "z",
        "a",
        "b",
        "adminnetworkpolicy",
        "kube-admin",
        "default",
        "baselineadminnetworkpolicy",
        "kube-baseline",
        "gone",
    ]


# --- §6: does a rule match? ---------------------------------------------------------------------------------

PORT_80 = Side(ports=(PortRange(80, 80),))


@pytest.mark.parametrize(
    ("rule", "packet", "matches"),
    [
        pytest.param(Rule(DENY), tcp(), True, id="no criteria match everything"),
        pytest.param(
            Rule(DENY, families=(6,)), tcp(), False, id="a rule does not exist for the other family"
        ),
        pytest.param(Rule(DENY, protocol=6), tcp(), True, id="equal protocol"),
        pytest.param(Rule(DENY, protocol=17), tcp(), False, id="another protocol"),
        pytest.param(Rule(DENY, not_protocol=6), tcp(), False, id="notProtocol of its own"),
        pytest.param(Rule(DENY, not_protocol=17), tcp(), True, id="notProtocol of another"),
        pytest.param(Rule(DENY, source=Side(nets=(Prefix.parse("10.0.0.0/30"),))), tcp(), True, id="in nets"),
        pytest.param(
            Rule(DENY, source=Side(not_nets=(Prefix.parse("10.0.0.0/30"),))), tcp(), False, id="in notNets"
        ),
        pytest.param(
            Rule(DENY, source=Side(not_nets=(Prefix.parse("10.0.0.0/30"),))),
            tcp(source=OUTSIDE),
            True,
            id="outside notNets",
        ),
        pytest.param(
            Rule(DENY, source=Side(selector=Selector.parse("role == 'client'"))), tcp(), True, id="selected"
        ),
        pytest.param(
            Rule(DENY, source=Side(selector=Selector.parse("all()"))),
            tcp(source=OUTSIDE),
            False,
            id="all() matches known entities only",
        ),
        pytest.param(
            Rule(DENY, source=Side(not_selector=Selector.parse("role == 'client'"))),
            tcp(source=OUTSIDE),
            True,
            id="an unknown address is no member of notSelector",
        ),
        pytest.param(
            Rule(DENY, source=Side(not_selector=Selector.parse("role == 'client'"))),
            tcp(),
            False,
            id="excluded",
        ),
        pytest.param(Rule(DENY, protocol=6, destination=PORT_80), tcp(), True, id="port"),
        pytest.param(Rule(DENY, protocol=6, destination=PORT_80), tcp(port=81), False, id="another port"),
        pytest.param(
            Rule(DENY, protocol=6, destination=Side(not_ports=(PortRange(80, 90),))),
            tcp(port=85),
            False,
            id="notPorts",
        ),
        pytest.param(
            Rule(DENY, protocol=6, source=Side(ports=(PortRange(1000, 2000),))),
            tcp(source_port=1500),
            True,
            id="source port",
        ),
        pytest.param(
            Rule(DENY, protocol=6, source=Side(ports=(PortRange(1, 65535),))),
            tcp(),
            False,
            id="a source port that is not given meets no range",
        ),
        pytest.param(
            Rule(DENY, destination=PORT_80),
            Packet(CLIENT, SERVER, 1, icmp_type=8, icmp_code=0),
            False,
            id="a portless protocol meets no port criterion",
        ),
        pytest.param(
            Rule(DENY, destination=Side(not_ports=(PortRange(80, 80),))),
            Packet(CLIENT, SERVER, 1, icmp_type=8, icmp_code=0),
            False,
            id="nor a negated one",
        ),
        pytest.param(
            Rule(DENY, icmp=IcmpMatch(8)),
            Packet(CLIENT, SERVER, 1, icmp_type=8, icmp_code=3),
            True,
            id="type",
        ),
        pytest.param(
            Rule(DENY, icmp=IcmpMatch(8, 0)),
            Packet(CLIENT, SERVER, 1, icmp_type=8, icmp_code=3),
            False,
            id="type and code",
        ),
        pytest.param(Rule(DENY, icmp=IcmpMatch(8)), tcp(), False, id="icmp implies the protocol"),
        pytest.param(Rule(DENY, not_icmp=IcmpMatch(8)), tcp(), False, id="notICMP implies the protocol"),
        pytest.param(
            Rule(DENY, not_icmp=IcmpMatch(8, 0)),
            Packet(CLIENT, SERVER, 1, icmp_type=8, icmp_code=3),
            True,
            id="notICMP is not the pair",
        ),
        pytest.param(
            Rule(DENY, icmp=IcmpMatch(128)),
            Packet(CLIENT6, SERVER6, 58, icmp_type=128, icmp_code=0),
            True,
            id="icmp in IPv6 is ICMPv6",
        ),
        pytest.param(
            Rule(DENY, icmp=IcmpMatch(8)),
            Packet(CLIENT, SERVER, 58, icmp_type=8, icmp_code=0),
            False,
            id="ICMPv6 over IPv4 is not ICMP of its family",
        ),
        pytest.param(Rule(DENY, destination=Side(nodes=Selector.parse("all()"))), tcp(), False, id="no node"),
    ],
)
def test_rule(rule, packet, matches):
    plan = world(policy("p", ingress=(rule, Rule(ALLOW))))
    assert decided(plan, packet).allowed is not matches


def named(*names, selector=None, **more):
    return Side(named_ports=names, selector=selector, **more)


SERVER_PORTS = (NamedPort("http", 6, 80), NamedPort("http", 6, 8080), NamedPort("dns", 17, 53))


@pytest.mark.parametrize(
    ("rule", "packet", "matches"),
    [
        pytest.param(Rule(DENY, protocol=6, destination=named("http")), tcp(), True, id="declared"),
        pytest.param(
            Rule(DENY, protocol=6, destination=named("http")), tcp(port=8080), True, id="all duplicates"
        ),
        pytest.param(
            Rule(DENY, protocol=6, destination=named("http")), tcp(port=53), False, id="another number"
        ),
        pytest.param(
            Rule(DENY, protocol=6, destination=named("dns")), tcp(port=53), False, id="other protocol"
        ),
        pytest.param(
            Rule(DENY, destination=named("dns")), Packet(CLIENT, SERVER, 17, 53), True, id="without protocol"
        ),
        pytest.param(
            Rule(DENY, protocol=6, destination=Side(not_named_ports=("http",))),
            tcp(),
            False,
            id="negated name",
        ),
        pytest.param(
            Rule(DENY, protocol=6, destination=Side(not_named_ports=("http",))),
            tcp(port=53),
            True,
            id="not it",
        ),
        pytest.param(
            Rule(DENY, protocol=6, destination=named("http", selector=Selector.parse("role == 'client'"))),
            tcp(),
            False,
            id="the declaring endpoint must be selected",
        ),
        pytest.param(
            Rule(DENY, protocol=6, destination=named("nope", ports=(PortRange(80, 80),))),
            tcp(),
            True,
            id="names and numbers are OR-ed",
        ),
    ],
)
def test_named_ports(rule, packet, matches):
    server = pod("server", (SERVER, SERVER6), {"role": "server"}, named_ports=SERVER_PORTS)
    plan = world(policy("p", ingress=(rule, Rule(ALLOW))), server=server)
    assert decided(plan, packet).allowed is not matches
    # From the client's side the same names are the peer's.
    as_egress = policy("p", selector="role == 'client'", egress=(rule, Rule(ALLOW)))
    assert decided(world(as_egress, server=server), packet).allowed is not matches


def test_of_two_endpoints_at_an_address_the_selected_one_must_declare_the_port():
    declaring = pod("server", (SERVER,), {"role": "server"}, named_ports=SERVER_PORTS)
    index = PolicyIndex()
    index.put_entity(declaring)
    index.put_entity(pod("twin", (SERVER,), {"role": "twin"}))
    index.put_entity(pod("client", (CLIENT,), {"role": "client"}))
    index.put_profile(Profile("kns.ns", ALLOW_ALL, ALLOW_ALL))
    twin = named("http", selector=Selector.parse("role == 'twin'"))
    denies = (Rule(DENY, protocol=6, destination=twin),)
    index.put_policy(policy("p", selector="role == 'client'", egress=denies))
    assert decided(index.plan(), tcp()).src.enforced[-1].rule_index == -1


@pytest.mark.parametrize(
    ("packet", "allowed"),
    [
        pytest.param(tcp(port=8080), True, id="an endpoint's address and port"),
        pytest.param(tcp(port=80), False, id="another port of the endpoint"),
        pytest.param(Packet(CLIENT, SERVER, 17, 8080), False, id="another protocol"),
        pytest.param(tcp(destination=OTHER, port=8080), False, id="another address"),
    ],
)
def test_a_service_as_destination_means_its_endpoints(packet, allowed):
    endpoints = ServiceEndpoints(frozenset({(SERVER, 6, 8080)}), frozenset({SERVER}))
    rules = (Rule(ALLOW, destination=Side(service=("ns", "web"))),)
    plan = world(policy("p", selector="role == 'client'", egress=rules), services=[("web", endpoints)])
    assert decided(plan, packet).allowed is allowed


def test_a_service_as_source_means_the_addresses_of_its_endpoints():
    endpoints = ServiceEndpoints(frozenset({(CLIENT, 6, 8080)}), frozenset({CLIENT}))
    plan = world(
        policy("p", ingress=(Rule(ALLOW, source=Side(service=("ns", "web"))),)), services=[("web", endpoints)]
    )
    assert decided(plan, tcp(port=5)).allowed
    assert not decided(plan, tcp(source=OTHER, port=5)).allowed


def test_a_service_as_destination_of_an_ingress_rule_means_the_pod_itself():
    """Validation refuses it (§3.2); an engine that meets it all the same must not allow more than it says."""
    endpoints = ServiceEndpoints(frozenset({(SERVER, 6, 8080)}), frozenset({SERVER}))
    rules = (Rule(ALLOW, destination=Side(service=("ns", "web"))),)
    plan = world(policy("p", ingress=rules), services=[("web", endpoints)])
    assert decided(plan, tcp(port=8080)).allowed
    assert not decided(plan, tcp(port=80)).allowed


def test_network_sets_are_peers_by_their_cidrs():
    index_world = policy("p", ingress=(Rule(ALLOW, source=Side(selector=Selector.parse("kind == 'net'"))),))
    index = PolicyIndex()
    index.put_entity(pod("server", (SERVER,), {"role": "server"}))
    index.put_policy(index_world)
    nets = (Prefix.parse("192.0.2.0/24"), Prefix.parse("2001:db8::/32"))
    index.put_entity(Entity(EntityKey(EntityKind.NETWORK_SET, "", "s"), {"kind": "net"}, nets=nets))
    assert evaluate(index.plan(), tcp(source=OUTSIDE)).allowed
    assert not evaluate(index.plan(), tcp(source=Address.parse("198.51.100.1"))).allowed


def test_node_peers_are_the_addresses_of_the_nodes_that_match():
    rules = (Rule(ALLOW, destination=Side(nodes=Selector.parse("all()"))),)
    plan = world(policy("p", selector="role == 'client'", egress=rules))
    assert evaluate(plan, tcp(destination=NODE)).allowed
    assert not evaluate(plan, tcp(destination=OUTSIDE)).allowed


# --- §9.2: hosts --------------------------------------------------------------------------------------------


def test_the_host_always_reaches_its_own_pods_and_no_others():
    plan = world(policy("p", ingress=(Rule(DENY),)))
    own = evaluate(plan, tcp(source=NODE))
    assert own.allowed
    assert own.dst is None
    elsewhere = world(policy("p", ingress=(Rule(DENY),)), server=pod("server", (SERVER,), {"role": "server"}))
    assert not evaluate(elsewhere, tcp(source=NODE)).allowed


def test_egress_policy_judges_what_a_pod_sends_to_its_host():
    plan = world(policy("p", selector="role == 'server'", egress=(Rule(DENY),)))
    assert not evaluate(plan, tcp(source=SERVER, destination=NODE)).allowed


def test_a_pod_that_reaches_itself_is_judged_like_any_other():
    plan = world(policy("p", ingress=(Rule(DENY),)))
    assert not evaluate(plan, tcp(source=SERVER, destination=SERVER)).allowed


def test_between_strangers_nobody_reports():
    decision = evaluate(world(), tcp(source=OUTSIDE, destination=NODE))
    assert decision.allowed
    assert decision.src is decision.dst is None


# --- §1 "Our choice": names in traces -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (("default.p",), ["p"]),
        (("default.p", "p"), ["default.p", "p"]),
        (("other.p",), ["other.p"]),
    ],
    ids=[
        "the tier's prefix is left out",
        "unless two would read alike",
        "another tier's prefix is part of it",
    ],
)
def test_how_a_policy_is_shown(names, shown):
    plan = world(*(policy(name, ingress=()) for name in names))
    assert [plan.names[PolicyKey(HitKind.GLOBAL_NETWORK_POLICY, "", name)] for name in names] == shown


# --- §12.4: the worked example ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "port", "enforced"),
    [
        ("fe", 5432, ["0|sec|gnp:a|pass|0", "1|default|knp:ns/allow-fe|allow|0"]),
        ("fe", 80, ["0|sec|gnp:a|pass|0", "1|default|knp:ns/allow-fe|deny|-1"]),
        ("other", 5432, ["0|sec|gnp:b|deny|-1"]),
    ],
)
@pytest.mark.parametrize("c_rules", [(Rule(DENY),), ()], ids=["c denies", "c has no rule"])
def test_worked_example(source, port, enforced, c_rules):
    front = Selector.parse("role == 'fe'")
    index = PolicyIndex()
    index.put_tier(Tier("sec", 10.0, DENY))
    index.put_profile(Profile("kns.ns", ALLOW_ALL, ALLOW_ALL))
    for name, address in (("fe", CLIENT), ("db", SERVER), ("other", OTHER)):
        index.put_entity(pod(name, (address,), {"role": name}))
    on_db = {"selector": "role == 'db'"}
    index.put_policy(
        policy("a", tier="sec", order=1.0, ingress=(Rule(PASS, source=Side(selector=front)),), **on_db)
    )
    lan = Side(nets=(Prefix.parse("10.9.0.0/16"),))
    index.put_policy(
        policy("b", tier="sec", order=2.0, ingress=(Rule(DENY, families=(4,), source=lan),), **on_db)
    )
    staged = HitKind.STAGED_GLOBAL_NETWORK_POLICY
    index.put_policy(policy("c", kind=staged, tier="sec", order=0.0, ingress=c_rules, **on_db))
    allow = Rule(
        ALLOW, protocol=6, source=Side(selector=front), destination=Side(ports=(PortRange(5432, 5432),))
    )
    index.put_policy(policy("allow-fe", kind=HitKind.NETWORK_POLICY, order=1000.0, ingress=(allow,), **on_db))
    packet = tcp(source={"fe": CLIENT, "other": OTHER}[source], port=port)
    report = evaluate(index.plan(), packet).dst
    assert [hit.text() for hit in report.enforced] == enforced
    if c_rules:
        assert [hit.text() for hit in report.pending] == ["0|sec|sgnp:c|deny|0"]
    elif source == "other":
        assert [hit.text() for hit in report.pending] == ["0|sec|sgnp:c|deny|-1"]


def test_packets_that_cannot_be():
    with pytest.raises(PacketError, match="not of one IP family"):
        Packet(CLIENT, SERVER6, 6, 80)
    with pytest.raises(PacketError, match="0 to 65535"):
        Packet(CLIENT, SERVER, 6, 70000)
