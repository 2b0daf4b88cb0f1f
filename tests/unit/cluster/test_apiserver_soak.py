"""Random traffic leaves nothing behind: no descriptors, tasks, connections or growing caches (the issue)."""

import asyncio
import os
import random

import pytest

from ocicat.cluster.apiserver.streaming import StreamingNode
from ocicat.cluster.resources.builtin import BUILTIN
from support.apiserver import TABLE, config, pod, serving
from support.clocks import until
from support.localpods import LocalPods, run_pod

HERE = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CAT = {"kind": "Cat", "metadata": {"name": "tom"}, "spec": {"lives": 9}}
MERGE = {"Content_Type": "application/merge-patch+json"}
ROUNDS = 600


def definition(group, least):
    """A kind with a rule that is never the same for long."""
    rule = {"rule": f"self.lives >= {least} || self.lives < {least}"}
    spec = {
        "type": "object",
        "properties": {"lives": {"type": "integer"}},
        "x-kubernetes-validations": [rule],
    }
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    row = {"name": "v1", "served": True, "storage": True, "schema": schema}
    names = {"plural": "cats", "kind": "Cat"}
    spec = {"group": group, "scope": "Cluster", "names": names, "versions": [row]}
    return {"metadata": {"name": f"cats.{group}"}, "spec": spec}


async def created(client, chance, name):
    await client.ask("POST", HERE, config(name, x=str(chance.random())))
    await client.ask("POST", PODS, pod(name))


async def changed(client, chance, name):
    await client.ask("PUT", f"{HERE}/{name}", config(name, x=str(chance.random())))
    await client.ask("PATCH", f"{HERE}/{name}", {"data": {"y": str(chance.random())}}, **MERGE)
    path = f"{HERE}/{name}?fieldManager=soak{chance.randrange(3)}&force=true"
    await client.ask("PATCH", path, config(name, z="1"), Content_Type="application/apply-patch+yaml")


async def deleted(client, chance, name):
    await client.ask("DELETE", f"{HERE}/{name}")
    await client.ask("DELETE", f"{PODS}?fieldSelector=metadata.name%3D{name}")


async def listed(client, chance, name):
    await client.ask("GET", f"{HERE}?limit=2")
    await client.ask("GET", PODS, Accept=TABLE)
    await client.ask("GET", "/api/v1/pods", Impersonate_User=f"user{chance.randrange(1000)}")


async def defined(client, chance, name):
    group = f"g{chance.randrange(3)}.example.com"
    await client.ask("POST", DEFINITIONS, definition(group, chance.randrange(100)))
    await client.ask("POST", f"/apis/{group}/v1/cats", {**CAT, "apiVersion": f"{group}/v1"})
    await client.ask("GET", "/openapi/v3")
    await client.ask("DELETE", f"{DEFINITIONS}/cats.{group}")


async def spaced(client, chance, name):
    await client.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    await client.ask("POST", f"/api/v1/namespaces/{name}/configmaps", config("a", namespace=name))
    await client.ask("DELETE", f"/api/v1/namespaces/{name}")


async def executed(client, chance, name):
    path = f"{PODS}/p/exec?command=cat&stdin=1&stdout=1"
    protocols = ["v5.channel.k8s.io"]
    async with client.session.ws_connect(path, protocols=protocols, headers=client.headers()) as socket:
        await socket.send_bytes(b"\x00x")
        if chance.random() < 0.5:
            socket._response.connection.transport.abort()


async def watched(client, chance, name):
    async with client.watch(f"{HERE}?watch=1&timeoutSeconds=1") as following:
        if chance.random() < 0.5:
            await client.ask("PATCH", f"{HERE}/{name}", {"data": {"z": str(chance.random())}}, **MERGE)
        if chance.random() < 0.3:
            await following()


THINGS = (created, created, changed, changed, deleted, listed, defined, spaced, executed, watched)


async def one(client, chance):
    """Do one random thing; refusals are part of it."""
    await chance.choice(THINGS)(client, chance, f"c{chance.randrange(8)}")


@pytest.mark.slow
async def test_random_traffic_leaves_nothing_behind(tmp_path):
    chance = random.Random(7)  # noqa: S311 - seeded, so that a failure comes again
    pods = LocalPods()
    async with serving(tmp_path, node=StreamingNode(pods)) as client:
        await run_pod(client)
        client.server.store._memory._history = 32
        descriptors, tasks = len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())
        for _ in range(ROUNDS // 8):
            await asyncio.gather(*(one(client, chance) for _ in range(8)))
        await client.session.connector.close()
        server = client.server
        await until(lambda: not server._frontdoor._server.connections and not pods.running)
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        assert len(os.listdir("/proc/self/fd")) <= descriptors
        assert not server._frontdoor._silent
        memory = server.store._memory
        assert all(len(shelf.changes) < 64 for shelf in memory._shelves.values())
        assert len(server.core._events) <= 4096
        assert len(memory.scan("configmaps")) <= 16
        assert len(server.core.registry.kinds) <= len(BUILTIN.kinds) + 3
        assert len(server.core.rules) <= 3
