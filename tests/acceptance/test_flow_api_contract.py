"""What readers of Calico's aggregator ask of a real hub by gRPC. One row for each sentence.

Source: flows-and-console §2 (methods), §4 (queries), §10 (versions), §12.
"""

import time
from typing import Any

import grpc
import pytest

from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.proto import flows_pb2_grpc as stubs
from support.flowapi import RECENT, WAIT_S, exactly, fails, listed, ports
from support.hub import RealHub, flow_record
from support.whisker import NS, OLD_S

BOGUS: Any = 99
"""What no enum has."""
UNKNOWN, INVALID = grpc.StatusCode.UNKNOWN, grpc.StatusCode.INVALID_ARGUMENT
# --- §2: methods --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "request_bytes"),
    [
        # Written by hand from the tables: start_time_gte is field 1 and -300 takes ten bytes.
        ("Flows/List", b"\x08\xd4\xfd\xff\xff\xff\xff\xff\xff\xff\x01"),
        ("Flows/FilterHints", b"\x08\x01"),
        ("Flows/Stream", b"\x08\xd4\xfd\xff\xff\xff\xff\xff\xff\xff\x01"),
        ("Statistics/List", b"\x30\x01"),
    ],
)
def test_methods_answer_by_their_full_names(channel: grpc.Channel, method: str, request_bytes: bytes) -> None:
    call = channel.unary_stream(f"/goldmane.{method}")(request_bytes, timeout=WAIT_S)
    assert len(next(call)) > 0
    call.cancel()


@pytest.mark.parametrize(
    "method",
    [
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/grpc.health.v1.Health/Check",
        "/goldmane.Flows/Delete",
    ],
)
def test_there_is_nothing_else(channel: grpc.Channel, method: str) -> None:
    """§2: "No server reflection and no grpc health service"."""
    with pytest.raises(grpc.RpcError) as failed:
        channel.unary_unary(method)(b"", timeout=WAIT_S)
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED


# --- §4.1, §4.3: lists --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        pytest.param({"start_time_gte": -300}, 7, id="§4.1 negative"),
        pytest.param({"start_time_gte": 0}, 7, id="§4.1 zero: the oldest bucket"),
        pytest.param({"start_time_gte": 1}, 8, id="§4.1 positive"),
        pytest.param({"start_time_gte": -OLD_S - 60, "start_time_lt": -3600}, 1, id="§4.1 end"),
        pytest.param({"start_time_gte": -2, "start_time_lt": -1}, 0, id="§4.3 nothing"),
        pytest.param({"start_time_gte": -(2**63)}, 8, id="hostile: before everything"),
        pytest.param({"start_time_lt": 2**63 - 1}, 7, id="hostile: after everything"),
        pytest.param({"aggregation_interval": 3600}, 7, id="§4.3 aggregation_interval is ignored"),
        pytest.param({"sort_by": [pb.SortOption(sort_by=pb.Time)]}, 7, id="§4.3 Time"),
    ],
)
def test_lists_are_of_their_window(channel: grpc.Channel, asked: dict[str, Any], count: int) -> None:
    result = listed(channel, **asked)
    assert len(result.flows) == count
    assert (result.meta.totalResults, result.meta.totalPages) == (count, min(count, 1))


@pytest.mark.parametrize(
    ("page", "size", "shown", "pages"),
    [
        pytest.param(0, 3, 3, 3, id="§4.3 page is 0-based"),
        pytest.param(2, 3, 1, 3, id="§4.3 the last"),
        pytest.param(3, 3, 0, 3, id="§4.3 past the end"),
        pytest.param(0, 0, 7, 1, id="§4.3 page_size 0 = everything"),
        pytest.param(0, 7, 7, 1, id="§4.3 totalPages = ceiling"),
        pytest.param(2**62, 2**62, 0, 1, id="hostile: far away"),
        pytest.param(-1, 3, 3, 3, id="hostile: before the first"),
        pytest.param(1, -5, 7, 1, id="hostile: no size"),
    ],
)
def test_lists_are_paged(channel: grpc.Channel, page: int, size: int, shown: int, pages: int) -> None:
    result = listed(channel, page=page, page_size=size)
    assert (len(result.flows), result.meta.totalPages, result.meta.totalResults) == (shown, pages, 7)


