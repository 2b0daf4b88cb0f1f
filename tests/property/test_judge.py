"""The Judge agrees with the evaluator on every end of every packet."""

import pytest
from hypothesis import given

from ocicat.engine.evaluate import report
from ocicat.engine.judge import Judge
from ocicat.engine.packet import Packet
from ocicat.engine.policy import Direction, EntityKind, Policy, PolicyKey, Rule, Side
from ocicat.model.flow import Action, HitKind, Reporter
from ocicat.model.net import PortRange
from ocicat.model.selector import Selector
from support.flowscene import CLIENT_ADDRESS, SERVER_ADDRESS, index
from support.worlds import Facts, facts, packets


@given(facts(), packets(), packets())
def test_a_judge_agrees_with_the_evaluator(world: Facts, first: Packet, second: Packet) -> None:
    plan = world.index().plan()
    judge = Judge(plan)
    for packet in (first, second, first):
        icmp = (packet.icmp_type, packet.icmp_code)
        kind, code = (-1 if number is None else number for number in icmp)
        transport = (packet.protocol, packet.source_port, packet.destination_port, kind, code)
        for reporter, local, peer in (
            (Reporter.SRC, packet.source, packet.destination),
            (Reporter.DST, packet.destination, packet.source),
        ):
            direction = Direction.EGRESS if reporter is Reporter.SRC else Direction.INGRESS
            found = judge.outcome(direction, local, peer, transport)
            owner = plan.owner(local, EntityKind.WORKLOAD)
            if owner is None:
                assert found is None
                continue
            expected = report(plan, owner.key, packet, reporter)
            assert found is not None
            assert (found.enforced.trace, found.pending.trace) == (expected.enforced, expected.pending)
            assert (found.enforced.action is Action.ALLOW) is (expected.action is Action.ALLOW)


@pytest.mark.parametrize(
    "side",
    [
        pytest.param(Side(not_named_ports=("http",)), id="notPorts by a name that nobody declares"),
        pytest.param(Side(named_ports=("http",)), id="ports by a name that nobody declares"),
        pytest.param(Side(not_ports=(PortRange(1, 79),)), id="notPorts by number"),
    ],
)
@pytest.mark.parametrize("direction", Direction)
def test_a_portless_protocol_never_matches_a_port_criterion(side: Side, direction: Direction) -> None:
    """Packets of a portless protocol never match a port criterion (§6.5), whoever declares the name."""
    rules = (Rule(Action.ALLOW, (4,), destination=side),)
    policy = Policy(
        PolicyKey(HitKind.CALICO_NETWORK_POLICY, "a", "p"),
        tier="default",
        selector=Selector.parse("all()"),
        ingress=rules if direction is Direction.INGRESS else None,
        egress=rules if direction is Direction.EGRESS else None,
    )
    made = index()
    made.put_policy(policy)
    local, peer = CLIENT_ADDRESS, SERVER_ADDRESS
    found = Judge(made.plan()).outcome(direction, local, peer, (47, 0, 0, -1, -1))
    assert found is not None
    assert found.enforced.action is Action.DENY
