"""Kubernetes NetworkPolicy, enforced and staged: policy-semantics §10.2."""

import pytest

from ocicat.engine.convert import policy_of
from ocicat.engine.policy import Policy, PolicyKey, Rule, Side
from ocicat.model.flow import Action, HitKind
from ocicat.model.net import PortRange, Prefix
from ocicat.model.selector import Selector
from support.written import codes, policy, resource

ENFORCED, STAGED = "networking.k8s.io/v1", "projectcalico.org/v3"
KINDS = {
    "NetworkPolicy": (ENFORCED, HitKind.NETWORK_POLICY),
    "StagedKubernetesNetworkPolicy": (STAGED, HitKind.STAGED_KUBERNETES_NETWORK_POLICY),
}


def document(spec: str, kind: str = "NetworkPolicy") -> str:
    return f"""
        apiVersion: {KINDS[kind][0]}
        kind: {kind}
        metadata: {{name: p, namespace: ns}}
        spec: {" ".join(spec.split())}
        """


def knp(spec: str, kind: str = "NetworkPolicy") -> Policy:
    return policy(document(spec, kind))


def ingress(rule: str) -> tuple[Rule, ...]:
    rules = knp(f"{{policyTypes: [Ingress], ingress: [{rule}]}}").ingress
    assert rules is not None
    return rules


def egress(rule: str) -> tuple[Rule, ...]:
    rules = knp(f"{{policyTypes: [Egress], egress: [{rule}]}}").egress
    assert rules is not None
    return rules


def ranges(*texts: str) -> tuple[PortRange, ...]:
    bounds = (text.split("-") for text in texts)
    return tuple(PortRange(int(bound[0]), int(bound[-1])) for bound in bounds)


@pytest.mark.parametrize("kind", KINDS)
def test_place(kind: str) -> None:
    """§10.2: "same namespace and name, tier `default`, **order 1000**"."""
    converted = knp("{}", kind)
    assert converted.key == PolicyKey(KINDS[kind][1], "ns", "p")
    assert (converted.tier, converted.order) == ("default", 1000)


@pytest.mark.parametrize("kind", KINDS)
def test_selector(kind: str) -> None:
    """§10.2: "`projectcalico.org/orchestrator == 'k8s'` AND each matchLabels … AND each matchExpressions"."""
    spec = """
        {podSelector: {matchLabels: {b: '2', a: '1'}, matchExpressions: [
          {key: c, operator: In, values: [y, x]}, {key: d, operator: NotIn, values: [z]},
          {key: e, operator: Exists}, {key: f, operator: DoesNotExist}]}}
        """
    expected = """
        projectcalico.org/namespace == 'ns' && (projectcalico.org/orchestrator == 'k8s' && a == '1'
        && b == '2' && c in {'x', 'y'} && d not in {'z'} && has(e) && !has(f))
        """
    assert knp(spec, kind).selector == Selector.parse(" ".join(expected.split()))


TYPES = [
    # "types = policyTypes in the order Ingress, Egress; if none, Ingress"
    ("{policyTypes: [Ingress]}", True, False),
    ("{policyTypes: [Egress]}", False, True),
    ("{policyTypes: [Egress, Ingress]}", True, True),
    ("{}", True, False),
    ("{policyTypes: [], egress: [{}]}", True, False),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("spec", "governs_ingress", "governs_egress"), TYPES)
def test_types(kind: str, spec: str, governs_ingress: bool, governs_egress: bool) -> None:
    converted = knp(spec, kind)
    assert (converted.ingress is not None, converted.egress is not None) == (governs_ingress, governs_egress)


def test_staged_actions() -> None:
    """§3.7, §16.2."""
    kind = "StagedKubernetesNetworkPolicy"
    assert policy_of(resource(document("{stagedAction: Delete}", kind))) == (None, [])
    assert knp("{stagedAction: Learn}", kind) == knp("{stagedAction: Ignore}", kind) == knp("{}", kind)


# --- ports --------------------------------------------------------------------------------------------------

