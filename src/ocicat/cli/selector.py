"""`ocicat selector`: check a selector, show its canonical form, try it on labels."""

import sys

import click

from ocicat.cli.main import EXIT_FINDINGS
from ocicat.cli.output import output_option, write_json
from ocicat.model.selector import Selector, SelectorError


@click.command()
@click.argument("expression")
@click.argument("labels", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--no-labels", is_flag=True, help="Try it on something without any label.")
@output_option("text", "json")
def selector(expression: str, labels: tuple[str, ...], no_labels: bool, output: str) -> None:
    """Check EXPRESSION and show its canonical form and id; with labels, tell whether it matches them.

    \b
    ocicat selector "app == 'db' && has(team)"
    ocicat selector "app in {'db', 'web'}" app=web tier=front

    Exit codes: 0 valid (and it matches, where labels are given), 1 it does not match or is no selector.
    """
    given = _labels(labels)
    try:
        parsed = Selector.parse(expression)
    except SelectorError as error:
        if output == "json":
            write_json({"valid": False, "error": error.message, "column": error.column})
        else:
            click.echo(f"{error.pointer()}\n{error.message}, at column {error.column}", err=True)
        sys.exit(EXIT_FINDINGS)
    matches = parsed.matches(given) if labels or no_labels else None
    if output == "json":
        answer = {"valid": True, "canonical": parsed.canonical, "uid": parsed.uid}
        write_json(answer if matches is None else {**answer, "matches": matches})
    else:
        click.echo(f"canonical: {parsed.canonical}\nid:        {parsed.uid}")
        if matches is not None:
            click.echo(f"matches:   {'yes' if matches else 'no'}")
    if matches is False:
        sys.exit(EXIT_FINDINGS)


def _labels(items: tuple[str, ...]) -> dict[str, str]:
    labels = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not key or not equals:
            raise click.BadParameter(f"{item!r} is no label: write KEY=VALUE", param_hint="KEY=VALUE")
        labels[key] = value
    return labels
