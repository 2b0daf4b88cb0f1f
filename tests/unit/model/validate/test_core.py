"""The kinds that policy refers to. Source: spec/policy-semantics §5.1, §6.5, §6.6, §11.6."""

from typing import Any

import pytest

from ocicat.base.problem import Severity
from support.judged import document, problems, told

IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
RANGE = "must be between 1 and 65535, inclusive"
PROTOCOLS = 'supported values: "SCTP", "TCP", "UDP"'


def pod(spec: Any = None, status: Any = None) -> dict[str, Any]:
    return {**document("Pod", spec or {}, "v1", namespace="catfacts"), "status": status or {}}


def test_pods_as_they_are() -> None:
    containers = [
        {
            "name": "a",
            "ports": [{"containerPort": 80}, {"name": "dns", "containerPort": 53, "protocol": "UDP"}],
        }
    ]
    status = {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}
    assert told(pod({"containers": containers, "initContainers": containers}, status)) == []
    assert told(pod(status={"podIP": ""})) == []


def test_a_pods_address_that_is_none_is_a_warning() -> None:
    found = problems(pod(status={"podIP": "pending", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.0/8"}]}))
    assert [(problem.code, problem.where.path, problem.what, problem.severity) for problem in found] == [
        ("NP1001", "status.podIP", IP, Severity.WARNING),
        ("NP1001", "status.podIPs[1].ip", IP, Severity.WARNING),
    ]


PORTS = [
    ({"containerPort": 0}, "NP1005", "containerPort", RANGE),
    ({"containerPort": 65536}, "NP1005", "containerPort", RANGE),
    ({"containerPort": 80, "protocol": "tcp"}, "NP1006", "protocol", PROTOCOLS),
    ({"containerPort": 80, "name": "web--1"}, "NP1007", "name", "must not contain consecutive hyphens"),
]
TEMPLATES = [
    ("v1", "Pod", "spec", ("spec",)),
    ("apps/v1", "Deployment", "spec.template.spec", ("spec", "template", "spec")),
    ("apps/v1", "StatefulSet", "spec.template.spec", ("spec", "template", "spec")),
    ("apps/v1", "DaemonSet", "spec.template.spec", ("spec", "template", "spec")),
    ("apps/v1", "ReplicaSet", "spec.template.spec", ("spec", "template", "spec")),
    ("batch/v1", "Job", "spec.template.spec", ("spec", "template", "spec")),
    (
        "batch/v1",
        "CronJob",
        "spec.jobTemplate.spec.template.spec",
        ("spec", "jobTemplate", "spec", "template", "spec"),
    ),
]


def nested(steps: tuple[str, ...], value: Any) -> Any:
    for step in reversed(steps):
        value = {step: value}
    return value


@pytest.mark.parametrize(("api", "kind", "path", "steps"), TEMPLATES)
@pytest.mark.parametrize("containers", ["containers", "initContainers"])
@pytest.mark.parametrize(("port", "code", "name", "what"), PORTS)
def test_ports_of_containers(
    api: str,
    kind: str,
    path: str,
    steps: tuple[str, ...],
    containers: str,
    port: Any,
    code: str,
    name: str,
    what: str,
) -> None:
    spec = nested(steps[1:], {containers: [{"name": "a"}, {"name": "b", "ports": [port]}]})
    found = told(document(kind, spec, api, namespace="catfacts"))
    assert found == [(code, f"{path}.{containers}[1].ports[0].{name}", what)]


@pytest.mark.parametrize(("api", "kind", "path", "steps"), TEMPLATES[1:])
def test_labels_of_templates(api: str, kind: str, path: str, steps: tuple[str, ...]) -> None:
    spec = nested(steps[1:-1], {"metadata": {"labels": {"a b": "c"}}})
    found = told(document(kind, spec, api, namespace="catfacts"))
    place = f'{path.removesuffix(".spec")}.metadata.labels["a b"]'
    assert [(code, where) for code, where, _ in found] == [("NP0004", place)]


# --- Services and their endpoints ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"clusterIP": ""},
        {"clusterIP": "None", "clusterIPs": ["None"]},
        {"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1", "fd00::1"], "externalIPs": ["192.0.2.1"]},
        {"ports": [{"port": 1, "targetPort": "http"}, {"name": "b", "port": 65535, "protocol": "SCTP"}]},
    ],
)
def test_services(spec: dict[str, Any]) -> None:
    assert told(document("Service", spec, "v1", namespace="catfacts")) == []


@pytest.mark.parametrize(
    ("spec", "code", "path", "what"),
    [
        ({"clusterIP": "none"}, "NP1004", "spec.clusterIP", IP),
        ({"clusterIPs": ["10.0.0.1", "x"]}, "NP1004", "spec.clusterIPs[1]", IP),
        ({"externalIPs": ["10.0.0.0/8"]}, "NP1004", "spec.externalIPs[0]", IP),
        ({"ports": [{"port": 0}]}, "NP1005", "spec.ports[0].port", RANGE),
        ({"ports": [{"port": 80, "protocol": "HTTP"}]}, "NP1006", "spec.ports[0].protocol", PROTOCOLS),
    ],
)
def test_what_is_no_service(spec: dict[str, Any], code: str, path: str, what: str) -> None:
    assert told(document("Service", spec, "v1", namespace="catfacts")) == [(code, path, what)]


def endpoint_slice(**fields: Any) -> dict[str, Any]:
    return {**document("EndpointSlice", None, "discovery.k8s.io/v1", namespace="catfacts"), **fields}


@pytest.mark.parametrize(
    "fields",
    [
        {
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1", "10.0.0.2"]}],
            "ports": [{"port": 80}],
        },
        {"addressType": "IPv6", "endpoints": [{"addresses": ["fd00::1"]}], "ports": [{"name": "all"}]},
        {"addressType": "FQDN", "endpoints": [{"addresses": ["db.example.com"]}]},
    ],
)
def test_endpoint_slices(fields: dict[str, Any]) -> None:
    assert told(endpoint_slice(**fields)) == []


@pytest.mark.parametrize(
    ("fields", "code", "path", "what"),
    [
        ({}, "NP1003", "addressType", 'supported values: "IPv4", "IPv6", "FQDN"'),
        ({"addressType": "ipv4"}, "NP1003", "addressType", 'supported values: "IPv4", "IPv6", "FQDN"'),
        (
            {"addressType": "IPv4", "endpoints": [{}, {"addresses": ["10.0.0.1", "fd00::1"]}]},
            "NP1002",
            "endpoints[1].addresses[1]",
            "must be a valid IPv4 address",
        ),
        (
            {"addressType": "IPv6", "endpoints": [{"addresses": ["db.example.com"]}]},
            "NP1002",
            "endpoints[0].addresses[0]",
            "must be a valid IPv6 address",
        ),
        ({"addressType": "IPv4", "ports": [{"port": 0}]}, "NP1005", "ports[0].port", RANGE),
        ({"addressType": "IPv4", "ports": [{"protocol": "tcp"}]}, "NP1006", "ports[0].protocol", PROTOCOLS),
    ],
)
def test_what_is_no_endpoint_slice(fields: dict[str, Any], code: str, path: str, what: str) -> None:
    assert told(endpoint_slice(**fields)) == [(code, path, what)]


def test_a_node_may_be_known_by_its_host_name() -> None:
    node = {**document("Node", None, "v1"), "status": {"addresses": [{"type": "Hostname", "address": "n-1"}]}}
    assert told(node) == []
