"""Defaults, validation, addresses, names, bodies: what happens to an object before it is stored (spec §4)."""

import ipaddress

import msgspec
import pytest

from ocicat.cluster.resources import addresses, bodies, meta, validation
from ocicat.cluster.resources.builtin import BUILTIN
from ocicat.cluster.resources.defaults import defaulted
from ocicat.cluster.resources.errors import ApiError
from ocicat.cluster.resources.fieldcheck import findings, judged, without_unknown
from ocicat.cluster.resources.paging import Start, page, parse_token, token
from ocicat.cluster.resources.selectors import parse_labels
from ocicat.cluster.resources.watch import Change, Interest, event_of
from support.apiserver import schemas


def kind(plural, group="", version="v1"):
    return BUILTIN.at(group, version, plural)


def container(**more):
    return {"name": "c", "image": "nginx", **more}


def with_defaults(plural, thing, group=""):
    return defaulted(kind(plural, group), {"metadata": {"name": "x"}, **thing})


def test_defaults_of_a_pod():
    probe = {"httpGet": {"port": 80}}
    spec = with_defaults(
        "pods", {"spec": {"containers": [container(ports=[{"containerPort": 1}], livenessProbe=probe)]}}
    )["spec"]
    assert spec["restartPolicy"] == "Always"
    assert spec["dnsPolicy"] == "ClusterFirst"
    assert spec["terminationGracePeriodSeconds"] == 30
    assert spec["serviceAccountName"] == "default"
    only = spec["containers"][0]
    assert only["imagePullPolicy"] == "Always"
    assert only["ports"] == [{"containerPort": 1, "protocol": "TCP"}]
    assert only["livenessProbe"]["httpGet"] == {"port": 80, "path": "/", "scheme": "HTTP"}
    assert only["livenessProbe"]["periodSeconds"] == 10


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.25", "IfNotPresent"),
        ("host:5000/nginx", "Always"),
        ("nginx@sha256:abc", "IfNotPresent"),
        ("host:5000/nginx:1", "IfNotPresent"),
    ],
)
def test_image_pull_policy(image, policy):
    found = with_defaults("pods", {"spec": {"containers": [container(image=image)]}})
    assert found["spec"]["containers"][0]["imagePullPolicy"] == policy


def test_defaults_of_a_deployment():
    spec = with_defaults(
        "deployments", {"spec": {"template": {"spec": {"containers": [container()]}}}}, "apps"
    )["spec"]
    assert (spec["replicas"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (1, 10, 600)
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    recreate = with_defaults("deployments", {"spec": {"strategy": {"type": "Recreate"}}}, "apps")["spec"]
    assert recreate["strategy"] == {"type": "Recreate"}


def test_defaults_of_other_kinds():
    service = with_defaults("services", {"spec": {"ports": [{"port": 80}]}})["spec"]
    assert service["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert (service["type"], service["sessionAffinity"], service["internalTrafficPolicy"]) == (
        "ClusterIP",
        "None",
        "Cluster",
    )
    namespace = with_defaults("namespaces", {})
    assert namespace["metadata"]["labels"] == {"kubernetes.io/metadata.name": "x"}
    assert namespace["spec"] == {"finalizers": ["kubernetes"]}
    secret = with_defaults("secrets", {"stringData": {"a": "b"}, "data": {"c": "ZA=="}})
    assert secret["data"] == {"a": "Yg==", "c": "ZA=="}
    assert (secret["type"], "stringData" in secret) == ("Opaque", False)
    policy = with_defaults(
        "networkpolicies", {"spec": {"egress": [{"ports": [{"port": 1}]}]}}, "networking.k8s.io"
    )
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert policy["spec"]["egress"][0]["ports"] == [{"port": 1, "protocol": "TCP"}]


def test_defaults_are_idempotent_and_never_overwrite():
    for each in BUILTIN.kinds:
        thing = {
            "metadata": {"name": "x"},
            "spec": {
                "replicas": 0,
                "type": "NodePort",
                "restartPolicy": "Never",
                "containers": [container(imagePullPolicy="Never")],
            },
        }
        once = defaulted(each, meta_copy(thing))
        assert defaulted(each, meta_copy(once)) == once, each
        assert once["spec"].get("replicas", 0) == 0
        assert once["spec"].get("restartPolicy", "Never") == "Never"


def meta_copy(thing):
    return bodies.read(msgspec.json.encode(thing), "").value


TEMPLATE = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"containers": [container()], "restartPolicy": "Always"},
}

