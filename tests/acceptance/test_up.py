"""The commands around `ocicat up`: what they say of a cluster that runs, and of one that does not."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import yaml

from support.course import OWN, assert_nothing_is_left, eventually, started

pytestmark = [pytest.mark.cluster, pytest.mark.kernel]
Done = subprocess.CompletedProcess


@pytest.fixture(scope="module")
def home(tmp_path_factory: Any) -> Path:
    """A state folder."""
    return tmp_path_factory.mktemp("up") / "home"


@pytest.fixture(scope="module")
def ocicat(home: Path) -> Callable[..., Done]:
    """Type a command of ocicat."""

    def run(*words: str, **variables: str) -> Done:
        environment = {"PATH": "/usr/bin:/bin", "OCICAT_HOME": str(home), **variables}
        return subprocess.run([*OWN, *words], capture_output=True, text=True, env=environment, check=False)

    return run


@pytest.fixture(scope="module")
def running(home: Path, tmp_path_factory: Any) -> Iterator[subprocess.Popen]:
    """A cluster of two nodes, for all tests of this file but the last ones."""
    command = [*OWN, "up", "--home", str(home), "--name", "lab", "--nodes", "2", "--console-port", "0"]
    process, log = started(tmp_path_factory.mktemp("log"), command)
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(60) == 0, log.read_text()
    assert_nothing_is_left(home)


def test_before_it_was_ever_up(ocicat: Callable[..., Done]) -> None:
    assert ocicat("status", "--name", "lab").stdout == "lab is not running\n"
    assert ocicat("down", "--name", "lab").stdout == "lab was not running\n"
    assert ocicat("reset", "--name", "lab").stdout == "there is no cluster lab\n"
    merged = ocicat("kubeconfig", "--name", "lab", "--merge", KUBECONFIG="/nowhere/config")
    assert "has this cluster ever been up?" in merged.stderr


def test_status_shows_nodes_pods_and_the_console(ocicat: Callable[..., Done], running: Any) -> None:
    def said() -> list[str]:
        return ocicat("status", "--name", "lab").stdout.splitlines()

    eventually(lambda: "pods: 3 of 3 ready" in said())
    eventually(lambda: sum("policies on" in line and "are enforced" in line for line in said()), 2)
    assert [line.partition(";")[0] for line in said() if line.startswith("node ")] == [
        "node node-1: ready",
        "node node-2: ready",
    ]
    (console,) = [line.removeprefix("console: ") for line in said() if line.startswith("console: ")]
    assert httpx.get(console, trust_env=False).status_code == 200
    assert ocicat("status", "--name", "lab").returncode == 0


def test_the_name_of_the_cluster_is_a_setting_too(ocicat: Callable[..., Done], running: Any) -> None:
    assert ocicat("status", OCICAT_UP_NAME="lab").stdout.startswith("lab runs")


def test_logs_of_each_part(ocicat: Callable[..., Done], running: Any) -> None:
    parts = ocicat("logs", "--name", "lab").stdout.split()
    assert parts == ["agent-node-1", "agent-node-2", "api", "node-1", "node-2", "outside"]
    assert "node.registered" in ocicat("logs", "node-2", "--name", "lab").stdout
    refused = ocicat("logs", "node-3", "--name", "lab")
    assert refused.returncode == 2
    assert "there is no part node-3; there are: agent-node-1" in refused.stderr


def test_its_kubeconfig_can_be_merged(ocicat: Callable[..., Done], running: Any, tmp_path: Path) -> None:
    mine = tmp_path / "config"
    said = ocicat("kubeconfig", "--name", "lab", "--merge", KUBECONFIG=str(mine))
    assert said.stdout == f"{mine} has the context ocicat-lab, which is the current one\n"
    source = Path(ocicat("kubeconfig", "--name", "lab").stdout.strip())
    assert yaml.safe_load(mine.read_text())["clusters"] == yaml.safe_load(source.read_text())["clusters"]


def test_down_ends_it_and_reset_forgets_it(ocicat: Callable[..., Done], running: Any, home: Path) -> None:
    assert ocicat("down", "--name", "lab").stdout == "lab is down\n"
    assert running.wait(10) == 0
    assert (home / "lab").is_dir()
    assert ocicat("reset", "--name", "lab", "--yes").stdout == "lab is gone\n"
    assert not (home / "lab").exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--name", "Not Good"], "name must be small letters"),
        (["--console-port", "70000"], "a port must be 0 to 65535"),
        (["--nodes", "many"], "--nodes ('many')"),
    ],
)
def test_what_cannot_be_is_refused(ocicat: Callable[..., Done], words: list[str], why: str) -> None:
    refused = ocicat("up", *words)
    assert refused.returncode == 2
    assert why in refused.stderr
