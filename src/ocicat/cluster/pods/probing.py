"""`Probing`: the probes of one run of a container, and what follows from them."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from ocicat.cluster.pods.probes import Asked

Thing = Mapping[str, Any]


class Probing:
    """Makes the probes that a container's spec has. `run` goes on until it is cancelled."""

    def __init__(
        self,
        spec: Thing,
        asked: Asked,
        *,
        state: Callable[..., None],
        unhealthy: Callable[[str], None],
        dead: Callable[[str], None],
    ) -> None:
        """Prepare the probes.

        Args:
            spec: The container's.
            asked: The container itself.
            state: Sets `ready` and `started` of its state.
            unhealthy: Is told each failure, in words.
            dead: Is told why the container is to be ended.
        """
        self._spec: Final = spec
        self._asked: Final = asked
        self._state: Final = state
        self._unhealthy: Final = unhealthy
        self._dead: Final = dead

    async def run(self, *, started: bool) -> None:
        """Make them; the startup probe first, unless the container has `started`."""
        if (startup := self._spec.get("startupProbe")) and not started:
            await self._startup(startup)
        async with asyncio.TaskGroup() as group:
            if liveness := self._spec.get("livenessProbe"):
                group.create_task(self._follow("Liveness", liveness, self._lives("liveness")))
            if readiness := self._spec.get("readinessProbe"):
                group.create_task(self._follow("Readiness", readiness, self._is_ready))

    async def _startup(self, probe: Thing) -> None:
        begun = asyncio.Event()
        lives = self._lives("startup")

        def told(good: bool, why: str) -> None:
            if good:
                begun.set()
            else:
                lives(good, why)

        following = asyncio.create_task(self._follow("Startup", probe, told))
        try:
            await begun.wait()
        finally:
            following.cancel()
        self._state(started=True, ready="readinessProbe" not in self._spec)

    async def _follow(self, name: str, probe: Thing, told: Callable[[bool, str], None]) -> None:
        await self._asked.followed(probe, told, lambda why: self._unhealthy(f"{name} probe failed: {why}"))

    def _lives(self, name: str) -> Callable[[bool, str], None]:
        def told(good: bool, _why: str) -> None:
            if not good:
                self._dead(f"Container {self._spec['name']} failed {name} probe, will be restarted")

        return told

    def _is_ready(self, good: bool, _why: str) -> None:
        self._state(ready=good)
