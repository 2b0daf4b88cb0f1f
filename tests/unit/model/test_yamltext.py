import pytest
import yaml

from ocicat.model import yamlcomposer, yamltext
from ocicat.model.reading import Limits

LIMITS = Limits()


@pytest.fixture(params=["libyaml", "PyYAML"])
def _either_parser(request, monkeypatch):
    """Run with libyaml and with PyYAML's own parser, which takes its place where it is missing."""
    loader = yaml.CSafeLoader if request.param == "libyaml" else yaml.SafeLoader
    monkeypatch.setattr(yamlcomposer, "LOADER", loader)
    monkeypatch.setattr(yamltext, "LOADER", loader)


pytestmark = pytest.mark.usefixtures("_either_parser")


def compose(text, limits=LIMITS):
    """Return the values, and (code, line, column, path) of every fault."""
    documents, faults = yamltext.compose(text, limits)
    every = [*(fault for document in documents for fault in document.faults), *faults]
    return [document.value for document in documents], [
        (fault.code, fault.place.line, fault.place.column, fault.path) for fault in every
    ]


# --- documents ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", []),
        ("# nothing\n\n", []),
        ("---\n---\n# x\n---\n", []),
        ("a: 1", [{"a": 1}]),
        ("a: 1\n---\nb: 2\n", [{"a": 1}, {"b": 2}]),
        ("---\na: 1\n...\n---\nb: 2\n...\n", [{"a": 1}, {"b": 2}]),
        ("a: 1\n...\nb: 2\n", [{"a": 1}, {"b": 2}]),
        ("--- {a: 1}\n--- # note\nb: 2\n", [{"a": 1}, {"b": 2}]),
        ("a: 1\r\n---\r\nb: 2\r\n", [{"a": 1}, {"b": 2}]),
        ("%YAML 1.1\n---\na: 1\n...\n# c\n%YAML 1.1\n---\nb: 2\n", [{"a": 1}, {"b": 2}]),
        # Only in the first column, and only before a blank, is it a marker.
        ("a: |\n  ---\n  x\n  ...\nb: '--- '\n", [{"a": "---\nx\n...\n", "b": "--- "}]),
        ("---a: 1\n", [{"---a": 1}]),
        ("a: x\n  ---\n", [{"a": "x ---"}]),
        ("null\n---\n5\n---\n[1]\n", [None, 5, [1]]),
    ],
)
def test_a_stream_is_cut_into_documents(text, values):
    assert compose(text) == (values, [])


def test_a_broken_document_leaves_the_others_alive():
    values, faults = compose("a: 1\n---\nb: [\n---\nc: 'x\n---\nd: 4\n")
    assert values == [{"a": 1}, {"d": 4}]
    assert [(code, line) for code, line, _, _ in faults] == [("OC0004", 4), ("OC0004", 6)]


def test_a_document_with_garbage_after_its_root_is_no_document():
    values, faults = compose("a\nb: c\n")
    assert values == []
    assert [code for code, *_ in faults] == ["OC0004"]


