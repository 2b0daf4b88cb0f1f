"""What a node's operator decides about enforcement."""

from enum import StrEnum
from typing import Final

import msgspec


class Denial(StrEnum):
    """What happens to a packet that policy denies (§9.3)."""

    DROP = "drop"
    REJECT = "reject"
    """TCP gets a reset, all else an ICMP error: clients fail at once. Costs 1.7 times a drop."""


class ToHost(StrEnum):
    """What happens to a packet from a pod to its own node, once the pod's egress policy allows it (§9.2)."""

    ACCEPT = "accept"
    """Other tables of the node may still drop it: an accept of nftables ends one base chain only."""
    DROP = "drop"


class RulesetSettings(msgspec.Struct, frozen=True):
    """How policy is enforced on a node, beyond what policy says."""

    table: str = "ocicat"
    """The name of the table, in family inet."""
    interface_prefix: str = "cali"
    """What the names of pods' interfaces begin with: they are closed until their pod is programmed."""
    denial: Denial = Denial.DROP
    to_host: ToHost = ToHost.ACCEPT
    """Felix's own default is to drop; the manifests for Kubernetes set accept, as we do."""
    log_prefix: str = "calico-packet: "
    """What the kernel log shows before a packet that a Log rule matches; `%t` tier, `%k` kind, `%n` name,
    `%p` namespace and name of the policy."""
    log_rate_per_s: int = 0
    """Most lines in a second for each Log rule, in bursts of 5; 0 logs every packet."""
    vxlan_port: int = 4789
    """UDP port of VXLAN, which pods may not send to unless allowed."""
    allow_vxlan_from_pods: bool = False
    allow_ipip_from_pods: bool = False


DEFAULT_SETTINGS: Final = RulesetSettings()
