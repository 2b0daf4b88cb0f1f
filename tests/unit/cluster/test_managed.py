"""Ownership of fields, and server-side apply (spec/kubernetes-api §7)."""

import msgspec
import pytest

from ocicat.cluster.resources.errors import ApiError
from ocicat.cluster.resources.fields import flatten, from_fields_v1, readable, to_fields_v1
from ocicat.cluster.resources.managed import (
    Writer,
    after_apply,
    after_update,
    entries_of,
    with_last_applied,
)
from ocicat.cluster.resources.schema import Schemas

CONTAINER = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "image": {"type": "string"},
        "args": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "atomic"},
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
            "items": {"properties": {"containerPort": {}, "protocol": {}, "name": {}}},
        },
    },
}
NODE = {
    "type": "object",
    "properties": {
        "apiVersion": {},
        "kind": {},
        "metadata": {
            "properties": {
                "name": {},
                "labels": {"additionalProperties": {"type": "string"}},
                "finalizers": {"type": "array", "x-kubernetes-list-type": "set"},
                "managedFields": {},
            }
        },
        "spec": {
            "properties": {
                "replicas": {"type": "integer"},
                "selector": {"x-kubernetes-map-type": "atomic"},
                "containers": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": CONTAINER,
                },
            }
        },
    },
}
SCHEMAS = Schemas({})
NAMED = {"name": "web", "labels": {"a": "1"}}


def thing(**spec):
    return {"apiVersion": "v1", "kind": "T", "metadata": dict(NAMED), "spec": spec}


def apply(live, wanted, manager="me", force=False, time="t"):
    return after_apply(live, wanted, Writer(manager, "Apply", "v1"), time, NODE, SCHEMAS, force=force)


def update(old, new, manager="you", time="t"):
    return after_update(old, new, Writer(manager, "Update", "v1"), time, NODE, SCHEMAS)


def owners(found):
    return {entry.writer.manager: to_fields_v1(entry.paths) for entry in entries_of(found)}


def bare(found):
    metadata = {key: value for key, value in found["metadata"].items() if key != "managedFields"}
    return {**found, "metadata": metadata}


def test_leaves_of_an_object():
    found = flatten(
        thing(selector={"x": 1}, containers=[{"name": "c", "args": ["x"], "ports": [{"containerPort": 80}]}]),
        NODE,
        SCHEMAS,
    )
    assert {readable(path) for path in found} == {
        ".apiVersion",
        ".kind",
        ".metadata.name",
        ".metadata.labels.a",
        ".spec.selector",
        '.spec.containers[name="c"]',
        '.spec.containers[name="c"].name',
        '.spec.containers[name="c"].args',
        '.spec.containers[name="c"].ports[containerPort=80,protocol="TCP"]',
        '.spec.containers[name="c"].ports[containerPort=80,protocol="TCP"].containerPort',
    }


def test_fields_v1_and_back():
    paths = flatten(thing(replicas=1, containers=[{"name": "c", "image": "i"}]), NODE, SCHEMAS).keys()
    tree = to_fields_v1(paths)
    assert tree["f:spec"] == {
        "f:containers": {'k:{"name":"c"}': {".": {}, "f:image": {}, "f:name": {}}},
        "f:replicas": {},
    }
    assert from_fields_v1(tree) == frozenset(paths)


@pytest.mark.parametrize("tree", [None, [], "x", {"f:a": 1}, {"f:a": {"f:b": []}}])
def test_foreign_fields_v1_never_raises(tree):
    assert isinstance(from_fields_v1(tree), frozenset)


