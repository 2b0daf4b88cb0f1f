"""Kubernetes' official client for Python: list, watch, patch, exec, and what controllers written with it do.

It is synchronous and runs in a thread of its own, beside the server's loop. Source: spec/kubernetes-api §10.
"""

import asyncio
import contextlib
import gc
import os
import sys
import warnings
from pathlib import Path

import kubernetes
import pytest
from kubernetes.client import ApiException
from kubernetes.stream import stream
from kubernetes.watch import Watch

from ocicat.cluster.apiserver.streaming import StreamingNode
from support.apiserver import DEADLINE_S, serving
from support.clocks import until
from support.localpods import LocalPods, run_pod

pytestmark = pytest.mark.cluster
HERE = "default"
SET = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "one", "labels": {"a": "b"}},
    "data": {"x": "1"},
}


@contextlib.asynccontextmanager
async def used(tmp_path):
    """A client of a new server, and a function that runs something with it in a thread."""
    async with serving(tmp_path / "state"):
        api = kubernetes.config.new_client_from_config(str(tmp_path / "state" / "kubeconfig"))

        async def run(function, *given):
            async with asyncio.timeout(DEADLINE_S):
                return await asyncio.to_thread(function, api, *given)

        try:
            yield run
        finally:
            api.rest_client.pool_manager.clear()
            api.close()
            # The client leaves sockets of refused requests to the collector.
            with warnings.catch_warnings(action="ignore", category=ResourceWarning):
                gc.collect()


def written_and_read(api):
    core = kubernetes.client.CoreV1Api(api)
    made = core.create_namespaced_config_map(HERE, SET)
    assert made.metadata.resource_version.isdecimal()
    assert made.metadata.creation_timestamp.tzinfo is not None
    patched = core.patch_namespaced_config_map("one", HERE, {"data": {"y": "2"}})
    assert patched.data == {"x": "1", "y": "2"}
    patched.data["x"] = "3"
    replaced = core.replace_namespaced_config_map("one", HERE, patched)
    assert replaced.data == {"x": "3", "y": "2"}
    with pytest.raises(ApiException) as stale:
        core.replace_namespaced_config_map("one", HERE, made)
    assert (stale.value.status, stale.value.reason) == (409, "Conflict")
    for number in range(5):
        core.create_namespaced_config_map(HERE, {"metadata": {"name": f"many-{number}"}})
    first = core.list_namespaced_config_map(HERE, limit=4)
    rest = core.list_namespaced_config_map(HERE, limit=4, _continue=first.metadata._continue)
    assert [len(first.items), len(rest.items)] == [4, 2]
    assert [
        row.metadata.name for row in core.list_config_map_for_all_namespaces(label_selector="a=b").items
    ] == ["one"]
    core.delete_collection_namespaced_config_map(HERE)
    assert core.list_namespaced_config_map(HERE).items == []
    with pytest.raises(ApiException) as gone:
        core.read_namespaced_config_map("one", HERE)
    assert gone.value.status == 404


async def test_writing_and_reading(tmp_path):
    async with used(tmp_path) as run:
        await run(written_and_read)


def watched(api):
    core = kubernetes.client.CoreV1Api(api)
    version = core.list_namespaced_config_map(HERE).metadata.resource_version
    core.create_namespaced_config_map(HERE, SET)
    core.patch_namespaced_config_map("one", HERE, {"data": {"y": "2"}})
    core.delete_namespaced_config_map("one", HERE)
    watch, seen = Watch(), []
    for event in watch.stream(
        core.list_namespaced_config_map, HERE, resource_version=version, timeout_seconds=30
    ):
        seen.append((event["type"], event["object"].metadata.name, event["object"].data))
        if len(seen) == 3:
            watch.stop()
    assert seen == [
        ("ADDED", "one", {"x": "1"}),
        ("MODIFIED", "one", {"x": "1", "y": "2"}),
        ("DELETED", "one", {"x": "1", "y": "2"}),
    ]


async def test_watching(tmp_path):
    async with used(tmp_path) as run:
        await run(watched)


