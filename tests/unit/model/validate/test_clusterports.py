"""Protocols and ports of cluster-wide policies. Source: spec/policy-semantics §3.13, §10.3."""

from typing import Any

import pytest
import yaml

from ocicat.base.problem import Severity
from support.clusterwide import KINDS, PEER, rule, written
from support.judged import problems

PORT = "must have a destinationPort, which is either number or range"
FOUR = "must have exactly one of tcp, udp, sctp, destinationNamedPort, and has"
PROTOCOLS = [
    ("{}", "NP0911", "", f"{FOUR} none"),
    (
        "{tcp: {destinationPort: {number: 1}}, udp: {destinationPort: {number: 1}}}",
        "NP0911",
        "",
        f"{FOUR} tcp and udp",
    ),
    (
        "{tcp: {destinationPort: {number: 1}}, destinationNamedPort: a}",
        "NP0911",
        "",
        f"{FOUR} tcp and destinationNamedPort",
    ),
    ("{tcp: {}}", "NP0912", ".tcp", PORT),
    ("{udp: {destinationPort: {}}}", "NP0912", ".udp", PORT),
    ("{sctp: {destinationPort: {number: 1, range: {start: 1, end: 2}}}}", "NP0912", ".sctp", PORT),
    (
        "{tcp: {destinationPort: {number: 0}}}",
        "NP0913",
        ".tcp.destinationPort.number",
        "should be greater than or equal to 1",
    ),
    (
        "{tcp: {destinationPort: {number: 65536}}}",
        "NP0913",
        ".tcp.destinationPort.number",
        "should be less than or equal to 65535",
    ),
    (
        "{tcp: {destinationPort: {range: {start: 1, end: 65536}}}}",
        "NP0913",
        ".tcp.destinationPort.range.end",
        "should be less than or equal to 65535",
    ),
    (
        "{tcp: {destinationPort: {range: {start: 80, end: 80}}}}",
        "NP0914",
        ".tcp.destinationPort.range",
        "Start port must be less than End port",
    ),
    (
        "{tcp: {destinationPort: {range: {start: 81, end: 80}}}}",
        "NP0914",
        ".tcp.destinationPort.range",
        "Start port must be less than End port",
    ),
]


@pytest.mark.parametrize("direction", ["ingress", "egress"])
@pytest.mark.parametrize(("item", "code", "path", "what"), PROTOCOLS)
def test_what_is_no_protocol(direction: str, item: str, code: str, path: str, what: str) -> None:
    good = {"destinationNamedPort": "http"}
    found = rule("ClusterNetworkPolicy", {"protocols": [good, yaml.safe_load(item)]}, direction)
    assert found == [(code, f"protocols[1]{path}", what)]


def test_a_rule_has_1_to_25_protocols() -> None:
    one = {"destinationNamedPort": "http"}
    assert rule("ClusterNetworkPolicy", {"protocols": [one] * 25}) == []
    above = [("NP0910", "protocols", "must have at most 25 items")]
    assert rule("ClusterNetworkPolicy", {"protocols": [one] * 26}) == above
    none = [("NP0910", "protocols", "must have at least 1 item")]
    assert rule("ClusterNetworkPolicy", {"protocols": []}) == none


THREE = "must have exactly one of portNumber, portRange, namedPort, and has"
PORTS = [
    ("{}", "NP0911", "", f"{THREE} none"),
    ("{portNumber: {port: 1}, namedPort: a}", "NP0911", "", f"{THREE} portNumber and namedPort"),
    ("{portNumber: {port: 0}}", "NP0913", ".portNumber.port", "should be greater than or equal to 1"),
    (
        "{portRange: {start: 1, end: 65536}}",
        "NP0913",
        ".portRange.end",
        "should be less than or equal to 65535",
    ),
    ("{portNumber: {}}", "NP0913", ".portNumber.port", "should be greater than or equal to 1"),
]
MEANINGLESS = [
    (
        "{portNumber: {protocol: tcp, port: 1}}",
        ".portNumber.protocol",
        "this protocol has no ports, so the rule fails closed",
    ),
    ("{portRange: {start: 81, end: 80}}", ".portRange", "start is above end, so the rule fails closed"),
    ("{namedPort: '80'}", ".namedPort", "no port can have this name, so the rule fails closed"),
    ("{namedPort: 'a b'}", ".namedPort", "no port can have this name, so the rule fails closed"),
]


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize(("item", "code", "path", "what"), PORTS)
def test_what_is_no_port(kind: str, item: str, code: str, path: str, what: str) -> None:
    found = rule(kind, {"ports": [{"namedPort": "http"}, yaml.safe_load(item)]})
    assert found == [(code, f"ports[1]{path}", what)]


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize(("item", "path", "what"), MEANINGLESS)
def test_a_port_without_meaning_fails_closed_aloud(kind: str, item: str, path: str, what: str) -> None:
    """The CRD of v1alpha1 looks at neither protocol nor order nor names."""
    spec = {"ingress": [{"action": "Deny", "from": [PEER], "ports": [yaml.safe_load(item)]}]}
    (problem,) = problems(written(kind, spec))
    assert (problem.code, problem.severity) == ("NP0923", Severity.WARNING)
    assert (problem.where.path, problem.what) == (f"spec.ingress[0].ports[0]{path}", what)


def test_a_port_named_by_digits_fails_closed_aloud() -> None:
    spec = {"ingress": [{"action": "Deny", "from": [PEER], "protocols": [{"destinationNamedPort": "80"}]}]}
    (problem,) = problems(written("ClusterNetworkPolicy", spec))
    assert (problem.code, problem.severity) == ("NP0923", Severity.WARNING)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_rule_has_at_most_100_ports(kind: str) -> None:
    """§3.13: v1alpha1 "≤100 ports"."""
    one = {"namedPort": "http"}
    assert rule(kind, {"ports": [one] * 100}) == rule(kind, {"ports": []}) == []
    assert rule(kind, {"ports": [one] * 101}) == [("NP0910", "ports", "must have at most 100 items")]


NAMED = {"ClusterNetworkPolicy": {"protocols": [{"destinationNamedPort": "http"}]}}
NAMELESS = "networks/nodes/domainNames peer cannot be set with namedPorts since there are no namedPorts for "


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "peer", [{"networks": ["10.0.0.0/8"]}, {"nodes": {}}, {"domainNames": ["example.com"]}]
)
def test_ports_have_names_in_pods_only(kind: str, peer: dict[str, Any]) -> None:
    """§3.13, CEL: "networks/nodes/domainNames peer cannot be set with namedPorts …"."""
    named = NAMED.get(kind, {"ports": [{"namedPort": "http"}]})
    found = [each for each in rule(kind, {"to": [PEER, peer], **named}) if each[0] != "NP0919"]
    assert found == [("NP0915", "", f"{NAMELESS}networks/nodes/domainNames")]
    assert rule(kind, {"to": [PEER], **named}) == []
