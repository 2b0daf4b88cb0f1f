"""The history of a StatefulSet's templates."""

from ocicat.cluster.controllers.actions import Change, Create, Remove
from ocicat.cluster.controllers.known import Known
from ocicat.cluster.controllers.revisions import HASH, recorded

SET = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {
        "name": "db",
        "namespace": "n",
        "uid": "u",
        "annotations": {"kubernetes.io/change-cause": "why"},
    },
    "spec": {"template": {"metadata": {"labels": {"app": "db"}}, "spec": {}}, "revisionHistoryLimit": 2},
}


def revision(number, label, owner="u"):
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": label,
            "namespace": "n",
            "labels": {HASH: label},
            "ownerReferences": [{"kind": "StatefulSet", "name": "db", "uid": owner, "controller": True}],
        },
        "revision": number,
    }


def known(*revisions):
    found = Known()
    for each in revisions:
        found.put(each)
    return found


def pod(label):
    return {"metadata": {"name": "db-0", "labels": {HASH: label}}}


def test_a_new_template_is_recorded_with_the_next_number():
    [made] = recorded(known(revision(4, "db-a"), revision(9, "db-x", owner="other")), SET, "db-b", [])
    assert isinstance(made, Create)
    assert made.body["revision"] == 5
    assert made.body["metadata"]["name"] == "db-b"
    assert made.body["metadata"]["labels"] == {"app": "db", HASH: "db-b"}
    assert made.body["metadata"]["annotations"] == {"kubernetes.io/change-cause": "why"}
    assert made.body["data"]["spec"]["template"]["$patch"] == "replace"


def test_one_that_comes_back_becomes_the_newest():
    old = revision(1, "db-a")
    [change] = recorded(known(old, revision(2, "db-b")), SET, "db-a", [pod("db-b")])
    assert change == Change(old, {"revision": 3})
    assert recorded(known(old, revision(2, "db-b")), SET, "db-b", []) == []


def test_the_oldest_go_but_not_those_in_use():
    rows = [revision(number, f"db-{number}") for number in range(1, 7)]
    removed = recorded(known(*rows), SET, "db-6", [pod("db-1")])
    assert removed == [Remove(rows[1]), Remove(rows[2])], (
        "two are kept, beside the present one and the used one"
    )
