"""`FollowedCluster`: policy as it is in force in the cluster of a kubeconfig, kept current; a PolicyView."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from ocicat.app.hub.written import WrittenPolicies
from ocicat.app.mirror import AGENT_KINDS, Mirror, understood
from ocicat.base.problem import Problem
from ocicat.cluster.client import ApiClient
from ocicat.cluster.deltas import Inbox
from ocicat.cluster.reflect import reflectors
from ocicat.engine.plan import Plan
from ocicat.engine.policy import PolicyKey
from ocicat.model.kinds import Kind
from ocicat.model.meta import Resource
from ocicat.ports.clock import Chance, Timer
from ocicat.ports.policyview import Written

GATHER_S: Final = 0.1
"""How long changes are gathered before they are compiled: they come in bursts."""

log: Final = structlog.get_logger("ocicat.hub")


class FollowedCluster:
    """Fulfils `ocicat.ports.policyview.PolicyView`. `run` goes on until it is cancelled."""

    def __init__(self, client: ApiClient, timer: Timer, chance: Chance) -> None:
        """Know nothing yet."""
        self._client = client
        self._timer = timer
        self._mirror = Mirror()
        self._inbox = Inbox()
        self._policies = WrittenPolicies()
        self._plan: Plan | None = None
        self._reflectors = reflectors(AGENT_KINDS, client, self._read, self._inbox, timer, chance)

    def plan(self) -> Plan | None:
        """Return the Plan in force; None until everything has been read."""
        return self._plan

    def written(self, key: PolicyKey) -> Written:
        """Return a policy as it was written."""
        return self._policies.of(key)

    def _read(self, kind: Kind, raw: bytes) -> tuple[Resource | None, list[Problem]]:
        with _going_on():
            self._policies.note(kind, raw)
        return understood(kind, raw)

    async def run(self) -> None:
        """Follow the cluster."""
        async with asyncio.TaskGroup() as tasks:
            for reflector in self._reflectors:
                tasks.create_task(reflector.run())
            tasks.create_task(self._compile())

    async def _compile(self) -> None:
        while True:
            await self._inbox.filled()
            await self._timer.sleep(GATHER_S)
            for delta in self._inbox.take():
                with _going_on():
                    self._mirror.apply((delta,))
            if all(reflector.synced for reflector in self._reflectors):
                with _going_on():
                    await self._update()

    async def _update(self) -> None:
        first = self._plan is None
        plan, _ = await asyncio.to_thread(self._mirror.update)
        self._plan = plan
        if first:
            log.info("hub.cluster_known", policies=len(plan.policies))


@contextmanager
def _going_on() -> Iterator[None]:
    """Tell of a mistake of ours and go on: it must not end the hub, which takes flows meanwhile."""
    try:
        yield
    except Exception:
        log.exception("hub.policy_not_read")
