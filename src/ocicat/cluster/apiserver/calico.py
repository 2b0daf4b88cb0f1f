"""Admission of the policy kinds: the validator of `ocicat.model` decides, in Calico's words.

Beyond one object's own rules: a new policy's tier must exist; the built-in tiers and the default profile
stay; a tier that policies still name stays. Source: policy-semantics §2.1, §3.1.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from ocicat.base.problem import Problem, Severity, Where
from ocicat.cluster.apiserver.core import Core
from ocicat.cluster.resources.bootstrap import TIERS
from ocicat.cluster.resources.errors import ApiError, Cause, bad_request, forbidden, invalid, shown
from ocicat.cluster.resources.kinds import Kind, metadata_of
from ocicat.cluster.resources.rbac import CALICO, TIERED
from ocicat.cluster.resources.watch import tier_of
from ocicat.model.conformity import conformed
from ocicat.model.defaults import defaulted
from ocicat.model.kinds import kind_of
from ocicat.model.positions import path_text
from ocicat.model.validate import calico_error_text, validate

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
        new = _with_defaults(kind, new)
    return new, _judged(kind, new)


def _check_tier(core: Core, tier: str) -> None:
    if core.store.get(f"tiers.{CALICO}", "", tier) is None:
        text = f'resource does not exist: Tier({tier}) with error: tiers.{CALICO} "{tier}" not found'
        raise ApiError("NotFound", text, group=CALICO, kind="tiers", name=tier)


def _with_defaults(kind: Kind, new: dict[str, Any]) -> dict[str, Any]:
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
    """Return the warnings about a policy object. Raises ApiError (400, 422) where it is not valid."""
    known = kind_of(kind.group, kind.kind)
    if known is None:
        return ()
    value, _ = conformed(new, known.struct, unknown_fields=False)
    try:
        resource = msgspec.convert(value, known.struct)
    except msgspec.ValidationError as unfit:
        raise bad_request(f"{kind.kind} cannot be read: {str(unfit)[:400]}") from unfit
    name = str(metadata_of(new).get("name", ""))
    problems = validate(defaulted(resource), lambda path: Where(f"{kind.kind} {name}", path_text(path)))
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if errors:
        raise _invalid(kind, name, errors)
    return tuple(f"{problem.where.path}: {problem.what}; {problem.fix}" for problem in problems)


def _invalid(kind: Kind, name: str, errors: Sequence[Problem]) -> ApiError:
    """Return the 422: kubectl shows the causes, each with its field and its fix; the message is Calico's."""
    causes = [
        Cause(
            "FieldValueInvalid",
            f"Invalid value: {shown(each.value)}: {each.what}; {each.fix}",
            each.where.path,
        )
        for each in errors
    ]
    if kind.group != CALICO:
        return invalid(kind.kind, kind.group, name, causes)
    text = calico_error_text(errors)
    return ApiError("Invalid", text, group=kind.group, kind=kind.kind, name=name, causes=causes)


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
