"""`Enforcer`: what the cluster says → what the kernel does. The first change at once, later ones together.

One pass takes everything that has changed, brings the Plan up to date and hands it to the kernel side, in a
worker thread, so that the watches are read meanwhile. What changes during a pass waits for the next. Nothing
is programmed before every kind has been listed: half of the policies would open or close what the whole does
not. When the API server goes away, nothing happens here, and so the kernel goes on.
Source: design/dataplane §4.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Final, Protocol, TypeVar

import msgspec
import structlog

from ocicat.app.agent.interfaces import Assignment, Routing, assigned
from ocicat.app.agent.unenforced import Unenforced, unenforced_of
from ocicat.app.mirror import Mirror
from ocicat.base.backoff import Backoff
from ocicat.base.errors import OcicatError
from ocicat.base.problem import Severity
from ocicat.cluster.deltas import Inbox
from ocicat.cluster.reflection import Delta
from ocicat.dataplane.traces import TraceBook
from ocicat.engine.convert import ServicePorts, service_ports
from ocicat.engine.index import PlanChange
from ocicat.engine.plan import Plan
from ocicat.engine.policy import Direction, EntityKind
from ocicat.model.kubernetes import CORE, EndpointSlice, Service
from ocicat.model.meta import Ref
from ocicat.ports.clock import Chance, Timer
from ocicat.ports.kernel import Enforced, Kernel

log: Final = structlog.get_logger("ocicat.enforcer")


Result = TypeVar("Result")


class TracedKernel(Kernel, Protocol):
    """A kernel side that numbers the outcomes which it writes into the marks of connections."""

    @property
    def book(self) -> TraceBook:
        """What the numbers stand for."""


class Pass(msgspec.Struct, frozen=True, eq=False):
    """What one pass did."""

    plan: Plan
    assignment: Assignment
    enforced: Enforced
    generation: int
    """Counts the passes that programmed the kernel, since the start."""
    deltas: int
    """Objects that had changed."""
    duration_s: float
    services: tuple[ServicePorts, ...]
    """What clients dial."""


class Enforcer:
    """Brings what is known into the kernel. `run` goes on until it is cancelled."""

    def __init__(
        self,
        *,
        node: str,
        prefix: str,
        mirror: Mirror,
        inbox: Inbox,
        synced: Callable[[], bool],
        routes: Callable[[], Routing],
        kernel: TracedKernel,
        timer: Timer,
        chance: Chance,
        begin: Callable[[Plan, tuple[ServicePorts, ...]], None],
        passed: Callable[[Pass], None],
    ) -> None:
        """Make one that has done nothing yet.

        Args:
            node: The name of this node.
            prefix: What the names of pods' interfaces begin with.
            mirror: Takes what the inbox holds. Nobody else may touch it.
            inbox: What has changed in the cluster.
            synced: Tells whether every kind has been listed.
            routes: Reads the node's routes. Blocks.
            kernel: The kernel side.
            timer: Measures, and waits between tries.
            chance: For the back-off.
            begin: Is told, in the worker thread, what is about to be enforced for the first time.
            passed: Is told, in the event loop, what every pass did.
        """
        self._node = node
        self._prefix = prefix
        self._mirror = mirror
        self._inbox = inbox
        self._synced = synced
        self._routes = routes
        self._kernel = kernel
        self._timer = timer
        self._begin: Callable[[Plan, tuple[ServicePorts, ...]], None] | None = begin
        self._passed = passed
        self._backoff = Backoff(0.5, 10.0, chance)
        self._programmed: Pass | None = None
        self._services: tuple[tuple[Service, tuple[EndpointSlice, ...]], ...] = ()
        self._fronts: tuple[ServicePorts, ...] = ()
        self._lock = asyncio.Lock()
        self._again = False
        self.failures = 0
        """Passes that the kernel refused, since the start."""
        self.error = ""
        """Why the last pass failed; empty where it did not."""
        self.unsound: tuple[Unenforced, ...] = ()
        """Objects that are invalid and so count as absent."""

    @property
    def programmed(self) -> Pass | None:
        """What was programmed last; None before the first time."""
        return self._programmed

    async def run(self) -> None:
        """Enforce for ever. Ends only by being cancelled."""
        while True:
            await self._inbox.filled()
            # Asked before the inbox is emptied: what a list brought is in it when its kind counts as listed.
            ready = self._synced()
            deltas = self._inbox.take()
            try:
                async with self._lock:
                    done = await asyncio.to_thread(self._pass, deltas, ready)
            except OcicatError as error:
                await self._failed(str(error))
                continue
            except Exception as error:
                # A mistake of ours must not end enforcement: the kernel goes on with what it has.
                log.exception("pass.failed")
                await self._failed(f"{type(error).__name__}: {error}")
                continue
            self._backoff.reset()
            self.error = ""
            if done is not None:
                self._programmed = done
                self._passed(done)
                if self._kernel.book.may_explain:
                    self.again()

    def again(self) -> None:
        """Program once more, though nothing has changed in the cluster."""
        self._again = True
        self._inbox.nudge()

    async def alone(self, action: Callable[[], Result]) -> Result:
        """Do something in a thread, and no pass beside it; return its result."""
        async with self._lock:
            return await asyncio.to_thread(action)

    async def verify(self, *, heal: bool) -> tuple[str, ...]:
        """Compare the kernel with what was programmed; see Kernel. Waits for a pass that runs."""
        async with self._lock:
            if self._programmed is None:
                return ()
            return await asyncio.to_thread(lambda: self._kernel.verify(heal=heal))

    async def recycle(self, marks: Callable[[], Collection[int]]) -> int:
        """Give back the numbers of traces that no connection carries; return how many.

        `marks` returns the marks of all connections. It is asked in a thread, while no pass runs. Where
        numbers were wanting, they are given anew at once.
        """

        def retire() -> int:
            in_use, book = marks(), self._kernel.book
            egress = book.retire(Direction.EGRESS, {mark & 0xFFFF for mark in in_use})
            ingress = book.retire(Direction.INGRESS, {mark >> 16 for mark in in_use})
            return len(egress) + len(ingress)

        given_back = await self.alone(retire)
        if given_back and self._kernel.book.may_explain:
            self.again()
        return given_back

    async def _failed(self, reason: str) -> None:
        self.failures += 1
        self.error = reason
        log.error("ruleset.refused", reason=self.error, failures=self.failures)
        await self._timer.sleep(self._backoff.delay_s())
        self._inbox.nudge()

    # --- in the worker thread -------------------------------------------------------------------------------

    def _pass(self, deltas: list[Delta], ready: bool) -> Pass | None:
        """Take changes in, and program what follows; None where nothing is to be programmed."""
        began_ns = self._timer.monotonic_ns()
        self._mirror.apply(deltas)
        if not ready:
            return None
        plan, change = self._mirror.update()
        local = [pod for pod in self._mirror.endpoints.values() if pod.node == self._node]
        assignment = assigned(local, self._routes(), self._prefix)
        self.unsound = self._invalid()
        services_changed, self._mirror.services_changed = self._mirror.services_changed, False
        again, self._again = self._again, False
        before = self._programmed
        same = (
            not again
            and before is not None
            and not self.error
            and change == PlanChange()
            and not services_changed
        )
        if same and before is not None and before.assignment == assignment:
            return None
        if services_changed:
            self._fronts = tuple(map(service_ports, self._mirror.services.values()))
        if self._begin is not None:
            self._begin(plan, self._fronts)
            self._begin = None
        enforced = self._enforce(plan, assignment, services_changed)
        generation = before.generation + 1 if before else 1
        duration_s = (self._timer.monotonic_ns() - began_ns) / 1e9
        return Pass(plan, assignment, enforced, generation, len(deltas), duration_s, self._fronts)

    def _enforce(self, plan: Plan, assignment: Assignment, services_changed: bool) -> Enforced:
        if services_changed:
            mirror = self._mirror
            self._services = tuple(
                (mirror.services[key], mirror.slices(key)) for key in sorted(mirror.services)
            )
        try:
            return self._kernel.enforce(plan, assignment.interfaces, self._services)
        except Exception:
            self._mirror.services_changed |= services_changed
            raise

    def _invalid(self) -> tuple[Unenforced, ...]:
        return tuple(
            Unenforced(ref, f"{problem.code} {problem.what}")
            for ref, problems in sorted(self._mirror.problems.items())
            for problem in problems
            if problem.severity is Severity.ERROR
        )


def unenforced(done: Pass) -> tuple[Unenforced, ...]:
    """Return what a pass left unenforced: pods without interface, and what the kernel side named."""
    pods = (
        Unenforced(Ref(CORE, "Pod", key.namespace, key.name), reason)
        for key, reason in done.assignment.unenforced.items()
        if key.kind is EntityKind.WORKLOAD
    )
    return tuple(sorted({*pods, *map(unenforced_of, done.enforced.shortfalls)}))