def test_pages_are_the_parts_of_the_whole_in_its_order(channel: grpc.Channel) -> None:
    order = [pb.SortOption(sort_by=pb.SourceName)]
    whole = [item.id for item in listed(channel, sort_by=order).flows]
    parts = [
        item.id for page in range(4) for item in listed(channel, sort_by=order, page=page, page_size=2).flows
    ]
    assert parts == whole
    assert len(set(whole)) == 7
    names = [item.flow.Key.source_name for item in listed(channel, sort_by=order).flows]
    assert names == sorted(names)


def test_rows_have_the_edges_of_their_buckets_and_count_something(channel: grpc.Channel) -> None:
    """§4.3: "the outer edges of the buckets used"; rows that sum to nothing are left out."""
    for item in listed(channel).flows:
        flow = item.flow
        assert (flow.start_time % 15, flow.end_time % 15) == (0, 0)
        assert flow.start_time < flow.end_time
        assert flow.packets_in > 0


# --- §4.1: what fails ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [(-10, -20), (-10, -10), (2_000_000_000, 1_999_999_999)])
def test_a_start_that_is_not_before_the_end_fails_with_both_values(
    channel: grpc.Channel, times: tuple[int, int]
) -> None:
    """§4.1: "the call fails (status Unknown, text naming both values)", in all three methods."""
    start, end = times
    asked: dict[str, Any] = {"start_time_gte": start, "start_time_lt": end}
    flows, statistics = stubs.FlowsStub(channel), stubs.StatisticsStub(channel)
    hints = pb.FilterHintsRequest(type=pb.FilterTypeDestName, **asked)
    for error in (
        fails(lambda: flows.List(pb.FlowListRequest(**asked), timeout=WAIT_S)),
        fails(lambda: flows.FilterHints(hints, timeout=WAIT_S)),
        fails(statistics.List(pb.StatisticsRequest(**asked), timeout=WAIT_S)),
    ):
        assert error.code() is UNKNOWN
        assert str(start) in error.details()
        assert str(end) in error.details()


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        pytest.param({"sort_by": [pb.SortOption(sort_by=pb.DestType)]}, UNKNOWN, id="§4.3 DestType"),
        pytest.param({"sort_by": [pb.SortOption(sort_by=pb.SourceType)]}, UNKNOWN, id="§4.3 SourceType"),
        pytest.param(
            {"sort_by": [pb.SortOption(), pb.SortOption(sort_by=pb.DestName)]}, UNKNOWN, id="§4.3 at most one"
        ),
        pytest.param({"sort_by": [pb.SortOption(sort_by=BOGUS)]}, UNKNOWN, id="hostile: order"),
        pytest.param({"filter": pb.Filter(actions=[BOGUS])}, INVALID, id="hostile: action"),
        pytest.param({"filter": pb.Filter(reporter=BOGUS)}, INVALID, id="hostile: reporter"),
        pytest.param(
            {"filter": pb.Filter(policies=[pb.PolicyMatch(kind=BOGUS)])}, INVALID, id="hostile: kind"
        ),
        pytest.param({"filter": pb.Filter(dest_ports=[pb.PortMatch(port=-1)])}, INVALID, id="hostile: port"),
    ],
)
def test_what_cannot_be_answered_is_refused(channel: grpc.Channel, asked: dict[str, Any], code: Any) -> None:
    assert fails(lambda: listed(channel, **asked)).code() is code


# --- §4.2, §10: filters, in lists and streams ---------------------------------------------------------------

