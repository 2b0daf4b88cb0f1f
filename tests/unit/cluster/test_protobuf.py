"""Request bodies in protobuf (spec/kubernetes-api §6)."""

import pytest

from ocicat.cluster.resources.errors import ApiError
from ocicat.cluster.resources.openapi_protobuf import varint
from ocicat.cluster.resources.protobuf import decode


def field(number, value):
    if isinstance(value, bool | int):
        return varint(number << 3) + varint(int(value) & (1 << 64) - 1)
    data = value if isinstance(value, bytes) else value.encode()
    return varint(number << 3 | 2) + varint(len(data)) + data


def body(api_version, kind, message):
    return b"k8s\x00" + field(1, field(1, api_version) + field(2, kind)) + field(2, message)


META = field(1, "web") + field(3, "default") + field(11, field(1, "app") + field(2, "web"))


def test_a_deployment_as_kubectl_create_sends_it():
    port = field(1, "") + field(2, 0) + field(3, 80) + field(4, "") + field(5, "")
    container = field(1, "c") + field(2, "nginx") + field(6, port) + field(8, b"") + field(16, False)
    template = field(1, field(11, field(1, "app") + field(2, "web"))) + field(
        2, field(2, container) + field(14, b"")
    )
    spec = (
        field(1, 0)
        + field(2, field(1, field(1, "app") + field(2, "web")))
        + field(3, template)
        + field(4, b"")
    )
    assert decode(body("apps/v1", "Deployment", field(1, META) + field(2, spec) + field(3, b""))) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "containers": [{"name": "c", "image": "nginx", "ports": [{"containerPort": 80}]}],
                    "securityContext": {},
                },
            },
        },
    }


def test_scalars_of_every_kind():
    secret = field(1, META) + field(2, field(1, "k") + field(2, b"\x00\xff")) + field(3, "Opaque")
    assert decode(body("v1", "Secret", secret))["data"] == {"k": "AP8="}
    number = field(1, 0) + field(2, 8080) + field(3, "")
    word = field(1, 1) + field(2, 0) + field(3, "http")
    ports = b"".join(field(1, field(3, 80) + field(4, target)) for target in (number, word))
    found = decode(body("v1", "Service", field(1, META) + field(2, ports)))
    assert [port["targetPort"] for port in found["spec"]["ports"]] == [8080, "http"]
    options = decode(body("v1", "DeleteOptions", field(1, 0) + field(4, "Background") + field(5, "All")))
    assert options == {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0,
                       "propagationPolicy": "Background", "dryRun": ["All"]}  # fmt: skip
    limits = field(8, field(2, field(1, "cpu") + field(2, field(1, "100m"))))
    pod = decode(body("v1", "Pod", field(2, field(2, field(1, "c") + limits) + field(4, -1))))
    assert pod["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "100m"}}
    assert pod["spec"]["terminationGracePeriodSeconds"] == -1


def test_inlined_messages_and_unknown_numbers():
    volume = field(1, "v") + field(2, field(2, b"") + field(99, "x"))
    reference = field(4, field(1, field(1, "s")) + field(2, "k"))
    env = field(1, "E") + field(3, reference)
    pod = decode(body("v1", "Pod", field(2, field(1, volume) + field(2, field(1, "c") + field(7, env)))))
    assert pod["spec"]["volumes"] == [{"name": "v", "emptyDir": {}}]
    assert pod["spec"]["containers"][0]["env"][0]["valueFrom"] == {"secretKeyRef": {"name": "s", "key": "k"}}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"k8s",
        b"k8s\x00",
        b"k8s\x00\x0a\xff",
        b"k8s\x00" + b"\xff" * 20,
        b"k8s\x00\x0b",
        body("v1", "Nonsense", b""),
        body("v1", "Secret", b"\x0a\x05ab"),
        body("v1", "Secret", field(1, field(1, b"\xff\xfe"))),
        body("v1", "Secret", field(1, 7)),
    ],
)
def test_damage_is_a_bad_request(data):
    with pytest.raises(ApiError) as caught:
        decode(data)
    assert caught.value.code == 400
