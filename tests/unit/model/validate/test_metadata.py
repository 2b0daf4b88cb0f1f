"""Names, labels and annotations. Source: spec/policy-semantics §2.2, §2.3."""

import pytest

from ocicat.base.problem import Severity
from support.judged import ADMIN, CLUSTER, KUBERNETES, document, problems, told

LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
NOT_A_POLICY_NAME = f"name must consist of lower case alphanumeric characters or '-' (regex: {LABEL})"
NOT_A_NAME = (
    f"name must consist of lower case alphanumeric characters, '-' or '.' (regex: {LABEL}(\\.{LABEL})*)"
)

POLICIES = ["NetworkPolicy", "StagedNetworkPolicy"]
GLOBAL_POLICIES = ["GlobalNetworkPolicy", "StagedGlobalNetworkPolicy"]
OTHERS = [
    "StagedKubernetesNetworkPolicy",
    "NetworkSet",
    "GlobalNetworkSet",
    "HostEndpoint",
    "Profile",
]
SPECS = {"HostEndpoint": {"node": "n", "interfaceName": "*"}}


def named(kind: str, name: str) -> list[tuple[str, str]]:
    """Return code and what of each Problem of an object's name."""
    found = told(document(kind, SPECS.get(kind), name=name))
    assert {path for _, path, _ in found} <= {"metadata.name"}
    return [(code, what) for code, _, what in found]


LONG = "a" * 253
GOOD = [
    # "`L`, or `L.L` (at most one dot), or `knp.default.S`, or `ossg.default.S`"
    (POLICIES, ["a", "9", "a-b", "a.b", "eng.thing", LONG, "knp.default.a.b.c", "ossg.default.a"]),
    (GLOBAL_POLICIES, ["a", "9", "a-b", "a.b", LONG]),
    (["Tier"], ["a", "9", "a-b", "a" * 63]),
    (OTHERS, ["a", "a.b.c", "t.h.i.ng", LONG, f"{'a' * 200}.b"]),
]
BAD = [
    (POLICIES, "t.h.i.ng", ["NP0002"]),
    (POLICIES, "knp.default", []),
    (POLICIES, "knp.other.a", ["NP0002"]),
    (GLOBAL_POLICIES, "knp.default.a", ["NP0002"]),
    (GLOBAL_POLICIES, "ossg.default.a", ["NP0002"]),
    (GLOBAL_POLICIES, "t.h.i.ng", ["NP0002"]),
    (["Tier"], "a.b", ["NP0002"]),
]
BAD_EVERYWHERE = ["t~!s", "tHiNg", "-a", "a-", "a_b", "a\n", "٣", "é", "", ".", "a..b", ".a", "a.", "a b"]


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kinds, names in GOOD for kind in kinds for name in names]
)
def test_names(kind: str, name: str) -> None:
    assert named(kind, name) == []


@pytest.mark.parametrize(
    ("kind", "name", "codes"), [(kind, name, codes) for kinds, name, codes in BAD for kind in kinds]
)
def test_names_with_too_many_dots(kind: str, name: str, codes: list[str]) -> None:
    assert named(kind, name) == [(code, NOT_A_POLICY_NAME) for code in codes]


@pytest.mark.parametrize("kind", [*POLICIES, *GLOBAL_POLICIES, "Tier"])
@pytest.mark.parametrize("name", BAD_EVERYWHERE)
def test_a_bad_policy_or_tier_name_is_two_errors(kind: str, name: str) -> None:
    """§2.2: "The generic object-metadata check runs too, so a bad policy name can yield two errors"."""
    assert named(kind, name) == [("NP0003", NOT_A_NAME), ("NP0002", NOT_A_POLICY_NAME)]


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("name", BAD_EVERYWHERE)
def test_another_bad_name_is_one(kind: str, name: str) -> None:
    assert named(kind, name) == [("NP0003", NOT_A_NAME)]


@pytest.mark.parametrize("kind", [*POLICIES, *GLOBAL_POLICIES, *OTHERS])
def test_a_name_has_at_most_253_bytes(kind: str) -> None:
    assert named(kind, "a" * 254) == [("NP0001", "name is too long by 1 bytes")]
    assert named(kind, "a" * 300) == [("NP0001", "name is too long by 47 bytes")]


