"""Laws of reading: how a value is written does not change it, and every place that is told is where it is."""

import json

import msgspec
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ocicat.base.problem import Severity
from ocicat.model import yamltext
from ocicat.model.codes import CODES
from ocicat.model.conformity import conformed
from ocicat.model.documents import read
from ocicat.model.kinds import KINDS
from ocicat.model.positions import Lines, path_of, path_text
from ocicat.model.scalars import plain

wide = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def is_quoted_where_we_need_it(text):
    """Tell whether PyYAML, which writes YAML 1.1, quotes what would be no text for us (`0E0`)."""
    return isinstance(plain(text), str) or yaml.safe_dump(text)[0] in "\"'"


def objects(texts):
    """Return objects of any shape with `texts` for their keys and texts."""
    scalars = (
        st.none()
        | st.booleans()
        | st.integers(-(2**70), 2**70)
        | st.floats(allow_nan=False, allow_infinity=False)
        | texts
        | st.sampled_from(
            ["yes", "on", "null", "~", "0x10", "010", "1_000", ".5", "1:30", "2001-01-01", "<<", "="]
        )
    )
    values = st.recursive(
        scalars,
        lambda children: st.lists(children, max_size=3) | st.dictionaries(texts, children, max_size=3),
        max_leaves=10,
    )
    return st.dictionaries(texts, values, max_size=4).filter(
        lambda value: not str(value.get("kind", "")).endswith("List")
    )


ANY = objects(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(is_quoted_where_we_need_it)
)
PRINTABLE = objects(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Zl", "Zp"]), max_size=8))
"""JSON may hold control characters and YAML's other line breaks as they are; YAML may not."""


def same(one, other):
    """Compare values that may hold 1, 1.0 and True, which Python calls equal."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def as_yaml(value, *, flow=None):
    return yaml.safe_dump(value, default_flow_style=flow, sort_keys=False)


@given(st.lists(st.text(max_size=8) | st.integers(0, 10**6), max_size=6).map(tuple))
def test_a_path_is_read_as_it_was_written(path):
    assert path_of(path_text(path)) == path


@given(st.text(alphabet="ab\n", max_size=30), st.lists(st.integers(0, 30), max_size=5))
def test_an_offset_has_one_place_whatever_was_asked_before(text, offsets):
    lines = Lines(text)
    for offset in [min(each, len(text)) for each in offsets]:
        before = text[:offset].split("\n")
        assert (lines.place(offset).line, lines.place(offset).column) == (len(before), len(before[-1]) + 1)


@wide
@given(ANY, st.sampled_from([None, True, False]), st.sampled_from([None, 2]))
@example({"a": 1e16, "b": 1e-7, "c": -0.0}, None, None)
def test_a_value_is_the_same_in_yaml_and_in_json(value, flow, indent):
    for text in (
        as_yaml(value, flow=flow),
        json.dumps(value, indent=indent),
        json.dumps(value, ensure_ascii=False),
    ):
        documents, problems = read(text.encode(), "f")
        assert problems == [], text
        assert [same(document.raw, value) for document in documents] == [True], text


@wide
@given(st.lists(ANY, max_size=4))
def test_a_stream_and_a_list_hold_the_same_objects(values):
    stream = "".join(f"---\n{as_yaml(value)}" for value in values)
    listed = {"apiVersion": "v1", "kind": "List", "items": values}
    first, *others = [
        [document.raw for document in read(text.encode(), "f")[0]]
        for text in (
            stream,
            as_yaml(listed),
            as_yaml(listed, flow=True),
            json.dumps(listed),
            json.dumps(listed, indent=1),
        )
    ]
    assert len(first) == len(values)
    assert all(same(first, other) for other in others)


def leaves(value, path=()):
    """Yield the path and value of everything in `value` that is neither map nor list."""
    if isinstance(value, dict | list):
        for step, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(child, (*path, step))
    else:
        yield path, value


@wide
@given(st.lists(PRINTABLE, min_size=1, max_size=3), st.booleans(), st.sampled_from([None, 1]))
def test_a_scalar_is_where_its_place_says(values, in_a_list, indent):
    """Written as JSON, which both readers take, a scalar is told from its text at the place."""
    for yaml_first in ("", "# a comment makes it YAML\n"):
        parts = [json.dumps(value, indent=indent, ensure_ascii=False) for value in values]
        listed = f'{{"kind": "List", "items": [{", ".join(parts)}]}}'
        text = yaml_first + (listed if in_a_list else "\n---\n".join(parts))
        documents, problems = read(text.encode(), "f")
        assert problems == []
        lines = text.split("\n")
        for document, value in zip(documents, values, strict=True):
            assert lines[document.line - 1][document.column - 1] == "{"
            for path, leaf in leaves(value):
                place = document.position(path)
                assert lines[place.line - 1][place.column - 1 :].startswith(
                    json.dumps(leaf, ensure_ascii=False)
                )
                if isinstance(path[-1], str):
                    key = document.key_position(path)
                    assert lines[key.line - 1][key.column - 1 :].startswith(
                        json.dumps(path[-1], ensure_ascii=False)
                    )


LINES = ["---", "---\n", "...\n", "\n", "a: 1\n", "# x\n", "%YAML 1.1\n", " ---\n", "--- b\n"]


@given(st.lists(st.sampled_from(LINES)).map("".join))
def test_pieces_are_parts_of_the_text_in_order_and_only_blanks_are_left_out(text):
    end = 0
    for piece in yamltext.pieces(text):
        assert piece.start >= end
        assert text[piece.start : piece.start + len(piece.text)] == piece.text
        assert piece.line == text.count("\n", 0, piece.start)
        assert "a" not in text[end : piece.start]
        end = piece.start + len(piece.text)
    assert "a" not in text[end:]


FIELDS = st.sampled_from(
    [
        *("apiVersion", "kind", "metadata", "spec", "status", "addressType", "endpoints", "name", "labels"),
        *(
            "order",
            "tier",
            "ingress",
            "egress",
            "types",
            "selector",
            "action",
            "protocol",
            "source",
            "destination",
        ),
        *(
            "ports",
            "nets",
            "icmp",
            "type",
            "code",
            "http",
            "paths",
            "podSelector",
            "matchLabels",
            "values",
            "key",
        ),
        *("from", "to", "port", "endPort", "ipBlock", "except", "subject", "namespaces", "pods", "networks"),
        *("protocols", "destinationPort", "range", "start", "priority", "containers", "template", "replicas"),
        *(
            "doNotTrack",
            "preDNAT",
            "stagedAction",
            "clusterIPs",
            "matchExpressions",
            "conditions",
            "addresses",
        ),
        *("annotations", "tcp"),
    ]
)
SHAPELESS = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**400), 10**400) | st.floats(-1e9, 1e9) | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(FIELDS, children, max_size=4),
    max_leaves=12,
)


@wide
@given(st.sampled_from(KINDS), st.dictionaries(FIELDS, SHAPELESS, max_size=5), st.booleans())
def test_what_has_no_deviation_is_what_msgspec_takes(kind, value, unknown_fields):
    kept, deviations = conformed(value, kind.struct, unknown_fields=unknown_fields)
    errors = [each for each in deviations if CODES[each.code].severity is Severity.ERROR]
    if not errors:
        resource = msgspec.convert(kept, kind.struct)
        assert msgspec.json.decode(msgspec.json.encode(resource), type=kind.struct) == resource
    try:
        msgspec.convert(kept, kind.struct)
    except msgspec.ValidationError:
        assert errors
