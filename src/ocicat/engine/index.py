"""`PolicyIndex`: what is known of policies and endpoints, kept as a Plan while things come and go.

Every `put_…` and `remove_…` costs what it changes, not what there is. Any order of them ends in the same Plan
as a fresh index fed with the final state. Source: spec/policy-semantics §5, §7.
"""

from collections.abc import Iterator

import msgspec

from ocicat.engine.classes import LISTS, class_for
from ocicat.engine.convert import BUILT_IN_TIERS
from ocicat.engine.labels import SelectorIndex
from ocicat.engine.plan import EndpointPlan, Plan, ServiceEndpoints, node_set, numbers_of
from ocicat.engine.policy import (
    Direction,
    Entity,
    EntityKey,
    EntityKind,
    Policy,
    PolicyKey,
    Profile,
    Rule,
    Tier,
)
from ocicat.engine.tables import ClassIds, GroupKey, Tables
from ocicat.model.selector import Selector


class PlanChange(msgspec.Struct, frozen=True):
    """What differs between two Plans of one index, by name."""

    tiers: bool = False
    policies: frozenset[PolicyKey] = frozenset()
    """Added, removed, edited, or shown under another name."""
    profiles: frozenset[str] = frozenset()
    entities: frozenset[EntityKey] = frozenset()
    nets: bool = False
    """Whether CIDRs of network sets came or went."""
    sets: frozenset[str] = frozenset()
    """Ids of sets that came, went, or have other members than before."""
    classes: frozenset[str] = frozenset()
    """Ids of classes that came or went."""
    endpoints: frozenset[EntityKey] = frozenset()
    """Endpoints that came, went, or changed class."""
    services: frozenset[tuple[str, str]] = frozenset()


class _Touched:
    """A PlanChange in the making, and the endpoints whose classes are not known yet."""

    def __init__(self) -> None:
        self.tiers = False
        self.policies: set[PolicyKey] = set()
        self.profiles: set[str] = set()
        self.entities: set[EntityKey] = set()
        self.nets = False
        self.sets: set[str] = set()
        self.classes: set[str] = set()
        self.endpoints: set[EntityKey] = set()
        self.services: set[tuple[str, str]] = set()
        self.unclassified: set[int] = set()

    def change(self) -> PlanChange:
        return PlanChange(
            tiers=self.tiers,
            policies=frozenset(self.policies),
            profiles=frozenset(self.profiles),
            entities=frozenset(self.entities),
            nets=self.nets,
            sets=frozenset(self.sets),
            classes=frozenset(self.classes),
            endpoints=frozenset(self.endpoints),
            services=frozenset(self.services),
        )


