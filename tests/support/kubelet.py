"""A node that runs nothing: through the API alone it says that pods run, are ready, and end when deleted."""

import asyncio
import itertools
import sys
from typing import Any

import msgspec

from ocicat.cluster.client import ApiClient, ApiError, connect
from ocicat.cluster.controllers.known import WATCHED, Raw
from ocicat.cluster.controllers.runner import Controllers
from ocicat.cluster.deltas import Inbox
from ocicat.cluster.reflect import Reflector
from ocicat.ports.systemclock import SystemClock, chance

NODES = ("node-a", "node-b")
RUNS_FOR_EVER = ("sleep", "serve")


async def register(client: ApiClient, name: str) -> None:
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"disk": name[-1]}}}
    await client.post("/api/v1/nodes", body)
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    await client.patch(f"/api/v1/nodes/{name}/status", {"status": {"conditions": [ready]}})


async def serve(client: ApiClient) -> None:
    """Play kubelet for every pod that has a node."""
    inbox, clock = Inbox(), SystemClock()

    def read(kind, raw):
        return Raw(kind=kind.kind, body=msgspec.json.decode(raw)), []

    addresses = (f"10.1.{number >> 8}.{number & 255}" for number in itertools.count(2))
    reflector = Reflector(WATCHED["Pod"], client, read, inbox, clock, chance)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reflector.run())
        while True:
            await inbox.filled()
            for delta in inbox.take():
                if isinstance(delta.resource, Raw):
                    await play(client, dict(delta.resource.body), addresses)


async def play(client: ApiClient, pod: dict[str, Any], addresses) -> None:
    path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
    try:
        if "deletionTimestamp" in pod["metadata"]:
            await client.delete(
                path, {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
            )
        elif pod["spec"].get("nodeName") and not (pod.get("status") or {}).get("podIP"):
            address = next(addresses)
            image = pod["spec"]["containers"][0]["image"]
            done = image in ("succeeds", "fails")
            phase = {"succeeds": "Succeeded", "fails": "Failed"}.get(image, "Running")
            ready = {
                "type": "Ready",
                "status": str(not done and image != "broken"),
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
            status = {"phase": phase, "podIP": address, "podIPs": [{"ip": address}], "conditions": [ready]}
            await client.patch(f"{path}/status", {"status": status})
    except ApiError as error:
        if error.code not in (404, 409):
            raise


async def main(kubeconfig: str) -> None:
    client = connect(kubeconfig)
    for name in NODES:
        await register(client, name)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Controllers(client, SystemClock(), chance, "pem").run())
        tasks.create_task(serve(client))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
