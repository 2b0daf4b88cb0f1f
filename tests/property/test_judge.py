"""The Judge agrees with the evaluator on every end of every packet."""

from hypothesis import given

from ocicat.engine.evaluate import report
from ocicat.engine.judge import Judge
from ocicat.engine.packet import Packet
from ocicat.engine.policy import Direction, EntityKind
from ocicat.model.flow import Action, Reporter
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
