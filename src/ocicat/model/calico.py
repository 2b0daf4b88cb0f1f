"""The kinds of `projectcalico.org/v3`: tiers, policies, staged ones, network sets, host endpoints, profiles.

These are the fields as written, before defaulting; `ocicat.model.defaults` fills in, `ocicat.model.validate`
judges. Source: spec/policy-semantics §2 and §3.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from ocicat.model.meta import LabelSelector, Part, Resource
from ocicat.model.networkpolicy import EgressRule, IngressRule

GROUP: Final = "projectcalico.org"

ProtocolItem = int | str
"""A protocol as written: a number, digits, or one of the API's names (§3.4)."""

PortItemText = int | str
"""A port as written: a number, digits, `min:max`, or a port's name (§3.4)."""


class TierSpec(Part, frozen=True):
    """`spec` of a Tier."""

    order: float | None = None
    default_action: str = "Deny"


class Tier(Resource, frozen=True):
    """A tier: policies in it are judged together, tiers by ascending order."""

    spec: TierSpec = TierSpec()


class IcmpMatch(Part, frozen=True):
    """`icmp` and `notICMP` of a rule."""

    type: int | None = None
    code: int | None = None


class ServiceAccountMatch(Part, frozen=True):
    """`serviceAccounts` of a rule's side."""

    names: tuple[str, ...] = ()
    selector: str = ""


class ServiceMatch(Part, frozen=True):
    """`services` of a rule's side."""

    name: str = ""
    namespace: str = ""


class EntityRule(Part, frozen=True):
    """`source` or `destination` of a rule: all criteria that are present must hold."""

    nets: tuple[str, ...] = ()
    not_nets: tuple[str, ...] = ()
    selector: str = ""
    not_selector: str = ""
    namespace_selector: str = ""
    ports: tuple[PortItemText, ...] = ()
    not_ports: tuple[PortItemText, ...] = ()
    service_accounts: ServiceAccountMatch | None = None
    services: ServiceMatch | None = None


class HttpPath(Part, frozen=True):
    """One path of an HTTP match: exactly one of the two."""

    exact: str = ""
    prefix: str = ""


class HttpMatch(Part, frozen=True):
    """`http` of a rule; only an enforcement point for HTTP applies it (§6.8)."""

    methods: tuple[str, ...] = ()
    paths: tuple[HttpPath, ...] = ()


class RuleMetadata(Part, frozen=True):
    """`metadata` of a rule."""

    annotations: Mapping[str, str] = {}


class Rule(Part, frozen=True):
    """A rule of a Calico policy or profile."""

    action: str = ""
    ip_version: int | None = msgspec.field(default=None, name="ipVersion")
    protocol: ProtocolItem | None = None
    not_protocol: ProtocolItem | None = None
    icmp: IcmpMatch | None = None
    not_icmp: IcmpMatch | None = msgspec.field(default=None, name="notICMP")
    source: EntityRule = EntityRule()
    destination: EntityRule = EntityRule()
    http: HttpMatch | None = None
    metadata: RuleMetadata | None = None


class NetworkPolicySpec(Part, frozen=True):
    """`spec` of a NetworkPolicy."""

    tier: str = ""
    order: float | None = None
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()
    selector: str = ""
    types: tuple[str, ...] = ()
    service_account_selector: str = ""
    performance_hints: tuple[str, ...] = ()


class GlobalNetworkPolicySpec(NetworkPolicySpec, frozen=True):
    """`spec` of a GlobalNetworkPolicy."""

    namespace_selector: str = ""
    do_not_track: bool = False
    pre_dnat: bool = msgspec.field(default=False, name="preDNAT")
    apply_on_forward: bool = False


class StagedNetworkPolicySpec(NetworkPolicySpec, frozen=True):
    """`spec` of a StagedNetworkPolicy."""

    staged_action: str = "Set"


class StagedGlobalNetworkPolicySpec(GlobalNetworkPolicySpec, frozen=True):
    """`spec` of a StagedGlobalNetworkPolicy."""

    staged_action: str = "Set"


class StagedKubernetesNetworkPolicySpec(Part, frozen=True):
    """`spec` of a StagedKubernetesNetworkPolicy: that of a Kubernetes NetworkPolicy, and `stagedAction`."""

    pod_selector: LabelSelector = LabelSelector()
    ingress: tuple[IngressRule, ...] = ()
    egress: tuple[EgressRule, ...] = ()
    policy_types: tuple[str, ...] = ()
    staged_action: str = "Set"


class NetworkPolicy(Resource, frozen=True):
    """Calico's namespaced policy."""

    spec: NetworkPolicySpec = NetworkPolicySpec()


class GlobalNetworkPolicy(Resource, frozen=True):
    """Calico's cluster-wide policy."""

    spec: GlobalNetworkPolicySpec = GlobalNetworkPolicySpec()


class StagedNetworkPolicy(Resource, frozen=True):
    """A NetworkPolicy that is evaluated and reported but never enforced."""

    spec: StagedNetworkPolicySpec = StagedNetworkPolicySpec()


class StagedGlobalNetworkPolicy(Resource, frozen=True):
    """A GlobalNetworkPolicy that is evaluated and reported but never enforced."""

    spec: StagedGlobalNetworkPolicySpec = StagedGlobalNetworkPolicySpec()


class StagedKubernetesNetworkPolicy(Resource, frozen=True):
    """A Kubernetes NetworkPolicy that is evaluated and reported but never enforced."""

    spec: StagedKubernetesNetworkPolicySpec = StagedKubernetesNetworkPolicySpec()


class NetworkSetSpec(Part, frozen=True):
    """`spec` of a NetworkSet and of a GlobalNetworkSet."""

    nets: tuple[str, ...] = ()


class NetworkSet(Resource, frozen=True):
    """Addresses with labels, in a namespace."""

    spec: NetworkSetSpec = NetworkSetSpec()


class GlobalNetworkSet(Resource, frozen=True):
    """Addresses with labels, of the whole cluster."""

    spec: NetworkSetSpec = NetworkSetSpec()


class EndpointPort(Part, frozen=True):
    """A named port of a host endpoint."""

    name: str = ""
    protocol: ProtocolItem = ""
    port: int = 0


class HostEndpointSpec(Part, frozen=True):
    """`spec` of a HostEndpoint."""

    node: str = ""
    interface_name: str = ""
    expected_ips: tuple[str, ...] = msgspec.field(default=(), name="expectedIPs")
    profiles: tuple[str, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


class HostEndpoint(Resource, frozen=True):
    """An interface of a node, or all of them (`*`)."""

    spec: HostEndpointSpec = HostEndpointSpec()


class ProfileSpec(Part, frozen=True):
    """`spec` of a Profile."""

    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()
    labels_to_apply: Mapping[str, str] = {}


class Profile(Resource, frozen=True):
    """Rules that apply after all tiers, and labels, for the endpoints that list the profile."""

    spec: ProfileSpec = ProfileSpec()