# --- values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 5\nb: '5'\nc: \"5\"\n", {"a": 5, "b": "5", "c": "5"}),
        ("a: |\n  5\nb: >-\n  5\n", {"a": "5\n", "b": "5"}),
        ("a: on\nb: yes\nc: true\n", {"a": "on", "b": "yes", "c": True}),
        ("a: null\nb:\nc: ~\n", {"a": None, "b": None, "c": None}),
        ("a: [1, {b: 2}, [], {}]", {"a": [1, {"b": 2}, [], {}]}),
        ("a:\n- b: 1\n  c:\n  - d\n- e\n", {"a": [{"b": 1, "c": ["d"]}, "e"]}),
        # Tags of YAML's core schema
        ("a: !!str 5\nb: !!int '5'\nc: !!float 1.5\n", {"a": "5", "b": 5, "c": 1.5}),
        ("a: ! 5\nb: ! '5'\nc: !!bool true\nd: !!null ~\n", {"a": "5", "b": "5", "c": True, "d": None}),
        ("a: !!seq []\nb: !!map {}\nc: ! []\n", {"a": [], "b": {}, "c": []}),
        # Keys are text, and a number or truth is text as kubectl would write it
        (
            "80: a\ntrue: b\n1.5: c\non: d\n'~': e\n",
            {"80": "a", "true": "b", "1.5": "c", "on": "d", "~": "e"},
        ),
        # Aliases
        ("a: &x {k: 1}\nb: *x\nc: [*x, *x]\n", {"a": {"k": 1}, "b": {"k": 1}, "c": [{"k": 1}, {"k": 1}]}),
        ("a: &x 1\nb: &x 2\nc: *x\n", {"a": 1, "b": 2, "c": 2}),
        ("a: &k key\n*k : 2\n", {"a": "key", "key": 2}),
        # Merge keys: what is written wins, then the first of the merged maps
        ("a: &a {x: 1, y: 1}\nb: {<<: *a, x: 2}", {"a": {"x": 1, "y": 1}, "b": {"x": 2, "y": 1}}),
        ("a: &a {x: 1}\nb: {<<: [*a, {x: 2, y: 2}]}\n", {"a": {"x": 1}, "b": {"x": 1, "y": 2}}),
        ("a: {<<: {x: 1}}\nb: {'<<': 1}\n", {"a": {"x": 1}, "b": {"<<": 1}}),
    ],
)
def test_values_are_plain(text, value):
    values, faults = compose(text)
    assert (values, faults) == ([value], [])
    assert str(sorted(values[0].items())) == str(sorted(value.items())), "1 is not True, and not 1.0"


# --- faults -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", ("OC0009", 4, 3, ("b", "c"))),
        ("a:\n- {b: 1, 'b': 2}\n", ("OC0009", 2, 10, ("a", 0, "b"))),
        ("~: 1\n", ("OC0010", 1, 1, ())),
        ("1.0: 1\n", ("OC0010", 1, 1, ())),
        ("0x10: 1\n", ("OC0010", 1, 1, ())),
        ("a: {[b]: 1}\n", ("OC0010", 1, 5, ("a",))),
        ("a: {{ x }}\n", ("OC0010", 1, 5, ("a",))),
        ("a: &x [b]\n*x : 1\n", ("OC0010", 2, 1, ())),
        ("a: !mine x\n", ("OC0011", 1, 4, ("a",))),
        ("a: !!binary eA==\n", ("OC0011", 1, 4, ("a",))),
        ("a: !!python/object:os.system {}\n", ("OC0011", 1, 4, ("a",))),
        ("a: !!int x\n", ("OC0011", 1, 4, ("a",))),
        ("a: !!int true\n", ("OC0011", 1, 4, ("a",))),
        ("a: [1, *x]\n", ("OC0012", 1, 8, ("a", 1))),
        ("a: &x [*x]\n", ("OC0012", 1, 8, ("a", 0))),
        ("*x : 1\n", ("OC0012", 1, 1, ())),
        ("&k a: 1\nb: *k\n*k : 2\n", ("OC0009", 3, 1, ("a",))),
        ("a: &x 1\n---\nb: *x\n", ("OC0012", 3, 4, ("b",))),
        ("a: {<<: 1}\n", ("OC0013", 1, 9, ("a", "<<"))),
        ("a: &x [1]\nb: {<<: *x}\n", ("OC0013", 2, 9, ("b", "<<"))),
        ("a: [.nan]\n", ("OC0014", 1, 5, ("a", 0))),
        ("a: -.inf\n", ("OC0014", 1, 4, ("a",))),
        ("a: 1e999\n", ("OC0014", 1, 4, ("a",))),
        ("a: " + "1" * 2000, ("OC0014", 1, 4, ("a",))),
    ],
)
def test_a_fault_has_its_place_and_path(text, fault):
    _, faults = compose(text)
    assert faults == [fault]


def test_reading_goes_on_after_a_fault():
    _, faults = compose("a: .inf\nb: 1\nb: 2\nc: !x 1\n")
    assert [code for code, *_ in faults] == ["OC0014", "OC0009", "OC0011"]


