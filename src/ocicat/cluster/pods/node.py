"""`Node`: a node's kubelet. It knows the cluster through the Kubernetes API alone.

It registers the node, renews its lease, follows the pods that are bound to it, and has one `PodWork` for
each.
"""

import asyncio
import contextlib
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from ocicat.base.problem import Problem
from ocicat.cluster.client import ApiError, UnreachableError
from ocicat.cluster.controllers.known import WATCHED, Raw
from ocicat.cluster.controllers.things import timestamp
from ocicat.cluster.deltas import Inbox
from ocicat.cluster.pods import attaching
from ocicat.cluster.pods.context import NodeContext, Thing
from ocicat.cluster.pods.podwork import PodWork
from ocicat.cluster.pods.running import Running
from ocicat.cluster.reflect import Reflector
from ocicat.cluster.reflection import Delta
from ocicat.model.kinds import Kind
from ocicat.model.meta import Resource

log: Final = structlog.get_logger("ocicat.node")
LEASE_S: Final = 40
RENEW_S: Final = 10.0
_RELEASE: Final = "v1.32.0"


class Node:
    """One node. `run` goes on until it is cancelled, or the holder ends."""

    def __init__(self, context: NodeContext, socket: Path) -> None:
        """Prepare it; `socket` is where those who attach to containers connect."""
        self._node: Final = context
        self._socket: Final = socket
        self._works: Final[dict[str, PodWork]] = {}
        self._uids: Final[dict[tuple[str, str], str]] = {}
        self._ended: Final[set[str]] = set()
        """Pods that had ended before this process began; their logs stay until they are deleted."""
        self._kept: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Be a node. Raises HolderGoneError when the holder ends."""
        inbox = Inbox()
        node = self._node
        reflectors = [
            Reflector(WATCHED[kind], node.client, _read, inbox, node.timer, node.chance)
            for kind in ("Service", "Pod")
        ]
        await self._register()
        self._kept = await self._left_over()
        server = await attaching.serve(self._socket, self._find)
        try:
            try:
                node.programmed.open()
            except OSError as error:
                log.warning("node.not_told_of_policy", reason=str(error))
            async with asyncio.TaskGroup() as group:
                for reflector in reflectors:
                    group.create_task(reflector.run())
                group.create_task(self._renew())
                group.create_task(node.teller.run())
                group.create_task(self._holder_lives())
                group.create_task(self._follow(inbox, reflectors, group))
        finally:
            server.close()
            node.programmed.close()

    async def _holder_lives(self) -> None:
        await asyncio.shield(self._node.holding.gone)
        raise ConnectionResetError("the holder of the namespaces has ended")

    async def _left_over(self) -> frozenset[str]:
        """Return what the holder keeps from an earlier process of this node: namespaces, and runs."""
        holding = self._node.holding
        runs = await holding.kept(f"{self._node.name}/")
        if not runs:
            await asyncio.to_thread(self._node.images.sweep)
        return frozenset((*await holding.spaces(), *runs))

    async def _sweep(self) -> None:
        """Take away what is left of pods that this node has no more."""
        known = set(self._uids.values())
        for folder in (self._node.folder / "pods").glob("*"):
            uid = folder.name
            if uid in known or uid in self._ended:
                continue
            log.info("pod.swept", uid=uid)
            for name in await self._node.holding.kept(f"{self._node.name}/{uid}/"):
                await self._node.holding.forget(name)
            await self._node.holding.drop(uid)
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _follow(self, inbox: Inbox, reflectors: list[Reflector], group: asyncio.TaskGroup) -> None:
        waiting: list[Delta] = []
        swept = False
        while True:
            await inbox.filled()
            waiting += inbox.take()
            # Services first: a pod finds those by its variables that were there when it was made.
            if all(reflector.synced for reflector in reflectors):
                for delta in sorted(waiting, key=lambda delta: delta.kind.kind == "Pod"):
                    self._enter(delta, group)
                waiting = []
                if not swept:
                    swept = True
                    await self._sweep()

    def _enter(self, delta: Delta, group: asyncio.TaskGroup) -> None:
        key = (delta.namespace, delta.name)
        body = delta.resource.body if isinstance(delta.resource, Raw) else None
        if delta.kind.kind == "Service":
            if body is None:
                self._node.services.pop(key, None)
            else:
                self._node.services[key] = body
            return
        old = self._uids.get(key)
        uid = body["metadata"]["uid"] if body is not None and self._is_mine(body) else None
        if old is not None and old != uid:
            self._uids.pop(key)
            self._works[old].vanish()
        if uid is None or body is None:
            return
        if uid in self._works:
            self._works[uid].update(body)
        elif (body.get("status") or {}).get("phase") not in ("Succeeded", "Failed") or _is_going(body):
            self._begin(key, uid, body, group)
        else:
            self._ended.add(uid)

    def _is_mine(self, pod: Thing) -> bool:
        return bool((pod.get("spec") or {}).get("nodeName") == self._node.name)

    def _begin(self, key: tuple[str, str], uid: str, pod: Thing, group: asyncio.TaskGroup) -> None:
        work = PodWork(self._node, pod, self._kept)
        self._works[uid], self._uids[key] = work, uid
        work.update(pod)
        group.create_task(self._work(key, uid, work))

    async def _work(self, key: tuple[str, str], uid: str, work: PodWork) -> None:
        try:
            await work.run()
        except Exception as error:
            if self._node.holding.gone.done():
                raise
            # One pod's trouble is not its node's; the next change of the pod tries again.
            log.exception("pod.failed", pod=f"{key[0]}/{key[1]}", reason=str(error))
        finally:
            self._works.pop(uid, None)
            if self._uids.get(key) == uid:
                del self._uids[key]

    def _find(self, uid: str, container: str) -> Running | None:
        work = self._works.get(uid)
        return work.running(container) if work else None

    # --- the node's own object ------------------------------------------------------------------------------

    async def _register(self) -> None:
        node = self._node
        labels = {
            "kubernetes.io/hostname": node.name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": _architecture(),
        }
        body = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": node.name, "labels": labels},
            "spec": {"podCIDR": node.place.pod_nets[0], "podCIDRs": list(node.place.pod_nets)},
        }
        while True:
            try:
                with contextlib.suppress(ApiError):
                    await node.client.post("/api/v1/nodes", body)
                await node.client.patch(f"/api/v1/nodes/{node.name}/status", {"status": self._status()})
                await self._lease()
            except (ApiError, UnreachableError) as error:
                log.info("node.not_registered", reason=str(error))
                await node.timer.sleep(0.2)
            else:
                log.info("node.registered", node=node.name)
                return

    def _status(self) -> dict[str, Any]:
        now = timestamp(self._node.timer.now_ns())
        ready = {
            "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "the node is ready",
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        }  # fmt: skip
        addresses = [{"type": "InternalIP", "address": address} for address in self._node.place.addresses]
        return {
            "addresses": [*addresses, {"type": "Hostname", "address": self._node.name}],
            "capacity": self._node.capacity,
            "allocatable": self._node.capacity,
            "conditions": [ready],
            "nodeInfo": {
                "architecture": _architecture(),
                "operatingSystem": "linux",
                "osImage": "the host's",
                "kernelVersion": platform.release(),
                "kubeletVersion": _RELEASE,
                "kubeProxyVersion": "",
                "containerRuntimeVersion": "ocicat://0.1",
                "machineID": "",
                "systemUUID": "",
                "bootID": "",
            },
        }

    async def _renew(self) -> None:
        while True:
            await self._node.timer.sleep(RENEW_S)
            try:
                await self._lease()
                await self._node.client.patch(
                    f"/api/v1/nodes/{self._node.name}/status", {"status": self._status()}
                )
            except (ApiError, UnreachableError) as error:
                log.warning("node.not_renewed", reason=str(error))

    async def _lease(self) -> None:
        name = self._node.name
        spec = {
            "holderIdentity": name,
            "leaseDurationSeconds": LEASE_S,
            "renewTime": timestamp(self._node.timer.now_ns()).replace("Z", ".000000Z"),
        }
        collection = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        try:
            await self._node.client.patch(f"{collection}/{name}", {"spec": spec})
        except ApiError as error:
            if error.code != 404:
                raise
            body = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": name, "namespace": "kube-node-lease"},
                "spec": spec,
            }
            await self._node.client.post(collection, body)


def _is_going(pod: Thing) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _read(kind: Kind, raw: bytes) -> tuple[Resource | None, list[Problem]]:
    body: Mapping[str, Any] = msgspec.json.decode(raw, type=dict[str, Any])
    return Raw(api_version=kind.api_version, kind=kind.kind, body=body), []
