"""Kubernetes NetworkPolicies, and the staged ones that preview them.

Source: spec/policy-semantics §3.12, §3.7; what kube-apiserver refuses, in its words.
"""

from typing import Any

import pytest

from ocicat.base.problem import Severity
from support.judged import KUBERNETES, Told, document, problems, told

RANGE = "must be between 1 and 65535, inclusive"
CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
SUBSET = "must be a strict subset of `cidr`"
STAGED = "StagedKubernetesNetworkPolicy"


def judged(spec: Any) -> list[Told]:
    return told(document("NetworkPolicy", spec, KUBERNETES))


WHOLE = """
podSelector: {matchLabels: {app: web}, matchExpressions: [{key: tier, operator: In, values: [a, b]}]}
policyTypes: [Ingress, Egress]
ingress:
- {}
- from:
  - podSelector: {}
  - namespaceSelector: {matchExpressions: [{key: a, operator: Exists}, {key: b, operator: DoesNotExist}]}
  - {podSelector: {}, namespaceSelector: {}}
  - ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.3.4/32]}
  - ipBlock: {cidr: "fd00::/8", except: ["fd00:1::/32"]}
  ports:
  - {}
  - {port: 80}
  - {protocol: UDP, port: 1, endPort: 65535}
  - {protocol: SCTP, port: http}
  - {port: 80, endPort: 80}
egress:
- to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}}]
"""


def test_a_policy_with_everything() -> None:
    assert judged(WHOLE) == []
    assert judged({}) == []


PORTS = [
    ("{protocol: tcp}", "NP0801", "protocol", 'supported values: "SCTP", "TCP", "UDP"'),
    ("{protocol: ICMP}", "NP0801", "protocol", 'supported values: "SCTP", "TCP", "UDP"'),
    ("{port: 0}", "NP0802", "port", RANGE),
    ("{port: 65536}", "NP0802", "port", RANGE),
    ("{port: -1}", "NP0802", "port", RANGE),
    ("{port: '80'}", "NP0803", "port", "must contain at least one letter (a-z)"),
    (
        "{port: HTTPs}",
        "NP0803",
        "port",
        "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
    ),
    ("{port: abcdefghijklmnop}", "NP0803", "port", "must be no more than 15 characters"),
    ("{port: a--b}", "NP0803", "port", "must not contain consecutive hyphens"),
    ("{endPort: 80}", "NP0804", "endPort", "may not be specified when `port` is not specified"),
    ("{port: http, endPort: 80}", "NP0804", "endPort", "may not be specified when `port` is non-numeric"),
    ("{port: 80, endPort: 79}", "NP0804", "endPort", "must be greater than or equal to `port`"),
    ("{port: 80, endPort: 65536}", "NP0802", "endPort", RANGE),
]


@pytest.mark.parametrize("direction", ["ingress", "egress"])
@pytest.mark.parametrize(("port", "code", "path", "what"), PORTS)
def test_what_is_no_port(direction: str, port: str, code: str, path: str, what: str) -> None:
    found = judged(f"{direction}: [{{}}, {{ports: [{{port: 1}}, {port}]}}]")
    assert found == [(code, f"spec.{direction}[1].ports[1].{path}", what)]


def test_the_fixes_of_ports() -> None:
    spec = "ingress: [{ports: [{protocol: udp}, {port: 90, endPort: 80}, {port: HTTP}]}]"
    found = problems(document("NetworkPolicy", spec, KUBERNETES))
    assert [problem.fix for problem in found] == ["write UDP", "write port: 80 and endPort: 90", "write http"]