def test_a_tiers_name_has_at_most_63() -> None:
    assert named("Tier", "a" * 64) == [("NP0001", "name is too long by 1 bytes")]
    both = [("NP0001", "name is too long by 1 bytes"), ("NP0001", "name is too long by 191 bytes")]
    assert named("Tier", "a" * 254) == both


def test_lengths_count_bytes() -> None:
    assert ("NP0001", "name is too long by 7 bytes") in named("Profile", "é" * 130)


def test_a_label_inside_a_name_may_be_long() -> None:
    """§2.2: "Individual labels inside a name are not limited to 63 bytes except for tiers"."""
    assert named("GlobalNetworkPolicy", f"{'a' * 100}.{'b' * 100}") == []


FIXES = [
    ("NetworkPolicy", "tHiNg", "write thing"),
    ("NetworkPolicy", "t.h.i.ng", "write t.h-i-ng"),
    ("GlobalNetworkPolicy", "eng.a_b c", "write eng.a-b-c"),
    ("Tier", "a.b", "write a-b"),
    ("NetworkSet", "test$set.v_2", "write test-set.v-2"),
    ("NetworkSet", "!!", "write metadata.name with dots, hyphens, lower case letters and digits"),
]


@pytest.mark.parametrize(("kind", "name", "fix"), FIXES)
def test_the_fix_is_the_nearest_name(kind: str, name: str, fix: str) -> None:
    found = problems(document(kind, name=name))
    assert {problem.fix for problem in found} == {fix}
    assert {(problem.field, problem.value) for problem in found} == {("Metadata.Name", name)}


# --- Kubernetes' kinds --------------------------------------------------------------------------------------

SUBJECT = {"subject": {"namespaces": {}}}
FOREIGN = [
    (KUBERNETES, "NetworkPolicy", {}),
    (CLUSTER, "ClusterNetworkPolicy", {"tier": "Admin", "priority": 1, **SUBJECT}),
    (ADMIN, "AdminNetworkPolicy", {"priority": 1, **SUBJECT}),
    ("v1", "Pod", {}),
    ("v1", "ServiceAccount", None),
    ("apps/v1", "Deployment", {}),
]


@pytest.mark.parametrize(("api", "kind", "spec"), FOREIGN)
def test_kubernetes_names_are_subdomains(api: str, kind: str, spec: dict | None) -> None:
    assert problems(document(kind, spec, api, name="a.b-c")) == []
    (problem,) = problems(document(kind, spec, api, name="use_all"))
    assert (problem.code, problem.where.path, problem.fix) == ("NP0008", "metadata.name", "write use-all")
    assert problem.severity is Severity.WARNING
    assert problem.what.startswith("a lowercase RFC 1123 subdomain must consist of lower case")


@pytest.mark.parametrize("kind", ["Namespace", "Service"])
def test_names_of_namespaces_and_services_are_labels(kind: str) -> None:
    assert problems(document(kind, None, "v1", name="a" * 63)) == []
    for name in ("a.b", "a" * 64):
        (problem,) = problems(document(kind, None, "v1", name=name))
        assert problem.code == "NP0008"


def test_a_namespace_that_cannot_exist() -> None:
    (problem,) = problems(document("NetworkPolicy", namespace="Cat_Facts"))
    assert (problem.code, problem.where.path, problem.fix) == (
        "NP0009",
        "metadata.namespace",
        "write cat-facts",
    )
    assert problem.severity is Severity.WARNING


def test_a_namespaced_policy_without_a_namespace_is_no_mistake() -> None:
    assert problems(document("NetworkPolicy", namespace="")) == []


# --- labels -------------------------------------------------------------------------------------------------

