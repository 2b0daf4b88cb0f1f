"""Pods, workloads, host endpoints, network sets and nodes as entities, and what Kubernetes makes profiles of.

Source: spec/policy-semantics §3.8 (network sets), §3.9 (host endpoints), §3.10 and §10.1 (profiles), §5.1
(which pods count, and the labels of every entity), §6.5 (named ports), §16.19 (nodes).
"""

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from ocicat.engine.convert.selectors import (
    KUBERNETES,
    NAMESPACE,
    NAMESPACE_PREFIX,
    ORCHESTRATOR,
    SERVICE_ACCOUNT,
    SERVICE_ACCOUNT_PREFIX,
)
from ocicat.engine.policy import Entity, EntityKey, EntityKind, NamedPort, Profile, Rule
from ocicat.model.calico import EndpointPort, GlobalNetworkSet, HostEndpoint, NetworkSet
from ocicat.model.flow import Action
from ocicat.model.kubernetes import (
    CronJob,
    DaemonSet,
    Deployment,
    Job,
    Namespace,
    Node,
    Pod,
    PodSpec,
    PodTemplate,
    ReplicaSet,
    ServiceAccount,
    StatefulSet,
)
from ocicat.model.meta import ObjectMeta, Resource
from ocicat.model.net import PROTOCOLS_WITH_PORTS, Address, NetError, Prefix, parse_protocol

Workload: TypeAlias = Deployment | ReplicaSet | StatefulSet | DaemonSet | Job | CronJob

WORKLOAD_PREFIXES: Final = {
    "Deployment": "deploy",
    "ReplicaSet": "rs",
    "StatefulSet": "sts",
    "DaemonSet": "ds",
    "Job": "job",
    "CronJob": "cronjob",
}
"""What stands before the slash in the name of a workload's stand-in; no pod's name has a slash."""

DEFAULT_SERVICE_ACCOUNT: Final = "default"
"""What admission gives a pod that names no service account."""

TRANSPORTS: Final = {"": 6, "TCP": 6, "UDP": 17, "SCTP": 132}
"""Kubernetes' protocols by name; an absent one is TCP."""

_POD_IP_ANNOTATION: Final = "cni.projectcalico.org/podIP"
"""Calico's network plugin empties it when it has taken the address from a pod that is being deleted."""

_ALLOW_ALL: Final = (Rule(Action.ALLOW),)
DEFAULT_ALLOW: Final = Profile("projectcalico-default-allow", _ALLOW_ALL, _ALLOW_ALL)
"""The built-in profile that host endpoints made by the controller list (§3.9, §3.10)."""


# --- profiles -----------------------------------------------------------------------------------------------


def namespace_profile(namespace: Namespace) -> Profile:
    """Return `kns.<namespace>`: allow all both ways, and the namespace's labels with `pcns.` before them.

    The label `kubernetes.io/metadata.name`, which the API server puts on every namespace, is supplied where a
    file leaves it out.
    """
    name = namespace.metadata.name
    written = {"kubernetes.io/metadata.name": name, **namespace.metadata.labels}
    labels = _inherited(NAMESPACE_PREFIX, written, name)
    return Profile(namespace_profile_name(name), _ALLOW_ALL, _ALLOW_ALL, labels)


def service_account_profile(account: ServiceAccount) -> Profile:
    """Return `ksa.<namespace>.<name>`: no rules, and the account's labels with `pcsa.` before them."""
    meta = account.metadata
    labels = _inherited(SERVICE_ACCOUNT_PREFIX, meta.labels, meta.name)
    return Profile(service_account_profile_name(meta.namespace, meta.name), labels=labels)


def namespace_profile_name(namespace: str) -> str:
    """Return the name of the profile that a namespace gives."""
    return f"kns.{namespace}"


def service_account_profile_name(namespace: str, name: str) -> str:
    """Return the name of the profile that a service account gives."""
    return f"ksa.{namespace}.{name}"


