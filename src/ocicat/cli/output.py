"""What commands share: the options for input and output, JSON, colour."""

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
import msgspec

from ocicat.base.problem import Problem, Severity

Command = TypeVar("Command", bound=Callable[..., Any])

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.HINT: "cyan"}


def output_option(*formats: str) -> Callable[[Command], Command]:
    """Return the option `-o`; the first format is the default."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="How the answer is written.",
    )


def files_option() -> Callable[[Command], Command]:
    """Return the option `-f` for manifests."""
    return click.option(
        "-f",
        "--filename",
        "paths",
        multiple=True,
        required=True,
        metavar="PATH",
        help="A file, a folder, a glob, or - for standard input. Repeatable.",
    )


def write_json(value: Any) -> None:
    """Write a value as indented JSON."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def write_problems(problems: Sequence[Problem], *, to_stderr: bool = False) -> None:
    """Write problems with their place, their fix, and colour on a terminal."""
    for problem in problems:
        head, *rest = problem.lines()
        click.secho(head, bold=True, err=to_stderr)
        for line in rest:
            is_fact = line.lstrip().startswith(problem.code)
            click.secho(line, fg=_COLOURS[problem.severity] if is_fact else None, err=to_stderr)


def summary(problems: Sequence[Problem]) -> str:
    """Return `2 errors, 1 warning`, or `no problems`."""
    parts = []
    for severity in Severity:
        count = sum(problem.severity is severity for problem in problems)
        if count:
            parts.append(f"{count} {severity}{'' if count == 1 else 's'}")
    return ", ".join(parts) or "no problems"


def is_terminal() -> bool:
    """Tell whether standard output is a terminal."""
    return sys.stdout.isatty()