def test_faults_of_a_document_that_breaks_off_are_told_too():
    values, faults = compose("a: .inf\nb: [\n")
    assert values == []
    assert [code for code, *_ in faults] == ["OC0014", "OC0004"]


# --- bounds -------------------------------------------------------------------------------------------------


def nested_lists(levels):
    return "[" * levels + "]" * levels


def chained_aliases(levels):
    return "a0: &a0 []\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, levels))


@pytest.mark.parametrize(
    ("text", "limits", "code"),
    [
        (nested_lists(5), Limits(depth=4), "OC0006"),
        ("a:\n b:\n  c: {}\n", Limits(depth=3), "OC0006"),
        (chained_aliases(4), Limits(depth=4), "OC0006"),
        (chained_aliases(100_000), LIMITS, "OC0006"),
        ("[" * 100_000, LIMITS, "OC0006"),
        ("- " * 100_000, LIMITS, "OC0006"),
        ("a: [1, 2, 3]", Limits(nodes=5), "OC0007"),
        ("a: &x [1, 2]\nb: [*x, *x]", Limits(unfolded=5), "OC0007"),
        ("a: 1\n---\nb: 2\n---\nc: 3\n", Limits(documents=1), "OC0007"),
        ("a: 1\nb: xxxxxxxx\n", Limits(line=10), "OC0008"),
    ],
)
def test_a_bound_is_a_fault(text, limits, code):
    values, faults = compose(text, limits)
    assert values == []
    assert [fault[0] for fault in faults] == [code]


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        (nested_lists(4), Limits(depth=4)),
        (chained_aliases(3), Limits(depth=4)),
        ("a: [1, 2, 3]", Limits(nodes=7)),
        ("a: &x [1, 2]\nb: [*x, *x]", Limits(unfolded=6)),
        ("a: 1\n---\nb: 2\n---\nc: 3\n", Limits(documents=2)),
        ("a: 1\nb: xxxxxxx\n", Limits(line=10)),
    ],
)
def test_what_reaches_a_bound_is_read(text, limits):
    _, faults = compose(text, limits)
    assert faults == []


def test_a_bomb_of_aliases_is_told_before_it_goes_off():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    _, faults = compose("\n".join(lines))
    assert [code for code, *_ in faults] == ["OC0007"]


def test_after_too_many_mistakes_the_document_is_given_up_and_the_next_one_read():
    values, faults = compose("a: 1\n" * 10 + "---\nb: 1\n", Limits(faults=3))
    assert values == [{"b": 1}]
    assert [code for code, *_ in faults] == ["OC0009", "OC0009", "OC0009", "OC0016"]


def test_the_bound_on_values_ends_the_source():
    _, faults = compose("a: 1\n---\na: 1\n---\na: [\n", Limits(nodes=4))
    assert [code for code, *_ in faults] == ["OC0007"]


# --- tokens -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "texts"), [("a: [b, c]", "abc"), ("a: [b, c", "abc"), ("a: 1\n---\nb: 2", "a1")]
)
def test_tokens_end_with_the_value_or_where_yaml_breaks(text, texts):
    assert "".join(token.text for token in yamltext.tokens(text, 0)) == texts


# --- spans --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "items:\n- é: 1\n  b: [x]\n- 5\n- {c: 2}\n# end\n- &x\n  d: 1\n- *x\n",
        "items: [{é: 1, b: [x]}, 5, {c: 2}, &x {d: 1}, *x]",
    ],
)
def test_each_item_of_a_list_knows_its_span(text):
    documents, _ = yamltext.compose(f"# é\n---\n{text}", LIMITS)
    whole = f"# é\n---\n{text}"
    spans = [" " * (span.place.column - 1) + whole[span.start : span.end] for span in documents[0].items]
    assert [yaml.safe_load(span) for span in spans[:4]] == [{"é": 1, "b": ["x"]}, 5, {"c": 2}, {"d": 1}]
    assert spans[4].strip() == "*x"
    first = documents[0].items[0]
    assert first.place.line == whole.count("\n", 0, first.start) + 1
