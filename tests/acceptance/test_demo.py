"""`make demo` starts a cluster with catfacts and the console, says what to type next, and ends at Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from support.course import eventually, newest
from support.kubectl import required

pytestmark = [pytest.mark.cluster, pytest.mark.kernel]
ROOT = Path(__file__).resolve().parents[2]


class Demo:
    """A running demo and what it printed."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": os.environ["HOME"],
            "OCICAT_HOME": str(folder / "home"),
            "OCICAT_UP_CONSOLE_PORT": "0",
        }
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                ["scripts/demo"], cwd=ROOT, env=self.environment, stdout=out, stderr=out
            )
        eventually(lambda: "Ctrl-C" in self.said or self.process.poll() is not None)

    @property
    def said(self) -> str:
        return self.log.read_text()

    def shell(self, command: str) -> str:
        """Type a command into another terminal."""
        kubectl = f"{required(newest()).parent}"
        environment = {**self.environment, "PATH": f"{kubectl}:{self.environment['PATH']}"}
        ran = subprocess.run(
            ["/bin/sh", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        return ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def demo(tmp_path_factory: Any) -> Iterator[Demo]:
    running = Demo(tmp_path_factory.mktemp("demo"))
    try:
        assert running.process.poll() is None, running.said
        yield running
    finally:
        running.process.send_signal(signal.SIGINT)
        code = running.process.wait(60)
    assert code == 0
    assert running.said.rstrip().endswith("stopped")


def test_the_commands_that_it_names_show_the_application(demo: Demo) -> None:
    export, look = re.findall(r"^ {4}((?:export|kubectl) .*)$", demo.said, re.M)
    rows = f"{export} && {look} --no-headers"
    eventually(lambda: [line.split()[2] for line in demo.shell(rows).splitlines()], ["Running"] * 3)


def test_its_console_has_the_flows_of_the_application(demo: Demo) -> None:
    url = re.search(r"http://localhost:\d+", demo.said)[0]
    assert httpx.get(url, trust_env=False).status_code == 200

    def seen() -> set[str]:
        items = httpx.get(f"{url}/whisker-backend/flows", trust_env=False).json()["items"]
        return {f"{flow['source_name'].split('-')[0]} {flow['dest_port']}" for flow in items}

    eventually(lambda: {"worker 80", "worker 3306", "worker 443", "facts 3306"} <= seen())


def test_a_second_one_says_that_the_first_runs_and_how_to_end_it(demo: Demo) -> None:
    said = demo.shell("scripts/demo")
    assert "runs already" in said
    assert "ocicat down" in said
    assert demo.process.poll() is None
