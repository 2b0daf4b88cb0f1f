"""Admission of the policy kinds: the validator of `ocicat.model` decides, in Calico's words.

Beyond one object's own rules: a new policy's tier must exist; the built-in tiers and the default profile
stay; a tier that policies still name stays. Source: policy-semantics §2.1, §3.1.
"""

from collections.abc import Mapping
from typing import Any, Final

from ocicat.cluster.apiserver.core import Core
from ocicat.cluster.resources.bootstrap import TIERS
from ocicat.cluster.resources.errors import ApiError, forbidden
from ocicat.cluster.resources.kinds import Kind, metadata_of
from ocicat.cluster.resources.rbac import CALICO, TIERED
from ocicat.cluster.resources.watch import tier_of

_TIER_LABEL: Final = "projectcalico.org/tier"
_BUILT_IN_TIERS: Final = frozenset(name for name, _, _ in TIERS)
_TIER_ORDER: Final = 1_000_000
_DEFAULT_PROFILE: Final = "projectcalico-default-allow"
_BLOCKING: Final = tuple(
    f"{plural}.{CALICO}" for plural in sorted(TIERED - {"stagedkubernetesnetworkpolicies"})
)


def admit_calico(
    core: Core, kind: Kind, old: Mapping[str, Any] | None, new: dict[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return a policy object with its defaults, and the warnings about it. Raises ApiError (404, 422)."""
    if kind.group == CALICO:
        if old is None and kind.plural in TIERED:
            _check_tier(core, tier_of(new))
        new = _defaulted(kind, new)
    return new, _judged(kind, new)


def _check_tier(core: Core, tier: str) -> None:
    if core.store.get(f"tiers.{CALICO}", "", tier) is None:
        text = f'resource does not exist: Tier({tier}) with error: tiers.{CALICO} "{tier}" not found'
        raise ApiError("NotFound", text, group=CALICO, kind="tiers", name=tier)


def _defaulted(kind: Kind, new: dict[str, Any]) -> dict[str, Any]:
    spec = dict(new.get("spec") or {}) if isinstance(new.get("spec") or {}, Mapping) else new["spec"]
    if not isinstance(spec, dict):
        return new
    if kind.plural == "tiers":
        spec["defaultAction"] = spec.get("defaultAction") or "Deny"
        if spec.get("order") is None:
            spec["order"] = _TIER_ORDER
        return {**new, "spec": spec}
    if kind.plural not in TIERED:
        return new
    staged = kind.plural.startswith("staged")
    if staged:
        spec["stagedAction"] = spec.get("stagedAction") or "Set"
    if kind.plural != "stagedkubernetesnetworkpolicies":
        spec["tier"] = spec.get("tier") or "default"
        if not spec.get("types") and spec.get("stagedAction") != "Delete":
            spec["types"] = _types(spec)
    metadata = metadata_of(new)
    labels = {**(metadata.get("labels") or {}), _TIER_LABEL: tier_of({"spec": spec})}
    return {**new, "metadata": {**metadata, "labels": labels}, "spec": spec}


def _types(spec: Mapping[str, Any]) -> list[str]:
    if not spec.get("egress"):
        return ["Ingress"]
    return ["Ingress", "Egress"] if spec.get("ingress") else ["Egress"]


def _judged(kind: Kind, new: Mapping[str, Any]) -> tuple[str, ...]:
    return ()


def refuse_tier_deletion(core: Core, kind: Kind, name: str) -> None:
    """Refuse to delete built-in and non-empty tiers, and the default profile. Raises ApiError (403)."""
    if kind.plural == "profiles" and name == _DEFAULT_PROFILE:
        raise forbidden(kind.plural, kind.group, name, f"Cannot delete {name} profile")
    if kind.plural != "tiers":
        return
    if name in _BUILT_IN_TIERS:
        raise forbidden(kind.plural, kind.group, name, f"The built-in tier {name} cannot be deleted")
    if any(tier_of(thing) == name for resource in _BLOCKING for thing in core.things(resource)):
        raise forbidden(kind.plural, kind.group, name, "Cannot delete a non-empty tier")
