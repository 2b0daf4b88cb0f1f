"""docs/reference/cli.md: every command with its own help text."""

from collections.abc import Iterator
from typing import Final

import click

from ocicat.cli.main import cli as root
from reference.text import GENERATED

WIDTH: Final = 100
INTRODUCTION = """\
# Command line

`ocicat` has two names. As `kubectl-ocicat` it is a plugin of kubectl: `kubectl ocicat trace …`.

| exit code | meaning |
| --- | --- |
| 0 | all is well; the connection is allowed |
| 1 | there are findings; the connection is denied |
| 2 | the command was not understood |
| 3 | something that was asked for cannot be reached or does not exist |
"""


def page() -> str:
    """Return the page."""
    lines = [GENERATED, "", INTRODUCTION.rstrip()]
    for context in _contexts(root, "ocicat", None):
        lines += ["", f"## {context.command_path}", "", "```text", context.get_help(), "```"]
    return "\n".join(lines) + "\n"


def _contexts(command: click.Command, name: str, parent: click.Context | None) -> Iterator[click.Context]:
    """Yield the context of a command and of all commands below it, in the order of the overview."""
    settings = {**command.context_settings, "max_content_width": WIDTH, "terminal_width": WIDTH}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    yield context
    if isinstance(command, click.Group):
        for name_below in command.list_commands(context):
            below = command.get_command(context, name_below)
            if below is None:
                raise ValueError(f"{context.command_path} lists {name_below} and does not have it")
            if not below.hidden:
                yield from _contexts(below, name_below, context)
