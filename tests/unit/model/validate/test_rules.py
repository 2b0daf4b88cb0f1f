"""What must hold for each rule by itself. Source: spec/policy-semantics §3.3, §3.6."""

import pytest

from support.judged import document, policy, problems, rule, told

ACTIONS = ["Allow", "Deny", "Log", "Pass"]
ALL_ACTIONS = 'supported values: "Allow", "Deny", "Log", "Pass"'
OWNERS = [
    "NetworkPolicy",
    "GlobalNetworkPolicy",
    "StagedNetworkPolicy",
    "StagedGlobalNetworkPolicy",
    "Profile",
]


@pytest.mark.parametrize("kind", OWNERS)
@pytest.mark.parametrize("direction", ["ingress", "egress"])
@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_is_legal_everywhere(kind: str, direction: str, action: str) -> None:
    """§3.3: "Pass is legal in every rule of every kind, in every tier, including `default` and profiles"."""
    assert rule({"action": action}, kind, direction) == []


@pytest.mark.parametrize("kind", OWNERS)
@pytest.mark.parametrize(
    ("action", "fix"),
    [
        ("allow", "write Allow"),
        ("Accept", "write Allow, Deny, Log or Pass"),
        ("", "write Allow, Deny, Log or Pass"),
    ],
)
def test_an_action_has_its_exact_spelling(kind: str, action: str, fix: str) -> None:
    found = problems(document(kind, {"egress": [{"action": action}]}))
    assert [(problem.code, problem.where.path, problem.what, problem.fix) for problem in found] == [
        ("NP0118", "spec.egress[0].action", ALL_ACTIONS, fix)
    ]


def test_an_action_is_required() -> None:
    assert rule({}) == [("NP0118", "action", ALL_ACTIONS)]


@pytest.mark.parametrize("version", [4, 6])
def test_an_ip_version(version: int) -> None:
    assert rule({"action": "Allow", "ipVersion": version}) == []


@pytest.mark.parametrize("version", [0, 5, -4, 46])
def test_there_are_two_ip_versions(version: int) -> None:
    found = rule({"action": "Allow", "ipVersion": version})
    assert found == [("NP0119", "ipVersion", 'supported values: "4", "6"')]


# --- ICMP ---------------------------------------------------------------------------------------------------

NEEDS_ICMP = "ICMP fields require protocol to be ICMP or ICMPv6"


@pytest.mark.parametrize("field", ["icmp", "notICMP"])
@pytest.mark.parametrize(("type_", "code"), [(0, None), (254, None), (0, 0), (254, 255), (None, None)])
def test_icmp_numbers(field: str, type_: int | None, code: int | None) -> None:
    """§3.3: "type?" 0 to 254, "code?" 0 to 255."""
    match = {name: number for name, number in (("type", type_), ("code", code)) if number is not None}
    assert rule({"action": "Allow", "protocol": "ICMP", field: match}) == []


@pytest.mark.parametrize("field", ["icmp", "notICMP"])
@pytest.mark.parametrize(
    ("match", "name", "what"),
    [
        ({"type": 255}, "type", "should be less than or equal to 254"),
        ({"type": -1}, "type", "should be greater than or equal to 0"),
        ({"type": 0, "code": 256}, "code", "should be less than or equal to 255"),
        ({"type": 0, "code": -1}, "code", "should be greater than or equal to 0"),
    ],
)
def test_icmp_numbers_out_of_range(field: str, match: dict, name: str, what: str) -> None:
    found = rule({"action": "Allow", "protocol": "ICMP", field: match})
    assert found == [("NP0120", f"{field}.{name}", what)]


@pytest.mark.parametrize("field", ["icmp", "notICMP"])
def test_an_icmp_code_needs_a_type(field: str) -> None:
    found = rule({"action": "Allow", "protocol": "ICMP", field: {"code": 0}})
    assert found == [("NP0121", f"{field}.code", "ICMP code specified without an ICMP type")]


@pytest.mark.parametrize("protocol", ["ICMP", "ICMPv6", 1, 58])
def test_icmp_fields_with_an_icmp_protocol(protocol: int | str) -> None:
    assert rule({"action": "Allow", "protocol": protocol, "icmp": {"type": 8}}) == []


