"""Which flows each filter of Whisker's page lets through. One row for each sentence.

Source: flows-and-console §4.2, §7.3, §8.1, §10.
"""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from support.hub import RealHub
from support.whisker import (
    BACKUP,
    DENIED,
    DNS,
    FACTS_DB,
    FLOWS,
    PRIVATE,
    PUBLIC,
    WORKER_DB,
    filtered,
    sent,
    text,
)

# --- §7.3: filters ------------------------------------------------------------------------------------------


DB = [FACTS_DB, BACKUP, WORKER_DB]
ALL = sorted([*DB, PUBLIC, PRIVATE, DENIED, DNS])


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        pytest.param({}, ALL, id="§7.3 all optional"),
        pytest.param({"dest_names": []}, ALL, id="§4.2 an empty field does not filter"),
        pytest.param({"dest_names": None, "policies": None}, ALL, id="§7.3 null is left out"),
        pytest.param(
            {"source_names": text("worker-7c9d5f-*")}, [PUBLIC, WORKER_DB, DENIED], id="§7.3 source_names"
        ),
        pytest.param({"source_namespaces": text("-")}, [PRIVATE], id="§4.2 namespaces are stored as -"),
        pytest.param({"source_namespaces": text("Global")}, [PRIVATE], id="§7.3 Global becomes -"),
        pytest.param({"dest_namespaces": text("Global")}, [PUBLIC], id="§7.3 dest_namespaces"),
        pytest.param({"dest_names": text("PUBLIC NETWORK")}, [PUBLIC], id="§7.3 PUBLIC NETWORK becomes pub"),
        pytest.param(
            {"source_names": text("PRIVATE NETWORK")}, [PRIVATE], id="§7.3 PRIVATE NETWORK becomes pvt"
        ),
        pytest.param({"dest_names": text("pub")}, [PUBLIC], id="§4.2 stored pub"),
        pytest.param({"dest_names": text("PUB", "Fuzzy")}, [PUBLIC], id="§4.2 PUB hits"),
        pytest.param({"source_names": text("NETWORK", "Fuzzy")}, [PRIVATE], id="§4.2 NETWORK hits"),
        pytest.param({"dest_names": text("db")}, [], id="§4.2 Exact: equal"),
        pytest.param({"dest_names": [{"value": "db"}]}, [], id="§7.3 type defaults to Exact"),
        pytest.param({"dest_names": text("db", "Fuzzy")}, DB, id="§4.2 Fuzzy: substring"),
        pytest.param(
            {"dest_names": text("b-7c", "Fuzzy")}, [PRIVATE, FACTS_DB, WORKER_DB], id="§4.2 Fuzzy: anywhere"
        ),
        pytest.param({"dest_names": text("DB", "Fuzzy")}, [], id="§4.2 Fuzzy: case-sensitive"),
        pytest.param({"dest_names": text("db-*")}, DB, id="§4.2 Exact with a star is a glob"),
        pytest.param({"dest_names": text("db-*", "Fuzzy")}, DB, id="§4.2 Fuzzy with a star is a glob"),
        pytest.param(
            {"dest_names": text("b-*", "Fuzzy")}, [], id="§4.2 a glob is from the start of the name"
        ),
        pytest.param({"dest_names": text("db-*-*")}, DB, id="§4.2 * is any text"),
        pytest.param(
            {"dest_names": [*text("pub"), *text("fact", "Fuzzy")]},
            [PUBLIC, DENIED],
            id="§4.2 inside a field OR",
        ),
        pytest.param(
            {"dest_names": [*text("db"), *text("fact", "Fuzzy")]},
            [DENIED],
            id="§7.3 each text by its own type",
        ),
        pytest.param(
            {"dest_names": text("db-*"), "reporter": "Dst"}, [WORKER_DB], id="§4.2 between fields AND"
        ),
        pytest.param({"protocols": text("udp")}, [DNS], id="§4.2 protocol"),
        pytest.param({"protocols": text("ud", "Fuzzy")}, [DNS], id="§7.3 protocols are texts too"),
        pytest.param({"protocols": text("ud")}, [], id="§4.2 protocol: equal"),
        pytest.param({"dest_ports": [{"value": 443, "type": "Exact"}]}, [PUBLIC], id="§4.2 port"),
        pytest.param(
            {"dest_ports": [{"value": 443, "type": "Nonsense"}]}, [PUBLIC], id="§7.3 port type is ignored"
        ),
        pytest.param({"actions": ["Deny"]}, [DENIED], id="§4.2 the flow's final action"),
        pytest.param({"actions": ["Pass"]}, [], id="§4.2 no hit's action"),
        pytest.param({"pending_actions": ["Deny"]}, [FACTS_DB, DENIED], id="§4.2 any pending hit"),
        pytest.param({"pending_actions": ["Pass"]}, [PRIVATE], id="§4.2 pending: Pass"),
        pytest.param(
            {"actions": ["ActionUnspecified"], "reporter": "ReporterUnspecified"},
            ALL,
            id="§4.2 unspecified for any",
        ),
        pytest.param({"reporter": "Dst"}, [PRIVATE, WORKER_DB, DENIED], id="§4.2 reporter"),
        pytest.param({"ReporTer": "Dst", "ACTIONS": ["Deny"]}, [DENIED], id="§7.3 key case does not matter"),
        pytest.param(
            {"Dest_Names": [{"VALUE": "db", "Type": "Fuzzy"}]}, DB, id="§7.3 nor that of inner keys"
        ),
        pytest.param(
            {"colour": {"deep": [1]}, "actions": ["Deny"]}, [DENIED], id="§7.3 unknown keys are ignored"
        ),
    ],
)
def test_filters_let_through(told: RealHub, filters: dict[str, Any], expected: list[str]) -> None:
    assert filtered(told, filters) == expected


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        pytest.param([{"kind": "GlobalNetworkPolicy"}], [PRIVATE], id="§4.2 kind equal"),
        pytest.param(
            [{"kind": "NetworkPolicy", "tier": {"value": "security"}}],
            [],
            id="§4.2 a single hit has all parts",
        ),
        pytest.param([{"kind": "NetworkPolicy", "action": "Allow"}], [PRIVATE], id="§4.2 action of the hit"),
        pytest.param([{"kind": "NetworkPolicy", "action": "Pass"}], [], id="§4.2 not of another hit"),
        pytest.param(
            [{"tier": {"value": "secur", "type": "Fuzzy"}}], [PRIVATE], id="§10 type honoured: tier"
        ),
        pytest.param([{"tier": {"value": "secur", "type": "Exact"}}], [], id="§10 type honoured: Exact"),
        pytest.param([{"name": {"value": "dns", "type": "Fuzzy"}}], [PRIVATE], id="§10 type honoured: name"),
        pytest.param([{"name": {"value": "secur", "type": "Fuzzy"}}], [], id="§4.2 a name is not its tier"),
        pytest.param([{"name": {"value": "allow-*"}}], [PRIVATE], id="§4.2 * in a policy's name"),
        pytest.param([{"name": {"value": "allow-dns@Pass"}}], [], id="§4.2 a name is text, not our syntax"),
        pytest.param(
            [{"namespace": {"value": "Global"}, "kind": "GlobalNetworkPolicy"}],
            [PRIVATE],
            id="§7.3 namespace Global",
        ),
        pytest.param(
            [{"namespace": {"value": "Global"}, "kind": "NetworkPolicy"}],
            [],
            id="§7.3 Global is no namespace",
        ),
        pytest.param(
            [{"name": {"value": ""}, "kind": "NetworkPolicy"}], [PRIVATE], id="§4.2 empty value = any"
        ),
        pytest.param([{"name": {"value": "facts"}}], [DENIED], id="§4.2 the trigger too"),
        pytest.param([{"name": {"value": "default-deny"}}], [FACTS_DB], id="§4.2 pending hits too"),
        pytest.param([{"kind": "EndOfTier", "action": "Deny"}], [FACTS_DB, DENIED], id="§4.2 EndOfTier"),
        pytest.param([{"kind": "StagedGlobalNetworkPolicy"}], [FACTS_DB], id="§4.2 kind of the trigger"),
        pytest.param(
            [{"kind": "KindUnspecified", "name": {"value": "web"}}], [PRIVATE], id="§4.2 unset kind"
        ),
        # §8.1: "up to 5 queries OR-ed"; "No Policy" (= kind Profile)
        pytest.param(
            [
                {"name": {"value": "web"}},
                *[{"name": {"value": f"no{n}"}} for n in range(3)],
                {"name": {"value": "facts"}},
            ],
            [PRIVATE, DENIED],
            id="§8.1 five queries",
        ),
        pytest.param([{"kind": "Profile"}], [FACTS_DB, BACKUP, PUBLIC, WORKER_DB], id="§8.1 No Policy"),
    ],
)
def test_policies_are_found_by_a_single_hit(told: RealHub, policies: Any, expected: list[str]) -> None:
    assert filtered(told, {"policies": policies}) == expected


@pytest.mark.parametrize(
    ("raw", "status", "count"),
    [
        pytest.param('{"dest_names":[{"value":"PUBLIC+NETWORK"}]}', 200, 1, id="§7.3 a + turns into a space"),
        pytest.param("%7B%22actions%22%3A%5B%22Deny%22%5D%7D", 200, 1, id="§7.3 decoded twice"),
        pytest.param('{"dest_names":[{"value":"50%"}]}', 400, 0, id="§7.3 a stray % is an error"),
        pytest.param('{"dest_names":[{"value":"5%zz"}]}', 400, 0, id="§7.3 a wrong escape too"),
    ],
)
def test_filters_are_decoded_twice(told: RealHub, raw: str, status: int, count: int) -> None:
    path = f"{FLOWS}?{urlencode({'startTimeGte': '-300', 'filters': raw})}"
    found, _, body = sent(told, path)
    assert found == status
    if status == 200:
        assert len(json.loads(body)["items"]) == count
