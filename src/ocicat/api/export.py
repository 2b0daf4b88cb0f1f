"""`GET /api/v1/export`: flows as a file: JSON lines, CSV, Parquet.

History can be larger than memory, so it is read, written and sent in pieces of some minutes, the newest
first. A Parquet file cannot be sent before it is complete: it is made on disk.
"""

import asyncio
import csv
import io
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web

from ocicat.api import asking
from ocicat.api.asking import Question
from ocicat.api.contract.flows import FlowAnswer
from ocicat.api.contract.words import FORMATS
from ocicat.api.documents import BUCKET_NS, flows_of, ours
from ocicat.api.flowpages import asked_of
from ocicat.api.headers import SECURITY
from ocicat.api.parquet import as_parquet
from ocicat.api.sight import seen_hub
from ocicat.ports.flowhub import FlowHub
from ocicat.ports.flowstore import Window

PIECE_NS: Final = 20 * BUCKET_NS
"""What is read at a time: with 5,000 kinds of flows at most 100,000 flows."""
ROWS: Final = 1_000
"""Rows that are written at a time."""
CHUNK_BYTES: Final = 1 << 20
COLUMNS: Final = tuple(
    field.name for field in msgspec.structs.fields(FlowAnswer) if field.name not in ("policies", "series")
)
Rows = list[dict[str, Any]]


class Export:
    """The handler."""

    def __init__(self, hub: FlowHub) -> None:
        """Answer from `hub`."""
        self._hub = hub

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Send the flows of a question, by key and bucket."""
        hub = seen_hub(self._hub, request)
        asked = asked_of(hub, request.query)
        form = asking.one_of(request.query, "format", tuple(FORMATS))
        response = web.StreamResponse(
            headers={
                "Content-Type": FORMATS[form],
                "Content-Disposition": f'attachment; filename="flows.{form}"',
                **SECURITY,
            }
        )
        rows = exported(hub, asked)
        if form == "parquet":
            await _send_parquet(request, response, rows)
            return response
        await response.prepare(request)
        if form == "csv":
            await response.write(csv_header().encode())
        text: Callable[[Rows], str] = as_csv if form == "csv" else as_jsonl
        async for some in rows:
            await response.write(text(some).encode())
        return response


async def _send_parquet(
    request: web.Request, response: web.StreamResponse, rows: AsyncIterator[Rows]
) -> None:
    with tempfile.TemporaryDirectory(prefix="ocicat-export-") as folder:
        lines, made = Path(folder) / "flows.jsonl", Path(folder) / "flows.parquet"
        with lines.open("wb") as out:
            async for some in rows:
                out.write(as_jsonl(some).encode())
        await asyncio.to_thread(as_parquet, lines, made)
        response.content_length = made.stat().st_size
        await response.prepare(request)
        with made.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                await response.write(chunk)


async def exported(hub: FlowHub, asked: Question) -> AsyncIterator[Rows]:
    """Yield the flows of a question, the newest pieces of time first, some rows at a time."""
    if hub.oldest_ns() is None:
        return
    for window in pieces(asked.window):
        flows = flows_of(await hub.found(window, asked.filter, BUCKET_NS), BUCKET_NS)
        for start in range(0, len(flows), ROWS):
            yield [_row(ours(flow)) for flow in flows[start : start + ROWS]]
            # A fast reader never makes us wait, and others want an answer too.
            await asyncio.sleep(0)


def pieces(window: Window) -> Iterator[Window]:
    """Yield the parts of a window, the newest first; cuts are where buckets begin."""
    end = window.end_ns
    while end > window.start_ns:
        start = max(window.start_ns, (end - 1) // PIECE_NS * PIECE_NS)
        yield Window(start, end)
        end = start


def _row(flow: Mapping[str, Any]) -> dict[str, Any]:
    """A file has no series: each row is one slice of time."""
    return {name: value for name, value in flow.items() if name != "series"}


def as_jsonl(rows: Rows) -> str:
    """Return one line of JSON for each row."""
    return "".join(msgspec.json.encode(row).decode() + "\n" for row in rows)


def csv_header() -> str:
    """Return the names of the columns; policies are JSON in the last one."""
    return _csv([[*COLUMNS, "policies"]])


def as_csv(rows: Rows) -> str:
    """Return rows as CSV without header."""
    return _csv(
        [_cell(row[name]) for name in COLUMNS] + [msgspec.json.encode(row["policies"]).decode()]
        for row in rows
    )


def _csv(lines: Any) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(lines)
    return out.getvalue()


def _cell(value: Any) -> Any:
    """Lists become text; what a spreadsheet would run as a formula gets an apostrophe in front."""
    cell = " ".join(value) if isinstance(value, list) else value
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@") and cell != "-" else cell
