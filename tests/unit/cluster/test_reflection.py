"""The protocol of list and watch, without a connection. Source: spec/kubernetes-api §4, §5."""

import json

import msgspec
import pytest

from ocicat.base.problem import Problem, Severity, Where
from ocicat.cluster.client import ApiError
from ocicat.cluster.reflection import (
    BrokenStreamError,
    ExpiredError,
    Reflection,
    page_of,
)
from ocicat.cluster.sources import Source, as_written, sources_of
from ocicat.model.calico import GROUP
from ocicat.model.kinds import kind_of

KIND = kind_of("networking.k8s.io", "NetworkPolicy")
CALICO = kind_of(GROUP, "NetworkPolicy")
SOURCE = Source("networking.k8s.io", "v1", "networkpolicies")
STORED = Source("crd.projectcalico.org", "v1", "networkpolicies", stored=True)
BAD = Problem("NP0001", Severity.ERROR, Where("it"), "bad", "mend it")


def read(kind, raw):
    """Understand anything but what is named `bad`."""
    resource = msgspec.json.decode(raw, type=kind.struct)
    return (None, [BAD]) if resource.metadata.name == "bad" else (resource, [])


def thing(name="p", revision="5", **more):
    metadata = {"name": name, "namespace": "a", "resourceVersion": revision}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, **more}


def page(*items, revision="9", token=""):
    metadata = {"resourceVersion": revision, "continue": token}
    return page_of(json.dumps({"kind": "List", "metadata": metadata, "items": list(items)}).encode())


def line(event, item):
    return json.dumps({"type": event, "object": item}).encode()


def told(deltas):
    return [(delta.namespace, delta.name, delta.resource is not None) for delta in deltas]


def test_a_first_list_tells_every_object_and_the_revision():
    reflection = Reflection(KIND, read)
    assert told(reflection.listed(SOURCE, [page(thing("p")), page(thing("q"))])) == [
        ("a", "p", True),
        ("a", "q", True),
    ]
    assert reflection.revision == "9"


def test_a_list_after_a_gap_tells_what_came_changed_and_went():
    reflection = Reflection(KIND, read)
    reflection.listed(SOURCE, [page(thing("same"), thing("changed"), thing("gone"))])
    again = reflection.listed(SOURCE, [page(thing("same"), thing("changed", "7"), thing("new"))])
    assert told(again) == [("a", "gone", False), ("a", "changed", True), ("a", "new", True)]


def test_items_of_a_list_get_the_kind_that_the_list_says():
    reflection = Reflection(KIND, read)
    bare = {key: value for key, value in thing().items() if key == "metadata"}
    (delta,) = reflection.listed(SOURCE, [page(bare)])
    assert delta.resource.ref.kind == "NetworkPolicy"
    assert delta.resource.ref.group == "networking.k8s.io"


@pytest.mark.parametrize("event", ["ADDED", "MODIFIED"])
def test_events_tell_the_object_and_move_the_revision(event):
    reflection = Reflection(KIND, read)
    assert told(reflection.told(SOURCE, line(event, thing(revision="12")))) == [("a", "p", True)]
    assert reflection.revision == "12"


def test_deleted_objects_are_gone_once():
    reflection = Reflection(KIND, read)
    reflection.told(SOURCE, line("ADDED", thing()))
    assert told(reflection.told(SOURCE, line("DELETED", thing(revision="6")))) == [("a", "p", False)]
    assert reflection.told(SOURCE, line("DELETED", thing(revision="8"))) == []


def test_a_bookmark_moves_the_revision_and_nothing_else():
    reflection = Reflection(KIND, read)
    assert reflection.told(SOURCE, line("BOOKMARK", {"metadata": {"resourceVersion": "40"}})) == []
    assert reflection.revision == "40"


def test_a_server_that_counts_from_anew_is_listed_anew():
    """It was set up again: it has told nothing of what happened below the revision that we know."""
    reflection = Reflection(KIND, read)
    reflection.told(SOURCE, line("ADDED", thing(revision="40")))
    with pytest.raises(ExpiredError):
        reflection.told(SOURCE, line("BOOKMARK", {"metadata": {"resourceVersion": "7"}}))


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ({"code": 410, "reason": "Expired", "message": "too old resource version"}, ExpiredError),
        ({"code": 504, "reason": "Timeout", "message": "Too large resource version: 90"}, ExpiredError),
        ({"code": 500, "reason": "InternalError", "message": "etcd"}, ApiError),
    ],
)
def test_errors_of_a_watch(status, error):
    with pytest.raises(error):
        Reflection(KIND, read).told(SOURCE, line("ERROR", status))


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"type":"ADDED"}', b'{"type":"LOST","object":{"metadata":{}}}']
)
def test_what_is_no_event_breaks_the_stream(text):
    with pytest.raises(BrokenStreamError):
        Reflection(KIND, read).told(SOURCE, text)


