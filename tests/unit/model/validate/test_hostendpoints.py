"""Host endpoints. Source: spec/policy-semantics §3.9."""

from typing import Any

import pytest

from support.judged import document, problems, told

HERE = {"node": "node-1", "interfaceName": "eth0"}
WHOLE = {
    **HERE,
    "expectedIPs": ["10.0.0.1", "fd00::1"],
    "profiles": ["a", "projectcalico-default-allow"],
    "ports": [{"name": "http", "protocol": "TCP", "port": 80}, {"name": "dns", "protocol": 17, "port": 53}],
}
GOOD = [
    WHOLE,
    {"node": "n", "interfaceName": "*"},
    {"node": "n.example.com", "interfaceName": "a" * 15},
    {"node": "n", "interfaceName": "eth0.100"},
    {"node": "n", "interfaceName": "Wlan_0-1"},
    {"node": "n", "expectedIPs": ["10.0.0.1"]},
    {"node": "n", "interfaceName": "", "expectedIPs": ["::1"]},
    {**HERE, "ports": [{"name": "a", "protocol": "SCTP", "port": 65535}]},
]


@pytest.mark.parametrize("spec", GOOD)
def test_host_endpoints(spec: dict[str, Any]) -> None:
    assert told(document("HostEndpoint", spec)) == []


UNSUPPORTED = "EndpointPort protocol does not support ports."
BAD = [
    ({"interfaceName": "*"}, "NP0601", "spec.node", "node must be specified"),
    ({"node": "", "interfaceName": "*"}, "NP0601", "spec.node", "node must be specified"),
    ({"node": "Node_1", "interfaceName": "*"}, "NP0602", "spec.node", "no node can have this name"),
    (
        {"node": "n"},
        "NP0604",
        "spec",
        "at least one of interfaceName or expectedIPs must be specified",
    ),
    (
        {"node": "n", "interfaceName": "", "expectedIPs": []},
        "NP0604",
        "spec",
        "at least one of interfaceName or expectedIPs must be specified",
    ),
    *(
        (
            {"node": "n", "interfaceName": name},
            "NP0603",
            "spec.interfaceName",
            "no interface can have this name",
        )
        for name in ("a" * 16, "eth 0", "eth*", "eth:0", "**", "eth0\n")
    ),
    *(
        (
            {**HERE, "expectedIPs": ["10.0.0.1", text]},
            "NP0605",
            "spec.expectedIPs[1]",
            "this is no IP address",
        )
        for text in ("10.0.0.1/32", "10.0.0", "", "host")
    ),
    (
        {**HERE, "expectedIPs": ["10.0.0.1", "10.0.0.1"]},
        "NP0606",
        "spec.expectedIPs[1]",
        "duplicate value",
    ),
    ({**HERE, "profiles": ["a", "b", "a"]}, "NP0606", "spec.profiles[2]", "duplicate value"),
    ({**HERE, "profiles": ["a", "A"]}, "NP0607", "spec.profiles[1]", "no profile can have this name"),
    *(
        (
            {**HERE, "ports": [{"name": "a", "protocol": protocol, "port": 1}]},
            "NP0609",
            "spec.ports[0].protocol",
            UNSUPPORTED,
        )
        for protocol in ("ICMP", "UDPLite", 1)
    ),
    *(
        (
            {**HERE, "ports": [{"name": "a", "protocol": "TCP", "port": port}]},
            "NP0610",
            "spec.ports[0].port",
            "must be between 1 and 65535, inclusive",
        )
        for port in (0, 65536, -1)
    ),
    (
        {**HERE, "ports": [{"name": "a--b", "protocol": "TCP", "port": 1}]},
        "NP0608",
        "spec.ports[0].name",
        "must not contain consecutive hyphens",
    ),
]


@pytest.mark.parametrize(("spec", "code", "path", "what"), BAD)
def test_what_is_wrong_with_a_host_endpoint(spec: dict[str, Any], code: str, path: str, what: str) -> None:
    assert told(document("HostEndpoint", spec)) == [(code, path, what)]


def test_a_port_without_anything_lacks_everything() -> None:
    found = told(document("HostEndpoint", {**HERE, "ports": [{}]}))
    assert [code for code, _, _ in found] == ["NP0608", "NP0102", "NP0609", "NP0610"]


def test_an_expected_address_with_a_length() -> None:
    (problem,) = problems(document("HostEndpoint", {**HERE, "expectedIPs": ["10.0.0.1/24"]}))
    assert problem.fix == "write 10.0.0.1"
