"""What can be wrong only between objects: one written twice, a policy in a tier that nobody made.

Source: spec/policy-semantics §2.1 (missing tiers).
"""

from collections.abc import Collection, Iterable, Sequence

from ocicat.base.problem import Problem, Where
from ocicat.model.calico import (
    GlobalNetworkPolicy,
    NetworkPolicy,
    StagedGlobalNetworkPolicy,
    StagedNetworkPolicy,
    Tier,
)
from ocicat.model.meta import Ref, Resource
from ocicat.model.validate.finding import Finding, Locate
from ocicat.model.validate.spelling import meant
from ocicat.model.validate.tiers import BUILT_IN


def validate_together(resources: Iterable[tuple[Resource, Locate]]) -> list[Problem]:
    """Return what is wrong between objects, each given with what tells its places.

    Of objects with one identity all but the first are errors. A tier that no object makes is a warning: a
    cluster may have it.
    """
    given = list(resources)
    return [*_twice(given), *_tierless(given)]


def _twice(given: Sequence[tuple[Resource, Locate]]) -> Iterable[Problem]:
    first: dict[Ref, Locate] = {}
    for resource, where in given:
        earlier = first.get(resource.ref)
        if earlier is None:
            first[resource.ref] = where
        else:
            what = f"{resource.ref} is written twice; the first is at {_position(earlier(()))}"
            yield Finding("NP0010", (), what).problem(where)


def _position(where: Where) -> str:
    return where.position() or where.subject


def _tierless(given: Sequence[tuple[Resource, Locate]]) -> Iterable[Problem]:
    known = {resource.metadata.name for resource, _ in given if isinstance(resource, Tier)} | BUILT_IN.keys()
    for resource, where in given:
        match resource:
            case (
                NetworkPolicy() | GlobalNetworkPolicy() | StagedNetworkPolicy() | StagedGlobalNetworkPolicy()
            ):
                tier = resource.spec.tier
                if tier and tier not in known:
                    what = f"resource does not exist: Tier({tier})"
                    yield Finding("NP0215", ("spec", "tier"), what, _tier_fix(tier, known)).problem(where)
            case _:
                pass


def _tier_fix(tier: str, known: Collection[str]) -> str:
    guess = meant(tier, sorted(known))
    return f"write {guess}, or add a Tier {tier}" if guess else f"add a Tier {tier}, or correct spec.tier"
