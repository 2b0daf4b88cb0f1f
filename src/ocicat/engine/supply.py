"""What a cluster would add to files: namespaces, service accounts, endpoints of Services, pods of workloads.

Source: spec/policy-semantics §5.1, §6.6, §10.1.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from ocicat.engine.convert.entities import DEFAULT_SERVICE_ACCOUNT, TRANSPORTS
from ocicat.engine.convert.selectors import NAMESPACE
from ocicat.engine.plan import ServiceEndpoints
from ocicat.engine.policy import Entity, EntityKind
from ocicat.model.kubernetes import (
    CronJob,
    DaemonSet,
    Deployment,
    Job,
    Namespace,
    Pod,
    ReplicaSet,
    Service,
    ServiceAccount,
    StatefulSet,
)
from ocicat.model.meta import ObjectMeta, Resource
from ocicat.model.net import Address

WORKLOADS: Final = (Deployment, ReplicaSet, StatefulSet, DaemonSet, Job, CronJob)
"""The kinds that make pods from a template."""


def namespaces(resources: Iterable[Resource]) -> list[Namespace]:
    """Return the namespaces: those that are written, and those that objects are in but nobody wrote."""
    written: dict[str, Namespace] = {}
    named: set[str] = set()
    for resource in resources:
        if isinstance(resource, Namespace):
            written[resource.metadata.name] = resource
        elif resource.metadata.namespace:
            named.add(resource.metadata.namespace)
    supplied = [Namespace(metadata=ObjectMeta(name=name)) for name in sorted(named - written.keys())]
    return [*written.values(), *supplied]


def service_accounts(resources: Iterable[Resource], spaces: Iterable[Namespace]) -> list[ServiceAccount]:
    """Return the service accounts: those written, each namespace's `default`, and those that pods name."""
    written: dict[tuple[str, str], ServiceAccount] = {}
    named = {(space.metadata.name, DEFAULT_SERVICE_ACCOUNT) for space in spaces}
    for resource in resources:
        if isinstance(resource, ServiceAccount):
            written[resource.metadata.namespace, resource.metadata.name] = resource
        elif account := _account_of(resource):
            named.add((resource.metadata.namespace, account))
    supplied = [
        ServiceAccount(metadata=ObjectMeta(name=name, namespace=namespace))
        for namespace, name in sorted(named - written.keys())
    ]
    return [*written.values(), *supplied]


def _account_of(resource: Resource) -> str:
    match resource:
        case Pod():
            return resource.spec.service_account_name
        case CronJob():
            return resource.spec.job_template.spec.template.spec.service_account_name
        case Deployment() | ReplicaSet() | StatefulSet() | DaemonSet() | Job():
            return resource.spec.template.spec.service_account_name
        case _:
            return ""


def admitted(resource: Resource) -> Resource:
    """Return a resource as admission would store it: a pod that names no service account has `default`."""
    if not isinstance(resource, Pod) or resource.spec.service_account_name:
        return resource
    spec = msgspec.structs.replace(resource.spec, service_account_name=DEFAULT_SERVICE_ACCOUNT)
    return msgspec.structs.replace(resource, spec=spec)


def makers(resources: Sequence[Resource]) -> Iterator[Resource]:
    """Yield what stands for pods that are not there: pods that nobody started, and workloads without pods.

    A pod without status, or with an address but no node, was written by hand and counts as it would run; one
    that waits for its address in a cluster (it has a phase) is no endpoint yet. A workload whose pods are
    among the resources is represented by them; one that another workload made (the ReplicaSet of a
    Deployment) by its maker.
    """
    pods = [resource for resource in resources if isinstance(resource, Pod)]
    workloads = [resource for resource in resources if isinstance(resource, WORKLOADS)]
    yield from (pod for pod in pods if not pod.status.phase or (_has_address(pod) and not pod.spec.node_name))
    present = {_place(workload) for workload in workloads}
    has_pods = set(_owners(pods))
    has_pods |= set(_owners(workload for workload in workloads if _place(workload) in has_pods))
    for workload in workloads:
        namespace = workload.metadata.namespace
        made = any(
            (owner.kind, namespace, owner.name) in present for owner in workload.metadata.owner_references
        )
        if not made and _place(workload) not in has_pods:
            yield workload


def _place(workload: Resource) -> tuple[str, str, str]:
    return workload.kind, workload.metadata.namespace, workload.metadata.name


def _has_address(pod: Pod) -> bool:
    return bool(pod.status.pod_ip or pod.status.pod_ips)


def _owners(objects: Iterable[Resource]) -> Iterator[tuple[str, str, str]]:
    """Yield (kind, namespace, name) of who made an object, and of who made that one."""
    for item in objects:
        namespace = item.metadata.namespace
        for owner in item.metadata.owner_references:
            yield owner.kind, namespace, owner.name
            if maker := made_by(owner.kind, owner.name):
                yield maker[0], namespace, maker[1]


def made_by(kind: str, name: str) -> tuple[str, str] | None:
    """Return kind and name of the workload that a ReplicaSet or Job by its name was made by, or None.

    A Deployment's ReplicaSets end in a hash, a CronJob's Jobs in minutes since 1970.
    """
    if kind == "ReplicaSet" and (match := re.fullmatch(r"(.+)-[a-z0-9]{5,10}", name)):
        return "Deployment", match[1]
    if kind == "Job" and (match := re.fullmatch(r"(.+)-[0-9]{8,10}", name)):
        return "CronJob", match[1]
    return None


def chosen_endpoints(service: Service, entities: Iterable[Entity]) -> ServiceEndpoints:
    """Return what the EndpointSlices of a Service would hold: the pods that its selector chooses."""
    chosen = [
        entity
        for entity in entities
        if entity.key.kind is EntityKind.WORKLOAD
        and entity.labels.get(NAMESPACE) == service.metadata.namespace
        and service.spec.selector.items() <= entity.labels.items()
    ]
    ports: set[tuple[Address, int, int]] = set()
    for entity in chosen:
        for port in service.spec.ports:
            protocol = TRANSPORTS.get(port.protocol)
            target = port.target_port or port.port
            for number in _numbers(entity, target, protocol):
                ports.update((address, protocol or 0, number) for address in entity.addresses)
    addresses = frozenset(address for entity in chosen for address in entity.addresses)
    return ServiceEndpoints(frozenset(ports), addresses)


def _numbers(entity: Entity, target: int | str, protocol: int | None) -> tuple[int, ...]:
    """Return the port of an endpoint that a `targetPort` means: itself, or the one declared by that name."""
    if protocol is None:
        return ()
    if isinstance(target, int):
        return (target,)
    if target.isdecimal():
        return (int(target),)
    declared = (port for port in entity.named_ports if port.name == target and port.protocol == protocol)
    return tuple(port.port for port in declared)[:1]
