"""Protocols and ports. Source: spec/policy-semantics §3.3, §3.4."""

import pytest
import yaml

from support.judged import document, problems, rule

# --- protocols ----------------------------------------------------------------------------------------------

# "Protocol: integer 1 to 255, a string of digits denoting 1 to 255, or exactly one of …"
GOOD_PROTOCOLS = ["1", "255", "'6'", "'255'", "TCP", "UDP", "ICMP", "ICMPv6", "SCTP", "UDPLite"]
# "0 → protocol number invalid; any other string, including digits >255, → protocol name invalid"
BAD_PROTOCOLS = [
    ("0", "NP0101", "protocol number invalid"),
    ("'0'", "NP0101", "protocol number invalid"),
    ("256", "NP0101", "protocol number invalid"),
    ("-1", "NP0101", "protocol number invalid"),
    ("'256'", "NP0102", "protocol name invalid"),
    ("tcp", "NP0102", "protocol name invalid"),
    ("ICMPV6", "NP0102", "protocol name invalid"),
    ("'TCP\n'", "NP0102", "protocol name invalid"),
    ("'٦'", "NP0102", "protocol name invalid"),
    ("''", "NP0102", "protocol name invalid"),
    ("any", "NP0102", "protocol name invalid"),
]


@pytest.mark.parametrize("field", ["protocol", "notProtocol"])
@pytest.mark.parametrize("protocol", GOOD_PROTOCOLS)
def test_a_protocol_is_a_number_or_a_name(field: str, protocol: str) -> None:
    assert rule(f"{{action: Deny, {field}: {protocol}}}") == []


@pytest.mark.parametrize("field", ["protocol", "notProtocol"])
@pytest.mark.parametrize(("protocol", "code", "what"), BAD_PROTOCOLS)
def test_what_is_no_protocol(field: str, protocol: str, code: str, what: str) -> None:
    assert rule({"action": "Deny", field: yaml.safe_load(protocol)}) == [(code, field, what)]


PROTOCOL_FIXES = [
    ("tcp", "write TCP"),
    ("icmp6", "write ICMPv6"),
    ("Sctp", "write SCTP"),
    ("any", "remove protocol: without it the rule is for every protocol"),
    ("0", "write a number from 1 to 255, or remove protocol to match all"),
    ("xyz", "write TCP, UDP, ICMP, ICMPv6, SCTP or UDPLite, or remove protocol to match all"),
]


@pytest.mark.parametrize(("protocol", "expected"), PROTOCOL_FIXES)
def test_the_fix_names_the_protocol_that_was_meant(protocol: str, expected: str) -> None:
    spec = f"ingress: [{{action: Deny, protocol: {protocol}}}]"
    (problem,) = problems(document("NetworkPolicy", spec))
    assert (problem.fix, problem.field, problem.value) == (expected, "Protocol", protocol)


# --- ports --------------------------------------------------------------------------------------------------

LISTS = [(side, name) for side in ("source", "destination") for name in ("ports", "notPorts")]
OUT_OF_PORTS = "port range invalid, port number must be between 1 and 65535"
GOOD_PORTS = [1, 65535, "1", "65535", "0080", "1:65535", "80:80", "http", "a", "abcdefghijklmno", "a-b", "5x"]
BAD_PORTS = [
    # "JSON integer 0 to 65535 (then must be ≥1)"
    (0, "NP0104", OUT_OF_PORTS),
    (65536, "NP0103", "invalid port format (65536)"),
    (-1, "NP0103", "invalid port format (-1)"),
    # "Out-of-range digits: …"
    ("0", "NP0104", OUT_OF_PORTS),
    ("0:10", "NP0104", OUT_OF_PORTS),
    ("65536", "NP0103", "invalid port format (65536)"),
    ("9" * 30, "NP0103", f"invalid port format ({'9' * 30})"),
    ("70000:80000", "NP0103", "invalid minimum port number in range (70000:80000)"),
    ("80:70000", "NP0103", "invalid maximum port number in range (80:70000)"),
    # "min>max → …"
    (
        "8100:8000",
        "NP0107",
        "minimum port number (8100) is greater than maximum port number (8000) in port range",
    ),
    # "otherwise a named port matching [a-zA-Z0-9_.-]{1,128} else …"
    ("", "NP0105", "invalid name for named port ()"),
    ("a b", "NP0105", "invalid name for named port (a b)"),
    ("80,443", "NP0105", "invalid name for named port (80,443)"),
    ("80:", "NP0105", "invalid name for named port (80:)"),
    ("http\n", "NP0105", "invalid name for named port (http\n)"),
    ("٨٠", "NP0105", "invalid name for named port (٨٠)"),
    ("a" * 129, "NP0105", f"invalid name for named port ({'a' * 129})"),
    # "a named port to satisfy the Kubernetes port-name rule: 1 to 15 chars of [a-z0-9-], at least one
    # letter, no leading/trailing/double hyphen"
    ("abcdefghijklmnop", "NP0106", "must be no more than 15 characters"),
    ("Http", "NP0106", "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"),
    ("a_b", "NP0106", "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"),
    ("80-90", "NP0106", "must contain at least one letter (a-z)"),
    ("a--b", "NP0106", "must not contain consecutive hyphens"),
    ("-a", "NP0106", "must not begin or end with a hyphen"),
    ("a-", "NP0106", "must not begin or end with a hyphen"),
]


@pytest.mark.parametrize(("side", "name"), LISTS)
@pytest.mark.parametrize("port", GOOD_PORTS)
def test_a_port_is_a_number_a_range_or_a_name(side: str, name: str, port: int | str) -> None:
    assert rule({"action": "Allow", "protocol": "TCP", side: {name: [port]}}) == []


