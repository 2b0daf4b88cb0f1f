"""`ocicat flows`: list the flows of a hub, or follow them."""

import csv
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from ocicat.cli.extras import need
from ocicat.cli.output import is_terminal

if TYPE_CHECKING:
    from ocicat.app.hub.reader import HubReader

DEFAULT_HUB: Final = "http://127.0.0.1:8081"
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
Row = dict[str, Any]


class Since(click.ParamType[int]):
    """`10m`, `90s`, `2h`, `1d`: how long ago, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds; fails with the accepted form."""
        if isinstance(value, int):
            return value
        number, unit = str(value)[:-1], str(value)[-1:]
        if not number.isdecimal() or unit not in _UNITS:
            self.fail(f"{value!r} is not a time such as 90s, 10m, 2h or 1d", param, ctx)
        return int(number) * _UNITS[unit]


@click.command()
@click.argument("expression", nargs=-1, metavar="[FILTER]...")
@click.option("-f", "--follow", is_flag=True, help="Go on with flows as they arrive, also across breaks.")
@click.option("--since", type=Since(), default="10m", show_default=True, help="How far back.")
@click.option("--denied", is_flag=True, help="Denied flows only.")
@click.option(
    "--limit", type=click.IntRange(1, 20_000), default=500, show_default=True, help="At most so many."
)
@click.option("--hub", default=DEFAULT_HUB, show_default=True, envvar="OCICAT_FLOWS_HUB", help="The hub.")
@click.option("--token-file", type=click.File(), help="The bearer token, where the hub wants one.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "wide", "json", "jsonl", "csv"]),
    default="table",
    show_default=True,
    help="How flows are written.",
)
def flows(
    expression: tuple[str, ...],
    follow: bool,
    since: int,
    denied: bool,
    limit: int,
    hub: str,
    token_file: Any,
    output: str,
) -> None:
    """List the flows of a hub, newest first; with -f, go on with those that arrive.

    \b
    ocicat flows --since 1h dest_name=db-* port=3306
    ocicat flows -f --denied namespace=catfacts
    ocicat flows 'policy=//catfacts/facts' -o json

    FILTER is the filter language of the console: field=value, field~text, !field=value, several values with
    commas, and bare text that is looked for everywhere.

    Exit codes: 0 fine, 2 wrong usage, 3 the hub is not reached, or refuses.
    """
    reader = reader_of(hub, token_file)
    clauses = [*expression, "action=Deny"] if denied else [*expression]
    query = {"q": " ".join(clauses), "from": f"-{since}"}
    if follow:
        if output == "json":
            raise click.UsageError("what has no end is no JSON document: -o jsonl")
        _write(reader.follow({**query, "group": "reporter"}), output)
        return
    page = reader.page({**query, "group": "connection", "limit": str(limit)})
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(page), indent=2))
        return
    _write(page["items"], output)
    if page["next_cursor"]:
        click.echo(f"more than {len(page['items'])}: narrow the filter, or raise --limit", err=True)


def reader_of(hub: str, token_file: Any) -> "HubReader":
    """Return the reader of a hub. Raises ExtraMissingError where this installation cannot speak HTTP."""
    need("k8s", ("httpx2",))
    from ocicat.app.hub.reader import HubReader

    return HubReader(hub, token_file.read().strip() if token_file else "")


def _write(rows: Iterable[Row], output: str) -> None:
    match output:
        case "jsonl":
            for row in rows:
                click.echo(msgspec.json.encode(row))
        case "csv":
            _write_csv(rows)
        case _:
            _write_table(rows, wide=output == "wide")


def _write_csv(rows: Iterable[Row]) -> None:
    writer = csv.writer(sys.stdout)
    columns: list[str] = []
    for row in rows:
        if not columns:
            columns = [name for name in row if name not in ("policies", "series")]
            writer.writerow(columns)
        writer.writerow(
            [" ".join(row[name]) if isinstance(row[name], list) else row[name] for name in columns]
        )
        sys.stdout.flush()


# --- the table ----------------------------------------------------------------------------------------------

_WIDTHS: Final = {"END": 8, "ACTION": 6, "SOURCE": 34, "DESTINATION": 34, "PORT": 9, "BY": 3}
_WIDE: Final = {"BYTES IN": 10, "BYTES OUT": 10, "CONNS": 5, "NODE": 12, "DECIDED BY": 0}


def _write_table(rows: Iterable[Row], *, wide: bool) -> None:
    widths = _WIDTHS | (_WIDE if wide else {"DECIDED BY": 0})
    click.secho(_line(dict(zip(widths, widths, strict=True)), widths), bold=True)
    for row in rows:
        cells = dict(_cells(row))
        denied, would = row["action"] == "Deny", _would_deny(row)
        colour = "red" if denied else "yellow" if would else None
        click.secho(_line(cells, widths), fg=colour if is_terminal() else None)


def _line(cells: dict[str, str], widths: dict[str, int]) -> str:
    return "  ".join(cells[name].ljust(width) for name, width in widths.items()).rstrip()


def _cells(row: Row) -> Iterator[tuple[str, str]]:
    yield "END", row["end_time"][11:19]
    yield "ACTION", row["action"] + ("!" if _would_deny(row) else "")
    yield "SOURCE", _end(row, "source")
    yield "DESTINATION", _end(row, "dest")
    yield "PORT", _port(row)
    yield "BY", row["reporter"]
    yield "BYTES IN", str(row["bytes_in"])
    yield "BYTES OUT", str(row["bytes_out"])
    yield "CONNS", str(row["connections_started"])
    yield "NODE", row["node"]
    yield "DECIDED BY", _decided(row)


def _port(row: Row) -> str:
    """Return the port, or of ICMP the type, which flows carry as `type * 256 + code`."""
    port, protocol = row["dest_port"], row["protocol"]
    if protocol not in ("icmp", "icmp6"):
        return f"{port}/{protocol}"
    kind, code = divmod(port, 256)
    return f"type {kind}.{code}/{protocol}" if code else f"type {kind}/{protocol}"


def _end(row: Row, side: str) -> str:
    name, namespace = row[f"{side}_name"], row[f"{side}_namespace"]
    return _shown(name if namespace == "-" else f"{namespace}/{name}")


def _shown(text: str) -> str:
    """Names come from the cluster's users: what would move the cursor is shown as a question mark."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _would_deny(row: Row) -> bool:
    pending = row["policies"]["pending"]
    return row["action"] != "Deny" and bool(pending) and pending[-1]["action"] == "Deny"


def _decided(row: Row) -> str:
    trace = row["policies"]["enforced"]
    if not trace:
        return ""
    hit = trace[-1]
    if hit["kind"] == "Profile":
        return "no policy"
    named = hit["trigger"] or hit
    space = f"{named['namespace']}/" if named["namespace"] else ""
    rule = f"rule {hit['rule_index'] + 1}" if hit["rule_index"] >= 0 else f"end of tier {hit['tier']}"
    return _shown(f"{named['kind']} {space}{named['name']}, {rule}")
