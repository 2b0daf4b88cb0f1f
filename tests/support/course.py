"""The cluster of the course: `ocicat up`, a kubectl, forwards, the page of catfacts, and the flows."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx

from support.kubectl import Kubectl, find, required

MANIFESTS = Path(__file__).parents[2] / "manifests"
UP_S = 120


def eventually(question: Callable[[], Any], wanted: Any = True, seconds: float = 90) -> None:
    """Ask again and again until the answer is the wanted one."""
    deadline = time.monotonic() + seconds
    while (answer := question()) != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    assert answer == wanted


def free(port: int) -> bool:
    """Whether nobody listens on a port of either loopback."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


class Course:
    """A running cluster, and what its user does with it."""

    def __init__(self, kubectl: Kubectl, process: subprocess.Popen, log: Path) -> None:
        """`process` is `ocicat up`, and `log` what it prints."""
        self.kubectl = kubectl
        self.process = process
        self.log = log
        self.agents = Path(kubectl.environment["KUBECONFIG"]).parents[1] / "agents"
        self.console = re.search(r"http://localhost:\d+", log.read_text())[0]
        self.port = int(self.console.rpartition(":")[2])

    def flows(self, **parameters: Any) -> list[dict[str, Any]]:
        """The flows of the last minutes, as the unmodified Whisker front end reads them."""
        answer = httpx.get(f"{self.console}/whisker-backend/flows", params=parameters, trust_env=False)
        answer.raise_for_status()
        return list(answer.json()["items"])

    def connections(self) -> set[tuple[str, str, int, str]]:
        """Who spoke to whom: source, destination (without the pods' own part), port, action."""
        return {
            (plain(flow["source_name"]), plain(flow["dest_name"]), flow["dest_port"], flow["action"])
            for flow in self.flows()
        }

    def denied_since(self, when_ns: int) -> list[dict[str, Any]]:
        """The flows that were denied after a time, which is rounded up to seconds."""
        flows = self.flows(startTimeGte=when_ns // 1_000_000_000 + 1)
        return [flow for flow in flows if flow["action"] == "Deny"]

    def running(self, namespace: str, count: int) -> None:
        """Wait until so many pods of a namespace run, and no others are there."""
        asked = f"get pods -n {namespace} --no-headers"
        wanted = ["1/1 Running"] * count
        eventually(lambda: [" ".join(row.split()[1:3]) for row in self.kubectl(asked).splitlines()], wanted)

    @contextmanager
    def forward(self, *words: str) -> Iterator[int]:
        """Run `kubectl port-forward`; yield the local port."""
        with self.kubectl.popen("port-forward", *words) as forward:
            try:
                said = forward.stdout.readline()
                assert "Forwarding from" in said, said + forward.stderr.read()
                yield int(said.split("->")[0].rpartition(":")[2])
            finally:
                forward.kill()

    def kill(self, words: str) -> None:
        """`kill -9` the one process of this cluster whose command line has these words."""
        (pid,) = [pid for pid in descendants(self.process.pid) if words in command_line(pid)]
        os.kill(pid, signal.SIGKILL)

    def page(self) -> tuple[int, str]:
        """What the page of catfacts answers through a forward: status and text."""
        with self.forward("-n", "catfacts", "service/facts", ":80") as port:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read().decode()

    def worker_says(self) -> str:
        """The worker's log."""
        return self.kubectl("logs -n catfacts deployment/worker")


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *descendants(child)]
    return found


def command_line(pid: int) -> str:
    """The command line of a process; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def plain(name: str) -> str:
    """A workload's name without what its ReplicaSet and pods add."""
    return re.sub(r"-[a-z0-9]{8,10}-\*$", "", name)


@contextmanager
def course(
    folder: Path, version: str, ocicat: Sequence[str], home: Path, options: Sequence[str] = ()
) -> Iterator[Course]:
    """Start `ocicat up` as a person would, and end it with Ctrl-C; nothing may be left.

    `ocicat` is the command with all that comes before its own words, `home` the state folder.
    """
    port = "8081" if free(8081) else "0"
    process, log = started(folder, [*ocicat, "up", *options, "--home", str(home), "--console-port", port])
    try:
        kubeconfig = home / "default" / "api" / "kubeconfig"
        yield Course(Kubectl(required(version), version, kubeconfig, folder / "kube"), process, log)
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
    assert code == 0, log.read_text()
    assert_nothing_is_left(home)


def started(folder: Path, command: Sequence[str]) -> tuple[subprocess.Popen, Path]:
    """Start `ocicat up` and wait until it is; return it and what it prints."""
    log = folder / "up.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    eventually(lambda: "Ctrl-C" in log.read_text() or process.poll() is not None, seconds=UP_S)
    assert process.poll() is None, log.read_text()
    return process, log


def assert_nothing_is_left(home: Path) -> None:
    """No process of a cluster runs any more."""
    asked = ["pgrep", "-fa", str(home)]
    eventually(lambda: subprocess.run(asked, capture_output=True, text=True, check=False).stdout, "", 10)


OWN = (sys.executable, "-m", "ocicat")
"""ocicat of this checkout."""


def newest() -> str:
    """The newest kubectl that the machine has, else Debian's."""
    return "1.32" if find("1.32") else "1.20"


def environment() -> dict[str, str]:
    """The environment of a terminal of 80 columns."""
    return {**os.environ, "TERM": "xterm"}
