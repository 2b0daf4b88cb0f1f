"""The cluster-wide policies of `policy.networking.k8s.io`.

ClusterNetworkPolicy (v1alpha2), and the two that it replaced: AdminNetworkPolicy and
BaselineAdminNetworkPolicy (v1alpha1). Source: spec/policy-semantics §3.13, §10.3.
"""

from typing import Final

import msgspec

from ocicat.model.meta import LabelSelector, Part, Resource

GROUP: Final = "policy.networking.k8s.io"


class NamespacedPods(Part, frozen=True):
    """Pods by labels, in namespaces by labels; both selectors are required."""

    namespace_selector: LabelSelector | None = None
    pod_selector: LabelSelector | None = None


class Subject(Part, frozen=True):
    """What a policy applies to: exactly one of the two."""

    namespaces: LabelSelector | None = None
    pods: NamespacedPods | None = None


class ClusterPeer(Part, frozen=True):
    """A peer: exactly one field. Ingress peers have `namespaces` and `pods` only."""

    namespaces: LabelSelector | None = None
    pods: NamespacedPods | None = None
    nodes: LabelSelector | None = None
    networks: tuple[str, ...] | None = None
    domain_names: tuple[str, ...] | None = None


class DestinationRange(Part, frozen=True):
    """`range` of a destination port, both ends included."""

    start: int = 0
    end: int = 0


class DestinationPort(Part, frozen=True):
    """`destinationPort`: exactly one of the two."""

    number: int | None = None
    range: DestinationRange | None = None


class TransportMatch(Part, frozen=True):
    """`tcp`, `udp` or `sctp` of a protocol item; without a port every port of that protocol."""

    destination_port: DestinationPort | None = None


class ClusterProtocol(Part, frozen=True):
    """`protocols[]` of a ClusterNetworkPolicy rule: exactly one field."""

    tcp: TransportMatch | None = None
    udp: TransportMatch | None = None
    sctp: TransportMatch | None = None
    destination_named_port: str = ""


class ClusterIngressRule(Part, frozen=True):
    """`ingress[]` of a ClusterNetworkPolicy."""

    from_: tuple[ClusterPeer, ...] = msgspec.field(default=(), name="from")
    name: str = ""
    action: str = ""
    protocols: tuple[ClusterProtocol, ...] | None = None


class ClusterEgressRule(Part, frozen=True):
    """`egress[]` of a ClusterNetworkPolicy."""

    to: tuple[ClusterPeer, ...] = ()
    name: str = ""
    action: str = ""
    protocols: tuple[ClusterProtocol, ...] | None = None


class ClusterNetworkPolicySpec(Part, frozen=True):
    """`spec` of a ClusterNetworkPolicy."""

    tier: str = ""
    priority: int | None = None
    subject: Subject | None = None
    ingress: tuple[ClusterIngressRule, ...] = ()
    egress: tuple[ClusterEgressRule, ...] = ()


class ClusterNetworkPolicy(Resource, frozen=True):
    """The cluster-wide policy of Kubernetes, in the tiers `kube-admin` and `kube-baseline`."""

    spec: ClusterNetworkPolicySpec = ClusterNetworkPolicySpec()


class AdminPortNumber(Part, frozen=True):
    """`portNumber` of v1alpha1."""

    protocol: str = "TCP"
    port: int = 0


class AdminPortRange(Part, frozen=True):
    """`portRange` of v1alpha1, both ends included."""

    protocol: str = "TCP"
    start: int = 0
    end: int = 0


class AdminPort(Part, frozen=True):
    """`ports[]` of v1alpha1: exactly one field."""

    port_number: AdminPortNumber | None = None
    port_range: AdminPortRange | None = None
    named_port: str = ""


class AdminIngressRule(Part, frozen=True):
    """`ingress[]` of v1alpha1."""

    from_: tuple[ClusterPeer, ...] = msgspec.field(default=(), name="from")
    name: str = ""
    action: str = ""
    ports: tuple[AdminPort, ...] | None = None


class AdminEgressRule(Part, frozen=True):
    """`egress[]` of v1alpha1."""

    to: tuple[ClusterPeer, ...] = ()
    name: str = ""
    action: str = ""
    ports: tuple[AdminPort, ...] | None = None


class AdminNetworkPolicySpec(Part, frozen=True):
    """`spec` of an AdminNetworkPolicy."""

    priority: int | None = None
    subject: Subject | None = None
    ingress: tuple[AdminIngressRule, ...] = ()
    egress: tuple[AdminEgressRule, ...] = ()


class AdminNetworkPolicy(Resource, frozen=True):
    """The administrator's policy of v1alpha1, in the tier `adminnetworkpolicy`."""

    spec: AdminNetworkPolicySpec = AdminNetworkPolicySpec()


class BaselineAdminNetworkPolicySpec(Part, frozen=True):
    """`spec` of a BaselineAdminNetworkPolicy."""

    subject: Subject | None = None
    ingress: tuple[AdminIngressRule, ...] = ()
    egress: tuple[AdminEgressRule, ...] = ()


class BaselineAdminNetworkPolicy(Resource, frozen=True):
    """The cluster's baseline of v1alpha1, in the tier `baselineadminnetworkpolicy`; its name is `default`."""

    spec: BaselineAdminNetworkPolicySpec = BaselineAdminNetworkPolicySpec()
