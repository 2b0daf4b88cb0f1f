"""Laws of patches, of ownership, and of the decoders that read foreign bytes."""

import contextlib

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from ocicat.cluster.resources import bodies, protobuf
from ocicat.cluster.resources.errors import ApiError
from ocicat.cluster.resources.fields import flatten, from_fields_v1, to_fields_v1
from ocicat.cluster.resources.managed import Writer, after_apply, after_update
from ocicat.cluster.resources.patches import merge_patched
from ocicat.cluster.resources.request import request_info
from ocicat.cluster.resources.selectors import parse_fields, parse_labels
from ocicat.cluster.resources.strategic import strategic_merge
from support.apiserver import schemas

NODE = schemas().root("io.k8s.api.apps.v1.Deployment")
NAMES = st.sampled_from("abcd")
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
MAPS = st.dictionaries(NAMES, JSON, max_size=4)


@contextlib.contextmanager
def refusals(*codes):
    """Bear a refusal with one of these codes, and nothing else."""
    try:
        yield
    except ApiError as refused:
        if refused.code not in codes:
            raise


def without_nulls(value):
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return value


def difference(old, new):
    """The merge patch that makes `new` of `old`."""
    patch = {key: None for key in old if key not in new}
    for key, value in new.items():
        if key not in old:
            patch[key] = value
        elif isinstance(value, dict) and isinstance(old[key], dict):
            patch[key] = difference(old[key], value)
        elif value != old[key] or type(value) is not type(old[key]):
            patch[key] = value
    return patch


@given(MAPS, MAPS)
def test_a_merge_patch_of_the_difference_makes_the_new_object(old, new):
    old, new = without_nulls(old), without_nulls(new)
    assert merge_patched(old, difference(old, new)) == new


@given(MAPS, MAPS)
def test_a_merge_patch_twice_is_once(live, patch):
    once = merge_patched(live, patch)
    assert merge_patched(once, patch) == once


@st.composite
def deployments(draw):
    containers = draw(
        st.lists(
            st.fixed_dictionaries(
                {"name": NAMES},
                optional={
                    "image": st.sampled_from(["x", "y"]),
                    "args": st.lists(NAMES, max_size=2),
                    "env": st.lists(
                        st.fixed_dictionaries({"name": NAMES}, optional={"value": NAMES}),
                        max_size=2,
                        unique_by=lambda row: row["name"],
                    ),
                },
            ),
            max_size=3,
            unique_by=lambda row: row["name"],
        )
    )
    spec = {"template": {"spec": {"containers": containers}}} if containers else {}
    if draw(st.booleans()):
        spec["replicas"] = draw(st.integers(0, 3))
    labels = draw(st.dictionaries(NAMES, NAMES, max_size=2))
    metadata = {"name": "web", **({"labels": labels} if labels else {})}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        **({"spec": spec} if spec else {}),
    }


def apply(live, wanted, manager="me", time="t"):
    return after_apply(live, wanted, Writer(manager, "Apply", "apps/v1"), time, NODE, schemas(), force=True)


def bare(thing):
    return {**thing, "metadata": {k: v for k, v in thing["metadata"].items() if k != "managedFields"}}


@given(deployments())
def test_field_sets_survive_their_wire_form(thing):
    paths = frozenset(flatten(thing, NODE, schemas()))
    tree = msgspec.json.decode(msgspec.json.encode(to_fields_v1(paths)))
    assert from_fields_v1(tree) == paths


@given(deployments(), deployments())
def test_applying_twice_is_applying_once(first, second):
    live = apply(apply(None, first), second)
    assert apply(live, second, time="later") == live


@given(deployments(), deployments())
def test_a_lone_manager_gets_what_it_sends(first, second):
    """Whatever was applied before and is not sent now is gone: no path decides the state."""
    live = bare(apply(apply(None, first), second))
    assert flatten(live, NODE, schemas()).keys() == flatten(second, NODE, schemas()).keys()


@given(deployments(), deployments(), deployments())
def test_another_managers_fields_stay(mine, theirs, then):
    live = apply(apply(None, mine), theirs, manager="other")
    found = flatten(bare(apply(live, then)), NODE, schemas())
    for path, value in flatten(then, NODE, schemas()).items():
        assert found[path] == value
    assert flatten(theirs, NODE, schemas()).keys() <= found.keys()


@given(deployments(), deployments())
def test_an_update_owns_what_it_changed_and_nothing_owns_what_is_gone(old, new):
    live = after_update(None, old, Writer("one", "Update", "apps/v1"), "t", NODE, schemas())
    entries = live["metadata"].get("managedFields")
    carried = {**new, "metadata": {**new["metadata"], **({"managedFields": entries} if entries else {})}}
    found = after_update(live, carried, Writer("two", "Update", "apps/v1"), "t", NODE, schemas())
    present = flatten(bare(found), NODE, schemas()).keys()
    owned = [from_fields_v1(row["fieldsV1"]) for row in found["metadata"].get("managedFields", ())]
    assert all(paths <= present for paths in owned)
    assert sum(len(paths) for paths in owned) == len(frozenset().union(*owned)), "one owner each"


@given(deployments(), deployments())
def test_a_strategic_patch_twice_is_once(live, patch):
    once = strategic_merge(live, patch, NODE, schemas())
    assert strategic_merge(once, patch, NODE, schemas()) == once


@settings(max_examples=300)
@given(
    st.binary(max_size=200),
    st.sampled_from(["application/json", "application/yaml", bodies.PROTOBUF, "x", ""]),
)
def test_no_body_does_more_than_be_refused(data, content_type):
    with refusals(400, 415):
        bodies.read(data, content_type, look_for_duplicates=True)


@settings(max_examples=300)
@given(st.binary(max_size=200), st.sampled_from(sorted(protobuf.KINDS)))
def test_no_protobuf_does_more_than_be_refused(data, kind):
    name = kind.encode()
    inner = b"\x0a\x02v1\x12" + bytes([len(name)]) + name
    length = bytes([0x80 | len(data) & 0x7F, len(data) >> 7])
    envelope = b"k8s\x00\x0a" + bytes([len(inner)]) + inner + b"\x12" + length + data
    with refusals(400):
        assert protobuf.decode(envelope)["kind"] == kind


@given(st.text(max_size=40))
def test_selectors_and_paths_never_break(text):
    for parse in (parse_labels, lambda text: parse_fields(text, "pods")):
        with refusals(400):
            parse(text).matches({"metadata": {"labels": {"a": "b"}}})
    request_info("GET", "/" + text, {})
