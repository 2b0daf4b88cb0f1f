"""`PodWork`: one pod from its binding to this node until nothing of it is left."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from ocicat.base.backoff import Backoff
from ocicat.cluster.client import ApiError, UnreachableError
from ocicat.cluster.controllers.things import timestamp
from ocicat.cluster.pods.containerwork import GRACE_S, ContainerWork, Role
from ocicat.cluster.pods.context import NodeContext, Thing
from ocicat.cluster.pods.environment import MissingError
from ocicat.cluster.pods.holding import HolderError, HolderGoneError
from ocicat.cluster.pods.launching import RETRY_S
from ocicat.cluster.pods.running import Running
from ocicat.cluster.pods.sandbox import Sandbox
from ocicat.cluster.pods.status import Verdict, pod_status
from ocicat.cluster.resources.times import seconds_since_1970

log: Final = structlog.get_logger("ocicat.node")
REFRESH_S: Final = 20.0
"""How often what volumes hold of ConfigMaps and the like is read anew; tokens are renewed then too."""
PROGRAMMED_S: Final = 5.0
"""How long a pod waits for its packets to be let through before its containers start anyway."""
_MOUNT_RETRY_S: Final = 1.0
_END_S: Final = 5.0
"""How long the rest of a pod may take to end when its processes have been killed."""


class PodWork:
    """Everything that this node does for one pod. `run` ends when the pod is gone."""

    def __init__(self, node: NodeContext, pod: Thing, kept: frozenset[str] = frozenset()) -> None:
        """Prepare it; nothing is done yet.

        Args:
            node: The node.
            pod: What the API says of the pod.
            kept: What the holder keeps from an earlier process of this node: namespaces by the pod's uid,
                and runs of containers by their names.
        """
        self._node: Final = node
        self.pod = pod
        self._sandbox: Final = Sandbox(node, pod, stands=str(pod["metadata"]["uid"]) in kept)
        self._has_sandbox = False
        status = pod.get("status") or {}
        self._began: Final[str] = status.get("startTime") or timestamp(node.timer.now_ns())
        self._dirty: Final = asyncio.Event()
        self._stirred: Final = asyncio.Event()
        self._going: Final = asyncio.Event()
        self._gone = False
        self._verdict: Verdict | None = None
        self._volumes: dict[str, Path] | None = None
        spec = pod["spec"]
        self._init: Final = [self._work(row, _role(row)) for row in spec.get("initContainers") or ()]
        self._main: Final = [self._work(row, Role.MAIN) for row in spec["containers"]]
        self._others: Final[dict[str, ContainerWork]] = {}
        self._looking: Final[set[asyncio.Task[None]]] = set()
        self._resume(status, kept)
        self.update(pod)

    def _work(self, spec: Thing, role: Role) -> ContainerWork:
        target = spec.get("targetContainerName") or ""

        def beside() -> int | None:
            running = self.running(target) if target else None
            return running.pid if running else None

        return ContainerWork(
            self._node, self._sandbox, self.pod, spec, role=role, changed=self._changed, beside=beside
        )

    def _resume(self, status: Thing, kept: frozenset[str]) -> None:
        """Go on from what an earlier process of this node has written of the pod."""
        groups = ("initContainerStatuses", "containerStatuses")
        known = {row["name"]: row for group in groups for row in status.get(group) or ()}
        for work in (*self._init, *self._main):
            if work.state.name in known:
                work.resume(known[work.state.name], kept)

    def _changed(self) -> None:
        self._dirty.set()
        self._stirred.set()

    async def _until(self, true: Callable[[], bool]) -> None:
        """Return when something is true of the containers."""
        while not true():
            self._stirred.clear()
            await self._stirred.wait()

    @property
    def _works(self) -> list[ContainerWork]:
        return [*self._init, *self._main, *self._others.values()]

    def running(self, container: str) -> Running | None:
        """Return the present run of a container; the first one's where none is named."""
        works = self._works if container else self._main[:1]
        return next((work.current for work in works if container in ("", work.state.name)), None)

    def update(self, pod: Thing) -> None:
        """Take note of what the API now says of the pod."""
        self.pod = pod
        self._sandbox.update(pod)
        for spec in pod["spec"].get("ephemeralContainers") or ():
            if spec["name"] not in self._others:
                self._others[spec["name"]] = self._work(spec, Role.EPHEMERAL)
        if self._volumes is not None:
            self._look()
        if pod["metadata"].get("deletionTimestamp"):
            self._going.set()

    def _look(self) -> None:
        """Start the containers that were added to look at the others."""
        for work in self._others.values():
            if not work.begun:
                work.begun = True
                task = asyncio.create_task(work.run(self._volumes or {}))
                self._looking.add(task)

    def vanish(self) -> None:
        """End at once: the API has no such pod any more."""
        self._gone = True
        self._going.set()

    async def run(self) -> None:
        """Run the pod. Ends when it was deleted and is gone."""
        tasks = [asyncio.create_task(part()) for part in (self._publish, self._refresh)]
        living = asyncio.create_task(self._kept_living())
        going = asyncio.create_task(self._going.wait())
        limit = asyncio.create_task(self._limited())
        try:
            await asyncio.wait([living, going, limit], return_when=asyncio.FIRST_COMPLETED)
            if limit.done() and not going.done() and not living.done():
                self._changed()
                await self._end(living, self._own_grace_s())
                self._changed()
            elif living.done():
                living.result()
            await self._going.wait()
            await self._end(living, 0 if self._gone else self._asked_grace_s())
            await self._forget_runs()
            await self._sandbox.tear_down()
            if not self._gone:
                await self._delete()
        finally:
            rest = [*tasks, living, going, limit, *self._looking]
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

    # --- living ---------------------------------------------------------------------------------------------

    async def _kept_living(self) -> None:
        """Live; what fails by a mistake of ours is told, and tried again."""
        while not self._going.is_set():
            try:
                await self._live()
            except Exception as error:
                if self._node.holding.gone.done():
                    raise
                log.exception("pod.failed", pod=self.pod["metadata"]["name"], reason=str(error))
                self._node.tell(self.pod, "FailedSync", f"Error syncing pod: {error!r}"[:1000], warning=True)
                await self._forget_runs()
                await self._node.timer.sleep(RETRY_S)
            else:
                return

    async def _forget_runs(self) -> None:
        """End every process of the pod that the holder keeps: nobody here knows of it any more."""
        holding = self._node.holding
        for name in await holding.kept(f"{self._node.name}/{self._sandbox.uid}/"):
            await holding.forget(name)

    async def _live(self) -> None:
        await self._make_sandbox()
        volumes = self._volumes = await self._make_volumes()
        await self._sandbox.programmed(PROGRAMMED_S)
        self._look()
        async with asyncio.TaskGroup() as group:
            for work in self._init:
                if work.role is Role.SIDECAR:
                    group.create_task(work.run(volumes))
                    await self._until(lambda work=work: work.state.has_done)  # type: ignore[misc]
                elif not work.state.has_done:
                    await work.run(volumes)
                    if not work.state.has_done:
                        break
            else:
                await asyncio.gather(*(group.create_task(work.run(volumes)) for work in self._main))
            await self._end_sidecars(group)
        self._changed()

    async def _end_sidecars(self, group: asyncio.TaskGroup) -> None:
        for work in self._init:
            if work.role is Role.SIDECAR:
                work.stop()
                if work.current is not None:
                    group.create_task(work.end_within(work.current, self._own_grace_s()))

    async def _make_sandbox(self) -> None:
        while True:
            try:
                await self._sandbox.set_up()
            except HolderGoneError:
                raise
            except (HolderError, IndexError) as error:
                text = f"Failed to create pod sandbox: {error}"
                self._node.tell(self.pod, "FailedCreatePodSandBox", text, warning=True)
                await self._node.timer.sleep(RETRY_S)
            else:
                self._has_sandbox = True
                self._changed()
                return

    async def _make_volumes(self) -> dict[str, Path]:
        while True:
            try:
                return await self._sandbox.volumes()
            except (MissingError, ApiError, UnreachableError, OSError) as error:
                text = f"MountVolume.SetUp failed: {error}"
                self._node.tell(self.pod, "FailedMount", text, warning=True)
                await self._node.timer.sleep(_MOUNT_RETRY_S)

    async def _refresh(self) -> None:
        """Keep what volumes hold up to date."""
        while True:
            await self._node.timer.sleep(REFRESH_S * (0.75 + self._node.chance() / 2))
            if self._volumes is None or not (self._sandbox.changes or self._sandbox.renews):
                continue
            try:
                await self._sandbox.volumes()
            except (MissingError, ApiError, UnreachableError, OSError) as error:
                log.debug("volumes.not_refreshed", pod=self.pod["metadata"]["name"], reason=str(error))

    async def _limited(self) -> None:
        """Return when the pod has been active as long as it may, if that is limited."""
        limit_s = self.pod["spec"].get("activeDeadlineSeconds")
        if limit_s is None:
            await asyncio.Event().wait()
            return
        began_s = seconds_since_1970(self._began) or 0.0
        await self._node.timer.sleep(began_s + limit_s - self._node.timer.now_ns() / 1e9)
        text = "Pod was active on the node longer than the specified deadline"
        self._node.tell(self.pod, "DeadlineExceeded", text)
        self._verdict = Verdict("DeadlineExceeded", text)

    # --- the status -----------------------------------------------------------------------------------------

    async def _publish(self) -> None:
        backoff = Backoff(0.05, 5.0, self._node.chance)
        self._dirty.set()
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._write_status()
                backoff.reset()
            except ApiError as error:
                if error.code == 404:
                    return
                self._dirty.set()
                await self._node.timer.sleep(backoff.delay_s())
            except UnreachableError:
                self._dirty.set()
                await self._node.timer.sleep(backoff.delay_s())
            except Exception as error:
                log.exception("pod.status_failed", pod=self.pod["metadata"]["name"], reason=str(error))
                self._node.tell(self.pod, "FailedSync", f"Error syncing pod: {error!r}"[:1000], warning=True)
                self._dirty.set()
                await self._node.timer.sleep(backoff.delay_s())

    async def _write_status(self) -> None:
        metadata = self.pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
        body = {"metadata": {"uid": metadata["uid"]}, "status": self.status()}
        await self._node.client.patch(path, body)

    def status(self) -> dict[str, Any]:
        """Return the pod's status as it is now."""
        return pod_status(
            self.pod,
            began=self._began,
            now=timestamp(self._node.timer.now_ns()),
            host_addresses=self._node.place.addresses,
            addresses=self._sandbox.addresses,
            sandbox=self._has_sandbox,
            init=[work.state for work in self._init],
            main=[work.state for work in self._main],
            others=[work.state for work in self._others.values()],
            verdict=self._verdict,
        )

    # --- the end --------------------------------------------------------------------------------------------

    def _own_grace_s(self) -> float:
        return float(self.pod["spec"].get("terminationGracePeriodSeconds", GRACE_S))

    def _asked_grace_s(self) -> float:
        return float(self.pod["metadata"].get("deletionGracePeriodSeconds", GRACE_S))

    async def _end(self, living: "asyncio.Task[None]", grace_s: float) -> None:
        works = self._works
        for work in works:
            work.stop()
        await self._ask_to_end(works, grace_s)
        runs = [work.current for work in works if work.current is not None]
        for running in runs:
            running.kill()
        if not runs or living.done():
            living.cancel()
        await asyncio.wait([living, *self._looking], timeout=_END_S)

    async def _ask_to_end(self, works: Sequence[ContainerWork], grace_s: float) -> None:
        pairs = [(work, work.current) for work in works if work.current is not None]
        if not pairs or grace_s <= 0:
            return
        for work, _ in pairs:
            self._node.tell(self.pod, "Killing", f"Stopping container {work.state.name}")
        await asyncio.gather(*(work.end_within(running, grace_s) for work, running in pairs))

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
            except UnreachableError as error:
                log.debug("pod.not_deleted", pod=metadata["name"], reason=str(error))
            else:
                return
            await self._node.timer.sleep(backoff.delay_s())


def _role(spec: Thing) -> Role:
    return Role.SIDECAR if spec.get("restartPolicy") == "Always" else Role.INIT
