"""The hooks for pre-commit call commands that exist."""

import shlex
from pathlib import Path

import click
import pytest
import yaml

from ocicat.cli.main import cli

ROOT = Path(__file__).resolve().parents[3]
OURS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
OFFERED = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))


def test_our_own_hooks_fetch_nothing() -> None:
    (repository,) = OURS["repos"]
    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}


@pytest.mark.parametrize("hook", OFFERED, ids=lambda hook: hook["id"])
def test_an_offered_hook_is_a_command_that_understands_its_arguments(hook) -> None:
    program, name, *rest = shlex.split(hook["entry"])
    assert program == "ocicat"
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    command.make_context(name, [*rest, *hook["args"]])
