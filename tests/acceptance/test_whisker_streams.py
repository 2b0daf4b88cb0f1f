"""Whisker's live page: event streams, and the workshop's walk. One row for each sentence.

Source: flows-and-console §4.4, §7.1, §8.3, §11.
"""

import http.client
import json
import time
from datetime import UTC, datetime

import msgspec
import pytest

from ocicat.model.flow import Action, HitKind, Trigger
from support.hub import STAGED, RealHub, flow_record
from support.whisker import ALL_KEYS, NS, OLD_S, Source, listed

# --- §7.1, §8.3: streams ------------------------------------------------------------------------------------


def test_the_head_of_a_stream_comes_before_any_flow(told: RealHub) -> None:
    """§7.1: "200, `Content-Type: text/event-stream`, `Cache-Control: no-cache`; headers flushed at once"."""
    with Source(told, 'watch=true&startTimeGte=0&filters={"dest_names":[{"value":"nobody"}]}') as source:
        headers = {name.lower(): value for name, value in source.answer.getheaders()}
        assert source.answer.status == 200
        assert (headers["content-type"], headers["cache-control"]) == ("text/event-stream", "no-cache")
        assert "content-encoding" not in headers
        assert not [name for name in headers if name.startswith("access-control-")]


def test_each_flow_is_one_line_and_a_blank_one(told: RealHub) -> None:
    """§7.1: "Each flow is `data: <one-line JSON>` + blank line. No `event:`"; the rest disturbs nobody."""
    with Source(told, "watch=true&startTimeGte=-300") as source:
        lines = source.lines(7)
    fields = {line.partition(":")[0] for line in lines if line}
    assert fields <= {"data", "retry", "id", ""}
    for number, line in enumerate(lines):
        if line.startswith("data:"):
            assert set(json.loads(line.removeprefix("data: "))) == set(ALL_KEYS)
            assert lines[number + 1] == ""


@pytest.mark.parametrize(
    ("query", "ports"),
    [
        pytest.param("startTimeGte=-300", [53, 80, 443, 3306, 3306, 3306, 8080], id="§8.1 relative"),
        pytest.param(
            "startTimeGte=-3600&startTimeLt=1",
            [53, 80, 443, 3306, 3306, 3306, 8080],
            id="§7.1 Lt ignored with watch",
        ),
        pytest.param(
            f"startTimeGte=-{OLD_S * 9}", [53, 80, 443, 3306, 3306, 3306, 3306, 8080], id="§4.4 clamped"
        ),
        pytest.param("startTimeGte=1", [53, 80, 443, 3306, 3306, 3306, 3306, 8080], id="§8.3 absolute"),
        pytest.param('startTimeGte=-300&filters={"actions":["Deny"]}', [80], id="§8.5 Denied Flows"),
        pytest.param(
            'startTimeGte=-300&filters={"dest_names":[{"type":"Exact","value":"db-*"}]}',
            [3306] * 3,
            id="§11.2 Add db-*",
        ),
        pytest.param(
            'startTimeGte=-300&filters={"protocols":[{"type":"Exact","value":"udp"}],"dest_ports":[{"type":"Exact","value":53}]}',
            [53],
            id="§8.1 Port",
        ),
        pytest.param(
            'startTimeGte=-300&filters={"dest_names":[{"type":"Exact","value":"PUBLIC%20NETWORK"}]}',
            [443],
            id="§7.3 sent raw",
        ),
        pytest.param(
            'startTimeGte=-300&filters={"policies":[{"kind":"NetworkPolicy","tier":{"type":"Exact","value":"default"},"name":{"type":"Exact","value":"web"}}]}',
            [8080],
            id="§8.1 Policy",
        ),
    ],
)
def test_a_stream_begins_with_what_was(told: RealHub, query: str, ports: list[int]) -> None:
    with Source(told, f"watch=true&{query}") as source:
        assert sorted(flow["dest_port"] for flow in source.flows(len(ports))) == ports


def seconds(moment: str) -> int:
    return int(datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())


def test_now_has_no_backfill_and_play_goes_on_after_the_newest_row(real_hub: RealHub) -> None:
    """§8.1: "0 for Now"; §8.3: "Play asks again from the end time of the newest row"."""
    before = time.time_ns() - 30 * NS
    real_hub.push([flow_record(port=1, start_ns=before)])
    with Source(real_hub, "watch=true&startTimeGte=0") as now:
        real_hub.push([flow_record(port=2)])
        [row] = now.flows(1)
        assert row["dest_port"] == 2
    with Source(real_hub, f"watch=true&startTimeGte={seconds(row['end_time'])}") as play:
        real_hub.push([flow_record(port=3)])
        assert [flow["dest_port"] for flow in play.flows(1)] == [3]
    with Source(real_hub, f"watch=true&startTimeGte={seconds(row['start_time'])}") as changed:
        # "Changing a filter … asks again from the start of the oldest row seen."
        assert 2 in [flow["dest_port"] for flow in changed.flows(2)]


def test_a_late_record_reaches_the_stream_and_has_the_edges_of_its_bucket(real_hub: RealHub) -> None:
    """§3: "Late records … appear in List but not in Stream": ours have them in both."""
    start = time.time_ns() - 120 * NS
    with Source(real_hub, "watch=true&startTimeGte=0") as source:
        real_hub.push([flow_record(start_ns=start)])
        [row] = source.flows(1)
        # §7.1: "if the aggregator ends or fails, the response just ends".
        assert real_hub.stop() == 0
        try:
            rest = source.answer.read()
        except http.client.IncompleteRead as cut:
            rest = cut.partial
        assert rest == b""
    assert seconds(row["start_time"]) == start // NS // 15 * 15
    assert seconds(row["end_time"]) == seconds(row["start_time"]) + 15


# --- §11: the walk ------------------------------------------------------------------------------------------


def test_a_staged_default_deny_shows_in_the_pending_path_and_then_in_both(real_hub: RealHub) -> None:
    """§11.5, §11.6: "Once the policy is made real, both agree"; "shows as two keys"."""
    [staged] = STAGED
    trigger = Trigger(HitKind.GLOBAL_NETWORK_POLICY, "", "default-deny", "default")
    real = (msgspec.structs.replace(staged, trigger=trigger),)
    now = time.time_ns()
    real_hub.push([flow_record(start_ns=now - 40 * NS, pending=STAGED)])
    real_hub.push([flow_record(start_ns=now - 20 * NS, action=Action.DENY, enforced=real)])
    after, before = listed(real_hub)
    assert before["policies"]["enforced"][-1]["action"] == "Allow"
    assert before["policies"]["pending"][-1]["trigger"]["name"] == "default-deny"
    assert after["policies"]["enforced"] == after["policies"]["pending"]
    assert (before["action"], after["action"]) == ("Allow", "Deny")
