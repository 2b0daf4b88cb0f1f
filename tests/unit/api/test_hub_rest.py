"""Our own paths, as console/src/api/types.ts and views.ts have them. Source: explanation/console-api."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from ocicat.flows import hub as hub_module
from ocicat.model.flow import Reporter
from support.hub import STAGED, denied_record, flow_record
from support.hubapp import HubApp, serving

NS = 1_000_000_000
API = "/api/v1"
TYPES = Path(__file__).resolve().parents[3] / "console" / "src" / "api"


def declared(name: str) -> set[str]:
    """Return the keys of an interface of the console's contract."""
    text = (TYPES / "types.ts").read_text() + (TYPES / "views.ts").read_text()
    found = re.search(rf"export interface {name} {{\n(.*?)\n}}", text, re.DOTALL)
    assert found, name
    return set(re.findall(r"^  (\w+)\??:", found[1], re.MULTILINE))


async def tell(app: HubApp) -> None:
    start = app.timer.now_ns() - 20 * NS
    await app.hub.take(
        [
            flow_record("worker", "db", start_ns=start),
            flow_record("worker", "db", start_ns=start, reporter=Reporter.SRC),
            flow_record("facts", "db", start_ns=start + 3 * NS, pending=STAGED, connections=4),
            flow_record("worker", "pub", 443, start_ns=start, reporter=Reporter.SRC),
            denied_record(start_ns=start, connections=2),
        ]
    )


async def test_answers_have_exactly_the_keys_of_the_contract() -> None:
    async with serving() as app:
        await tell(app)
        page = await app.get(f"{API}/flows")
        assert set(page) == declared("FlowPage")
        for flow in page["items"]:
            assert set(flow) == declared("Flow")
        [hit] = next(flow for flow in page["items"] if flow["action"] == "Deny")["policies"]["enforced"]
        assert set(hit) == declared("Hit")
        details = await app.get(f"{API}/flows/{page['items'][0]['id']}")
        assert set(details) == declared("FlowDetails")
        assert set(details["source"]) == declared("EndDetails")
        assert set(details["history"][0]) == declared("HistoryPoint")
        assert set(await app.get(f"{API}/timeseries")) == declared("Timeseries")
        graph = await app.get(f"{API}/graph")
        assert set(graph["nodes"][0]) == declared("GraphNode")
        assert set(graph["edges"][0]) == declared("GraphEdge")
        assert set(await app.get(f"{API}/policies")) == declared("Board")
        assert set(await app.get(f"{API}/endpoints")) == declared("EndpointList")
        assert set(await app.get(f"{API}/hints", field="dest_name")) == declared("Hints")
        status = await app.get(f"{API}/status")
        assert set(status) == declared("Status")


@pytest.mark.parametrize(
    ("path", "query", "part", "column"),
    [
        ("flows", {"q": "port=80 x=1"}, "there is no field 'x'", 9),
        ("flows", {"from": "yesterday"}, "from is a time such as", None),
        ("flows", {"from": "2023-11-14T00:00:00"}, "says no time zone", None),
        ("flows", {"from": "-10", "to": "-20"}, "`to` is not after `from`", None),
        ("flows", {"limit": "many"}, "limit is a whole number", None),
        ("flows", {"limit": "-1"}, "limit is a whole number", None),
        ("flows", {"group": "node"}, "group is one of connection, reporter", None),
        ("top", {"by": "colour"}, "by is one of source", None),
        ("top", {"measure": "weight"}, "measure is one of bytes", None),
        ("timeseries", {"step_s": "x"}, "step_s is a whole number", None),
        ("hints", {"field": "colour"}, "field is one of", None),
        ("export", {"format": "xls"}, "format is one of jsonl, csv", None),
        ("flows/stream", {"q": "!"}, "a value is missing", 2),
    ],
)
async def test_mistakes_are_told_and_those_in_the_filter_with_their_column(
    path: str, query: dict[str, str], part: str, column: int | None
) -> None:
    async with serving() as app:
        status, body = await app.refused(f"{API}/{path}", **query)
        assert (status, part in body["error"], body.get("column")) == (400, True, column), body


@pytest.mark.parametrize(
    "q", ["ip=10.65.0.0/16", "bytes>1000", "name~db !reporter=Src", 'dest_name="PUBLIC NETWORK"']
)
@pytest.mark.parametrize("when", [{"from": "0001-01-01T00:00:00Z"}, {"to": "9999-12-31T23:59:59Z"}, {}])
async def test_any_time_can_be_asked_for(q: str, when: dict[str, str]) -> None:
    async with serving() as app:
        await tell(app)
        for path in ("flows", "timeseries", "top", "graph", "policies", "endpoints", "export"):
            query = {"q": q, **when}
            async with app.client.get(f"{API}/{path}", params=query) as answer:
                assert answer.status == 200, await answer.text()


