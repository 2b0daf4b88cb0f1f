"""Which endpoints a policy selects, which entities a side of a rule does: policy-semantics §5.2 to §5.4."""

import pytest

from ocicat.engine.convert import (
    entity_of,
    namespace_profile,
    policy_of,
    service_account_profile,
    workload_entity,
)
from ocicat.engine.convert.selectors import (
    global_policy,
    joined,
    labelled,
    namespaced_policy,
    of_namespaces,
    pods,
)
from ocicat.engine.convert.unconvertible import Unconvertible
from ocicat.engine.policy import Entity, Side
from ocicat.model.kubernetes import Namespace, ServiceAccount
from ocicat.model.meta import LabelSelector, LabelSelectorRequirement
from ocicat.model.selector import Selector
from support.written import codes, effective_labels, policy, resource

NAMESPACES = (
    "{apiVersion: v1, kind: Namespace, metadata: {name: prod, labels: {team: red}}}",
    "{apiVersion: v1, kind: Namespace, metadata: {name: dev}}",
)
ACCOUNTS = (
    "{apiVersion: v1, kind: ServiceAccount, metadata: {name: api, namespace: prod, labels: {role: be}}}",
)
PODS = (
    """
    {apiVersion: v1, kind: Pod, metadata: {name: web, namespace: prod, labels: {app: web}},
     spec: {serviceAccountName: api}}
    """,
    "{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: prod, labels: {app: db}}}",
    "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: dev, labels: {app: web}}}",
)
OTHERS = (
    """
    {apiVersion: projectcalico.org/v3, kind: HostEndpoint, metadata: {name: hep, labels: {app: web}},
     spec: {node: n1, expectedIPs: [172.18.0.2]}}
    """,
    """
    {apiVersion: projectcalico.org/v3, kind: NetworkSet,
     metadata: {name: set, namespace: prod, labels: {app: web}}, spec: {nets: [192.0.2.0/24]}}
    """,
    """
    {apiVersion: projectcalico.org/v3, kind: GlobalNetworkSet, metadata: {name: gset, labels: {app: web}},
     spec: {nets: [198.51.100.0/24]}}
    """,
)


def cluster() -> dict[str, dict[str, str]]:
    """Return the effective labels of every entity, by a short name."""
    profiles = []
    for text in NAMESPACES:
        namespace = resource(text)
        assert isinstance(namespace, Namespace)
        profiles.append(namespace_profile(namespace))
    for text in ACCOUNTS:
        account = resource(text)
        assert isinstance(account, ServiceAccount)
        profiles.append(service_account_profile(account))
    entities = [workload_entity(resource(text)) for text in PODS] + [
        entity_of(resource(text)) for text in OTHERS
    ]
    return {short(entity): effective_labels(entity, profiles) for entity in entities if entity is not None}


def short(entity: Entity) -> str:
    return f"{entity.key.namespace}/{entity.key.name}" if entity.key.namespace else entity.key.name


LABELS = cluster()
EVERYTHING = {"prod/web", "prod/db", "dev/web", "hep", "prod/set", "gset"}


def members(selector: Selector) -> set[str]:
    return {name for name, labels in LABELS.items() if selector.matches(labels)}


def test_the_cluster_of_these_tests_is_whole() -> None:
    assert set(LABELS) == EVERYTHING


# --- §5.3 ---------------------------------------------------------------------------------------------------

NAMESPACED = [
    # "NetworkPolicy in namespace N: projectcalico.org/namespace == 'N' …"
    ("", "", {"prod/web", "prod/db", "prod/set"}),
    ("all()", "", {"prod/web", "prod/db", "prod/set"}),
    # "… AND selector (if non-empty) …"
    ("app == 'web'", "", {"prod/web", "prod/set"}),
    # … an OR is not torn apart by the AND.
    ("app == 'web' || app == 'x'", "", {"prod/web", "prod/set"}),
    # "… AND Prefix(serviceAccountSelector, `pcsa.`)"
    ("", "role == 'be'", {"prod/web"}),
    ("app == 'db'", "role == 'be'", set()),
    # "`serviceAccountSelector: all()` is a no-op in a NetworkPolicy"
    ("", "all()", {"prod/web", "prod/db", "prod/set"}),
    # Blank text is `all()`.
    (" \t", "", {"prod/web", "prod/db", "prod/set"}),
]


