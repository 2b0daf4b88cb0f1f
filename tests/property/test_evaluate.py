"""Laws of evaluation: fast forms agree with the plain one, families are alike, staging never enforces."""

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ocicat.engine.columnar import NO_REPORT, FlowColumns, evaluate_columns
from ocicat.engine.evaluate import evaluate
from ocicat.engine.policy import Direction, EntityKind, Policy
from ocicat.engine.program import bind
from ocicat.model.net import Prefix
from ocicat.model.selector import Selector
from support import worlds
from support.columns import same_in_columns

NOBODY = Selector.parse("app == 'nobody has this'")


@settings(max_examples=300)
@given(facts=worlds.facts(), packet=worlds.packets())
def test_a_program_gives_what_the_evaluator_gives(facts, packet):
    plan = facts.index().plan()
    decision = evaluate(plan, packet)
    transport = (
        packet.protocol,
        packet.source_port,
        packet.destination_port,
        -1 if packet.icmp_type is None else packet.icmp_type,
        -1 if packet.icmp_code is None else packet.icmp_code,
    )
    for report, local, peer, direction in (
        (decision.src, packet.source, packet.destination, Direction.EGRESS),
        (decision.dst, packet.destination, packet.source, Direction.INGRESS),
    ):
        if report is None:
            continue
        policies = plan.classes[plan.endpoints[report.endpoint].class_id(direction)]
        program = bind(plan, policies, local)
        live = program.live_bits(program.signature(plan, peer), transport, program.transport_bits(transport))
        outcome = program.outcome(plan, live)
        assert outcome.enforced.trace == report.enforced
        assert outcome.pending.trace == report.pending
        assert outcome.enforced.action is report.action
        assert outcome.pending.action is report.pending_action


@settings(max_examples=200)
@given(facts=worlds.facts(most_policies=8), packets=st.lists(worlds.packets(), min_size=1, max_size=30))
def test_the_columnar_evaluator_agrees_with_the_plain_one(facts, packets):
    assert same_in_columns(facts.index().plan(), packets)


def test_flows_between_families_report_nothing_and_are_not_allowed():
    plan = worlds.Facts().index().plan()
    addresses = (worlds.ADDRESSES[0], worlds.ADDRESSES[-1])
    one = np.array([0])
    flows = FlowColumns(addresses, one, one + 1, one + 6, one + 80, one, one - 1, one - 1)
    verdicts = evaluate_columns(plan, flows)
    assert verdicts.src.tolist() == verdicts.dst.tolist() == [NO_REPORT]
    assert verdicts.allowed.tolist() == [False]


@settings(max_examples=200)
@given(facts=worlds.facts(hosts=True, most_policies=6), packet=worlds.packets())
def test_staged_policies_never_change_what_is_enforced(facts, packet):
    with_staged = evaluate(facts.index().plan(), packet)
    facts.policies = {key: policy for key, policy in facts.policies.items() if not policy.staged}
    without = evaluate(facts.index().plan(), packet)
    assert with_staged.allowed is without.allowed
    assert _enforced(with_staged) == _enforced(without)


@settings(max_examples=200)
@given(facts=worlds.facts(hosts=True), packet=worlds.packets(), policy=worlds.policies())
def test_a_policy_that_selects_nobody_changes_nothing(facts, packet, policy: Policy):
    facts.policies.pop(policy.key, None)
    before = evaluate(facts.index().plan(), packet)
    # An unselected policy may lend its name to no trace: take one that no other could be mistaken for.
    key = msgspec.structs.replace(policy.key, name="unselected")
    facts.policies[key] = msgspec.structs.replace(policy, key=key, selector=NOBODY)
    assert evaluate(facts.index().plan(), packet) == before


@settings(max_examples=200)
@given(facts=worlds.facts(hosts=True), packet=worlds.packets())
def test_without_staged_policies_pending_takes_the_enforced_path(facts, packet):
    """§12.3: the traces are equal but for triggers and what no profile matched."""
    facts.policies = {key: policy for key, policy in facts.policies.items() if not policy.staged}
    decision = evaluate(facts.index().plan(), packet)
    for report in (decision.src, decision.dst):
        if report is not None:
            assert report.pending_action is report.action
            named = [hit for hit in report.enforced if hit.name != "__NO_MATCH__"]
            assert [_path(hit) for hit in named] == [
                _path(hit) for hit in report.pending if hit.name != "__PROFILE__"
            ]