@pytest.mark.parametrize("protocol", [None, "TCP", 6, 2])
def test_icmp_fields_with_another_protocol(protocol: int | str | None) -> None:
    """§3.3: "`icmp` set and protocol not ICMP, ICMPv6, 1 or 58"."""
    given = {} if protocol is None else {"protocol": protocol}
    assert rule({"action": "Allow", **given, "icmp": {"type": 8}}) == [("NP0122", "icmp", NEEDS_ICMP)]


@pytest.mark.parametrize("protocol", [None, "TCP", 6])
def test_not_icmp_needs_no_protocol(protocol: int | str | None) -> None:
    """§3.3: "(no equivalent check for `notICMP`)"."""
    given = {} if protocol is None else {"protocol": protocol}
    assert rule({"action": "Allow", **given, "notICMP": {"type": 8}}) == []


@pytest.mark.parametrize("field", ["protocol", "notProtocol"])
@pytest.mark.parametrize(
    ("protocol", "version", "code", "what"),
    [
        ("ICMP", 6, "NP0123", "protocol ICMP requires ipVersion 4"),
        (1, 6, "NP0123", "protocol ICMP requires ipVersion 4"),
        ("1", 6, "NP0123", "protocol ICMP requires ipVersion 4"),
        ("ICMPv6", 4, "NP0124", "protocol ICMPv6 requires ipVersion 6"),
        (58, 4, "NP0124", "protocol ICMPv6 requires ipVersion 6"),
    ],
)
def test_icmp_belongs_to_an_ip_version(
    field: str, protocol: int | str, version: int, code: str, what: str
) -> None:
    """§3.3: "protocol or notProtocol ICMP/1 with ipVersion 6", "… ICMPv6/58 with ipVersion 4"."""
    found = rule({"action": "Allow", field: protocol, "ipVersion": version})
    assert found == [(code, field, what)]


@pytest.mark.parametrize("field", ["protocol", "notProtocol"])
@pytest.mark.parametrize(("protocol", "version"), [("ICMP", 4), (1, 4), ("ICMPv6", 6), (58, 6)])
def test_icmp_of_the_right_ip_version(field: str, protocol: int | str, version: int) -> None:
    assert rule({"action": "Allow", field: protocol, "ipVersion": version}) == []
    assert rule({"action": "Allow", field: protocol}) == []


# --- HTTP ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [None, "TCP", 6, "6"])
def test_http_over_tcp(protocol: int | str | None) -> None:
    given = {} if protocol is None else {"protocol": protocol}
    assert rule({"action": "Allow", **given, "http": {"methods": ["GET"]}}) == []


@pytest.mark.parametrize("protocol", ["UDP", 17, "SCTP", "ICMP"])
def test_http_over_nothing_else(protocol: int | str) -> None:
    found = rule({"action": "Allow", "protocol": protocol, "http": {"methods": ["GET"]}})
    assert found == [("NP0126", "protocol", "rules with HTTP match must have protocol TCP or unset")]


@pytest.mark.parametrize("action", ["Deny", "Log", "Pass"])
def test_http_only_where_it_allows(action: str) -> None:
    found = rule({"action": action, "http": {"methods": ["GET"]}})
    assert found == [("NP0125", "http", "HTTP match is only valid on Allow rules")]


def test_even_an_empty_http_match_is_one() -> None:
    assert [code for code, _, _ in rule({"action": "Deny", "http": {}})] == ["NP0125"]


