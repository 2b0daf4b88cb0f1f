"""The receiving side of the flow API, as Calico's agents use it. Source: flows-and-console §5."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import pytest

from ocicat.api.collector import Collector
from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.records import flow_of
from ocicat.model.record import FlowRecord
from support.clocks import FakeTimer, settled
from support.hub import flow_record

NS = 1_000_000_000
START_S = 1_700_000_000 - 100
NODES = b"calico-node"
"""The name in the certificate, which all nodes of a Calico cluster share."""


class Peer:
    """What a method learns of its caller."""

    def __init__(self, address: str = "ipv4:10.0.0.1:40000", name: bytes = b"") -> None:
        self._address = address
        self._name = name

    def peer(self) -> str:
        return self._address

    def peer_identities(self) -> list[bytes] | None:
        return [self._name] if self._name else None


class Kept:
    """A store that can be made slow, or to fail. As the hub's, a commit that has begun goes on to its end."""

    def __init__(self) -> None:
        self.records: list[FlowRecord] = []
        self.is_full = False
        self.open = asyncio.Event()
        self.open.set()

    async def take(self, records: Sequence[FlowRecord]) -> None:
        await asyncio.shield(asyncio.create_task(self._commit(records)))

    async def _commit(self, records: Sequence[FlowRecord]) -> None:
        await self.open.wait()
        if self.is_full:
            raise OSError("no space left on device")
        self.records += records


