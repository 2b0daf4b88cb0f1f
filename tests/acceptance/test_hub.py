"""A hub as its users run it: agents push, browsers and the command line read, and it is killed meanwhile."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx2 as httpx
import pytest

from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.proto import flows_pb2_grpc as stubs
from ocicat.api.records import flow_of
from ocicat.model.flow import Reporter
from support.hub import RealHub, denied_record, flow_record


def ocicat(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from ocicat.cli.main import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


class Stream:
    """A reader of an event stream, in a thread of its own."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        self.events: list[tuple[str, str, Any]] = []
        self.headers: dict[str, str] = {}
        self._arrived = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(url, headers or {}), daemon=True)
        self._thread.start()

    def _read(self, url: str, headers: dict[str, str]) -> None:
        # A hub that is killed, as some tests do, ends the stream with an error.
        with (
            contextlib.suppress(httpx.HTTPError),
            httpx.stream("GET", url, headers=headers, timeout=60, trust_env=False) as response,
        ):
            with self._arrived:
                self.headers = dict(response.headers)
                self._arrived.notify_all()
            self._lines(response.iter_lines())

    def _lines(self, lines: Iterable[str]) -> None:
        event: dict[str, str] = {}
        for line in lines:
            if line:
                field, _, value = line.partition(": ")
                event[field] = value
            elif "data" in event:
                with self._arrived:
                    found = (event.get("event", ""), event.get("id", ""), json.loads(event["data"]))
                    self.events.append(found)
                    self._arrived.notify_all()
                event = {}
            else:
                event = {}

    def wait(self, condition: Any, timeout: float = 30.0) -> None:
        """Return when the events meet a condition; fail after a while."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: condition(self), timeout), self.events[-3:]

    def flows(self) -> list[dict[str, Any]]:
        """The flows of all events, in order."""
        return [flow for kind, _, data in self.events if kind == "flow" for flow in data]

    def ports(self) -> list[int]:
        """The ports of the flows."""
        return [flow["dest_port"] for flow in self.flows()]


@pytest.fixture
def filled(real_hub: RealHub) -> RealHub:
    """A hub that has been told of the catfacts application."""
    real_hub.push(
        [
            flow_record("worker", "db"),
            flow_record("worker", "db", reporter=Reporter.SRC),
            flow_record("facts", "db"),
            flow_record("worker", "pub", 443, reporter=Reporter.SRC),
            denied_record(),
        ]
    )
    return real_hub


def test_what_is_pushed_is_listed_filtered_and_counted(filled: RealHub) -> None:
    assert len(filled.flows()) == 5
    assert {flow["source_name"] for flow in filled.flows("dest_name=db-*")} == {
        "worker-7c9d5f-*",
        "facts-7c9d5f-*",
    }
    [denied] = filled.flows("action=Deny")
    assert denied["policies"]["enforced"][0]["trigger"]["name"] == "facts"
    assert filled.get("/api/v1/flows", group="connection")["total"] == 4
    top = filled.get("/api/v1/top", by="dest", measure="denied")["items"]
    assert top[0]["key"] == "catfacts/facts-7c9d5f-*"
    graph = filled.get("/api/v1/graph")
    assert len(graph["edges"]) == 4
    status = filled.get("/api/v1/status")
    assert [node["name"] for node in status["nodes"]] == ["n1"]
    assert status["namespaces"] == ["catfacts"]


def test_one_connection_is_told_from_both_sides_with_its_history(filled: RealHub) -> None:
    flow = filled.flows("source_name=worker-* dest_name=db-* reporter=Src")[0]
    for identity in (flow["id"], flow["connection"]):
        details = filled.get(f"/api/v1/flows/{identity}")
        assert {one["reporter"] for one in details["flows"]} == {"Src", "Dst"}
        assert len(details["raw"]) == 2
        assert sum(point["bytes_forward"] for point in details["history"]) == 300
        assert details["egress"] is None


def test_a_filter_that_is_none_is_answered_with_the_column(real_hub: RealHub) -> None:
    with pytest.raises(httpx.HTTPStatusError) as failed:
        real_hub.flows("dest_name=db-* colour=red")
    assert failed.value.response.status_code == 400
    assert failed.value.response.json()["column"] == 16


def test_a_pushed_record_reaches_open_streams(real_hub: RealHub) -> None:
    ours = Stream(f"{real_hub.url}/api/v1/flows/stream?q=port%3D3306")
    theirs = Stream(f"{real_hub.url}/whisker-backend/flows?watch=true")
    ours.wait(lambda stream: any(kind == "caught-up" for kind, _, _ in stream.events))
    theirs.wait(lambda stream: stream.headers)  # it has no backfill: what comes before, it never sees
    real_hub.push([denied_record(), flow_record()])
    ours.wait(lambda stream: stream.ports() == [3306])
    theirs.wait(lambda stream: len(stream.events) == 2)
    assert {data["dest_port"] for _, _, data in theirs.events} == {80, 3306}
    assert theirs.headers["content-type"] == "text/event-stream"


def test_the_flow_api_answers_readers_of_the_aggregator(filled: RealHub) -> None:
    with grpc.insecure_channel(filled.grpc) as channel:
        flows = stubs.FlowsStub(channel)
        listed = flows.List(pb.FlowListRequest(start_time_gte=-300), timeout=10)
        assert listed.meta.totalResults == 5
        hints = flows.FilterHints(pb.FilterHintsRequest(type=pb.FilterTypeDestName), timeout=10)
        assert [hint.value for hint in hints.hints] == ["db-7c9d5f-*", "facts-7c9d5f-*", "pub"]
        stream = flows.Stream(pb.FlowStreamRequest(start_time_gte=-60), timeout=10)
        assert [next(stream).flow.Key.dest_port for _ in range(5)].count(3306) == 3
        stream.cancel()
        counts = stubs.StatisticsStub(channel).List(
            pb.StatisticsRequest(start_time_gte=-300, time_series=True), timeout=10
        )
        [result] = list(counts)
        assert (list(result.denied_in), result.policy.name) == ([3], "facts")


def test_flows_can_be_sent_one_by_one_as_calicos_agents_do(real_hub: RealHub) -> None:
    """§5: "A server: de-duplicates …"; a second connection of the same agent is not counted twice."""
    updates = [pb.FlowUpdate(flow=flow_of(record)) for record in (flow_record(start_ns=time.time_ns()),)]
    for _ in range(2):
        with grpc.insecure_channel(real_hub.grpc) as channel:
            receipts = stubs.FlowCollectorStub(channel).Connect(iter(updates), timeout=10)
            assert len(list(receipts)) == 1
    assert [flow["connections_started"] for flow in real_hub.flows()] == [1]


@pytest.mark.slow
def test_a_killed_hub_has_lost_nothing_that_it_acknowledged(real_hub: RealHub) -> None:
    acknowledged: list[int] = []
    started = threading.Event()

    def push() -> None:
        def batches() -> Iterator[pb.FlowBatch]:
            for sequence in range(1, 10_000):
                record = flow_record(port=sequence, start_ns=time.time_ns())
                yield pb.FlowBatch(flows=[flow_of(record)], sequence=sequence, sender="load")

        with grpc.insecure_channel(real_hub.grpc) as channel:
            try:
                for receipt in stubs.FlowBatchesStub(channel).Push(batches(), timeout=60):
                    acknowledged.append(receipt.sequence)
                    if len(acknowledged) == 50:
                        started.set()
            except grpc.RpcError:
                pass  # the hub was killed

    sender = threading.Thread(target=push)
    sender.start()
    assert started.wait(60)
    real_hub.kill()
    sender.join(30)
    real_hub.start()
    kept = {flow["dest_port"] for flow in real_hub.flows(limit=20_000)}
    assert set(range(1, acknowledged[-1] + 1)) <= kept


@pytest.mark.slow
def test_a_stream_goes_on_after_the_hub_was_killed_without_gap_or_double(real_hub: RealHub) -> None:
    before = Stream(f"{real_hub.url}/api/v1/flows/stream")
    for port in (1, 2, 3):
        real_hub.push([flow_record(port=port)])
    before.wait(lambda stream: set(stream.ports()) == {1, 2, 3})
    position = [identity for _, identity, _ in before.events if identity][-1]
    real_hub.push([flow_record(port=4)])
    real_hub.kill()
    real_hub.start()
    real_hub.push([flow_record(port=5)])
    after = Stream(f"{real_hub.url}/api/v1/flows/stream", {"Last-Event-ID": position})
    after.wait(lambda stream: any(kind == "caught-up" for kind, _, _ in stream.events))
    real_hub.push([flow_record(port=6)])
    after.wait(lambda stream: 6 in stream.ports())
    assert after.ports() == [4, 5, 6]
    assert not [data for kind, _, data in after.events if kind == "lost"]


def test_the_command_line_lists_follows_and_ranks(filled: RealHub) -> None:
    table = ocicat("flows", "--hub", filled.url, "--denied")
    assert table.returncode == 0, table.stderr
    assert "catfacts/facts-7c9d5f-*" in table.stdout
    assert "CalicoNetworkPolicy catfacts/facts, end of tier application-catfacts" in table.stdout
    assert len(table.stdout.splitlines()) == 2
    lines = ocicat("flows", "--hub", filled.url, "-o", "jsonl", "dest_name=db-*").stdout.splitlines()
    assert {json.loads(line)["dest_port"] for line in lines} == {3306}
    csv = ocicat("flows", "--hub", filled.url, "-o", "csv").stdout.splitlines()
    assert csv[0].startswith("id,connection,start_time")
    assert len(csv) == 6
    assert "facts-7c9d5f-*" in ocicat("top", "--hub", filled.url, "--by", "dest", "--once").stdout
    wrong = ocicat("flows", "--hub", filled.url, "colour=red")
    assert wrong.returncode == 3
    assert "there is no field 'colour'" in wrong.stderr


def test_the_command_line_follows(filled: RealHub) -> None:
    command = [sys.executable, "-c", "from ocicat.cli.main import main; main()"]
    with subprocess.Popen(
        [*command, "flows", "-f", "--hub", filled.url, "-o", "jsonl", "port=99"],
        stdout=subprocess.PIPE,
        text=True,
    ) as following:
        assert following.stdout is not None
        # It may connect before or after: the record is there either way.
        filled.push([flow_record(port=99)])
        assert json.loads(following.stdout.readline())["dest_port"] == 99
        following.terminate()


def test_a_hub_that_is_not_there_is_said(tmp_path: Path) -> None:
    missing = ocicat("flows", "--hub", "http://127.0.0.1:1")
    assert missing.returncode == 3
    assert "no hub answers at http://127.0.0.1:1" in missing.stderr


def test_a_taken_port_is_named_and_another_is_used_for_the_flow_api(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        hub = RealHub(tmp_path, "--grpc", address)
        assert hub.grpc != address
        hub.push([flow_record()])
        assert hub.stop() == 0
        refused = ocicat("hub", "--home", str(tmp_path), "--listen", address, "--grpc", "127.0.0.1:0")
        assert refused.returncode == 3
        assert f"{address} is taken" in refused.stderr


@pytest.mark.parametrize("option", ["--listen", "--grpc"])
def test_a_hub_that_everybody_could_use_does_not_start(tmp_path: Path, option: str) -> None:
    refused = ocicat("hub", "--home", str(tmp_path), option, "0.0.0.0:0")
    assert refused.returncode == 3
    assert "can be reached from" in refused.stderr


def test_a_second_hub_of_the_same_store_does_not_start(real_hub: RealHub) -> None:
    arguments = ("--home", str(real_hub.folder), "--listen", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
    refused = ocicat("hub", *arguments)
    assert refused.returncode == 3
    assert "the flow store kinds.duckdb cannot be opened" in refused.stderr


def test_a_hub_follows_a_goldmane_and_keeps_what_it_gives(filled: RealHub, tmp_path: Path) -> None:
    folder = tmp_path / "follower"
    folder.mkdir()
    follower = RealHub(folder, "--from-goldmane", filled.grpc)
    try:
        deadline = time.monotonic() + 30
        while len(follower.flows()) < 5 and time.monotonic() < deadline:
            time.sleep(0.1)
        filled.push([flow_record(port=7)])
        while len(follower.flows()) < 6 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(follower.flows()) == 6
        assert sum(flow["connections_started"] for flow in follower.flows()) == 6
    finally:
        follower.stop()