async def test_connections_are_summed_over_the_window_and_reporters_by_bucket() -> None:
    async with serving() as app:
        start = app.timer.now_ns() - 60 * NS
        await app.hub.take([flow_record(start_ns=start + second * NS) for second in (0, 16, 32)])
        [one] = (await app.get(f"{API}/flows", group="connection"))["items"]
        assert (one["connections_started"], sum(one["series"]["bytes"])) == (3, 1500)
        many = (await app.get(f"{API}/flows", group="reporter"))["items"]
        assert [flow["connections_started"] for flow in many] == [1, 1, 1]
        assert {flow["id"] for flow in many} == {one["id"]}
        assert [flow["start_time"] for flow in many] == sorted(
            (flow["start_time"] for flow in many), reverse=True
        )


async def test_pages_follow_each_other() -> None:
    async with serving() as app:
        start = app.timer.now_ns() - NS
        await app.hub.take([flow_record(port=port, start_ns=start) for port in range(1, 8)])
        seen: list[int] = []
        cursor = ""
        while cursor is not None:
            page = await app.get(f"{API}/flows", limit="3", cursor=cursor)
            assert page["total"] == 7
            seen += [flow["dest_port"] for flow in page["items"]]
            cursor = page["next_cursor"]
        assert sorted(seen) == list(range(1, 8))


async def test_what_both_ends_report_counts_once() -> None:
    """§9: one connection "gives two flows, one per side …; do not add them up"."""
    async with serving() as app:
        await tell(app)
        items = (await app.get(f"{API}/top", by="pair"))["items"]
        sums = {item["key"].replace("-7c9d5f-*", ""): item["bytes"] for item in items}
        assert sums["catfacts/worker → catfacts/db"] == 500
        graph = await app.get(f"{API}/graph")
        assert len(graph["nodes"]) == 4
        [denied] = [edge for edge in graph["edges"] if edge["denied"]]
        assert (denied["denied"], denied["allowed"], denied["port"]) == (2, 0, 80)
        assert [
            edge["would_deny"] for edge in graph["edges"] if edge["source"].startswith("catfacts/facts")
        ] == [True]


async def test_what_staged_policies_would_do_is_said_by_the_newest_flow() -> None:
    async with serving() as app:
        start = app.timer.now_ns() - 20 * NS
        await app.hub.take(
            [
                flow_record("facts", "db", start_ns=start, pending=STAGED),
                flow_record("facts", "db", start_ns=start + 5 * NS),
                flow_record("worker", "db", start_ns=start),
                flow_record("worker", "db", start_ns=start + 5 * NS, pending=STAGED),
            ]
        )
        edges = (await app.get(f"{API}/graph"))["edges"]
        assert {edge["source"].partition("-")[0]: edge["would_deny"] for edge in edges} == {
            "catfacts/facts": False,
            "catfacts/worker": True,
        }


async def test_series_are_by_what_is_asked() -> None:
    async with serving() as app:
        await tell(app)
        series = {one["key"]: one for one in (await app.get(f"{API}/timeseries", step_s="10"))["series"]}
        assert sum(series["Deny"]["connections"]) == 2
        by_policy = await app.get(f"{API}/timeseries", by="policy")
        assert [one["key"] for one in by_policy["series"]] == ["catfacts/facts"]


async def test_hints_contain_the_text_whatever_its_case() -> None:
    async with serving() as app:
        await tell(app)
        for text, expected in (
            ("DB", ["db-7c9d5f-*"]),
            ("db-*", ["db-7c9d5f-*"]),
            ("net", ["PUBLIC NETWORK"]),
        ):
            found = await app.get(f"{API}/hints", field="dest_name", text=text)
            assert [item["value"] for item in found["items"]] == expected
        page = await app.get(f"{API}/hints", field="dest_name", limit="2")
        assert (page["total"], page["next_cursor"]) == (3, "2")


