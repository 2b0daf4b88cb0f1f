"""What Whisker's front end sends and reads, sentence by sentence. Source: flows-and-console §4, §7, §8."""

import json
from typing import Any

import pytest

from ocicat.model.flow import Action, Reporter
from support.hub import PROFILE, STAGED, denied_record, flow_record
from support.hubapp import HubApp, serving

FLOWS, HINTS = "/whisker-backend/flows", "/whisker-backend/flows-filter-hints"
NS = 1_000_000_000


def filters(**fields: Any) -> dict[str, str]:
    """Return the parameter as the page sends it: raw JSON."""
    return {"filters": json.dumps(fields)}


def exactly(*values: str) -> list[dict[str, str]]:
    return [{"value": value, "type": "Exact"} for value in values]


def fuzzy(value: str) -> list[dict[str, str]]:
    return [{"value": value, "type": "Fuzzy"}]


async def tell(app: HubApp) -> None:
    """Tell the hub of the catfacts application, 20 s ago."""
    start = app.timer.now_ns() - 20 * NS
    await app.hub.take(
        [
            flow_record("worker", "db", start_ns=start),
            flow_record("worker", "db", start_ns=start + NS),
            flow_record("facts", "db", start_ns=start, reporter=Reporter.SRC, pending=STAGED),
            flow_record("worker", "pub", 443, start_ns=start, reporter=Reporter.SRC),
            denied_record(start_ns=start),
        ]
    )


async def test_a_list_has_totals_and_every_key_of_a_flow() -> None:
    """§7.1: "FLOW (all keys always present)"; labels joined with ` | `; names as people know them."""
    async with serving() as app:
        await tell(app)
        body = await app.get(FLOWS, startTimeGte="-300")
        assert body["total"] == {"totalPages": 1, "totalResults": 4}
        [out] = [flow for flow in body["items"] if flow["dest_port"] == 443]
        assert (out["dest_name"], out["dest_namespace"], out["reporter"]) == ("PUBLIC NETWORK", "-", "Src")
        [db] = [flow for flow in body["items"] if flow["reporter"] == "Dst" and flow["dest_port"] == 3306]
        assert set(db) == {
            *("start_time", "end_time", "action", "source_name", "source_namespace", "source_labels"),
            *("dest_name", "dest_namespace", "dest_labels", "protocol", "dest_port", "reporter", "policies"),
            *("packets_in", "packets_out", "bytes_in", "bytes_out"),
        }
        assert (db["packets_in"], db["bytes_out"], db["source_labels"]) == (6, 400, "app=worker")
        assert db["start_time"] == "2023-11-14T22:13:00Z"


async def test_no_match_is_an_empty_list_and_hits_are_never_null() -> None:
    """§7.1: "An empty hit list is sent as `null`, and that crashes the real UI … always send `[]`"."""
    async with serving() as app:
        assert (await app.get(FLOWS))["items"] == []
        await app.hub.take([flow_record(start_ns=app.timer.now_ns() - NS, enforced=())])
        [flow] = (await app.get(FLOWS))["items"]
        assert flow["policies"] == {"enforced": [], "pending": []}


