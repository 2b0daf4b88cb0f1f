"""The cluster-wide policies of Kubernetes, new and old: policy-semantics §10.3, §16.6, §16.14, §16.19."""

import pytest

from ocicat.engine.convert import policy_of
from ocicat.engine.policy import Policy, PolicyKey, Rule, Side
from ocicat.model.flow import Action, HitKind
from ocicat.model.net import PortRange, Prefix
from ocicat.model.selector import Selector
from support.written import codes, policy, resource

K8S = "projectcalico.org/orchestrator == 'k8s'"
EVERY_NAMESPACE = "has(projectcalico.org/namespace)"
SUBJECT = "subject: {namespaces: {}}"
HEAD = {
    "ClusterNetworkPolicy": f"tier: Admin, priority: 7, {SUBJECT}",
    "AdminNetworkPolicy": f"priority: 7, {SUBJECT}",
    "BaselineAdminNetworkPolicy": SUBJECT,
}
HIT_KINDS = {
    "ClusterNetworkPolicy": HitKind.CLUSTER_NETWORK_POLICY,
    "AdminNetworkPolicy": HitKind.ADMIN_NETWORK_POLICY,
    "BaselineAdminNetworkPolicy": HitKind.BASELINE_ADMIN_NETWORK_POLICY,
}
WORDS = {
    "ClusterNetworkPolicy": {"Accept": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS},
    "AdminNetworkPolicy": {"Allow": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS},
    "BaselineAdminNetworkPolicy": {"Allow": Action.ALLOW, "Deny": Action.DENY},
}
DENY_ALL = Rule(Action.DENY)


def document(kind: str, spec: str) -> str:
    version = "v1alpha2" if kind == "ClusterNetworkPolicy" else "v1alpha1"
    return f"""
        apiVersion: policy.networking.k8s.io/{version}
        kind: {kind}
        metadata: {{name: kube-admin.p}}
        spec: {" ".join(spec.split())}
        """


def converted_with(kind: str, rules: str) -> tuple[Policy | None, list[tuple[str, str]]]:
    converted, problems = policy_of(resource(document(kind, f"{{{HEAD[kind]}, {rules}}}")))
    return converted, codes(problems)


def cnp(rules: str) -> Policy:
    return policy(document("ClusterNetworkPolicy", f"{{{HEAD['ClusterNetworkPolicy']}, {rules}}}"))


def ingress(rule: str) -> tuple[Rule, ...]:
    return cnp(f"ingress: [{rule}]").ingress or ()


def egress(rule: str) -> tuple[Rule, ...]:
    return cnp(f"egress: [{rule}]").egress or ()


# --- place and subject --------------------------------------------------------------------------------------

PLACES = [
    # "tier `kube-admin` (Admin) or `kube-baseline` (Baseline), order = priority"
    ("ClusterNetworkPolicy", f"{{tier: Admin, priority: 7, {SUBJECT}}}", "kube-admin", 7),
    ("ClusterNetworkPolicy", f"{{tier: Baseline, priority: 0, {SUBJECT}}}", "kube-baseline", 0),
    # "tiers `adminnetworkpolicy` (order = priority) and `baselineadminnetworkpolicy` (order 1000)"
    ("AdminNetworkPolicy", f"{{priority: 99, {SUBJECT}}}", "adminnetworkpolicy", 99),
    ("BaselineAdminNetworkPolicy", f"{{{SUBJECT}}}", "baselineadminnetworkpolicy", 1000),
]


@pytest.mark.parametrize(("kind", "spec", "tier", "order"), PLACES)
def test_place(kind: str, spec: str, tier: str, order: float) -> None:
    converted = policy(document(kind, spec))
    assert converted.key == PolicyKey(HIT_KINDS[kind], "", "kube-admin.p")
    assert (converted.tier, converted.order) == (tier, order)


