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

    def __init__(self, kubectl: Kubectl, said: str) -> None:
        """`said` is what `ocicat up` printed."""
        self.kubectl = kubectl
        self.console = re.search(r"http://localhost:\d+", said)[0]
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
        """The denied flows that began after a time."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when_ns / 1e9 + 1))
        return [flow for flow in self.flows() if flow["action"] == "Deny" and flow["start_time"] > stamp]

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
    log = folder / "up.log"
    port = "8081" if free(8081) else "0"
    command = [*ocicat, "up", "--name", "course", "--home", str(home), "--console-port", port, *options]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        eventually(lambda: "Ctrl-C" in log.read_text() or process.poll() is not None, seconds=UP_S)
        assert process.poll() is None, log.read_text()
        kubeconfig = home / "course" / "api" / "kubeconfig"
        yield Course(Kubectl(required(version), version, kubeconfig, folder / "kube"), log.read_text())
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
    assert code == 0, log.read_text()
    left = subprocess.run(["pgrep", "-fa", str(home)], capture_output=True, text=True, check=False)
    assert left.stdout == ""


OWN = (sys.executable, "-m", "ocicat")
"""ocicat of this checkout."""


def newest() -> str:
    """The newest kubectl that the machine has, else Debian's."""
    return "1.32" if find("1.32") else "1.20"


def environment() -> dict[str, str]:
    """The environment of a terminal of 80 columns."""
    return {**os.environ, "TERM": "xterm"}
