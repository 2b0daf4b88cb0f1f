"""Kinds on which nothing acts: served, shown as people know them, and said to be without effect."""

from pathlib import Path

import pytest

from ocicat.cluster.resources.builtin import BUILTIN
from ocicat.cluster.resources.idle import IDLE_KINDS, without_effect
from ocicat.cluster.resources.tables import table
from ocicat.cluster.resources.versions import in_version
from support.apiserver import serving

NOW_NS = 1_700_000_000_000_000_000
CREATED = "2023-11-14T22:13:10Z"
CPU = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
}
BACKEND = {"service": {"name": "web", "port": {"number": 80}}}
INGRESS = {
    "ingressClassName": "nginx",
    "rules": [{"host": f"{name}.com", "http": {"paths": []}} for name in "abcd"],
}
HPA = "HorizontalPodAutoscaler"


def shown(kind, thing):
    """Return the cells that `kubectl get` shows without `-o wide`, by their heads; age and name left out."""
    found = next(each for each in BUILTIN.kinds if each.kind == kind)
    whole = {**thing, "metadata": {"name": "x", "creationTimestamp": CREATED, **thing.get("metadata", {})}}
    made = table(found, [whole], now_ns=NOW_NS)
    heads = [(head["name"], head["priority"]) for head in made["columnDefinitions"]]
    row = dict(zip(heads, made["rows"][0]["cells"], strict=True))
    return {name: cell for (name, wide), cell in row.items() if not wide and name not in ("Age", "Name")}


@pytest.mark.parametrize(
    ("kind", "thing", "cells"),
    [
        ("Ingress", {"spec": INGRESS}, ["nginx", "a.com,b.com,c.com + 1 more...", "", "80"]),
        (
            "Ingress",
            {
                "spec": {"tls": [{}], "defaultBackend": BACKEND},
                "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}},
            },
            ["<none>", "*", "1.2.3.4", "80, 443"],
        ),
        ("IngressClass", {"spec": {"controller": "a/b"}}, ["a/b", "<none>"]),
        (
            HPA,
            {
                "spec": {
                    "scaleTargetRef": {"kind": "Deployment", "name": "web"},
                    "maxReplicas": 5,
                    "metrics": [CPU],
                }
            },
            ["Deployment/web", "cpu: <unknown>/80%", "<unset>", 5, 0],
        ),
        ("PodDisruptionBudget", {"spec": {"minAvailable": 1}}, ["1", "N/A", 0]),
        ("PriorityClass", {"value": 7}, [7, False]),
        ("StorageClass", {"provisioner": "a/b", "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"},
         ["a/b", "Delete", "Immediate", False]),
        (
            "PersistentVolumeClaim",
            {"spec": {"accessModes": ["ReadWriteOnce"]}, "status": {"phase": "Pending"}},
            ["Pending", "", "", "", "", "<unset>"],
        ),
        (
            "PersistentVolume",
            {
                "spec": {
                    "capacity": {"storage": "1Gi"},
                    "accessModes": ["ReadWriteOnce", "ReadOnlyMany"],
                    "persistentVolumeReclaimPolicy": "Retain",
                    "claimRef": {"namespace": "n", "name": "c"},
                },
                "status": {"phase": "Bound"},
            },
            ["1Gi", "RWO,ROX", "Retain", "Bound", "n/c", "", "<unset>", ""],
        ),
        (
            "ResourceQuota",
            {"status": {"hard": {"pods": "3", "limits.cpu": "1"}, "used": {"pods": "2"}}},
            ["pods: 2/3", "limits.cpu: 0/1"],
        ),
        ("PodTemplate", {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [
            {"name": "c", "image": "i"}]}}}, ["c", "i", "a=b"]),
    ],
)  # fmt: skip
def test_as_people_know_them(kind, thing, cells):
    assert list(shown(kind, thing).values()) == cells


def test_every_one_that_does_nothing_is_said_to():
    silent = {kind.kind for kind in IDLE_KINDS if not without_effect(kind)}
    assert silent == {"PriorityClass", "PodTemplate", "PersistentVolumeClaim"}
    assert not any(without_effect(kind) for kind in BUILTIN.kinds if kind not in IDLE_KINDS)


