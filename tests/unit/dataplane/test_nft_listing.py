"""Reading back what nft lists, and telling foreign edits."""

import msgspec
import pytest

from ocicat.dataplane.nft.listing import (
    as_rendered,
    deviations,
    listed_hook,
    parse_listing,
    restored_traces,
)
from ocicat.dataplane.nft.ruleset import Chain, Container, Ruleset
from ocicat.engine.policy import Direction

CHAIN = {"chain": {"family": "inet", "table": "t", "name": "c", "handle": 1}}
BASE = {
    "chain": {
        "family": "inet",
        "table": "t",
        "name": "forward",
        "handle": 2,
        "type": "filter",
        "hook": "forward",
        "prio": 0,
        "policy": "accept",
    }
}


def rule(chain: str, handle: int, **fields: object) -> dict[str, object]:
    body = {"family": "inet", "table": "t", "chain": chain, "handle": handle, "expr": [{"accept": None}]}
    return {"rule": {**body, **fields}}


def a_map(*elements: object, kind: str | list[str] = "ipv4_addr", name: str = "m") -> dict[str, object]:
    body = {"family": "inet", "name": name, "table": "t", "type": kind, "handle": 3, "map": "verdict"}
    return {"map": {**body, "elem": list(elements)}}


def listed(*items: object) -> Ruleset:
    head = {"metainfo": {"version": "1.0.6"}}
    return parse_listing("t", msgspec.json.encode({"nftables": [head, {"table": {"name": "t"}}, *items]}))


@pytest.mark.parametrize(
    ("kind", "key", "text"),
    [
        ("ipv4_addr", "10.0.0.1", "10.0.0.1"),
        ("ipv4_addr", {"prefix": {"addr": "10.0.0.0", "len": 24}}, "10.0.0.0/24"),
        ("ipv4_addr", {"range": ["10.0.0.1", "10.0.0.2"]}, "10.0.0.1-10.0.0.2"),
        ("ipv6_addr", "::ffff:1.2.3.4", "::ffff:102:304"),
        ("ipv6_addr", {"prefix": {"addr": "fd00::", "len": 64}}, "fd00::/64"),
        (["ifname", "ipv4_addr"], {"concat": ["cali1", "10.0.0.1"]}, '"cali1" . 10.0.0.1'),
        (["ipv4_addr", "inet_proto", "inet_service"], {"concat": ["10.0.0.1", 6, 80]}, "10.0.0.1 . 6 . 80"),
    ],
)
def test_elements_read_as_they_were_rendered(kind: str | list[str], key: object, text: str) -> None:
    found = listed(a_map([key, {"goto": {"target": "c"}}], kind=kind))
    assert found.containers["m"].elements == {text: "goto c"}


def test_a_set_has_keys_alone_and_what_packets_add_is_no_part_of_it() -> None:
    owners = {
        "set": {"name": "owners4", "type": ["ifname", "ipv4_addr"], "elem": [{"concat": ["a", "10.0.0.1"]}]}
    }
    flows = {"set": {"name": "conns4", "type": "mark", "flags": ["timeout"], "elem": [{"elem": {"val": 1}}]}}
    found = listed(owners, flows)
    assert found.containers["owners4"].elements == {'"a" . 10.0.0.1': ""}
    assert found.containers["conns4"].dynamic
    assert found.containers["conns4"].elements == {}


def rendered(*parts: Chain | Container) -> Ruleset:
    return Ruleset.of("t", *parts)


WANTED = rendered(
    Chain("c", ("accept",)), Container("m", "ipv4_addr : verdict", elements={"10.0.0.1": "goto c"})
)
LISTED = listed(CHAIN, rule("c", 7), a_map(name="m"))
GOOD = a_map(["10.0.0.1", {"goto": {"target": "c"}}])


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ((CHAIN, rule("c", 99), GOOD), []),
        ((CHAIN, GOOD), ["chain c was edited"]),
        ((CHAIN, rule("c", 1), rule("c", 2), GOOD), ["chain c was edited"]),
        ((CHAIN, rule("c", 1, comment="mine"), GOOD), ["chain c was edited"]),
        ((CHAIN, rule("c", 1), GOOD, BASE), ["chain forward is foreign"]),
        ((GOOD,), ["chain c is missing"]),
        ((CHAIN, rule("c", 1)), ["missing set or map m"]),
        ((CHAIN, rule("c", 1), a_map()), ["map m: 10.0.0.1 is absent, should be goto c"]),
        (
            (CHAIN, rule("c", 1), a_map(["10.0.0.1", {"drop": None}], ["10.0.0.2", {"accept": None}])),
            [
                "map m: 10.0.0.1 is drop, should be goto c",
                "map m: 10.0.0.2 is accept, should be absent",
            ],
        ),
    ],
)
def test_foreign_edits_are_told(found: tuple[object, ...], said: list[str]) -> None:
    assert list(deviations(as_rendered(listed(*found), WANTED, LISTED), WANTED)) == said


def test_a_missing_table_is_told() -> None:
    assert list(deviations(None, WANTED)) == ["table t is missing"]


def trace_chain(*comments: str) -> Ruleset:
    chain = {"chain": {"family": "inet", "table": "t", "name": "to_t5", "handle": 1}}
    return listed(chain, *(rule("to_t5", n, comment=text) for n, text in enumerate(comments)))


def test_numbers_are_restored_from_comments() -> None:
    book = restored_traces(
        trace_chain(
            "enforced 0|sec|gnp:a|pass|0",
            "enforced 1|default|knp:prod/allow-fe|allow|0",
            "pending 0|sec|sgnp:c|deny|0",
        )
    )
    outcome = book.outcome(Direction.INGRESS, 5)
    assert outcome is not None
    assert [hit.text() for hit in outcome.enforced.trace] == [
        "0|sec|gnp:a|pass|0",
        "1|default|knp:prod/allow-fe|allow|0",
    ]
    assert [hit.text() for hit in outcome.pending.trace] == ["0|sec|sgnp:c|deny|0"]
    assert (outcome.enforced.action, outcome.pending.action) == ("Allow", "Deny")


def test_a_trace_over_several_comments_is_put_together() -> None:
    book = restored_traces(trace_chain("enforced 0|default|knp:n/aaa", "+bbb|allow|0"))
    outcome = book.outcome(Direction.INGRESS, 5)
    assert outcome is not None
    assert outcome.enforced.trace[0].name == "aaabbb"


@pytest.mark.parametrize(
    "comments", [(), ("hello",), ("enforced nonsense",), ("pending 0|sec|sgnp:c|deny|0",)]
)
def test_comments_that_somebody_has_spoilt_restore_nothing(comments: tuple[str, ...]) -> None:
    assert restored_traces(trace_chain(*comments)).known(Direction.INGRESS) == {}


@pytest.mark.parametrize(
    ("priority", "number"),
    [("raw", -300), ("filter", 0), ("filter - 10", -10), ("dstnat", -100), ("-100", -100), ("srcnat", 100)],
)
def test_hooks_are_listed_by_number(priority: str, number: int) -> None:
    listed = msgspec.json.decode(listed_hook(f"type nat hook output priority {priority}; policy accept;"))
    assert listed == {"type": "nat", "hook": "output", "prio": number, "policy": "accept"}