@pytest.mark.parametrize(("selector", "accounts", "expected"), NAMESPACED)
def test_networkpolicy_selects(selector: str, accounts: str, expected: set[str]) -> None:
    assert members(namespaced_policy("prod", selector, accounts)) == expected


GLOBAL = [
    # "With neither, the selector stands as written and can select WEPs and HEPs alike."
    ("", "", "", EVERYTHING),
    ("app == 'web'", "", "", {"prod/web", "dev/web", "hep", "prod/set", "gset"}),
    # "if namespaceSelector non-empty AND Prefix(namespaceSelector, `pcns.`)"
    ("", "team == 'red'", "", {"prod/web", "prod/db", "prod/set"}),
    ("app == 'web'", "team == 'red'", "", {"prod/web", "prod/set"}),
    # "replace every `all()` … by `has(projectcalico.org/namespace)`"
    ("", "all()", "", {"prod/web", "prod/db", "dev/web", "prod/set"}),
    # "an `all()` the user wrote in `selector` is rewritten as well"
    ("app == 'x' || all()", "!has(team)", "", {"dev/web"}),
    # … only where it is written so: the text is replaced, not the meaning.
    ("app == 'x' || all( )", "!has(team)", "", {"dev/web", "hep", "gset"}),
    # "**Negative namespace selectors select host endpoints**"
    ("", "!has(team)", "", {"dev/web", "hep", "gset"}),
    # "if serviceAccountSelector non-empty AND Prefix(serviceAccountSelector, `pcsa.`)"
    ("", "", "role == 'be'", {"prod/web"}),
    # "`serviceAccountSelector: all()` … means "has a service account" in a GNP"
    ("", "", "all()", {"prod/web", "prod/db", "dev/web"}),
    ("all()", "", "!has(role)", {"prod/db", "dev/web"}),
    ("app == 'web'", "team == 'red'", "role == 'be'", {"prod/web"}),
    ("app == 'web' || app == 'db'", "team == 'red' || team == 'x'", "all()", {"prod/web", "prod/db"}),
    # `global()` in a policy's own selector is true, as an expression (§4.3).
    ("global()", "", "", EVERYTHING),
]


@pytest.mark.parametrize(("selector", "namespaces", "accounts", "expected"), GLOBAL)
def test_globalnetworkpolicy_selects(
    selector: str, namespaces: str, accounts: str, expected: set[str]
) -> None:
    assert members(global_policy(selector, namespaces, accounts)) == expected


def test_text_is_replaced_inside_strings_too() -> None:
    """§16.9: the effect is that of replacing text on the same strings."""
    combined = global_policy('x == "all()"', "team == 'red'", "")
    assert combined == Selector.parse('(x == "has(projectcalico.org/namespace)") && pcns.team == "red"')


# --- §5.4 ---------------------------------------------------------------------------------------------------

IN_PROD = {"prod/web", "prod/db", "prod/set"}
NAMESPACED_ENTITIES = {"prod/web", "prod/db", "dev/web", "prod/set"}

