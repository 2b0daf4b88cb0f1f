"""What Whisker's page reads of a real hub: lists, hints, errors. One row for each sentence.

Source: flows-and-console §4, §7, §8.1.
"""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest

from support.hub import RealHub
from support.whisker import ALL_KEYS, FLOWS, HINTS, OLD_S, got, listed, sent, text

# --- §7.1: lists --------------------------------------------------------------------------------------------

HIT_KEYS = {
    "kind": str,
    "name": str,
    "namespace": str,
    "tier": str,
    "action": str,
    "policy_index": int,
    "rule_index": int,
}


def test_every_flow_has_all_keys_and_no_object_beside_its_policies(told: RealHub) -> None:
    """§7.1: "all keys always present"; "an extra key holding a JSON **object crashes the real UI**"."""
    flows = listed(told)
    assert len(flows) == 7
    for flow in flows:
        assert {key: type(value) for key, value in flow.items()} == ALL_KEYS
        assert set(flow["policies"]) == {"enforced", "pending"}
        for hits in flow["policies"].values():
            assert isinstance(hits, list)
            for hit in hits:
                trigger = hit.pop("trigger")
                assert {key: type(value) for key, value in hit.items()} == HIT_KEYS
                if trigger is not None:
                    assert trigger.pop("trigger") is None
                    assert {key: type(value) for key, value in trigger.items()} == HIT_KEYS


def one(hub: RealHub, **wanted: Any) -> dict[str, Any]:
    [flow] = [flow for flow in listed(hub) if wanted.items() <= flow.items()]
    return flow


@pytest.mark.parametrize(
    ("port", "key", "value"),
    [
        pytest.param(443, "dest_name", "PUBLIC NETWORK", id="§7.1 pub becomes PUBLIC NETWORK"),
        pytest.param(443, "dest_namespace", "-", id="§7.1 namespaces are passed as stored"),
        pytest.param(8080, "source_name", "PRIVATE NETWORK", id="§7.1 pvt becomes PRIVATE NETWORK"),
        pytest.param(8080, "reporter", "Dst", id="§7.1 enums as their names: reporter"),
        pytest.param(80, "action", "Deny", id="§7.1 enums as their names: action"),
        pytest.param(53, "protocol", "udp", id="§7.1 protocol"),
        pytest.param(53, "policies", {"enforced": [], "pending": []}, id="§7.1 always send []"),
    ],
)
def test_values_are_as_people_know_them(told: RealHub, port: int, key: str, value: Any) -> None:
    assert one(told, dest_port=port)[key] == value


def test_labels_are_joined_and_an_unset_action_says_so(told: RealHub) -> None:
    """§7.1: "Labels joined with ` | `"; "an unset action inside a trigger reads `ActionUnspecified`"."""
    flow = one(told, source_name="facts-7c9d5f-*", dest_name="db-7c9d5f-*")
    assert flow["source_labels"] == "app=facts | version=v1"
    [pending] = flow["policies"]["pending"]
    assert (pending["kind"], pending["action"], pending["rule_index"]) == ("EndOfTier", "Deny", -1)
    assert pending["trigger"]["kind"] == "StagedGlobalNetworkPolicy"
    assert pending["trigger"]["action"] == "ActionUnspecified"


def test_hits_are_in_order_with_their_indexes(told: RealHub) -> None:
    hits = one(told, dest_port=8080)["policies"]["enforced"]
    assert [(hit["name"], hit["action"], hit["policy_index"], hit["rule_index"]) for hit in hits] == [
        ("allow-dns", "Pass", 0, 1),
        ("web", "Allow", 1, 0),
    ]


