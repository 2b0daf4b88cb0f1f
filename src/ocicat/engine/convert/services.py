"""Services: the endpoints that a rule's `services` means, and the fronts by which a connection is attributed.

Source: spec/policy-semantics §6.6 (endpoints, from EndpointSlices alone), §11.6 (clusterIPs, externalIPs,
node ports).
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from ocicat.engine.convert.entities import TRANSPORTS, addresses_of
from ocicat.engine.plan import ServiceEndpoints
from ocicat.model.kubernetes import EndpointSlice, Service
from ocicat.model.net import Address

SERVICE_LABEL: Final = "kubernetes.io/service-name"
"""The label that names the Service of an EndpointSlice."""


class FrontPort(msgspec.Struct, frozen=True, order=True, gc=False):
    """A port of a Service."""

    name: str
    """Empty where it has none."""
    protocol: int
    port: int
    node_port: int = 0
    """0 where it has none."""


class ServicePorts(msgspec.Struct, frozen=True):
    """What clients dial to reach a Service."""

    namespace: str
    name: str
    addresses: tuple[Address, ...] = ()
    """clusterIPs and externalIPs; the ingress addresses of load balancers do not count (§11.6)."""
    ports: tuple[FrontPort, ...] = ()


def service_of(endpoint_slice: EndpointSlice) -> tuple[str, str] | None:
    """Return namespace and name of the Service that a slice belongs to, or None."""
    name = endpoint_slice.metadata.labels.get(SERVICE_LABEL)
    return (endpoint_slice.metadata.namespace, name) if name else None


def endpoints_of(slices: Iterable[EndpointSlice]) -> ServiceEndpoints:
    """Return what the slices of one Service name: every address with every port of the same slice.

    Readiness does not matter; a port without number contributes nothing, nor does an address that is no IP.
    """
    ports: set[tuple[Address, int, int]] = set()
    addresses: set[Address] = set()
    for item in slices:
        found = addresses_of(address for endpoint in item.endpoints for address in endpoint.addresses)
        addresses.update(found)
        for port in item.ports:
            if port.protocol in TRANSPORTS and port.port is not None and 1 <= port.port <= 65535:
                ports.update((address, TRANSPORTS[port.protocol], port.port) for address in found)
    return ServiceEndpoints(frozenset(ports), frozenset(addresses))


def service_endpoints(slices: Iterable[EndpointSlice]) -> Mapping[tuple[str, str], ServiceEndpoints]:
    """Return the endpoints of every Service that has slices, by namespace and name."""
    gathered: dict[tuple[str, str], list[EndpointSlice]] = {}
    for item in slices:
        service = service_of(item)
        if service is not None:
            gathered.setdefault(service, []).append(item)
    return {service: endpoints_of(items) for service, items in gathered.items()}


def service_ports(service: Service) -> ServicePorts:
    """Return what clients dial to reach a Service; a headless one has no address."""
    spec = service.spec
    return ServicePorts(
        service.metadata.namespace,
        service.metadata.name,
        addresses_of((*(spec.cluster_ips or (spec.cluster_ip,)), *spec.external_ips)),
        tuple(
            FrontPort(port.name, TRANSPORTS[port.protocol], port.port, port.node_port)
            for port in spec.ports
            if port.protocol in TRANSPORTS
        ),
    )
