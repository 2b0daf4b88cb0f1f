"""`Mirror`: the objects of a cluster as they come and go, compiled into a Plan.

What `ocicat.engine.world.World` does once for files, this does all the time for a cluster. The Plan depends
on the objects that exist, never on the order in which they came. An invalid object is treated as absent and
its problems are kept. Source: spec/policy-semantics §2.1, §3.1, §5.1, §6.6, §10.1, §11.6.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

import msgspec

from ocicat.app.load import checked
from ocicat.base.problem import Problem
from ocicat.cluster.reflection import Delta
from ocicat.engine import convert
from ocicat.engine.convert.entities import namespace_profile_name, service_account_profile_name
from ocicat.engine.index import PlanChange, PolicyIndex
from ocicat.engine.plan import Plan
from ocicat.engine.policy import Entity, EntityKey, EntityKind, PolicyKey, Profile
from ocicat.model import calico
from ocicat.model.documents import read
from ocicat.model.kinds import KINDS, Kind
from ocicat.model.kubernetes import APPS, BATCH, EndpointSlice, Namespace, Service, ServiceAccount
from ocicat.model.meta import Ref, Resource

AGENT_KINDS: Final[tuple[Kind, ...]] = tuple(kind for kind in KINDS if kind.group not in (APPS, BATCH))
"""What enforcement needs: all but the workloads, whose pods are there themselves."""

_BUILT_IN, _WRITTEN, _DERIVED = range(3)
"""Who made a profile, the strongest last: nobody can open a namespace by writing a Profile of its name."""


class Mirror:
    """What is known of a cluster. To be used by one thread at a time."""

    def __init__(self) -> None:
        """Know the built-in tiers and profile."""
        self._index = PolicyIndex()
        self._policies: dict[Ref, PolicyKey] = {}
        self._entities: dict[Ref, EntityKey] = {}
        self._profiles: dict[str, dict[int, Profile]] = {}
        self._slices: dict[tuple[str, str], dict[Ref, EndpointSlice]] = {}
        self._slice_owner: dict[Ref, tuple[str, str]] = {}
        self._problems: dict[Ref, tuple[Problem, ...]] = {}
        self.endpoints: dict[EntityKey, Entity] = {}
        """The pods of the cluster that are endpoints."""
        self.services: dict[tuple[str, str], Service] = {}
        """By namespace and name."""
        self.services_changed = False
        """Whether Services or their EndpointSlices changed since somebody set this to False."""
        self._put_profile(convert.DEFAULT_ALLOW, _BUILT_IN)

    def apply(self, deltas: Iterable[Delta]) -> None:
        """Take in what became of objects."""
        for delta in deltas:
            ref = Ref(delta.kind.group, delta.kind.kind, delta.namespace, delta.name)
            problems = delta.problems
            if delta.resource is None:
                self._remove(ref)
            else:
                problems += tuple(self._put(ref, delta.resource))
            self._problems.pop(ref, None)
            if problems:
                self._problems[ref] = problems

    def update(self) -> tuple[Plan, PlanChange]:
        """Return the Plan of what is known now, and what differs from the Plan before."""
        return self._index.update()

    @property
    def problems(self) -> Mapping[Ref, tuple[Problem, ...]]:
        """What is wrong with objects, by object."""
        return self._problems

    def slices(self, service: tuple[str, str]) -> tuple[EndpointSlice, ...]:
        """Return the EndpointSlices of a Service, in order of their names."""
        found = self._slices.get(service, {})
        return tuple(found[ref] for ref in sorted(found))

    # --- one object -----------------------------------------------------------------------------------------

    def _put(self, ref: Ref, resource: Resource) -> list[Problem]:
        match resource:
            case calico.Tier():
                self._index.put_tier(convert.tier_of(resource))
            case calico.Profile():
                profile, problems = convert.profile_of(resource)
                self._set_profile(ref.name, _WRITTEN, profile)
                return problems
            case Namespace():
                self._put_profile(convert.namespace_profile(resource), _DERIVED)
            case ServiceAccount():
                self._put_profile(convert.service_account_profile(resource), _DERIVED)
            case Service():
                self.services[ref.namespace, ref.name] = resource
                self.services_changed = True
            case EndpointSlice():
                self._put_slice(ref, resource)
            case _:
                self._put_entity(ref, convert.entity_of(resource))
                return self._put_policy(ref, resource)
        return []

    def _remove(self, ref: Ref) -> None:
        match ref.group, ref.kind:
            case calico.GROUP, "Tier":
                self._index.remove_tier(ref.name)
            case calico.GROUP, "Profile":
                self._set_profile(ref.name, _WRITTEN, None)
            case "", "Namespace":
                self._set_profile(namespace_profile_name(ref.name), _DERIVED, None)
            case "", "ServiceAccount":
                name = service_account_profile_name(ref.namespace, ref.name)
                self._set_profile(name, _DERIVED, None)
            case "", "Service":
                self.services.pop((ref.namespace, ref.name), None)
                self.services_changed = True
            case _, "EndpointSlice":
                self._remove_slice(ref)
            case _:
                self._put_entity(ref, None)
                self._remove_policy(ref)

    # --- policies and entities ------------------------------------------------------------------------------

    def _put_policy(self, ref: Ref, resource: Resource) -> list[Problem]:
        policy, problems = convert.policy_of(resource)
        if policy is None:
            self._remove_policy(ref)
        else:
            self._policies[ref] = policy.key
            self._index.put_policy(policy)
        return problems

    def _remove_policy(self, ref: Ref) -> None:
        key = self._policies.pop(ref, None)
        if key is not None:
            self._index.remove_policy(key)

    def _put_entity(self, ref: Ref, entity: Entity | None) -> None:
        known = self._entities.pop(ref, None)
        if entity is not None:
            self._entities[ref] = entity.key
            self._index.put_entity(entity)
            if entity.key.kind is EntityKind.WORKLOAD:
                self.endpoints[entity.key] = entity
        elif known is not None:
            self._index.remove_entity(known)
            self.endpoints.pop(known, None)

    # --- profiles -------------------------------------------------------------------------------------------

    def _put_profile(self, profile: Profile, maker: int) -> None:
        self._set_profile(profile.name, maker, profile)

    def _set_profile(self, name: str, maker: int, profile: Profile | None) -> None:
        made = self._profiles.setdefault(name, {})
        made.pop(maker, None)
        if profile is not None:
            made[maker] = profile
        if made:
            self._index.put_profile(made[max(made)])
        else:
            del self._profiles[name]
            self._index.remove_profile(name)

    # --- services -------------------------------------------------------------------------------------------

    def _put_slice(self, ref: Ref, item: EndpointSlice) -> None:
        owner = convert.service_of(item)
        if self._slice_owner.get(ref) != owner:
            self._remove_slice(ref)
        if owner is None:
            return
        self._slice_owner[ref] = owner
        self._slices.setdefault(owner, {})[ref] = item
        self._refresh_service(owner)

    def _remove_slice(self, ref: Ref) -> None:
        owner = self._slice_owner.pop(ref, None)
        if owner is None:
            return
        self._slices[owner].pop(ref, None)
        self._refresh_service(owner)

    def _refresh_service(self, owner: tuple[str, str]) -> None:
        self.services_changed = True
        if self._slices[owner]:
            self._index.put_service(*owner, convert.endpoints_of(self.slices(owner)))
        else:
            del self._slices[owner]
            self._index.remove_service(*owner)


def understood(kind: Kind, raw: bytes) -> tuple[Resource | None, list[Problem]]:
    """Return the valid resource that a JSON object spells, with its defaults, else None; and its problems.

    Kinds that policy only refers to (pods, Services, …) were checked by the API server that sent them, and
    come by the thousands: they are read straight into their struct. Policies are read as files are.
    """
    if not kind.policy:
        try:
            return _decoder(kind).decode(raw), []
        except msgspec.MsgspecError:
            pass  # the slow way forgives nulls, and says what is wrong
    documents, problems = read(raw, "")
    for document in documents:
        resource, found = checked(document)
        return resource, [_without_place(problem) for problem in found]
    return None, [_without_place(problem) for problem in problems]


def _without_place(problem: Problem) -> Problem:
    """Nobody wrote the text that the API sent: a line in it means nothing to a user."""
    return msgspec.structs.replace(problem, where=msgspec.structs.replace(problem.where, line=0, column=0))


@cache
def _decoder(kind: Kind) -> msgspec.json.Decoder[Resource]:
    return msgspec.json.Decoder(kind.struct)
