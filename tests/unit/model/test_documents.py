import codecs
import json
import textwrap

import pytest

from ocicat.base.problem import Problem, Severity, Where
from ocicat.model.documents import Limits, read
from ocicat.model.positions import Place


def documents(text, file="f.yaml"):
    found, problems = read(text.encode(), file)
    assert problems == []
    return found


def told(text, file="f.yaml", limits=None):
    """Return the subjects of the documents, and (code, subject, path, line, column) of each Problem."""
    data = text if isinstance(text, bytes) else text.encode()
    found, problems = read(data, file, limits or Limits())
    assert all(problem.where.file == file for problem in problems)
    return [document.subject for document in found], [
        (problem.code, problem.where.subject, problem.where.path, problem.where.line, problem.where.column)
        for problem in problems
    ]


LIST = textwrap.dedent(
    """\
    # everything
    apiVersion: v1
    kind: List
    items:
      - apiVersion: v1
        kind: Pod
        metadata:
          name: a
          labels: {app: x}
      - {apiVersion: v1, kind: Pod, metadata: {name: b, namespace: n}}
    """
)


# --- documents and lists ------------------------------------------------------------------------------------


def test_each_object_of_a_list_is_a_document_with_its_own_place():
    first, second = documents(LIST)
    assert (first.subject, first.line, first.column) == ("Pod a", 5, 5)
    assert (second.subject, second.line, second.column) == ("Pod n/b", 10, 5)
    assert first.position(("metadata", "labels", "app")) == Place(9, 21)
    assert second.position(("metadata", "namespace")) == Place(10, 64)


@pytest.mark.parametrize("indent", [None, 1])
def test_a_list_in_json_is_read_alike(indent):
    text = json.dumps({"kind": "List", "items": [{"kind": "Pod", "metadata": {"name": "a"}}]}, indent=indent)
    (document,) = documents(text)
    assert document.raw == {"kind": "Pod", "metadata": {"name": "a"}}
    assert (document.line, document.column) == ((4, 3) if indent else (1, 28))


def test_the_items_of_a_typed_list_get_their_kind_from_it():
    text = (
        "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n- kind: Job\n  apiVersion: batch/v1\n"
    )
    first, second = documents(text)
    assert (first.api_version, first.kind) == ("v1", "Pod")
    assert (second.api_version, second.kind) == ("batch/v1", "Job")


def test_lists_in_lists_are_unpacked_in_order():
    text = textwrap.dedent(
        """\
        kind: List
        items:
        - kind: List
          items:
          - {kind: Pod, metadata: {name: a}}
          - {kind: Pod, metadata: {name: b}}
        - {kind: Pod, metadata: {name: c}}
        """
    )
    found = documents(text)
    assert [document.subject for document in found] == ["Pod a", "Pod b", "Pod c"]
    assert [(document.line, document.column) for document in found] == [(5, 5), (6, 5), (7, 3)]
    assert found[1].position(("metadata", "name")) == Place(6, 34)
    assert found[1].key_position(("metadata", "name")) == Place(6, 28)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "---\n",
        "# x\n",
        "null\n",
        "kind: List\n",
        "kind: List\nitems: []\n",
        "kind: PodList\nitems:\n",
        " \n",
    ],
)
def test_nothing_is_no_problem(text):
    assert told(text) == ([], [])


@pytest.mark.parametrize(
    ("text", "subjects"),
    [
        # A kind that ends in List and has no items is an ordinary one.
        ("kind: AllowList\nmetadata: {name: a}\n", ["AllowList a"]),
        ("kind: Pod\nitems: [1]\n", ["Pod"]),
        ("kind: 5\nmetadata: x\n", [""]),
        ("metadata: {generateName: a-}\nkind: Pod\n", ["Pod a-"]),
        # A list through an alias
        ("a: &p {kind: Pod}\nkind: List\nitems: [*p, *p]\n", ["Pod", "Pod"]),
        ("kind: List\nitems: &i [{kind: Pod}]\n", ["Pod"]),
        ("x: &i [{kind: Pod}]\nkind: List\nitems: *i\n", ["Pod"]),
        ("x: &i {items: [{kind: Pod}]}\nkind: List\n<<: *i\n", ["Pod"]),
    ],
)
def test_an_object_is_what_it_says(text, subjects):
    assert told(text) == (subjects, [])


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("hello\n", [("OC0015", "", "", 1, 1)]),
        ("a: 1\n---\n- {kind: Pod}\n", [("OC0015", "", "", 3, 1)]),
        ("kind: List\nitems:\n- 5\n-\n- {kind: Pod}\n", [("OC0015", "", "", 3, 3), ("OC0015", "", "", 4, 2)]),
        ("kind: List\nitems: {a: 1}\n", [("OC0015", "List", "", 1, 1)]),
        ("kind: PodList\nitems: 5\n", [("OC0015", "PodList", "", 1, 1)]),
    ],
)
def test_what_is_no_object_is_told(text, problems):
    assert told(text)[1] == problems


# --- what is broken is left out -----------------------------------------------------------------------------


def test_only_the_broken_item_of_a_list_is_left_out():
    text = "kind: List\nitems:\n- {kind: Pod, metadata: {name: a, name: b}}\n- {kind: Job}\n"
    assert told(text) == (["Job"], [("OC0009", "Pod a", "metadata.name", 3, 35)])


