"""The source and destination of a rule, and selectors. Source: spec/policy-semantics §3.5, §3.2, §4."""

import pytest

from support.judged import document, policy, problems, rule

SIDES = ["source", "destination"]
OUT_OF_PLACE = "global() can only be used in an EntityRule namespaceSelector"
NOT_ALONE = "global() cannot be combined with other selectors"
SELECTORS = ["selector", "notSelector", "namespaceSelector"]


def peer_of(side: str) -> str:
    """Return the direction in which `side` is the other end."""
    return "ingress" if side == "source" else "egress"


def test_all_criteria_together() -> None:
    side = {
        "nets": ["10.0.0.0/8"],
        "notNets": ["10.1.0.0/16"],
        "selector": "app == 'web'",
        "notSelector": "has(old)",
        "namespaceSelector": "team == 'cats'",
        "ports": [80],
        "notPorts": [81],
        "serviceAccounts": {"names": ["web", "api"], "selector": "all()"},
    }
    assert rule({"action": "Allow", "protocol": "TCP", "source": side, "destination": side}) == []


# --- selectors ----------------------------------------------------------------------------------------------

NO_SELECTORS = [
    ("a = 'b'", "expected == (column 3)", 'write == for "equals"'),
    ("a == b", "expected string (column 6)", "put the value into quotes: 'b'"),
    ("a ==", "expected string (column 5)", "put the value into quotes"),
    (
        "a",
        "unexpected end of string looking for op (column 2)",
        "write what the label is compared with, or has(label)",
    ),
    ("a == 'b", "unterminated string (column 6)", "close the text with the quote that opened it"),
    ("a in 'b'", "expected set literal (column 6)", "write the values as {'a', 'b'}"),
    ("a ~ 'b'", 'expected operator after label "a" (column 3)', "correct the selector at column 3"),
]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", [*SELECTORS, "serviceAccounts"])
@pytest.mark.parametrize(("text", "what", "fix"), NO_SELECTORS)
def test_a_selector_that_cannot_be_read(side: str, name: str, text: str, what: str, fix: str) -> None:
    criterion = {"selector": text} if name == "serviceAccounts" else text
    spec = {"ingress": [{"action": "Allow", side: {name: criterion}}]}
    (problem,) = problems(document("NetworkPolicy", spec))
    path = f"spec.ingress[0].{side}.{name}" + (".selector" if name == "serviceAccounts" else "")
    assert (problem.code, problem.where.path, problem.what, problem.fix) == ("NP0131", path, what, fix)
    assert problem.value == text


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", SELECTORS)
def test_a_selector_has_at_most_1024_characters(side: str, name: str) -> None:
    """§3.5: "selector, notSelector, namespaceSelector ≤1024 chars"; characters, not bytes."""
    longest = f"a == '{'é' * 1017}'"
    assert len(longest) == 1024
    assert rule({"action": "Allow", side: {name: longest}}) == []
    found = rule({"action": "Allow", side: {name: longest + " "}})
    assert found == [("NP0132", f"{side}.{name}", "may not be longer than 1,024 characters")]


def test_a_selector_of_service_accounts_may_be_longer() -> None:
    text = f"a == '{'b' * 2000}'"
    assert rule({"action": "Allow", "source": {"serviceAccounts": {"selector": text}}}) == []


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("text", ["global()", " global( ) ", "global() && a == 'b'", "a == 'global('"])
def test_global_has_no_place_in_selector(side: str, text: str) -> None:
    """§3.5: "`global(` in `selector`": the text counts, not the expression."""
    assert rule({"action": "Allow", side: {"selector": text}}) == [
        ("NP0133", f"{side}.selector", OUT_OF_PLACE)
    ]


@pytest.mark.parametrize("side", SIDES)
def test_global_is_not_looked_for_elsewhere(side: str) -> None:
    """§3.5: "(`notSelector` is not checked)"; §16.17."""
    entity = {"notSelector": "global()", "serviceAccounts": {"selector": "global()"}}
    assert rule({"action": "Allow", side: entity}) == []


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("text", ["global()", " global() ", "global(\t)"])
def test_global_alone(side: str, text: str) -> None:
    assert rule({"action": "Allow", side: {"namespaceSelector": text}}) == []


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    "text",
    [
        "global() && all()",
        "global()||all()",
        "(global())",
        "!global()",
        "a == 'global('",
        "has(a) || global()",
    ],
)
def test_global_is_not_combined(side: str, text: str) -> None:
    """§3.5: "`global(` in namespaceSelector and it is not the only token"."""
    found = rule({"action": "Allow", side: {"namespaceSelector": text}})
    assert found == [("NP0134", f"{side}.namespaceSelector", NOT_ALONE)]


# --- services -----------------------------------------------------------------------------------------------

