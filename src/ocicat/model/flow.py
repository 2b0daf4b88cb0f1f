"""The policy hits of a flow: which rule of which policy in which tier decided.

The same shape serves the trace of an evaluation, the flow API and the console. Source: spec/policy-semantics
§12.1, spec/flows-and-console §2, §7.1.
"""

import re
from enum import StrEnum
from typing import Any, Final

import msgspec

from ocicat.base.errors import OcicatError


class Action(StrEnum):
    """What a rule does. `LOG` never decides, and leaves no hit."""

    ALLOW = "Allow"
    DENY = "Deny"
    PASS = "Pass"
    LOG = "Log"


class Reporter(StrEnum):
    """Which end of a connection reports: the source's egress or the destination's ingress."""

    SRC = "Src"
    DST = "Dst"


class HitKind(StrEnum):
    """What decided. The names are those of the flow API."""

    CALICO_NETWORK_POLICY = "CalicoNetworkPolicy"
    GLOBAL_NETWORK_POLICY = "GlobalNetworkPolicy"
    STAGED_NETWORK_POLICY = "StagedNetworkPolicy"
    STAGED_GLOBAL_NETWORK_POLICY = "StagedGlobalNetworkPolicy"
    STAGED_KUBERNETES_NETWORK_POLICY = "StagedKubernetesNetworkPolicy"
    NETWORK_POLICY = "NetworkPolicy"
    ADMIN_NETWORK_POLICY = "AdminNetworkPolicy"
    BASELINE_ADMIN_NETWORK_POLICY = "BaselineAdminNetworkPolicy"
    PROFILE = "Profile"
    END_OF_TIER = "EndOfTier"
    CLUSTER_NETWORK_POLICY = "ClusterNetworkPolicy"

    @property
    def staged(self) -> bool:
        """Whether policies of this kind are evaluated but never enforced."""
        return self in _STAGED

    @property
    def number(self) -> int:
        """The value of the flow API's enum PolicyKind."""
        return _NUMBERS[self]

    @property
    def short(self) -> str:
        """The abbreviation in the text form; EndOfTier has none (its trigger's is shown)."""
        return _SHORT[self]

    @property
    def engine_name(self) -> str:
        """The name by which policies of equal order and name sort (§7.2)."""
        return _ENGINE_NAMES.get(self, self.value)


_STAGED: Final = frozenset(
    {
        HitKind.STAGED_NETWORK_POLICY,
        HitKind.STAGED_GLOBAL_NETWORK_POLICY,
        HitKind.STAGED_KUBERNETES_NETWORK_POLICY,
    }
)
_NUMBERS: Final = {kind: number for number, kind in enumerate(HitKind, start=1)}
_SHORT: Final = {
    HitKind.CALICO_NETWORK_POLICY: "np",
    HitKind.GLOBAL_NETWORK_POLICY: "gnp",
    HitKind.STAGED_NETWORK_POLICY: "snp",
    HitKind.STAGED_GLOBAL_NETWORK_POLICY: "sgnp",
    HitKind.STAGED_KUBERNETES_NETWORK_POLICY: "sknp",
    HitKind.NETWORK_POLICY: "knp",
    HitKind.ADMIN_NETWORK_POLICY: "kanp",
    HitKind.BASELINE_ADMIN_NETWORK_POLICY: "kbanp",
    HitKind.PROFILE: "pro",
    HitKind.END_OF_TIER: "",
    HitKind.CLUSTER_NETWORK_POLICY: "kcnp",
}
_BY_SHORT: Final = {short: kind for kind, short in _SHORT.items() if short}
_ENGINE_NAMES: Final = {
    HitKind.CALICO_NETWORK_POLICY: "NetworkPolicy",
    HitKind.NETWORK_POLICY: "KubernetesNetworkPolicy",
    HitKind.CLUSTER_NETWORK_POLICY: "KubernetesClusterNetworkPolicy",
}

PROFILE_TIER: Final = "__PROFILE__"
"""The tier of profile hits in the text form; the structured form has an empty one."""
NO_MATCH: Final = "__NO_MATCH__"
"""The name of the profile hit that denies what no profile matched (§12.2, §16.10)."""


class HitError(OcicatError, ValueError):
    """A text is not the text form of a hit."""


class Trigger(msgspec.Struct, frozen=True, order=True):
    """The policy that an end-of-tier hit holds responsible."""

    kind: HitKind
    namespace: str
    name: str
    tier: str


class Hit(msgspec.Struct, frozen=True, order=True):
    """One step of a policy trace."""

    kind: HitKind
    namespace: str
    name: str
    tier: str
    action: Action
    policy_index: int
    """Position of the hit in its own trace, from 0, without gaps."""
    rule_index: int
    """Position of the rule in the converted policy's rules of that direction; -1 for EndOfTier."""
    trigger: Trigger | None = None

    def text(self) -> str:
        """Return `index|tier|kind:[ns/]name|action|rule` (§12.1)."""
        named = self.trigger or self
        name = f"{named.namespace}/{named.name}" if named.namespace else named.name
        tier = PROFILE_TIER if self.kind is HitKind.PROFILE else self.tier
        return f"{self.policy_index}|{tier}|{named.kind.short}:{name}|{self.action.lower()}|{self.rule_index}"

    @classmethod
    def parse(cls, text: str) -> "Hit":
        """Read the text form, `__NO_MATCH__` and `__PROFILE__` included. Raises HitError."""
        match = re.fullmatch(
            r"([0-9]+)\|([^|]*)\|([a-z]+):(?:([^/|]*)/)?([^/|]+)\|(allow|deny|pass)\|(-?[0-9]+)", text
        )
        if match is None or match[3] not in _BY_SHORT:
            raise HitError(f"{text!r} is not a policy hit (index|tier|kind:[namespace/]name|action|rule)")
        kind, namespace, name = _BY_SHORT[match[3]], match[4] or "", match[5]
        action, index, rule = Action(match[6].capitalize()), int(match[1]), int(match[7])
        tier = "" if kind is HitKind.PROFILE else match[2]
        if rule == -1 and kind is not HitKind.PROFILE:
            trigger = Trigger(kind, namespace, name, tier)
            return cls(HitKind.END_OF_TIER, "", "", tier, action, index, rule, trigger)
        return cls(kind, namespace, name, tier, action, index, rule)

    def document(self) -> dict[str, Any]:
        """Return the JSON form of the flow API's REST back end (flows-and-console §7.1)."""
        trigger = None
        if self.trigger is not None:
            trigger = {
                "kind": self.trigger.kind.value,
                "name": self.trigger.name,
                "namespace": self.trigger.namespace,
                "tier": self.trigger.tier,
                "action": "ActionUnspecified",
                "policy_index": 0,
                "rule_index": 0,
                "trigger": None,
            }
        return {
            "kind": self.kind.value,
            "name": self.name,
            "namespace": self.namespace,
            "tier": self.tier,
            "action": self.action.value,
            "policy_index": self.policy_index,
            "rule_index": self.rule_index,
            "trigger": trigger,
        }


Trace = tuple[Hit, ...]
"""The hits of one evaluation, in order."""
