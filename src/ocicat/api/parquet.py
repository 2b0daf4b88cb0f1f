"""Flows as a Parquet file, by DuckDB, which stores them anyway."""

from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec

from ocicat.api.contract.flows import FlowAnswer

TYPES: Final[dict[Any, str]] = {int: "BIGINT", list[str]: "VARCHAR[]"}
"""SQL types of columns; of all others VARCHAR: enumerations by name, policies as JSON."""
TIMES: Final = ("start_time", "end_time")


def columns() -> dict[str, str]:
    """Return the columns of a file with their SQL types."""
    return {
        field.name: "TIMESTAMPTZ" if field.name in TIMES else TYPES.get(field.type, "VARCHAR")
        for field in msgspec.structs.fields(FlowAnswer)
        if field.name != "series"
    }


def as_parquet(lines: Path, made: Path) -> None:
    """Write the flows of a file of JSON lines as Parquet to `made`. Both paths are ours, not a reader's."""
    shape = ", ".join(f"{name}: '{kind}'" for name, kind in columns().items())
    source = f"read_json('{lines}', format = 'newline_delimited', columns = {{{shape}}})"
    with duckdb.connect(config={"autoinstall_known_extensions": False, "threads": 1}) as connection:
        connection.execute(f"COPY (SELECT * FROM {source}) TO '{made}' (FORMAT parquet)")  # noqa: S608
