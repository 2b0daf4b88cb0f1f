"""The generated pages are fresh, and every code, kind, command and public name has its heading."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import ocicat
from ocicat.api.contract.operations import OPERATIONS
from ocicat.app.agent.metrics import COUNTERS, GAUGES, PREFIX
from ocicat.app.settings import paths
from ocicat.cli.main import cli
from ocicat.model.codes import CODES
from ocicat.model.kinds import KINDS

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = ROOT / "docs" / "reference"


def headings(page: str) -> set[str]:
    return set(re.findall(r"^#+ (.+)$", (REFERENCE / page).read_text(encoding="utf-8"), flags=re.MULTILINE))


def commands(command: click.Command, path: str) -> Iterator[str]:
    yield path
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            if below is not None and not below.hidden:
                yield from commands(below, f"{path} {name}")


def test_the_generated_pages_are_fresh() -> None:
    check = subprocess.run(
        [sys.executable, "scripts/docs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stdout + check.stderr


@pytest.mark.parametrize("code", CODES)
def test_every_problem_code_has_a_heading(code: str) -> None:
    assert f"{code} {CODES[code].title}" in headings("problems.md")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.kind}-{kind.group}")
def test_every_kind_has_a_heading(kind) -> None:
    assert f"{kind.kind} ({kind.api_version})" in headings("kinds.md")


@pytest.mark.parametrize("command", list(commands(cli, "ocicat")))
def test_every_command_has_a_heading(command: str) -> None:
    assert command in headings("cli.md")


@pytest.mark.parametrize("name", ocicat.__all__)
def test_every_public_name_has_a_heading(name: str) -> None:
    assert name in headings("api.md")


@pytest.mark.parametrize("setting", [path for path, _ in paths()])
def test_every_setting_has_a_heading(setting: str) -> None:
    assert setting in headings("settings.md")


@pytest.mark.parametrize("metric", [*GAUGES, *(f"{name}_total" for name in COUNTERS)])
def test_every_metric_has_a_heading(metric: str) -> None:
    assert PREFIX + metric in headings("metrics.md")


def test_every_path_of_the_hub_has_a_heading() -> None:
    assert {f"GET {operation.path}" for operation in OPERATIONS} <= headings("rest.md")
