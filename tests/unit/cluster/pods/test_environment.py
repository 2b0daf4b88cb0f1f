"""Variables of containers (the Kubernetes API reference of v1.32, EnvVar and EnvVarSource)."""

import base64
from typing import Any

import pytest

from ocicat.cluster.pods.environment import (
    Given,
    MissingError,
    expanded,
    field_of,
    references,
    service_variables,
    variables,
)

POD = {
    "metadata": {
        "name": "box",
        "namespace": "shop",
        "uid": "u-1",
        "labels": {"tier": "one", "app": "box"},
        "annotations": {"note": 'a "b"\nc'},
    },
    "spec": {"nodeName": "node-1", "containers": [{"name": "c"}]},
}
SOURCES = {
    ("ConfigMap", "settings"): {"data": {"colour": "green"}, "binaryData": {"raw": "AAE="}},
    ("Secret", "key"): {"data": {"password": base64.b64encode(b"hunter2").decode()}},
}
GIVEN = Given(
    pod=POD,
    sources=SOURCES,
    addresses=("10.65.1.2", "fd00::2"),
    host_addresses=("172.31.0.11", "fd00::b"),
    capacity={"cpu": "4", "memory": "8Gi"},
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        # "Variable references $(VAR_NAME) are expanded"
        ("a $(NAME) b", "a box b"),
        # "If a variable cannot be resolved, the reference in the input string will be unchanged"
        ("$(OTHER)", "$(OTHER)"),
        # "Double $$ are reduced to a single $, which allows for escaping the $(VAR_NAME) syntax"
        ("$$(NAME)", "$(NAME)"),
        ("$$$(NAME)", "$box"),
        ("$NAME $( $", "$NAME $( $"),
    ],
)
def test_references_in_texts(text: str, wanted: str) -> None:
    assert expanded(text, {"NAME": "box"}) == wanted


def env_of(*rows: dict[str, Any], base: dict[str, Any] | None = None) -> dict[str, str]:
    return variables(GIVEN, {"name": "c", "env": list(rows)}, base or {})


def test_a_reference_means_what_is_set_before_it() -> None:
    rows = ({"name": "A", "value": "$(B)"}, {"name": "B", "value": "1"}, {"name": "C", "value": "$(B)$(D)"})
    assert env_of(*rows, base={"D": "4"}) == {"A": "$(B)", "B": "1", "C": "14", "D": "4"}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("metadata.name", "box"),
        ("metadata.uid", "u-1"),
        ("spec.serviceAccountName", "default"),
        ("status.hostIP", "172.31.0.11"),
        ("status.hostIPs", "172.31.0.11,fd00::b"),
        ("status.podIPs", "10.65.1.2,fd00::2"),
        ("metadata.labels['tier']", "one"),
        ("metadata.labels['absent']", ""),
        ("metadata.labels", 'app="box"\ntier="one"'),
        ("metadata.annotations", 'note="a \\"b\\"\\nc"'),
    ],
)
def test_fields(path: str, wanted: str) -> None:
    assert field_of(GIVEN, path) == wanted


def test_an_unknown_field_is_said() -> None:
    with pytest.raises(MissingError, match=r"status\.phase cannot be read"):
        field_of(GIVEN, "status.phase")


def test_what_comes_from_configmaps_is_text_alone() -> None:
    container = {"name": "c", "envFrom": [{"configMapRef": {"name": "settings"}, "prefix": "P_"}]}
    assert variables(GIVEN, container, {}) == {"P_colour": "green"}


def test_env_is_stronger_than_env_from() -> None:
    container = {
        "name": "c",
        "envFrom": [{"secretRef": {"name": "key"}}],
        "env": [{"name": "password", "value": "other"}],
    }
    assert variables(GIVEN, container, {}) == {"password": "other"}


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ({"configMapKeyRef": {"name": "absent", "key": "a"}}, 'configmap "absent" not found'),
        ({"secretKeyRef": {"name": "absent", "key": "a"}}, 'secret "absent" not found'),
        (
            {"configMapKeyRef": {"name": "settings", "key": "a"}},
            "couldn't find key a in ConfigMap settings",
        ),
        ({"resourceFieldRef": {"resource": "limits"}}, "resource 'limits' cannot be read"),
        (
            {"resourceFieldRef": {"resource": "limits.cpu", "containerName": "d"}},
            "container d is not in the pod",
        ),
    ],
)
def test_what_is_missing_is_named(source: dict[str, Any], wanted: str) -> None:
    with pytest.raises(MissingError) as raised:
        env_of({"name": "A", "valueFrom": source})
    assert str(raised.value) == wanted


def test_what_is_optional_may_be_missing() -> None:
    for name in ("absent", "settings"):
        source = {"configMapKeyRef": {"name": name, "key": "a", "optional": True}}
        assert env_of({"name": "A", "valueFrom": source}) == {}


def test_a_zero_byte_fits_in_no_variable() -> None:
    with pytest.raises(MissingError, match="variable A has a zero byte"):
        env_of({"name": "A", "value": "x\0y"})


def service(name: str, namespace: str, address: str, *ports: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterIP": address, "ports": list(ports)},
    }


def test_variables_of_services() -> None:
    """Those of the pod's namespace, and `kubernetes`; none of headless ones."""
    found = service_variables(
        "shop",
        [
            service("my-db", "shop", "10.96.0.7", {"port": 3306, "name": "sql-port"}),
            service("db6", "shop", "fd00::7", {"port": 1, "protocol": "UDP"}),
            service("other", "else", "10.96.0.8", {"port": 1}),
            service("kubernetes", "default", "10.96.0.1", {"port": 443}),
            service("headless", "shop", "None", {"port": 1}),
        ],
    )
    assert found["MY_DB_SERVICE_HOST"] == "10.96.0.7"
    assert found["MY_DB_SERVICE_PORT"] == found["MY_DB_SERVICE_PORT_SQL_PORT"] == "3306"
    assert found["MY_DB_PORT"] == found["MY_DB_PORT_3306_TCP"] == "tcp://10.96.0.7:3306"
    assert found["DB6_PORT_1_UDP"] == "udp://[fd00::7]:1"
    assert found["DB6_PORT_1_UDP_ADDR"] == "fd00::7"
    assert "KUBERNETES_SERVICE_HOST" in found
    assert not [name for name in found if name.startswith(("OTHER", "HEADLESS"))]


def test_references_of_a_pod() -> None:
    pod = {
        "spec": {
            "initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "one"}}]}],
            "containers": [
                {"name": "c", "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "two"}}}]}
            ],
            "volumes": [
                {"name": "a", "secret": {"secretName": "three"}},
                {"name": "b", "projected": {"sources": [{"configMap": {"name": "four"}}]}},
                {"name": "c", "emptyDir": {}},
            ],
        }
    }
    assert references(pod) == {
        ("Secret", "one"), ("ConfigMap", "two"), ("Secret", "three"), ("ConfigMap", "four"),
    }  # fmt: skip