IGNORED = [
    # "Unknown tier or missing subject → the whole policy is ignored"
    ("ClusterNetworkPolicy", f"{{tier: admin, priority: 1, {SUBJECT}}}", "spec.tier"),
    ("ClusterNetworkPolicy", f"{{priority: 1, {SUBJECT}}}", "spec.tier"),
    ("ClusterNetworkPolicy", "{tier: Admin, priority: 1}", "spec.subject"),
    ("ClusterNetworkPolicy", "{tier: Admin, priority: 1, subject: {}}", "spec.subject"),
    ("AdminNetworkPolicy", "{priority: 1}", "spec.subject"),
    ("BaselineAdminNetworkPolicy", "{}", "spec.subject"),
    # What the API server refuses, and what would otherwise select more than was meant.
    ("ClusterNetworkPolicy", f"{{tier: Admin, {SUBJECT}}}", "spec.priority"),
    ("AdminNetworkPolicy", f"{{{SUBJECT}}}", "spec.priority"),
    (
        "AdminNetworkPolicy",
        "{priority: 1, subject: {namespaces: {}, pods: {namespaceSelector: {}, podSelector: {}}}}",
        "spec.subject",
    ),
    (
        "AdminNetworkPolicy",
        "{priority: 1, subject: {namespaces: {matchExpressions: [{key: a, operator: Near}]}}}",
        "spec.subject",
    ),
    (
        "BaselineAdminNetworkPolicy",
        f"{{{SUBJECT}, ingress: [{{action: Pass, from: []}}]}}",
        "spec.ingress[0].action",
    ),
    (
        "ClusterNetworkPolicy",
        f"{{tier: Admin, priority: 1, {SUBJECT}, egress: [{{action: Allow}}]}}",
        "spec.egress[0].action",
    ),
]


@pytest.mark.parametrize(("kind", "spec", "path"), IGNORED)
def test_a_policy_without_place_or_subject_is_absent(kind: str, spec: str, path: str) -> None:
    converted, problems = policy_of(resource(document(kind, spec)))
    assert converted is None
    assert codes(problems) == [("CV0001", path)]


SUBJECTS = [
    # "Subject namespaces → namespaceSelector (`{}` → `all()`), selector `…/orchestrator == 'k8s'`"
    ("{namespaces: {}}", f"{K8S} && {EVERY_NAMESPACE}"),
    ("{namespaces: {matchLabels: {t: r}}}", f"{K8S} && pcns.t == 'r'"),
    # "pods → both"
    (
        "{pods: {namespaceSelector: {matchLabels: {t: r}}, podSelector: {matchLabels: {a: b}}}}",
        f"({K8S} && a == 'b') && pcns.t == 'r'",
    ),
    ("{pods: {namespaceSelector: {}, podSelector: {}}}", f"{K8S} && {EVERY_NAMESPACE}"),
    # Absent is empty, as in the Go types that the API server and Calico decode into.
    ("{pods: {podSelector: {}}}", f"{K8S} && {EVERY_NAMESPACE}"),
    ("{pods: {namespaceSelector: {}}}", f"{K8S} && {EVERY_NAMESPACE}"),
]


@pytest.mark.parametrize("kind", HEAD)
@pytest.mark.parametrize(("subject", "expected"), SUBJECTS)
def test_subject(kind: str, subject: str, expected: str) -> None:
    head = HEAD[kind].replace(SUBJECT, f"subject: {subject}")
    assert policy(document(kind, f"{{{head}}}")).selector == Selector.parse(expected)


# --- types, actions, order ----------------------------------------------------------------------------------

DENY_IN = "ingress: [{action: Deny, from: [{namespaces: {}}]}]"
DENY_OUT = "egress: [{action: Deny, to: [{namespaces: {}}]}]"
TYPES = [
    # "Types: a direction only if it has ≥1 resulting rule."
    (DENY_IN, True, False),
    (DENY_OUT, False, True),
    (f"{DENY_IN}, {DENY_OUT}", True, True),
    # "if *neither* has rules the empty list means "both"" (§16.14)
    ("ingress: []", True, True),
]


@pytest.mark.parametrize("kind", HEAD)
@pytest.mark.parametrize(("rules", "governs_ingress", "governs_egress"), TYPES)
def test_types(kind: str, rules: str, governs_ingress: bool, governs_egress: bool) -> None:
    converted, problems = converted_with(kind, rules)
    assert problems == []
    assert converted is not None
    assert (converted.ingress is not None, converted.egress is not None) == (governs_ingress, governs_egress)


