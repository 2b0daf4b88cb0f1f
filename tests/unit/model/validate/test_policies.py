"""The fields of policies and what they mean to each other. Source: spec/policy-semantics §3.2, §3.7."""

import pytest

from support.judged import document, policy, problems, told

NAMESPACED = ["NetworkPolicy", "StagedNetworkPolicy"]
GLOBAL = ["GlobalNetworkPolicy", "StagedGlobalNetworkPolicy"]
STAGED = ["StagedNetworkPolicy", "StagedGlobalNetworkPolicy"]
KINDS = [*NAMESPACED, *GLOBAL]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spec", [None, {}, {"order": -2.5}, {"order": 0}, {"order": 1e30}, {"tier": ""}])
def test_a_policy_may_say_little(kind: str, spec: dict | None) -> None:
    """§3.2: "any number, also negative"; all fields are optional."""
    assert policy(spec, kind) == []


# --- types --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("types", [[], ["Ingress"], ["Egress"], ["Ingress", "Egress"], ["Egress", "Ingress"]])
def test_types(kind: str, types: list[str]) -> None:
    assert policy({"types": types}, kind) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("word", ["unexpected", "ingress", ""])
def test_an_unknown_type(kind: str, word: str) -> None:
    what = 'supported values: "Ingress", "Egress"'
    assert policy({"types": ["Egress", word]}, kind) == [("NP0201", "spec.types[1]", what)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_repeated_type(kind: str) -> None:
    """§3.2: "(field `NetworkPolicySpec.Types` / `GlobalNetworkPolicySpec.Types`)"."""
    (problem,) = problems(document(kind, {"types": ["Ingress", "Egress", "Ingress"]}))
    assert (problem.code, problem.where.path) == ("NP0202", "spec.types[2]")
    assert problem.what == "'Ingress' type specified more than once"
    assert problem.field == ("GlobalNetworkPolicySpec.Types" if kind in GLOBAL else "NetworkPolicySpec.Types")
    assert problem.value == "[Ingress Egress Ingress]"


@pytest.mark.parametrize("kind", KINDS)
def test_rules_of_a_direction_that_is_not_governed_are_no_mistake(kind: str) -> None:
    """§3.2: "Rules present for a direction not in `types` are stored and ignored"."""
    assert policy({"types": ["Egress"], "ingress": [{"action": "Allow"}]}, kind) == []


# --- tier and hints -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tier", ["default", "a", "a-b", "a.b", "a" * 63])
def test_tiers(kind: str, tier: str) -> None:
    assert policy({"tier": tier}, kind) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tier", ["Security", "a_b", "-a", "a-", "a..b", "a\n"])
def test_what_is_no_tier(kind: str, tier: str) -> None:
    """§3.2: "string (DNS subdomain)"."""
    assert policy({"tier": tier}, kind) == [("NP0203", "spec.tier", "no tier can have this name")]


def test_a_tier_that_is_too_long_to_be_a_label() -> None:
    """§1: the tier is written on the policy as a label."""
    found = policy({"tier": "a" * 64})
    assert found == [("NP0005", "spec.tier", "must be no more than 63 characters")]


@pytest.mark.parametrize("kind", KINDS)
def test_performance_hints(kind: str) -> None:
    """§3.2: "set of `AssumeNeededOnEveryNode`", "unique"."""
    hint = "AssumeNeededOnEveryNode"
    assert policy({"performanceHints": [hint]}, kind) == []
    what = f'supported values: "{hint}"'
    assert policy({"performanceHints": ["junk"]}, kind) == [("NP0205", "spec.performanceHints[0]", what)]
    repeated = policy({"performanceHints": [hint, hint]}, kind)
    assert repeated == [("NP0206", "spec.performanceHints[1]", "duplicate value")]


# --- preDNAT, doNotTrack, applyOnForward --------------------------------------------------------------------

FORWARD = "applyOnForward must be true if either preDNAT or doNotTrack is true"
ALLOW = [{"action": "Allow"}]
STAGES = [
    ({"preDNAT": True, "applyOnForward": True}, []),
    ({"doNotTrack": True, "applyOnForward": True}, []),
    ({"applyOnForward": True}, []),
    ({"preDNAT": True, "applyOnForward": True, "types": ["Ingress"], "ingress": ALLOW}, []),
    ({"doNotTrack": True, "applyOnForward": True, "egress": ALLOW}, []),
    (
        {"preDNAT": True, "doNotTrack": True, "applyOnForward": True},
        [("NP0207", "spec.preDNAT", "preDNAT and doNotTrack cannot both be true")],
    ),
    (
        {"preDNAT": True, "applyOnForward": True, "types": ["Ingress"], "egress": ALLOW},
        [("NP0208", "spec.egress", "preDNAT policy cannot have any egress rules")],
    ),
    (
        {"preDNAT": True, "applyOnForward": True, "types": ["Ingress", "Egress"]},
        [("NP0209", "spec.types", "preDNAT policy cannot have 'Egress' type")],
    ),
    # … and the types that defaulting gives count like written ones.
    (
        {"preDNAT": True, "applyOnForward": True, "egress": ALLOW},
        [
            ("NP0208", "spec.egress", "preDNAT policy cannot have any egress rules"),
            ("NP0209", "spec.types", "preDNAT policy cannot have 'Egress' type"),
        ],
    ),
    ({"preDNAT": True}, [("NP0210", "spec.preDNAT", FORWARD)]),
    ({"doNotTrack": True}, [("NP0210", "spec.doNotTrack", FORWARD)]),
    ({"doNotTrack": True, "applyOnForward": False}, [("NP0210", "spec.doNotTrack", FORWARD)]),
]


@pytest.mark.parametrize("kind", GLOBAL)
@pytest.mark.parametrize(("spec", "expected"), STAGES)
def test_stages_of_host_endpoints(kind: str, spec: dict, expected: list) -> None:
    """§3.2: "CEL messages apply to staged variants too"."""
    assert policy(spec, kind) == expected


# --- what a direction allows --------------------------------------------------------------------------------

SERVICES = {"services": {"name": "web", "namespace": "shop"}}


@pytest.mark.parametrize("kind", KINDS)
def test_services_at_the_policys_own_end(kind: str) -> None:
    """§3.2: "`source.services` in an egress rule", "`destination.services` in an ingress rule"."""
    spec = {
        "egress": [{"action": "Allow"}, {"action": "Allow", "source": SERVICES}],
        "ingress": [{"action": "Allow", "destination": SERVICES}],
    }
    assert policy(spec, kind) == [
        ("NP0211", "spec.egress[1].source.services", "not allowed in egress rule source"),
        ("NP0212", "spec.ingress[0].destination.services", "not allowed in ingress rule destination"),
    ]


@pytest.mark.parametrize(
    ("kinds", "what"),
    [(NAMESPACED, "not allowed in egress rule"), (GLOBAL, "not allowed in egress rules")],
)
def test_http_in_an_egress_rule(kinds: list[str], what: str) -> None:
    """§3.2: "NP `not allowed in egress rule`, GNP `not allowed in egress rules`"."""
    spec = {"egress": [{"action": "Allow", "http": {"methods": ["GET"]}}]}
    for kind in kinds:
        assert policy(spec, kind) == [("NP0213", "spec.egress[0].http", what)]


@pytest.mark.parametrize("kind", GLOBAL)
def test_a_global_policy_says_where_the_service_is(kind: str) -> None:
    """§3.2: "GNP rule with `services.namespace` empty"."""
    services = {"services": {"name": "web"}}
    spec = {
        "ingress": [{"action": "Allow", "source": services}],
        "egress": [{"action": "Allow", "destination": services}],
    }
    assert policy(spec, kind) == [
        ("NP0214", "spec.ingress[0].source.services", "must specify a namespace"),
        ("NP0214", "spec.egress[0].destination.services", "must specify a namespace"),
    ]


@pytest.mark.parametrize("kind", NAMESPACED)
def test_a_namespaced_policy_need_not(kind: str) -> None:
    """§16.1."""
    spec = {"ingress": [{"action": "Allow", "source": {"services": {"name": "web"}}}]}
    assert policy(spec, kind) == []


def test_profiles_know_nothing_of_directions() -> None:
    """§3.2: "Profile ingress/egress use the same Rule type but none of the policy-level checks"."""
    spec = {
        "egress": [
            {"action": "Allow", "source": {"services": {"name": "web"}}},
            {"action": "Allow", "http": {"methods": ["GET"]}},
        ],
        "ingress": [{"action": "Allow", "destination": SERVICES}],
    }
    assert policy(spec, "Profile") == []


# --- staged policies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STAGED)
@pytest.mark.parametrize("action", ["Set", "Learn", "Ignore", ""])
def test_staged_actions(kind: str, action: str) -> None:
    assert policy({"stagedAction": action, "selector": "foo == 'bar'"}, kind) == []


@pytest.mark.parametrize("kind", STAGED)
def test_an_unknown_staged_action(kind: str) -> None:
    what = 'supported values: "Set", "Delete", "Learn", "Ignore"'
    found = policy({"stagedAction": "Warning", "selector": "foo == 'bar'"}, kind)
    assert found == [("NP0301", "spec.stagedAction", what)]


@pytest.mark.parametrize("kind", STAGED)
@pytest.mark.parametrize("spec", [{}, {"tier": "default"}, {"tier": "eng"}, {"ingress": [], "types": []}])
def test_a_staged_deletion_names_at_most_its_tier(kind: str, spec: dict) -> None:
    """§3.7: "Spec must be empty apart from `tier`"."""
    assert policy({"stagedAction": "Delete", **spec}, kind) == []


SAYS_MORE = [
    ({"selector": "all()"}, "selector"),
    ({"order": 0}, "order"),
    ({"types": ["Ingress"]}, "types"),
    ({"ingress": ALLOW}, "ingress"),
    ({"egress": ALLOW, "serviceAccountSelector": "all()"}, "egress, serviceAccountSelector"),
    ({"performanceHints": ["AssumeNeededOnEveryNode"]}, "performanceHints"),
]


@pytest.mark.parametrize("kind", STAGED)
@pytest.mark.parametrize(("spec", "names"), SAYS_MORE)
def test_a_staged_deletion_that_says_more(kind: str, spec: dict, names: str) -> None:
    (problem,) = problems(document(kind, {"stagedAction": "Delete", "tier": "eng", **spec}))
    assert (problem.code, problem.where.path) == ("NP0302", "spec")
    assert problem.what == "Spec fields, except Tier, should all be zero-value if stagedAction is Delete"
    assert problem.fix == f"remove {names}, or write stagedAction: Set"
    assert problem.field == f"{kind}Spec"


def test_a_staged_deletion_of_a_global_policy_that_says_more() -> None:
    spec = {"stagedAction": "Delete", "namespaceSelector": "all()", "applyOnForward": True}
    (problem,) = problems(document("StagedGlobalNetworkPolicy", spec))
    assert problem.fix == "remove namespaceSelector, applyOnForward, or write stagedAction: Set"


def test_what_is_wrong_inside_a_staged_deletion_is_told_too() -> None:
    found = told(document("StagedNetworkPolicy", {"stagedAction": "Delete", "selector": "a ="}))
    assert [code for code, _, _ in found] == ["NP0302", "NP0131"]
