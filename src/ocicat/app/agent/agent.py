"""`Agent`: all of a node's agent, joined: reflectors → Mirror → Enforcer → kernel; kernel → flows → hub.

How the parts are made is said in `ocicat.app.agent.compose`. Here they live: they start in order, run side by
side, and stop together. When the agent stops, by a signal or by a crash, the kernel goes on enforcing what it
has; the next agent takes it over.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from importlib.metadata import version
from typing import Any, Final

import structlog

from ocicat.api.flowclient import FlowClient
from ocicat.app.agent.accounting import Accounting
from ocicat.app.agent.cutting import Cutting
from ocicat.app.agent.enforcer import Enforcer, Pass, unenforced
from ocicat.app.agent.events import EventReporter
from ocicat.app.agent.metrics import Metrics
from ocicat.app.agent.status import (
    AgentStatus,
    EnforcementStatus,
    StatusServer,
    Verification,
    socket_path,
)
from ocicat.app.agent.translation import Translation
from ocicat.app.settings import Settings
from ocicat.base.errors import OcicatError
from ocicat.cluster.client import ApiClient
from ocicat.cluster.deltas import Inbox
from ocicat.cluster.reflect import Reflector
from ocicat.dataplane.routes import Routes
from ocicat.ports.clock import Timer
from ocicat.ports.kernel import Kernel

FLUSH_S: Final = 2.0
"""How long a stopping agent waits for the hub to take the last flows."""

RECYCLE_S: Final = 30.0
"""How often numbers of traces are given back."""
SETTLED_NS: Final = 10_000_000_000
"""How long after a pass all connections surely have been listed: accounting does so every second or two."""

RESTART_S: Final = 1.0
"""How long a part that failed rests."""
EMPTIES: Final = ": table "
"""What is said of a table that was missing: the one that is made in its place counts from zero."""

Part = Callable[[], Coroutine[Any, Any, None]]
"""Something that runs as long as the agent does."""

log: Final = structlog.get_logger("ocicat.agent")


class Agent:
    """One node's agent. `run` is its life."""

    def __init__(
        self,
        *,
        settings: Settings,
        client: ApiClient,
        inbox: Inbox,
        reflectors: Sequence[Reflector],
        enforcer: Enforcer,
        kernel: Kernel,
        routes: Routes,
        flows: FlowClient,
        accounting: Accounting,
        events: EventReporter,
        cutting: Cutting,
        translation: Translation,
        timer: Timer,
    ) -> None:
        """Join the parts; nothing runs yet."""
        self._settings = settings
        self._client = client
        self._inbox = inbox
        self._reflectors = reflectors
        self._enforcer = enforcer
        self._kernel = kernel
        self._routes = routes
        self._flows = flows
        self._accounting = accounting
        self._events = events
        self._cutting = cutting
        self._translation = translation
        self._timer = timer
        self._started_ns = timer.now_ns()
        self._passes = self._deviations = self._faults = 0
        self._passed_ns = timer.monotonic_ns()
        self._stopping = asyncio.Event()
        self._metrics = Metrics(self.status)
        self._socket = StatusServer(
            socket_path(settings.folder, settings.agent.node), self.status, self._verification
        )

    def stop(self) -> None:
        """Ask the agent to stop; `run` then returns."""
        self._stopping.set()

    async def run(self) -> None:
        """Adopt what the kernel has, then follow the cluster until told to stop.

        Raises OcicatError where the agent cannot start.
        """
        await self._socket.start()
        try:
            if self._settings.agent.metrics_port:
                self._metrics.serve(self._settings.agent.metrics_port)
            adopted = await asyncio.to_thread(self._kernel.adopt)
            log.info("agent.started", node=self._settings.agent.node, adopted=len(adopted))
            await self._live()
        finally:
            self._metrics.close()
            await self._socket.close()
            await self._client.close()
            self._routes.close()
            log.info("agent.stopped")

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._routes.fileno(), self._routes_changed)
        parts: list[Part] = [
            *(reflector.run for reflector in self._reflectors),
            self._enforcer.run,
            self._flows.run,
            self._events.run,
            self._cutting.run,
            self._translation.run,
            self._verify_now_and_then,
            self._recycle_now_and_then,
        ]
        accounting = asyncio.create_task(self._kept_up(self._accounting.run))
        tasks = {accounting, *(asyncio.create_task(self._kept_up(part)) for part in parts)}
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            done, _ = await asyncio.wait({*tasks, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if stopped in done:
                # Accounting looks a last time when it ends, and the hub gets a moment to take what it finds.
                accounting.cancel()
                await asyncio.gather(accounting, return_exceptions=True)
                await self._flush()
            for task in done:
                task.result()
        finally:
            loop.remove_reader(self._routes.fileno())
            for task in (*tasks, stopped):
                task.cancel()
            await asyncio.gather(*tasks, stopped, return_exceptions=True)

    async def _kept_up(self, part: Part) -> None:
        """Run a part; when a mistake of ours ends it, say so and run it again. The others go on meanwhile."""
        while True:
            try:
                await part()
            except Exception:
                self._faults += 1
                log.exception("part.failed", part=getattr(part, "__qualname__", ""), faults=self._faults)
            await self._timer.sleep(RESTART_S)

    async def _flush(self) -> None:
        """Wait a little for the hub to take what is left."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                while self._flows.status().connected and self._flows.status().queued:
                    await asyncio.sleep(0.05)

    def _routes_changed(self) -> None:
        if self._routes.changed():
            self._inbox.nudge()

    def passed(self, done: Pass) -> None:
        """Take note of a pass of the enforcer."""
        self._passes += 1
        self._passed_ns = self._timer.monotonic_ns()
        self._metrics.apply_seconds.observe(done.duration_s)
        self._events.tell((*unenforced(done), *self._enforcer.unsound))
        self._accounting.show(done)
        self._cutting.passed()
        log.info(
            "ruleset.applied",
            generation=done.generation,
            changed=done.enforced.changed,
            endpoints=len(done.assignment.interfaces),
            objects=done.deltas,
            seconds=round(done.duration_s, 4),
        )

    # --- verification ---------------------------------------------------------------------------------------

    async def _verify_now_and_then(self) -> None:
        interval_s = self._settings.agent.verify_interval_s
        if not interval_s:
            await asyncio.Event().wait()
        while True:
            await self._timer.sleep(interval_s)
            try:
                await self._verification(True)
            except OcicatError as error:
                log.warning("ruleset.unread", reason=str(error))

    async def _recycle_now_and_then(self) -> None:
        """Give back numbers of traces, a while after the last pass.

        By then every connection that an earlier ruleset marked has been seen, or is over.
        """
        while True:
            await self._timer.sleep(RECYCLE_S)
            if self._timer.monotonic_ns() - self._passed_ns > SETTLED_NS:
                try:
                    await self._enforcer.recycle(self._accounting.marks_in_use)
                except OcicatError as error:
                    log.warning("traces.kept", reason=str(error))

    async def _verification(self, heal: bool) -> Verification:
        found = await self._enforcer.verify(heal=heal)
        if found:
            log.warning("ruleset.edited", deviations=len(found), first=found[0], healed=heal)
            self._deviations += len(found) if heal else 0
            if heal and any(EMPTIES in text for text in found):
                self._accounting.counters_begin_anew()
        return Verification(tuple(found), heal and bool(found))

    # --- status ---------------------------------------------------------------------------------------------

    @property
    def synced(self) -> bool:
        """Whether every kind has been listed since the start."""
        return all(reflector.synced for reflector in self._reflectors)

    def status(self) -> AgentStatus:
        """Return everything that the agent says of itself."""
        done = self._enforcer.programmed
        programmed = EnforcementStatus(
            generation=done.generation if done else 0,
            endpoints=len(done.assignment.interfaces) if done else 0,
            policies=len(done.plan.policies) if done else 0,
            last_apply_s=done.duration_s if done else 0.0,
            passes=self._passes,
            failures=self._enforcer.failures,
            error=self._enforcer.error,
            deviations=self._deviations,
        )
        return AgentStatus(
            node=self._settings.agent.node,
            version=version("ocicat"),
            started_ns=self._started_ns,
            synced=self.synced,
            waiting=len(self._inbox),
            faults=self._faults,
            enforcement=programmed,
            unenforced=tuple(sorted({*(unenforced(done) if done else ()), *self._enforcer.unsound})),
            reflectors=tuple(reflector.status() for reflector in self._reflectors),
            flows=self._flows.status(),
            accounting=self._accounting.status(),
            services=self._translation.status(),
            cut=self._cutting.status(),
        )