MESSAGE = pb.StringMatch(value="allow-dns").SerializeToString()
PART = pb.StringMatch(value="dns", type=pb.Fuzzy).SerializeToString()
SECURITY = pb.StringMatch(value="security").SerializeToString()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param(pb.Filter(), RECENT, id="§2 a field left empty does not filter"),
        pytest.param(pb.Filter(dest_names=exactly("db-*")), [3306] * 3, id="§4.2 glob"),
        pytest.param(pb.Filter(dest_names=exactly("pub")), [443], id="§4.2 pub"),
        pytest.param(pb.Filter(dest_names=exactly("PUBLIC NETWORK")), [443], id="§4.2 PUBLIC NETWORK"),
        pytest.param(pb.Filter(source_namespaces=exactly("-")), [8080], id="§4.2 namespace -"),
        pytest.param(pb.Filter(protocols=exactly("udp")), [53], id="§4.2 protocol"),
        pytest.param(
            pb.Filter(dest_ports=[pb.PortMatch(port=80), pb.PortMatch(port=53)]), [53, 80], id="§4.2 OR"
        ),
        pytest.param(pb.Filter(actions=[pb.Deny]), [80], id="§4.2 actions"),
        pytest.param(pb.Filter(actions=[pb.ActionUnspecified]), RECENT, id="§4.2 unspecified action"),
        pytest.param(pb.Filter(pending_actions=[pb.Deny]), [80, 3306], id="§4.2 pending_actions"),
        pytest.param(pb.Filter(reporter=pb.Dst), [80, 3306, 8080], id="§4.2 reporter"),
        pytest.param(pb.Filter(policies=[pb.PolicyMatch(name=b"allow-dns")]), [8080], id="§10 3.30: text"),
        pytest.param(pb.Filter(policies=[pb.PolicyMatch(name=b"dns")]), [], id="§10 3.30: text is exact"),
        pytest.param(pb.Filter(policies=[pb.PolicyMatch(name=MESSAGE)]), [8080], id="§10 3.32: message"),
        pytest.param(pb.Filter(policies=[pb.PolicyMatch(name=PART)]), [8080], id="§10 3.32: type honoured"),
        pytest.param(
            pb.Filter(policies=[pb.PolicyMatch(tier=SECURITY, name=b"allow-dns")]),
            [8080],
            id="§10 both in one",
        ),
        pytest.param(
            pb.Filter(policies=[pb.PolicyMatch(tier=b"default", name=b"allow-dns")]), [], id="§4.2 one hit"
        ),
        pytest.param(
            pb.Filter(policies=[pb.PolicyMatch(namespace=b"catfacts", kind=pb.NetworkPolicy)]),
            [8080],
            id="§4.2 namespace",
        ),
        pytest.param(pb.Filter(policies=[pb.PolicyMatch(name=b"facts")]), [80], id="§4.2 the trigger too"),
        pytest.param(pb.Filter(policies=[pb.PolicyMatch(action=pb.Pass)]), [8080], id="§4.2 action of a hit"),
        pytest.param(
            pb.Filter(policies=[pb.PolicyMatch()]), [80, 443, 3306, 3306, 3306, 8080], id="§4.2 any hit"
        ),
    ],
)
def test_lists_and_streams_have_the_same_filters(
    channel: grpc.Channel, wanted: pb.Filter, expected: list[int]
) -> None:
    assert ports(listed(channel, filter=wanted)) == expected
    request = pb.FlowStreamRequest(start_time_gte=-300, filter=wanted)
    call = stubs.FlowsStub(channel).Stream(request, timeout=WAIT_S)
    assert sorted(next(call).flow.Key.dest_port for _ in expected) == expected
    call.cancel()


# --- §4.5: hints --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("DestNamespace", ["-", "catfacts"]),
        ("SourceName", ["facts-7c9d5f-*", "pvt", "worker-7c9d5f-*"]),
        ("SourceNamespace", ["-", "catfacts"]),
        ("PolicyTier", ["application-catfacts", "default", "security"]),
        ("PolicyName", ["allow-dns", "default-deny", "facts", "web"]),
        (
            "PolicyKind",
            sorted(
                ("CalicoNetworkPolicy", "GlobalNetworkPolicy", "NetworkPolicy", "StagedGlobalNetworkPolicy")
            ),
        ),
    ],
)
def test_hints_are_distinct_values_in_order_and_paged(
    channel: grpc.Channel, kind: str, values: list[str]
) -> None:
    """§4.5: "ascending, paged as List"; stored names, for the back end maps them."""
    number: Any = pb.FilterType.Value(f"FilterType{kind}")
    hints = stubs.FlowsStub(channel).FilterHints
    found: list[str] = []
    for page in range(len(values)):
        result = hints(pb.FilterHintsRequest(type=number, page=page, page_size=1), timeout=WAIT_S)
        assert (result.meta.totalPages, result.meta.totalResults) == (len(values), len(values))
        found += [hint.value for hint in result.hints]
    assert found == values


@pytest.mark.parametrize("kind", [0, 9, -1])
def test_hints_of_no_known_type_are_refused(channel: grpc.Channel, kind: Any) -> None:
    hints = stubs.FlowsStub(channel).FilterHints
    assert fails(lambda: hints(pb.FilterHintsRequest(type=kind), timeout=WAIT_S)).code() is UNKNOWN


