"""`ocicat top`: who talks most, or is denied most, now."""

import time
from typing import Any, Final

import click

from ocicat.cli.flows import DEFAULT_HUB, Since, reader_of
from ocicat.cli.output import is_terminal, write_json

REFRESH_S: Final = 2.0


@click.command()
@click.argument("expression", nargs=-1, metavar="[FILTER]...")
@click.option(
    "--by",
    type=click.Choice(["pair", "source", "dest", "service", "policy"]),
    default="pair",
    show_default=True,
    help="What is counted together.",
)
@click.option(
    "--measure",
    type=click.Choice(["bytes", "connections", "denied"]),
    default="bytes",
    show_default=True,
    help="What comes first.",
)
@click.option("--since", type=Since(), default="5m", show_default=True, help="How far back.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many.")
@click.option("--once", is_flag=True, help="Show it once; the default where the output is no terminal.")
@click.option("--hub", default=DEFAULT_HUB, show_default=True, envvar="OCICAT_FLOWS_HUB", help="The hub.")
@click.option("--token-file", type=click.File(), help="The bearer token, where the hub wants one.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def top(
    expression: tuple[str, ...],
    by: str,
    measure: str,
    since: int,
    limit: int,
    once: bool,
    hub: str,
    token_file: Any,
    output: str,
) -> None:
    """Show who talks most, from the flows of a hub; on a terminal again every 2 seconds.

    \b
    ocicat top --by dest --measure denied
    ocicat top --by policy --since 1h namespace=catfacts --once

    Exit codes: 0 fine, 2 wrong usage, 3 the hub is not reached, or refuses.
    """
    reader = reader_of(hub, token_file)
    query = {
        "q": " ".join(expression),
        "from": f"-{since}",
        "by": by,
        "measure": measure,
        "limit": str(limit),
    }
    while True:
        items = reader.get("/api/v1/top", query)["items"]
        if output == "json":
            write_json(items)
            return
        again = is_terminal() and not once
        if again:
            click.clear()
        _write(items, by)
        if not again:
            return
        time.sleep(REFRESH_S)


def _write(items: list[dict[str, Any]], by: str) -> None:
    width = max([len(by), *(len(item["key"]) for item in items)])
    click.secho(f"{by.upper().ljust(width)}  {'BYTES':>12}  {'CONNECTIONS':>11}  {'DENIED':>8}", bold=True)
    for item in items:
        key = "".join(letter if letter.isprintable() else "?" for letter in item["key"])
        line = f"{key.ljust(width)}  {item['bytes']:>12}  {item['connections']:>11}  {item['denied']:>8}"
        click.secho(line, fg="red" if item["denied"] and is_terminal() else None)