async def test_an_unset_trigger_is_null_and_a_set_one_has_all_parts_of_a_hit() -> None:
    async with serving() as app:
        await tell(app)
        [denied] = (await app.get(FLOWS, **filters(actions=["Deny"])))["items"]
        [hit] = denied["policies"]["enforced"]
        assert (hit["kind"], hit["rule_index"], hit["policy_index"]) == ("EndOfTier", -1, 0)
        assert hit["trigger"]["action"] == "ActionUnspecified"
        assert hit["trigger"]["trigger"] is None


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({}, 4),
        ({"source_names": exactly("worker-7c9d5f-*")}, 3),
        ({"dest_names": exactly("PUBLIC NETWORK")}, 1),
        ({"dest_names": exactly("pub", "facts-7c9d5f-*")}, 2),
        # §12: "a stream with Exact `db-*` shows its rows; `DB` none"
        ({"dest_names": exactly("db-*")}, 2),
        ({"dest_names": fuzzy("db-*")}, 2),
        ({"dest_names": fuzzy("db")}, 2),
        ({"dest_names": fuzzy("DB")}, 0),
        ({"dest_namespaces": exactly("Global")}, 1),
        ({"dest_namespaces": exactly("-")}, 1),
        ({"protocols": exactly("tcp"), "dest_ports": [{"value": 3306, "type": "Exact"}]}, 2),
        ({"dest_ports": [{"value": 80}, {"value": 443}]}, 2),
        ({"actions": ["Deny"]}, 1),
        ({"pending_actions": ["Deny"]}, 2),
        ({"reporter": "Src"}, 2),
        ({"policies": [{"kind": "Profile"}]}, 3),
        # "searching a policy's name … we should match the trigger too"
        ({"policies": [{"name": {"value": "facts"}}]}, 1),
        ({"policies": [{"kind": "CalicoNetworkPolicy", "tier": {"value": "application-catfacts"}}]}, 1),
        ({"policies": [{"name": {"value": "deny", "type": "Fuzzy"}, "action": "Deny"}]}, 1),
        ({"policies": [{"name": {"value": "no"}}, {"name": {"value": "default-deny"}}]}, 1),
        # "Unknown keys are ignored, key case does not matter"
        ({"colours": ["red"], "ACTIONS": ["Deny"]}, 1),
    ],
)
async def test_filters_let_through_what_the_aggregator_does(wanted: dict[str, Any], count: int) -> None:
    async with serving() as app:
        await tell(app)
        assert (await app.get(FLOWS, **filters(**wanted)))["total"]["totalResults"] == count


async def test_filters_are_url_decoded_twice() -> None:
    """§7.3: "a `+` turns into a space, a stray `%` is an error"."""
    async with serving() as app:
        await tell(app)
        plus = {"filters": '{"dest_names":[{"value":"PUBLIC+NETWORK"}]}'}
        assert (await app.get(FLOWS, **plus))["total"]["totalResults"] == 1
        escaped = {"filters": "%7B%22actions%22%3A%5B%22Deny%22%5D%7D"}
        assert (await app.get(FLOWS, **escaped))["total"]["totalResults"] == 1
        status, body = await app.refused(FLOWS, filters='{"dest_names":[{"value":"50%"}]}')
        assert (status, "failed to decode filters" in body["error"]) == (400, True)


@pytest.mark.parametrize(
    ("path", "query", "status", "part"),
    [
        (FLOWS, {"filters": "{"}, 400, "failed to decode filters"),
        (FLOWS, {"filters": "[]"}, 400, "failed to decode filters"),
        (FLOWS, filters(actions=["Alow"]), 400, "unknown action"),
        (FLOWS, filters(actions="Deny"), 400, "a list is expected"),
        (FLOWS, filters(reporter="Both"), 400, "allowed: Src, Dst"),
        (FLOWS, filters(dest_names=[{"value": "x", "type": "Glob"}]), 400, "allowed: Exact, Fuzzy"),
        (FLOWS, filters(dest_names=["x"]), 400, "failed to decode filters"),
        (FLOWS, filters(dest_ports=[{"value": 70000}]), 400, "a port is a number"),
        (FLOWS, filters(policies=["x"]), 400, "a policy match is an object"),
        (FLOWS, {"startTimeGte": "yesterday"}, 400, "startTimeGte"),
        (FLOWS, {"startTimeGte": "-10", "startTimeLt": "-20"}, 500, "Internal Server Error"),
        (FLOWS, {"sortBy": "DestType"}, 500, "Internal Server Error"),
        (HINTS, {}, 400, "allowed: DestName"),
        (HINTS, {"type": "Port"}, 400, "allowed: DestName"),
    ],
)
async def test_errors_are_json_with_a_text(path: str, query: dict[str, str], status: int, part: str) -> None:
    """§7.4: `{"error":"text"}`; 400 for what cannot be decoded, 500 for what the aggregator refuses."""
    async with serving() as app, app.client.get(path, params=query) as answer:
        text = await answer.text()
        assert (answer.status, answer.content_type) == (status, "application/json")
        assert part in json.loads(text)["error"]
        assert text.endswith("\n")


