"""`GET /api/v1/export`: flows as a file."""

import csv
import io
from typing import Any

import msgspec
from aiohttp import web

from ocicat.api import asking
from ocicat.api.documents import BUCKET_NS, flows_of, ours
from ocicat.api.flowpages import asked_of
from ocicat.ports.flowhub import FlowHub


class Export:
    """The handler."""

    def __init__(self, hub: FlowHub) -> None:
        """Answer from `hub`."""
        self._hub = hub

    async def serve(self, request: web.Request) -> web.Response:
        """Return the flows of a question, by key and bucket, as JSON lines or CSV."""
        asked = asked_of(self._hub, request.query)
        form = asking.one_of(request.query, "format", ("jsonl", "csv"))
        flows = flows_of(await self._hub.found(asked.window, asked.filter, BUCKET_NS), BUCKET_NS)
        rows = [ours(flow) for flow in flows]
        text, kind = (jsonl(rows), "application/jsonl") if form == "jsonl" else (as_csv(rows), "text/csv")
        name = f'attachment; filename="flows.{form}"'
        return web.Response(text=text, content_type=kind, headers={"Content-Disposition": name})


def jsonl(rows: list[dict[str, Any]]) -> str:
    """Return one line of JSON for each row."""
    return "".join(msgspec.json.encode(row).decode() + "\n" for row in rows)


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Return rows as CSV with a header; policies are JSON in the last column."""
    out = io.StringIO()
    columns = [name for name in (rows[0] if rows else ()) if name not in ("policies", "series")]
    writer = csv.writer(out)
    writer.writerow([*columns, "policies"])
    for row in rows:
        cells = [" ".join(row[name]) if isinstance(row[name], list) else row[name] for name in columns]
        writer.writerow([_harmless(cell) for cell in cells] + [msgspec.json.encode(row["policies"]).decode()])
    return out.getvalue()


def _harmless(cell: Any) -> Any:
    """A cell that a spreadsheet would run as a formula gets an apostrophe in front."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@") and cell != "-" else cell