def test_a_direction_whose_rules_were_all_dropped_is_not_governed() -> None:
    """§10.3: "a direction only if it has ≥1 *resulting* rule"."""
    rules = """
        ingress: [{action: Deny, from: [{namespaces: {}}]}],
        egress: [{action: Accept, to: [{domainNames: [example.com]}]}]
        """
    converted, problems = converted_with("ClusterNetworkPolicy", rules)
    assert problems == [("CV0004", "spec.egress[0]")]
    assert converted is not None
    assert converted.egress is None


@pytest.mark.parametrize(("kind", "word", "action"), [(k, w, a) for k in WORDS for w, a in WORDS[k].items()])
def test_actions(kind: str, word: str, action: Action) -> None:
    """§10.3: "Accept→Allow, Deny→Deny, Pass→Pass"."""
    converted, problems = converted_with(
        kind, f"egress: [{{action: {word}, to: [{{networks: [10.0.0.0/8]}}]}}]"
    )
    assert problems == []
    assert converted is not None
    side = Side(nets=(Prefix.parse("10.0.0.0/8"),))
    assert converted.egress == (Rule(action, (4,), destination=side),)


def test_the_name_of_a_rule_goes_to_its_annotations() -> None:
    (named,) = ingress("{name: why, action: Deny, from: [{namespaces: {}}]}")
    assert named.annotations == {"name": "why"}
    (nameless,) = ingress("{action: Deny, from: [{namespaces: {}}]}")
    assert nameless.annotations == {}


def test_order_is_by_protocol_then_by_peer() -> None:
    """§10.3: "for each protocol in ascending string order ("" first, …), for each peer → one rule"."""
    rules = egress(
        """
        {action: Deny, to: [{networks: [10.2.0.0/16]}, {networks: [10.1.0.0/16]}], protocols: [
          {udp: {}}, {tcp: {destinationPort: {number: 80}}}, {sctp: {}}, {destinationNamedPort: http}]}
        """
    )
    found = [(rule.protocol, str(rule.destination.nets[0])) for rule in rules]
    assert found == [(p, n) for p in (None, 132, 6, 17) for n in ("10.2.0.0/16", "10.1.0.0/16")]
    assert rules[0].destination.named_ports == ("http",)
    assert rules[4].destination.ports == (PortRange(80, 80),)


# --- peers --------------------------------------------------------------------------------------------------

PEERS = [
    # "Peer namespaces → namespaceSelector only (without the orchestrator restriction …)" (§16.6)
    ("{namespaces: {}}", EVERY_NAMESPACE),
    ("{namespaces: {matchLabels: {t: r}}}", "pcns.t == 'r'"),
    # "pods → both"
    ("{pods: {namespaceSelector: {}, podSelector: {}}}", f"{EVERY_NAMESPACE} && {K8S}"),
    ("{pods: {podSelector: {}}}", f"{EVERY_NAMESPACE} && {K8S}"),
    ("{pods: {namespaceSelector: {}}}", f"{EVERY_NAMESPACE} && {K8S}"),
    (
        "{pods: {namespaceSelector: {matchLabels: {t: r}}, podSelector: {matchLabels: {a: b}}}}",
        f"pcns.t == 'r' && ({K8S} && a == 'b')",
    ),
]


@pytest.mark.parametrize(("peer", "expected"), PEERS)
def test_peers_by_labels(peer: str, expected: str) -> None:
    side = Side(selector=Selector.parse(expected))
    assert ingress(f"{{action: Deny, from: [{peer}]}}") == (Rule(Action.DENY, source=side),)
    assert egress(f"{{action: Deny, to: [{peer}]}}") == (Rule(Action.DENY, destination=side),)


def test_networks() -> None:
    """§10.3: "networks → nets"."""
    (rule,) = egress("{action: Deny, to: [{networks: [10.1.2.3/8, 'fd00::/8']}]}")
    assert rule.destination == Side(nets=(Prefix.parse("10.0.0.0/8"), Prefix.parse("fd00::/8")))
    assert rule.families == (4, 6)