def worked(api):
    apps = kubernetes.client.AppsV1Api(api)
    container = {"name": "c", "image": "nginx:1"}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    apps.create_namespaced_deployment(HERE, {"metadata": {"name": "web"}, "spec": spec})
    apps.patch_namespaced_deployment_scale("web", HERE, {"spec": {"replicas": 5}})
    assert apps.read_namespaced_deployment_scale("web", HERE).spec.replicas == 5
    image = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}}}
    found = apps.patch_namespaced_deployment("web", HERE, image)  # strategic, by the container's name
    assert [row.image for row in found.spec.template.spec.containers] == ["nginx:2"]
    status = apps.patch_namespaced_deployment_status("web", HERE, {"status": {"replicas": 3}})
    assert (status.status.replicas, status.spec.replicas) == (3, 5)


async def test_workloads(tmp_path):
    async with used(tmp_path) as run:
        await run(worked)


def customs(api):
    policies = kubernetes.client.CustomObjectsApi(api)
    where = {"group": "projectcalico.org", "version": "v3", "plural": "globalnetworkpolicies"}
    body = {"apiVersion": "projectcalico.org/v3", "kind": "GlobalNetworkPolicy", "metadata": {"name": "all"}}
    policies.create_cluster_custom_object(**where, body={**body, "spec": {"selector": "all()", "order": 5}})
    [found] = policies.list_cluster_custom_object(**where)["items"]
    assert (found["metadata"]["name"], found["spec"]["order"]) == ("all", 5)
    patched = policies.patch_cluster_custom_object(**where, name="all", body={"spec": {"order": 7}})
    assert patched["spec"]["order"] == 7
    with pytest.raises(ApiException) as refused:
        policies.patch_cluster_custom_object(**where, name="all", body={"spec": {"selector": "app =="}})
    assert refused.value.status in (400, 422)
    assert "selector" in refused.value.body
    who = kubernetes.client.AuthenticationV1Api(api).create_self_subject_review({})
    assert who.status.user_info.username == "ocicat-admin"
    assert "apps" in [group.name for group in kubernetes.client.ApisApi(api).get_api_versions().groups]
    dynamic = kubernetes.dynamic.DynamicClient(api)
    tiers = dynamic.resources.get(api_version="projectcalico.org/v3", kind="Tier")
    assert "default" in [tier.metadata.name for tier in tiers.get().items]


async def test_policies_reviews_and_discovery(tmp_path):
    async with used(tmp_path) as run:
        await run(customs)


def executed(api):
    core = kubernetes.client.CoreV1Api(api)

    def said(*words, given=None):
        options = {"stderr": True, "stdin": given is not None, "stdout": True, "tty": False}
        session = stream(
            core.connect_get_namespaced_pod_exec,
            "p",
            HERE,
            command=list(words),
            **options,
            _preload_content=False,
        )
        if given is not None:
            session.write_stdin(given)
        session.run_forever(timeout=DEADLINE_S)
        found = (session.read_stdout(), session.read_stderr(), session.returncode)
        session.close()  # the client itself leaves the socket to the collector
        return found

    assert said("echo", "hello") == ("hello\n", "", 0)
    script = "read line; echo got $line; echo bad >&2; exit 3"
    assert said("sh", "-c", script, given="words\n") == ("got words\n", "bad\n", 3)
    assert core.read_namespaced_pod_log("p", HERE, tail_lines=1) == "three\n"
    with pytest.raises(ApiException) as absent:
        core.read_namespaced_pod_log("nothere", HERE)
    assert absent.value.status == 404


async def test_commands_in_pods(tmp_path):
    """In a process of its own, which closes the sockets that the client leaves open."""
    async with serving(tmp_path, node=StreamingNode(LocalPods())) as server:
        await run_pod(server)
        words = [sys.executable, __file__, str(tmp_path / "kubeconfig")]
        path = {"PYTHONPATH": str(Path(__file__).parents[1])}
        process = await asyncio.create_subprocess_exec(*words, env={**os.environ, **path})
        async with asyncio.timeout(DEADLINE_S):
            assert await process.wait() == 0
        connections = server.server._frontdoor._server
        await until(lambda: len(connections.connections) <= 1)  # the one of run_pod


if __name__ == "__main__":
    executed(kubernetes.config.new_client_from_config(sys.argv[1]))