class PolicyIndex:
    """Tiers, policies, profiles, entities and services, compiled as they change."""

    def __init__(self) -> None:
        """Make an index that holds the built-in tiers and nothing else."""
        self._tables = Tables()
        self._touched = _Touched()
        self._selected = SelectorIndex(self._membership_changed)
        self._nodes = SelectorIndex(lambda name, _number, _joined: self._touched.sets.add(f"nodes: {name}"))
        self._plan: Plan | None = None

    # --- tiers, profiles, services --------------------------------------------------------------------------

    def put_tier(self, tier: Tier) -> None:
        """Add or replace a tier."""
        if self._tables.tiers.get(tier.name) != tier:
            self._tables.tiers[tier.name] = tier
            self._reclassify_everything()

    def remove_tier(self, name: str) -> None:
        """Forget a tier. A built-in one is supplied again (§2.1)."""
        built_in = next((tier for tier in BUILT_IN_TIERS if tier.name == name), None)
        if built_in is not None:
            self.put_tier(built_in)
        elif self._tables.tiers.pop(name, None) is not None:
            self._reclassify_everything()

    def _reclassify_everything(self) -> None:
        self._touched.tiers = True
        self._tables.groups.clear()
        self._touched.unclassified.update(self._tables.attached)

    def put_profile(self, profile: Profile) -> None:
        """Add or replace a profile; its labels are inherited by the entities that list it."""
        self._change_profile(profile.name, profile)

    def remove_profile(self, name: str) -> None:
        """Forget a profile. Entities that list it inherit nothing from it and are not asked its rules."""
        self._change_profile(name, None)

    def _change_profile(self, name: str, profile: Profile | None) -> None:
        tables = self._tables
        old = tables.profiles.pop(name, None)
        if profile is not None:
            tables.profiles[name] = profile
        if old == profile:
            return
        self._touched.profiles.add(name)
        absent = Profile(name)
        before, after = old or absent, profile or absent
        self._hold(after.ingress + after.egress)
        self._release(before.ingress + before.egress)
        members = tables.profile_members.get(name, set())
        if any(bool(before.rules(direction)) != bool(after.rules(direction)) for direction in Direction):
            tables.groups.clear()
            self._touched.unclassified.update(members & tables.attached.keys())
        if before.labels != after.labels:
            for number in members:
                self._selected.put(number, tables.effective_labels(tables.entities[number]))

    def put_service(self, namespace: str, name: str, endpoints: ServiceEndpoints) -> None:
        """Set the endpoints of a Service, for rules that name it."""
        if self._tables.services.get((namespace, name)) != endpoints:
            self._tables.services[namespace, name] = endpoints
            self._touched.services.add((namespace, name))

    def remove_service(self, namespace: str, name: str) -> None:
        """Forget a Service."""
        if self._tables.services.pop((namespace, name), None) is not None:
            self._touched.services.add((namespace, name))

    # --- policies -------------------------------------------------------------------------------------------

    def put_policy(self, policy: Policy) -> None:
        """Add or replace a policy."""
        tables = self._tables
        old = tables.policies.get(policy.key)
        if old == policy:
            return
        self._hold(_rules_of(policy), policy.selector)
        if old is None or _attaches_differently(old, policy):
            if old is not None:
                self._detach(old)
            tables.policies[policy.key] = policy
            self._attach(policy)
        tables.policies[policy.key] = policy
        if old is not None:
            self._release(_rules_of(old), old.selector)
            self._rename_beside(old)
        self._rename_beside(policy)
        self._touched.policies.add(policy.key)

    def remove_policy(self, key: PolicyKey) -> None:
        """Forget a policy."""
        tables = self._tables
        old = tables.policies.get(key)
        if old is None:
            return
        self._detach(old)
        self._release(_rules_of(old), old.selector)
        del tables.policies[key], tables.names[key]
        tables.policy_numbers.give_back(key)
        self._rename_beside(old)
        self._touched.policies.add(key)

    def _attach(self, policy: Policy) -> None:
        number = self._tables.policy_numbers.take(policy.key)
        self._tables.attachments.setdefault(policy.selector.canonical, set()).add(number)
        self._flip(number, self._selected.members[policy.selector.canonical])

    def _detach(self, policy: Policy) -> None:
        tables = self._tables
        number = tables.policy_numbers.of[policy.key]
        canonical = policy.selector.canonical
        self._flip(number, self._selected.members[canonical])
        users = tables.attachments[canonical]
        users.discard(number)
        if not users:
            del tables.attachments[canonical]
        tables.groups = {key: ids for key, ids in tables.groups.items() if not key[1] >> number & 1}

    def _flip(self, policy_number: int, members: int) -> None:
        """Attach the policy to the endpoints among `members`, or detach it."""
        attached = self._tables.attached
        for number in numbers_of(members & self._tables.endpoint_bits):
            attached[number] ^= 1 << policy_number
            self._touched.unclassified.add(number)

    def _rename_beside(self, policy: Policy) -> None:
        """Set how the policy is shown, and one that would read like it (§1 "Our choice")."""
        tables = self._tables
        key = policy.key
        longer = PolicyKey(key.kind, key.namespace, f"{policy.tier}.{key.name}")
        for candidate in (key, longer):
            found = tables.policies.get(candidate)
            if found is not None and tables.names.get(candidate) != (name := tables.shown_name(found)):
                tables.names[candidate] = name
                self._touched.policies.add(candidate)

    def _hold(self, rules: tuple[Rule, ...], *selectors: Selector) -> None:
        for index, selector in self._selectors(rules, selectors):
            index.hold(selector)

    def _release(self, rules: tuple[Rule, ...], *selectors: Selector) -> None:
        for index, selector in self._selectors(rules, selectors):
            index.release(selector)

    def _selectors(
        self, rules: tuple[Rule, ...], selectors: tuple[Selector, ...]
    ) -> Iterator[tuple[SelectorIndex, Selector]]:
        """Yield every selector with the index it belongs to, and note its set as touched."""
        for rule in rules:
            for side in (rule.source, rule.destination):
                selectors += tuple(item for item in (side.selector, side.not_selector) if item is not None)
                if side.nodes is not None:
                    self._touched.sets.add(node_set(side.nodes))
                    yield self._nodes, side.nodes
        for selector in selectors:
            self._touched.sets.add(selector.canonical)
            yield self._selected, selector

    # --- entities -------------------------------------------------------------------------------------------

    def put_entity(self, entity: Entity) -> None:
        """Add or replace an endpoint, network set or node."""
        tables = self._tables
        number = tables.numbers.take(entity.key)
        old = tables.entities.get(number)
        if old == entity:
            return
        if old is not None:
            tables.unlist(number, old)
        tables.enlist(number, entity)
        self._touched.entities.add(entity.key)
        self._touched.nets |= (old.nets if old else ()) != entity.nets
        if entity.key.kind is EntityKind.NODE:
            self._nodes.put(number, entity.labels)
            return
        if entity.key.kind in LISTS:
            tables.attached.setdefault(number, 0)
            tables.endpoint_bits |= 1 << number
            self._touched.unclassified.add(number)
        self._selected.put(number, tables.effective_labels(entity))

    def remove_entity(self, key: EntityKey) -> None:
        """Forget an endpoint, network set or node."""
        tables = self._tables
        number = tables.numbers.of.get(key)
        if number is None:
            return
        (self._nodes if key.kind is EntityKind.NODE else self._selected).remove(number)
        self._touched.entities.add(key)
        self._touched.nets |= bool(tables.entities[number].nets)
        tables.unlist(number, tables.entities[number])
        tables.numbers.give_back(key)
        if tables.attached.pop(number, None) is not None:
            tables.endpoint_bits ^= 1 << number
            self._touched.unclassified.discard(number)
            self._drop_classes(key)

    def _membership_changed(self, canonical: str, number: int, _joined: bool) -> None:
        self._touched.sets.add(canonical)
        tables = self._tables
        if number in tables.attached:
            for policy_number in tables.attachments.get(canonical, ()):
                tables.attached[number] ^= 1 << policy_number
                self._touched.unclassified.add(number)

    # --- classes --------------------------------------------------------------------------------------------

    def _classify(self) -> None:
        """Give each endpoint that changed its classes."""
        tables = self._tables
        for number in self._touched.unclassified:
            entity = tables.entities[number]
            group: GroupKey = (entity.key.kind, tables.attached[number], entity.profiles)
            ids = tables.groups.get(group)
            if ids is None:
                ids = tables.groups[group] = self._class_ids(group)
            old = tables.endpoints.get(entity.key)
            if old is None or old.classes != ids:
                for class_id in ids.values():
                    tables.class_uses[class_id] = tables.class_uses.get(class_id, 0) + 1
                self._drop_classes(entity.key)
                tables.endpoints[entity.key] = EndpointPlan(entity.key, ids)
                self._touched.endpoints.add(entity.key)
        self._touched.unclassified.clear()

    def _class_ids(self, group: GroupKey) -> ClassIds:
        tables = self._tables
        kind, bits, names = group
        attached = [tables.policies[tables.policy_numbers.name[number]] for number in numbers_of(bits)]
        tiers = {policy.tier: tables.tier(policy.tier) for policy in attached}
        profiles = [tables.profiles.get(name) or Profile(name) for name in names]
        ids = {}
        for policies, direction in LISTS[kind]:
            found = class_for(attached, tiers, profiles, direction, policies)
            class_id = ids[policies, direction] = found.id
            if class_id not in tables.classes:
                tables.classes[class_id] = found
                self._touched.classes.add(class_id)
        return ids

    def _drop_classes(self, key: EntityKey) -> None:
        """Take an endpoint out of its classes, and note those that nobody is in any more."""
        tables = self._tables
        old = tables.endpoints.pop(key, None)
        if old is None:
            return
        self._touched.endpoints.add(key)
        for class_id in old.classes.values():
            tables.class_uses[class_id] -= 1
            if not tables.class_uses[class_id]:
                del tables.class_uses[class_id]
                self._touched.classes.add(class_id)

    def _forget_unused_classes(self) -> None:
        tables = self._tables
        used = tables.class_uses
        tables.classes = {name: found for name, found in tables.classes.items() if name in used}
        tables.groups = {
            group: ids for group, ids in tables.groups.items() if all(name in used for name in ids.values())
        }

    # --- the Plan -------------------------------------------------------------------------------------------

    def plan(self) -> Plan:
        """Return the Plan of what is known now."""
        return self.update()[0]

    def update(self) -> tuple[Plan, PlanChange]:
        """Return the Plan of what is known now, and what differs from the Plan that was returned before.

        Tables that were not touched are shared with that Plan; the others are copied (about 5 ns an entry).
        """
        self._classify()
        touched, self._touched = self._touched, _Touched()
        change = touched.change()
        if touched.classes:
            self._forget_unused_classes()
        if self._plan is None or change != PlanChange():
            self._plan = self._published(touched)
        return self._plan, change

    def _published(self, touched: _Touched) -> Plan:
        tables, old = self._tables, self._plan
        everything = old is None
        old = old or _NOTHING
        return Plan(
            tiers=tables.ordered_tiers() if everything or touched.tiers or touched.policies else old.tiers,
            policies=dict(tables.policies) if touched.policies else old.policies,
            names=dict(tables.names) if touched.policies else old.names,
            profiles=dict(tables.profiles) if touched.profiles else old.profiles,
            entities=dict(tables.entities) if touched.entities else old.entities,
            numbers=dict(tables.numbers.of) if touched.entities else old.numbers,
            owners=dict(tables.addresses.owners) if touched.entities else old.owners,
            cidrs=tables.addresses.cidrs() if touched.nets else old.cidrs,
            sets=self._published_sets(touched, old),
            classes=dict(tables.classes) if touched.classes else old.classes,
            endpoints=dict(tables.endpoints) if touched.endpoints else old.endpoints,
            hosts=(
                {node: tuple(sorted(keys)) for node, keys in tables.hosts.items()}
                if touched.entities
                else old.hosts
            ),
            services=dict(tables.services) if touched.services else old.services,
        )

    def _published_sets(self, touched: _Touched, old: Plan) -> dict[str, int]:
        sets = dict(old.sets)
        for name in touched.sets:
            members = (
                self._nodes.members.get(name.removeprefix("nodes: "))
                if name.startswith("nodes: ")
                else self._selected.members.get(name)
            )
            if members is None:
                sets.pop(name, None)
            else:
                sets[name] = members
        return sets


_NOTHING = Plan((), {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {})


def _rules_of(policy: Policy) -> tuple[Rule, ...]:
    return (policy.ingress or ()) + (policy.egress or ())


def _attaches_differently(old: Policy, new: Policy) -> bool:
    """Tell whether an edit can change who has the policy, or where it stands in a class."""
    return (
        old.tier != new.tier
        or old.order != new.order
        or old.selector != new.selector
        or old.stage is not new.stage
        or old.apply_on_forward != new.apply_on_forward
        or any((old.rules(direction) is None) != (new.rules(direction) is None) for direction in Direction)
    )