def test_apply_creates_and_owns_what_it_sends_but_not_the_identity():
    found = apply(None, thing(replicas=2))
    assert owners(found) == {"me": {"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {"f:replicas": {}}}}
    assert entries_of(found)[0].writer.operation == "Apply"


def test_apply_again_changes_nothing():
    found = apply(None, thing(replicas=2, containers=[{"name": "c", "image": "i"}]))
    wanted = thing(replicas=2, containers=[{"name": "c", "image": "i"}])
    assert apply(found, wanted, time="later") == found


def test_fields_no_longer_sent_are_removed_unless_another_owns_them():
    live = apply(
        None, thing(replicas=2, containers=[{"name": "c", "image": "i"}, {"name": "d", "image": "j"}])
    )
    live = apply(live, thing(replicas=2), manager="other")
    found = apply(live, thing(containers=[{"name": "c", "image": "i"}]))
    assert bare(found)["spec"] == {"replicas": 2, "containers": [{"name": "c", "image": "i"}]}
    assert owners(found)["other"]["f:spec"] == {"f:replicas": {}}


def test_a_conflict_names_manager_and_field():
    live = apply(None, thing(replicas=2))
    with pytest.raises(ApiError) as caught:
        apply(live, thing(replicas=3), manager="other")
    assert (caught.value.code, caught.value.reason) == (409, "Conflict")
    assert str(caught.value) == 'Apply failed with 1 conflict: conflict with "me": .spec.replicas'
    assert caught.value.status["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "me"', "field": ".spec.replicas"}
    ]


def test_several_conflicts_are_told_by_manager():
    live = update(apply(None, thing(replicas=2)), thing(replicas=2, selector={"x": 1}))
    live = apply(live, thing(replicas=2))
    with pytest.raises(ApiError) as caught:
        apply(live, thing(replicas=3, selector={"x": 2}), manager="third")
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("Apply failed with 2 conflicts: conflicts with ")
    assert {line for line in lines if line.startswith("- ")} == {"- .spec.selector", "- .spec.replicas"}


def test_the_same_value_is_shared_without_conflict():
    live = apply(None, thing(replicas=2))
    found = apply(live, thing(replicas=2), manager="other")
    assert owners(found)["me"]["f:spec"] == owners(found)["other"]["f:spec"] == {"f:replicas": {}}


def test_force_takes_over():
    live = apply(None, thing(replicas=2))
    found = apply(live, thing(replicas=3), manager="other", force=True)
    assert found["spec"]["replicas"] == 3
    assert "f:spec" not in owners(found)["me"]
    assert owners(found)["other"]["f:spec"] == {"f:replicas": {}}


def test_an_ordinary_write_owns_what_it_changes():
    live = apply(None, thing(replicas=2, containers=[{"name": "c", "image": "i"}]))
    changed = {**live, "spec": {**live["spec"], "replicas": 5}}
    found = update(live, changed)
    assert owners(found)["you"] == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in owners(found)["me"]["f:spec"]


def test_an_ordinary_write_without_effect_leaves_the_entries_alone():
    live = update(None, thing(replicas=2), time="first")
    assert update(live, live, time="later") == live
    assert update(live, live, manager="third", time="later") == live


def test_removed_fields_are_owned_by_nobody():
    live = apply(None, thing(replicas=2, selector={"x": 1}))
    gone = {**live, "spec": {"replicas": 2}}
    assert owners(update(live, gone))["me"]["f:spec"] == {"f:replicas": {}}


def test_sets_unite_and_give_back():
    def held(*words):
        return {"apiVersion": "v1", "kind": "T", "metadata": {"name": "web", "finalizers": list(words)}}

    live = apply(apply(None, held("a")), held("b"), manager="other")
    assert live["metadata"]["finalizers"] == ["a", "b"]
    found = apply(live, {"apiVersion": "v1", "kind": "T", "metadata": {"name": "web"}})
    assert found["metadata"]["finalizers"] == ["b"]


def test_managed_fields_may_not_be_applied():
    live = apply(None, thing(replicas=2))
    with pytest.raises(ApiError, match="managedFields must be nil"):
        apply(None, live)


def test_keyed_items_keep_their_order_or_take_the_new_one():
    live = apply(None, thing(containers=[{"name": "a"}, {"name": "b"}]))
    swapped = apply(live, thing(containers=[{"name": "b"}, {"name": "a"}]))
    assert [row["name"] for row in swapped["spec"]["containers"]] == ["b", "a"]
    other = apply(live, thing(containers=[{"name": "c"}]), manager="other")
    assert [row["name"] for row in other["spec"]["containers"]] == ["a", "b", "c"]


def test_the_annotation_of_client_side_apply_is_kept_up_to_date():
    key = "kubectl.kubernetes.io/last-applied-configuration"
    live = {**thing(replicas=1), "metadata": {"name": "web", "annotations": {key: "old", "b": "c"}}}
    found = with_last_applied(live, thing(replicas=2))
    assert found["metadata"]["annotations"]["b"] == "c"
    assert msgspec.json.decode(found["metadata"]["annotations"][key])["spec"] == {"replicas": 2}
    assert with_last_applied(thing(replicas=1), thing(replicas=2)) == thing(replicas=1)