def test_times_are_whole_seconds_at_the_edges_of_buckets(told: RealHub) -> None:
    """§7.1: "Times RFC 3339 (whole seconds)"; §4.3: "the outer edges of the buckets used"."""
    for flow in listed(told):
        start, end = (
            datetime.strptime(flow[key], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
            for key in ("start_time", "end_time")
        )
        assert (start % 15, (end - start) % 15) == (0, 0)
        assert end > start


@pytest.mark.parametrize(
    ("query", "count"),
    [
        pytest.param({"startTimeGte": "-300"}, 7, id="§4.1 before now"),
        pytest.param({"startTimeGte": "0"}, 7, id="§4.1 zero is the oldest bucket, of an hour"),
        pytest.param({}, 7, id="§7.1 no start"),
        pytest.param({"startTimeGte": "1"}, 8, id="§4.1 absolute"),
        pytest.param({"startTimeGte": f"-{OLD_S + 60}", "startTimeLt": "-3600"}, 1, id="§7.1 startTimeLt"),
        pytest.param({"startTimeGte": "-5", "startTimeLt": "-1"}, 0, id="§7.1 no match is an empty list"),
        pytest.param({"startTimeGte": "-300", "page": "3", "pageSize": "2"}, 7, id="§7.1 pages are not used"),
        pytest.param({"startTimeGte": "-300", "watch": "false"}, 7, id="§7.1 else one JSON list"),
        pytest.param({"startTimeGte": "-300", "sortBy": "Time"}, 7, id="§7.1 sortBy"),
        pytest.param({"startTimeGte": "-999999999999"}, 8, id="§4.1 before the beginning of time"),
    ],
)
def test_lists_are_of_their_window(told: RealHub, query: dict[str, str], count: int) -> None:
    body = got(told, FLOWS, **query)
    assert len(body["items"]) == count
    assert set(body["total"]) == {"totalPages", "totalResults"}
    assert body["total"]["totalPages"] == min(count, 1)


@pytest.mark.parametrize(
    ("order", "key"),
    [
        ("DestName", "dest_name"),
        ("DestNamespace", "dest_namespace"),
        ("SourceName", "source_name"),
        ("SourceNamespace", "source_namespace"),
    ],
)
def test_lists_are_sorted_by_one_order(told: RealHub, order: str, key: str) -> None:
    """§4.3: "ascending"; names as they are stored, so `pub` and `pvt` stand among them."""
    stored = {"PUBLIC NETWORK": "pub", "PRIVATE NETWORK": "pvt"}
    values = [stored.get(flow[key], flow[key]) for flow in listed(told, sortBy=order)]
    assert values == sorted(values)
    assert len(set(values)) > 1


# --- §7.2: hints --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (
            "DestName",
            [
                "PUBLIC NETWORK",
                "db-7c9d5f-*",
                "db-backup-7c9d5f-*",
                "dns-7c9d5f-*",
                "facts-7c9d5f-*",
                "web-7c9d5f-*",
            ],
        ),
        # "Always the whole history": `ancient` is of two hours ago.
        ("SourceName", ["PRIVATE NETWORK", "ancient-7c9d5f-*", "facts-7c9d5f-*", "worker-7c9d5f-*"]),
        ("DestNamespace", ["Global", "catfacts"]),
        ("SourceNamespace", ["Global", "catfacts"]),
        ("PolicyTier", ["application-catfacts", "default", "security"]),
        ("PolicyName", ["allow-dns", "default-deny", "facts", "web"]),
        (
            "PolicyKind",
            ["CalicoNetworkPolicy", "GlobalNetworkPolicy", "NetworkPolicy", "StagedGlobalNetworkPolicy"],
        ),
        ("PolicyNamespace", ["Global", "catfacts"]),
    ],
)
def test_hints_of_every_type(told: RealHub, kind: str, values: list[str]) -> None:
    """§7.2 with §4.5: whole history, mapped for display, sorted, with both totals."""
    body = got(told, HINTS, type=kind)
    assert sorted(item["value"] for item in body["items"]) == values
    assert body["total"] == {"totalPages": 1, "totalResults": len(values)}


@pytest.mark.parametrize(
    ("page", "size", "values", "pages"),
    [
        ("0", "3", ["PUBLIC NETWORK", "db-7c9d5f-*", "db-backup-7c9d5f-*"], 2),
        ("1", "3", ["dns-7c9d5f-*", "facts-7c9d5f-*", "web-7c9d5f-*"], 2),
        ("1", "4", ["facts-7c9d5f-*", "web-7c9d5f-*"], 2),
        ("9", "3", [], 2),
        ("-1", "3", ["PUBLIC NETWORK", "db-7c9d5f-*", "db-backup-7c9d5f-*"], 2),
    ],
)
def test_hints_are_paged_from_zero(
    told: RealHub, page: str, size: str, values: list[str], pages: int
) -> None:
    body = got(told, HINTS, type="DestName", page=page, pageSize=size)
    assert [item["value"] for item in body["items"]] == values
    assert body["total"] == {"totalPages": pages, "totalResults": 6}


@pytest.mark.parametrize(
    ("text_in_box", "others", "offered"),
    [
        pytest.param("db-*", {}, ["db-7c9d5f-*", "db-backup-7c9d5f-*"], id="§11.2 db-*"),
        pytest.param("db", {}, ["db-7c9d5f-*", "db-backup-7c9d5f-*"], id="§12 db"),
        pytest.param("DB", {}, [], id="§12 DB none"),
        pytest.param(
            "db", {"pending_actions": ["Deny"]}, ["db-7c9d5f-*"], id="§8.1 the other filters as they stand"
        ),
        pytest.param("", {"actions": ["Deny"]}, ["facts-7c9d5f-*"], id="§8.5 hints of the Denied Flows tab"),
    ],
)
def test_a_text_in_the_search_box_is_offered_what_it_means(
    told: RealHub, text_in_box: str, others: dict[str, Any], offered: list[str]
) -> None:
    """§8.1: "asks hints with Fuzzy on that one field and the *other* active filters as they stand"."""
    filters = {**others, **({"dest_names": text(text_in_box, "Fuzzy")} if text_in_box else {})}
    body = got(told, HINTS, type="DestName", page="0", pageSize="20", filters=json.dumps(filters))
    assert [item["value"] for item in body["items"]] == offered


# --- §7.4: errors, and the shape of answers -----------------------------------------------------------------

TYPES = "DestName, SourceName, DestNamespace, SourceNamespace, PolicyTier, PolicyName"


def bad(filters: Any) -> str:
    return f"{FLOWS}?filters={quote(filters if isinstance(filters, str) else json.dumps(filters))}"