def test_what_is_broken_and_shared_by_an_alias_is_left_out_everywhere():
    text = "kind: List\nitems:\n- &p {kind: Pod, kind: Job}\n- *p\n- {kind: Node}\n"
    assert told(text) == ([], [("OC0009", "List", "items[0].kind", 3, 18)])


def test_a_list_that_is_broken_itself_is_left_out_with_all_its_items():
    text = "kind: List\nkind: List\nitems:\n- {kind: Pod}\n"
    assert told(text) == ([], [("OC0009", "List", "kind", 2, 1)])


def test_a_document_with_a_fault_is_left_out():
    assert told("kind: Pod\nspec: {a: .inf}\n---\nkind: Job\n") == (
        ["Job"],
        [("OC0014", "Pod", "spec.a", 2, 11)],
    )


# --- YAML, JSON, bytes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "subjects"),
    [
        ('{"kind": "Pod"}', ["Pod"]),
        ('{"kind": "Pod"}\n{"kind": "Job"}\n', ["Pod", "Job"]),
        # YAML with a bracket first
        ("{kind: Pod}\n", ["Pod"]),
        ("{kind: Pod,}\n---\nkind: Job\n", ["Pod", "Job"]),
        ('{"kind": "Pod", # note\n}\n', ["Pod"]),
        # JSON cut by markers, as jsonnet writes it
        ('{"kind": "Pod"}\n---\n{"kind": "Job"}\n', ["Pod", "Job"]),
    ],
)
def test_brackets_begin_json_or_yaml(text, subjects):
    assert told(text) == (subjects, [])


@pytest.mark.parametrize(
    ("text", "file", "code"),
    [
        ('{"a": [1}', "f.yaml", "OC0005"),
        ('{"a": [1', "-", "OC0005"),
        ("{a: 1}", "f.json", "OC0005"),
        ("{a: [1}", "f.yaml", "OC0004"),
        ("{{- x }}: 1", "f.yaml", "OC0004"),
        ('{"a": 1}\n---\n{"b": [}\n', "f.yaml", "OC0004"),
    ],
)
def test_a_mistake_is_told_in_the_language_that_was_meant(text, file, code):
    assert [problem[0] for problem in told(text, file)[1]] == [code]


def test_bytes_are_bounded_before_they_are_looked_at():
    assert told(b"\xff" * 11, limits=Limits(bytes=10)) == ([], [("OC0002", "", "", 1, 1)])
    assert told(b"kind: Pod\n", limits=Limits(bytes=10)) == (["Pod"], [])


def test_bytes_that_are_no_text_are_told():
    assert told(b"kind: \xff\n") == ([], [("OC0003", "", "", 1, 7)])


def test_a_byte_order_mark_moves_nothing():
    (document,), problems = read(codecs.BOM_UTF8 + b"kind: Pod\n", "f")
    assert problems == []
    assert document.position(("kind",)) == Place(1, 7)


# --- places -------------------------------------------------------------------------------------------------

TEXT = textwrap.dedent(
    """\
    kind: Pod
    ---
    kind: Pod   # the second
    spec:
      é: &x {a: [1, 2]}
      list:
      - p: 1
        q: |
          text
      - *x
      <<: *x
    """
)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), (3, 1)),
        (("kind",), (3, 7)),
        (("spec",), (4, 1)),
        (("spec", "é", "a", 1), (5, 17)),
        (("spec", "list", 0), (7, 5)),
        (("spec", "list", 0, "q"), (8, 8)),
        # "or its nearest parent that is"
        (("spec", "missing", 0), (4, 1)),
        # "What came in by an alias or merge key is where the alias is"
        (("spec", "list", 1, "a", 0), (10, 5)),
        (("spec", "a", 0), (4, 1)),
    ],
)
def test_a_path_has_a_line_and_a_column(path, place):
    assert documents(TEXT)[1].position(path) == Place(*place)


def test_a_path_in_json_has_a_line_and_a_column():
    (document,) = documents('{"kind": "Pod",\n "spec": {"a": [1, 2]}}')
    assert document.position(("spec", "a", 1)) == Place(2, 20)
    assert document.key_position(("spec", "a")) == Place(2, 11)


def test_an_empty_value_at_the_end_of_the_text_is_not_past_it():
    (document,) = documents("a: 1\n? b")
    assert document.position(("b",)) == Place(2, 4)


def test_a_where_names_the_object_the_path_and_the_place():
    document = documents(TEXT)[1]
    assert document.where(("spec", "list", 0, "p")) == Where("Pod", "spec.list[0].p", "f.yaml", 7, 8)
    assert document.where("spec.list[0].p") == document.where(("spec", "list", 0, "p"))
    assert document.where(("spec", "list", 0, "p"), key=True).column == 5


def test_a_problem_that_knows_its_path_gets_its_place():
    problem = Problem("X", Severity.ERROR, Where("NetworkPolicy a", "spec.list[1]"), "what", "fix")
    placed = documents(TEXT)[1].placed(problem)
    assert placed.where == Where("NetworkPolicy a", "spec.list[1]", "f.yaml", 10, 5)
    assert (placed.code, placed.what) == ("X", "what")