@settings(max_examples=200)
@given(facts=worlds.facts(), packet=worlds.packets().filter(lambda packet: packet.family == 4))
def test_families_are_alike(facts, packet):
    """A world whose IPv4 addresses and nets are rewritten to IPv6 twins decides the twin packet alike."""
    four = _only_family_4(facts)
    six = _twin(four)
    if packet.protocol in (1, 58):
        return  # ICMP is another protocol in each family
    twin = msgspec.structs.replace(
        packet, source=worlds.mirrored(packet.source), destination=worlds.mirrored(packet.destination)
    )
    left, right = evaluate(four.index().plan(), packet), evaluate(six.index().plan(), twin)
    assert left.allowed is right.allowed
    assert _enforced(left) == _enforced(right)
    assert _pending(left) == _pending(right)


def _only_family_4(facts: worlds.Facts) -> worlds.Facts:
    return _mapped(facts, lambda address: address if address.family == 4 else None, (4, 6))


def _twin(facts: worlds.Facts) -> worlds.Facts:
    def twin(item):
        if isinstance(item, Prefix) and item.length == 0:
            return Prefix(6, 0, 0)  # "everything" stays everything
        return worlds.mirrored(item)

    return _mapped(facts, twin, (6, 4))


def _mapped(facts: worlds.Facts, change, swap: tuple[int, int]) -> worlds.Facts:
    """Return the world with every address and prefix changed; `change` may drop one by returning None."""

    def each(items):
        return tuple(sorted(changed for item in items if (changed := change(item)) is not None))

    def side(old):
        return msgspec.structs.replace(old, nets=each(old.nets), not_nets=each(old.not_nets))

    def rule(old):
        if (old.icmp or old.not_icmp) is not None:
            old = msgspec.structs.replace(old, icmp=None, not_icmp=None, families=())
        emptied = any(
            nets and not each(nets)
            for nets in (old.source.nets, old.source.not_nets, old.destination.nets, old.destination.not_nets)
        )
        families = () if emptied else tuple(sorted(swap[0] if f == 4 else swap[1] for f in old.families))
        return msgspec.structs.replace(
            old, families=families, source=side(old.source), destination=side(old.destination)
        )

    def rules(old):
        return None if old is None else tuple(rule(item) for item in old)

    return worlds.Facts(
        tiers=dict(facts.tiers),
        policies={
            key: msgspec.structs.replace(old, ingress=rules(old.ingress), egress=rules(old.egress))
            for key, old in facts.policies.items()
        },
        profiles={
            name: msgspec.structs.replace(old, ingress=rules(old.ingress), egress=rules(old.egress))
            for name, old in facts.profiles.items()
        },
        entities={
            key: msgspec.structs.replace(old, addresses=each(old.addresses), nets=each(old.nets))
            for key, old in facts.entities.items()
        },
        services={
            name: msgspec.structs.replace(
                old,
                ports=frozenset((change(at), protocol, port) for at, protocol, port in old.ports),
                addresses=frozenset(change(at) for at in old.addresses),
            )
            for name, old in facts.services.items()
        },
    )


def _enforced(decision):
    reports = (decision.src, decision.dst)
    return [report and (report.endpoint, report.action, report.enforced) for report in reports]


def _pending(decision):
    return [report and report.pending for report in (decision.src, decision.dst)]


def _path(hit):
    return hit.tier, hit.kind, hit.action, hit.rule_index


@given(facts=worlds.facts(hosts=True), packet=worlds.packets())
def test_an_answer_names_only_what_applies(facts, packet):
    """Indexes are dense; every hit's policy is attached to the endpoint that reports it."""
    plan = facts.index().plan()
    decision = evaluate(plan, packet)
    for report, direction in ((decision.src, Direction.EGRESS), (decision.dst, Direction.INGRESS)):
        if report is None:
            continue
        assert report.endpoint.kind is EntityKind.WORKLOAD
        policies = plan.classes[plan.endpoints[report.endpoint].class_id(direction)]
        names = {(part.tier, plan.names[key]) for part in policies.tiers for key in part.policies}
        names |= {("", name) for name in (*policies.profiles, "__NO_MATCH__", "__PROFILE__")}
        for trace in (report.enforced, report.pending):
            assert [hit.policy_index for hit in trace] == list(range(len(trace)))
            assert {(hit.tier, (hit.trigger or hit).name) for hit in trace} <= names
