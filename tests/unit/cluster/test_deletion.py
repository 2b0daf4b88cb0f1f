"""What a deletion does (spec/kubernetes-api §4)."""

import pytest

from ocicat.cluster.resources import deletion
from ocicat.cluster.resources.builtin import BUILTIN
from ocicat.cluster.resources.errors import ApiError

NOW_NS = 1_700_000_000_000_000_000
CONFIG, PODS, NAMESPACES = (BUILTIN.at("", "v1", name) for name in ("configmaps", "pods", "namespaces"))


def thing(**metadata):
    return {"metadata": {"name": "x", "uid": "u", "resourceVersion": "7", "generation": 1, **metadata}}


def test_without_finalizers_it_is_gone():
    assert deletion.deleted(CONFIG, thing(), deletion.Options(), NOW_NS).gone


def test_finalizers_keep_it_until_emptied():
    held = deletion.deleted(CONFIG, thing(finalizers=["a/b"]), deletion.Options(), NOW_NS)
    assert not held.gone
    metadata = held.thing["metadata"]
    assert (metadata["deletionTimestamp"], metadata["deletionGracePeriodSeconds"]) == (
        "2023-11-14T22:13:20Z",
        0,
    )
    assert not deletion.after_update(CONFIG, held.thing).gone
    freed = {"metadata": {key: value for key, value in metadata.items() if key != "finalizers"}}
    assert deletion.after_update(CONFIG, freed).gone


def test_a_second_deletion_changes_nothing():
    options = deletion.Options()
    held = deletion.deleted(CONFIG, thing(finalizers=["a/b"]), options, NOW_NS).thing
    assert deletion.deleted(CONFIG, held, options, NOW_NS + 9_000_000_000).thing == held


@pytest.mark.parametrize(
    ("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")]
)
def test_policies_put_their_finalizer(policy, finalizer):
    found = deletion.deleted(CONFIG, thing(), deletion.Options(policy=policy), NOW_NS)
    assert found.thing["metadata"]["finalizers"] == [finalizer]
    again = deletion.deleted(CONFIG, found.thing, deletion.Options(policy="Background"), NOW_NS)
    assert again.gone, "a later policy takes the place of the earlier one"


@pytest.mark.parametrize(
    ("spec", "status", "asked", "seconds"),
    [
        ({"nodeName": "one"}, {}, None, 30),
        ({"nodeName": "one", "terminationGracePeriodSeconds": 5}, {}, None, 5),
        ({"nodeName": "one"}, {}, 0, 0),
        ({"nodeName": "one"}, {}, 9, 9),
        ({}, {}, None, 0),
        ({"nodeName": "one"}, {"phase": "Succeeded"}, None, 0),
    ],
)
def test_pods_on_a_node_have_time_to_end(spec, status, asked, seconds):
    pod = {**thing(), "spec": spec, "status": status}
    found = deletion.deleted(PODS, pod, deletion.Options(grace_s=asked), NOW_NS)
    assert found.gone is (seconds == 0)
    if seconds:
        assert found.thing["metadata"]["deletionGracePeriodSeconds"] == seconds
        shorter = deletion.deleted(PODS, found.thing, deletion.Options(grace_s=0), NOW_NS)
        assert shorter.gone, "the kubelet ends it with a grace of 0"


def test_a_namespace_becomes_terminating():
    live = {**thing(), "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
    found = deletion.deleted(NAMESPACES, live, deletion.Options(), NOW_NS)
    assert (found.gone, found.thing["status"]["phase"]) == (False, "Terminating")
    assert deletion.after_update(NAMESPACES, {**found.thing, "spec": {}}).gone


@pytest.mark.parametrize("options", [deletion.Options(uid="other"), deletion.Options(resource_version="6")])
def test_preconditions(options):
    with pytest.raises(ApiError, match="Precondition failed") as caught:
        deletion.deleted(CONFIG, thing(), options, NOW_NS)
    assert caught.value.code == 409


def test_a_dying_object_takes_no_new_finalizers():
    old = thing(deletionTimestamp="t", finalizers=["a/b"])
    assert deletion.finalizers_grew(old, thing(finalizers=["a/b", "c/d"]))
    assert not deletion.finalizers_grew(old, thing(finalizers=[]))
    assert not deletion.finalizers_grew(thing(), thing(finalizers=["c/d"]))


@pytest.mark.parametrize(
    ("body", "query", "wanted"),
    [
        ({}, {}, deletion.Options()),
        ({"propagationPolicy": "Orphan", "gracePeriodSeconds": 3}, {}, deletion.Options(3, "Orphan")),
        ({"orphanDependents": True}, {}, deletion.Options(policy="Orphan")),
        (
            {},
            {"propagationPolicy": "Foreground", "gracePeriodSeconds": "0"},
            deletion.Options(0, "Foreground"),
        ),
        ({"preconditions": {"uid": "u"}, "dryRun": ["All"]}, {}, deletion.Options(uid="u", dry_run=True)),
    ],
)
def test_options(body, query, wanted):
    assert deletion.options_from(body, query) == wanted


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"propagationPolicy": "Sideways"}, 422),
        ({"gracePeriodSeconds": "soon"}, 400),
        ({"dryRun": ["Some"]}, 422),
        ({"propagationPolicy": "Orphan", "orphanDependents": True}, 400),
    ],
)
def test_options_that_mean_nothing(body, code):
    with pytest.raises(ApiError) as caught:
        deletion.options_from(body, {})
    assert caught.value.code == code