NODES = [("{}", "all()"), ("{matchLabels: {zone: a}}", "zone == 'a'")]


@pytest.mark.parametrize(("nodes", "expected"), NODES)
def test_nodes_are_selected_by_their_own_labels(nodes: str, expected: str) -> None:
    """§16.19: "the addresses … of the Nodes that match" """
    (rule,) = egress(f"{{action: Deny, to: [{{nodes: {nodes}}}]}}")
    assert rule == Rule(Action.DENY, destination=Side(nodes=Selector.parse(expected)))


# --- ports --------------------------------------------------------------------------------------------------

PROTOCOLS = [
    ("[{tcp: {}}]", [(6, (), ())]),
    ("[{udp: {destinationPort: {number: 53}}}]", [(17, (PortRange(53, 53),), ())]),
    ("[{sctp: {destinationPort: {range: {start: 1, end: 9}}}}]", [(132, (PortRange(1, 9),), ())]),
    # "named ports, which keep *no* protocol"
    ("[{destinationNamedPort: http}, {destinationNamedPort: dns}]", [(None, (), ("http", "dns"))]),
    (
        "[{tcp: {destinationPort: {number: 81}}}, {tcp: {destinationPort: {number: 80}}}]",
        [(6, (PortRange(80, 81),), ())],
    ),
    ("[{tcp: {destinationPort: {number: 81}}}, {tcp: {}}]", [(6, (), ())]),
    ("[]", [(None, (), ())]),
]


@pytest.mark.parametrize(("protocols", "expected"), PROTOCOLS)
def test_protocols(
    protocols: str, expected: list[tuple[int | None, tuple[PortRange, ...], tuple[str, ...]]]
) -> None:
    for rules in (
        ingress(f"{{action: Deny, from: [{{namespaces: {{}}}}], protocols: {protocols}}}"),
        egress(f"{{action: Deny, to: [{{namespaces: {{}}}}], protocols: {protocols}}}"),
    ):
        found = [(rule.protocol, rule.destination.ports, rule.destination.named_ports) for rule in rules]
        assert found == expected


ADMIN_PORTS = [
    ("[{portNumber: {protocol: TCP, port: 80}}]", [(6, (PortRange(80, 80),), ())]),
    ("[{portRange: {protocol: UDP, start: 1, end: 9}}]", [(17, (PortRange(1, 9),), ())]),
    (
        "[{portNumber: {protocol: UDP, port: 5}}, {namedPort: http}]",
        [(None, (), ("http",)), (17, (PortRange(5, 5),), ())],
    ),
    ("[]", [(None, (), ())]),
]


@pytest.mark.parametrize("kind", ["AdminNetworkPolicy", "BaselineAdminNetworkPolicy"])
@pytest.mark.parametrize(("ports", "expected"), ADMIN_PORTS)
def test_admin_ports(
    kind: str, ports: str, expected: list[tuple[int | None, tuple[PortRange, ...], tuple[str, ...]]]
) -> None:
    rule = f"{{action: Deny, from: [{{namespaces: {{}}}}], ports: {ports}}}"
    converted, problems = converted_with(kind, f"ingress: [{rule}]")
    assert problems == []
    assert converted is not None
    found = [(r.protocol, r.destination.ports, r.destination.named_ports) for r in converted.ingress or ()]
    assert found == expected


# --- failing closed -----------------------------------------------------------------------------------------

