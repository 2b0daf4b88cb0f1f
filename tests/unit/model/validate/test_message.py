"""The text of Calico's combined error. Source: spec/policy-semantics §3.1."""

import pytest

from ocicat.model.validate import calico_error_text
from support.judged import document, problems

LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
TAGGED = "Reason: failed to validate Field: {} because of Tag: {} "

ONE = [
    (
        document("GlobalNetworkPolicy", name="t.h.i.ng"),
        (
            "error with field Metadata.Name = 't.h.i.ng' (name must consist of lower case alphanumeric "
            "characters or "
            f"'-' (regex: {LABEL}))"
        ),
    ),
    # "the ` = '<value>'` part is absent when there is no value"
    (
        document("GlobalNetworkPolicy", {"preDNAT": True}),
        "error with field spec (applyOnForward must be true if either preDNAT or doNotTrack is true)",
    ),
    (
        document(
            "GlobalNetworkPolicy", {"ingress": [{"action": "Deny", "protocol": "ICMP", "ipVersion": 6}]}
        ),
        "error with field spec.ingress[0] (protocol ICMP requires ipVersion 4)",
    ),
    (
        document("NetworkPolicy", {"ingress": [{"action": "allow"}]}),
        'error with field spec.ingress[0].action (supported values: "Allow", "Deny", "Log", "Pass")',
    ),
    (
        document(
            "NetworkPolicy", {"ingress": [{"action": "Allow", "protocol": "TCP", "source": {"ports": [0]}}]}
        ),
        "error with field Port = '0' (port range invalid, port number must be between 1 and 65535)",
    ),
    (
        document("NetworkPolicy", {"ingress": [{"action": "Allow", "source": {"ports": [80, "1:9"]}}]}),
        (
            "error with field Source.Ports = '[80 1:9]' (rules with numeric port or port range must set "
            "protocol to TCP or UDP or SCTP)"
        ),
    ),
    # "A field-tag failure without special text reads `Reason: failed to validate Field: …` (trailing space)"
    (
        document("NetworkPolicy", {"selector": "a = b"}),
        f"error with field Selector = 'a = b' ({TAGGED.format('Selector', 'selector')})",
    ),
    (
        document("NetworkPolicy", {"egress": [{"action": "Allow", "source": {"nets": ["10.0.0.1/8"]}}]}),
        f"error with field Nets[0] = '10.0.0.1/8' ({TAGGED.format('Nets[0]', 'net')})",
    ),
    (
        document("GlobalNetworkSet", {"nets": ["10.0.0.1", "x"]}),
        f"error with field Nets[1] = 'x' ({TAGGED.format('Nets[1]', 'cidr')})",
    ),
    (
        document(
            "NetworkPolicy",
            {"ingress": [{"action": "Allow", "protocol": "TCP", "source": {"ports": ["HTTP"]}}]},
        ),
        f"error with field PortName = 'HTTP' ({TAGGED.format('PortName', 'portName')})",
    ),
    (
        document("HostEndpoint", {"node": "n", "interfaceName": "eth 0"}),
        f"error with field InterfaceName = 'eth 0' ({TAGGED.format('InterfaceName', 'interface')})",
    ),
]


@pytest.mark.parametrize(("found", "expected"), ONE)
def test_one_problem_is_one_line(found: dict, expected: str) -> None:
    """§3.1: "exactly one error: `error with field <Name> = '<value>' (<reason>)`"."""
    assert calico_error_text(problems(found)) == expected


def test_several_problems_are_a_list() -> None:
    """§3.1: "first line `error with the following fields:` and one line `-  <Name> = …` each"."""
    found = document("Tier", {"defaultAction": "Pass"}, name="default", labels={"a": "b c"})
    assert calico_error_text(problems(found)).splitlines() == [
        "error with the following fields:",
        (
            "-  Metadata.Labels (value) = 'b c' (a valid label must be an empty string or consist of "
            "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
            "(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
            "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?'))"
        ),
        "-  Tier (The 'default' tier must have default action 'Deny')",
    ]


def test_no_problem_is_no_text() -> None:
    assert calico_error_text([]) == ""
