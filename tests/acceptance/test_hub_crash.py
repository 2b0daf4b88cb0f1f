"""A hub that is killed under load: what senders repeat is counted once, what readers missed comes once.

Source: flows-and-console §5, §12 ("restart in the middle of a stream"), docs/explanation/console-api.md.
"""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import httpx2 as httpx
import pytest

from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.proto import flows_pb2_grpc as stubs
from ocicat.api.records import flow_of
from support.hub import RealHub, flow_record

pytestmark = pytest.mark.slow
UNDERWAY = 20
"""Batches that a sender sends before it waits for a receipt."""
KILLS = 3


class Sender:
    """Sends batches of one record, whose port is the batch's number, and repeats what no receipt names."""

    def __init__(self, hub: RealHub) -> None:
        self._hub = hub
        self._last = 0
        self._acknowledged = 0
        self._changed = threading.Condition()
        self._end = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not (self._end and self._acknowledged == self._last):
            with contextlib.suppress(grpc.RpcError), grpc.insecure_channel(self._hub.grpc) as channel:
                for receipt in stubs.FlowBatchesStub(channel).Push(self._batches(), timeout=60):
                    with self._changed:
                        self._acknowledged = max(self._acknowledged, receipt.sequence)
                        self._changed.notify_all()
            time.sleep(0.02)

    def _batches(self) -> Iterator[pb.FlowBatch]:
        """Yield what no receipt names, then new batches."""
        sequence = self._acknowledged
        while True:
            self._wait_for_receipt(sequence - UNDERWAY)
            if self._end and sequence >= self._last:
                return
            sequence += 1
            self._last = max(self._last, sequence)
            record = flow_record(port=sequence, start_ns=1_700_000_000_000_000_000)
            yield pb.FlowBatch(flows=[flow_of(record)], sequence=sequence, sender="n1/run")

    def _wait_for_receipt(self, sequence: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._acknowledged > sequence, 5)

    def wait(self, count: int) -> None:
        """Return when so many batches more have been acknowledged."""
        with self._changed:
            goal = self._acknowledged + count
            assert self._changed.wait_for(lambda: self._acknowledged >= goal, 60)

    def end(self) -> int:
        """Send no more; return how many batches there were, when all are acknowledged."""
        self._end = True
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self._last


class Reader:
    """Reads the stream, and goes on after its last position whenever it breaks."""

    def __init__(self, hub: RealHub) -> None:
        self._hub = hub
        self.ports: list[int] = []
        self.lost: list[Any] = []
        self._position = ""
        self._changed = threading.Condition()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                self._read()
            time.sleep(0.02)

    def _read(self) -> None:
        query = {"from": "2023-01-01T00:00:00Z", "last_event_id": self._position}
        url = f"{self._hub.url}/api/v1/flows/stream"
        with httpx.stream("GET", url, params=query, timeout=60, trust_env=False) as answer:
            event: dict[str, str] = {}
            for line in answer.iter_lines():
                if line:
                    field, _, value = line.partition(": ")
                    event[field] = value
                else:
                    self._note(event)
                    event = {}

    def _note(self, event: dict[str, str]) -> None:
        with self._changed:
            if event.get("event") == "lost":
                self.lost.append(event["data"])
            if event.get("event") == "flow":
                self.ports += [flow["dest_port"] for flow in json.loads(event["data"])]
                self._position = event["id"]
            self._changed.notify_all()

    def wait(self, port: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: port in self.ports[-2000:], 60), self.ports[-5:]


def test_senders_and_readers_go_on_as_if_nothing_had_happened(real_hub: RealHub) -> None:
    sender, reader = Sender(real_hub), Reader(real_hub)
    reader.wait(1)
    for _ in range(KILLS):
        sender.wait(150)
        real_hub.kill()
        real_hub.start()
    sender.wait(50)
    count = sender.end()
    assert count > KILLS * 150
    reader.wait(count)
    # Each once; history, with which a stream begins, is in no order of arrival.
    assert sorted(reader.ports) == list(range(1, count + 1))
    assert reader.lost == []
    query = {"from": "2023-01-01T00:00:00Z", "limit": 20_000}
    kept = real_hub.flows(**query)
    assert sorted(flow["dest_port"] for flow in kept) == list(range(1, count + 1))
    assert {flow["connections_started"] for flow in kept} == {1}


def test_what_calicos_agents_repeat_after_a_crash_is_counted_once(real_hub: RealHub) -> None:
    """§5: "on every (re)connect first replays that cache, then goes on with new records"."""
    cache = [flow_record(port=port, node="") for port in range(1, 21)]

    def send() -> None:
        updates = iter([pb.FlowUpdate(flow=flow_of(record)) for record in cache])
        with grpc.insecure_channel(real_hub.grpc) as channel:
            receipts = stubs.FlowCollectorStub(channel).Connect(updates, timeout=30)
            assert len(list(receipts)) == len(cache)

    send()
    real_hub.kill()
    real_hub.start()
    cache.append(flow_record(port=99, node=""))
    send()
    found = {flow["dest_port"]: flow["connections_started"] for flow in real_hub.flows()}
    assert found == dict.fromkeys([*range(1, 21), 99], 1)
