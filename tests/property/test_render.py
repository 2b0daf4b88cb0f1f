"""Laws of rendering: the result depends on the state alone, not on what was rendered before."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocicat.dataplane.nft.difference import difference
from ocicat.dataplane.nft.render import Renderer, render
from ocicat.dataplane.traces import TraceBook
from ocicat.engine.evaluate import RuleByRule
from ocicat.engine.index import PolicyIndex
from ocicat.engine.match import matches
from ocicat.engine.packet import Packet
from ocicat.engine.plan import Plan
from ocicat.engine.policy import Direction, EntityKey, EntityKind, Rule
from ocicat.engine.program import bind
from ocicat.engine.walk import Found, enforced
from ocicat.model.flow import Action
from support import worlds


def interfaces(facts: worlds.Facts) -> dict[EntityKey, str]:
    pods = sorted(key for key in facts.entities if key.kind is EntityKind.WORKLOAD)
    return {key: f"cali{number}" for number, key in enumerate(pods)}


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(worlds.facts(most_policies=6), min_size=2, max_size=4), st.booleans())
def test_a_rendering_with_a_memory_equals_one_without(history: list[worlds.Facts], recycle: bool) -> None:
    """One index goes from world to world, and one Renderer renders each of its Plans."""
    index = worlds.Facts().index()
    renderer, book = Renderer(), TraceBook()
    before = worlds.Facts()
    for facts in history:
        _become(index, before, facts)
        plan = index.plan()
        local = interfaces(facts)
        first = renderer.render(plan, local, book)
        assert first == render(plan, local, book)
        assert not difference(first, renderer.render(plan, local, book))
        if recycle:
            for direction in Direction:
                book.retire(direction, ())
        before = facts


def _become(index: PolicyIndex, before: worlds.Facts, facts: worlds.Facts) -> None:
    removals = (
        (index.remove_tier, before.tiers.keys() - facts.tiers.keys()),
        (index.remove_policy, before.policies.keys() - facts.policies.keys()),
        (index.remove_profile, before.profiles.keys() - facts.profiles.keys()),
        (index.remove_entity, before.entities.keys() - facts.entities.keys()),
    )
    for remove, keys in removals:
        for key in keys:
            remove(key)
    for namespace, name in before.services.keys() - facts.services.keys():
        index.remove_service(namespace, name)
    puts = (
        (index.put_tier, facts.tiers.values()),
        (index.put_profile, facts.profiles.values()),
        (index.put_entity, facts.entities.values()),
        (index.put_policy, facts.policies.values()),
    )
    for put, items in puts:
        for item in items:
            put(item)
    for (namespace, name), endpoints in facts.services.items():
        index.put_service(namespace, name, endpoints)


class Noting(RuleByRule):
    """Finds the first matching rule of a packet, and notes the Log rules that it passes on the way."""

    def __init__(self, plan: Plan, policies, packet: Packet) -> None:
        super().__init__(plan, policies, packet)
        self.logged: list[Rule] = []

    def first(self, owner: int, rules) -> Found | None:
        for index, rule in enumerate(rules):
            if matches(self.plan, rule, self.packet):
                if rule.action is not Action.LOG:
                    return Found(owner, index, rule.action)
                self.logged.append(rule)
        return None


@settings(max_examples=300)
@given(worlds.facts(most_policies=8), worlds.packets())
def test_a_program_logs_what_the_walk_passes(facts: worlds.Facts, packet: Packet) -> None:
    plan = facts.index().plan()
    destination = plan.owner(packet.destination, EntityKind.WORKLOAD)
    if destination is None:
        return
    policies = plan.classes[plan.endpoints[destination.key].class_id(Direction.INGRESS)]
    noting = Noting(plan, policies, packet)
    enforced(plan, policies, noting)
    program = bind(plan, policies, packet.destination)
    transport = (
        packet.protocol,
        packet.source_port,
        packet.destination_port,
        -1 if packet.icmp_type is None else packet.icmp_type,
        -1 if packet.icmp_code is None else packet.icmp_code,
    )
    signature = program.signature(plan, packet.source)
    live = program.live_bits(signature, transport, program.transport_bits(transport))
    assert [bound.rule for bound in program.logged(plan, live)] == noting.logged