QUALIFIED = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
GOOD_KEYS = ["a", "A", "a.b_c-d", "a" * 63, "example.com/a", f"{'a' * 253}/{'b' * 63}", "1/1"]
SUBDOMAIN_PREFIX = (
    "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for "
    "validation is "
    f"'{LABEL}(\\.{LABEL})*')"
)
SLASHES = (
    f"a qualified name {QUALIFIED.removeprefix('name part ')} with an optional DNS subdomain prefix and '/' "
    "(e.g. 'example.com/MyName')"
)
BAD_KEYS = [
    ("-a", [QUALIFIED]),
    ("a b", [QUALIFIED]),
    ("", ["name part must be non-empty", QUALIFIED]),
    ("a/", ["name part must be non-empty", QUALIFIED]),
    ("/a", ["prefix part must be non-empty"]),
    ("a" * 64, ["name part must be no more than 63 characters"]),
    (f"{'a' * 254}/b", ["prefix part must be no more than 253 characters"]),
    ("Example.com/a", [SUBDOMAIN_PREFIX]),
    ("a/b/c", [SLASHES]),
    ("a\n", [QUALIFIED]),
    ("ä", [QUALIFIED]),
]


@pytest.mark.parametrize("kind", ["NetworkPolicy", "Tier", "NetworkSet", "GlobalNetworkSet", "Profile"])
@pytest.mark.parametrize("key", GOOD_KEYS)
def test_label_keys(kind: str, key: str) -> None:
    assert told(document(kind, labels={key: "x"})) == []


@pytest.mark.parametrize("kind", ["NetworkPolicy", "Tier", "NetworkSet", "GlobalNetworkSet", "Profile"])
@pytest.mark.parametrize(("key", "expected"), BAD_KEYS)
def test_what_is_no_label_key(kind: str, key: str, expected: list[str]) -> None:
    """§2.3: "the Kubernetes message is reported under `Metadata.Labels (label)`"."""
    found = problems(document(kind, labels={key: "x"}))
    assert [problem.what for problem in found] == expected
    assert {(problem.code, problem.field, problem.value) for problem in found} == {
        ("NP0004", "Metadata.Labels (label)", key)
    }


VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    "for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


@pytest.mark.parametrize("value", ["", "a", "A.b_c-D", "9", "a" * 63])
def test_label_values(value: str) -> None:
    assert told(document("GlobalNetworkSet", labels={"a": value})) == []


@pytest.mark.parametrize(
    ("value", "expected", "fix"),
    [
        ("a b", [VALUE], "write a-b"),
        ("-", [VALUE], "write a value that begins and ends with a letter or digit, without spaces"),
        ("a" * 64, ["must be no more than 63 characters"], f"write {'a' * 63}"),
        ("https://example.com/x", [VALUE], "write https-example.com-x"),
        ("a\n", [VALUE], "write a"),
    ],
)
def test_what_is_no_label_value(value: str, expected: list[str], fix: str) -> None:
    found = problems(document("GlobalNetworkSet", labels={"team": value}))
    assert [problem.what for problem in found] == expected
    assert {(problem.code, problem.field, problem.where.path, problem.fix) for problem in found} == {
        ("NP0005", "Metadata.Labels (value)", "metadata.labels.team", fix)
    }


# --- annotations --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["a", "Example.COM/A", "a" * 63])
def test_annotation_keys_are_lowered_first(key: str) -> None:
    """§2.3: "lower-cased key must be a qualified name"."""
    assert told(document("Tier", annotations={key: "anything at all: ☃"})) == []


@pytest.mark.parametrize("key", ["...", "", "a b", "a/b/c"])
def test_what_is_no_annotation_key(key: str) -> None:
    found = problems(document("Tier", annotations={key: "x"}))
    assert {(problem.code, problem.field) for problem in found} == {("NP0006", "Metadata.Annotations (key)")}


def test_annotations_have_at_most_256_kibibytes() -> None:
    """§2.3: "sum of key+value lengths ≤ 262144 bytes, else …"; of UTF-8."""
    half = {"a": "b" * 131071, "c": "é" * 65535 + "d"}
    assert told(document("Tier", annotations=half)) == []
    assert told(document("Tier", annotations={**half, "e": "1234"})) == [
        ("NP0007", "metadata.annotations", "total size of annotations is too large by 5 bytes")
    ]


# --- the label of the tier ----------------------------------------------------------------------------------


def test_a_users_own_tier_label_does_not_count() -> None:
    """§1: "Always set on write to the effective tier (overwrites a user value)"."""
    assert told(document("NetworkPolicy", labels={"projectcalico.org/tier": "not a label!"})) == []