async def test_exports_have_every_flow_and_run_in_no_spreadsheet() -> None:
    async with serving() as app:
        await tell(app)
        await app.hub.take([flow_record("=cmd|x", "db", start_ns=app.timer.now_ns() - NS)])
        async with app.client.get(f"{API}/export", params={"format": "csv"}) as answer:
            assert "attachment" in answer.headers["Content-Disposition"]
            rows = list(csv.DictReader(io.StringIO(await answer.text())))
        assert len(rows) == 6
        assert {row["source_name"][0] for row in rows} == {"w", "f", "'"}
        async with app.client.get(f"{API}/export", params={"q": "action=Deny"}) as answer:
            [line] = (await answer.text()).splitlines()
        assert json.loads(line)["dest_port"] == 80


async def test_a_flow_that_is_not_there_is_404() -> None:
    async with serving() as app:
        status, body = await app.refused(f"{API}/flows/0123456789")
        assert (status, "no flow '0123456789'" in body["error"]) == (404, True)


# --- the stream ---------------------------------------------------------------------------------------------


def ports(event: dict[str, str]) -> list[int]:
    return [flow["dest_port"] for flow in json.loads(event["data"])]


async def until(events: Any, kind: str) -> list[dict[str, str]]:
    """Return the events up to the first of a kind, that one included."""
    found = []
    while not found or found[-1]["event"] != kind:
        found.append(await events.next())
    return found


async def test_first_what_was_then_the_mark_then_what_comes() -> None:
    async with serving() as app:
        await tell(app)
        async with app.stream(f"{API}/flows/stream", q="port=3306") as events:
            before = await until(events, "caught-up")
            assert [ports(event) for event in before if event["event"] == "flow"] == [[3306] * 3]
            await app.hub.take([flow_record(port=80), flow_record(start_ns=1 * NS)])
            [live] = [event for event in await until(events, "lag") if event["event"] == "flow"]
            assert (ports(live), live["id"]) == ([3306], "7")
            [flow] = json.loads(live["data"])
            assert flow["series"] is None


async def test_a_filter_with_a_literal_star_means_the_same_live_as_in_history() -> None:
    async with serving() as app:
        start = app.timer.now_ns()
        await app.hub.take(
            [flow_record(dest=name, port=port, start_ns=start) for port, name in ((1, "db-*"), (2, "db-b-*"))]
        )
        async with app.stream(f"{API}/flows/stream", q="dest_name=db-*") as events:
            before = await until(events, "caught-up")
            assert [ports(event) for event in before if event["event"] == "flow"] == [[1]]
            await app.hub.take([flow_record(dest="db-b-*", port=3), flow_record(dest="db-*", port=4)])
            assert [ports(event) for event in await until(events, "lag") if event["event"] == "flow"] == [[4]]


@pytest.mark.parametrize("how", ["header", "parameter"])
async def test_after_a_break_it_goes_on_without_gap_or_double(how: str) -> None:
    async with serving() as app:
        for port in range(1, 6):
            await app.hub.take([flow_record(port=port)])
        last = {"headers": {"Last-Event-ID": "3"}} if how == "header" else {"last_event_id": "3"}
        async with app.stream(f"{API}/flows/stream", **last) as events:
            before = await until(events, "caught-up")
            assert [ports(event) for event in before if event["event"] == "flow"] == [[4, 5]]
            assert [event["id"] for event in before if event["event"] == "flow"] == ["5"]


async def test_a_break_that_was_too_long_is_said_with_the_number_of_records(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub_module, "RECENT", 2)
    async with serving() as app:
        for port in range(1, 6):
            await app.hub.take([flow_record(port=port)])
        async with app.stream(f"{API}/flows/stream", last_event_id="1") as events:
            lost, flows, _ = await until(events, "caught-up")
            assert (lost["event"], json.loads(lost["data"])["records"], ports(flows)) == ("lost", 2, [4, 5])


async def test_a_position_of_another_history_is_answered_with_all_there_is() -> None:
    async with serving() as app:
        await tell(app)
        async with app.stream(f"{API}/flows/stream", last_event_id="999999") as events:
            lost, flows, _ = await until(events, "caught-up")
            assert (lost["event"], len(ports(flows))) == ("lost", 5)


async def test_losses_are_told_at_the_start_and_when_a_reader_is_too_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub_module, "WAITING", 1)
    async with serving() as app:
        app.hub.lost("n1", 3, "the agent's queue was full")
        async with app.stream(f"{API}/flows/stream") as events:
            [told, _] = await until(events, "caught-up")
            assert json.loads(told["data"])["records"] == 3
            await app.hub.take([flow_record(port=port) for port in range(1, 5)])
            lost = (await until(events, "lost"))[-1]
            assert json.loads(lost["data"]) | {"since": ""} == {
                "node": "",
                "records": 3,
                "since": "",
                "reason": "this page could not keep up",
            }
