"""Flows as files: JSON lines, CSV and Parquet hold the same. Source: docs/explanation/console-api.md."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocicat.api.contract.words import FORMATS
from ocicat.api.documents import BUCKET_NS
from ocicat.api.export import COLUMNS, pieces
from ocicat.api.parquet import columns
from ocicat.ports.flowstore import Window
from support.hub import denied_record, flow_record
from support.hubapp import HubApp, serving

EXPORT = "/api/v1/export"


async def exported(app: HubApp, form: str, **query: str) -> bytes:
    async with app.client.get(EXPORT, params={"format": form, **query}) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["Content-Type"] == FORMATS[form]
        assert answer.headers["Content-Disposition"] == f'attachment; filename="flows.{form}"'
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        return await answer.read()


async def tell(app: HubApp) -> None:
    """Tell of flows of some hours, a bucket each."""
    now = app.timer.now_ns()
    for hour in range(3):
        start = now - hour * 3_600_000_000_000
        await app.hub.take([flow_record(port=hour, start_ns=start), denied_record(start_ns=start)])


def lines(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in body.decode().splitlines()]


async def test_all_of_a_window_is_exported_the_newest_first() -> None:
    async with serving() as app:
        await tell(app)
        found = lines(await exported(app, "jsonl", **{"from": "-86400"}))
        assert len(found) == 6
        assert [flow["start_time"] for flow in found] == sorted(
            (flow["start_time"] for flow in found), reverse=True
        )
        assert {frozenset(flow) for flow in found} == {frozenset([*COLUMNS, "policies"])}
        assert len(lines(await exported(app, "jsonl"))) == 4
        denied = lines(await exported(app, "jsonl", q="action=Deny", **{"from": "-86400"}))
        assert {flow["dest_port"] for flow in denied} == {80}


async def test_all_forms_hold_the_same(tmp_path: Path) -> None:
    async with serving() as app:
        await tell(app)
        wanted = lines(await exported(app, "jsonl"))
        rows = list(csv.DictReader(io.StringIO((await exported(app, "csv")).decode())))
        (tmp_path / "flows.parquet").write_bytes(await exported(app, "parquet"))
    assert [row["id"] for row in rows] == [flow["id"] for flow in wanted]
    assert [json.loads(row["policies"]) for row in rows] == [flow["policies"] for flow in wanted]
    assert [row["source_labels"] for row in rows] == ["app=worker"] * len(wanted)
    query = "SELECT id, bytes_in, source_labels, policies, epoch_ms(start_time) FROM read_parquet(?)"
    table = duckdb.execute(query, [str(tmp_path / "flows.parquet")]).fetchall()
    assert [(row[0], row[1], row[2]) for row in table] == [
        (flow["id"], flow["bytes_in"], flow["source_labels"]) for flow in wanted
    ]
    assert [json.loads(row[3]) for row in table] == [flow["policies"] for flow in wanted]
    assert all(row[4] % (BUCKET_NS // 1_000_000) == 0 for row in table)


@pytest.mark.parametrize("form", FORMATS)
async def test_nothing_is_a_file_too(form: str, tmp_path: Path) -> None:
    async with serving() as app:
        body = await exported(app, form)
        await tell(app)
        assert await exported(app, form, q="port=9999") == body
    if form == "parquet":
        (tmp_path / "flows.parquet").write_bytes(body)
        found = duckdb.execute("DESCRIBE FROM read_parquet(?)", [str(tmp_path / "flows.parquet")]).fetchall()
        assert {row[0]: row[1] for row in found} == {
            name: {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}.get(kind, kind)
            for name, kind in columns().items()
        }
    else:
        assert len(body.splitlines()) == (1 if form == "csv" else 0)


@pytest.mark.parametrize("name", ["=cmd|calc", "+1", "-1", "@x"])
async def test_no_cell_of_a_csv_is_a_formula(name: str) -> None:
    async with serving() as app:
        await app.hub.take([flow_record(f"{name}*", start_ns=app.timer.now_ns())])
        [row] = csv.DictReader(io.StringIO((await exported(app, "csv")).decode()))
    assert row["source_name"] == f"'{name}*"


@given(st.integers(0, 1 << 60), st.integers(0, 100 * BUCKET_NS))
def test_pieces_are_the_window_and_cut_no_bucket(start: int, length: int) -> None:
    found = list(pieces(Window(start, start + length)))
    assert [piece.start_ns for piece in found[:-1]] == [piece.end_ns for piece in found[1:]]
    assert all(piece.start_ns % BUCKET_NS == 0 for piece in found[:-1])
    if length:
        assert (found[-1].start_ns, found[0].end_ns) == (start, start + length)
    else:
        assert found == []