def _inherited(prefix: str, labels: Mapping[str, str], name: str) -> dict[str, str]:
    return {**{prefix + key: value for key, value in labels.items()}, f"{prefix}projectcalico.org/name": name}


# --- pods and workloads -------------------------------------------------------------------------------------


def entity_of(resource: Resource) -> Entity | None:
    """Return the entity of a pod, host endpoint, network set or node, as it is in a cluster.

    None for other kinds, and for a pod that is no endpoint (§5.1): on the host's network, finished, not yet
    on a node, or without an address. A pod's service account is taken as it stands: in a cluster admission
    has filled it in. For pods and workloads that exist only as files see `workload_entity`.
    """
    match resource:
        case Pod():
            return _pod(resource)
        case HostEndpoint():
            return _host_endpoint(resource)
        case NetworkSet():
            return _network_set(resource)
        case GlobalNetworkSet():
            key = EntityKey(EntityKind.NETWORK_SET, "", resource.metadata.name)
            return Entity(key, resource.metadata.labels, nets=_nets(resource.spec.nets))
        case Node():
            return _node(resource)
        case _:
            return None


def workload_entity(resource: Resource) -> Entity | None:
    """Return the endpoint that a pod, or a workload's pods, would be, were the file applied to a cluster.

    One stand-in per workload, whatever its replicas, with the name `deploy/web` (`WORKLOAD_PREFIXES`), which
    no pod can have. It has no address, nor has a pod that shows none: nobody has given it one yet, the caller
    does. What a cluster would fill in is filled in: a service account that is not named is `default`, and the
    pods of a Job bear its name as label.

    None for other kinds, for pods on the host's network (no endpoint), and for a pod that has finished.
    """
    match resource:
        case Pod():
            if resource.spec.host_network or _has_finished(resource):
                return None
            return _pod_entity(resource, _account(resource.spec))
        case CronJob():
            return _stand_in(resource, resource.spec.job_template.spec.template)
        case Deployment() | ReplicaSet() | StatefulSet() | DaemonSet() | Job():
            return _stand_in(resource, resource.spec.template)
        case _:
            return None


def _pod(pod: Pod) -> Entity | None:
    if pod.spec.host_network or not pod.spec.node_name or _has_finished(pod):
        return None
    entity = _pod_entity(pod, pod.spec.service_account_name)
    return entity if entity.addresses else None


def _pod_entity(pod: Pod, account: str) -> Entity:
    meta = pod.metadata
    addresses = addresses_of(item.ip for item in pod.status.pod_ips) or addresses_of([pod.status.pod_ip])
    return Entity(
        EntityKey(EntityKind.WORKLOAD, meta.namespace, meta.name),
        _endpoint_labels(meta.labels, meta.namespace, account),
        _endpoint_profiles(meta.namespace, account),
        addresses,
        named_ports=_container_ports(pod.spec),
        node=pod.spec.node_name,
        shown_name=f"{meta.generate_name}*" if meta.generate_name else "",
        owner=_owner(meta),
    )


def _has_finished(pod: Pod) -> bool:
    gone = pod.metadata.deletion_timestamp and pod.metadata.annotations.get(_POD_IP_ANNOTATION) == ""
    return bool(gone) or pod.status.phase in ("Succeeded", "Failed")


def _stand_in(workload: Workload, template: PodTemplate) -> Entity | None:
    labels, spec = template.metadata.labels, template.spec
    if spec.host_network:
        return None
    kind, name, namespace = type(workload).__name__, workload.metadata.name, workload.metadata.namespace
    if isinstance(workload, Job):
        labels = {**labels, "job-name": name, "batch.kubernetes.io/job-name": name}
    account = _account(spec)
    return Entity(
        EntityKey(EntityKind.WORKLOAD, namespace, f"{WORKLOAD_PREFIXES[kind]}/{name}"),
        _endpoint_labels(labels, namespace, account),
        _endpoint_profiles(namespace, account),
        named_ports=_container_ports(spec),
        shown_name=f"{name}-*",
        owner=f"{kind}/{name}",
    )