PORTS = [
    # "an absent port list makes one group without protocol"
    ("[]", [(None, (), ())]),
    # "absent protocol = TCP"
    ("[{port: 80}]", [(6, ranges("80"), ())]),
    ("[{protocol: UDP, port: 53}]", [(17, ranges("53"), ())]),
    # "for each protocol name in ascending string order": SCTP, TCP, UDP
    (
        "[{protocol: UDP, port: 1}, {protocol: TCP, port: 2}, {protocol: SCTP, port: 3}]",
        [(132, ranges("3"), ()), (6, ranges("2"), ()), (17, ranges("1"), ())],
    ),
    # "An item with a protocol but no port makes that protocol unrestricted", before or after others.
    ("[{protocol: TCP}]", [(6, (), ())]),
    ("[{port: 80}, {protocol: TCP}, {port: http}]", [(6, (), ())]),
    ("[{protocol: TCP}, {port: 80}]", [(6, (), ())]),
    ("[{}]", [(6, (), ())]),
    ("[{protocol: UDP}, {port: 80}]", [(6, ranges("80"), ()), (17, (), ())]),
    # "`endPort` → range `port:endPort`"
    ("[{port: 80, endPort: 90}]", [(6, ranges("80-90"), ())]),
    ("[{port: 80, endPort: 80}]", [(6, ranges("80"), ())]),
    # "Ports of a group are merged into minimal ranges"
    (
        "[{port: 82}, {port: 80}, {port: 81}, {port: 85, endPort: 90}, {port: 88}]",
        [(6, ranges("80-82", "85-90"), ())],
    ),
    # "named ones first"
    ("[{port: 80}, {port: http}, {port: 81}]", [(6, ranges("80-81"), ("http",))]),
    ("[{port: http}]", [(6, (), ("http",))]),
]


@pytest.mark.parametrize(("ports", "expected"), PORTS)
def test_ports_go_to_the_destination_in_both_directions(
    ports: str, expected: list[tuple[int | None, tuple[PortRange, ...], tuple[str, ...]]]
) -> None:
    for rules in (ingress(f"{{ports: {ports}}}"), egress(f"{{ports: {ports}}}")):
        found = [(rule.protocol, rule.destination.ports, rule.destination.named_ports) for rule in rules]
        assert found == expected
        assert all(rule.source == Side() for rule in rules)
        assert all(rule.action is Action.ALLOW and rule.families == (4, 6) for rule in rules)


# --- peers --------------------------------------------------------------------------------------------------

K8S = "projectcalico.org/orchestrator == 'k8s'"
IN_NS = "projectcalico.org/namespace == 'ns'"
PEERS = [
    # "namespaceSelector: nil → empty (same namespace)"
    ("{podSelector: {}}", f"{IN_NS} && {K8S}"),
    ("{podSelector: {matchLabels: {a: b}}}", f"{IN_NS} && ({K8S} && a == 'b')"),
    # "`{}` → `all()`", which §5.4 reads as "has a namespace"
    ("{namespaceSelector: {}}", f"has(projectcalico.org/namespace) && {K8S}"),
    ("{namespaceSelector: {matchLabels: {t: r}}}", f"pcns.t == 'r' && {K8S}"),
    (
        "{namespaceSelector: {matchExpressions: [{key: t, operator: NotIn, values: [r]}]}, podSelector: {}}",
        f"pcns.t not in {{'r'}} && {K8S}",
    ),
    (
        "{namespaceSelector: {matchLabels: {t: r, u: s}}, podSelector: {matchLabels: {a: b}}}",
        f"(pcns.t == 'r' && pcns.u == 's') && ({K8S} && a == 'b')",
    ),
    ("{}", f"{IN_NS} && {K8S}"),
]


@pytest.mark.parametrize(("peer", "expected"), PEERS)
def test_peers_by_labels(peer: str, expected: str) -> None:
    side = Side(selector=Selector.parse(expected))
    assert ingress(f"{{from: [{peer}]}}") == (Rule(Action.ALLOW, source=side),)
    assert egress(f"{{to: [{peer}]}}") == (Rule(Action.ALLOW, destination=side),)


def net(text: str) -> Prefix:
    return Prefix.parse(text, strict=False)


BLOCKS = [
    # "ipBlock → nets [cidr], notNets except (all masked)"
    ("{cidr: 10.0.0.0/8}", Side(nets=(net("10.0.0.0/8"),)), (4,)),
    (
        "{cidr: 10.1.2.3/8, except: [10.2.3.4/16]}",
        Side(nets=(net("10.0.0.0/8"),), not_nets=(net("10.2.0.0/16"),)),
        (4,),
    ),
    ("{cidr: 'fd00::1/8'}", Side(nets=(net("fd00::/8"),)), (6,)),
    # §6.1: a notNets list without CIDR of the family, or with its catch-all, leaves no family.
    (
        "{cidr: 10.0.0.0/8, except: ['fd00::/16']}",
        Side(nets=(net("10.0.0.0/8"),), not_nets=(net("fd00::/16"),)),
        (),
    ),
    (
        "{cidr: 0.0.0.0/0, except: [0.0.0.0/0]}",
        Side(nets=(net("0.0.0.0/0"),), not_nets=(net("0.0.0.0/0"),)),
        (),
    ),
]


