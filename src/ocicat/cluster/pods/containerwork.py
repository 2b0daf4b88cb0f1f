"""`ContainerWork`: one container through its runs — image, start, probes, restart with back-off."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from ocicat.cluster.controllers.things import timestamp
from ocicat.cluster.pods.beside import NOT_RUN, execute
from ocicat.cluster.pods.context import NodeContext, Thing
from ocicat.cluster.pods.holding import HolderError, HolderGoneError
from ocicat.cluster.pods.launching import Launch
from ocicat.cluster.pods.probes import Asked
from ocicat.cluster.pods.probing import Probing
from ocicat.cluster.pods.running import Running
from ocicat.cluster.pods.sandbox import Sandbox
from ocicat.cluster.pods.status import ContainerState, Ended, restored

log: Final = structlog.get_logger("ocicat.node")
FIRST_DELAY_S: Final = 10.0
LONGEST_DELAY_S: Final = 300.0
FORGIVEN_S: Final = 600.0
"""A run that lasted this long starts the back-off anew."""
HOOK_S: Final = 30.0
"""How long a hook after the start may take."""
GRACE_S: Final = 30
"""How long a container may take to end where its pod says nothing."""
_NEVER_STARTED: Final = 128


class Role(StrEnum):
    """What a container is in its pod."""

    INIT = "init"
    """Runs to its end before the main ones start."""
    SIDECAR = "sidecar"
    """Starts before the main ones, and runs as long as they."""
    MAIN = "main"
    EPHEMERAL = "ephemeral"
    """Was added to look at the others."""


def delay_before(run: int) -> float:
    """Return how long a container waits before its run `run` in a row, the first being 0."""
    return 0.0 if run < 2 else float(min(FIRST_DELAY_S * 2 ** (run - 2), LONGEST_DELAY_S))


def goes_on(policy: str, code: int, role: Role) -> bool:
    """Tell whether a container is run again after it ended with `code`."""
    if role is Role.EPHEMERAL:
        return False
    if role is Role.SIDECAR:
        return True
    if policy == "Always":
        return role is Role.MAIN or code != 0
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
        role: Role,
        changed: Callable[[], None],
        beside: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Prepare it; `changed` is called whenever `state` is another.

        `beside` returns the process whose fellows the container sees; None: those of its own alone.
        """
        self._node: Final = node
        self._sandbox: Final = sandbox
        self._pod: Final = pod
        self.spec: Final = spec
        self.role: Final = role
        self._changed: Final = changed
        self._beside: Final = beside
        self.state = ContainerState(name=spec["name"], image=spec["image"], sidecar=role is Role.SIDECAR)
        self.current: Running | None = None
        self.begun = False
        """Whether somebody runs it; for who adds containers to a pod."""
        self._stopping = False
        self._adopting = False
        self._launch: Final = Launch(node, sandbox, pod, spec, tell=self._tell, wait=self._wait)
        self._volumes: dict[str, Path] = {}

    def _set(self, **changes: Any) -> None:
        changed = msgspec.structs.replace(self.state, **changes)
        if changed != self.state:
            self.state = changed
            self._changed()

    def _wait(self, reason: str, message: str) -> None:
        self._set(waiting=reason, message=message)

    def _tell(self, reason: str, message: str, warning: bool = False) -> None:
        self._node.tell(self._pod, reason, message, warning=warning)

    @property
    def keep(self) -> str:
        """The name under which the holder keeps the present run."""
        return f"{self._node.name}/{self._sandbox.uid}/{self.state.name}/{self.state.restarts}"

    def resume(self, row: Thing, kept: frozenset[str]) -> None:
        """Go on from what an earlier process of this node has written.

        Args:
            row: The container's in the pod's status.
            kept: What the holder keeps: a run that is among it is adopted, any other is over.
        """
        state = restored(row, final=True)
        self.state = msgspec.structs.replace(state, sidecar=self.role is Role.SIDECAR)
        if self.keep in kept:
            self._adopting = True
            return
        ended = state.ended if not state.running_since else None
        is_final = ended is not None and not goes_on(self._policy, ended.code, self.role)
        if is_final and self._sandbox.stands:
            return
        begun = bool(row.get("containerID"))
        self.state = ContainerState(
            name=state.name, image=state.image, sidecar=state.sidecar, restarts=state.restarts + begun
        )

    @property
    def _policy(self) -> str:
        return str(self._pod["spec"].get("restartPolicy", "Always"))

    # --- the runs -------------------------------------------------------------------------------------------

    async def run(self, volumes: dict[str, Path]) -> None:
        """Run it, again and again where the pod's restart policy says so."""
        self._volumes = volumes
        again = 0
        while not (self.state.final or self._is_stopping()):
            began_ns = self._node.timer.monotonic_ns()
            ended = await self._once()
            if self._is_stopping() or not goes_on(self._policy, ended.code, self.role):
                ready = self.role is Role.INIT and ended.code == 0
                self._set(running_since="", ready=ready, ended=ended, final=True, last=None)
                return
            lasted_s = (self._node.timer.monotonic_ns() - began_ns) / 1e9
            again = 1 if lasted_s > FORGIVEN_S else again + 1
            await self._back_off(ended, delay_before(again))
            self._set(restarts=self.state.restarts + 1)

    async def _back_off(self, ended: Ended, delay_s: float) -> None:
        what = f"restarting failed container={self.state.name} pod={self._full_name}"
        text = f"back-off {delay_s:g}s {what}"
        over = {"running_since": "", "ready": False, "started": False, "ended": ended}
        self._set(**over, waiting="CrashLoopBackOff", message=text)
        if delay_s:
            about = f"{self.state.name} in pod {self._full_name}"
            self._tell("BackOff", f"Back-off restarting failed container {about}", warning=True)
            await self._node.timer.sleep(delay_s)

    @property
    def _full_name(self) -> str:
        metadata = self._pod["metadata"]
        return f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"

    async def _once(self) -> Ended:
        """Run it once, or take over the run that is there."""
        began = self._now()
        adopted, self._adopting = self._adopting, False
        try:
            if adopted:
                began = self.state.running_since or began
                running = Running(self._launch.folder, self.state.restarts, self._node.timer.now_ns)
                await running.adopt(self._node.holding, self.keep)
            else:
                running = await self._started()
                began = self._now()
        except HolderGoneError:
            raise
        except (HolderError, OSError) as error:
            self._tell("Failed", f"Error: {error}", warning=True)
            return Ended(_NEVER_STARTED, began, self._now(), str(error), ran=False)
        self.current = running
        code = await self._lived(running, began, adopted=adopted)
        return Ended(code, began, self._now(), self._launch.last_word(self.state.restarts))

    async def _started(self) -> Running:
        """Start it when all that it needs is there. Raises HolderError, OSError."""
        restarts = self.state.restarts
        what = await self._launch.prepared(restarts, self.keep, self._beside(), self._volumes)
        running = Running(self._launch.folder, restarts, self._node.timer.now_ns)
        stdin, once = (bool(self.spec.get(key)) for key in ("stdin", "stdinOnce"))
        await running.start(self._node.holding, what, stdin=stdin, once=once)
        self._tell("Created", f"Created container: {self.state.name}")
        self._tell("Started", f"Started container {self.state.name}")
        return running

    def _now(self) -> str:
        return timestamp(self._node.timer.now_ns())

    async def _lived(self, running: Running, began: str, *, adopted: bool) -> int:
        """Be with a run until it is over; return its exit code."""
        probing = asyncio.create_task(self._watch(running, began, adopted=adopted))
        try:
            if self._stopping:
                running.kill()
            return await running.ended()
        except asyncio.CancelledError:
            running.let_go()
            raise
        finally:
            probing.cancel()
            if running.ending is not None:
                running.ending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await probing
            self.current = None

    async def _watch(self, running: Running, began: str, *, adopted: bool) -> None:
        """Say that a container runs, and follow how it does, until cancelled."""
        started = adopted and self.state.started
        if not adopted and not await self._has_begun(running):
            return
        if not started:
            quick = "startupProbe" not in self.spec
            ready = quick and "readinessProbe" not in self.spec and self.role is not Role.INIT
            self._set(running_since=began, ended=None, last=self.state.ended, started=quick, ready=ready)
        probing = Probing(
            self.spec,
            self._asked,
            state=self._set,
            unhealthy=lambda why: self._tell("Unhealthy", why, warning=True),
            dead=lambda why: self._end(running, why),
        )
        await probing.run(started=started)

    async def _has_begun(self, running: Running) -> bool:
        """Run the hook after the start; return whether the container may go on."""
        hook = (self.spec.get("lifecycle") or {}).get("postStart")
        if not hook:
            return True
        if why := await self._asked.once(hook, HOOK_S):
            self._tell("FailedPostStartHook", f"PostStartHook failed: {why}", warning=True)
            running.kill()
        return not why

    # --- beside it ------------------------------------------------------------------------------------------

    @property
    def _asked(self) -> Asked:
        return Asked(self.spec, self._sandbox.addresses[0], self._execute)

    async def _execute(self, words: list[str]) -> tuple[int, str]:
        if self.current is None:
            return NOT_RUN, "the container does not run"
        return await execute(self._node.holding, self.current, words)

    # --- the end --------------------------------------------------------------------------------------------

    def _end(self, running: Running, why: str) -> None:
        """Let a run end that is not well, in the time that the pod gives."""
        log.info("container.killed", container=self.state.name, pod=self._full_name, reason=why)
        self._tell("Killing", why)
        grace_s = self._pod["spec"].get("terminationGracePeriodSeconds", GRACE_S)
        running.ending = running.ending or asyncio.create_task(self.end_within(running, grace_s))

    async def end_within(self, running: Running, grace_s: float) -> None:
        """Let a run end in so many seconds: by the hook before the end, SIGTERM, and then SIGKILL."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._ask_to_end(running, grace_s)
                await running.over.wait()
        running.kill()

    async def _ask_to_end(self, running: Running, grace_s: float) -> None:
        hook = (self.spec.get("lifecycle") or {}).get("preStop")
        if hook and (why := await self._asked.once(hook, grace_s)):
            self._tell("FailedPreStopHook", f"PreStopHook failed: {why}", warning=True)
        running.kill(signal.SIGTERM)

    def _is_stopping(self) -> bool:
        """Tell whether the pod is being ended; it may begin to be while something is awaited."""
        return self._stopping

    def stop(self) -> None:
        """Let the present run be the last."""
        self._stopping = True