GOOD = "{namespaces: {}}"
FAILING_EGRESS = [
    ("CV0004", "to: [{domainNames: [example.com]}]"),
    # … the whole rule, good peers included.
    ("CV0004", f"to: [{GOOD}, {{domainNames: [example.com]}}]"),
    ("CV0003", "to: [{networks: [nowhere]}]"),
    ("CV0003", "to: [{networks: [10.0.0.1]}]"),
    ("CV0003", "to: [{networks: []}]"),
    ("CV0003", "to: [{}]"),
    ("CV0003", "to: []"),
    ("CV0003", "to: [{namespaces: {}, networks: [10.0.0.0/8]}]"),
    ("CV0003", "to: [{pods: {podSelector: {matchExpressions: [{key: a, operator: Near}]}}}]"),
    ("CV0003", "to: [{nodes: {matchExpressions: [{key: a, operator: In}]}}]"),
]
FAILING_INGRESS = [
    ("CV0003", "from: []"),
    ("CV0003", "from: [{networks: [10.0.0.0/8]}]"),
    ("CV0003", "from: [{nodes: {}}]"),
    ("CV0003", "from: [{domainNames: [example.com]}]"),
]
FAILING_PROTOCOLS = [
    "{}",
    "{tcp: {}, udp: {}}",
    "{tcp: {}, destinationNamedPort: http}",
    "{tcp: {destinationPort: {}}}",
    "{tcp: {destinationPort: {number: 80, range: {start: 1, end: 2}}}}",
    "{tcp: {destinationPort: {number: 0}}}",
    "{tcp: {destinationPort: {range: {start: 9, end: 1}}}}",
    "{destinationNamedPort: '80'}",
    "{destinationNamedPort: 'a b'}",
]
FAILING_ADMIN_PORTS = [
    "{}",
    "{portNumber: {protocol: TCP, port: 80}, namedPort: http}",
    "{portNumber: {protocol: ICMP, port: 80}}",
    "{portNumber: {protocol: TCP, port: 99999}}",
    "{portRange: {protocol: TCP, start: 2, end: 1}}",
]
FAILING = [
    *(("ClusterNetworkPolicy", "egress", code, rule) for code, rule in FAILING_EGRESS),
    *(("AdminNetworkPolicy", "egress", code, rule) for code, rule in FAILING_EGRESS),
    *(("BaselineAdminNetworkPolicy", "egress", code, rule) for code, rule in FAILING_EGRESS),
    *(("ClusterNetworkPolicy", "ingress", code, rule) for code, rule in FAILING_INGRESS),
    *(("AdminNetworkPolicy", "ingress", code, rule) for code, rule in FAILING_INGRESS),
    *(
        ("ClusterNetworkPolicy", "ingress", "CV0003", f"from: [{GOOD}], protocols: [{{udp: {{}}}}, {item}]")
        for item in FAILING_PROTOCOLS
    ),
    *(
        ("AdminNetworkPolicy", "egress", "CV0003", f"to: [{GOOD}], ports: [{{namedPort: a}}, {item}]")
        for item in FAILING_ADMIN_PORTS
    ),
]


@pytest.mark.parametrize(("kind", "direction", "code", "rule"), FAILING)
def test_a_rule_without_meaning_fails_closed(kind: str, direction: str, code: str, rule: str) -> None:
    """§10.3: "Deny or Pass … is replaced by one rule "Deny everything …"; if Accept it is dropped"."""
    peers = "from" if direction == "ingress" else "to"
    for word, action in WORDS[kind].items():
        good = f"{{action: {word}, {peers}: [{GOOD}]}}"
        converted, problems = converted_with(
            kind, f"{direction}: [{good}, {{action: {word}, {rule}}}, {good}]"
        )
        assert problems == [(code, f"spec.{direction}[1]")]
        assert converted is not None
        rules = (converted.ingress if direction == "ingress" else converted.egress) or ()
        if action is Action.ALLOW:
            assert len(rules) == 2
            assert DENY_ALL not in rules
        else:
            assert len(rules) == 3
            assert rules[1] == DENY_ALL


def test_a_problem_says_what_became_of_the_rule() -> None:
    text = f"{{{HEAD['AdminNetworkPolicy']}, egress: [{{action: %s, to: [{{domainNames: [a.b]}}]}}]}}"
    _, (dropped,) = policy_of(resource(document("AdminNetworkPolicy", text % "Allow")))
    assert dropped.what == "domainNames are not supported; the rule is dropped"
    assert dropped.where.subject == "AdminNetworkPolicy kube-admin.p"
    _, (closed,) = policy_of(resource(document("AdminNetworkPolicy", text % "Pass")))
    assert closed.what == "domainNames are not supported; the rule denies all egress"
