"""From the policies attached to an endpoint to its classes: which tiers, which policies, in which order.

Source: spec/policy-semantics §7.1 (lists a policy belongs to), §7.2 (order), §8 (lists of host endpoints).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ocicat.engine.plan import PolicyClass, PolicyList, TierSlice
from ocicat.engine.policy import Direction, EntityKind, Policy, Profile, Stage, Tier

LISTS: Final[Mapping[EntityKind, tuple[tuple[PolicyList, Direction], ...]]] = {
    EntityKind.WORKLOAD: (
        (PolicyList.NORMAL, Direction.INGRESS),
        (PolicyList.NORMAL, Direction.EGRESS),
    ),
    EntityKind.HOST: (
        (PolicyList.UNTRACKED, Direction.INGRESS),
        (PolicyList.UNTRACKED, Direction.EGRESS),
        (PolicyList.PRE_DNAT, Direction.INGRESS),
        (PolicyList.NORMAL, Direction.INGRESS),
        (PolicyList.NORMAL, Direction.EGRESS),
        (PolicyList.FORWARD, Direction.INGRESS),
        (PolicyList.FORWARD, Direction.EGRESS),
    ),
}
"""The lists that each kind of endpoint has, with their directions."""


def belongs(policy: Policy, policies: PolicyList) -> bool:
    """Tell whether a policy is on a list (§7.1)."""
    match policies:
        case PolicyList.NORMAL:
            return policy.stage is Stage.NORMAL
        case PolicyList.FORWARD:
            return policy.stage is Stage.NORMAL and policy.apply_on_forward
        case PolicyList.UNTRACKED:
            return policy.stage is Stage.UNTRACKED
        case PolicyList.PRE_DNAT:
            return policy.stage is Stage.PRE_DNAT


def class_for(
    attached: Iterable[Policy],
    tiers: Mapping[str, Tier],
    profiles: Sequence[Profile],
    direction: Direction,
    policies: PolicyList,
) -> PolicyClass:
    """Return the class of an endpoint for one direction of one list.

    Args:
        attached: The policies whose selector matches the endpoint, in any order.
        tiers: Every tier that they name, stand-ins for missing ones included.
        profiles: The endpoint's profiles, in order.
        direction: The direction.
        policies: The list.
    """
    by_tier: dict[str, list[Policy]] = {}
    for policy in attached:
        if policy.rules(direction) is not None and belongs(policy, policies):
            by_tier.setdefault(policy.tier, []).append(policy)
    slices = tuple(
        TierSlice(
            tier.name,
            tier.default_action,
            tuple(policy.key for policy in sorted(by_tier[tier.name], key=lambda policy: policy.rank)),
        )
        for tier in sorted((tiers[name] for name in by_tier), key=lambda tier: tier.rank)
    )
    asked = profiles if policies is PolicyList.NORMAL else ()
    return PolicyClass(direction, policies, slices, _that_can_decide(asked, direction))


def _that_can_decide(profiles: Sequence[Profile], direction: Direction) -> tuple[str, ...]:
    """Return the names of the profiles with rules, or of all where none has some.

    Profiles that only carry labels (one for each service account) would split classes for nothing. That an
    endpoint has profiles at all still shows in the pending trace of what none of them matched (§12.3).
    """
    names = tuple(profile.name for profile in profiles if profile.rules(direction))
    return names or tuple(profile.name for profile in profiles)
