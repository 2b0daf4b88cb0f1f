"""`make demo` shows an allowed and a denied connection, and says what to type next."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def demo() -> str:
    """What the demo prints, run with the Python that runs the tests."""
    ran = subprocess.run(
        ["scripts/demo"],
        cwd=ROOT,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_it_names_the_rule_that_denies(demo: str) -> None:
    denied = demo.partition("--port 80")[2]
    assert "application-catfacts" in denied
    assert "facts" in denied
    assert "Deny" in denied


def test_every_command_is_shown(demo: str) -> None:
    commands = [line for line in demo.splitlines() if line.startswith("$ ocicat ")]
    assert [command.split()[2] for command in commands] == ["validate", "trace", "trace"]


def test_it_says_what_to_type_next(demo: str) -> None:
    last = demo.strip().splitlines()[-1].split()
    assert Path(last[0]).name == "ocicat"
    assert last[1:5] == ["trace", "-f", "manifests", "--from"]
