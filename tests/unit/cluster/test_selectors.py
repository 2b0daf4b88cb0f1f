"""Label and field selectors (spec/kubernetes-api §4)."""

import pytest

from ocicat.cluster.resources.errors import ApiError
from ocicat.cluster.resources.selectors import from_object, parse_fields, parse_labels

LABELS = {"app": "web", "tier": "front", "in": "x", "example.com/a.b_c": ""}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web , tier=front", True),
        ("app=db", False),
        ("app!=db", True),
        ("missing!=db", True),
        ("app", True),
        ("missing", False),
        ("!missing", True),
        ("! app", False),
        ("app in (web,db)", True),
        ("app in (db)", False),
        ("app notin (db)", True),
        ("missing notin (db)", True),
        ("missing in (db)", False),
        ("example.com/a.b_c=", True),
        ("app in (web),tier notin (back),!old", True),
        ("in", True),
        ("in=x", True),
    ],
)
def test_labels(text, matches):
    assert parse_labels(text).matches({"metadata": {"labels": LABELS}}) is matches


@pytest.mark.parametrize(
    "text", ["=a", "a in b", "a in (", "a b", "a=b c", "a=b=c", "!!a", "(a)", "a=-x-", ",", "ä=b"]
)
def test_labels_that_cannot_be_read(text):
    with pytest.raises(ApiError) as caught:
        parse_labels(text)
    assert caught.value.code == 400


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "db"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_selectors_in_objects(selector, matches):
    assert from_object(selector).matches({"metadata": {"labels": LABELS}}) is matches


POD = {
    "metadata": {"name": "p", "namespace": "n"},
    "spec": {"nodeName": "one"},
    "status": {"phase": "Running"},
}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("metadata.name=p", True),
        ("metadata.name==p,metadata.namespace=n", True),
        ("status.phase!=Running", False),
        ("spec.nodeName=one", True),
        ("spec.nodeName=", False),
        ("status.podIP=", True),
    ],
)
def test_fields(text, matches):
    assert parse_fields(text, "pods").matches(POD) is matches


def test_only_known_fields_select():
    with pytest.raises(ApiError, match=r"field label not supported: spec\.image"):
        parse_fields("spec.image=x", "pods")
    with pytest.raises(ApiError, match="can't understand"):
        parse_fields("nonsense", "pods")
    event = {"involvedObject": {"kind": "Pod", "name": "p", "uid": "u"}, "source": {"component": "kubelet"}}
    text = "involvedObject.kind=Pod,involvedObject.name=p,involvedObject.uid=u,source=kubelet"
    assert parse_fields(text, "events").matches(event)
    policy = {"metadata": {"name": "x"}, "spec": {"tier": "platform"}}
    assert parse_fields("spec.tier=platform", "networkpolicies.projectcalico.org").matches(policy)
