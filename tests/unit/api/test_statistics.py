"""What policies and rules did, as the flow API's Statistics tell it. Source: flows-and-console §4.6."""

from collections.abc import Sequence
from typing import Any

import pytest

from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.statistics import results_of
from ocicat.model.flow import Action, Hit, HitKind, Reporter, Trigger
from ocicat.model.flowfilter import EVERYTHING
from ocicat.model.record import FlowCounts
from ocicat.ports.flowhub import Found
from support.hub import flow_record

NS = 1_000_000_000
BUCKET_S = 1_700_000_010
COUNTS = FlowCounts(3, 2, 300, 200, 1, 1, 5)
PROFILE = Hit(HitKind.PROFILE, "", "kns.catfacts", "", Action.ALLOW, 1, 0)


def hit(rule: int, action: Action = Action.ALLOW, name: str = "db", index: int = 0) -> Hit:
    return Hit(HitKind.CALICO_NETWORK_POLICY, "catfacts", name, "default", action, index, rule)


def end_of_tier(action: Action = Action.DENY, name: str = "db") -> Hit:
    trigger = Trigger(HitKind.CALICO_NETWORK_POLICY, "catfacts", name, "default")
    return Hit(HitKind.END_OF_TIER, "", "", "default", action, 0, -1, trigger)


def flow(
    *enforced: Hit,
    pending: Sequence[Hit] | None = None,
    reporter: Reporter = Reporter.DST,
    start_s: int = BUCKET_S,
) -> Found:
    """Return a flow of known counts whose walk had these hits."""
    record = flow_record(enforced=enforced, pending=tuple(pending or enforced), reporter=reporter)
    return Found(1, record.variant, start_s * NS, (start_s + 1) * NS, COUNTS)


def told(*flows: Found, **asked: Any) -> list[pb.StatisticsResult]:
    return results_of(flows, pb.StatisticsRequest(**asked), EVERYTHING)


def counts(result: pb.StatisticsResult) -> dict[str, list[int]]:
    """Return the series that counted something."""
    names = [f"{verb}_{way}" for verb in ("allowed", "denied", "passed") for way in ("in", "out")]
    return {name: list(getattr(result, name)) for name in names if any(getattr(result, name))}


@pytest.mark.parametrize(
    ("flows", "expected"),
    [
        pytest.param(
            [flow(hit(0))], {"allowed_in": [3], "allowed_out": [2]}, id="by the hit's action: Allow"
        ),
        pytest.param([flow(hit(0, Action.DENY))], {"denied_in": [3], "denied_out": [2]}, id="Deny"),
        pytest.param([flow(hit(0, Action.PASS))], {"passed_in": [3], "passed_out": [2]}, id="Pass"),
        pytest.param(
            [flow(hit(0)), flow(hit(0))], {"allowed_in": [6], "allowed_out": [4]}, id="flows add up"
        ),
        pytest.param(
            [flow(hit(0), pending=[hit(0)])],
            {"allowed_in": [3], "allowed_out": [2]},
            id="a hit in both counts once",
        ),
        pytest.param(
            [flow(PROFILE, pending=[hit(0, Action.DENY)])],
            {"denied_in": [3], "denied_out": [2]},
            id="pending hits count too",
        ),
        pytest.param(
            [flow(hit(0), pending=[hit(1, Action.DENY)])],
            {"allowed_in": [3], "allowed_out": [2], "denied_in": [3], "denied_out": [2]},
            id="a policy that allows and, staged, would deny",
        ),
        pytest.param(
            [flow(end_of_tier())],
            {"denied_in": [3], "denied_out": [2]},
            id="EndOfTier counts for its trigger",
        ),
        pytest.param(
            [flow(end_of_tier(Action.PASS))],
            {"passed_in": [3], "passed_out": [2]},
            id="with the EndOfTier action",
        ),
        pytest.param(
            [flow(hit(0)), flow(end_of_tier())],
            {"allowed_in": [3], "allowed_out": [2], "denied_in": [3], "denied_out": [2]},
            id="rules and the end of the tier are of one policy",
        ),
    ],
)
def test_a_policy_counts_by_what_its_hits_did(flows: list[Found], expected: dict[str, list[int]]) -> None:
    [result] = told(*flows, type=pb.PacketCount)
    assert counts(result) == expected
    assert result.policy == pb.PolicyHit(
        kind=pb.CalicoNetworkPolicy, namespace="catfacts", name="db", tier="default"
    )
    assert (result.direction, result.group_by, list(result.x)) == (pb.Any, pb.Policy, [])


@pytest.mark.parametrize(
    ("kind", "reporter", "expected"),
    [
        (pb.PacketCount, Reporter.DST, {"allowed_in": [3], "allowed_out": [2]}),
        (pb.ByteCount, Reporter.DST, {"allowed_in": [300], "allowed_out": [200]}),
        (pb.ByteCount, Reporter.SRC, {"allowed_in": [300], "allowed_out": [200]}),
        # "live connections go to "in" when the reporter is Dst and "out" when Src"
        (pb.LiveConnectionCount, Reporter.DST, {"allowed_in": [5]}),
        (pb.LiveConnectionCount, Reporter.SRC, {"allowed_out": [5]}),
    ],
)
def test_each_type_counts_its_own(kind: Any, reporter: Reporter, expected: dict[str, list[int]]) -> None:
    [result] = told(flow(hit(0), reporter=reporter), type=kind)
    assert counts(result) == expected
    assert result.type == kind


def test_rules_are_told_apart_by_number_and_direction_and_are_in_order() -> None:
    """The original takes the policy's index for the rule's; ours is the rule's."""
    flows = [flow(hit(rule, index=7)) for rule in (10, 2, 0)]
    flows += [flow(hit(2), reporter=Reporter.SRC), flow(end_of_tier())]
    results = told(*flows, group_by=pb.PolicyRule)
    assert [(item.direction, item.policy.rule_index, item.policy.action) for item in results] == [
        (pb.Ingress, -1, pb.Deny),
        (pb.Ingress, 0, pb.Allow),
        (pb.Ingress, 2, pb.Allow),
        (pb.Ingress, 10, pb.Allow),
        (pb.Egress, 2, pb.Allow),
    ]
    assert {item.policy.name for item in results} == {"db"}


def test_a_series_has_a_point_for_each_bucket_with_data() -> None:
    """ "one point per bucket that had data (no zero filling), x = bucket start"."""
    flows = [
        flow(hit(0), start_s=BUCKET_S + 14),
        flow(hit(1, Action.DENY), start_s=BUCKET_S + 300),
        flow(hit(0), start_s=BUCKET_S),
    ]
    [result] = told(*flows, time_series=True)
    assert list(result.x) == [BUCKET_S, BUCKET_S + 300]
    assert counts(result) == {
        "allowed_in": [6, 0],
        "allowed_out": [4, 0],
        "denied_in": [0, 3],
        "denied_out": [0, 2],
    }


def test_profiles_are_no_policies() -> None:
    assert told(flow(PROFILE)) == []
