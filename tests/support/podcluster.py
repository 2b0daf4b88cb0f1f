"""A cluster of two nodes for the tests of pods, and what they do with it."""

import itertools
import os
import re
import signal
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.course import (
    OWN,
    assert_nothing_is_left,
    command_line,
    descendants,
    eventually,
    newest,
    started,
)
from support.kubectl import Kubectl, required


class PodCluster:
    """A running `ocicat up`."""

    def __init__(self, kubectl: Kubectl, process: subprocess.Popen, log: Path) -> None:
        self.kubectl = kubectl
        self.process = process
        self.log = log
        self.space = "default"
        self.numbers = itertools.count(1)

    def __call__(self, words: str, stdin: str = "") -> str:
        """Run kubectl in the present namespace; it must succeed."""
        return self.kubectl(f"-n {self.space} {words}", stdin)

    def with_(self, version: str) -> Kubectl:
        """A kubectl of another age."""
        home = Path(self.kubectl.environment["HOME"])
        return Kubectl(required(version), version, Path(self.kubectl.environment["KUBECONFIG"]), home)

    def apply(self, text: str) -> None:
        """Apply a manifest."""
        self("apply -f -", textwrap.dedent(text))

    def pod(self, name: str, container: str, spec: str = "") -> None:
        """Apply a pod of one container of busybox; both parts are in YAML's flow style, without braces."""
        rest = f", {spec}" if spec else ""
        self.apply(f"""
            apiVersion: v1
            kind: Pod
            metadata: {{name: {name}, labels: {{app: {name}}}}}
            spec: {{containers: [{{name: c, image: busybox, {container}}}]{rest}}}
        """)

    def ready(self, name: str) -> None:
        """Wait until a pod is ready."""
        self(f"wait --for=condition=Ready pod/{name} --timeout=50s")

    def status(self, name: str) -> dict[str, Any]:
        """The status of a pod."""
        return dict(msgspec.json.decode(self(f"get pod {name} -o json"))["status"])

    def container(self, name: str) -> dict[str, Any]:
        """The status of a pod's first container; empty before there is any."""
        return dict((self.status(name).get("containerStatuses") or [{}])[0])

    def waits(self, name: str) -> str:
        """Why a pod's first container waits; empty where it does not."""
        return str(((self.container(name).get("state") or {}).get("waiting") or {}).get("reason", ""))

    def sh(self, pod: str, script: str) -> str:
        """Run a shell's script in a pod; return what it prints."""
        return self(f"exec -i {pod} -- sh -s", script)

    def pid(self, words: str) -> int:
        """The one process of this cluster whose command line has these words."""
        (found,) = [pid for pid in descendants(self.process.pid) if words in command_line(pid)]
        return found

    def kill(self, words: str) -> None:
        """`kill -9` the one process of this cluster whose command line has these words."""
        os.kill(self.pid(words), signal.SIGKILL)


def up(folder: Path, name: str, *options: str) -> tuple[PodCluster, Path]:
    """Start a cluster on free ports; return it and its state folder."""
    home = folder / "home"
    words = ["up", "--name", name, "--home", str(home), "--port", "0", "--console-port", "0", *options]
    (folder / name).mkdir(parents=True)
    process, log = started(folder / name, [*OWN, *words])
    kubeconfig, version = home / name / "api" / "kubeconfig", newest()
    kubectl = Kubectl(required(version), version, kubeconfig, folder / "kube")
    return PodCluster(kubectl, process, log), home / name


def down(cluster: PodCluster, place: Path) -> None:
    """End a cluster with Ctrl-C; nothing of it may be left."""
    cluster.process.send_signal(signal.SIGINT)
    assert cluster.process.wait(60) == 0, cluster.log.read_text()
    assert_nothing_is_left(place)


@pytest.fixture(scope="session")
def two_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PodCluster]:
    """A cluster of two nodes for all tests of pods; each has a namespace of its own."""
    cluster, place = up(tmp_path_factory.mktemp("pods"), "pods", "--nodes", "2")
    yield cluster
    down(cluster, place)


@pytest.fixture
def cluster(two_nodes: PodCluster, request: pytest.FixtureRequest) -> Iterator[PodCluster]:
    """The cluster, with a namespace for this test."""
    name = re.sub("[^a-z0-9]+", "-", request.node.name[5:50].lower()).strip("-")
    two_nodes.space = f"{name}-{next(two_nodes.numbers)}"
    two_nodes.kubectl(f"create namespace {two_nodes.space}")
    # What runs in a namespace is run as an account of it, which comes a moment later.
    eventually(lambda: "default" in two_nodes("get serviceaccounts -o name"))
    yield two_nodes
    two_nodes("delete pods --all --now --wait=false")
    two_nodes.kubectl(f"delete namespace {two_nodes.space} --wait=false")
