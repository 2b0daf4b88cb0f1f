"""Whatever text stands where a selector is asked for: a selector that works, or an error that points into it.

Bounded here; `--hypothesis-profile=soak` (tests/conftest.py) searches on.
"""

import json
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from ocicat.model.selector import Selector, SelectorError, normalised

CASES = Path(__file__).parents[1] / "cases" / "calico" / "cases.jsonl"
PUBLISHED = [
    case["args"]["selector"]
    for case in map(json.loads, CASES.read_text().splitlines())
    if case["op"] == "selector"
]
WORDS = [
    *(
        "a",
        "b.c/d",
        "has",
        "all",
        "global",
        "in",
        "not",
        "contains",
        "starts",
        "with",
        "ends",
        "é",
        "\ud800",
        "\0",
    ),
    *(
        "has(",
        "all(",
        "global(",
        "all()",
        "has(a)",
        "(",
        ")",
        "{",
        "}",
        ",",
        "!",
        "!!!",
        "&&",
        "||",
        "==",
        "!=",
    ),
    *(
        "=",
        "&",
        "|",
        "'",
        '"',
        "'x'",
        '"y"',
        " ",
        "\t",
        "\n",
        "\u00a0",
        "notin",
        "not in",
        "startswith",
        "a" * 513,
    ),
]


def parsed(text: str) -> Selector | SelectorError:
    try:
        return Selector.parse(text)
    except SelectorError as error:
        return error


def works(text: str) -> None:
    selector = parsed(text)
    if isinstance(selector, SelectorError):
        assert 1 <= selector.column <= len(text) + 1
        assert selector.message
        assert selector.pointer().endswith("^")
        return
    assert normalised(text) == selector.canonical
    again = Selector.parse(selector.canonical)
    assert again.node == selector.node
    assert again.canonical == selector.canonical
    assert selector.uid.startswith("s:")
    for labels in ({}, {"a": "x"}, {"a": "y", "b.c/d": ""}):
        assert selector.matches(labels) == again.matches(labels)
    prefixed = selector.prefixed("p.")
    assert prefixed.labels() == {f"p.{label}" for label in selector.labels()}


@given(st.text(max_size=60))
@example("(" * 10_000)
@example("(" * 100 + "a == 'b'" + ")" * 100)
@example("!" * 10_000 + "has(a)")
@example("!(" * 100 + "has(a)" + ")" * 100)
@example("a == 'b' || " * 2_000 + "has(c)")
@example("a in {" + "'x'," * 5_000 + "}")
@example("'" * 10_001)
def test_any_text_is_a_selector_or_an_error(text):
    works(text)


@given(st.lists(st.sampled_from(WORDS), max_size=30).map("".join))
def test_any_words_are_a_selector_or_an_error(text):
    works(text)


@st.composite
def mutants(draw):
    """A published selector with a few slips."""
    text = draw(st.sampled_from(PUBLISHED))
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 6)))
        middle = draw(st.sampled_from(["", text[start:end] * 2, draw(st.sampled_from(WORDS))]))
        text = text[:start] + middle + text[end:]
    return text


@given(mutants())
@example('a == "\ud800b"')
def test_a_selector_with_slips_is_a_selector_or_an_error(text):
    works(text)
