"""`networking.k8s.io/v1` NetworkPolicy. Source: spec/policy-semantics §3.12, §10.2."""

from typing import Final

import msgspec

from ocicat.model.meta import LabelSelector, Part, Resource

GROUP: Final = "networking.k8s.io"


class PolicyPort(Part, frozen=True):
    """`ports[]`: an absent protocol is TCP, an absent port every port, `endPort` makes a range."""

    protocol: str = "TCP"
    port: int | str | None = None
    end_port: int | None = None


class IpBlock(Part, frozen=True):
    """`ipBlock` of a peer."""

    cidr: str = ""
    except_: tuple[str, ...] = msgspec.field(default=(), name="except")


class PolicyPeer(Part, frozen=True):
    """A peer: an address block, or pods by labels of their own and of their namespace."""

    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: IpBlock | None = None


class IngressRule(Part, frozen=True):
    """`ingress[]`; no peers mean every peer, no ports every port."""

    from_: tuple[PolicyPeer, ...] = msgspec.field(default=(), name="from")
    ports: tuple[PolicyPort, ...] = ()


class EgressRule(Part, frozen=True):
    """`egress[]`; no peers mean every peer, no ports every port."""

    to: tuple[PolicyPeer, ...] = ()
    ports: tuple[PolicyPort, ...] = ()


class KubernetesNetworkPolicySpec(Part, frozen=True):
    """`spec` of a Kubernetes NetworkPolicy."""

    pod_selector: LabelSelector = LabelSelector()
    ingress: tuple[IngressRule, ...] = ()
    egress: tuple[EgressRule, ...] = ()
    policy_types: tuple[str, ...] = ()


class KubernetesNetworkPolicy(Resource, frozen=True):
    """Kubernetes' own namespaced policy. Its kind on the wire is `NetworkPolicy`."""

    spec: KubernetesNetworkPolicySpec = KubernetesNetworkPolicySpec()