def test_an_autoscaler_in_both_versions():
    """kubectl up to 1.32 writes v1; it is stored as v2, and neither form loses the percentage."""
    newer, older = (kind for kind in IDLE_KINDS if kind.kind == HPA)
    thing = {"apiVersion": "autoscaling/v1", "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 80}}
    stored = in_version(newer, thing)
    assert stored == {"apiVersion": "autoscaling/v2", "spec": {"maxReplicas": 3, "metrics": [CPU]}}
    assert in_version(older, stored) == thing
    assert in_version(newer, stored) is stored


async def test_an_autoscaler_is_served_in_both_versions(tmp_path):
    path = "/apis/autoscaling/{}/namespaces/default/horizontalpodautoscalers"
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    body = {"metadata": {"name": "web"}, "spec": {"scaleTargetRef": target, "maxReplicas": 3}}
    async with serving(tmp_path) as client:
        status, made, headers = await client.ask("POST", path.format("v1"), body)
        assert (status, made["spec"]["targetCPUUtilizationPercentage"]) == (201, 80)
        assert "without effect" in headers["Warning"]
        found = await client("GET", path.format("v2") + "/web")
        assert found["spec"]["metrics"] == [CPU]
        async with client.watch(path.format("v1") + "?watch=1") as following:
            assert (await following())["object"] == (await client("GET", path.format("v1") + "/web"))
        patched = await client("PATCH", path.format("v1") + "/web",
                               {"spec": {"targetCPUUtilizationPercentage": 50}},
                               Content_Type="application/merge-patch+json")  # fmt: skip
        assert patched["spec"]["targetCPUUtilizationPercentage"] == 50
        [listed] = (await client("GET", path.format("v2")))["items"]
        assert listed["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 50


PODS = "/api/v1/namespaces/default/pods"
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"


async def test_what_is_added_to_a_new_pod(tmp_path):
    async with serving(tmp_path) as client:
        container = {"name": "c", "image": "i"}

        async def created(name, **spec):
            body = {"metadata": {"name": name}, "spec": {"containers": [container], **spec}}
            status, found, _ = await client.ask("POST", PODS, body)
            return found["spec"] if status == 201 else found["message"]

        plain = await created("a")
        assert (plain["priority"], plain["preemptionPolicy"]) == (0, "PreemptLowerPriority")
        keys = [(row["key"], row["tolerationSeconds"]) for row in plain["tolerations"]]
        assert keys == [("node.kubernetes.io/not-ready", 300), ("node.kubernetes.io/unreachable", 300)]
        everything = await created("b", tolerations=[{"operator": "Exists"}])
        assert everything["tolerations"] == [{"operator": "Exists"}]
        node = await created("c", priorityClassName="system-node-critical")
        assert node["priority"] == 2_000_001_000
        assert await created("d", priorityClassName="none") == (
            'pods "d" is forbidden: no PriorityClass with name none was found'
        )
        await client("POST", CLASSES, {"metadata": {"name": "all"}, "value": 5, "globalDefault": True})
        general = await created("e")
        assert (general["priority"], general["priorityClassName"]) == (5, "all")
        assert "error looking up service account default/nobody" in await created(
            "f", serviceAccountName="nobody"
        )


async def test_a_patch_that_tests_in_vain_says_what_it_found(tmp_path):
    async with serving(tmp_path) as client:
        step = [{"op": "test", "path": "/metadata/name", "value": 9}]
        found = await client.refused("PATCH", "/api/v1/namespaces/default", step,
                                     Content_Type="application/json-patch+json")  # fmt: skip
        assert found["code"] == 422
        assert found["details"]["causes"][0]["message"] == (
            "testing value failed: default is not equal to tested value 9"
        )


def test_the_documentation_names_every_kind_without_effect():
    page = (Path(__file__).parents[3] / "docs" / "explanation" / "embedded-api.md").read_text()
    table = page.split("## Custom resources")[0]
    assert [kind.kind for kind in IDLE_KINDS if without_effect(kind) and kind.kind not in table] == []
