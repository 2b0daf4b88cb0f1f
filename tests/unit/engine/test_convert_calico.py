"""Calico's tiers, policies, rules and profiles: policy-semantics §2.1, §3.2 to §3.10, §6, §7.1."""

import math

import pytest

from ocicat.engine.convert import BUILT_IN_TIERS, missing_tier, policy_of, profile_of, tier_of
from ocicat.engine.policy import IcmpMatch, Policy, PolicyKey, Profile, Rule, Side, Stage, Tier
from ocicat.model import calico
from ocicat.model.flow import Action, HitKind
from ocicat.model.net import PortRange, Prefix
from support.written import codes, policy, resource

# --- tiers, §2.1 --------------------------------------------------------------------------------------------


def tier(spec: str) -> Tier:
    written = resource(
        f"{{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {{name: t}}, spec: {spec}}}"
    )
    assert isinstance(written, calico.Tier)
    return tier_of(written)


TIERS = [
    # "null is *read* as 1000000"
    ("{}", 1_000_000.0, Action.DENY),
    ("{order: null, defaultAction: Pass}", 1_000_000.0, Action.PASS),
    # "Lower sorts first. May be negative or fractional"
    ("{order: -1.5}", -1.5, Action.DENY),
    ("{order: 0}", 0.0, Action.DENY),
    # "Any value other than `Pass` acts as Deny"
    ("{order: 1, defaultAction: Deny}", 1.0, Action.DENY),
    ("{order: 1, defaultAction: pass}", 1.0, Action.DENY),
    ("{order: .nan}", 1_000_000.0, Action.DENY),
]


@pytest.mark.parametrize(("spec", "order", "action"), TIERS)
def test_tier(spec: str, order: float, action: Action) -> None:
    assert tier(spec) == Tier("t", order, action)


def test_there_are_five_built_in_tiers_in_order() -> None:
    """§2.1: "By order and name: …"."""
    assert [(tier.name, tier.order, tier.default_action) for tier in BUILT_IN_TIERS] == [
        ("adminnetworkpolicy", 1000, Action.PASS),
        ("kube-admin", 1000, Action.PASS),
        ("default", 1000000, Action.DENY),
        ("baselineadminnetworkpolicy", 10000000, Action.PASS),
        ("kube-baseline", 10000000, Action.PASS),
    ]
    assert sorted(BUILT_IN_TIERS, key=lambda tier: tier.rank) == list(BUILT_IN_TIERS)


def test_a_missing_tier_comes_after_all_existing_ones_and_denies() -> None:
    gone = missing_tier("a")
    assert gone == Tier("a", math.inf, Action.DENY, known=False)
    last = Tier("z", math.inf, Action.PASS)
    assert sorted((missing_tier("b"), gone, last), key=lambda tier: tier.rank) == [
        last,
        gone,
        missing_tier("b"),
    ]


# --- policies -----------------------------------------------------------------------------------------------

KINDS = {
    "NetworkPolicy": ("ns", HitKind.CALICO_NETWORK_POLICY),
    "GlobalNetworkPolicy": ("", HitKind.GLOBAL_NETWORK_POLICY),
    "StagedNetworkPolicy": ("ns", HitKind.STAGED_NETWORK_POLICY),
    "StagedGlobalNetworkPolicy": ("", HitKind.STAGED_GLOBAL_NETWORK_POLICY),
}


def document(kind: str, spec: str) -> str:
    """Return a policy named `p`; a namespace on a cluster-wide kind must not matter."""
    return f"""
        apiVersion: projectcalico.org/v3
        kind: {kind}
        metadata: {{name: t.p, namespace: ns}}
        spec: {spec}
        """


def gnp(spec: str) -> Policy:
    return policy(document("GlobalNetworkPolicy", spec))


@pytest.mark.parametrize("kind", KINDS)
def test_key_tier_and_order(kind: str) -> None:
    namespace, hit_kind = KINDS[kind]
    converted = policy(document(kind, "{tier: t, order: -2.5, types: [Ingress]}"))
    assert converted.key == PolicyKey(hit_kind, namespace, "t.p")
    assert (converted.tier, converted.order, converted.shown_name) == ("t", -2.5, "p")
    assert converted.staged is kind.startswith("Staged")


