"""The walk through tiers and profiles: from "which rule matches first" to a verdict with its trace.

This is the one place that knows what Pass, a tier's default action, staged policies and profiles do. Who
walks says how the first matching rule of a tier is found: the evaluator tries rule by rule, compiled forms
look it up.
Source: spec/policy-semantics §7.3, §7.4, §8 (the ends of host stages), §12.
"""

from typing import Protocol

import msgspec

from ocicat.engine.plan import Plan, PolicyClass, PolicyList, TierSlice
from ocicat.engine.policy import PolicyKey
from ocicat.model.flow import NO_MATCH, PROFILE_TIER, Action, Hit, HitKind, Trace, Trigger


class Found(msgspec.Struct, frozen=True, gc=False):
    """The first rule that matches, Log rules apart."""

    owner: int
    """Position of its policy in the slice (of its profile in the class)."""
    rule: int
    """Position in the owner's rules of the direction, Log rules counted."""
    action: Action


class Finder(Protocol):
    """How a reader of the Plan finds the first rule of one packet. Log rules never count as found."""

    def in_tier(self, position: int, *, staged: bool) -> Found | None:
        """Return the first match among the policies of the class's tier slice, staged ones only if asked."""

    def in_profile(self, position: int) -> Found | None:
        """Return the first match among the rules of the class's profile."""


class Walked(msgspec.Struct, frozen=True):
    """Where a walk ended. `action` is None where a host stage neither allows nor denies (§8)."""

    action: Action | None
    trace: Trace


def enforced(plan: Plan, policies: PolicyClass, finder: Finder) -> Walked:
    """Return the verdict that is enforced, with its trace (§7.3, §12.2)."""
    return _walk(plan, policies, finder, staged=False)


def pending(plan: Plan, policies: PolicyClass, finder: Finder) -> Walked:
    """Return the verdict as if staged policies were enforced, with its trace (§7.4, §12.3)."""
    return _walk(plan, policies, finder, staged=True)


def _walk(plan: Plan, policies: PolicyClass, finder: Finder, *, staged: bool) -> Walked:
    hits: list[Hit] = []
    for position, tier in enumerate(policies.tiers):
        considered = tier.policies if staged else _enforced_of(tier)
        if not considered:
            continue  # the default action is skipped with the tier
        found = finder.in_tier(position, staged=staged)
        if found is None:
            trigger = considered[0] if staged else considered[-1]
            hit = _end_of_tier(plan, policies, tier, trigger, len(hits))
        else:
            hit = _policy_hit(plan, tier, found, len(hits))
        hits.append(hit)
        if hit.action is not Action.PASS:
            return Walked(hit.action, tuple(hits))
    match policies.list:
        case PolicyList.UNTRACKED | PolicyList.PRE_DNAT | PolicyList.FORWARD:
            return Walked(None, tuple(hits))
        case PolicyList.NORMAL:
            return _ask_profiles(policies, finder, hits, staged=staged)


def _enforced_of(tier: TierSlice) -> tuple[PolicyKey, ...]:
    return tuple(key for key in tier.policies if not key.kind.staged)


def _policy_hit(plan: Plan, tier: TierSlice, found: Found, index: int) -> Hit:
    key = tier.policies[found.owner]
    return Hit(key.kind, key.namespace, plan.names[key], tier.tier, found.action, index, found.rule)


def _end_of_tier(plan: Plan, policies: PolicyClass, tier: TierSlice, key: PolicyKey, index: int) -> Hit:
    trigger = Trigger(key.kind, key.namespace, plan.names[key], tier.tier)
    # A host endpoint's early stages go on where a tier ends without a match, whatever its default (§8).
    early = policies.list in (PolicyList.UNTRACKED, PolicyList.PRE_DNAT)
    action = Action.PASS if early else tier.default_action
    return Hit(HitKind.END_OF_TIER, "", "", tier.tier, action, index, -1, trigger)


def _ask_profiles(policies: PolicyClass, finder: Finder, hits: list[Hit], *, staged: bool) -> Walked:
    for position, name in enumerate(policies.profiles):
        found = finder.in_profile(position)
        if found is None or found.action is Action.PASS:
            continue  # Pass leaves this profile for the next one (§16.5)
        hits.append(Hit(HitKind.PROFILE, "", name, "", found.action, len(hits), found.rule))
        return Walked(found.action, tuple(hits))
    if not staged:
        hits.append(Hit(HitKind.PROFILE, "", NO_MATCH, "", Action.DENY, len(hits), 0))
    elif not policies.profiles:
        hits.append(Hit(HitKind.PROFILE, "", PROFILE_TIER, "", Action.DENY, len(hits), -1))
    return Walked(Action.DENY, tuple(hits))
