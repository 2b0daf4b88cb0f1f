"""Strategic merge patch (spec/kubernetes-api §7), by the merge keys of §3."""

import pytest

from ocicat.cluster.resources.errors import ApiError
from ocicat.cluster.resources.patches import APPLY, JSON, MERGE, STRATEGIC, patched
from ocicat.cluster.resources.schema import Schemas
from ocicat.cluster.resources.strategic import strategic_merge

NODE = {
    "properties": {
        "containers": {
            "x-kubernetes-patch-strategy": "merge",
            "x-kubernetes-patch-merge-key": "name",
            "items": {
                "properties": {"name": {}, "image": {}, "args": {"items": {"type": "string"}}, "meta": {}}
            },
        },
        "volumes": {
            "x-kubernetes-patch-strategy": "merge,retainKeys",
            "x-kubernetes-patch-merge-key": "name",
            "items": {"properties": {"name": {}, "emptyDir": {}, "secret": {}}},
        },
        "finalizers": {"x-kubernetes-patch-strategy": "merge"},
        "tolerations": {},
        "strategy": {"properties": {"type": {}, "rollingUpdate": {}}},
        "labels": {"additionalProperties": {"type": "string"}},
    }
}
SCHEMAS = Schemas({})
A, B, C = {"name": "a", "image": "1"}, {"name": "b", "image": "2"}, {"name": "c", "image": "3"}


@pytest.mark.parametrize(
    ("live", "patch", "wanted"),
    [
        pytest.param({"labels": {"x": "1"}}, {"labels": {"y": "2"}}, {"labels": {"x": "1", "y": "2"}},
                     id="maps merge"),
        pytest.param({"labels": {"x": "1"}}, {"labels": {"x": None}}, {"labels": {}}, id="null removes"),
        pytest.param({"containers": [A, B]}, {"containers": [{"name": "b", "image": "9"}]},
                     {"containers": [A, {"name": "b", "image": "9"}]}, id="lists merge by key"),
        pytest.param({"containers": [A]}, {"containers": [B]}, {"containers": [A, B]},
                     id="new items are appended"),
        pytest.param({"containers": [A, B]}, {"containers": [{"name": "a", "$patch": "delete"}]},
                     {"containers": [B]}, id="an item is deleted"),
        pytest.param({"containers": [A, B]}, {"containers": [{"$patch": "replace"}, C]},
                     {"containers": [C]}, id="a list is replaced"),
        pytest.param({"containers": [{**A, "meta": 1}]}, {"containers": [{"name": "a", "$patch": "replace"}]},
                     {"containers": [{"name": "a"}]}, id="an item is replaced"),
        pytest.param({"tolerations": [1]}, {"tolerations": [2]}, {"tolerations": [2]},
                     id="atomic lists are replaced"),
        pytest.param({"finalizers": ["x"]}, {"finalizers": ["y", "x"]}, {"finalizers": ["x", "y"]},
                     id="scalars unite"),
        pytest.param({"finalizers": ["x", "y"]}, {"$deleteFromPrimitiveList/finalizers": ["x"]},
                     {"finalizers": ["y"]}, id="scalars are taken out"),
        pytest.param({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"a": 1}}},
                     {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}},
                     {"strategy": {"type": "Recreate"}}, id="only kept keys stay"),
        pytest.param({"strategy": {"type": "x"}}, {"strategy": {"$patch": "replace", "rollingUpdate": 1}},
                     {"strategy": {"rollingUpdate": 1}}, id="a map is replaced"),
        pytest.param({"strategy": {"type": "x"}}, {"strategy": {"$patch": "delete"}}, {},
                     id="a map is deleted"),
        pytest.param({"containers": [A, B]},
                     {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
                      "containers": [{"name": "b"}]},
                     {"containers": [B, A]}, id="order is set"),
        pytest.param({"containers": [A, C]},
                     {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [B]},
                     {"containers": [B, A, C]}, id="what the order does not name keeps its place behind"),
        pytest.param({"containers": [C, A]},
                     {"$setElementOrder/containers": [{"name": "a"}, {"name": "b"}], "containers": [B]},
                     {"containers": [C, A, B]}, id="and before"),
        pytest.param({"volumes": [{"name": "v", "emptyDir": {}}]},
                     {"volumes": [{"name": "v", "$retainKeys": ["name", "secret"], "secret": {"x": 1}}]},
                     {"volumes": [{"name": "v", "secret": {"x": 1}}]}, id="volumes change their source"),
        pytest.param({}, {"containers": [{"name": "a", "image": None, "args": ["x"]}]},
                     {"containers": [{"name": "a", "args": ["x"]}]}, id="nulls of new items vanish"),
    ],
)  # fmt: skip
def test_merge(live, patch, wanted):
    before = repr(live)
    assert strategic_merge(live, patch, NODE, SCHEMAS) == wanted
    assert repr(live) == before, "the live object is not changed"


def test_items_need_their_key_and_directives_are_known():
    with pytest.raises(ApiError, match="does not contain declared merge key: name"):
        strategic_merge({"containers": [A]}, {"containers": [{"image": "x"}]}, NODE, SCHEMAS)
    with pytest.raises(ApiError, match="unknown patch directive"):
        strategic_merge({}, {"$patch": "explode"}, NODE, SCHEMAS)


def patch(live, change, how):
    return patched(live, change, how, NODE, SCHEMAS, kind="Pod", group="", name="p")


def test_json_and_merge_patches():
    live = {"spec": {"a": [1, 2], "b": 1}}
    steps = [{"op": "test", "path": "/spec/b", "value": 1}, {"op": "remove", "path": "/spec/a/0"}]
    assert patch(live, steps, JSON) == {"spec": {"a": [2], "b": 1}}
    assert patch(live, {"spec": {"a": None, "c": {"d": None, "e": 1}}}, MERGE) == {
        "spec": {"b": 1, "c": {"e": 1}}
    }
    assert live == {"spec": {"a": [1, 2], "b": 1}}


@pytest.mark.parametrize(
    ("change", "how", "code"),
    [
        ([{"op": "test", "path": "/spec", "value": 2}], JSON, 422),
        ([{"op": "remove", "path": "/nowhere"}], JSON, 422),
        ([{"op": "explode", "path": "/spec"}], JSON, 422),
        ([{"op": "add", "path": "no pointer", "value": 1}], JSON, 422),
        ([1], JSON, 400),
        ({}, JSON, 400),
        ([{"op": "replace", "path": "", "value": 3}], JSON, 400),
        ([{"op": "test", "path": "/spec", "value": 1}] * 10_001, JSON, 413),
        ([], MERGE, 400),
        ("x", STRATEGIC, 400),
        (None, APPLY, 400),
    ],
)
def test_patches_that_do_not_fit(change, how, code):
    with pytest.raises(ApiError) as caught:
        patch({"spec": 1}, change, how)
    assert caught.value.code == code
