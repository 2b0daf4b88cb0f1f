"""The cluster's own objects: what the course looks for is there, and rights are not too wide."""

import base64

import pytest

from ocicat.app.up.system import goldmane, nodes, system_objects
from ocicat.app.up.writing import as_applied, collection_of

FILES = {"ca.crt": b"authority", "tls.crt": b"certificate", "tls.key": b"key"}


def named(kind, name):
    (found,) = [
        thing for thing in system_objects(FILES) if (thing["kind"], thing["metadata"]["name"]) == (kind, name)
    ]
    return found


def test_the_console_and_the_hub_are_where_the_course_looks_for_them():
    """Workshop, module 1, step 1."""
    for name, port in (("whisker", 8081), ("goldmane", 7443)):
        service = named("Service", name)
        assert service["metadata"]["namespace"] == "calico-system"
        assert [row["port"] for row in service["spec"]["ports"]] == [port]
        template = named("Deployment", name)["spec"]["template"]
        assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()


def test_dns_has_the_names_that_policies_select():
    service = named("Service", "kube-dns")
    assert service["metadata"]["namespace"] == "kube-system"
    assert named("Deployment", "coredns")["spec"]["template"]["metadata"]["labels"] == {"k8s-app": "kube-dns"}


def test_namespaces_come_before_what_is_in_them():
    things = system_objects(FILES)
    made = {"default", "kube-system"}
    for thing in things:
        if thing["kind"] == "Namespace":
            made.add(thing["metadata"]["name"])
        assert thing["metadata"].get("namespace", "default") in made


def test_the_keys_of_the_flow_api_are_a_secret():
    (secret,) = [thing for thing in goldmane(FILES) if thing["kind"] == "Secret"]
    assert {name: base64.b64decode(text) for name, text in secret["data"].items()} == FILES


ROLES = [thing for thing in system_objects(FILES) if thing["kind"] == "ClusterRole"]


@pytest.mark.parametrize("thing", ROLES, ids=lambda thing: thing["metadata"]["name"])
def test_no_role_may_do_everything(thing):
    for rule in thing["rules"]:
        assert "*" not in (*rule["verbs"], *rule["apiGroups"], *rule["resources"])


def test_an_agent_reads_policy_in_every_tier_and_writes_nothing_but_events():
    (role,) = [
        row for row in nodes() if row["kind"] == "ClusterRole" and row["metadata"]["name"] == "ocicat-agent"
    ]
    writing = [rule for rule in role["rules"] if set(rule["verbs"]) - {"get", "list", "watch"}]
    assert [rule["resources"] for rule in writing] == [["events"]]
    readable = {name for rule in role["rules"] for name in rule["resources"]}
    assert {
        "tiers",
        "networkpolicies",
        "tier.networkpolicies",
        "tier.stagedglobalnetworkpolicies",
    } <= readable


@pytest.mark.parametrize(
    ("thing", "path"),
    [
        ({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "a", "namespace": "b"}},
         "/api/v1/namespaces/b/endpoints"),
        ({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "b"}},
         "/apis/apps/v1/namespaces/b/deployments"),
        ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}, "/api/v1/namespaces"),
    ],
)  # fmt: skip
def test_the_path_of_a_collection(thing, path):
    assert collection_of(thing) == path


def test_what_kubectl_would_have_noted_is_noted():
    thing = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}
    text = as_applied(thing)["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
    assert text == '{"apiVersion":"v1","kind":"Namespace","metadata":{"annotations":{},"name":"a"}}\n'
    assert thing == {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}
