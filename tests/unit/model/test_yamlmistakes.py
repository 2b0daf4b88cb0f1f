import pytest
import yaml

from ocicat.model import yamlcomposer, yamltext
from ocicat.model.reading import Limits

# What a person gets wrong: the text, where it is told (None where the two parsers differ), and a
# word of what is said and of how to mend it.
MISTAKES = [
    ("a:\n\tb: 1\n", (2, 1), "a tab indents", "spaces"),
    ("a: b\n\tc: d\n", (2, 1), "a tab indents", "spaces"),
    ("\ta: 1\n", (1, 1), "a tab indents", "spaces"),
    ("a: b: c\n", (1, 5), "second colon", "quotes"),
    ("a: 1\n b: 2\n", (2, 3), "second colon", "indentation"),
    ("a: - b\n", (1, 4), 'a "-" begins a list', "line of its own"),
    ("a: 1\nb\nc: 2\n", (3, None), "", "colon"),
    ("a: [1, 2\n", (2, 1), "not closed", "close the bracket"),
    ("a: {b: 1\n", (2, 1), "not closed", "close the bracket"),
    ("a: [b, , c]\n", (1, 8), "value is missing", "quotes"),
    ('a: "x\nb: 1\n', (3, 1), "never closed", "close the quote"),
    ("a: 'x\n", (2, 1), "never closed", "close the quote"),
    # Without a line break at the end there is no line after the last.
    ("a: 'x", (1, 6), "never closed", "close the quote"),
    ("a: [x", (1, 6), "not closed", "close the bracket"),
    ("a: 1\nb", (2, 2), "neither", "colon"),
    ('a: "\\d"\n', None, "backslash", "single quotes"),
    ('a: "\\ud800"\n', None, "stands for no character", "the character itself"),
    ('a: "\\U00110000"\n', None, "stands for no character", "the character itself"),
    ('a: "\\UFFFFFFFF"\n', None, "stands for no character", "the character itself"),
    ('"\\udc00": 1\n', None, "stands for no character", "the character itself"),
    ('a: "\\xZZ"\n', None, "too few digits", "two digits"),
    ("a: *.example.com\n", (1, 5), "alias", "quotes"),
    ("a: *\n", (1, 5), "alias", "quotes"),
    ("a: |x\n  b\n", None, "| or >", "next line"),
    ("a: @b\n", (1, 4), "cannot begin with @", "quotes"),
    ("a: `b`\n", (1, 4), "cannot begin with `", "quotes"),
    ("a: %b\n", (1, 4), "cannot begin with %", "quotes"),
    ("a: !x!y z\n", None, "makes it a tag", "quotes"),
    ("a: 1\n- b\n", (2, 1), "does not belong to the map", "indent"),
    ("a: 'b' c\n", (1, 8), "does not belong to the map", "quotes"),
    ("- a\nb: 1\n", (2, 1), "followed by something", '"- "'),
    ("[a]]\n", (1, 4), "follows the end", "---"),
    ("%FOO\n---\n%YAML 1.1\n%YAML 1.1\n", None, "", ""),
    ("a: \x01\n", (1, 4), "control character U+0001", "remove"),
    ("a: é\n# \x7f\n", (2, 3), "control character U+007F", "remove"),
]


@pytest.mark.parametrize(("text", "place", "what", "fix"), MISTAKES)
@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
def test_a_mistake_is_told_in_words_that_help(text, place, what, fix, loader, monkeypatch):
    monkeypatch.setattr(yamlcomposer, "LOADER", getattr(yaml, loader))
    monkeypatch.setattr(yamltext, "LOADER", getattr(yaml, loader))
    _, faults = yamltext.compose(text, Limits())
    fault = faults[0]
    assert fault.code == "OC0004"
    assert what in fault.what
    assert fix in fault.fix
    if place is not None:
        assert fault.place.line == place[0]
        assert fault.place.column == place[1] or place[1] is None


def test_the_line_is_counted_in_the_whole_text():
    _, faults = yamltext.compose("a: 1\n---\nb: 2\n---\nc: [1,\n  2\n", Limits())
    assert [(fault.place.line, fault.what) for fault in faults] == [
        (7, "a [ or { is not closed, or a comma is missing (what is open here began in line 5)")
    ]


def test_the_line_is_shown_but_never_all_of_a_long_one():
    _, faults = yamltext.compose("a: b: " + "c" * 10_000, Limits())
    assert faults[0].value.startswith("a: b: ccc")
    assert len(faults[0].value) == 60


@pytest.mark.parametrize(
    "text",
    ["{{- if .Values.x }}\na: 1\n", "a: {{ .x }}: 1\n", "metadata:\n  name: x\n  {{- with .y }}\n  z: 1\n"],
)
def test_a_helm_chart_is_told_to_be_rendered(text):
    documents, faults = yamltext.compose(text, Limits())
    faults += [fault for document in documents for fault in document.faults]
    assert "helm template" in faults[0].fix


def test_an_unknown_message_is_passed_on():
    error = yaml.scanner.ScannerError(None, None, "something new", yaml.Mark("", 0, 0, 0, None, None))
    fault = yamltext.explained(error, "a", 4)
    assert (fault.what, fault.place.line) == ("something new", 5)