HTTP = [
    # "methods ≤20, no duplicates"
    (
        {"methods": ["GET", "PUT", "GET"]},
        "NP0127",
        "http.methods",
        "Invalid methods (duplicates): [GET PUT GET]",
    ),
    ({"methods": [f"M{i}" for i in range(21)]}, "NP0129", "http.methods", "must have at most 20 items"),
    # "paths ≤20"
    ({"paths": [{"exact": "/a"}] * 21}, "NP0129", "http.paths", "must have at most 20 items"),
    # "each path has exactly one of exact/prefix"
    (
        {"paths": [{"exact": "/a"}, {"exact": "/a", "prefix": "/"}]},
        "NP0128",
        "http.paths[1]",
        "Invalid path match. Both 'exact' and 'prefix' are set",
    ),
    (
        {"paths": [{}]},
        "NP0128",
        "http.paths[0]",
        "Invalid path match. Either 'exact' or 'prefix' must be set",
    ),
    # "must start with `/` and contain none of `?`, space, `#`"
    (
        {"paths": [{"exact": "a"}]},
        "NP0128",
        "http.paths[0]",
        "Invalid path a. (must start with `/` and not contain `?` or `#`",
    ),
    (
        {"paths": [{"prefix": "/a?b"}]},
        "NP0128",
        "http.paths[0]",
        "Invalid path /a?b. (must start with `/` and not contain `?` or `#`",
    ),
    (
        {"paths": [{"exact": "/a b"}]},
        "NP0128",
        "http.paths[0]",
        "Invalid path /a b. (must start with `/` and not contain `?` or `#`",
    ),
    (
        {"paths": [{"exact": "/a#b"}]},
        "NP0128",
        "http.paths[0]",
        "Invalid path /a#b. (must start with `/` and not contain `?` or `#`",
    ),
    # "≤1024 chars"
    (
        {"paths": [{"exact": "/" + "a" * 1024}]},
        "NP0129",
        "http.paths[0].exact",
        "may not be longer than 1,024 characters",
    ),
    (
        {"paths": [{"prefix": "/" + "a" * 1024}]},
        "NP0129",
        "http.paths[0].prefix",
        "may not be longer than 1,024 characters",
    ),
]


@pytest.mark.parametrize(("match", "code", "path", "what"), HTTP)
def test_what_is_no_http_match(match: dict, code: str, path: str, what: str) -> None:
    assert rule({"action": "Allow", "http": match}) == [(code, path, what)]


def test_http_matches_at_their_limits() -> None:
    match = {
        "methods": [f"M{i}" for i in range(20)],
        "paths": [{"exact": "/" + "a" * 1023}, *[{"prefix": f"/{i}"} for i in range(19)]],
    }
    assert rule({"action": "Allow", "http": match}) == []


# --- the rest -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "codes"), [("foo", []), ("Foo.example/Bar", []), ("...", ["NP0006"])])
def test_annotations_of_a_rule(key: str, codes: list[str]) -> None:
    """§2.3: "Rule `metadata.annotations` obey the annotation checks as well"."""
    found = rule({"action": "Allow", "metadata": {"annotations": {key: "bar"}}})
    assert [code for code, _, _ in found] == codes
    assert all(path.startswith("metadata.annotations") for _, path, _ in found)


def test_annotations_of_a_rule_are_not_too_large() -> None:
    assert rule({"action": "Allow", "metadata": {"annotations": {"a": "b" * 262143}}}) == []
    found = rule({"action": "Allow", "metadata": {"annotations": {"a": "b" * 262144}}})
    assert found == [("NP0007", "metadata.annotations", "total size of annotations is too large by 1 bytes")]


@pytest.mark.parametrize("kind", OWNERS)
@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_a_direction_has_at_most_1024_rules(kind: str, direction: str) -> None:
    """§3.2: "≤1024 each"; §3.10: "≤1024 Rules"."""
    assert policy({direction: [{"action": "Allow"}] * 1024}, kind) == []
    found = policy({direction: [{"action": "Allow"}] * 1025}, kind)
    assert found == [("NP0204", f"spec.{direction}", "must have at most 1,024 items")]


def test_every_rule_is_looked_at_and_every_mistake_of_it_told() -> None:
    """§3.1: "All errors … are collected and reported together"."""
    spec = {
        "ingress": [
            {"action": "Allow"},
            {"action": "allow", "ipVersion": 5, "protocol": "tcp", "source": {"ports": [0], "nets": ["x"]}},
        ],
        "egress": [{"action": "Deny", "http": {"methods": ["GET", "GET"]}}],
    }
    found = told(document("NetworkPolicy", spec))
    assert [(code, path) for code, path, _ in found] == [
        ("NP0118", "spec.ingress[1].action"),
        ("NP0119", "spec.ingress[1].ipVersion"),
        ("NP0102", "spec.ingress[1].protocol"),
        ("NP0104", "spec.ingress[1].source.ports[0]"),
        ("NP0111", "spec.ingress[1].source.nets[0]"),
        ("NP0127", "spec.egress[0].http.methods"),
        ("NP0125", "spec.egress[0].http"),
        ("NP0213", "spec.egress[0].http"),
    ]
