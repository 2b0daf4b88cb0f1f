"""Cluster-wide policies of both versions. Source: spec/policy-semantics §3.13, §10.3, §16.19."""

from typing import Any

import pytest

from ocicat.base.problem import Severity, has_errors
from support.clusterwide import EVERYBODY, KINDS, PEER, judged, rule, without, written
from support.judged import problems

# --- the policy ---------------------------------------------------------------------------------------------

CLUSTER_WHOLE = """
tier: Baseline
priority: 1000
subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}}
ingress:
- action: Accept
  from: [{namespaces: {}}, {pods: {namespaceSelector: {}, podSelector: {}}}, {pods: {podSelector: {}}}]
- {name: named, action: Deny, from: [{namespaces: {}}], protocols: [{destinationNamedPort: http}]}
egress:
- action: Pass
  to: [{nodes: {}}, {networks: [10.0.0.0/8, 10.0.0.1/8, "fd00::/8", 0.0.0.0/0]}]
  protocols:
  - tcp: {destinationPort: {number: 1}}
  - udp: {destinationPort: {range: {start: 1, end: 65535}}}
  - sctp: {destinationPort: {number: 65535}}
"""
ADMIN_WHOLE = """
priority: 0
subject: {pods: {namespaceSelector: {}, podSelector: {}}}
ingress:
- {action: Pass, from: [{namespaces: {}}], ports: [{namedPort: http}]}
egress:
- action: Deny
  to: [{nodes: {}}, {networks: [10.0.0.0/8]}]
  ports:
  - portNumber: {port: 80}
  - portNumber: {protocol: SCTP, port: 80}
  - portRange: {protocol: UDP, start: 1, end: 1}
- {action: Allow, to: [{namespaces: {}}], ports: []}
"""


def test_policies_with_everything() -> None:
    assert judged("ClusterNetworkPolicy", CLUSTER_WHOLE) == []
    assert judged("AdminNetworkPolicy", ADMIN_WHOLE) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_without_rules(kind: str) -> None:
    assert judged(kind) == []


@pytest.mark.parametrize("tier", ["Admin", "Baseline"])
def test_tiers(tier: str) -> None:
    assert judged("ClusterNetworkPolicy", {"tier": tier}) == []


@pytest.mark.parametrize("tier", ["admin", "default", ""])
def test_an_unknown_tier(tier: str) -> None:
    expected = [("NP0901", "spec.tier", 'supported values: "Admin", "Baseline"')]
    assert judged("ClusterNetworkPolicy", {"tier": tier}) == expected


@pytest.mark.parametrize("kind", KINDS[:2])
def test_priorities(kind: str) -> None:
    """§3.13: "`spec.priority` 0 to 1000 (int32, required)"."""
    assert judged(kind, {"priority": 0}) == judged(kind, {"priority": 1000}) == []
    assert without(kind, "priority") == [("NP0902", "spec.priority", "Required value")]
    above = [("NP0902", "spec.priority", "should be less than or equal to 1000")]
    assert judged(kind, {"priority": 1001}) == above
    below = [("NP0902", "spec.priority", "should be greater than or equal to 0")]
    assert judged(kind, {"priority": -1}) == below


def test_there_is_one_baseline() -> None:
    """§3.13: "BaselineAdminNetworkPolicy must be named `default`"."""
    what = 'Only one baseline admin network policy with metadata.name="default" can be created in the cluster'
    assert judged("BaselineAdminNetworkPolicy", name="second") == [("NP0920", "metadata.name", what)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("subject", "count"),
    [(None, 0), ({}, 0), ({"namespaces": {}, "pods": {"namespaceSelector": {}, "podSelector": {}}}, 2)],
)
def test_a_subject_is_one_of_two(kind: str, subject: dict[str, Any] | None, count: int) -> None:
    found = without(kind, "subject") if subject is None else judged(kind, {"subject": subject})
    assert found == [("NP0903", "spec.subject", f"must have exactly one field, and has {count}")]


@pytest.mark.parametrize("kind", KINDS)
def test_the_labels_of_a_subject_are_understood(kind: str) -> None:
    """§10.3: without a subject "the whole policy is ignored"."""
    requirement = {"matchExpressions": [{"key": "a", "operator": "Near"}]}
    for subject, path in (
        ({"namespaces": requirement}, "namespaces"),
        ({"pods": {"namespaceSelector": {}, "podSelector": requirement}}, "pods.podSelector"),
    ):
        place = f"spec.subject.{path}.matchExpressions[0].operator"
        found = judged(kind, {"subject": subject})
        assert found == [("NP0922", place, "not a valid selector operator")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("direction", "peers"), EVERYBODY)