def _account(spec: PodSpec) -> str:
    return spec.service_account_name or DEFAULT_SERVICE_ACCOUNT


def _endpoint_labels(labels: Mapping[str, str], namespace: str, account: str) -> dict[str, str]:
    """§5.1: nobody can claim the labels of a namespace or service account by writing them on a pod."""
    inheritable = (NAMESPACE_PREFIX, SERVICE_ACCOUNT_PREFIX)
    own = {key: value for key, value in labels.items() if not key.startswith(inheritable)}
    own |= {NAMESPACE: namespace, ORCHESTRATOR: KUBERNETES}
    if account:
        own[SERVICE_ACCOUNT] = account
    return own


def _endpoint_profiles(namespace: str, account: str) -> tuple[str, ...]:
    profile = namespace_profile_name(namespace)
    return (profile, service_account_profile_name(namespace, account)) if account else (profile,)


def _container_ports(spec: PodSpec) -> tuple[NamedPort, ...]:
    return tuple(
        NamedPort(port.name, TRANSPORTS[port.protocol], port.container_port)
        for container in (*spec.init_containers, *spec.containers)
        for port in container.ports
        if port.name and port.protocol in TRANSPORTS and 1 <= port.container_port <= 65535
    )


def _owner(meta: ObjectMeta) -> str:
    """The controller; files written by hand may leave `controller` out, then the first owner."""
    owner = min(meta.owner_references, key=lambda reference: not reference.controller, default=None)
    if owner is None:
        return ""
    return f"{owner.kind}/{owner.name}" if owner.kind else owner.name


def addresses_of(texts: Iterable[str]) -> tuple[Address, ...]:
    """Return the addresses, each once; what is none (a host name, an empty text) is skipped."""
    found: dict[Address, None] = {}
    for text in texts:
        try:
            found[Address.parse(text)] = None
        except NetError:
            continue
    return tuple(found)


# --- the others ---------------------------------------------------------------------------------------------


def _host_endpoint(resource: HostEndpoint) -> Entity:
    spec = resource.spec
    return Entity(
        EntityKey(EntityKind.HOST, "", resource.metadata.name),
        resource.metadata.labels,
        spec.profiles,
        addresses_of(spec.expected_ips),
        named_ports=tuple(port for written in spec.ports for port in _endpoint_port(written)),
        node=spec.node,
        interface=spec.interface_name,
        shown_name=spec.node,
    )


def _endpoint_port(written: EndpointPort) -> Iterable[NamedPort]:
    try:
        protocol = parse_protocol(written.protocol)
    except NetError:
        return
    if written.name and protocol in PROTOCOLS_WITH_PORTS and 1 <= written.port <= 65535:
        yield NamedPort(written.name, protocol, written.port)


def _network_set(resource: NetworkSet) -> Entity:
    meta = resource.metadata
    return Entity(
        EntityKey(EntityKind.NETWORK_SET, meta.namespace, meta.name),
        {**meta.labels, NAMESPACE: meta.namespace},
        (namespace_profile_name(meta.namespace),),
        nets=_nets(resource.spec.nets),
    )


def _node(resource: Node) -> Entity:
    name = resource.metadata.name
    return Entity(
        EntityKey(EntityKind.NODE, "", name),
        resource.metadata.labels,
        addresses=addresses_of(
            item.address for item in resource.status.addresses if item.type in ("InternalIP", "ExternalIP")
        ),
        node=name,
    )


def _nets(texts: Iterable[str]) -> tuple[Prefix, ...]:
    """Return the prefixes, host bits masked off; an unparsable item is skipped (§3.8)."""
    found: dict[Prefix, None] = {}
    for text in texts:
        try:
            found[Prefix.parse(text, strict=False)] = None
        except NetError:
            continue
    return tuple(found)