PEERS = [
    ("{}", "NP0805", "", "must specify a peer"),
    (
        "{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}",
        "NP0806",
        "",
        "may not specify both ipBlock and another peer",
    ),
    (
        "{namespaceSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}",
        "NP0806",
        "",
        "may not specify both ipBlock and another peer",
    ),
    ("{ipBlock: {}}", "NP0807", ".ipBlock.cidr", CIDR),
    ("{ipBlock: {cidr: 10.0.0.1}}", "NP0807", ".ipBlock.cidr", CIDR),
    ("{ipBlock: {cidr: 10.0.0.0/33}}", "NP0807", ".ipBlock.cidr", CIDR),
    ("{ipBlock: {cidr: nowhere/8}}", "NP0807", ".ipBlock.cidr", CIDR),
    ("{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.1]}}", "NP0807", ".ipBlock.except[0]", CIDR),
    # "except strictly inside cidr"
    ("{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}", "NP0809", ".ipBlock.except[0]", SUBSET),
    ("{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/7]}}", "NP0809", ".ipBlock.except[0]", SUBSET),
    (
        "{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 11.0.0.0/16]}}",
        "NP0809",
        ".ipBlock.except[1]",
        SUBSET,
    ),
    ("{ipBlock: {cidr: 10.0.0.0/8, except: ['fd00::/16']}}", "NP0809", ".ipBlock.except[0]", SUBSET),
    (
        "{ipBlock: {cidr: 10.0.0.1/8}}",
        "NP0808",
        ".ipBlock.cidr",
        "the net is 10.0.0.0/8; the bits behind the length are ignored",
    ),
]


@pytest.mark.parametrize(("direction", "peers"), [("ingress", "from"), ("egress", "to")])
@pytest.mark.parametrize(("peer", "code", "path", "what"), PEERS)
def test_what_is_no_peer(direction: str, peers: str, peer: str, code: str, path: str, what: str) -> None:
    found = judged(f"{direction}: [{{{peers}: [{{podSelector: {{}}}}, {peer}]}}]")
    assert found == [(code, f"spec.{direction}[0].{peers}[1]{path}", what)]


def test_host_bits_are_a_warning() -> None:
    spec = "ingress: [{from: [{ipBlock: {cidr: 10.0.0.1/8}}]}]"
    (problem,) = problems(document("NetworkPolicy", spec, KUBERNETES))
    assert (problem.severity, problem.fix) == (Severity.WARNING, "write 10.0.0.0/8")


SELECTORS = [
    ("{matchExpressions: [{key: a, operator: In}]}", "NP0815", "matchExpressions[0].values"),
    ("{matchExpressions: [{key: a, operator: NotIn, values: []}]}", "NP0815", "matchExpressions[0].values"),
    ("{matchExpressions: [{key: a, operator: Exists, values: [b]}]}", "NP0816", "matchExpressions[0].values"),
    (
        "{matchExpressions: [{key: a, operator: DoesNotExist, values: [b]}]}",
        "NP0816",
        "matchExpressions[0].values",
    ),
    ("{matchExpressions: [{key: a, operator: in, values: [b]}]}", "NP0814", "matchExpressions[0].operator"),
    ("{matchExpressions: [{key: a}]}", "NP0814", "matchExpressions[0].operator"),
    ("{matchExpressions: [{key: a b, operator: Exists}]}", "NP0812", "matchExpressions[0].key"),
    (
        "{matchExpressions: [{key: a, operator: In, values: [b, c d]}]}",
        "NP0813",
        "matchExpressions[0].values[1]",
    ),
    ("{matchLabels: {a b: c}}", "NP0812", 'matchLabels["a b"]'),
    ("{matchLabels: {a: c d}}", "NP0813", "matchLabels.a"),
]
PLACES = [
    ("podSelector: {}", "spec.podSelector"),
    ("ingress: [{{from: [{{podSelector: {}}}]}}]", "spec.ingress[0].from[0].podSelector"),
    ("egress: [{{to: [{{namespaceSelector: {}}}]}}]", "spec.egress[0].to[0].namespaceSelector"),
]


@pytest.mark.parametrize(("spec", "place"), PLACES)
@pytest.mark.parametrize(("selector", "code", "path"), SELECTORS)
def test_what_is_no_label_selector(spec: str, place: str, selector: str, code: str, path: str) -> None:
    found = judged(spec.format(selector))
    assert [(each[0], each[1]) for each in found] == [(code, f"{place}.{path}")]


def test_the_messages_of_label_selectors() -> None:
    requirements = [
        {"key": "a", "operator": "In"},
        {"key": "a", "operator": "Exists", "values": ["b"]},
        {"key": "a", "operator": "exists"},
    ]
    spec = {"podSelector": {"matchExpressions": requirements}}
    found = problems(document("NetworkPolicy", spec, KUBERNETES))
    assert [(problem.what, problem.fix) for problem in found] == [
        (
            "must be specified when `operator` is 'In' or 'NotIn'",
            "add values, or write Exists or DoesNotExist",
        ),
        (
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            "remove values, or write In or NotIn",
        ),
        ("not a valid selector operator", "write Exists"),
    ]