async def test_lists_are_sorted_as_asked_and_newest_first_otherwise() -> None:
    async with serving() as app:
        now = app.timer.now_ns()
        for source, age in (("b", 30), ("a", 20), ("c", 10)):
            await app.hub.take([flow_record(source, "db", start_ns=now - age * NS)])
        names = [flow["source_name"][0] for flow in (await app.get(FLOWS))["items"]]
        assert names == ["c", "a", "b"]
        by_name = await app.get(FLOWS, sortBy="SourceName")
        assert [flow["source_name"][0] for flow in by_name["items"]] == ["a", "b", "c"]


async def test_hints_page_by_page_with_their_number() -> None:
    """§12: "totalResults present; 25 hints page correctly"."""
    async with serving() as app:
        start = app.timer.now_ns() - NS
        await app.hub.take([flow_record(f"w{number:02}", "db", start_ns=start) for number in range(25)])
        first = await app.get(HINTS, type="SourceName", page="0", pageSize="20")
        assert first["total"] == {"totalPages": 2, "totalResults": 25}
        last = await app.get(HINTS, type="SourceName", page="1", pageSize="20")
        names = [item["value"] for item in first["items"] + last["items"]]
        assert names == [f"w{number:02}-7c9d5f-*" for number in range(25)]
        assert (await app.get(HINTS, type="SourceName", page="2", pageSize="20"))["items"] == []


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("DestName", ["PUBLIC NETWORK", "db-7c9d5f-*", "facts-7c9d5f-*"]),
        ("DestNamespace", ["Global", "catfacts"]),
        # §4.5: "skip Profile hits, and for EndOfTier use the *trigger's* fields"
        ("PolicyName", ["default-deny", "facts"]),
        ("PolicyTier", ["application-catfacts", "default"]),
        ("PolicyKind", ["CalicoNetworkPolicy", "StagedGlobalNetworkPolicy"]),
        ("PolicyNamespace", ["Global", "catfacts"]),
    ],
)
async def test_hints_are_values_in_use_as_people_know_them(kind: str, values: list[str]) -> None:
    async with serving() as app:
        await tell(app)
        assert [item["value"] for item in (await app.get(HINTS, type=kind))["items"]] == values


@pytest.mark.parametrize("text", ["db-*", "db"])
async def test_a_hint_for_db_star_offers_the_group(text: str) -> None:
    """§12: "With the group named `db-7c9d-*`: hints for Fuzzy `db-*` and `db` both offer it"."""
    async with serving() as app:
        await tell(app)
        found = await app.get(HINTS, type="DestName", **filters(dest_names=fuzzy(text)))
        assert [item["value"] for item in found["items"]] == ["db-7c9d5f-*"]


async def test_a_stream_has_only_data_lines_that_the_page_knows() -> None:
    """§7.1: "Each flow is `data: <one-line JSON>` + blank line"; comments do not disturb."""
    async with serving() as app, app.stream(FLOWS, watch="true", startTimeGte="0") as events:
        assert events.headers["Content-Type"] == "text/event-stream"
        assert events.headers["Cache-Control"] == "no-cache"
        await app.hub.take([flow_record(start_ns=app.timer.now_ns()), denied_record()])
        for _ in range(2):
            event = await events.next()
            assert set(event) == {"data"}
            assert "\n" not in event["data"]
            assert json.loads(event["data"])["dest_port"] in (80, 3306)


async def test_a_stream_without_start_has_no_backfill_and_one_with_start_has() -> None:
    """§4.1: "for **Stream start, zero means now**, i.e. no backfill"."""
    async with serving() as app:
        await tell(app)
        async with app.stream(FLOWS, watch="true", startTimeGte="0") as events:
            await app.hub.take([flow_record(port=99)])
            assert json.loads((await events.next())["data"])["dest_port"] == 99
        async with app.stream(FLOWS, watch="true", startTimeGte="-60", **filters(actions=["Deny"])) as events:
            assert json.loads((await events.next())["data"])["dest_port"] == 80