CLAIMING = {
    "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [container(volumeMounts=[{"name": "v"}])], "restartPolicy": "Always"},
        },
        "volumeClaimTemplates": [{"metadata": {"name": "v"}}],
    }
}
"""Its container mounts what no volume is, but what it claims for each pod."""


@pytest.mark.parametrize(
    ("plural", "group", "thing", "fields"),
    [
        ("pods", "", {"spec": {"containers": [container()]}}, []),
        ("pods", "", {"spec": {"containers": []}}, ["spec.containers"]),
        ("pods", "", {}, ["spec.containers"]),
        (
            "pods",
            "",
            {"spec": {"containers": [{"name": "C"}]}},
            ["spec.containers[0].name", "spec.containers[0].image"],
        ),
        ("pods", "", {"spec": {"containers": [container(), container()]}}, ["spec.containers[1].name"]),
        (
            "pods",
            "",
            {"spec": {"containers": [container()], "restartPolicy": "Maybe"}},
            ["spec.restartPolicy"],
        ),
        (
            "pods",
            "",
            {"spec": {"containers": [container(ports=[{"containerPort": 70000}])]}},
            ["spec.containers[0].ports[0].containerPort"],
        ),
        (
            "pods",
            "",
            {"spec": {"containers": [container(volumeMounts=[{"name": "v"}])]}},
            ["spec.containers[0].volumeMounts[0].name"],
        ),
        (
            "deployments",
            "apps",
            {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}},
            [],
        ),
        (
            "deployments",
            "apps",
            {"spec": {"selector": {"matchLabels": {"a": "c"}}, "template": TEMPLATE}},
            ["spec.template.metadata.labels"],
        ),
        ("deployments", "apps", {"spec": {"template": TEMPLATE}}, ["spec.selector"]),
        ("statefulsets", "apps", CLAIMING, []),
        ("jobs", "batch", {"spec": {"template": TEMPLATE}}, ["spec.template.spec.restartPolicy"]),
        (
            "cronjobs",
            "batch",
            {"spec": {"schedule": "* *", "jobTemplate": {"spec": {"template": TEMPLATE}}}},
            ["spec.schedule", "spec.jobTemplate.spec.template.spec.restartPolicy"],
        ),
        ("services", "", {"spec": {"type": "ClusterIP", "ports": []}}, ["spec.ports"]),
        ("services", "", {"spec": {"type": "ClusterIP", "clusterIP": "None"}}, []),
        ("services", "", {"spec": {"type": "Odd", "ports": [{"port": 1}]}}, ["spec.type"]),
        (
            "services",
            "",
            {"spec": {"type": "ClusterIP", "ports": [{"port": 1}, {"port": 2}]}},
            ["spec.ports[0].name", "spec.ports[1].name"],
        ),
        ("services", "", {"spec": {"type": "ExternalName"}}, ["spec.externalName"]),
        ("configmaps", "", {"data": {"a b": "c"}}, ["data[a b]"]),
        ("configmaps", "", {"data": {"a": "x" * 1_500_000}}, ["data"]),
        (
            "roles",
            "rbac.authorization.k8s.io",
            {"rules": [{"verbs": ["get"]}]},
            ["rules[0].apiGroups", "rules[0].resources"],
        ),
        (
            "clusterrolebindings",
            "rbac.authorization.k8s.io",
            {"roleRef": {"kind": "Role", "name": "r"}},
            ["roleRef.kind"],
        ),
    ],
)
def test_rules(plural, group, thing, fields):
    found = validation.problems(kind(plural, group), {"metadata": {"name": "x"}, **thing})
    assert [cause.field for cause in found] == fields


