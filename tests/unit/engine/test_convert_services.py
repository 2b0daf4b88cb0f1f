"""Services and EndpointSlices: policy-semantics §6.6, §11.6."""

import pytest
import yaml

from ocicat.engine.convert import (
    FrontPort,
    ServicePorts,
    endpoints_of,
    service_endpoints,
    service_of,
    service_ports,
)
from ocicat.engine.plan import NO_ENDPOINTS, ServiceEndpoints
from ocicat.model.kubernetes import EndpointSlice, Service
from ocicat.model.net import Address
from support.written import decoded, resource

A, B, SIX = (Address.parse(text) for text in ("10.0.0.1", "10.0.0.2", "fd00::1"))


def endpoint_slice(content: str, service: str = "web", namespace: str = "prod") -> EndpointSlice:
    labels = {"kubernetes.io/service-name": service} if service else {}
    found = decoded(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "s", "namespace": namespace, "labels": labels},
            **yaml.safe_load(content),
        }
    )
    assert isinstance(found, EndpointSlice)
    return found


def endpoints(ports: set[tuple[Address, int, int]], addresses: set[Address]) -> ServiceEndpoints:
    return ServiceEndpoints(frozenset(ports), frozenset(addresses))


SLICES = [
    # every address with every port of the slice
    (
        "{endpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0.2]}], ports: [{port: 80}, {port: 81}]}",
        endpoints({(A, 6, 80), (A, 6, 81), (B, 6, 80), (B, 6, 81)}, {A, B}),
    ),
    ("{endpoints: [{addresses: [10.0.0.1, 10.0.0.2]}], ports: []}", endpoints(set(), {A, B})),
    # "a slice port without number contributes nothing"
    (
        "{endpoints: [{addresses: [10.0.0.1]}], ports: [{name: any}, {port: 80, protocol: UDP}]}",
        endpoints({(A, 17, 80)}, {A}),
    ),
    # "missing port protocol = TCP"
    (
        "{endpoints: [{addresses: [10.0.0.1]}], ports: [{port: 80, protocol: ''}]}",
        endpoints({(A, 6, 80)}, {A}),
    ),
    (
        "{endpoints: [{addresses: [10.0.0.1]}], ports: [{port: 1, protocol: SCTP}]}",
        endpoints({(A, 132, 1)}, {A}),
    ),
    (
        "{endpoints: [{addresses: [10.0.0.1]}], ports: [{port: 1, protocol: ICMP}, {port: 0}]}",
        endpoints(set(), {A}),
    ),
    # "**Readiness, serving and terminating conditions are ignored.**"
    (
        """
        {endpoints: [{addresses: [10.0.0.1], conditions: {ready: false, serving: false, terminating: true}}],
         ports: [{port: 80}]}
        """,
        endpoints({(A, 6, 80)}, {A}),
    ),
    # "Addresses that are not IPs are skipped."
    (
        "{addressType: FQDN, endpoints: [{addresses: [example.com, 10.0.0.1]}], ports: [{port: 80}]}",
        endpoints({(A, 6, 80)}, {A}),
    ),
    ("{endpoints: [{addresses: ['fd00::1']}], ports: [{port: 80}]}", endpoints({(SIX, 6, 80)}, {SIX})),
    ("{}", NO_ENDPOINTS),
]


@pytest.mark.parametrize(("content", "expected"), SLICES)
def test_endpoints_of_a_slice(content: str, expected: ServiceEndpoints) -> None:
    assert endpoints_of([endpoint_slice(content)]) == expected


ONE = "{endpoints: [{addresses: [10.0.0.1]}], ports: [{port: 80}]}"
OTHER = "{endpoints: [{addresses: [10.0.0.2]}], ports: [{port: 81}]}"


def test_a_service_is_the_union_of_its_slices() -> None:
    """§6.6: "all EndpointSlices labelled as belonging to that service", each with its own ports."""
    both = endpoints({(A, 6, 80), (B, 6, 81)}, {A, B})
    assert endpoints_of([endpoint_slice(ONE), endpoint_slice(OTHER)]) == both
    assert endpoints_of([]) == NO_ENDPOINTS


def test_the_label_links_a_slice_to_a_service_of_its_namespace() -> None:
    slices = [
        endpoint_slice(ONE),
        endpoint_slice(OTHER),
        endpoint_slice(ONE, namespace="dev"),
        endpoint_slice(ONE, service=""),
    ]
    assert [service_of(item) for item in slices] == [("prod", "web"), ("prod", "web"), ("dev", "web"), None]
    assert service_endpoints(slices) == {
        ("prod", "web"): endpoints({(A, 6, 80), (B, 6, 81)}, {A, B}),
        ("dev", "web"): endpoints({(A, 6, 80)}, {A}),
    }


def service(spec: str) -> ServicePorts:
    found = resource(
        f"{{apiVersion: v1, kind: Service, metadata: {{name: web, namespace: prod}}, spec: {spec}}}"
    )
    assert isinstance(found, Service)
    return service_ports(found)


SERVICES = [
    # "clusterIPs and externalIPs (not load-balancer ingress IPs)"
    ("{clusterIP: 10.0.0.1, externalIPs: [10.0.0.2]}", (A, B)),
    ("{clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 'fd00::1']}", (A, SIX)),
    ("{clusterIP: None, clusterIPs: [None]}", ()),
    ("{clusterIP: ''}", ()),
    ("{type: ExternalName}", ()),
]


@pytest.mark.parametrize(("spec", "addresses"), SERVICES)
def test_addresses_of_a_service(spec: str, addresses: tuple[Address, ...]) -> None:
    assert service(spec) == ServicePorts("prod", "web", addresses)


def test_ports_of_a_service() -> None:
    ports = """
        [{name: http, port: 80, nodePort: 30080}, {port: 53, protocol: UDP}, {port: 1, protocol: ICMP}]
        """
    assert service(f"{{ports: {ports}}}").ports == (FrontPort("http", 6, 80, 30080), FrontPort("", 17, 53, 0))