SIDES = [
    # "none of selector/notSelector/serviceAccounts/namespaceSelector puts *no* identity constraint"
    ("prod", "{nets: [10.0.0.0/8]}", None, None),
    ("", "{nets: [10.0.0.0/8]}", None, None),
    # "as soon as one of them is present (even only `notSelector`), the peer must be a known entity in N"
    ("prod", "{selector: app == 'web'}", {"prod/web", "prod/set"}, None),
    ("prod", "{notSelector: app == 'web'}", IN_PROD, {"prod/web", "dev/web", "hep", "prod/set", "gset"}),
    ("prod", "{serviceAccounts: {names: [api]}}", {"prod/web"}, None),
    ("prod", "{namespaceSelector: has(kubernetes.io/metadata.name)}", NAMESPACED_ENTITIES, None),
    # Step 1: Prefix(namespaceSelector, `pcns.`); the policy's own namespace no longer counts.
    ("prod", "{namespaceSelector: '!has(team)', selector: app == 'web'}", {"dev/web", "hep", "gset"}, None),
    ("", "{namespaceSelector: team == 'red'}", IN_PROD, None),
    # "`namespaceSelector: all()` matches WEPs and namespaced NetworkSets"
    ("prod", "{namespaceSelector: all()}", NAMESPACED_ENTITIES, None),
    ("", "{namespaceSelector: all()}", NAMESPACED_ENTITIES, None),
    # "`namespaceSelector: global()` matches HEPs and GlobalNetworkSets"
    ("prod", "{namespaceSelector: global()}", {"hep", "gset"}, None),
    ("", "{namespaceSelector: global(), selector: app == 'x'}", set(), None),
    # Step 2: "AND of Prefix(serviceAccounts.selector, `pcsa.`) and serviceaccount in {names}"
    ("", "{serviceAccounts: {selector: role == 'be'}}", {"prod/web"}, None),
    ("", "{serviceAccounts: {names: [default]}}", {"prod/db", "dev/web"}, None),
    ("", "{serviceAccounts: {names: [default], selector: role == 'be'}}", set(), None),
    ("prod", "{serviceAccounts: {}}", None, None),
    # Step 3: "AND of saSel and selector"
    ("", "{serviceAccounts: {names: [api, default]}, selector: app == 'web'}", {"prod/web", "dev/web"}, None),
    # Step 4: without nsSel, positive = pos. "With Q only and no nsSel (GNP)": no positive selector.
    ("", "{notSelector: app == 'web'}", None, {"prod/web", "dev/web", "hep", "prod/set", "gset"}),
    ("", "{selector: app == 'db', notSelector: has(x)}", {"prod/db"}, set()),
    # "`selector: all()` in a GNP rule matches any known entity"
    ("", "{selector: all()}", EVERYTHING, None),
    ("prod", "{selector: all()}", IN_PROD, None),
    # Step 5: "notSelector is used as written, without prefixing or namespace"; §16.17: global() is true.
    ("prod", "{selector: all(), notSelector: global()}", IN_PROD, EVERYTHING),
    ("prod", "{serviceAccounts: {selector: global()}}", IN_PROD, None),
    # An OR is not torn apart.
    ("prod", "{selector: app == 'web' || app == 'x'}", {"prod/web", "prod/set"}, None),
]


@pytest.mark.parametrize(("namespace", "side", "positive", "negative"), SIDES)
def test_a_side_of_a_rule_selects(
    namespace: str, side: str, positive: set[str] | None, negative: set[str] | None
) -> None:
    converted = side_of(namespace, side)
    assert (None if converted.selector is None else members(converted.selector)) == positive
    assert (None if converted.not_selector is None else members(converted.not_selector)) == negative


def side_of(namespace: str, side: str) -> Side:
    kind = "NetworkPolicy" if namespace else "GlobalNetworkPolicy"
    converted = policy(
        f"""
        apiVersion: projectcalico.org/v3
        kind: {kind}
        metadata: {{name: p, namespace: "{namespace}"}}
        spec: {{types: [Ingress], ingress: [{{action: Allow, source: {side}}}]}}
        """
    )
    assert converted.ingress is not None
    return converted.ingress[0].source


def test_all_and_global_are_replaced_in_the_prefixed_text() -> None:
    """§5.4 step 1, §16.9: textually, so in strings too."""
    assert (
        of_namespaces(Selector.parse('x == "all()"')).canonical
        == 'pcns.x == "has(projectcalico.org/namespace)"'
    )
    assert of_namespaces(Selector.parse("!global()")) == Selector.parse("has(projectcalico.org/namespace)")
    assert of_namespaces(Selector.parse("has(a) && all()")) == Selector.parse(
        "has(pcns.a) && has(projectcalico.org/namespace)"
    )


@pytest.mark.parametrize(
    "side",
    [
        "{selector: '='}",
        "{notSelector: '='}",
        "{namespaceSelector: '='}",
        "{serviceAccounts: {selector: '='}}",
    ],
)
def test_a_selector_that_is_none_makes_the_policy_absent(side: str) -> None:
    """§3.1: treated as absent, not applied in part."""
    converted, problems = policy_of(
        resource(
            f"""
            apiVersion: projectcalico.org/v3
            kind: NetworkPolicy
            metadata: {{name: p, namespace: prod}}
            spec: {{types: [Ingress], ingress: [{{action: Allow}}, {{action: Allow, source: {side}}}]}}
            """
        )
    )
    assert converted is None
    assert codes(problems) == [("CV0001", "spec.ingress[1]")]


