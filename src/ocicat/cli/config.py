"""`ocicat config`: every setting, its value, and where that comes from."""

import os
from enum import Enum
from pathlib import Path

import click

from ocicat.app.settings import Explained, Origin, SettingsError, settled
from ocicat.cli.output import output_option, write_json


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also those that have their defaults.")
@click.option("--home", metavar="FOLDER", help="The state folder.")
@click.option("--config", "file", type=click.Path(path_type=Path), metavar="FILE", help="The settings file.")
@output_option("text", "json")
def config(everything: bool, home: str | None, file: Path | None, output: str) -> None:
    """Show which settings are in force, and whether environment or file says so.

    \b
    ocicat config
    ocicat config --all
    OCICAT_UP_NODES=3 ocicat config -o json

    A flag of a command goes before the environment, the environment before the file, and the file before
    the default.

    Exit codes: 0 shown, 2 a setting has a value that it cannot have.
    """
    try:
        found = settled({"home": home}, os.environ, file)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    rows = [row for row in found.explained() if everything or row.origin is not Origin.DEFAULT]
    if output == "json":
        write_json(rows)
        return
    for row in rows:
        click.echo(line_of(row))
    if not rows:
        click.echo("all settings have their defaults; --all shows them")


def line_of(row: Explained) -> str:
    """Return a setting as a person reads it."""
    where = {Origin.ENVIRONMENT: row.variable, Origin.FLAG: "flag", Origin.FILE: "file"}
    value = row.value.value if isinstance(row.value, Enum) else row.value
    return f"{row.path} = {value!r}  ({where.get(row.origin, 'default')})"