def test_what_is_no_list_breaks_the_stream():
    with pytest.raises(BrokenStreamError):
        page_of(b"<html>")


def test_an_invalid_object_counts_as_absent_and_is_reported():
    """ "Our loader MUST do the same: invalid object ⇒ reported, and treated as not existing" (§3.1)."""
    reflection = Reflection(KIND, read)
    (delta,) = reflection.told(SOURCE, line("ADDED", thing("bad")))
    assert delta.resource is None
    assert delta.problems == (BAD,)
    assert reflection.invalid == {("a", "bad"): (BAD,)}
    reflection.told(SOURCE, line("DELETED", thing("bad", "6")))
    assert reflection.invalid == {}


# --- objects as Calico stores them --------------------------------------------------------------------------


def stored(name, recorded=None, tier="default"):
    annotations = {"note": "kept"}
    if recorded is not None:
        annotations["projectcalico.org/metadata"] = recorded
    metadata = {"name": name, "namespace": "a", "resourceVersion": "5", "annotations": annotations}
    spec = {"tier": tier} if tier is not None else {}
    return {
        "apiVersion": "crd.projectcalico.org/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata,
        "spec": spec,
    }


@pytest.mark.parametrize(
    ("name", "recorded", "tier", "expected"),
    [
        ("default.foo", '{"name":"foo"}', "default", "foo"),
        ("default.foo", '{"name":"default.foo"}', "default", "default.foo"),
        ("default.foo", '{"uid":"x"}', "default", "foo"),
        ("default.foo", None, "default", "foo"),
        ("default.foo", None, None, "foo"),
        ("default.foo", "not JSON", "default", "foo"),
        ("default.foo", None, "security", "default.foo"),
        ("security.foo", None, "security", "security.foo"),
        ("foo", None, "default", "foo"),
    ],
)
def test_names_of_stored_policies(name, recorded, tier, expected):
    """ "Only reading an object stored by an old release without a recorded original name removes a leading
    `default.` when the tier is `default`/empty" (policy-semantics §1)."""
    document = as_written(stored(name, recorded, tier), CALICO)
    assert document["metadata"]["name"] == expected
    assert document["metadata"]["annotations"] == {"note": "kept"}
    assert document["apiVersion"] == "projectcalico.org/v3"


def test_a_set_keeps_its_name():
    assert (
        as_written(stored("default.net"), kind_of(GROUP, "NetworkSet"))["metadata"]["name"] == "default.net"
    )


def test_a_stored_object_goes_by_the_key_it_is_stored_under():
    reflection = Reflection(CALICO, read)
    assert told(reflection.told(STORED, line("ADDED", stored("default.foo")))) == [("a", "foo", True)]
    assert told(reflection.told(STORED, line("DELETED", stored("default.foo")))) == [("a", "foo", False)]


def test_a_name_that_is_recorded_later_replaces_the_old_one():
    reflection = Reflection(CALICO, read)
    reflection.told(STORED, line("ADDED", stored("default.foo")))
    renamed = line("MODIFIED", stored("default.foo", '{"name":"default.foo"}'))
    assert told(reflection.told(STORED, renamed)) == [("a", "foo", False), ("a", "default.foo", True)]


def test_another_source_takes_over_without_a_loss():
    reflection = Reflection(CALICO, read)
    reflection.listed(STORED, [page(stored("default.foo"))])
    fresh = {**stored("foo"), "apiVersion": "projectcalico.org/v3"}
    assert told(reflection.listed(sources_of(CALICO)[0], [page(fresh)]))[-1] == ("a", "foo", True)


def test_where_kinds_are_served():
    assert [source.path for source in sources_of(CALICO)] == [
        "/apis/projectcalico.org/v3/networkpolicies",
        "/apis/crd.projectcalico.org/v1/networkpolicies",
    ]
    assert [source.path for source in sources_of(kind_of("", "Pod"))] == ["/api/v1/pods"]
