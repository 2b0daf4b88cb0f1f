"""Whatever bytes a user names: Problems come out, never an exception, and all of it fits later stages.

Bounded here; `--hypothesis-profile=soak` (tests/conftest.py) searches on.
"""

import json
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ocicat.base.problem import has_errors, in_reading_order
from ocicat.model import yamlcomposer, yamltext
from ocicat.model.codes import CODES
from ocicat.model.decode import decode
from ocicat.model.documents import Limits, read

CASES = Path(__file__).parents[1] / "cases"
MANIFESTS = [
    path.read_text()
    for path in sorted(CASES.rglob("*"))
    if path.suffix in (".yaml", ".yml", ".json") and path.stat().st_size < 4000
]
WORDS = [
    *(
        "---\n",
        "...\n",
        "- ",
        ": ",
        "? ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "#",
        "'",
        '"',
        "|\n",
        ">-\n",
        "\t",
        "\n",
        "\r",
        " ",
    ),
    *(
        "&a ",
        "*a",
        "<<: *a",
        "<<: ",
        "!!int ",
        "!!binary ",
        "!x ",
        "!",
        "%YAML 1.1\n",
        "%TAG ! x\n",
        "@",
        "`",
        "{{",
    ),
    *("\\u", "\\ud800", "\\", "\x00", "\x01", "\x85", "\u2028", "\ufeff", "é", "\U0001f600", "\ud7ff"),
    *(
        "null",
        "~",
        "true",
        "yes",
        ".inf",
        ".nan",
        "NaN",
        "Infinity",
        "1e999",
        "9" * 30,
        "9" * 5000,
        "0x",
        "0b1",
        "-",
    ),
    *(
        "items",
        "items:\n",
        "kind: List\n",
        "kind: PodList\n",
        "apiVersion: v1\n",
        '"items": [',
        '{"kind": "List"}',
    ),
]
LIMITS = Limits(bytes=100_000, depth=20, nodes=20_000, unfolded=1_000, documents=50, line=5_000, faults=5)
PATHS = [
    ("spec", "ingress", 0, "destination", "ports", 0),
    ("items", 1),
    ("metadata", "labels", "a.b/c"),
    (0,),
    ("",),
]


def survives(data: bytes, limits: Limits) -> None:
    """Read and decode `data`, and do with the outcome what later stages do."""
    documents, problems = read(data, "fuzz.yaml", limits)
    lines = (
        data.count(b"\n")
        + data.count(b"\r")
        + data.count(b"\x85")
        + data.count(b"\xa8")
        + data.count(b"\xa9")
    )
    for document in documents:
        resource, more = decode(document)
        problems += more
        assert resource is None or not has_errors(more)
        if resource is not None:
            assert msgspec.json.decode(msgspec.json.encode(resource), type=type(resource)) == resource
        json.dumps(document.raw, allow_nan=False).encode()
        for path in PATHS:
            place, key = document.position(path), document.key_position(path)
            assert document.line <= place.line <= lines + 1
            assert document.line <= key.line <= lines + 1
        assert document.where(()).file == "fuzz.yaml"
    for problem in in_reading_order(problems):
        assert problem.code in CODES
        assert problem.what
        assert problem.fix
        assert 1 <= problem.where.line <= lines + 1
        assert problem.where.column >= 1
        "\n".join(problem.lines()).encode()
        msgspec.json.encode(problem)


wide = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@wide
@given(st.binary(max_size=300))
@example(b"\xff\xfea\0:\0\n\0")
@example(b"\xef\xbb\xbf{")
@example(b"\xff\xfe\x00\xd8")
@example(b"[\xc2\xa1")
def test_survives_any_bytes(data):
    survives(data, Limits())


@wide
@given(st.text(max_size=200) | st.lists(st.sampled_from(WORDS), max_size=40).map("".join))
@example("? a\n: b\n? [c]\n: d")
@example("<<: &a [*a]")
@example("a: &a\n<<: *a")
@example("{0")
@example("\ufeff\ufeff{")
@example("? !")
@example("kind: List\nitems: [&a {<<: *a}]")
def test_survives_any_text(text):
    survives(text.encode("utf-8", "surrogatepass"), LIMITS)


