"""Policies, profiles and endpoints as the engine sees them, whatever kind they were written as.

`ocicat.engine.convert` makes these from resources; nothing further down asks whether a rule came from Calico,
Kubernetes or a ClusterNetworkPolicy. Source: spec/policy-semantics §5, §6, §10.
"""

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from ocicat.model.calico import HttpMatch
from ocicat.model.flow import Action, HitKind
from ocicat.model.net import Address, PortRange, Prefix
from ocicat.model.selector import Selector


class Direction(StrEnum):
    """Seen from the endpoint to which a policy is attached."""

    INGRESS = "ingress"
    EGRESS = "egress"


class IcmpMatch(msgspec.Struct, frozen=True):
    """An ICMP type, and a code where one is given (§6.7)."""

    type: int
    code: int | None = None


class Side(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a rule asks of the source or the destination; every criterion that is present must hold.

    `selector` is the combined positive selector of §5.4, over effective labels; None asks nothing.
    """

    nets: tuple[Prefix, ...] = ()
    not_nets: tuple[Prefix, ...] = ()
    selector: Selector | None = None
    not_selector: Selector | None = None
    nodes: Selector | None = None
    """The address is one of a Node whose own labels match (§16.19)."""
    ports: tuple[PortRange, ...] = ()
    named_ports: tuple[str, ...] = ()
    not_ports: tuple[PortRange, ...] = ()
    not_named_ports: tuple[str, ...] = ()
    service: tuple[str, str] | None = None
    """Namespace and name of a Service whose endpoints are meant (§6.6)."""

    @property
    def has_ports(self) -> bool:
        """Whether `ports` of the rule, numeric or named, restrict this side."""
        return bool(self.ports or self.named_ports)


ANYTHING: Final = Side()
"""A side without criteria."""


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """One rule. A rule that names no criterion matches every packet."""

    action: Action
    families: tuple[int, ...] = (4, 6)
    """The families for which the rule exists (§6.1); empty when for none."""
    protocol: int | None = None
    not_protocol: int | None = None
    icmp: IcmpMatch | None = None
    not_icmp: IcmpMatch | None = None
    source: Side = ANYTHING
    destination: Side = ANYTHING
    http: HttpMatch | None = None
    annotations: Mapping[str, str] = {}


class PolicyKey(msgspec.Struct, frozen=True, order=True):
    """The identity of a policy in the engine."""

    kind: HitKind
    namespace: str
    name: str

    def __str__(self) -> str:
        name = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind.short}:{name}"


class Stage(StrEnum):
    """Which list of a host endpoint a policy belongs to (§7.1). Pods know the normal list only."""

    NORMAL = "normal"
    UNTRACKED = "untracked"
    PRE_DNAT = "preDNAT"


class Policy(msgspec.Struct, frozen=True, omit_defaults=True):
    """One policy, enforced or staged."""

    key: PolicyKey
    tier: str
    selector: Selector
    """The combined selector over effective labels (§5.3)."""
    order: float = math.inf
    ingress: tuple[Rule, ...] | None = None
    """The rules of the direction; None where the policy does not govern it."""
    egress: tuple[Rule, ...] | None = None
    stage: Stage = Stage.NORMAL
    apply_on_forward: bool = False

    @property
    def staged(self) -> bool:
        """Whether the policy is evaluated but never enforced."""
        return self.key.kind.staged

    def rules(self, direction: Direction) -> tuple[Rule, ...] | None:
        """Return the rules of a direction, or None where the policy does not govern it."""
        return self.ingress if direction is Direction.INGRESS else self.egress

    @property
    def rank(self) -> tuple[float, bytes]:
        """Where the policy stands in its tier (§7.2): by order, then by the bytes of name/namespace/kind."""
        key = self.key
        tie = f"{key.name}/{key.namespace}/{key.kind.engine_name}"
        return self.order, tie.encode("utf-8", "surrogatepass")

    @property
    def shown_name(self) -> str:
        """The name without a leading `<tier>.`, as traces and flows show it (§1 "Our choice")."""
        return self.key.name.removeprefix(f"{self.tier}.")


class Tier(msgspec.Struct, frozen=True):
    """A tier. `known` is False for the stand-in of a tier whose object is missing (§2.1)."""

    name: str
    order: float
    default_action: Action
    known: bool = True

    @property
    def rank(self) -> tuple[bool, float, bytes]:
        """Where the tier stands (§7.2): existing ones first, then by order, then by name."""
        return not self.known, self.order, self.name.encode("utf-8", "surrogatepass")


class Profile(msgspec.Struct, frozen=True, omit_defaults=True):
    """Rules that apply after all tiers, and the labels that members inherit."""

    name: str
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()
    labels: Mapping[str, str] = {}

    def rules(self, direction: Direction) -> tuple[Rule, ...]:
        """Return the rules of a direction."""
        return self.ingress if direction is Direction.INGRESS else self.egress


class EntityKind(StrEnum):
    """What can be a peer of a rule."""

    WORKLOAD = "WorkloadEndpoint"
    HOST = "HostEndpoint"
    NETWORK_SET = "NetworkSet"
    NODE = "Node"
    """No peer of selectors, only of `nodes` (§16.19); it tells which addresses are the host's own."""


class EntityKey(msgspec.Struct, frozen=True, order=True):
    """The identity of an entity; a GlobalNetworkSet is a NETWORK_SET without namespace."""

    kind: EntityKind
    namespace: str
    name: str

    def __str__(self) -> str:
        name = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind}({name})"


class NamedPort(msgspec.Struct, frozen=True, order=True, gc=False):
    """A port that an endpoint declares by name."""

    name: str
    protocol: int
    port: int


class Entity(msgspec.Struct, frozen=True, omit_defaults=True):
    """A workload endpoint, host endpoint, network set or node."""

    key: EntityKey
    labels: Mapping[str, str] = {}
    """Its own labels, the implicit `projectcalico.org/` ones included (§5.1); inherited ones are not."""
    profiles: tuple[str, ...] = ()
    """Names of profiles, in order: their labels are inherited, their rules apply after the tiers."""
    addresses: tuple[Address, ...] = ()
    """Of endpoints and nodes; empty for network sets."""
    nets: tuple[Prefix, ...] = ()
    """Of network sets; empty for others."""
    named_ports: tuple[NamedPort, ...] = ()
    node: str = ""
    """The node that an endpoint is on."""
    interface: str = ""
    """Of host endpoints: the interface's name, `*`, or empty."""
    shown_name: str = ""
    """The name in flow records (§11.5), where it differs from the key's."""
    owner: str = ""
    """Of workloads: `Kind/name` of the workload that made it, `Deployment/db`; empty for a bare pod."""