@pytest.mark.parametrize("kind", KINDS)
def test_without_tier_and_order(kind: str) -> None:
    """§3.2: tier defaults to `default`, a null order is +∞."""
    converted = policy(document(kind, "{types: [Ingress]}"))
    assert (converted.tier, converted.order) == ("default", math.inf)


ALLOW = (Rule(Action.ALLOW),)
DENY = (Rule(Action.DENY),)
TYPES = [
    ("types: [Ingress]", ALLOW, None),
    # "Rules present for a direction not in `types` are stored and ignored."
    ("types: [Egress]", None, DENY),
    ("types: [Ingress, Egress]", ALLOW, DENY),
    ("types: [Egress, Ingress]", ALLOW, DENY),
    # §16.14: "Empty `types` reaching the engine means both directions"
    ("types: []", ALLOW, DENY),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("types", "ingress", "egress"), TYPES)
def test_types(
    kind: str, types: str, ingress: tuple[Rule, ...] | None, egress: tuple[Rule, ...] | None
) -> None:
    converted = policy(
        document(kind, f"{{{types}, ingress: [{{action: Allow}}], egress: [{{action: Deny}}]}}")
    )
    assert (converted.ingress, converted.egress) == (ingress, egress)


def test_a_policy_without_rules_still_governs() -> None:
    """§7.3: "A policy with zero rules in a governed direction still *attaches*"."""
    converted = gnp("{types: [Ingress]}")
    assert converted.ingress == ()
    assert converted.egress is None


STAGES = [
    ("{}", Stage.NORMAL, False),
    ("{applyOnForward: true}", Stage.NORMAL, True),
    ("{preDNAT: true, applyOnForward: true}", Stage.PRE_DNAT, True),
    ("{doNotTrack: true, applyOnForward: true}", Stage.UNTRACKED, True),
    # §7.1: "`doNotTrack` policies form the *untracked* list, else `preDNAT` policies the *pre-DNAT* list"
    ("{doNotTrack: true, preDNAT: true}", Stage.UNTRACKED, False),
]


@pytest.mark.parametrize("kind", ["GlobalNetworkPolicy", "StagedGlobalNetworkPolicy"])
@pytest.mark.parametrize(("spec", "stage", "forward"), STAGES)
def test_stages(kind: str, spec: str, stage: Stage, forward: bool) -> None:
    converted = policy(document(kind, spec))
    assert (converted.stage, converted.apply_on_forward) == (stage, forward)


@pytest.mark.parametrize("kind", ["StagedNetworkPolicy", "StagedGlobalNetworkPolicy"])
def test_staged_actions(kind: str) -> None:
    """§3.7: Delete never reaches the engine; Learn and Ignore are treated exactly like Set."""
    assert policy_of(resource(document(kind, "{stagedAction: Delete}"))) == (None, [])
    expected = policy(document(kind, "{stagedAction: Set}"))
    assert policy(document(kind, "{stagedAction: Learn}")) == expected
    assert policy(document(kind, "{stagedAction: Ignore}")) == expected
    assert policy(document(kind, "{}")) == expected


def test_what_is_no_policy_is_nothing() -> None:
    assert policy_of(resource("{apiVersion: v1, kind: Namespace, metadata: {name: a}}")) == (None, [])


# --- rules --------------------------------------------------------------------------------------------------


def rule(written: str, namespace: str = "") -> Rule:
    """Return a rule of a policy's ingress."""
    kind = "NetworkPolicy" if namespace else "GlobalNetworkPolicy"
    converted = policy(document(kind, f"{{types: [Ingress], ingress: [{written}]}}"))
    assert converted.ingress is not None
    return converted.ingress[0]


def test_log_rules_keep_their_place() -> None:
    """§12.1: `rule_index` counts `Log` rules."""
    converted = gnp(
        "{types: [Ingress], ingress: [{action: Log}, {action: Pass}, {action: Allow}, {action: Deny}]}"
    )
    assert converted.ingress is not None
    assert [rule.action for rule in converted.ingress] == [Action.LOG, Action.PASS, Action.ALLOW, Action.DENY]


