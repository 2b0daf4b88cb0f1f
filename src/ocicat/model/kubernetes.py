"""The Kubernetes kinds that policy refers to, with the fields that policy looks at.

Source: spec/policy-semantics §5.1 (which pods count, their labels and named ports), §6.6 (EndpointSlices),
§10.1, §11.6 (Services and Nodes), §16.19 (node addresses).
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from ocicat.model.meta import ObjectMeta, Part, Resource

CORE: Final = ""
APPS: Final = "apps"
BATCH: Final = "batch"
DISCOVERY: Final = "discovery.k8s.io"


class Namespace(Resource, frozen=True):
    """A namespace."""


class ServiceAccount(Resource, frozen=True):
    """A service account."""


class ContainerPort(Part, frozen=True):
    """A port that a container declares."""

    name: str = ""
    container_port: int = 0
    protocol: str = "TCP"


class Container(Part, frozen=True):
    """A container, for its ports."""

    name: str = ""
    ports: tuple[ContainerPort, ...] = ()


class PodSpec(Part, frozen=True):
    """`spec` of a pod or of a template's pod."""

    node_name: str = ""
    service_account_name: str = ""
    host_network: bool = False
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()


class PodIp(Part, frozen=True):
    """An item of `status.podIPs`."""

    ip: str = ""


class PodStatus(Part, frozen=True):
    """`status` of a pod."""

    phase: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")
    pod_ips: tuple[PodIp, ...] = msgspec.field(default=(), name="podIPs")
    host_ip: str = msgspec.field(default="", name="hostIP")


class Pod(Resource, frozen=True):
    """A pod."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class PodTemplate(Part, frozen=True):
    """The template from which a workload makes its pods."""

    metadata: ObjectMeta = ObjectMeta()
    spec: PodSpec = PodSpec()


class WorkloadSpec(Part, frozen=True):
    """`spec` of a workload."""

    replicas: int = 1
    template: PodTemplate = PodTemplate()


class Deployment(Resource, frozen=True):
    """A Deployment."""

    spec: WorkloadSpec = WorkloadSpec()


class ReplicaSet(Resource, frozen=True):
    """A ReplicaSet."""

    spec: WorkloadSpec = WorkloadSpec()


class StatefulSet(Resource, frozen=True):
    """A StatefulSet."""

    spec: WorkloadSpec = WorkloadSpec()


class DaemonSet(Resource, frozen=True):
    """A DaemonSet."""

    spec: WorkloadSpec = WorkloadSpec()


class Job(Resource, frozen=True):
    """A Job."""

    spec: WorkloadSpec = WorkloadSpec()


class JobTemplate(Part, frozen=True):
    """The template from which a CronJob makes its Jobs."""

    spec: WorkloadSpec = WorkloadSpec()


class CronJobSpec(Part, frozen=True):
    """`spec` of a CronJob."""

    job_template: JobTemplate = JobTemplate()


class CronJob(Resource, frozen=True):
    """A CronJob."""

    spec: CronJobSpec = CronJobSpec()


class ServicePort(Part, frozen=True):
    """A port of a Service."""

    name: str = ""
    protocol: str = "TCP"
    port: int = 0
    target_port: int | str | None = None
    node_port: int = 0


class ServiceSpec(Part, frozen=True):
    """`spec` of a Service."""

    type: str = "ClusterIP"
    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    cluster_ips: tuple[str, ...] = msgspec.field(default=(), name="clusterIPs")
    external_ips: tuple[str, ...] = msgspec.field(default=(), name="externalIPs")
    selector: Mapping[str, str] = {}
    ports: tuple[ServicePort, ...] = ()


class Service(Resource, frozen=True):
    """A Service."""

    spec: ServiceSpec = ServiceSpec()


class EndpointConditions(Part, frozen=True):
    """`conditions` of an endpoint; policy ignores them (§6.6), load balancing does not."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class SliceEndpoint(Part, frozen=True):
    """An endpoint of a slice."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    node_name: str = ""


class SlicePort(Part, frozen=True):
    """A port of a slice."""

    name: str = ""
    protocol: str = "TCP"
    port: int | None = None


class EndpointSlice(Resource, frozen=True):
    """A part of a Service's endpoints."""

    address_type: str = ""
    endpoints: tuple[SliceEndpoint, ...] = ()
    ports: tuple[SlicePort, ...] = ()


class NodeAddress(Part, frozen=True):
    """An item of `status.addresses`."""

    type: str = ""
    address: str = ""


class NodeStatus(Part, frozen=True):
    """`status` of a node."""

    addresses: tuple[NodeAddress, ...] = ()


class Node(Resource, frozen=True):
    """A node."""

    status: NodeStatus = NodeStatus()