@pytest.mark.parametrize(
    ("plural", "group", "old", "new", "fields"),
    [
        (
            "deployments",
            "apps",
            {"spec": {"selector": {"a": 1}}},
            {"spec": {"selector": {"a": 2}}},
            ["spec.selector"],
        ),
        ("secrets", "", {"type": "a"}, {"type": "b"}, ["type"]),
        (
            "configmaps",
            "",
            {"immutable": True, "data": {"a": "1"}},
            {"immutable": True, "data": {"a": "2"}},
            ["data"],
        ),
        (
            "pods",
            "",
            {"spec": {"containers": [container()]}},
            {"spec": {"containers": [container(image="x")]}},
            [],
        ),
        ("pods", "", {"spec": {"hostname": "a"}}, {"spec": {"hostname": "b"}}, ["spec"]),
    ],
)
def test_what_must_not_change(plural, group, old, new, fields):
    assert [cause.field for cause in validation.changes(kind(plural, group), old, new)] == fields


RANGES = (ipaddress.ip_network("10.96.0.0/29"), ipaddress.ip_network("fd00::/125"))


def service(**spec):
    return {"metadata": {"name": "x"}, "spec": {"type": "ClusterIP", "ports": [{"port": 80}], **spec}}


def test_services_get_addresses_that_are_free():
    others = []
    for _ in range(6):
        found = service()
        assert addresses.with_addresses(found, None, others, RANGES, 5) == []
        others.append(found)
    given = [each["spec"]["clusterIP"] for each in others]
    assert len(set(given)) == 6
    assert "10.96.0.0" not in given
    assert "10.96.0.7" not in given
    assert others[0]["spec"]["ipFamilies"] == ["IPv4"]
    with pytest.raises(ApiError, match=r"range 10\.96\.0\.0/29 is full"):
        addresses.with_addresses(service(), None, others, RANGES, 5)