SERVICES = {"name": "web", "namespace": "shop"}
BESIDE = [
    (
        {"namespaceSelector": "all()"},
        "NP0135",
        "cannot specify NamespaceSelector and Services on the same rule",
    ),
    (
        {"serviceAccounts": {"names": ["a"]}},
        "NP0136",
        "cannot specify ServiceAccounts and Services on the same rule",
    ),
    ({"serviceAccounts": {}}, "NP0136", "cannot specify ServiceAccounts and Services on the same rule"),
    ({"selector": "all()"}, "NP0138", "cannot specify Selector/NotSelector and Services on the same rule"),
    ({"notSelector": "all()"}, "NP0138", "cannot specify Selector/NotSelector and Services on the same rule"),
    ({"nets": ["10.0.0.0/8"]}, "NP0139", "cannot specify Nets/NotNets and Services on the same rule"),
    ({"notNets": ["10.0.0.0/8"]}, "NP0139", "cannot specify Nets/NotNets and Services on the same rule"),
]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("criterion", "code", "what"), BESIDE)
def test_a_service_stands_alone(side: str, criterion: dict, code: str, what: str) -> None:
    entity = {"services": SERVICES, **criterion}
    found = rule({"action": "Allow", side: entity}, direction=peer_of(side))
    assert found == [(code, f"{side}.services", what)]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("services", [{}, {"namespace": "shop"}, {"name": ""}])
def test_a_service_has_a_name(side: str, services: dict) -> None:
    found = rule({"action": "Allow", side: {"services": services}}, direction=peer_of(side))
    assert found == [("NP0137", f"{side}.services", "services must specify a service name")]


@pytest.mark.parametrize(
    ("services", "path", "what"),
    [
        ({"name": "Web", "namespace": "shop"}, "name", "no Service can have this name"),
        ({"name": "web", "namespace": "a_b"}, "namespace", "no namespace can have this name"),
        ({"name": "a" * 254}, "name", "may not be longer than 253 characters"),
    ],
)
def test_a_service_that_cannot_exist(services: dict, path: str, what: str) -> None:
    found = rule({"action": "Allow", "source": {"services": services}})
    assert found == [("NP0141", f"source.services.{path}", what)]


@pytest.mark.parametrize("ports", [{"ports": [80]}, {"notPorts": [80]}, {"ports": ["a"], "notPorts": ["b"]}])
def test_a_service_as_destination_names_its_ports_itself(ports: dict) -> None:
    """§3.3: "destination.services with destination ports/notPorts"."""
    entity = {"services": SERVICES, **ports}
    found = rule({"action": "Allow", "protocol": "TCP", "destination": entity}, direction="egress")
    assert found == [
        ("NP0140", "destination.services", "ports and notPorts cannot be specified with services")
    ]
    assert rule({"action": "Allow", "protocol": "TCP", "source": entity}) == []


@pytest.mark.parametrize("kind", ["NetworkPolicy", "GlobalNetworkPolicy", "Profile"])
def test_a_service_at_the_other_end(kind: str) -> None:
    assert rule({"action": "Allow", "source": {"services": SERVICES}}, kind, "ingress") == []
    assert rule({"action": "Allow", "destination": {"services": SERVICES}}, kind, "egress") == []


# --- service accounts ---------------------------------------------------------------------------------------


def test_service_accounts_are_a_set() -> None:
    found = rule({"action": "Allow", "source": {"serviceAccounts": {"names": ["a", "b", "a"]}}})
    assert found == [("NP0142", "source.serviceAccounts.names[2]", "duplicate value")]


# --- the policy's own selectors -----------------------------------------------------------------------------

OWN = [
    ("NetworkPolicy", "selector"),
    ("NetworkPolicy", "serviceAccountSelector"),
    ("StagedNetworkPolicy", "selector"),
    ("StagedNetworkPolicy", "serviceAccountSelector"),
    ("GlobalNetworkPolicy", "selector"),
    ("GlobalNetworkPolicy", "serviceAccountSelector"),
    ("GlobalNetworkPolicy", "namespaceSelector"),
    ("StagedGlobalNetworkPolicy", "selector"),
    ("StagedGlobalNetworkPolicy", "serviceAccountSelector"),
    ("StagedGlobalNetworkPolicy", "namespaceSelector"),
]


@pytest.mark.parametrize(("kind", "name"), OWN)
def test_the_selectors_of_a_policy(kind: str, name: str) -> None:
    """§3.2: "≤1024 chars; no `global(`"."""
    longest = f"a == '{'b' * 1017}'"
    for good in ("", " ", "all()", "a == 'b' || has(c)", longest):
        assert policy({name: good}, kind) == []
    path = f"spec.{name}"
    assert policy({name: "a = 'b'"}, kind) == [("NP0131", path, "expected == (column 3)")]
    assert policy({name: longest + " "}, kind) == [
        ("NP0132", path, "may not be longer than 1,024 characters")
    ]
    for text in ("global()", "a == 'b' && global()", "a == 'global('"):
        assert policy({name: text}, kind) == [("NP0133", path, OUT_OF_PLACE)]
