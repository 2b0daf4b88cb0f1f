"""One short walk with every age of kubectl that the machine has, and with a client library (spec §10)."""

import contextlib
import json

import pytest
import yaml

from support.kubectl import Kubectl, required

pytestmark = pytest.mark.cluster
AGES = ("1.20", "1.27", "1.28", "1.29", "1.30", "1.31", "1.32", "1.33")
POLICY = """
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: allow-dns}
spec:
  order: 200
  selector: all()
  types: [Egress]
  egress:
  - {action: Allow, protocol: UDP, destination: {selector: k8s-app == "kube-dns", ports: ['53']}}
  - {action: Pass}
"""
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}


@pytest.fixture(params=AGES)
def kubectl(request, apiserver, tmp_path):
    return Kubectl(required(request.param), request.param, apiserver.kubeconfig, tmp_path)


def test_a_walk(kubectl, namespace):
    here = f"-n {namespace}"
    assert "projectcalico.org/v3" in kubectl("api-versions")
    kubectl(f"{here} create deployment web --image=nginx --replicas=2")
    kubectl(f"{here} expose deployment web --port=80 --target-port=8080")
    assert "8080/TCP" in kubectl(f"{here} describe service web")
    body = json.dumps(CONFIG)
    assert kubectl(f"{here} apply -f -", body) == "configmap/c created\n"
    changed = json.dumps({**CONFIG, "data": {"a": "2"}})
    assert kubectl.run(f"{here} diff -f -", changed).code == 1
    assert kubectl(f"{here} apply -f -", changed) == "configmap/c configured\n"
    assert (
        kubectl(f"{here} apply --server-side --force-conflicts -f -", changed)
        == "configmap/c serverside-applied\n"
    )
    assert kubectl("apply -f -", POLICY).startswith("globalnetworkpolicy.projectcalico.org/allow-dns ")
    assert kubectl("apply -f -", POLICY.replace("200", "100")).endswith("configured\n")
    found = yaml.safe_load(kubectl("get gnp allow-dns -o yaml"))
    assert found["spec"]["order"] == 100
    assert kubectl("delete gnp allow-dns").startswith(
        'globalnetworkpolicy.projectcalico.org "allow-dns" deleted'
    )
    assert "DESCRIPTION" in kubectl("explain gnp.spec.egress.action")
    assert kubectl(f"{here} scale deployment web --replicas=5") == "deployment.apps/web scaled\n"
    assert kubectl(f"{here} get deployment web -o jsonpath='{{.spec.replicas}}'") == "5"
    assert "deployment.apps/web" in kubectl(f"{here} get all -o name").split()
    kubectl(f"{here} delete deployment,service,configmap --all")
    assert kubectl(f"{here} get deployment,service,configmap -o name") == ""


async def test_lightkube_lists_patches_applies_and_watches(apiserver, tmp_path):
    """A typed client that knows kubeconfigs, and server-side apply by itself."""
    lightkube = pytest.importorskip("lightkube")
    from lightkube.models.meta_v1 import ObjectMeta
    from lightkube.resources.core_v1 import ConfigMap

    config = lightkube.KubeConfig.from_file(apiserver.kubeconfig)
    client = lightkube.AsyncClient(config, namespace="default", field_manager="walk")
    name = "lightkube"
    made = await client.create(ConfigMap(metadata=ObjectMeta(name=name), data={"a": "1"}))
    watch = client.watch(ConfigMap, resource_version=made.metadata.resourceVersion)
    patched = await client.patch(ConfigMap, name, {"data": {"b": "2"}})
    assert patched.data == {"a": "1", "b": "2"}
    async with contextlib.aclosing(watch) as events:
        kind, seen = await anext(events)
    assert (kind, seen.data) == ("MODIFIED", patched.data)
    applied = await client.apply(ConfigMap(metadata=ObjectMeta(name=name), data={"a": "9"}), force=True)
    assert applied.data == {"a": "9", "b": "2"}
    assert name in [each.metadata.name async for each in client.list(ConfigMap)]
    await client.delete(ConfigMap, name)
    with pytest.raises(lightkube.ApiError) as caught:
        await client.get(ConfigMap, name)
    assert caught.value.status.reason == "NotFound"
    await client.close()