def test_policy_types() -> None:
    assert judged({"policyTypes": ["Ingress", "Ingress"]}) == []
    unknown = 'supported values: "Ingress", "Egress"'
    assert judged({"policyTypes": ["Ingress", "egress"]}) == [("NP0810", "spec.policyTypes[1]", unknown)]
    found = judged({"policyTypes": ["Ingress", "Egress", "Ingress"]})
    assert found == [("NP0811", "spec.policyTypes", "may not specify more than two policyTypes")]


# --- staged -------------------------------------------------------------------------------------------------


def test_a_staged_policy_with_everything() -> None:
    for action in ("Set", "Learn", "Ignore", ""):
        spec = f"stagedAction: {action or repr(action)}\n{WHOLE}"
        assert told(document(STAGED, spec)) == []
    assert told(document(STAGED, {"podSelector": {}})) == []


def test_an_unknown_staged_action() -> None:
    what = 'supported values: "Set", "Delete", "Learn", "Ignore"'
    assert told(document(STAGED, {"stagedAction": "delete"})) == [("NP0301", "spec.stagedAction", what)]


@pytest.mark.parametrize("spec", [{}, {"podSelector": {}}, {"ingress": [], "policyTypes": []}])
def test_a_staged_deletion_says_nothing_else(spec: dict[str, Any]) -> None:
    assert told(document(STAGED, {"stagedAction": "Delete", **spec})) == []


@pytest.mark.parametrize(
    "spec",
    [{"podSelector": {"matchLabels": {"a": "b"}}}, {"ingress": [{}]}, {"policyTypes": ["Ingress"]}],
)
def test_a_staged_deletion_that_says_more(spec: dict[str, Any]) -> None:
    what = "Spec fields should all be zero-value if stagedAction is Delete"
    assert told(document(STAGED, {"stagedAction": "Delete", **spec})) == [("NP0303", "spec", what)]


FAILED = "conversion to stagednetworkpolicy failed"
UNCONVERTIBLE = [
    (
        "{port: 90, endPort: 80}",
        f"{FAILED} minimum port number (90) is greater than maximum port number (80) in port range",
    ),
    ("{port: 'a b'}", f"{FAILED} invalid name for named port (a b)"),
    ("{port: 70000}", f"{FAILED} invalid port format (70000)"),
]


@pytest.mark.parametrize(("port", "what"), UNCONVERTIBLE)
def test_a_staged_policy_that_cannot_be_converted(port: str, what: str) -> None:
    """§3.7: "if conversion to a Calico policy fails, `conversion to stagednetworkpolicy failed <err>`"."""
    found = told(document(STAGED, f"egress: [{{ports: [{port}]}}]"))
    assert found == [("NP0304", "spec.egress[0].ports[0]", what)]


@pytest.mark.parametrize(
    ("selector", "path"),
    [
        ({"matchLabels": {"a b": "c"}}, 'matchLabels["a b"]'),
        ({"matchExpressions": [{"key": "a", "operator": "Near"}]}, "matchExpressions[0].operator"),
        ({"matchExpressions": [{"key": "a", "operator": "In"}]}, "matchExpressions[0].values"),
    ],
)
def test_a_staged_policy_that_selects_nothing_that_can_be_said(selector: dict[str, Any], path: str) -> None:
    ((code, place, what),) = told(document(STAGED, {"podSelector": selector}))
    assert (code, place) == ("NP0304", f"spec.podSelector.{path}")
    assert what.startswith(f"{FAILED} ")


def test_what_only_kubernetes_would_refuse_is_a_warning() -> None:
    spec = "ingress: [{from: [{}], ports: [{protocol: tcp}]}]\npolicyTypes: [egress]"
    found = problems(document(STAGED, spec))
    assert {(problem.code, problem.severity) for problem in found} == {("NP0305", Severity.WARNING)}
    assert [problem.where.path for problem in found] == [
        "spec.ingress[0].ports[0].protocol",
        "spec.ingress[0].from[0]",
        "spec.policyTypes[0]",
    ]