def test_dual_stack_and_headless():
    found = service(ipFamilyPolicy="RequireDualStack")
    addresses.with_addresses(found, None, [], RANGES, 0)
    assert found["spec"]["clusterIPs"] == ["10.96.0.1", "fd00::1"]
    assert found["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
    headless = service(clusterIP="None")
    addresses.with_addresses(headless, None, [], RANGES, 0)
    assert headless["spec"]["clusterIPs"] == ["None"]
    external = service(type="ExternalName", clusterIP="10.96.0.1")
    addresses.with_addresses(external, None, [], RANGES, 0)
    assert "clusterIP" not in external["spec"]


@pytest.mark.parametrize("wanted", ["10.97.0.1", "nonsense", "10.96.0.2"])
def test_addresses_that_cannot_be_had(wanted):
    taken = service(clusterIP="10.96.0.2", clusterIPs=["10.96.0.2"])
    assert addresses.with_addresses(service(clusterIP=wanted), None, [taken], RANGES, 0)


def test_an_update_keeps_address_and_node_port():
    old = service(type="NodePort")
    addresses.with_addresses(old, None, [], RANGES, 3)
    new = service(type="NodePort")
    assert addresses.with_addresses(new, old, [], RANGES, 9) == []
    assert new["spec"]["clusterIP"] == old["spec"]["clusterIP"]
    assert new["spec"]["ports"][0]["nodePort"] == old["spec"]["ports"][0]["nodePort"] == 30003
    moved = service(clusterIP="10.96.0.1")
    assert addresses.with_addresses(moved, old, [], RANGES, 0)[0].message.endswith("may not change once set")


@pytest.mark.parametrize(
    ("plural", "name", "good"),
    [
        ("configmaps", "a.b-c", True),
        ("configmaps", "A", False),
        ("configmaps", "a" * 253, True),
        ("configmaps", "a" * 254, False),
        ("configmaps", "a\n", False),
        ("namespaces", "a.b", False),
        ("namespaces", "a" * 64, False),
        ("services", "1a", False),
        ("services", "a1", True),
    ],
)
def test_names(plural, name, good):
    assert (meta.name_problem(kind(plural), name) == "") is good


def test_a_role_may_have_almost_any_name():
    role = kind("roles", "rbac.authorization.k8s.io")
    assert meta.name_problem(role, "system:x:Y") == ""
    assert meta.name_problem(role, "a/b") != ""


def test_creation_and_update_keep_what_is_the_servers():
    forged = {
        "metadata": {"name": "x", "uid": "mine", "resourceVersion": "9", "creationTimestamp": "never"},
        "spec": 1,
    }
    found = meta.born(forged, uid="u", time="t", suffix="")
    assert found["metadata"] == {"name": "x", "uid": "u", "creationTimestamp": "t", "generation": 1}
    assert "generation" not in meta.born(forged, uid="u", time="t", suffix="", counted=False)["metadata"]
    named = meta.born({"metadata": {"generateName": "web-"}}, uid="u", time="t", suffix="abcde")
    assert named["metadata"]["name"] == "web-abcde"
    changed = meta.carried_over({"metadata": {"name": "x", "uid": "v"}, "spec": 2}, found)
    assert (changed["metadata"]["uid"], changed["metadata"]["generation"]) == ("u", 2)
    same = meta.carried_over({"metadata": {"name": "x", "labels": {"a": "b"}}, "spec": 1, "status": 3}, found)
    assert same["metadata"]["generation"] == 1, "generation counts changes of spec only"


def test_unknown_fields_and_wrong_types():
    node = schemas().root("io.k8s.api.apps.v1.Deployment")
    thing = {
        "spec": {"replicas": 1, "foo": 2, "template": {"spec": {"containers": [{"name": "c", "bar": 1}]}}},
        "x": 1,
    }
    found = list(findings(thing, node, schemas()))
    assert [each.path for each in found] == ["spec.foo", "spec.template.spec.containers[0].bar", "x"]
    assert judged("Deployment", "v1", found, [], "Warn")[0] == 'unknown field "spec.foo"'
    assert judged("Deployment", "v1", found, [], "Ignore") == []
    with pytest.raises(ApiError) as caught:
        judged("Deployment", "v1", found, [], "Strict")
    assert str(caught.value) == (
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error:'
        ' unknown field "spec.foo", unknown field "spec.template.spec.containers[0].bar", unknown field "x"'
    )
    clean = without_unknown(thing, node, schemas())
    assert clean == {"spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "c"}]}}}}
    wrong = list(findings({"spec": {"replicas": "three"}}, node, schemas()))
    with pytest.raises(
        ApiError, match=r"cannot unmarshal string into Go struct field Deployment\.spec\.replicas"
    ):
        judged("Deployment", "v1", wrong, [], "Ignore")


def test_pages():
    assert page([1, 2, 3], 2) == ([1, 2], 1)
    assert page([1, 2, 3], 0) == ([1, 2, 3], 0)
    assert parse_token(token(Start(7, "n", "x"))) == Start(7, "n", "x")
    for text in ("", "ä", "e30", "!!!!"):
        with pytest.raises(ApiError, match="continue key is not valid"):
            parse_token(text)


def labelled(value, revision="1"):
    return {"metadata": {"name": "x", "labels": {"a": value}, "resourceVersion": revision}}


@pytest.mark.parametrize(
    ("before", "after", "event"),
    [
        (None, "b", "ADDED"),
        (None, "c", None),
        ("c", "b", "ADDED"),
        ("b", "b", "MODIFIED"),
        ("b", "c", "DELETED"),
        ("c", "c", None),
        ("b", None, "DELETED"),
        ("c", None, None),
    ],
)
def test_what_a_watcher_with_a_selector_sees(before, after, event):
    old, new = (labelled(value) if value else None for value in (before, after))
    gone = labelled(before, "7") if before and not after else None
    change = Change(7, "things", "n", "x", old, new, gone)
    found = event_of(change, Interest("n", parse_labels("a=b")))
    assert (found[0] if found else None) == event
    if event == "DELETED":
        assert found[1]["metadata"]["resourceVersion"] == "7"
    assert event_of(change, Interest("other", parse_labels("a=b"))) is None


def test_kinds_that_count_generations():
    """As upstream: what a controller acts on, not what is only kept (ConfigMap, Secret) or kept otherwise."""
    counted = {kind.kind for kind in BUILTIN.kinds if kind.stored and kind.counts_generations}
    assert {"Deployment", "Job", "NetworkPolicy", "Tier", "CustomResourceDefinition"} <= counted
    assert not {"ConfigMap", "Secret", "Pod", "Service", "Namespace", "Node", "ControllerRevision"} & counted