@pytest.mark.parametrize(
    ("path", "status", "part"),
    [
        pytest.param(HINTS, 400, TYPES, id="§7.4 missing type"),
        pytest.param(f"{HINTS}?type=Port", 400, TYPES, id="§7.4 for a bad type the allowed list"),
        pytest.param(f"{HINTS}?type=DestName&page=x", 400, "page", id="§7.4 undecodable: page"),
        pytest.param(f"{HINTS}?type=DestName&filters=%7B", 400, "failed to decode filters", id="§7.4 hints"),
        pytest.param(f"{FLOWS}?pageSize=many", 400, "pageSize", id="§7.4 undecodable: pageSize"),
        pytest.param(f"{FLOWS}?startTimeGte=now", 400, "startTimeGte", id="§7.4 undecodable: startTimeGte"),
        pytest.param(f"{FLOWS}?watch=true&startTimeGte=1.5", 400, "startTimeGte", id="§7.4 also with watch"),
        pytest.param(f"{FLOWS}?startTimeLt=9999999999999999999", 400, "startTimeLt", id="§7.4 out of range"),
        pytest.param(f"{FLOWS}?sortBy=Colour", 400, "allowed: Time", id="§7.4 no name of SortBy"),
        pytest.param(bad("{"), 400, "failed to decode filters", id="§7.4 cut off"),
        pytest.param(bad("[]"), 400, "failed to decode filters", id="§7.4 no object"),
        pytest.param(bad('{"a":' * 2000), 400, "failed to decode filters", id="§7.4 deep"),
        pytest.param(bad({"actions": ["Alow"]}), 400, "allowed: Allow", id="§7.3 unknown action"),
        pytest.param(
            bad({"pending_actions": ["deny"]}), 400, "allowed: Allow", id="§7.3 names have their case"
        ),
        pytest.param(bad({"actions": "Deny"}), 400, "failed to decode filters", id="§7.3 a list of actions"),
        pytest.param(bad({"reporter": "Both"}), 400, "allowed: Src, Dst", id="§7.3 unknown reporter"),
        pytest.param(bad({"policies": [{"kind": "Polity"}]}), 400, "unknown kind", id="§7.3 unknown kind"),
        pytest.param(
            bad({"policies": [{"action": "No"}]}), 400, "unknown action", id="§7.3 unknown action of a hit"
        ),
        pytest.param(
            bad({"dest_names": text("x", "Glob")}), 400, "allowed: Exact, Fuzzy", id="§7.3 unknown type"
        ),
        pytest.param(bad({"dest_names": ["x"]}), 400, "failed to decode filters", id="§7.3 no text"),
        pytest.param(bad({"dest_ports": [{"value": True}]}), 400, "a port is a number", id="§7.3 no port"),
        pytest.param(f"{FLOWS}?sortBy=DestType", 500, "Internal Server Error", id="§7.4 even a bad sort"),
        pytest.param(
            f"{FLOWS}?sortBy=Time&sortBy=DestName", 500, "Internal Server Error", id="§7.1 takes one"
        ),
        pytest.param(
            f"{FLOWS}?startTimeGte=-1&startTimeLt=-2", 500, "Internal Server Error", id="§4.1 start ≥ end"
        ),
    ],
)
def test_errors_are_json_with_a_text_and_a_newline(told: RealHub, path: str, status: int, part: str) -> None:
    found, headers, body = sent(told, path)
    assert (found, headers["content-type"]) == (status, "application/json; charset=utf-8")
    assert body.endswith(b"\n")
    error = json.loads(body)
    assert set(error) == {"error"}
    assert part in error["error"]


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        pytest.param("GET", "/whisker-backend/nothing", 404, "text/plain", id="§7.4 unknown path"),
        pytest.param("POST", FLOWS, 405, "application/problem+json", id="§7 only GET: POST"),
        pytest.param("OPTIONS", FLOWS, 405, "application/problem+json", id="§7 only GET: OPTIONS"),
        pytest.param("DELETE", HINTS, 405, "application/problem+json", id="§7 only GET: hints"),
        pytest.param("GET", FLOWS, 200, "application/json; charset=utf-8", id="§7.4 JSON says so"),
        pytest.param(
            "GET", f"{HINTS}?type=DestName", 200, "application/json; charset=utf-8", id="§7.4 hints too"
        ),
    ],
)
def test_paths_and_methods(told: RealHub, method: str, path: str, status: int, kind: str) -> None:
    found, headers, _ = sent(told, path, method, Origin=told.url)
    assert (found, headers["content-type"].startswith(kind)) == (status, True)
    # §7: "no CORS headers", so that no other page reads what ours may.
    assert not [name for name in headers if name.startswith("access-control-")]


def test_no_match_is_an_empty_list_in_the_text_itself(told: RealHub) -> None:
    """§7.1: "no match → `"items":null`: send `[]`"."""
    for path in (bad({"dest_names": text("nobody")}), f"{HINTS}?type=DestName&page=9&pageSize=20"):
        _, _, body = sent(told, path)
        assert b'"items":[]' in body
