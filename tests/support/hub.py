"""A real hub in a process of its own, records of a small application, and a sender of batches."""

import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import httpx2 as httpx
import msgspec
import pytest

from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.proto import flows_pb2_grpc as stubs
from ocicat.api.records import flow_of
from ocicat.model.flow import Action, Hit, HitKind, Reporter, Trigger
from ocicat.model.record import EndType, FlowCounts, FlowKey, FlowRecord

NS = 1_000_000_000
DEADLINE_S = 30.0
PROFILE = (Hit(HitKind.PROFILE, "", "kns.catfacts", "", Action.ALLOW, 0, 0),)
STAGED = (
    Hit(
        HitKind.END_OF_TIER,
        "",
        "",
        "default",
        Action.DENY,
        0,
        -1,
        Trigger(HitKind.STAGED_GLOBAL_NETWORK_POLICY, "", "default-deny", "default"),
    ),
)
REFUSED = (
    Hit(
        HitKind.END_OF_TIER,
        "",
        "",
        "application-catfacts",
        Action.DENY,
        0,
        -1,
        Trigger(HitKind.CALICO_NETWORK_POLICY, "catfacts", "facts", "application-catfacts"),
    ),
)


def flow_record(
    source: str = "worker",
    dest: str = "db",
    port: int = 3306,
    *,
    start_ns: int | None = None,
    reporter: Reporter = Reporter.DST,
    action: Action = Action.ALLOW,
    enforced: tuple[Hit, ...] = PROFILE,
    pending: tuple[Hit, ...] | None = None,
    connections: int = 1,
    **changes: Any,
) -> FlowRecord:
    """Return a record of one second between two Deployments of catfacts, or of one with a network."""
    start = start_ns if start_ns is not None else time.time_ns() - NS
    ends = []
    for name in (source, dest):
        is_network = name in ("pub", "pvt")
        shown = name if is_network or "*" in name else f"{name}-7c9d5f-*"
        kind = EndType.NETWORK if is_network else EndType.WORKLOAD
        ends += [shown, "-" if is_network else "catfacts", kind]
    key = FlowKey(
        *ends, port, dest, "catfacts", "-", port, "tcp", reporter, action, enforced, pending or enforced
    )
    counts = FlowCounts(3 * connections, 2 * connections, 300 * connections, 200 * connections, connections)
    record = FlowRecord(
        key,
        start,
        start + NS,
        (f"app={source}",),
        (f"app={dest}",),
        counts,
        "10.65.0.7",
        "10.65.0.8",
        "n1",
    )
    return msgspec.structs.replace(record, **changes)


def denied_record(**changes: Any) -> FlowRecord:
    """Return worker → facts, denied at the end of a tier."""
    given = {"action": Action.DENY, "enforced": REFUSED} | changes
    return flow_record("worker", "facts", 80, **given)


class RealHub:
    """`ocicat hub` on free ports, with a store in `folder`."""

    def __init__(self, folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.arguments = arguments
        self.environment = environment or {}
        self.process: subprocess.Popen[bytes]
        self.url = self.grpc = ""
        self.start()

    def start(self) -> None:
        """Start it, again after it ended; returns when it answers."""
        argv = [
            sys.executable,
            "-c",
            "from ocicat.cli.main import main; main()",
            "hub",
            "--home",
            str(self.folder),
        ]
        if "--listen" not in self.arguments:
            argv += ["--listen", "127.0.0.1:0"]
        if "--grpc" not in self.arguments:
            argv += ["--grpc", "127.0.0.1:0"]
        with (self.folder / "hub.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*argv, *self.arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environment},
            )
        said = self._said()
        self.url = re.search(r"http://\S+", said)[0]  # type: ignore[index]
        self.grpc = re.search(r"flow API: (\S+)", said)[1]  # type: ignore[index]

    def _said(self) -> str:
        out, said = self.process.stdout, ""
        assert out is not None
        deadline = time.monotonic() + DEADLINE_S
        while not re.search(r"flow API: \S+\n", said):
            assert time.monotonic() < deadline, (self.folder / "hub.log").read_text()
            if select.select([out], [], [], 0.5)[0]:
                part = os.read(out.fileno(), 4096)
                assert part, (self.folder / "hub.log").read_text()
                said += part.decode()
        return said

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        """Ask it to end; returns its exit code."""
        self.process.terminate()
        return self._reap()

    def _reap(self) -> int:
        code = self.process.wait(timeout=20)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def push(self, records: Sequence[FlowRecord], sequence: int = 0, sender: str = "") -> int:
        """Push one batch; returns the sequence that the hub acknowledged."""
        sender = sender or f"test/{time.monotonic_ns()}"
        batch = pb.FlowBatch(flows=map(flow_of, records), sequence=sequence or 1, sender=sender)
        with grpc.insecure_channel(self.grpc) as channel:
            replies = stubs.FlowBatchesStub(channel).Push(iter([batch]), timeout=DEADLINE_S)
            return int(next(replies).sequence)

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON of a path."""
        answer = httpx.get(f"{self.url}{path}", params=query, timeout=DEADLINE_S, trust_env=False)
        answer.raise_for_status()
        return answer.json()

    def flows(self, q: str = "", **query: Any) -> list[dict[str, Any]]:
        """Return the flows that a filter lets through."""
        items: list[dict[str, Any]] = self.get("/api/v1/flows", q=q, **query)["items"]
        return items


@pytest.fixture
def real_hub(tmp_path: Path) -> Iterator[RealHub]:
    """A hub that was just started."""
    hub = RealHub(tmp_path)
    yield hub
    if hub.process.poll() is None:
        hub.stop()