@pytest.mark.parametrize(("block", "side", "families"), BLOCKS)
def test_peers_by_address(block: str, side: Side, families: tuple[int, ...]) -> None:
    assert ingress(f"{{from: [{{ipBlock: {block}}}]}}") == (Rule(Action.ALLOW, families, source=side),)
    assert egress(f"{{to: [{{ipBlock: {block}}}]}}") == (Rule(Action.ALLOW, families, destination=side),)


def test_absent_peers_are_one_peer_any() -> None:
    assert ingress("{}") == egress("{}") == (Rule(Action.ALLOW),)


def test_order_is_by_protocol_then_by_peer() -> None:
    """§10.2: "for each protocol name in ascending string order, for each peer in list order → one rule"."""
    peers = "[{ipBlock: {cidr: 10.2.0.0/16}}, {ipBlock: {cidr: 10.1.0.0/16}}]"
    ports = "[{protocol: UDP, port: 53}, {port: 80}]"
    expected = [(6, "10.2.0.0/16"), (6, "10.1.0.0/16"), (17, "10.2.0.0/16"), (17, "10.1.0.0/16")]
    found = [
        (rule.protocol, str(rule.source.nets[0])) for rule in ingress(f"{{from: {peers}, ports: {ports}}}")
    ]
    assert found == expected
    found = [
        (rule.protocol, str(rule.destination.nets[0])) for rule in egress(f"{{to: {peers}, ports: {ports}}}")
    ]
    assert found == expected


# --- what has no meaning ------------------------------------------------------------------------------------

UNCONVERTIBLE = [
    # §16.15: "Unparsable ipBlock …: drop the rule", the whole one, good peers included
    "{from: [{podSelector: {}}, {ipBlock: {cidr: nowhere}}]}",
    "{from: [{ipBlock: {cidr: 10.0.0.1}}]}",
    "{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0]}}]}",
    "{from: [{podSelector: {matchExpressions: [{key: a, operator: Is}]}}]}",
    "{from: [{namespaceSelector: {matchExpressions: [{key: a, operator: In}]}}]}",
    "{ports: [{port: 80}, {protocol: tcp}]}",
    "{ports: [{port: 0}]}",
    "{ports: [{port: 65536}]}",
    "{ports: [{port: 90, endPort: 80}]}",
    "{ports: [{port: http, endPort: 80}]}",
    "{ports: [{endPort: 80}]}",
    "{ports: [{port: -5, endPort: 80}]}",
    "{ports: [{port: 'a b'}]}",
]


@pytest.mark.parametrize("rule", UNCONVERTIBLE)
def test_an_unconvertible_rule_is_dropped_and_reported(rule: str) -> None:
    """§10.2: "An unconvertible rule is dropped (allows nothing)."."""
    spec = (
        f"{{policyTypes: [Ingress], ingress: [{{ports: [{{port: 1}}]}}, {rule}, {{ports: [{{port: 2}}]}}]}}"
    )
    converted, problems = policy_of(resource(document(spec)))
    assert codes(problems) == [("CV0002", "spec.ingress[1]")]
    assert converted is not None
    assert converted.ingress is not None
    assert [rule.destination.ports for rule in converted.ingress] == [ranges("1"), ranges("2")]


def test_a_policy_of_unconvertible_rules_isolates() -> None:
    spec = "{policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: ''}}]}]}"
    converted, problems = policy_of(resource(document(spec)))
    assert converted is not None
    assert converted.egress == ()
    assert codes(problems) == [("CV0002", "spec.egress[0]")]


def test_a_pod_selector_without_meaning_makes_the_policy_absent() -> None:
    """Left out, the expression would select more pods than were meant."""
    spec = "{podSelector: {matchExpressions: [{key: a, operator: Gt, values: ['1']}]}}"
    converted, problems = policy_of(resource(document(spec)))
    assert converted is None
    assert codes(problems) == [("CV0001", "spec.podSelector")]