async def each(items: Iterable[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


def felix(port: int = 80, start_s: int = START_S, **changes: Any) -> pb.Flow:
    """Return a flow as Calico's agent sends it: whole seconds, nothing of ours."""
    record = flow_record(port=port, start_ns=start_s * NS, source_ip="", dest_ip="", node="")
    flow = flow_of(record)
    for name in ("start_time_ns", "end_time_ns"):
        flow.ClearField(name)
    for name, value in {"end_time": start_s, **changes}.items():
        setattr(flow, name, value)
    return flow


async def connect(collector: Collector, flows: Iterable[pb.Flow], peer: Peer | None = None) -> int:
    """Send flows over one connection; return how many receipts came."""
    updates = each([pb.FlowUpdate(flow=flow) for flow in flows])
    return len([receipt async for receipt in collector.Connect(updates, peer or Peer())])


async def test_each_update_has_its_receipt_before_the_next_is_read() -> None:
    """ "client sends one FlowUpdate, waits for one FlowReceipt"; "even for duplicates"."""
    kept = Kept()
    collector = Collector(kept.take, FakeTimer())
    read: list[int] = []

    async def updates() -> AsyncIterator[pb.FlowUpdate]:
        for number, flow in enumerate((felix(1), felix(1), pb.Flow(), felix(2))):
            read.append(number)
            yield pb.FlowUpdate(flow=flow)

    at_receipt = [list(read) async for _ in collector.Connect(updates(), Peer())]
    assert at_receipt == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]
    assert [record.key.dest_port for record in kept.records] == [1, 2]
    assert (collector.received, collector.repeated, collector.refused) == (4, 1, 1)


SAME = Peer("ipv4:10.0.0.1:40000")


@pytest.mark.parametrize(
    ("second", "peer", "count"),
    [
        pytest.param(felix(), SAME, 1, id="the same over the same address"),
        pytest.param(felix(), Peer("ipv4:10.0.0.1:50000"), 1, id="a new connection has a new port"),
        pytest.param(felix(packets_in=99), SAME, 1, id="known by key and times, not by counts"),
        pytest.param(felix(port=81), SAME, 2, id="another key"),
        pytest.param(felix(start_s=START_S + 1), SAME, 2, id="another start"),
        pytest.param(felix(end_time=START_S + 15), SAME, 2, id="another end"),
        pytest.param(felix(), Peer("ipv4:10.0.0.2:40000"), 2, id="another node"),
        pytest.param(felix(), Peer("ipv6:%5Bfd00::2%5D:40000"), 2, id="another family"),
    ],
)
async def test_what_is_repeated_is_known_by_key_times_and_sender(
    second: pb.Flow, peer: Peer, count: int
) -> None:
    """ "de-duplicates on (key, start_time, end_time, …)"; "by IP without port"."""
    kept = Kept()
    collector = Collector(kept.take, FakeTimer())
    assert await connect(collector, [felix()], SAME) == 1
    assert await connect(collector, [second], peer) == 1
    assert len(kept.records) == count


async def test_nodes_that_share_a_certificate_are_not_taken_for_one() -> None:
    """§6: "Clients use e.g. `node-certs` (Felix, the same pair as for Typha)": one for all nodes."""
    kept = Kept()
    collector = Collector(kept.take, FakeTimer())
    for address in ("ipv4:10.0.0.1:1", "ipv4:10.0.0.2:1", "ipv4:10.0.0.1:2"):
        await connect(collector, [felix()], Peer(address, NODES))
    assert len(kept.records) == 2


async def test_what_was_taken_is_remembered_for_five_minutes() -> None:
    kept, timer = Kept(), FakeTimer()
    collector = Collector(kept.take, timer)
    await connect(collector, [felix()])
    await timer.advance(299)
    await connect(collector, [felix()])
    assert len(kept.records) == 1
    await timer.advance(2)
    await connect(collector, [felix()])
    assert len(kept.records) == 2


async def test_a_connection_that_breaks_during_a_commit_does_not_make_its_flow_count_twice() -> None:
    """The commit goes on, and the flow is sent again: "on every (re)connect first replays that cache"."""
    kept = Kept()
    kept.open.clear()
    collector = Collector(kept.take, FakeTimer())
    broken = asyncio.create_task(connect(collector, [felix()]))
    await settled()
    broken.cancel()
    await asyncio.gather(broken, return_exceptions=True)
    again = asyncio.create_task(connect(collector, [felix()], Peer("ipv4:10.0.0.1:2")))
    await settled()
    # No receipt before the first copy is kept: it would let the sender forget what may still be lost.
    assert not again.done()
    kept.open.set()
    assert await again == 1
    assert len(kept.records) == 1


async def test_a_batch_whose_connection_breaks_during_the_commit_is_known_again() -> None:
    kept = Kept()
    kept.open.clear()
    collector = Collector(kept.take, FakeTimer())
    batch = pb.FlowBatch(flows=[felix()], sequence=1, sender="n1/run")

    async def push() -> list[int]:
        return [receipt.sequence async for receipt in collector.Push(each([batch]), Peer())]

    broken = asyncio.create_task(push())
    await settled()
    broken.cancel()
    await asyncio.gather(broken, return_exceptions=True)
    again = asyncio.create_task(push())
    await settled()
    assert not again.done()
    kept.open.set()
    assert await again == [1]
    assert len(kept.records) == 1


async def test_a_flow_that_could_not_be_kept_has_no_receipt_and_is_taken_when_it_comes_again() -> None:
    """ "Receipt means "accepted"": a full disk is not."""
    kept = Kept()
    kept.is_full = True
    collector = Collector(kept.take, FakeTimer())
    with pytest.raises(OSError, match="no space"):
        await connect(collector, [felix()])
    kept.is_full = False
    assert await connect(collector, [felix()]) == 1
    assert len(kept.records) == 1


@pytest.mark.parametrize(
    ("start_s", "end_s", "expected_s"),
    [
        pytest.param(1_699_999_995, 1_699_999_995, 1_700_000_010, id="at an edge"),
        pytest.param(1_699_999_996, 1_699_999_996, 1_700_000_010, id="inside a bucket"),
        pytest.param(1_699_999_996, 1_699_999_999, 1_699_999_999, id="with an end of its own"),
    ],
)
async def test_a_record_that_ends_when_it_starts_is_of_its_bucket(
    start_s: int, end_s: int, expected_s: int
) -> None:
    """ "Records from Felix carry `end_time` equal to `start_time`; use the bucket's edges"."""
    kept = Kept()
    await connect(Collector(kept.take, FakeTimer()), [felix(start_s=start_s, end_time=end_s)])
    [record] = kept.records
    assert (record.start_ns, record.end_ns) == (start_s * NS, expected_s * NS)


async def test_two_reports_within_a_bucket_are_two() -> None:
    """Flushes jitter by 10 %, so two of one agent may begin in one bucket: both count."""
    kept = Kept()
    await connect(Collector(kept.take, FakeTimer()), [felix(start_s=START_S), felix(start_s=START_S + 13)])
    assert len(kept.records) == 2


async def test_hits_are_in_the_order_of_their_indexes_before_keys_are_compared() -> None:
    """§3: "Sort *before* keying": the same flow with its hits in another order is the same flow."""
    kept = Kept()
    one, other = felix(), felix()
    for flow, order in ((one, (0, 1)), (other, (1, 0))):
        del flow.Key.policies.enforced_policies[:]
        for index in order:
            hit = flow.Key.policies.enforced_policies.add(kind=pb.GlobalNetworkPolicy, action=pb.Pass)
            hit.policy_index, hit.name = index, f"p{index}"
    await connect(Collector(kept.take, FakeTimer()), [one, other])
    [record] = kept.records
    assert [hit.name for hit in record.key.enforced] == ["p0", "p1"]
