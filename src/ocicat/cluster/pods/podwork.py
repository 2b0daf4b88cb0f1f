"""`PodWork`: one pod from its binding to this node until nothing of it is left."""

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from ocicat.base.backoff import Backoff
from ocicat.cluster.client import ApiError, UnreachableError
from ocicat.cluster.controllers.things import timestamp
from ocicat.cluster.pods.containerwork import RETRY_S, ContainerWork
from ocicat.cluster.pods.context import NodeContext, Thing
from ocicat.cluster.pods.environment import MissingError
from ocicat.cluster.pods.holding import HolderError, HolderGoneError
from ocicat.cluster.pods.running import Running
from ocicat.cluster.pods.sandbox import Sandbox
from ocicat.cluster.pods.status import conditions_of, container_status, phase_of

log: Final = structlog.get_logger("ocicat.node")
_GRACE_S: Final = 30


class PodWork:
    """Everything that this node does for one pod. `run` ends when the pod is gone."""

    def __init__(self, node: NodeContext, pod: Thing) -> None:
        """Prepare it; nothing is done yet."""
        self._node: Final = node
        self.pod = pod
        self._sandbox: Final = Sandbox(node, pod)
        self._has_sandbox = False
        self._began: Final = timestamp(node.timer.now_ns())
        self._dirty: Final = asyncio.Event()
        self._going: Final = asyncio.Event()
        self._gone = False
        self._init: Final = [self._work(spec, init=True) for spec in pod["spec"].get("initContainers") or ()]
        self._main: Final = [self._work(spec, init=False) for spec in pod["spec"]["containers"]]
        self._count_on()

    def _work(self, spec: Thing, *, init: bool) -> ContainerWork:
        return ContainerWork(self._node, self._sandbox, self.pod, spec, init=init, changed=self._dirty.set)

    def _count_on(self) -> None:
        """Take over the number of runs that the API knows of, when this node begins anew."""
        status = self.pod.get("status") or {}
        rows = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
        known = {row["name"]: row for row in rows if row.get("containerID")}
        for work in (*self._init, *self._main):
            if work.state.name in known:
                work.resume(int(known[work.state.name].get("restartCount", 0)) + 1)

    def running(self, container: str) -> Running | None:
        """Return the present run of a container; the first one's where none is named."""
        works = self._main if not container else [*self._init, *self._main]
        return next((work.current for work in works if container in ("", work.state.name)), None)

    def update(self, pod: Thing) -> None:
        """Take note of what the API now says of the pod."""
        self.pod = pod
        if pod["metadata"].get("deletionTimestamp"):
            self._going.set()

    def vanish(self) -> None:
        """End at once: the API has no such pod any more."""
        self._gone = True
        self._going.set()

    async def run(self) -> None:
        """Run the pod. Ends when it was deleted and is gone."""
        publishing = asyncio.create_task(self._publish())
        living = asyncio.create_task(self._live())
        going = asyncio.create_task(self._going.wait())
        try:
            await asyncio.wait([living, going], return_when=asyncio.FIRST_COMPLETED)
            if living.done():
                living.result()
            await self._going.wait()
            await self._end(living)
        finally:
            for task in (publishing, living, going):
                task.cancel()
            await asyncio.gather(publishing, living, going, return_exceptions=True)

    # --- living ---------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        await self._make_sandbox()
        volumes = await self._make_volumes()
        async with asyncio.TaskGroup() as group:
            for work in self._init:
                if work.state.final and work.state.ended and work.state.ended.code == 0:
                    continue
                if self._is_sidecar(work):
                    group.create_task(work.run(volumes))
                    continue
                await work.run(volumes)
                if work.state.ended is None or work.state.ended.code != 0:
                    return
            for work in self._main:
                group.create_task(work.run(volumes))
        self._dirty.set()

    def _is_sidecar(self, work: ContainerWork) -> bool:
        specs = self.pod["spec"].get("initContainers") or ()
        return any(row["name"] == work.state.name and row.get("restartPolicy") == "Always" for row in specs)

    async def _make_sandbox(self) -> None:
        while True:
            try:
                await self._sandbox.set_up()
            except HolderGoneError:
                raise
            except (HolderError, IndexError) as error:
                text = f"Failed to create pod sandbox: {error}"
                await self._node.tell(self.pod, "FailedCreatePodSandBox", text, warning=True)
                await self._node.timer.sleep(RETRY_S)
            else:
                self._has_sandbox = True
                self._dirty.set()
                return

    async def _make_volumes(self) -> dict[str, Path]:
        while True:
            try:
                await self._sandbox.read_sources()
                return await self._sandbox.volumes()
            except (MissingError, ApiError, UnreachableError) as error:
                text = f"MountVolume.SetUp failed: {error}"
                await self._node.tell(self.pod, "FailedMount", text, warning=True)
                await self._node.timer.sleep(RETRY_S / 5)

    # --- the status -----------------------------------------------------------------------------------------

    async def _publish(self) -> None:
        backoff = Backoff(0.05, 5.0, self._node.chance)
        self._dirty.set()
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._write_status()
                backoff = Backoff(0.05, 5.0, self._node.chance)
            except ApiError as error:
                if error.code == 404:
                    return
                self._dirty.set()
                await self._node.timer.sleep(backoff.delay_s())
            except UnreachableError:
                self._dirty.set()
                await self._node.timer.sleep(backoff.delay_s())

    async def _write_status(self) -> None:
        metadata = self.pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
        body = {"metadata": {"uid": metadata["uid"]}, "status": self.status()}
        await self._node.client.patch(path, body)

    def status(self) -> dict[str, Any]:
        """Return the pod's status as it is now."""
        init, main = ([work.state for work in works] for works in (self._init, self._main))
        old = (self.pod.get("status") or {}).get("conditions") or ()
        now = timestamp(self._node.timer.now_ns())
        policy = self.pod["spec"].get("restartPolicy", "Always")
        found: dict[str, Any] = {
            "phase": phase_of(init, main, policy),
            "hostIP": self._node.place.addresses[0],
            "hostIPs": [{"ip": address} for address in self._node.place.addresses],
            "startTime": self._began,
            "qosClass": "BestEffort",
            "conditions": conditions_of(old, sandbox=self._has_sandbox, init=init, main=main, now=now),
            "containerStatuses": [container_status(state, metadata_uid(self.pod)) for state in main],
        }
        if init:
            rows = [container_status(state, metadata_uid(self.pod)) for state in init]
            found["initContainerStatuses"] = rows
        if addresses := self._sandbox.addresses:
            found["podIP"] = addresses[0]
            found["podIPs"] = [{"ip": address} for address in addresses]
        return found

    # --- the end --------------------------------------------------------------------------------------------

    async def _end(self, living: "asyncio.Task[None]") -> None:
        works = [*self._init, *self._main]
        for work in works:
            work.stop()
        grace_s = 0 if self._gone else self.pod["metadata"].get("deletionGracePeriodSeconds", _GRACE_S)
        await self._ask_to_end(works, grace_s)
        runs = [work.current for work in works if work.current is not None]
        for running in runs:
            running.kill()
        if not runs or living.done():
            living.cancel()
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            await asyncio.wait_for(living, 5.0)
        await self._sandbox.tear_down()
        if not self._gone:
            await self._delete()

    async def _ask_to_end(self, works: Sequence[ContainerWork], grace_s: int) -> None:
        runs = [work.current for work in works if work.current is not None]
        if not runs or grace_s <= 0:
            return
        for running in runs:
            running.kill(signal.SIGTERM)
        await self._node.tell(self.pod, "Killing", f"Stopping container {works[-1].state.name}")
        endings = [asyncio.create_task(_over(work)) for work in works]
        _, waiting = await asyncio.wait(endings, timeout=grace_s)
        for task in waiting:
            task.cancel()

    async def _delete(self) -> None:
        metadata = self.pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        backoff = Backoff(0.1, 5.0, self._node.chance)
        while True:
            try:
                await self._node.client.delete(path, options)
            except ApiError as error:
                if error.code in (404, 409):
                    return
                log.warning("pod.not_deleted", pod=metadata["name"], reason=str(error))
            except UnreachableError:
                pass
            else:
                return
            await self._node.timer.sleep(backoff.delay_s())


async def _over(work: ContainerWork) -> None:
    """Return when a container does not run."""
    while work.current is not None:
        await asyncio.sleep(0.02)


def metadata_uid(pod: Thing) -> str:
    """Return the uid of a pod."""
    return str(pod["metadata"]["uid"])