@pytest.mark.parametrize("field", ["selector", "namespaceSelector", "serviceAccountSelector"])
def test_a_policy_selector_that_is_none_makes_the_policy_absent(field: str) -> None:
    text = f"""
        {{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {{name: p}},
          spec: {{types: [Ingress], {field}: "a in b"}}}}
    """
    converted, problems = policy_of(resource(text))
    assert converted is None
    assert codes(problems) == [("CV0001", "spec")]


# --- joining, label selectors of Kubernetes -----------------------------------------------------------------


def test_joining_leaves_out_what_adds_nothing() -> None:
    one, two, everything = Selector.parse("a == 'b'"), Selector.parse("has(c)"), Selector.parse("")
    assert joined() == everything
    assert joined(everything, everything) == everything
    assert joined(everything, one) == one
    assert joined(one, everything, two) == Selector.parse("a == 'b' && has(c)")


def test_joining_is_what_joining_texts_in_parentheses_parses_to() -> None:
    left, right = Selector.parse("a == 'b' || has(c)"), Selector.parse("!has(d) && e == 'f'")
    assert joined(left, right) == Selector.parse(f"({left.canonical}) && ({right.canonical})")
    assert Selector.parse(joined(left, right).canonical) == joined(left, right)


REQUIREMENTS = [
    # "In → `k in {…}`, NotIn → `k not in {…}`, Exists → `has(k)`, DoesNotExist → `!has(k)`" (§10.2)
    (("k", "In", ("b", "a", "b")), 'k in {"a", "b"}'),
    (("k", "NotIn", ("a",)), 'k not in {"a"}'),
    (("k", "Exists", ()), "has(k)"),
    (("k", "DoesNotExist", ()), "!has(k)"),
]


@pytest.mark.parametrize(("requirement", "expected"), REQUIREMENTS)
def test_match_expressions(requirement: tuple[str, str, tuple[str, ...]], expected: str) -> None:
    key, operator, values = requirement
    item = LabelSelectorRequirement(key=key, operator=operator, values=values)
    assert labelled(LabelSelector(match_expressions=(item,))).canonical == expected


def test_match_labels_come_first_with_keys_sorted() -> None:
    item = LabelSelectorRequirement(key="a", operator="Exists")
    written = LabelSelector(match_labels={"z": "1", "b": "2"}, match_expressions=(item,))
    assert labelled(written).canonical == '(b == "2" && z == "1" && has(a))'
    assert (
        pods(written).canonical
        == '(projectcalico.org/orchestrator == "k8s" && b == "2" && z == "1" && has(a))'
    )


def test_the_empty_label_selector_is_everything_and_of_pods_every_pod() -> None:
    assert labelled(LabelSelector()).canonical == "all()"
    assert members(pods(LabelSelector())) == members(pods(None)) == {"prod/web", "prod/db", "dev/web"}


@pytest.mark.parametrize(("operator", "values"), [("Equals", ("a",)), ("", ()), ("In", ()), ("NotIn", ())])
def test_a_requirement_without_meaning_is_refused(operator: str, values: tuple[str, ...]) -> None:
    item = LabelSelectorRequirement(key="k", operator=operator, values=values)
    with pytest.raises(Unconvertible):
        labelled(LabelSelector(match_expressions=(item,)))


@pytest.mark.parametrize("key", ["", "a b", "a==", "a\n", "ä", "a" * 513])
def test_a_label_name_that_no_selector_can_spell_is_refused(key: str) -> None:
    with pytest.raises(Unconvertible):
        labelled(LabelSelector(match_labels={key: "v"}))


def test_a_value_that_no_selector_can_spell_is_refused() -> None:
    """As text it would end its own quotes, and the rest would read as another selector."""
    with pytest.raises(Unconvertible):
        pods(LabelSelector(match_labels={"a": "'\" && b == 'c"}))
    assert pods(LabelSelector(match_labels={"a": "' && b == 'c"})).canonical.endswith(
        """a == "' && b == 'c")"""
    )
