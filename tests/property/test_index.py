"""Any path of upserts and deletes ends in the Plan that a fresh index makes of the final state."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ocicat.engine.index import PolicyIndex
from ocicat.engine.policy import EntityKey, PolicyKey, Profile
from ocicat.engine.serial import PlanFormatError, decoded, encoded
from support import worlds


class AnyPathSamePlan(RuleBasedStateMachine):
    """Puts and removes at random, and compares with a recomputation after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.index = PolicyIndex()
        self.facts = worlds.Facts()
        self.before = self.index.plan()

    @rule(tier=worlds.tiers)
    def put_tier(self, tier):
        self.index.put_tier(tier)
        self.facts.tiers[tier.name] = tier

    @rule(name=st.sampled_from(("t1", "t2")))
    def remove_tier(self, name):
        self.index.remove_tier(name)
        self.facts.tiers.pop(name, None)

    @rule(profile=worlds.profiles)
    def put_profile(self, profile: Profile):
        self.index.put_profile(profile)
        self.facts.profiles[profile.name] = profile

    @rule(name=st.sampled_from(("kns.a", "kns.b", "ksa.x")))
    def remove_profile(self, name):
        self.index.remove_profile(name)
        self.facts.profiles.pop(name, None)

    @rule(policy=worlds.policies())
    def put_policy(self, policy):
        self.index.put_policy(policy)
        self.facts.policies[policy.key] = policy

    @rule(data=st.data())
    def remove_policy(self, data):
        if self.facts.policies:
            key: PolicyKey = data.draw(st.sampled_from(sorted(self.facts.policies)))
            self.index.remove_policy(key)
            del self.facts.policies[key]

    @rule(entity=worlds.pods() | worlds.network_sets() | worlds.nodes() | worlds.host_endpoints())
    def put_entity(self, entity):
        self.index.put_entity(entity)
        self.facts.entities[entity.key] = entity

    @rule(data=st.data())
    def remove_entity(self, data):
        if self.facts.entities:
            key: EntityKey = data.draw(st.sampled_from(sorted(self.facts.entities)))
            self.index.remove_entity(key)
            del self.facts.entities[key]

    @rule(service=worlds.services)
    def put_service(self, service):
        (namespace, name), endpoints = service
        self.index.put_service(namespace, name, endpoints)
        self.facts.services[namespace, name] = endpoints

    @rule(name=st.sampled_from(worlds.SERVICES))
    def remove_service(self, name):
        self.index.remove_service(*name)
        self.facts.services.pop(name, None)

    @invariant()
    def equals_recomputation(self):
        plan, change = self.index.update()
        assert plan.document() == self.facts.index().plan().document()
        self.change_names_all_that_differs(plan, change)
        self.before = plan

    def change_names_all_that_differs(self, plan, change):
        old, new = self.before, plan
        differing = {key for key in old.policies.keys() | new.policies.keys() if _differs(key, old, new)}
        assert differing <= change.policies
        changed = {
            key
            for key in old.endpoints.keys() | new.endpoints.keys()
            if old.endpoints.get(key) != new.endpoints.get(key)
        }
        assert changed <= change.endpoints
        assert old.classes.keys() ^ new.classes.keys() <= change.classes
        assert change.tiers or {*old.tiers} ^ {*new.tiers} <= {
            t for t in (*old.tiers, *new.tiers) if not t.known
        }
        for name in old.sets.keys() & new.sets.keys() - change.sets:
            assert _member_names(old, name) == _member_names(new, name)


def _differs(key, old, new) -> bool:
    return old.policies.get(key) != new.policies.get(key) or old.names.get(key) != new.names.get(key)


def _member_names(plan, name) -> set[EntityKey]:
    return {entity.key for entity in plan.each(plan.sets[name])}


AnyPathSamePlan.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAnyPathSamePlan = AnyPathSamePlan.TestCase


@given(facts=worlds.facts(hosts=True))
def test_a_plan_is_what_its_index_knows_and_nothing_more(facts):
    """Fed, emptied and fed again, an index gives the same Plan; emptied, that of an empty index."""
    index = facts.index()
    document = index.plan().document()
    for key in facts.policies:
        index.remove_policy(key)
    for key in facts.entities:
        index.remove_entity(key)
    for name in facts.profiles:
        index.remove_profile(name)
    for name in facts.tiers:
        index.remove_tier(name)
    for name in facts.services:
        index.remove_service(*name)
    assert index.plan().document() == PolicyIndex().plan().document()
    assert facts.index().plan().document() == document


@given(facts=worlds.facts(hosts=True), policy=worlds.policies())
def test_a_plan_once_published_never_changes(facts, policy):
    index = facts.index()
    plan = index.plan()
    document = plan.document()
    index.put_policy(policy)
    for key in list(facts.entities)[:2]:
        index.remove_entity(key)
    index.plan()
    assert plan.document() == document


@given(facts=worlds.facts())
def test_nothing_new_gives_the_same_plan_and_an_empty_change(facts):
    index = facts.index()
    plan = index.plan()
    for policy in facts.policies.values():
        index.put_policy(policy)
    again, change = index.update()
    assert again is plan
    assert not any((change.policies, change.sets, change.endpoints, change.classes, change.entities))


@given(facts=worlds.facts(hosts=True))
def test_a_plan_survives_being_written(facts):
    plan = facts.index().plan()
    data = encoded(plan)
    assert decoded(data).document() == plan.document()
    assert encoded(decoded(data)) == data


@given(
    st.binary(max_size=200)
    | st.just(b'{"format":0,"tiers":[],"policies":[],"profiles":[],"entities":[],"services":[]}')
)
def test_what_is_no_plan_is_told(data):
    with pytest.raises(PlanFormatError):
        decoded(data)
