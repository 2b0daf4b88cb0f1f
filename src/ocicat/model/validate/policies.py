"""Calico policies, enforced and staged.

Source: spec/policy-semantics §3.2 (fields and what they mean to each other), §3.7 (staged policies).
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from ocicat.model.calico import (
    GlobalNetworkPolicySpec,
    NetworkPolicySpec,
    Rule,
    StagedGlobalNetworkPolicySpec,
    StagedNetworkPolicySpec,
)
from ocicat.model.defaults import DELETE, SET, TieredPolicy
from ocicat.model.positions import Path
from ocicat.model.validate import formats
from ocicat.model.validate.finding import Finding, Findings, listed, repeated
from ocicat.model.validate.rules import rules
from ocicat.model.validate.selectors import no_global, selector
from ocicat.model.validate.spelling import as_name, one_of

TYPES: Final = ("Ingress", "Egress")
HINTS: Final = ("AssumeNeededOnEveryNode",)
STAGED_ACTIONS: Final = (SET, DELETE, "Learn", "Ignore")

_SPEC: Final[Path] = ("spec",)


def policy(resource: TieredPolicy) -> Findings:
    """Find what is wrong with the spec of a policy."""
    spec: NetworkPolicySpec = resource.spec
    is_global = isinstance(spec, GlobalNetworkPolicySpec)
    if isinstance(spec, StagedNetworkPolicySpec | StagedGlobalNetworkPolicySpec):
        yield from _staged(spec)
    yield from _tier(spec.tier)
    yield from _types(spec.types, "GlobalNetworkPolicySpec" if is_global else "NetworkPolicySpec")
    yield from _hints(spec.performance_hints)
    yield from _selectors(spec)
    if isinstance(spec, GlobalNetworkPolicySpec):
        yield from _stages(spec)
    yield from rules(spec.ingress, ("spec", "ingress"))
    yield from rules(spec.egress, ("spec", "egress"))
    yield from _directions(spec, is_global=is_global)
    if is_global:
        yield from _service_namespaces(spec)


def _tier(tier: str) -> Findings:
    path = ("spec", "tier")
    if tier and not formats.is_subdomain(tier):
        guess = as_name(tier, dots=0)
        yield Finding(
            "NP0203", path, "no tier can have this name", f"write {guess}" if guess else "", "Tier", tier
        )
    elif formats.size(tier) > formats.LABEL_BYTES:
        # The tier is a label of the policy too, and that is where the API server notices.
        for what in formats.label_value(tier):
            yield Finding("NP0005", path, what, "write the name of a tier", "Metadata.Labels (value)", tier)


def _types(types: Sequence[str], owner: str) -> Findings:
    path = ("spec", "types")
    seen: set[str] = set()
    for index, written in enumerate(types):
        yield from one_of("NP0201", (*path, index), written, TYPES)
        if written in seen:
            what = f"'{written}' type specified more than once"
            fix = f"remove this {written}"
            yield Finding("NP0202", (*path, index), what, fix, f"{owner}.Types", listed(types))
        seen.add(written)


def _hints(hints: Sequence[str]) -> Findings:
    path = ("spec", "performanceHints")
    for index, hint in enumerate(hints):
        yield from one_of("NP0205", (*path, index), hint, HINTS)
    yield from repeated("NP0206", path, hints)


def _selectors(spec: NetworkPolicySpec) -> Findings:
    written = [
        ("selector", "Selector", spec.selector),
        ("serviceAccountSelector", "ServiceAccountSelector", spec.service_account_selector),
    ]
    if isinstance(spec, GlobalNetworkPolicySpec):
        written.append(("namespaceSelector", "NamespaceSelector", spec.namespace_selector))
    for name, field, text in written:
        yield from selector(text, ("spec", name), field)
        yield from no_global(text, ("spec", name), "spec")


def _stages(spec: GlobalNetworkPolicySpec) -> Findings:
    """What preDNAT and doNotTrack allow; CEL rules, so their field is the spec as a whole."""
    if spec.do_not_track and spec.pre_dnat:
        what = "preDNAT and doNotTrack cannot both be true"
        yield Finding("NP0207", ("spec", "preDNAT"), what, "", "spec")
    if spec.pre_dnat and spec.egress:
        what = "preDNAT policy cannot have any egress rules"
        yield Finding("NP0208", ("spec", "egress"), what, "", "spec")
    if spec.pre_dnat and "Egress" in spec.types:
        what = "preDNAT policy cannot have 'Egress' type"
        yield Finding("NP0209", ("spec", "types"), what, "", "spec", listed(spec.types))
    if not spec.apply_on_forward and (spec.do_not_track or spec.pre_dnat):
        what = "applyOnForward must be true if either preDNAT or doNotTrack is true"
        name = "preDNAT" if spec.pre_dnat else "doNotTrack"
        yield Finding("NP0210", ("spec", name), what, "", "spec")


def _directions(spec: NetworkPolicySpec, *, is_global: bool) -> Findings:
    """What a rule may say depends on which of its ends is the policy's own endpoint."""
    for index, rule in enumerate(spec.egress):
        path = ("spec", "egress", index)
        if rule.source.services is not None:
            what = "not allowed in egress rule source"
            yield Finding("NP0211", (*path, "source", "services"), what, "", "Services")
        if rule.http is not None:
            what = "not allowed in egress rules" if is_global else "not allowed in egress rule"
            yield Finding("NP0213", (*path, "http"), what, "", "HTTP")
    for index, rule in enumerate(spec.ingress):
        if rule.destination.services is not None:
            place = ("spec", "ingress", index, "destination", "services")
            yield Finding("NP0212", place, "not allowed in ingress rule destination", "", "Services")


def _service_namespaces(spec: NetworkPolicySpec) -> Findings:
    for direction, written in (("ingress", spec.ingress), ("egress", spec.egress)):
        for index, rule in enumerate(written):
            yield from _service_namespace(rule, ("spec", direction, index))


def _service_namespace(rule: Rule, path: Path) -> Findings:
    for side, entity in (("source", rule.source), ("destination", rule.destination)):
        if entity.services is not None and not entity.services.namespace:
            fix = f"add namespace: the one that the Service {entity.services.name} is in"
            yield Finding("NP0214", (*path, side, "services"), "must specify a namespace", fix, "Namespace")


def _staged(spec: StagedNetworkPolicySpec | StagedGlobalNetworkPolicySpec) -> Findings:
    if spec.staged_action:
        yield from one_of("NP0301", ("spec", "stagedAction"), spec.staged_action, STAGED_ACTIONS)
    empty = type(spec)(tier=spec.tier, staged_action=spec.staged_action)
    if spec.staged_action == DELETE and spec != empty:
        what = "Spec fields, except Tier, should all be zero-value if stagedAction is Delete"
        written = [
            name for name in msgspec.structs.asdict(spec) if getattr(spec, name) != getattr(empty, name)
        ]
        yield Finding("NP0302", _SPEC, what, _removal(type(spec), written), type(spec).__name__)


def _removal(spec: type[NetworkPolicySpec], attributes: Sequence[str]) -> str:
    names = {field.name: field.encode_name for field in msgspec.structs.fields(spec)}
    return f"remove {', '.join(names[name] for name in attributes)}, or write stagedAction: {SET}"