V4, V6, BOTH = (4,), (6,), (4, 6)
FAMILIES = [
    ("{action: Allow}", BOTH),
    # "`ipVersion` set and ≠ F"
    ("{action: Allow, ipVersion: 4}", V4),
    ("{action: Allow, ipVersion: 6}", V6),
    # "`protocol` is the *name* ICMP (F must be 4) or ICMPv6 (F must be 6)"
    ("{action: Allow, protocol: ICMP}", V4),
    ("{action: Allow, protocol: ICMPv6}", V6),
    ("{action: Allow, protocol: TCP}", BOTH),
    # "numeric 1/58 and `notProtocol` do not imply a family"
    ("{action: Allow, protocol: 1}", BOTH),
    ("{action: Allow, protocol: '58'}", BOTH),
    ("{action: Allow, notProtocol: ICMP}", BOTH),
    ("{action: Allow, notProtocol: ICMPv6}", BOTH),
    # "`ipVersion` unset and …": the name is not asked when the version is given.
    ("{action: Allow, protocol: ICMP, ipVersion: 6}", V6),
    # "any of the four lists … is non-empty but contains no CIDR of family F"
    ("{action: Allow, source: {nets: [10.0.0.0/8]}}", V4),
    ("{action: Allow, source: {nets: ['fd00::/8']}}", V6),
    ("{action: Allow, destination: {nets: [10.0.0.0/8]}}", V4),
    ("{action: Allow, source: {notNets: [10.0.0.0/8]}}", V4),
    ("{action: Allow, destination: {notNets: ['fd00::/8']}}", V6),
    ("{action: Allow, source: {nets: [10.0.0.0/8, 'fd00::/8']}}", BOTH),
    ("{action: Allow, source: {nets: [10.0.0.0/8]}, destination: {nets: ['fd00::/8']}}", ()),
    ("{action: Allow, source: {nets: [10.0.0.0/8]}, destination: {notNets: ['fd00::/8']}}", ()),
    ("{action: Allow, ipVersion: 6, source: {nets: [10.0.0.0/8]}}", ()),
    # "a notNets list contains the catch-all of F"
    ("{action: Allow, source: {notNets: [0.0.0.0/0]}}", ()),
    ("{action: Allow, source: {notNets: [0.0.0.0/0, 'fd00::/8']}}", V6),
    ("{action: Allow, destination: {notNets: [10.0.0.0/8, '::/0']}}", V4),
    # … in nets it excludes nothing.
    ("{action: Allow, source: {nets: [0.0.0.0/0, '::/0']}}", BOTH),
]


@pytest.mark.parametrize(("written", "families"), FAMILIES)
def test_families(written: str, families: tuple[int, ...]) -> None:
    assert rule(written).families == families


PROTOCOLS = [("TCP", 6), ("6", 6), ("'6'", 6), ("UDPLite", 136), ("ICMPv6", 58), ("255", 255)]


@pytest.mark.parametrize(("written", "number"), PROTOCOLS)
def test_protocols(written: str, number: int) -> None:
    assert rule(f"{{action: Allow, protocol: {written}}}").protocol == number
    assert rule(f"{{action: Allow, notProtocol: {written}}}").not_protocol == number


ICMP = [
    ("{type: 8}", IcmpMatch(8)),
    ("{type: 3, code: 0}", IcmpMatch(3, 0)),
    ("{}", None),
]


@pytest.mark.parametrize(("written", "expected"), ICMP)
def test_icmp(written: str, expected: IcmpMatch | None) -> None:
    assert rule(f"{{action: Allow, protocol: ICMP, icmp: {written}}}").icmp == expected
    assert rule(f"{{action: Allow, protocol: ICMP, notICMP: {written}}}").not_icmp == expected