# --- §4.4: streams ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "count"),
    [
        pytest.param(-300, 7, id="§4.4 backfill"),
        pytest.param(-OLD_S * 9, 8, id="§4.4 older than history: clamped"),
        pytest.param(1, 8, id="§4.1 absolute"),
        pytest.param(-(2**63), 8, id="hostile: before everything"),
    ],
)
def test_a_stream_begins_with_buckets(channel: grpc.Channel, start: int, count: int) -> None:
    """§4.4: "One FlowResult per (key, 15 s bucket) holding that bucket's deltas"."""
    call = stubs.FlowsStub(channel).Stream(pb.FlowStreamRequest(start_time_gte=start), timeout=WAIT_S)
    results = [next(call) for _ in range(count)]
    call.cancel()
    assert {(item.flow.start_time % 15, item.flow.end_time - item.flow.start_time) for item in results} == {
        (0, 15)
    }
    assert len({(item.id, item.flow.start_time) for item in results}) == count


@pytest.mark.parametrize("start", [0, 4_000_000_000, 2**63 - 1], ids=["zero", "to come", "hostile"])
def test_a_stream_from_now_on_has_no_backfill(channel: grpc.Channel, told: RealHub, start: int) -> None:
    """§4.1: "for **Stream start, zero means now**, i.e. no backfill"."""
    wanted = pb.Filter(dest_names=exactly("later-7c9d5f-*"))
    before = flow_record("worker", "later", 1, start_ns=time.time_ns() - OLD_S * NS)
    told.push([before])
    request = pb.FlowStreamRequest(start_time_gte=start, filter=wanted)
    call = stubs.FlowsStub(channel).Stream(request, timeout=WAIT_S)
    # The server listens before it sends its head.
    call.initial_metadata()
    told.push([flow_record("worker", "later", 2, start_ns=before.start_ns)])
    assert next(call).flow.Key.dest_port == 2
    call.cancel()


# --- §4.6: statistics ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        pytest.param({}, ["allow-dns", "default-deny", "facts", "web"], id="§4.6 per policy"),
        pytest.param({"policy_match": pb.PolicyMatch(name=b"web")}, ["web"], id="§10 3.30: text"),
        pytest.param({"policy_match": pb.PolicyMatch(name=MESSAGE)}, ["allow-dns"], id="§10 3.32: message"),
        pytest.param({"policy_match": pb.PolicyMatch(tier=SECURITY)}, ["allow-dns"], id="§4.6 by tier"),
        pytest.param({"policy_match": pb.PolicyMatch(kind=pb.NetworkPolicy)}, ["web"], id="§4.6 by kind"),
        # The original matches nothing by action.
        pytest.param({"policy_match": pb.PolicyMatch(action=pb.Pass)}, ["allow-dns"], id="§4.6 by action"),
        pytest.param(
            {"policy_match": pb.PolicyMatch()}, ["allow-dns", "default-deny", "facts", "web"], id="§4.6 any"
        ),
    ],
)
def test_statistics_are_of_the_policies_that_match(
    channel: grpc.Channel, asked: dict[str, Any], names: list[str]
) -> None:
    request = pb.StatisticsRequest(start_time_gte=-300, **asked)
    results = list(stubs.StatisticsStub(channel).List(request, timeout=WAIT_S))
    assert sorted(result.policy.name for result in results) == names


def test_statistics_of_no_policy_are_one_empty_result_and_then_not_found(channel: grpc.Channel) -> None:
    """§4.6: "No match: one empty result and then NOT_FOUND"."""
    request = pb.StatisticsRequest(policy_match=pb.PolicyMatch(name=b"none"))
    call = stubs.StatisticsStub(channel).List(request, timeout=WAIT_S)
    assert next(call) == pb.StatisticsResult()
    assert fails(call).code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    "request_",
    [pb.StatisticsRequest(type=BOGUS), pb.StatisticsRequest(group_by=BOGUS)],
    ids=["type", "group"],
)
def test_statistics_of_no_known_type_are_refused(
    channel: grpc.Channel, request_: pb.StatisticsRequest
) -> None:
    assert fails(stubs.StatisticsStub(channel).List(request_, timeout=WAIT_S)).code() is INVALID