@pytest.mark.parametrize(("side", "name"), LISTS)
@pytest.mark.parametrize(("port", "code", "what"), BAD_PORTS)
def test_what_is_no_port(side: str, name: str, port: int | str, code: str, what: str) -> None:
    found = rule({"action": "Allow", "protocol": "TCP", side: {name: [80, port]}})
    assert found == [(code, f"{side}.{name}[1]", what)]


def test_a_name_can_break_several_rules_at_once() -> None:
    found = rule({"action": "Allow", "protocol": "TCP", "source": {"ports": ["--__--__--__--__"]}})
    ((code, path, what),) = found
    assert (code, path, what.count("; ")) == ("NP0106", "source.ports[0]", 4)


PORT_FIXES = [
    ("8100:8000", "write 8000:8100"),
    ("80-90", "write 80:90"),
    ("90-80", "write 80:90"),
    ("80 - 90", "write 80:90"),
    ("80, 443", "write one item for each: 80, 443"),
    (" 80", "write 80"),
    ("HTTP", "write http"),
    ("web_port", "write web-port"),
    (0, "write a port from 1 to 65535, or leave the ports out to match all"),
    (70000, "write a port from 1 to 65535"),
    ("10:70000", "write a port from 1 to 65535"),
    ("80-70000", "write the name that the container declares"),
]


@pytest.mark.parametrize(("port", "expected"), PORT_FIXES)
def test_the_fix_is_an_edit_for_this_very_port(port: int | str, expected: str) -> None:
    rules = [{"action": "Allow", "protocol": "TCP", "source": {"ports": [port]}}]
    assert problems(document("NetworkPolicy", {"ingress": rules}))[0].fix == expected


def test_what_calico_calls_a_port() -> None:
    rules = [{"action": "Allow", "protocol": "TCP", "source": {"ports": ["9:8", "HTTP"]}}]
    found = problems(document("NetworkPolicy", {"ingress": rules}))
    assert [(problem.field, problem.value) for problem in found] == [("Port", "9:8"), ("PortName", "HTTP")]


@pytest.mark.parametrize(("side", "name"), LISTS)
def test_a_list_has_at_most_50_ports(side: str, name: str) -> None:
    """§3.4: "`ports`/`notPorts` ≤50 items"."""
    fifty = list(range(1, 51))
    assert rule({"action": "Allow", "protocol": "TCP", side: {name: fifty}}) == []
    found = rule({"action": "Allow", "protocol": "TCP", side: {name: [*fifty, 51]}})
    assert found == [("NP0108", f"{side}.{name}", "must have at most 50 items")]


# --- the protocol that ports need ---------------------------------------------------------------------------

WITHOUT = "rules with numeric port or port range must set protocol to TCP or UDP or SCTP"
UNSUPPORTED = "rules that specify ports must set protocol to TCP or UDP or SCTP"


@pytest.mark.parametrize(("side", "name"), LISTS)
@pytest.mark.parametrize("port", [80, "80", "80:90", 70000])
def test_a_port_number_needs_a_protocol(side: str, name: str, port: int | str) -> None:
    """§3.3: "numeric port/range anywhere, protocol unset"."""
    assert ("NP0109", f"{side}.{name}", WITHOUT) in rule({"action": "Allow", side: {name: ["http", port]}})


@pytest.mark.parametrize(("side", "name"), LISTS)
def test_a_named_port_needs_none(side: str, name: str) -> None:
    """§1: "Named ports are accepted without a protocol; numeric ports and ranges still need one"."""
    assert rule({"action": "Allow", side: {name: ["http", "dns"]}}) == []


@pytest.mark.parametrize("protocol", ["TCP", "UDP", "SCTP", 6, 17, 132, "6", "17", "132"])
@pytest.mark.parametrize("port", [80, "http"])
def test_three_protocols_have_ports(protocol: int | str, port: int | str) -> None:
    """§3.4: "Names and numbers are equivalent for 'supports ports'"."""
    assert rule({"action": "Allow", "protocol": protocol, "source": {"ports": [port]}}) == []


@pytest.mark.parametrize(("side", "name"), LISTS)
@pytest.mark.parametrize("protocol", ["ICMP", "ICMPv6", "UDPLite", 1, 136, "7"])
@pytest.mark.parametrize("port", [80, "http"])
def test_other_protocols_have_none(side: str, name: str, protocol: int | str, port: int | str) -> None:
    """§3.3: "any port anywhere, protocol set but not TCP/UDP/SCTP"; UDPLite does not count."""
    found = rule({"action": "Allow", "protocol": protocol, side: {name: [port]}})
    assert found == [("NP0110", f"{side}.{name}", UNSUPPORTED)]


def test_an_unknown_protocol_has_no_ports_either() -> None:
    found = rule({"action": "Allow", "protocol": "unknown", "source": {"ports": ["http"]}})
    assert [code for code, _, _ in found] == ["NP0102", "NP0110"]


def test_a_protocol_in_small_letters_is_one_mistake_not_two() -> None:
    found = rule({"action": "Allow", "protocol": "udp", "source": {"ports": [53]}})
    assert [code for code, _, _ in found] == ["NP0102"]


@pytest.mark.parametrize("protocol", [None, "ICMP", 7])
def test_an_empty_list_of_ports_needs_nothing(protocol: int | str | None) -> None:
    assert (
        rule({"action": "Allow", **({"protocol": protocol} if protocol else {}), "source": {"ports": []}})
        == []
    )
