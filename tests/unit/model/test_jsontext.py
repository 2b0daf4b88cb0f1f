import json

import pytest

from ocicat.model import jsontext
from ocicat.model.positions import Place, Places
from ocicat.model.reading import Limits

LIMITS = Limits()


def compose(text, limits=LIMITS):
    """Return the values, and (code, line, column, path) of every fault."""
    documents, faults = jsontext.compose(text, limits)
    every = [*(fault for document in documents for fault in document.faults), *faults]
    return [document.value for document in documents], [
        (fault.code, fault.place.line, fault.place.column, fault.path) for fault in every
    ]


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"a": [1, -2.5e3, true, false, null, "x\\u00e9\\n"], "items": [], "b": {"c": [[]]}}',
        '{"items": [1, {"a": "é"}, [2]], "kind": "List"}',
        '[1, {"a": 2}]',
        '"x"',
        "12",
        ' \n\t{"a" : 1 , "b" : [ ] }\r\n',
        '{"items": {"a": 1}}',
        '{"a": "\\ud83d\\ude00 \\\\ud800 \\""}',
    ],
)
def test_json_is_what_the_standard_says(text):
    assert compose(text) == ([json.loads(text)], [])


def test_several_values_may_follow_each_other():
    documents, faults = jsontext.compose('{"a": 1}\n\n {"b": 2}{"c": 3}', LIMITS)
    assert [document.value for document in documents] == [{"a": 1}, {"b": 2}, {"c": 3}]
    assert [document.span.place for document in documents] == [Place(1, 1), Place(3, 2), Place(3, 10)]
    assert faults == []


def test_each_item_of_a_list_knows_its_span():
    text = '\n{"x": "é\\n",\n "items": [\n  {"a": 1}, 5,\n  [2]\n ]}'
    documents, _ = jsontext.compose(text, LIMITS)
    items = documents[0].items
    assert [text[span.start : span.end] for span in items] == ['{"a": 1}', "5", "[2]"]
    assert [span.place for span in items] == [Place(4, 3), Place(4, 13), Place(5, 3)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"a": 1, "a": 2}', ("OC0009", 1, 10, ("a",))),
        ('{"a":\n {"b": 1,\n  "b": 2}}', ("OC0009", 3, 3, ("a", "b"))),
        ('{"items": [{}, {"\\u0061": 1, "a": 2}]}', ("OC0009", 1, 30, ("items", 1, "a"))),
        # Only the outer of two nested repetitions is told: the inner one goes with it.
        ('{"x": {"a": {"b": 1}, "a": {"b": 2}}}', ("OC0009", 1, 23, ("x", "a"))),
        ('{"a": [1, NaN]}', ("OC0014", 1, 11, ("a", 1))),
        ('{"a": {"b": -Infinity}}', ("OC0014", 1, 13, ("a", "b"))),
        ('{"a": 1e999}', ("OC0014", 1, 7, ("a",))),
        ('{"a": ' + "9" * 5000 + "}", ("OC0014", 1, 7, ("a",))),
    ],
)
def test_what_json_allows_and_kubernetes_does_not_is_a_fault(text, fault):
    _, faults = compose(text)
    assert faults == [fault]


def test_the_word_nan_in_quotes_is_text():
    assert compose('{"a": "NaN", "b": null, "b": 2}')[1] == [("OC0009", 1, 25, ("b",))]


@pytest.mark.parametrize(
    ("text", "place", "fix"),
    [
        ('{"a": 1,}', (1, 9), "comma before }"),
        ("{'a': 1}", (1, 2), "double quotes"),
        ('{"a" 1}', (1, 6), "colon"),
        ('{"a": 1\n "b": 2}', (2, 2), "comma"),
        ('{"a": [1\n 2]}', (2, 2), "comma"),
        ('{"items": [1 2]}', (1, 14), "comma"),
        ('{"items": [1,]}', (1, 14), "write a value"),
        ('{"a": }', (1, 7), "write a value"),
        ('{"a": "x\n"}', (1, 9), "\\n"),
        ('{"a": "x', (1, 7), "close the text"),
        ('{"a": "\\d"}', (1, 8), "\\\\"),
        ('{"a": [1', (1, 9), "comma"),
        ('{"a": 1} x', (1, 10), "write a value"),
        ('{"items": [', (1, 12), "write a value"),
    ],
)
def test_broken_json_is_told_with_its_place_and_a_fix(text, place, fix):
    _, faults = jsontext.compose(text, LIMITS)
    assert [fault.code for fault in faults] == ["OC0005"]
    assert faults[0].place == Place(*place)
    assert fix in faults[0].fix


def test_values_before_the_broken_one_are_kept():
    values, faults = compose('{"a": 1} {"b": }')
    assert values == [{"a": 1}]
    assert [fault[:3] for fault in faults] == [("OC0005", 1, 16)]


@pytest.mark.parametrize(
    ("text", "limits", "fault"),
    [
        ('{"a": [[1]]}', Limits(depth=2), ("OC0006", 1, 8, ("a",))),
        ('{"items": [{"a": {}}]}', Limits(depth=3), ("OC0006", 1, 18, ("items", 0))),
        ('{"b": [], "a": [[], [[]]]}', Limits(depth=3), ("OC0006", 1, 22, ("a",))),
        ("[" * 100_000, LIMITS, ("OC0006", 1, 101, ())),
        ('{"a":' * 100_000, LIMITS, ("OC0006", 1, 501, ("a",))),
        ('{"a": [1, 2, 3]}', Limits(nodes=3), ("OC0007", 1, 1, ())),
    ],
)
def test_a_bound_is_a_fault(text, limits, fault):
    assert compose(text, limits) == ([], [fault])


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ('{"a": [[1]]}', Limits(depth=3)),
        ('{"items": [{"a": {}}]}', Limits(depth=4)),
        ('{"a": [1, 2]}', Limits(nodes=3)),
    ],
)
def test_what_reaches_a_bound_is_read(text, limits):
    assert compose(text, limits) == ([json.loads(text)], [])


def test_after_too_many_mistakes_the_text_is_given_up():
    text = json.dumps({"a": [1.5] * 10}).replace("1.5", "NaN")
    _, faults = compose(text, Limits(faults=3))
    assert [fault[0] for fault in faults] == ["OC0016"]


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        # "A lone surrogate is no character": Go reads it as U+FFFD
        ("\\ud800", "\ufffd"),
        ("\\uDC00x", "\ufffdx"),
        ("\\ud800\\ud83d\\ude00", "\ufffd\U0001f600"),
        ("\\ud83d\\ude00\\ud800", "\U0001f600\ufffd"),
        ("\\\\ud800", "\\ud800"),
        ("\\\\\\ud800", "\\\ufffd"),
    ],
)
def test_a_lone_surrogate_becomes_the_replacement_character(escaped, text):
    values, faults = compose(f'{{"a": "{escaped}"}}')
    assert (values, faults) == ([{"a": text}], [])
    values[0]["a"].encode()


def test_the_places_of_json():
    text = '{"a": {"b\\"": [1,\n  {"c": "x:,{"}]},\n "\\ud800": 2}'
    places = Places(jsontext.tokens(text, Place(10, 5)))
    assert places.of(("a", 'b"', 0)) == Place(10, 20)
    assert places.of(("a", 'b"', 1, "c")) == Place(11, 9)
    assert places.of(("\ufffd",)) == Place(12, 12)
