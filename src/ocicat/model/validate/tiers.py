"""Tiers, and that the built-in ones stay as they are. Source: spec/policy-semantics §2.1."""

from typing import Final

import msgspec

from ocicat.model.calico import Tier
from ocicat.model.defaults import DEFAULT_TIER_ORDER
from ocicat.model.validate.finding import Finding, Findings
from ocicat.model.validate.spelling import one_of

FIELD: Final = "Tier"
"""How errors of the tier as a whole are named; the rules on built-in tiers are such, and so tell no value."""


class BuiltIn(msgspec.Struct, frozen=True):
    """What is fixed of a tier that always exists."""

    default_action: str
    order: int


BUILT_IN: Final = {
    "adminnetworkpolicy": BuiltIn("Pass", 1_000),
    "kube-admin": BuiltIn("Pass", 1_000),
    "default": BuiltIn("Deny", 1_000_000),
    "baselineadminnetworkpolicy": BuiltIn("Pass", 10_000_000),
    "kube-baseline": BuiltIn("Pass", 10_000_000),
}
"""HEAD's three and v3.30's two, by name, in the order in which they apply."""


def tier(resource: Tier) -> Findings:
    """Find what is wrong with the spec of a tier. A null order counts as 1000000, which is how it is read."""
    name, spec = resource.metadata.name, resource.spec
    yield from one_of("NP0403", ("spec", "defaultAction"), spec.default_action, ("Pass", "Deny"))
    fixed = BUILT_IN.get(name)
    if fixed is None:
        return
    if spec.default_action != fixed.default_action:
        what = f"The '{name}' tier must have default action '{fixed.default_action}'"
        fix = f"write {fixed.default_action}, or choose another name for a tier of your own"
        yield Finding("NP0401", ("spec", "defaultAction"), what, fix, FIELD)
    order = DEFAULT_TIER_ORDER if spec.order is None else spec.order
    if order != fixed.order:
        what = f"{name} tier order must be {fixed.order}"
        fix = f"write {fixed.order}, or choose another name for a tier of your own"
        yield Finding("NP0402", ("spec", "order"), what, fix, FIELD)