@pytest.mark.parametrize("side", ["source", "destination"])
def test_nets_and_ports_of_a_side(side: str) -> None:
    converted = rule(
        f"""
        {{action: Allow, protocol: TCP, {side}: {{nets: [10.0.0.0/8], notNets: [10.1.0.0/16, 10.2.0.0/16],
          ports: [80, "8080:8090", http, "443"], notPorts: [81, dns]}}}}
        """
    )
    expected = Side(
        nets=(Prefix.parse("10.0.0.0/8"),),
        not_nets=(Prefix.parse("10.1.0.0/16"), Prefix.parse("10.2.0.0/16")),
        ports=(PortRange(80, 80), PortRange(8080, 8090), PortRange(443, 443)),
        named_ports=("http",),
        not_ports=(PortRange(81, 81),),
        not_named_ports=("dns",),
    )
    other = "destination" if side == "source" else "source"
    assert getattr(converted, side) == expected
    assert getattr(converted, other) == Side()


def test_services() -> None:
    """§16.1: an omitted namespace is the policy's own."""
    own = rule("{action: Allow, source: {services: {name: db}}}", namespace="ns")
    assert own.source.service == ("ns", "db")
    given = rule("{action: Allow, source: {services: {name: db, namespace: b}}}", namespace="ns")
    assert given.source.service == ("b", "db")
    assert given.source.selector is None
    nowhere = rule("{action: Allow, destination: {services: {name: db}}}")
    assert nowhere.destination.service == ("", "db")


def test_http_and_annotations_are_carried_along() -> None:
    converted = rule(
        "{action: Allow, http: {methods: [GET], paths: [{exact: /a}]}, metadata: {annotations: {why: so}}}"
    )
    assert converted.http == calico.HttpMatch(methods=("GET",), paths=(calico.HttpPath(exact="/a"),))
    assert converted.annotations == {"why": "so"}


MEANINGLESS = [
    "{action: allow}",
    "{}",
    "{action: Allow, protocol: tcp}",
    "{action: Allow, protocol: 0}",
    "{action: Allow, notProtocol: 256}",
    "{action: Allow, protocol: ICMP, icmp: {code: 1}}",
    "{action: Allow, source: {nets: [10.0.0.1/8]}}",
    "{action: Allow, source: {nets: [10.0.0.1]}}",
    "{action: Allow, destination: {notNets: [nowhere]}}",
    "{action: Allow, protocol: TCP, source: {ports: [0]}}",
    "{action: Allow, protocol: TCP, destination: {notPorts: ['9:8']}}",
]


@pytest.mark.parametrize("written", MEANINGLESS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_a_rule_without_meaning_makes_the_policy_absent(kind: str, written: str, direction: str) -> None:
    """§3.1: "treated as absent (not partially applied)", whether or not the policy governs the direction."""
    spec = f"{{types: [Ingress], {direction}: [{{action: Allow}}, {written}]}}"
    converted, problems = policy_of(resource(document(kind, spec)))
    assert converted is None
    assert codes(problems) == [("CV0001", f"spec.{direction}[1]")]
    assert problems[0].where.subject == f"{kind} ns/t.p"


def test_an_order_that_is_no_number_makes_the_policy_absent() -> None:
    converted, problems = policy_of(resource(document("GlobalNetworkPolicy", "{order: .nan}")))
    assert converted is None
    assert codes(problems) == [("CV0001", "spec.order")]


# --- profiles, §3.10 ----------------------------------------------------------------------------------------


def profile(spec: str) -> tuple[Profile | None, list[tuple[str, str]]]:
    text = f"{{apiVersion: projectcalico.org/v3, kind: Profile, metadata: {{name: pro}}, spec: {spec}}}"
    written = resource(text)
    assert isinstance(written, calico.Profile)
    converted, problems = profile_of(written)
    return converted, codes(problems)


def test_profile() -> None:
    """Its rules belong to no namespace (§5.4)."""
    spec = """
        {ingress: [{action: Pass}, {action: Allow, source: {selector: a == 'b'}}], egress: [{action: Deny}],
         labelsToApply: {c: d}}
        """
    converted, problems = profile(spec)
    assert problems == []
    assert converted is not None
    assert (converted.name, converted.labels) == ("pro", {"c": "d"})
    assert [rule.action for rule in converted.ingress] == [Action.PASS, Action.ALLOW]
    assert str(converted.ingress[1].source.selector) == 'a == "b"'
    assert converted.egress == DENY


def test_a_profile_with_a_rule_without_meaning_is_absent() -> None:
    assert profile("{egress: [{action: Maybe}]}") == (None, [("CV0001", "spec.egress[0]")])
