"""Flow accounting as a part of the agent: what it asks, and how it is joined to the kernel and the hub."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from ocicat.app.agent.enforcer import Pass, TracedKernel
from ocicat.engine.convert import ServicePorts
from ocicat.engine.plan import Plan
from ocicat.engine.policy import Direction
from ocicat.engine.program import Outcome
from ocicat.flows.collect import Collector, CollectorStatus, collect
from ocicat.flows.scene import Scene
from ocicat.ports.accounting import Table
from ocicat.ports.clock import Timer
from ocicat.ports.flows import FlowSink

BEGIN_S: Final = 0.05
"""How often it is looked whether accounting has begun; connections are looked for less often."""


class Accounting(Protocol):
    """Reads the kernel's counters and sends flow records."""

    async def run(self) -> None:
        """Account for ever. Ends only by being cancelled."""

    def begin(self, plan: Plan, services: tuple[ServicePorts, ...]) -> None:
        """Tell what is about to be enforced for the first time. Blocks; called in a worker thread.

        What the kernel has counted until now was counted for an earlier agent.
        """

    def show(self, done: Pass) -> None:
        """Tell what is in force from now on."""

    def counters_begin_anew(self) -> None:
        """Tell that the counter sets have been emptied."""

    def marks_in_use(self) -> frozenset[int]:
        """Return the marks of connections that are still to be explained. May block."""

    def status(self) -> CollectorStatus:
        """Return what was counted and lost."""


class KernelTraces:
    """Fulfils `ports.accounting.Traces`: what the kernel side's book of the moment says."""

    def __init__(self, kernel: TracedKernel) -> None:
        """Ask the book that `kernel` has when asked: it has another one once it has adopted."""
        self._kernel = kernel

    def outcome(self, direction: Direction, number: int, /) -> Outcome | None:
        """Return what a number stands for, or None."""
        return self._kernel.book.outcome(direction, number)


class Accounted:
    """Fulfils `Accounting` with a collector and a sink."""

    def __init__(self, collector: Collector, sink: FlowSink, timer: Timer, node: str) -> None:
        """Collect for `node`, and send to `sink`."""
        self._collector = collector
        self._sink = sink
        self._timer = timer
        self._node = node
        self._begun = False

    async def run(self) -> None:
        """Collect and send; see `Accounting`. Without a Plan nothing has a name: the first is waited for."""
        while not self._begun:
            await self._timer.sleep(BEGIN_S)
        await collect(self._collector, self._sink, self._timer)

    def begin(self, plan: Plan, services: tuple[ServicePorts, ...]) -> None:
        """Take over what was counted, before anything more is judged."""
        self._collector.show(Scene(plan, services, self._node))
        self._collector.look()
        self._begun = True

    def show(self, done: Pass) -> None:
        """Name things as the Plan in force does."""
        self._collector.show(Scene(done.plan, done.services, self._node))

    def counters_begin_anew(self) -> None:
        """Count from zero again."""
        self._collector.counters_begin_anew()

    def marks_in_use(self) -> frozenset[int]:
        """Return what the collector still has to explain."""
        return self._collector.marks_in_use()

    def status(self) -> CollectorStatus:
        """Return how the collector stands."""
        return self._collector.status()


class Unaccounted:
    """Fulfils `Accounting` where it is switched off."""

    def __init__(self, connections: Callable[[], Table]) -> None:
        """Take a function that lists all connections."""
        self._connections = connections

    async def run(self) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()

    def begin(self, plan: Plan, services: tuple[ServicePorts, ...]) -> None:
        """Need not know."""

    def show(self, done: Pass) -> None:
        """Need not know."""

    def counters_begin_anew(self) -> None:
        """Need not know."""

    def marks_in_use(self) -> frozenset[int]:
        """Return the marks of all connections: an agent that accounts may ask later what they meant."""
        return frozenset(map(int, np.unique(self._connections()["tuple"]["mark"])))

    def status(self) -> CollectorStatus:
        """Return that nothing was counted."""
        return CollectorStatus()
