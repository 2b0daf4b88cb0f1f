"""The Kubernetes kinds that policy refers to: what would mislead who asks about them.

Kubernetes judges these kinds; here only the fields are looked at that policy depends on. What a user writes
is an error where Kubernetes refuses it; what a cluster reports (status) is a warning, since nobody edits it.
Source: spec/policy-semantics §5.1 (addresses of pods), §6.5 (named ports), §6.6, §11.6.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from ocicat.model.kubernetes import (
    CronJob,
    DaemonSet,
    Deployment,
    EndpointSlice,
    Job,
    Pod,
    PodSpec,
    PodTemplate,
    ReplicaSet,
    Service,
    StatefulSet,
)
from ocicat.model.meta import Resource
from ocicat.model.net import Address, NetError
from ocicat.model.positions import Path
from ocicat.model.validate.finding import Finding, Findings, schema_field
from ocicat.model.validate.metadata import labels
from ocicat.model.validate.networkpolicy import PORT_RANGE, PROTOCOLS
from ocicat.model.validate.ports import port_name
from ocicat.model.validate.spelling import one_of

ADDRESS_FAMILIES: Final = {"IPv4": 4, "IPv6": 6}
FQDN: Final = "FQDN"
HEADLESS: Final = ("", "None")

_NOT_AN_ADDRESS: Final = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"


def core(resource: Resource) -> Findings:
    """Find what is wrong with an object of a kind that policy refers to; nothing for kinds it only names."""
    match resource:
        case Pod():
            yield from _pod(resource)
        case CronJob():
            path: Path = ("spec", "jobTemplate", "spec", "template")
            yield from _template(resource.spec.job_template.spec.template, path)
        case Deployment() | ReplicaSet() | StatefulSet() | DaemonSet() | Job():
            yield from _template(resource.spec.template, ("spec", "template"))
        case Service():
            yield from _service(resource)
        case EndpointSlice():
            yield from _slice(resource)
        case _:
            return


def _pod(pod: Pod) -> Findings:
    yield from _pod_spec(pod.spec, ("spec",))
    addresses: list[tuple[Path, str]] = [(("status", "podIP"), pod.status.pod_ip)]
    addresses += [
        (("status", "podIPs", index, "ip"), item.ip) for index, item in enumerate(pod.status.pod_ips)
    ]
    for path, text in addresses:
        if text and _family(text) is None:
            yield Finding("NP1001", path, _NOT_AN_ADDRESS, "", schema_field(path), text)


def _template(template: PodTemplate, path: Path) -> Findings:
    yield from labels(template.metadata.labels, (*path, "metadata", "labels"))
    yield from _pod_spec(template.spec, (*path, "spec"))


def _pod_spec(spec: PodSpec, path: Path) -> Findings:
    for name, containers in (("initContainers", spec.init_containers), ("containers", spec.containers)):
        for index, container in enumerate(containers):
            for number, port in enumerate(container.ports):
                place = (*path, name, index, "ports", number)
                yield from _number(port.container_port, (*place, "containerPort"))
                yield from one_of("NP1006", (*place, "protocol"), port.protocol, PROTOCOLS)
                if port.name:
                    named = (*place, "name")
                    yield from port_name(port.name, "NP1007", named, schema_field(named))


def _service(service: Service) -> Findings:
    spec = service.spec
    for path, text in _service_addresses(service):
        if text not in HEADLESS and _family(text) is None:
            yield Finding("NP1004", path, _NOT_AN_ADDRESS, "", schema_field(path), text)
    for index, port in enumerate(spec.ports):
        place = ("spec", "ports", index)
        yield from _number(port.port, (*place, "port"))
        yield from one_of("NP1006", (*place, "protocol"), port.protocol, PROTOCOLS)


def _service_addresses(service: Service) -> Iterator[tuple[Path, str]]:
    yield ("spec", "clusterIP"), service.spec.cluster_ip
    lists: Sequence[tuple[str, Sequence[str]]] = (
        ("clusterIPs", service.spec.cluster_ips),
        ("externalIPs", service.spec.external_ips),
    )
    for name, texts in lists:
        for index, text in enumerate(texts):
            yield ("spec", name, index), text


def _slice(resource: EndpointSlice) -> Findings:
    yield from one_of("NP1003", ("addressType",), resource.address_type, (*ADDRESS_FAMILIES, FQDN))
    family = ADDRESS_FAMILIES.get(resource.address_type)
    for index, endpoint in enumerate(resource.endpoints):
        for number, text in enumerate(endpoint.addresses):
            if family is not None and _family(text) != family:
                path = ("endpoints", index, "addresses", number)
                what = f"must be a valid {resource.address_type} address"
                yield Finding("NP1002", path, what, "", schema_field(path), text)
    for index, port in enumerate(resource.ports):
        place = ("ports", index)
        if port.port is not None:
            yield from _number(port.port, (*place, "port"))
        yield from one_of("NP1006", (*place, "protocol"), port.protocol, PROTOCOLS)


def _number(port: int, path: Path) -> Findings:
    if not 1 <= port <= 65535:
        yield Finding("NP1005", path, PORT_RANGE, "", schema_field(path), str(port))


def _family(text: str) -> int | None:
    try:
        return Address.parse(text).family
    except NetError:
        return None