@st.composite
def mutants(draw):
    """A real manifest with a few edits that no person means."""
    text = draw(st.sampled_from(MANIFESTS))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 40)))
        match draw(st.integers(0, 5)):
            case 0:
                text = text[:start] + draw(st.sampled_from(WORDS)) + text[start:]
            case 1:
                text = text[:start] + draw(st.sampled_from(WORDS)) + text[end:]
            case 2:
                text = text[:start] + text[end:]
            case 3:
                text = text[:start] + text[start:end] * 2 + text[end:]
            case 4:
                other = draw(st.sampled_from(MANIFESTS))
                cut = draw(st.integers(0, len(other)))
                text = text[:start] + other[cut : cut + 200] + text[end:]
            case _:
                text = text[:start] + text[start:].replace(
                    "\n", draw(st.sampled_from(["\r\n", "\n ", "\n- ", ""])), 1
                )
    return text


@wide
@given(mutants())
def test_survives_manifests_with_slips(text):
    survives(text.encode("utf-8", "surrogatepass"), Limits())


@wide
@given(mutants())
def test_survives_manifests_with_slips_at_every_bound(text):
    survives(text.encode("utf-8", "surrogatepass"), LIMITS)


@wide
@given(mutants() | st.lists(st.sampled_from(WORDS), max_size=40).map("".join))
@example('"\\ud800"')
@example('"\\UFFFFFFFF"')
def test_survives_without_libyaml(text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yamlcomposer, "LOADER", yaml.SafeLoader)
        patch.setattr(yamltext, "LOADER", yaml.SafeLoader)
        survives(text.encode("utf-8", "surrogatepass"), LIMITS)


KEYS = st.sampled_from(
    [
        *(
            "apiVersion",
            "kind",
            "metadata",
            "name",
            "namespace",
            "labels",
            "generateName",
            "spec",
            "status",
            "items",
        ),
        *(
            "ingress",
            "egress",
            "order",
            "tier",
            "selector",
            "types",
            "source",
            "destination",
            "nets",
            "ports",
            "port",
        ),
        *(
            "protocol",
            "podSelector",
            "matchLabels",
            "matchExpressions",
            "from",
            "to",
            "ipBlock",
            "except",
            "<<",
            "",
        ),
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(["80", "TCP", "yes", "1e3", "0x10", "a == 'b'", "10.0.0.0/8", "2001-01-01"])
)
VALUES = st.recursive(
    SCALARS,
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(KEYS | st.text(max_size=5), children, max_size=4)
    ),
    max_leaves=20,
)
OBJECTS = [document.raw for text in MANIFESTS for document in read(text.encode(), "seed")[0]]


def grafted(value, path, graft):
    """Return `value` with `graft` where `path` (numbers, taken modulo) leads."""
    if not path or not isinstance(value, dict | list) or not value:
        return graft
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = keys[path[0] % len(keys)]
    copy = value.copy()
    copy[key] = grafted(value[key], path[1:], graft)
    return copy


@st.composite
def chimeras(draw):
    """A real object with values of any shape in some of its places."""
    value = draw(st.sampled_from(OBJECTS))
    for _ in range(draw(st.integers(1, 4))):
        value = grafted(value, draw(st.lists(st.integers(0, 20), min_size=1, max_size=8)), draw(VALUES))
    return value


@wide
@given(chimeras() | VALUES, st.booleans())
def test_survives_values_of_the_wrong_shape_in_json(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=1)
    survives(text.encode("utf-8", "replace"), Limits())


@wide
@given(chimeras() | VALUES, st.sampled_from([None, True, False]))
def test_survives_values_of_the_wrong_shape_in_yaml(value, flow):
    text = yaml.safe_dump(value, allow_unicode=True, default_flow_style=flow)
    survives(text.encode("utf-8", "surrogatepass"), Limits())
