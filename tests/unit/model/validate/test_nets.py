"""The nets of rules. Source: spec/policy-semantics §3.3, §3.4."""

import pytest

from support.judged import document, problems, rule

LISTS = [(side, name) for side in ("source", "destination") for name in ("nets", "notNets")]
GOOD = ["10.0.0.0/8", "10.1.2.3/32", "128.0.0.0/1", "fd00::/8", "::1/128", "2001:db8:0:0::/64"]
INVALID = "invalid CIDR"
BAD = [
    # "a nets/notNets item that is not a CIDR (a bare address too)"
    ("10.0.0.1", "NP0111", INVALID, "write 10.0.0.1/32"),
    ("fd00::1", "NP0111", INVALID, "write fd00::1/128"),
    (" 10.0.0.0/8", "NP0111", INVALID, "write 10.0.0.0/8"),
    ("10.0.0.0/33", "NP0111", INVALID, "write a length of 0 to 32 after the slash"),
    ("fd00::/129", "NP0111", INVALID, "write a length of 0 to 128 after the slash"),
    ("10.0.0.0/255.0.0.0", "NP0111", INVALID, "write 10.0.0.0/8"),
    ("10.0.0.0/-1", "NP0111", INVALID, "write a length of 0 to 32 after the slash"),
    ("10.0.0.0/", "NP0111", INVALID, "write a length of 0 to 32 after the slash"),
    ("10.0.0/8", "NP0111", INVALID, "write address/length, such as 10.0.0.0/8"),
    ("nowhere/8", "NP0111", INVALID, "write address/length, such as 10.0.0.0/8"),
    ("fe80::%eth0/64", "NP0111", INVALID, "write address/length, such as 10.0.0.0/8"),
    ("", "NP0111", INVALID, "write address/length, such as 10.0.0.0/8"),
    # "network address exactly masked (10.0.0.1/8 is rejected; tag net)"
    (
        "10.0.0.1/8",
        "NP0112",
        "the net is 10.0.0.0/8; its address must have no bits behind the length",
        "write 10.0.0.0/8",
    ),
    (
        "fd00::1/8",
        "NP0112",
        "the net is fd00::/8; its address must have no bits behind the length",
        "write fd00::/8",
    ),
]


@pytest.mark.parametrize(("side", "name"), LISTS)
@pytest.mark.parametrize("net", GOOD)
def test_a_net_is_a_masked_cidr(side: str, name: str, net: str) -> None:
    assert rule({"action": "Allow", side: {name: [net]}}) == []


@pytest.mark.parametrize(("side", "name"), LISTS)
@pytest.mark.parametrize(("net", "code", "what", "fix"), BAD)
def test_what_is_no_net(side: str, name: str, net: str, code: str, what: str, fix: str) -> None:
    spec = {"ingress": [{"action": "Allow", side: {name: [net]}}]}
    (problem,) = problems(document("NetworkPolicy", spec))
    path = f"spec.ingress[0].{side}.{name}[0]"
    assert (problem.code, problem.where.path, problem.what, problem.fix) == (code, path, what, fix)


def test_how_calico_calls_a_net() -> None:
    """Its checks of a whole rule name the list, its check of a field names the item (§3.1)."""
    spec = {"ingress": [{"action": "Allow", "destination": {"notNets": ["10.0.0.1", "10.0.0.1/8"]}}]}
    found = problems(document("NetworkPolicy", spec))
    assert [problem.field for problem in found] == ["Destination.NotNets", "NotNets[1]"]


@pytest.mark.parametrize("side", ["source", "destination"])
@pytest.mark.parametrize("net", ["0.0.0.0/0", "::/0", "::0/0", "0:0:0::/0"])
def test_not_everything_can_be_excluded(side: str, net: str) -> None:
    """§3.3: "`0.0.0.0/0`, or `::/0` in any spelling …, in notNets"."""
    what = "catch-all CIDR in negation creates logical contradiction (matches no traffic)"
    assert rule({"action": "Allow", side: {"notNets": [net]}}) == [("NP0117", f"{side}.notNets[0]", what)]
    assert rule({"action": "Allow", side: {"nets": [net]}}) == []


@pytest.mark.parametrize(("side", "name"), LISTS)
@pytest.mark.parametrize(
    ("version", "nets", "index"),
    [(4, ["fd00::/8"], 0), (6, ["10.0.0.0/8"], 0), (6, ["10.0.0.1/8"], 0)],
)
def test_nets_are_of_the_rules_ip_version(
    side: str, name: str, version: int, nets: list[str], index: int
) -> None:
    """§3.3: "any CIDR's family differs from ipVersion"."""
    found = rule({"action": "Allow", "ipVersion": version, side: {name: nets}})
    assert ("NP0115", f"{side}.{name}[{index}]", "rule IP version doesn't match CIDR version") in found


@pytest.mark.parametrize(("version", "net"), [(4, "10.0.0.0/8"), (6, "fd00::/8")])
def test_nets_of_the_rules_own_ip_version(version: int, net: str) -> None:
    assert rule({"action": "Allow", "ipVersion": version, "source": {"nets": [net]}}) == []


MIXED = "rule contains both IPv4 and IPv6 CIDRs"
MIXTURES = [
    ({"source": {"nets": ["10.0.0.0/8", "fd00::/8"]}}, "source.nets[1]"),
    ({"source": {"nets": ["10.0.0.0/8"], "notNets": ["fd00::/8"]}}, "source.notNets[0]"),
    ({"source": {"nets": ["fd00::/8"]}, "destination": {"nets": ["10.0.0.0/8"]}}, "destination.nets[0]"),
    (
        {"source": {"notNets": ["fd00::/8"]}, "destination": {"notNets": ["10.1.0.0/16"]}},
        "destination.notNets[0]",
    ),
    (
        {"destination": {"nets": ["10.0.0.0/8"], "notNets": ["10.1.0.0/16", "fd00::/8"]}},
        "destination.notNets[1]",
    ),
]


@pytest.mark.parametrize(("sides", "path"), MIXTURES)
def test_a_rule_is_not_for_both_ip_versions(sides: dict, path: str) -> None:
    """§3.3: "both families among source/destination nets/notNets of one rule"."""
    assert rule({"action": "Allow", **sides}) == [("NP0116", path, MIXED)]


def test_each_list_that_is_inconsistent_is_told() -> None:
    sides = {"source": {"nets": ["10.0.0.0/8", "fd00::/8"]}, "destination": {"nets": ["10.0.0.0/8"]}}
    found = rule({"action": "Allow", **sides})
    assert [path for _, path, _ in found] == ["source.nets[1]", "destination.nets[0]"]


def test_what_is_no_net_has_no_ip_version() -> None:
    found = rule({"action": "Allow", "ipVersion": 4, "source": {"nets": ["10.0.0.0/8", "fd00::1"]}})
    assert [code for code, _, _ in found] == ["NP0111"]


@pytest.mark.parametrize(("side", "name"), LISTS)
def test_a_list_has_at_most_256_nets_each_once(side: str, name: str) -> None:
    """§3.4: "`nets`/`notNets` ≤256 and no duplicates (set)"."""
    nets = [f"10.0.{number}.0/24" for number in range(256)]
    assert rule({"action": "Allow", side: {name: nets}}) == []
    assert rule({"action": "Allow", side: {name: [*nets, "10.1.0.0/24"]}}) == [
        ("NP0114", f"{side}.{name}", "must have at most 256 items")
    ]
    assert rule({"action": "Allow", side: {name: [*nets[:3], "10.0.1.0/24"]}}) == [
        ("NP0113", f"{side}.{name}[3]", "duplicate value")
    ]
