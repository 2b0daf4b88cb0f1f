"""Readers of the flow API, of every age, and hostile ones. Source: flows-and-console §2, §4, §10, §12."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocicat.api import flowservice
from ocicat.api.collector import Collector
from ocicat.api.flowservice import FlowService
from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.proto import flows_pb2_grpc as stubs
from ocicat.api.protofilters import string_match
from ocicat.api.records import flow_of
from ocicat.api.statistics import StatisticsService
from ocicat.flows.hub import Hub
from ocicat.flows.store.memory import MemoryStore
from ocicat.model.flow import Action, Hit, HitKind, Reporter
from support.clocks import FakeTimer
from support.hub import denied_record, flow_record

NS = 1_000_000_000
NOW = 1_700_000_000


class Served:
    """A hub with its flow API."""

    def __init__(self, hub: Hub, channel: grpc.aio.Channel) -> None:
        self.hub = hub
        self.channel = channel
        self.flows = stubs.FlowsStub(channel)
        self.statistics = stubs.StatisticsStub(channel)

    async def listed(self, **asked: Any) -> list[pb.Flow]:
        result = await self.flows.List(pb.FlowListRequest(**asked), timeout=20)
        return [item.flow for item in result.flows]

    async def refused(self, call: Any) -> grpc.aio.AioRpcError:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call
        return failed.value


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Served]:
    timer = FakeTimer(NOW * NS)
    hub = Hub(MemoryStore(), timer)
    server = grpc.aio.server()
    for service in (FlowService(hub), StatisticsService(hub), Collector(hub.take, timer)):
        service.add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Served(hub, channel)
    finally:
        await server.stop(None)


def ago(seconds: int) -> int:
    return (NOW - seconds) * NS


async def tell(served: Served) -> None:
    await served.hub.take(
        [
            flow_record("worker", "db", start_ns=ago(40)),
            flow_record("worker", "db", start_ns=ago(20)),
            flow_record("facts", "db", start_ns=ago(20), reporter=Reporter.SRC),
            denied_record(start_ns=ago(30)),
        ]
    )


async def test_a_list_sums_by_key_newest_first_and_counts_pages() -> None:
    """§4.3: "One result per key, summed over the window"; "Time (default) = newest start first"."""
    async with serving() as served:
        await tell(served)
        result = await served.flows.List(pb.FlowListRequest(start_time_gte=-300, page_size=2), timeout=20)
        assert (result.meta.totalPages, result.meta.totalResults) == (2, 3)
        assert [item.flow.Key.source_name[0] for item in result.flows] == ["f", "w"]
        ids = [item.id for item in result.flows]
        again = await served.flows.List(pb.FlowListRequest(start_time_gte=-300, page_size=2), timeout=20)
        assert [item.id for item in again.flows] == ids
        summed = [flow for flow in await served.listed() if flow.Key.dest_port == 3306]
        assert sorted(flow.packets_in for flow in summed) == [3, 6]
        assert await served.listed(page=9, page_size=2) == []


@pytest.mark.parametrize(
    ("start", "end", "count"), [(-25, 0, 2), (NOW - 35, NOW - 25, 1), (0, -35, 1), (0, 0, 3)]
)
async def test_times_are_absolute_before_now_or_open(start: int, end: int, count: int) -> None:
    """§4.1: "Positive: absolute Unix seconds. Negative: that many seconds before the server's now"."""
    async with serving() as served:
        await tell(served)
        assert len(await served.listed(start_time_gte=start, start_time_lt=end)) == count


async def test_an_empty_window_fails_with_both_values() -> None:
    """§4.1: "If after that start ≥ end the call fails (status Unknown, text naming both values)"."""
    async with serving() as served:
        error = await served.refused(served.listed(start_time_gte=-10, start_time_lt=-20))
        assert (error.code(), "-10" in error.details(), "-20" in error.details()) == (
            grpc.StatusCode.UNKNOWN,
            True,
            True,
        )


async def test_one_order_is_taken_and_others_are_refused() -> None:
    """§4.3: "Sort: at most one option, else error"; "DestType and SourceType are refused"."""
    async with serving() as served:
        await tell(served)
        flows = await served.listed(sort_by=[pb.SortOption(sort_by=pb.SourceName)])
        assert [flow.Key.source_name[0] for flow in flows] == ["f", "w", "w"]
        for wrong in ([pb.Time, pb.DestName], [pb.DestType], [pb.SourceType]):
            options = [pb.SortOption(sort_by=sort) for sort in wrong]
            error = await served.refused(served.listed(sort_by=options))
            assert error.code() is grpc.StatusCode.UNKNOWN


async def test_a_stream_gives_what_was_and_then_what_comes() -> None:
    async with serving() as served:
        await tell(served)
        call = served.flows.Stream(pb.FlowStreamRequest(start_time_gte=-60), timeout=20)
        before = [(await call.read()).flow for _ in range(4)]
        assert [flow.start_time for flow in before] == sorted(flow.start_time for flow in before)
        assert {flow.start_time % 15 for flow in before} == {0}
        # A record of long ago arrives late, and the stream has it all the same.
        await served.hub.take([flow_record(port=7, start_ns=ago(50))])
        assert (await call.read()).flow.Key.dest_port == 7
        call.cancel()


async def test_a_stream_that_starts_before_history_begins_with_the_oldest() -> None:
    async with serving() as served:
        await tell(served)
        call = served.flows.Stream(pb.FlowStreamRequest(start_time_gte=1), timeout=20)
        assert [(await call.read()).flow.Key.dest_port for _ in range(4)].count(3306) == 3
        call.cancel()


async def test_a_stream_too_many_is_refused_and_one_that_ends_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """§4.4: "At most 100 streams, the 101st gets RESOURCE_EXHAUSTED"."""
    assert flowservice.STREAMS == 100
    monkeypatch.setattr(flowservice, "STREAMS", 2)
    async with serving() as served:
        await tell(served)
        calls = [served.flows.Stream(pb.FlowStreamRequest(start_time_gte=-60), timeout=20) for _ in range(2)]
        for call in calls:
            await call.read()
        error = await served.refused(served.flows.Stream(pb.FlowStreamRequest(), timeout=20).read())
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        calls[0].cancel()
        async with asyncio.timeout(20):
            while True:
                again = served.flows.Stream(pb.FlowStreamRequest(start_time_gte=-60), timeout=20)
                try:
                    await again.read()
                    break
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.01)
        again.cancel()
        calls[1].cancel()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pb.FilterTypeDestName, ["db-7c9d5f-*", "facts-7c9d5f-*"]),
        (pb.FilterTypePolicyName, ["facts"]),
        (pb.FilterTypePolicyKind, ["CalicoNetworkPolicy"]),
        (pb.FilterTypePolicyTier, ["application-catfacts"]),
    ],
)
async def test_hints_skip_profiles_and_take_the_trigger(kind: int, values: list[str]) -> None:
    async with serving() as served:
        await tell(served)
        result = await served.flows.FilterHints(pb.FilterHintsRequest(type=kind), timeout=20)
        assert [hint.value for hint in result.hints] == values


async def test_an_unknown_type_of_hints_is_refused() -> None:
    async with serving() as served:
        for kind in (0, 99):
            call = served.flows.FilterHints(pb.FilterHintsRequest(type=kind), timeout=20)
            assert (await served.refused(call)).code() is grpc.StatusCode.UNKNOWN


# --- filters ------------------------------------------------------------------------------------------------

TEXT = b"facts"
MATCH = pb.StringMatch(value="facts").SerializeToString()
FUZZY = pb.StringMatch(value="act", type=pb.Fuzzy).SerializeToString()


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (pb.Filter(), 3),
        (pb.Filter(dest_names=[pb.StringMatch(value="db-*")]), 2),
        (pb.Filter(dest_names=[pb.StringMatch(value="facts", type=pb.Fuzzy)]), 1),
        (pb.Filter(dest_ports=[pb.PortMatch(port=80)], protocols=[pb.StringMatch(value="tcp")]), 1),
        (pb.Filter(actions=[pb.Deny]), 1),
        (pb.Filter(pending_actions=[pb.Deny]), 1),
        (pb.Filter(reporter=pb.Src), 1),
        # §10: "3.30 and 3.31: fields 2 to 4 were plain `string`"; both are taken
        (pb.Filter(policies=[pb.PolicyMatch(name=TEXT)]), 1),
        (pb.Filter(policies=[pb.PolicyMatch(name=MATCH)]), 1),
        (pb.Filter(policies=[pb.PolicyMatch(kind=pb.EndOfTier, name=FUZZY)]), 1),
        (pb.Filter(policies=[pb.PolicyMatch(name=b"act")]), 0),
        (pb.Filter(policies=[pb.PolicyMatch(kind=pb.Profile)]), 2),
        (pb.Filter(policies=[pb.PolicyMatch(kind=pb.EndOfTier, action=pb.Deny)]), 1),
        (pb.Filter(policies=[pb.PolicyMatch(tier=b"application-catfacts", action=pb.Allow)]), 0),
    ],
)
async def test_filters_of_every_age_let_through_what_they_say(wanted: pb.Filter, count: int) -> None:
    async with serving() as served:
        await tell(served)
        assert len(await served.listed(filter=wanted)) == count


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789-.", min_size=1, max_size=253))
def test_every_name_is_read_alike_in_both_forms(name: str) -> None:
    assert string_match(name.encode()).value == name
    for kind in (pb.Exact, pb.Fuzzy):
        message = pb.StringMatch(value=name, type=kind)
        assert string_match(message.SerializeToString()) == message


@given(st.binary(max_size=60))
def test_every_byte_string_is_some_match(raw: bytes) -> None:
    assert isinstance(string_match(raw).value, str)


async def test_hostile_messages_are_refused_and_the_hub_goes_on() -> None:
    async with serving() as served:
        await tell(served)
        raw = served.channel.unary_unary("/goldmane.Flows/List")
        for body in (b"\xff" * 100, b"\x32\x7f", bytes(1000)):
            with pytest.raises(grpc.aio.AioRpcError):
                await raw(body, timeout=20)
        for wanted in (
            pb.Filter(dest_ports=[pb.PortMatch(port=-1)]),
            pb.Filter(dest_ports=[pb.PortMatch(port=2**62)]),
            pb.Filter(actions=[77]),
            pb.Filter(reporter=9),
            pb.Filter(policies=[pb.PolicyMatch(kind=55)]),
        ):
            error = await served.refused(served.listed(filter=wanted))
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, wanted
        for times in (
            {"start_time_gte": -(2**63)},
            {"start_time_lt": 2**63 - 1},
            {"page": -5, "page_size": 2},
        ):
            await served.listed(**times)
        assert len(await served.listed()) == 3


async def test_what_is_no_flow_is_counted_and_the_stream_goes_on() -> None:
    async with serving() as served:
        bad = [pb.Flow(), pb.Flow(Key=pb.FlowKey(source_name="x", reporter=9))]
        batch = pb.FlowBatch(flows=[*bad, flow_of(flow_record(start_ns=ago(5)))], sequence=1, sender="s")
        call = stubs.FlowBatchesStub(served.channel).Push(timeout=20)
        await call.write(batch)
        assert (await call.read()).sequence == 1
        call.cancel()
        assert len(await served.listed()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"packets_in": -1},
        {"bytes_out": 2**60},
        {"start_time_ns": (NOW + 2 * 86_400) * NS, "end_time_ns": (NOW + 3 * 86_400) * NS},
        {"start_time": 2**62, "start_time_ns": 0},
        {"start_time": -5, "start_time_ns": 0},
        {"end_time_ns": 1},
    ],
    ids=str,
)
async def test_a_record_that_cannot_be_true_is_refused_and_poisons_nothing(changes: dict[str, int]) -> None:
    """Sums of it would leave 64 bits, or it would make a file of a day that never comes."""
    async with serving() as served:
        wrong = flow_of(flow_record(start_ns=ago(5)))
        for name, value in changes.items():
            setattr(wrong, name, value)
        call = stubs.FlowCollectorStub(served.channel).Connect(timeout=20)
        for flow in (wrong, flow_of(flow_record(port=9, start_ns=ago(5)))):
            await call.write(pb.FlowUpdate(flow=flow))
            await call.read()
        call.cancel()
        assert [flow.Key.dest_port for flow in await served.listed()] == [9]


# --- statistics ---------------------------------------------------------------------------------------------


async def counted(served: Served, **asked: Any) -> list[pb.StatisticsResult]:
    return [item async for item in served.statistics.List(pb.StatisticsRequest(**asked), timeout=20)]


def judged(rule: int, action: Action, **changes: Any) -> Any:
    hit = Hit(HitKind.CALICO_NETWORK_POLICY, "catfacts", "db", "default", action, 0, rule)
    verdict = Action.DENY if action is Action.DENY else Action.ALLOW
    return flow_record(action=verdict, enforced=(hit,), **changes)


async def test_statistics_are_by_policy_with_the_action_and_direction() -> None:
    """§4.6: "Packets and bytes go to … in/out by the hit's action"."""
    async with serving() as served:
        await served.hub.take(
            [
                judged(0, Action.ALLOW, start_ns=ago(40)),
                judged(1, Action.DENY, start_ns=ago(20)),
                judged(1, Action.DENY, start_ns=ago(19)),
            ]
        )
        [result] = await counted(served, type=pb.PacketCount)
        assert (result.policy.name, list(result.x)) == ("db", [])
        assert [list(result.allowed_in), list(result.allowed_out)] == [[3], [2]]
        assert [list(result.denied_in), list(result.passed_in)] == [[6], [0]]
        [series] = await counted(served, type=pb.ByteCount, time_series=True)
        assert all(x % 15 == 0 for x in series.x)
        assert (list(series.allowed_in), list(series.denied_in)) == ([300, 0], [0, 600])


async def test_statistics_by_rule_tell_rules_apart() -> None:
    async with serving() as served:
        await served.hub.take(
            [judged(0, Action.ALLOW, start_ns=ago(9)), judged(2, Action.DENY, start_ns=ago(9))]
        )
        results = await counted(served, group_by=pb.PolicyRule)
        assert [(item.policy.rule_index, item.direction) for item in results] == [
            (0, pb.Ingress),
            (2, pb.Ingress),
        ]


async def test_statistics_of_one_policy_and_of_none() -> None:
    """§4.6: "No match: one empty result and then NOT_FOUND"."""
    async with serving() as served:
        await served.hub.take([judged(0, Action.ALLOW, start_ns=ago(9)), denied_record(start_ns=ago(9))])
        [result] = await counted(served, policy_match=pb.PolicyMatch(name=b"facts"))
        assert result.policy.name == "facts"
        call = served.statistics.List(
            pb.StatisticsRequest(policy_match=pb.PolicyMatch(name=b"other")), timeout=20
        )
        assert (await call.read()) == pb.StatisticsResult()
        assert (await served.refused(call.read())).code() is grpc.StatusCode.NOT_FOUND


async def test_live_connections_are_in_at_the_destination_and_out_at_the_source() -> None:
    async with serving() as served:
        await served.hub.take([judged(0, Action.ALLOW, start_ns=ago(9), reporter=Reporter.SRC)])
        [result] = await counted(served, type=pb.LiveConnectionCount)
        assert (list(result.allowed_in), list(result.allowed_out)) == ([0], [0])
