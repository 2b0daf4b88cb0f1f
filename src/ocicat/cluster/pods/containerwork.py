"""`ContainerWork`: one container through its runs — image, start, probes, restart with back-off."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from ocicat.cluster.client import ApiError, UnreachableError
from ocicat.cluster.controllers.things import timestamp
from ocicat.cluster.pods import probes
from ocicat.cluster.pods.context import NodeContext, Thing
from ocicat.cluster.pods.environment import MissingError, expanded, service_variables, variables
from ocicat.cluster.pods.holding import HolderError, HolderGoneError, Start
from ocicat.cluster.pods.images.known import base_environment, program
from ocicat.cluster.pods.images.making import ImageNotMadeError, Made, UnknownImageError
from ocicat.cluster.pods.running import Running
from ocicat.cluster.pods.sandbox import Sandbox
from ocicat.cluster.pods.status import ContainerState, Ended

log: Final = structlog.get_logger("ocicat.node")
FIRST_DELAY_S: Final = 10.0
LONGEST_DELAY_S: Final = 300.0
FORGIVEN_S: Final = 600.0
"""A run that lasted this long starts the back-off anew."""
RETRY_S: Final = 5.0
FETCHING_S: Final = 1.0
_NEVER_STARTED: Final = 128


def delay_before(run: int) -> float:
    """Return how long a container waits before its run `run` in a row, the first being 0."""
    return 0.0 if run < 2 else float(min(FIRST_DELAY_S * 2 ** (run - 2), LONGEST_DELAY_S))


def goes_on(policy: str, code: int, *, init: bool) -> bool:
    """Tell whether a container is run again after it ended with `code`."""
    if policy == "Always":
        return not init or code != 0
    return policy == "OnFailure" and code != 0


class ContainerWork:
    """Runs one container until it is done, or `stop` was called."""

    def __init__(
        self,
        node: NodeContext,
        sandbox: Sandbox,
        pod: Thing,
        spec: Thing,
        *,
        init: bool,
        changed: Callable[[], None],
    ) -> None:
        """Prepare it; `changed` is called whenever `state` is another."""
        self._node: Final = node
        self._sandbox: Final = sandbox
        self._pod: Final = pod
        self._spec: Final = spec
        self._init: Final = init
        self._changed: Final = changed
        self.state = ContainerState(name=spec["name"], image=spec["image"])
        self.current: Running | None = None
        self._stopping = False
        self.folder: Final[Path] = sandbox.folder / spec["name"]
        self._volumes: dict[str, Path] = {}

    def _set(self, **changes: Any) -> None:
        self.state = msgspec.structs.replace(self.state, **changes)
        self._changed()

    def resume(self, restarts: int) -> None:
        """Count on from runs that an earlier life of this node has seen."""
        self.state = msgspec.structs.replace(self.state, restarts=restarts)

    async def run(self, volumes: dict[str, Path]) -> None:
        """Run it, again and again where the pod's restart policy says so."""
        self._volumes = volumes
        policy = self._spec.get("restartPolicy") or self._pod["spec"].get("restartPolicy", "Always")
        again = 0
        while not self._is_stopping():
            began_ns = self._node.timer.monotonic_ns()
            ended = await self._once()
            if self._is_stopping() or not goes_on(policy, ended.code, init=self._init):
                self._set(
                    running_since="", ready=self._init and ended.code == 0, ended=ended, final=True, last=None
                )
                return
            lasted_s = (self._node.timer.monotonic_ns() - began_ns) / 1e9
            again = 1 if lasted_s > FORGIVEN_S else again + 1
            delay_s = delay_before(again)
            text = (
                f"back-off {delay_s:g}s restarting failed container={self.state.name} pod={self._full_name}"
            )
            self._set(
                running_since="",
                ready=False,
                started=False,
                ended=ended,
                waiting="CrashLoopBackOff",
                message=text,
            )
            if delay_s:
                await self._node.tell(
                    self._pod,
                    "BackOff",
                    f"Back-off restarting failed container {self.state.name}",
                    warning=True,
                )
                await self._node.timer.sleep(delay_s)
            self._set(restarts=self.state.restarts + 1)

    @property
    def _full_name(self) -> str:
        metadata = self._pod["metadata"]
        return f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"

    async def _once(self) -> Ended:
        made = await self._image()
        what = await self._prepared(made)
        running = Running(self.folder, self.state.restarts, self._node.timer.now_ns)
        began = timestamp(self._node.timer.now_ns())
        try:
            await running.start(self._node.holding, what, stdin=bool(self._spec.get("stdin")))
        except HolderGoneError:
            raise
        except HolderError as error:
            await self._node.tell(self._pod, "Failed", f"Error: {error}", warning=True)
            return Ended(_NEVER_STARTED, began, timestamp(self._node.timer.now_ns()), str(error))
        self.current = running
        quick = "startupProbe" not in self._spec
        ready = quick and "readinessProbe" not in self._spec and not self._init
        self._set(running_since=began, ended=None, last=self.state.ended, started=quick, ready=ready)
        await self._node.tell(self._pod, "Started", f"Started container {self.state.name}")
        probing = asyncio.create_task(self._probe(running))
        try:
            if self._stopping:
                running.kill()
            code = await running.ended()
        finally:
            probing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await probing
            self.current = None
        return Ended(code, began, timestamp(self._node.timer.now_ns()))

    async def _image(self) -> Made:
        """Return the image; waits, and says so, as long as there is none."""
        reference = self._spec["image"]
        while True:
            try:
                return await asyncio.to_thread(self._node.images.made, reference)
            except (UnknownImageError, ImageNotMadeError) as error:
                text = f'Failed to pull image "{reference}": {error}'
                await self._node.tell(self._pod, "Failed", text, warning=True)
                # What is being fetched is there in a moment; an unknown name stays one for longer.
                delay_s = FETCHING_S if isinstance(error, ImageNotMadeError) else RETRY_S * 2
                self._set(waiting="ErrImagePull", message=str(error))
                await self._node.timer.sleep(delay_s)
                self._set(
                    waiting="ImagePullBackOff", message=f'Back-off pulling image "{reference}": {error}'
                )
                await self._node.timer.sleep(delay_s)

    async def _prepared(self, made: Made) -> Start:
        """Return what is to be started; waits, and says so, as long as something that it needs is absent."""
        while True:
            try:
                await self._sandbox.read_sources()
                return self._start(made)
            except (MissingError, ApiError, UnreachableError) as error:
                await self._node.tell(self._pod, "Failed", f"Error: {error}", warning=True)
                self._set(waiting="CreateContainerConfigError", message=str(error))
                await self._node.timer.sleep(RETRY_S)

    def _start(self, made: Made) -> Start:
        sandbox, spec = self._sandbox, self._spec
        services = service_variables(self._pod["metadata"]["namespace"], self._node.services.values())
        base = base_environment(made.image) | {"HOSTNAME": sandbox.hostname}
        if spec.get("tty"):
            base["TERM"] = "xterm"
        if self._pod["spec"].get("enableServiceLinks", True):
            base |= services
        env = variables(self._pod, spec, base, sandbox.sources, sandbox.addresses)
        words = program(made.image, spec.get("command"), spec.get("args"))
        writable = self.folder / f"root-{self.state.restarts}"
        shutil.rmtree(self.folder / f"root-{self.state.restarts - 1}", ignore_errors=True)
        binds = [*made.binds, *sandbox.shared_files(), *sandbox.mounts(spec, self._volumes)]
        return Start(
            argv=[expanded(word, env) for word in words],
            env=env,
            cwd=spec.get("workingDir") or made.image.cwd,
            space=sandbox.space,
            root={"image": str(made.folder), "writable": str(writable), "binds": binds},
            tty=bool(spec.get("tty")),
            hostname="" if sandbox.on_host else sandbox.hostname,
        )

    # --- probes ---------------------------------------------------------------------------------------------

    async def _probe(self, running: Running) -> None:
        if startup := self._spec.get("startupProbe"):
            await self._startup(startup, running)
        async with asyncio.TaskGroup() as group:
            if liveness := self._spec.get("livenessProbe"):
                group.create_task(self._follow(liveness, lambda good, why: self._lives(running, good, why)))
            if readiness := self._spec.get("readinessProbe"):
                group.create_task(self._follow(readiness, self._is_ready))

    async def _startup(self, probe: Thing, running: Running) -> None:
        begun = asyncio.Event()

        def told(good: bool, why: str) -> None:
            if good:
                begun.set()
            else:
                self._lives(running, good, why)

        following = asyncio.create_task(self._follow(probe, told))
        try:
            await begun.wait()
        finally:
            following.cancel()
        self._set(started=True, ready="readinessProbe" not in self._spec)

    async def _follow(self, probe: Thing, told: Callable[[bool, str], None]) -> None:
        address = self._sandbox.addresses[0]
        await probes.followed(probe, self._spec, address, self._execute, told)

    def _lives(self, running: Running, good: bool, why: str) -> None:
        if not good:
            log.info("container.killed", container=self.state.name, pod=self._full_name, reason=why)
            running.kill()

    def _is_ready(self, good: bool, _why: str) -> None:
        if self.state.ready != good:
            self._set(ready=good)

    async def _execute(self, words: list[str]) -> int:
        return await self.execute(words)

    def _is_stopping(self) -> bool:
        """Tell whether the pod is being ended; it may begin to be while something is awaited."""
        return self._stopping

    async def execute(self, words: list[str]) -> int:
        """Run a command beside the container's process; return its exit code, 126 where it cannot run."""
        running = self.current
        if running is None:
            return 126
        env = base_environment(self._node.images.image(self._spec["image"]))
        null = os.open(os.devnull, os.O_RDWR)
        try:
            what = Start(argv=words, env=env, target=running.pid)
            started = await self._node.holding.start(what, [null] * 3)
        except HolderError:
            return 126
        finally:
            os.close(null)
        return await started.ended

    def stop(self) -> None:
        """Let the present run be the last."""
        self._stopping = True
