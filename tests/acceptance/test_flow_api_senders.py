"""What senders do to a real hub: replay, floods, and messages that are none.

Source: flows-and-console §5 (ingestion), §12.
"""

import contextlib
import time

import grpc
import pytest

from ocicat.api.channel import MESSAGE_BYTES
from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.proto import flows_pb2_grpc as stubs
from ocicat.api.records import flow_of
from support.flowapi import RECENT, WAIT_S, exactly, fails, listed, ports
from support.hub import RealHub, flow_record
from support.whisker import NS, OLD_S


def felix(number: int) -> pb.FlowUpdate:
    """Return an update as Calico's agent sends it."""
    record = flow_record("felix", "sink", number, start_ns=(int(time.time()) - OLD_S) * NS, node="")
    flow = flow_of(record)
    for name in ("start_time_ns", "end_time_ns", "source_ip", "dest_ip"):
        flow.ClearField(name)
    flow.end_time = flow.start_time
    return pb.FlowUpdate(flow=flow)


def sink(channel: grpc.Channel) -> dict[int, int]:
    """Return the connections by port that were counted of what `felix` sent."""
    wanted = pb.Filter(source_names=exactly("felix-7c9d5f-*"))
    result = listed(channel, start_time_gte=1, filter=wanted)
    return {item.flow.Key.dest_port: item.flow.num_connections_started for item in result.flows}


def test_a_replay_on_a_new_connection_is_acknowledged_and_not_counted(told: RealHub) -> None:
    """§5: "on every (re)connect first replays that cache"; "even for duplicates"."""
    cache = [felix(number) for number in range(1, 31)]
    for sent in (cache[:20], cache, [*cache, felix(99)]):
        with grpc.insecure_channel(told.grpc) as channel:
            receipts = stubs.FlowCollectorStub(channel).Connect(iter(sent), timeout=WAIT_S)
            assert len(list(receipts)) == len(sent)
    with grpc.insecure_channel(told.grpc) as channel:
        assert sink(channel) == dict.fromkeys([*range(1, 31), 99], 1)


GARBAGE = (b"\xff" * 64, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x04\x0a\x02\x0a\xff", b"\x0b" * 50, bytes(500))


@pytest.mark.parametrize(
    "method",
    [
        "Flows/List",
        "Flows/Stream",
        "Flows/FilterHints",
        "FlowCollector/Connect",
        "Statistics/List",
        "FlowBatches/Push",
    ],
)
def test_no_message_harms_the_hub(channel: grpc.Channel, method: str) -> None:
    """Bytes that are no message, text that is no UTF-8, groups, lengths past the end."""
    for body in GARBAGE:
        with contextlib.suppress(grpc.RpcError):
            for _ in channel.stream_stream(f"/goldmane.{method}")(iter([body]), timeout=2):
                break
    assert ports(listed(channel)) == RECENT


def test_triggers_in_triggers_do_not_overflow_anything(channel: grpc.Channel) -> None:
    for depth in (50, 5000):
        # Each level is a hit whose field 8 is the next; lengths of two bytes hold what 50 levels need.
        inner = b""
        for _ in range(depth):
            inner = b"\x42" + varint(len(inner)) + inner
        update = pb.FlowUpdate(flow=felix(7).flow).SerializeToString()
        call = channel.stream_stream("/goldmane.FlowCollector/Connect")(
            iter([update + b"\x0a" + varint(len(inner)) + inner]), timeout=WAIT_S
        )
        with contextlib.suppress(grpc.RpcError):
            list(call)
    assert ports(listed(channel)) == RECENT


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def test_a_message_has_a_bound_and_a_large_batch_is_below_it(channel: grpc.Channel) -> None:
    """Larger than gRPC's own 4 MiB goes; larger than ours is refused, and nothing of it is kept."""
    push = stubs.FlowBatchesStub(channel).Push
    flow = felix(200).flow
    hits = [pb.PolicyHit(kind=pb.GlobalNetworkPolicy, action=pb.Pass, name="p" * 200)] * 20
    flow.Key.policies.enforced_policies.extend(hits)
    for count, is_taken in ((1500, True), (5000, False)):
        batch = pb.FlowBatch(flows=[flow] * count, sequence=count, sender="large")
        assert (4 * 2**20 < batch.ByteSize() < MESSAGE_BYTES) is is_taken
        if is_taken:
            assert [receipt.sequence for receipt in push(iter([batch]), timeout=WAIT_S)] == [count]
        else:
            error = fails(push(iter([batch]), timeout=WAIT_S))
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert sink(channel)[200] == 1500
