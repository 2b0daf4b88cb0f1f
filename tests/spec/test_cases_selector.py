"""Calico's own selector cases: validity, matches, canonical form and unique id (tests/cases/calico)."""

from pathlib import Path

import msgspec
import pytest

from ocicat.model.selector import Selector, SelectorError

CASES = Path(__file__).parents[1] / "cases" / "calico" / "cases.jsonl"


def selector_cases():
    cases = (msgspec.json.decode(line) for line in CASES.read_bytes().splitlines())
    return [
        pytest.param(case["args"]["selector"], case["expected"], id=case["id"])
        for case in cases
        if case["op"] == "selector"
    ]


def test_there_are_cases():
    assert len(selector_cases()) == 46


@pytest.mark.parametrize(("text", "expected"), selector_cases())
def test_selector(text, expected):
    if not expected["valid"]:
        with pytest.raises(SelectorError):
            Selector.parse(text)
        return
    selector = Selector.parse(text)
    assert [labels for labels in expected.get("matches", []) if not selector.matches(labels)] == []
    assert [labels for labels in expected.get("non_matches", []) if selector.matches(labels)] == []
    if expected.get("canonical") is not None:
        assert selector.canonical == expected["canonical"]
    if expected.get("unique_id") is not None:
        assert selector.uid == expected["unique_id"]