def test_a_direction_has_a_bounded_number_of_rules(kind: str, direction: str, peers: str) -> None:
    """§3.13: "≤25 rules each"; v1alpha1 "≤100 rules"."""
    most = 25 if kind == "ClusterNetworkPolicy" else 100
    one = {"action": "Deny", peers: [PEER]}
    assert judged(kind, {direction: [one] * most}) == []
    expected = [("NP0904", f"spec.{direction}", f"must have at most {most} items")]
    assert judged(kind, {direction: [one] * (most + 1)}) == expected


# --- rules --------------------------------------------------------------------------------------------------

ACTIONS = [
    ("ClusterNetworkPolicy", ["Accept", "Deny", "Pass"], ["Allow", "accept", "Log", ""]),
    ("AdminNetworkPolicy", ["Allow", "Deny", "Pass"], ["Accept", "allow", ""]),
    ("BaselineAdminNetworkPolicy", ["Allow", "Deny"], ["Pass", "Accept", ""]),
]


@pytest.mark.parametrize(("kind", "good", "bad"), ACTIONS)
@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_actions(kind: str, good: list[str], bad: list[str], direction: str) -> None:
    for action in good:
        assert rule(kind, {"action": action}, direction) == []
    supported = "supported values: " + ", ".join(f'"{action}"' for action in good)
    for action in bad:
        assert rule(kind, {"action": action}, direction) == [("NP0906", "action", supported)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_name_of_a_rule(kind: str) -> None:
    """§3.13: "`name` ≤100"."""
    assert rule(kind, {"name": "é" * 100}) == []
    too_long = [("NP0905", "name", "may not be longer than 100 characters")]
    assert rule(kind, {"name": "a" * 101}) == too_long


# --- peers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("direction", "peers"), EVERYBODY)
def test_a_rule_has_a_bounded_number_of_peers(kind: str, direction: str, peers: str) -> None:
    """§3.13: "1 to 25 peers"; v1alpha1 "≤100 peers"."""
    most = 25 if kind == "ClusterNetworkPolicy" else 100
    assert rule(kind, {peers: [PEER] * most}, direction) == []
    above = [("NP0907", peers, f"must have at most {most} items")]
    assert rule(kind, {peers: [PEER] * (most + 1)}, direction) == above
    assert rule(kind, {peers: []}, direction) == [("NP0907", peers, "must have at least 1 item")]


INGRESS_PEERS = [
    ({}, "none"),
    ({"namespaces": {}, "pods": {"namespaceSelector": {}, "podSelector": {}}}, "namespaces and pods"),
    ({"networks": ["10.0.0.0/8"]}, "networks"),
    ({"nodes": {}}, "nodes"),
    ({"domainNames": ["example.com"]}, "domainNames"),
    ({"namespaces": {}, "nodes": {}}, "namespaces and nodes"),
]
EGRESS_PEERS = [
    ({}, "none"),
    ({"namespaces": {}, "nodes": {}}, "namespaces and nodes"),
    ({"nodes": {}, "networks": ["10.0.0.0/8"]}, "nodes and networks"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("peer", "given"), INGRESS_PEERS)
def test_an_ingress_peer_is_one_of_two(kind: str, peer: dict[str, Any], given: str) -> None:
    what = f"must have exactly one of namespaces, pods, and has {given}"
    assert rule(kind, {"from": [PEER, peer]}, "ingress") == [("NP0908", "from[1]", what)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("peer", "given"), EGRESS_PEERS)
def test_an_egress_peer_is_one_of_five(kind: str, peer: dict[str, Any], given: str) -> None:
    what = f"must have exactly one of namespaces, pods, nodes, networks, domainNames, and has {given}"
    assert rule(kind, {"to": [peer]}) == [("NP0908", "to[0]", what)]


@pytest.mark.parametrize("kind", KINDS)
def test_pods_are_named_by_two_selectors(kind: str) -> None:
    """Refused by the API server, but of one meaning: reported, and followed."""
    missing = problems(written(kind, {"subject": {"pods": {}}}))
    both = ["podSelector"] if kind == "ClusterNetworkPolicy" else ["namespaceSelector", "podSelector"]
    assert [(problem.code, problem.severity) for problem in missing] == [("NP0909", Severity.WARNING)] * len(
        both
    )
    assert [problem.what.split(" ")[0] for problem in missing] == both
    found = rule(kind, {"to": [{"pods": {"namespaceSelector": {}}}]})
    assert found == [("NP0909", "to[0].pods", "podSelector is required; without one, all pods are meant")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("peer", "path"),
    [
        (
            "{namespaces: {matchExpressions: [{key: a, operator: In}]}}",
            "namespaces.matchExpressions[0].values",
        ),
        ("{nodes: {matchLabels: {a: b c}}}", "nodes.matchLabels.a"),
        (
            "{pods: {namespaceSelector: {}, podSelector: {matchLabels: {a b: c}}}}",
            'pods.podSelector.matchLabels["a b"]',
        ),
    ],
)
def test_the_labels_of_a_peer_may_be_nonsense(kind: str, peer: str, path: str) -> None:
    """CRDs do not look; an error would take away a whole policy that may deny."""
    (problem,) = problems(written(kind, f"egress: [{{action: Deny, to: [{peer}]}}]"))
    assert (problem.code, problem.severity) == ("NP0921", Severity.WARNING)
    assert problem.where.path == f"spec.egress[0].to[0].{path}"


NETWORKS = [
    ("10.0.0.1", "write 10.0.0.1/32"),
    ("10.0.0.0/33", "write a length of 0 to 32 after the slash"),
    ("10.10.10.1-10.10.10.1", "write address/length"),
    ("2001:db8:a0b:12f0::::0:1/128", "write address/length"),
    ("::ffff:10.0.0.0/104", "write ::ffff:a00:0/104"),
    ("", "write address/length"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("network", "fix"), NETWORKS)
def test_a_network_is_a_cidr(kind: str, network: str, fix: str) -> None:
    """§3.13: "`Invalid CIDR format provided`"."""
    spec = {"egress": [{"action": "Deny", "to": [{"networks": ["10.0.0.0/8", network]}]}]}
    (problem,) = problems(written(kind, spec))
    assert (problem.code, problem.where.path) == ("NP0917", "spec.egress[0].to[0].networks[1]")
    assert problem.what == "Invalid CIDR format provided"


def test_a_network_has_at_most_43_characters() -> None:
    longest = "fd00:0000:0000:0000:0000:0000:0000:0000/128"
    assert len(longest) == 43
    assert rule("ClusterNetworkPolicy", {"to": [{"networks": [longest]}]}) == []
    found = rule(
        "ClusterNetworkPolicy", {"to": [{"networks": ["0000:0000:0000:0000:0000:0000:255.255.255.255/128"]}]}
    )
    assert found == [("NP0917", "to[0].networks[0]", "may not be longer than 43 characters")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_peer_has_at_most_25_networks_each_once(kind: str) -> None:
    networks = [f"10.{number}.0.0/16" for number in range(25)]
    assert rule(kind, {"to": [{"networks": networks}]}) == []
    above = rule(kind, {"to": [{"networks": [*networks, "11.0.0.0/8"]}]})
    assert above == [("NP0916", "to[0].networks", "must have at most 25 items")]
    assert rule(kind, {"to": [{"networks": []}]}) == [
        ("NP0916", "to[0].networks", "must have at least 1 item")
    ]
    twice = rule(kind, {"to": [{"networks": ["10.0.0.0/8", "10.0.0.0/8"]}]})
    assert twice == [("NP0916", "to[0].networks[1]", "duplicate value")]


# --- domain names -------------------------------------------------------------------------------------------

CLOSED = [
    ("ClusterNetworkPolicy", "Accept", "so the rule is dropped: it does not Accept anything"),
    ("ClusterNetworkPolicy", "Deny", "so the rule denies all egress"),
    ("ClusterNetworkPolicy", "Pass", "so the rule denies all egress"),
    ("AdminNetworkPolicy", "Allow", "so the rule is dropped: it does not Allow anything"),
    ("AdminNetworkPolicy", "Pass", "so the rule denies all egress"),
    ("BaselineAdminNetworkPolicy", "Deny", "so the rule denies all egress"),
]


@pytest.mark.parametrize(("kind", "action", "consequence"), CLOSED)
def test_domain_names_fail_closed_aloud(kind: str, action: str, consequence: str) -> None:
    """§16.19: "`domainNames` stays fail closed, with a warning"."""
    names = ["example.com", "*.example.com", "a-b.example.com."]
    found = problems(written(kind, {"egress": [{"action": action, "to": [PEER, {"domainNames": names}]}]}))
    assert [(problem.code, problem.where.path, problem.what) for problem in found] == [
        ("NP0919", "spec.egress[0]", f"domainNames are not supported, {consequence}")
    ]
    assert not has_errors(found)


@pytest.mark.parametrize("name", ["com", "*", "a.*.com", "exa mple.com", "-a.com", "a..com", ""])
def test_what_is_no_domain_name(name: str) -> None:
    found = rule("ClusterNetworkPolicy", {"to": [{"domainNames": [name]}]})
    assert [(code, path) for code, path, _ in found] == [("NP0918", "to[0].domainNames[0]"), ("NP0919", "")]


def test_a_peer_has_1_to_25_domain_names() -> None:
    for names, what in (([], "at least 1 item"), ([f"a{i}.com" for i in range(26)], "at most 25 items")):
        found = rule("ClusterNetworkPolicy", {"to": [{"domainNames": names}]})
        assert found[0] == ("NP0916", "to[0].domainNames", f"must have {what}")