async def test_a_stream_with_a_start_older_than_history_begins_with_the_oldest() -> None:
    """§12: "Stream with a start older than history is clamped, not silent"."""
    async with serving() as app:
        await tell(app)
        async with app.stream(FLOWS, watch="true", startTimeGte="-999999") as events:
            ports = [json.loads((await events.next())["data"])["dest_port"] for _ in range(4)]
        assert sorted(ports) == [80, 443, 3306, 3306]


async def test_live_rows_have_the_edges_of_their_bucket_and_no_ghosts() -> None:
    """§11.6: "the old one must stop getting rows (no ghost denies with zero counters)"."""
    async with serving() as app, app.stream(FLOWS, watch="true") as events:
        start = 1_700_000_000 * NS
        await app.hub.take([flow_record(start_ns=start + 7 * NS, connections=0)])
        await app.hub.take([flow_record(port=2, start_ns=start + 7 * NS)])
        flow = json.loads((await events.next())["data"])
        assert (flow["dest_port"], flow["start_time"], flow["end_time"]) == (
            2,
            "2023-11-14T22:13:15Z",
            "2023-11-14T22:13:30Z",
        )


async def test_records_of_both_verdicts_are_two_keys() -> None:
    """§11.6: "A flow before and after the policy shows as two keys"."""
    async with serving() as app:
        start = app.timer.now_ns() - NS
        await app.hub.take([denied_record(start_ns=start)])
        mended = denied_record(start_ns=start, action=Action.ALLOW, enforced=PROFILE)
        await app.hub.take([mended, mended])
        found = {flow["action"]: flow["packets_in"] for flow in (await app.get(FLOWS))["items"]}
        assert found == {"Deny": 3, "Allow": 6}


@pytest.mark.parametrize(("ahead_s", "count"), [(14, 1), (-14, 1), (60, 0)])
async def test_a_clock_that_is_a_little_fast_or_slow_is_no_matter(ahead_s: int, count: int) -> None:
    """§3: "one ahead of the clock (for nodes whose clock runs fast)"; §12: "clock ±15 s"."""
    async with serving() as app:
        await app.hub.take([flow_record(start_ns=app.timer.now_ns() + ahead_s * NS)])
        assert len((await app.get(FLOWS, startTimeGte="-60"))["items"]) == count
        # What is further ahead is kept, and shows when its time has come.
        await app.timer.advance(60)
        assert len((await app.get(FLOWS, startTimeGte="-120"))["items"]) == 1


async def test_labels_are_those_that_all_contributors_have() -> None:
    """§3: "Labels: the **intersection** of `k=v` strings of all contributors"."""
    async with serving() as app:
        start = app.timer.now_ns() - 20 * NS
        labels = (("app=db", "pod=1", "tier=back"), ("app=db", "pod=2", "tier=back"))
        await app.hub.take([flow_record(start_ns=start, dest_labels=each) for each in labels])
        [flow] = (await app.get(FLOWS))["items"]
        assert (flow["dest_labels"], flow["packets_in"]) == ("app=db | tier=back", 6)
        async with app.stream(FLOWS, watch="true", startTimeGte="-60") as events:
            assert json.loads((await events.next())["data"])["dest_labels"] == "app=db | tier=back"


async def test_a_failing_store_is_an_internal_error_in_whiskers_shape(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """§7.4: "500 `Internal Server Error`: any aggregator failure"."""

    async def failing(*_: Any, **__: Any) -> Any:
        raise OSError("the disk is gone")

    async with serving() as app:
        monkeypatch.setattr(app.hub, "found", failing)
        async with app.client.get(FLOWS) as answer:
            assert (answer.status, await answer.text()) == (500, '{"error":"Internal Server Error"}\n')
