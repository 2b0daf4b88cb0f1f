"""What a pod's spec may not say: names and paths become files of a node, amounts become numbers."""

import pytest

from ocicat.cluster.resources.builtin import BUILTIN
from ocicat.cluster.resources.validation import problems

CONTAINER = {"name": "c", "image": "busybox"}


def found(spec):
    kind = BUILTIN.of("v1", "Pod")
    thing = {"metadata": {"name": "p"}, "spec": {"containers": [CONTAINER], **spec}}
    return [(cause.field, cause.message) for cause in problems(kind, thing)]


def items(path):
    return {"volumes": [{"name": "v", "configMap": {"name": "m", "items": [{"key": "k", "path": path}]}}]}


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/etc/passwd", "must be a relative path"),
        ("../../x", "must not contain '..'"),
        ("a/../../x", "must not contain '..'"),
        ("..data", "must not start with '..'"),
        ("", "Required value"),
    ],
)
def test_a_file_of_a_volume_stays_in_it(path, why):
    ((field, message),) = found(items(path))
    assert field == "spec.volumes[0].configMap.items[0].path"
    assert why in message


def test_in_projected_volumes_too():
    source = {"serviceAccountToken": {"path": "../token"}}
    ((field, _),) = found({"volumes": [{"name": "v", "projected": {"sources": [source]}}]})
    assert field == "spec.volumes[0].projected.sources[0].serviceAccountToken.path"


@pytest.mark.parametrize("name", ["..", "../../home", "a/b", "A", "x" * 64])
def test_a_volumes_name_is_a_label(name):
    ((field, message),) = found({"volumes": [{"name": name, "emptyDir": {}}]})
    assert field == "spec.volumes[0].name"
    assert "RFC 1123 label" in message


def test_a_volumes_name_is_its_own():
    rows = found({"volumes": [{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]})
    assert rows == [("spec.volumes[1].name", 'Duplicate value: "v"')]


def test_added_containers_have_names_like_others():
    ((field, _),) = found({"ephemeralContainers": [{"name": "../x", "image": "busybox"}]})
    assert field == "spec.ephemeralContainers[0].name"


def test_a_nodes_name_is_no_path():
    ((field, _),) = found({"nodeName": "../node-2"})
    assert field == "spec.nodeName"


@pytest.mark.parametrize("amount", ["1e30000000", "1e19", ".", "1.2.3", "lots", "", "1 Gi", "-"])
def test_an_amount_is_a_quantity(amount):
    ((field, message),) = found({"containers": [{**CONTAINER, "resources": {"limits": {"cpu": amount}}}]})
    assert field == "spec.containers[0].resources.limits[cpu]"
    assert "quantities must match" in message


@pytest.mark.parametrize("amount", ["1", "100m", "1.5", ".5", "1e3", "1E-3", "64Mi", "2G", "12E", 1, 0.5])
def test_usual_amounts_are_good(amount):
    assert found({"containers": [{**CONTAINER, "resources": {"requests": {"memory": amount}}}]}) == []


@pytest.mark.parametrize(
    ("source", "field"),
    [
        ({"fieldRef": {}}, "fieldRef.fieldPath"),
        ({"resourceFieldRef": {}}, "resourceFieldRef.resource"),
        ({"configMapKeyRef": {"name": "m"}}, "configMapKeyRef.key"),
        ({"secretKeyRef": {"name": "s"}}, "secretKeyRef.key"),
    ],
)
def test_a_variable_says_where_its_value_is(source, field):
    rows = found({"containers": [{**CONTAINER, "env": [{"name": "X", "valueFrom": source}]}]})
    assert [row[0] for row in rows] == [f"spec.containers[0].env[0].valueFrom.{field}"]
