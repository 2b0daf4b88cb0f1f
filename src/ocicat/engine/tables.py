"""The working tables of a `PolicyIndex`: numbers, addresses, attachments, classes.

`Numbering` gives out small integers and takes them back, so that bits stay dense while pods come and go.
"""

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

from ocicat.engine.convert import BUILT_IN_TIERS, missing_tier
from ocicat.engine.plan import EndpointPlan, PolicyClass, PolicyList, ServiceEndpoints
from ocicat.engine.policy import Direction, Entity, EntityKey, EntityKind, Policy, PolicyKey, Profile, Tier
from ocicat.model.net import Address

Name = TypeVar("Name", bound=Hashable)

ClassIds = Mapping[tuple[PolicyList, Direction], str]
GroupKey = tuple[EntityKind, int, tuple[str, ...]]
"""What decides an endpoint's classes: its kind, the bits of the attached policies, its profiles."""


class Numbering(Generic[Name]):
    """Names ↔ small integers; a freed number is given out again."""

    def __init__(self) -> None:
        """Begin at 0."""
        self.of: dict[Name, int] = {}
        self.name: dict[int, Name] = {}
        self._free: list[int] = []

    def take(self, name: Name) -> int:
        """Return the number of a name, a new one for a new name."""
        number = self.of.get(name)
        if number is None:
            number = self._free.pop() if self._free else len(self.of)
            self.of[name] = number
            self.name[number] = name
        return number

    def give_back(self, name: Name) -> None:
        """Forget a name. Raises KeyError when it has no number."""
        number = self.of.pop(name)
        del self.name[number]
        self._free.append(number)


class AddressTable:
    """Addresses → numbers of endpoints and nodes, CIDRs → numbers of network sets."""

    def __init__(self) -> None:
        """Make an empty table."""
        self.owners: dict[Address, tuple[int, ...]] = {}
        self._cidrs: dict[tuple[int, int], dict[int, tuple[int, ...]]] = {}

    def add(self, number: int, entity: Entity) -> None:
        """Enter the addresses and CIDRs of an entity."""
        for address in set(entity.addresses):
            self.owners[address] = tuple(sorted((*self.owners.get(address, ()), number)))
        for net in set(entity.nets):
            prefixes = self._cidrs.setdefault((net.family, net.length), {})
            prefixes[net.bits] = tuple(sorted((*prefixes.get(net.bits, ()), number)))

    def remove(self, number: int, entity: Entity) -> None:
        """Take out the addresses and CIDRs of an entity."""
        for address in set(entity.addresses):
            _without(self.owners, address, number)
        for net in set(entity.nets):
            prefixes = self._cidrs[net.family, net.length]
            _without(prefixes, net.bits, number)
            if not prefixes:
                del self._cidrs[net.family, net.length]

    def cidrs(self) -> dict[tuple[int, int], dict[int, tuple[int, ...]]]:
        """Return a copy of the CIDRs, by family and length."""
        return {key: dict(prefixes) for key, prefixes in self._cidrs.items()}


def _without(table: "dict[Name, tuple[int, ...]]", key: Name, number: int) -> None:
    rest = tuple(item for item in table[key] if item != number)
    if rest:
        table[key] = rest
    else:
        del table[key]


class Tables:
    """Everything that a PolicyIndex knows, apart from labels and selectors."""

    def __init__(self) -> None:
        """Begin with the built-in tiers."""
        self.tiers: dict[str, Tier] = {tier.name: tier for tier in BUILT_IN_TIERS}
        self.policies: dict[PolicyKey, Policy] = {}
        self.policy_numbers: Numbering[PolicyKey] = Numbering()
        self.names: dict[PolicyKey, str] = {}
        self.attachments: dict[str, set[int]] = {}
        """Canonical selector → numbers of the policies that apply where it matches."""
        self.profiles: dict[str, Profile] = {}
        self.profile_members: dict[str, set[int]] = {}
        self.entities: dict[int, Entity] = {}
        self.numbers: Numbering[EntityKey] = Numbering()
        self.addresses = AddressTable()
        self.hosts: dict[str, set[EntityKey]] = {}
        self.attached: dict[int, int] = {}
        """Endpoint → bits of the policies attached to it."""
        self.endpoint_bits = 0
        self.endpoints: dict[EntityKey, EndpointPlan] = {}
        self.classes: dict[str, PolicyClass] = {}
        self.class_uses: dict[str, int] = {}
        self.groups: dict[GroupKey, ClassIds] = {}
        """Class ids by what decides them, so that equal endpoints are classified once."""
        self.services: dict[tuple[str, str], ServiceEndpoints] = {}

    def enlist(self, number: int, entity: Entity) -> None:
        """Enter an entity in the tables of addresses, profiles and nodes."""
        self.entities[number] = entity
        self.addresses.add(number, entity)
        for name in entity.profiles:
            self.profile_members.setdefault(name, set()).add(number)
        if entity.key.kind is EntityKind.HOST:
            self.hosts.setdefault(entity.node, set()).add(entity.key)

    def unlist(self, number: int, entity: Entity) -> None:
        """Take an entity out of the tables that `enlist` entered it in."""
        del self.entities[number]
        self.addresses.remove(number, entity)
        for name in set(entity.profiles):
            self.profile_members[name].discard(number)
            if not self.profile_members[name]:
                del self.profile_members[name]
        if entity.key.kind is EntityKind.HOST:
            self.hosts[entity.node].discard(entity.key)
            if not self.hosts[entity.node]:
                del self.hosts[entity.node]

    def effective_labels(self, entity: Entity) -> dict[str, str]:
        """Return own labels and those that profiles hand down; own first, then by profile order (§5.1)."""
        labels: dict[str, str] = {}
        for name in reversed(entity.profiles):
            if (profile := self.profiles.get(name)) is not None:
                labels.update(profile.labels)
        labels.update(entity.labels)
        return labels

    def tier(self, name: str) -> Tier:
        """Return the tier, or the stand-in for one that is missing (§2.1)."""
        return self.tiers.get(name) or missing_tier(name)

    def ordered_tiers(self) -> tuple[Tier, ...]:
        """Return all tiers in order, with stand-ins for the missing ones that policies name."""
        named = {policy.tier for policy in self.policies.values()}
        return tuple(sorted(map(self.tier, named | self.tiers.keys()), key=lambda tier: tier.rank))

    def shown_name(self, policy: Policy) -> str:
        """Return the name without its tier, unless another policy beside it is called just that."""
        short = policy.shown_name
        if short == policy.key.name:
            return short
        other = self.policies.get(PolicyKey(policy.key.kind, policy.key.namespace, short))
        return policy.key.name if other is not None and other.tier == policy.tier else short
