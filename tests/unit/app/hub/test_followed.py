"""Policy as a hub follows it: a mistake of ours costs what it is about, and neither the hub nor the rest."""

import asyncio
import json
from collections.abc import Iterable
from typing import cast

import pytest

from ocicat.app.hub import followed
from ocicat.app.hub.followed import FollowedCluster
from ocicat.app.mirror import Mirror, understood
from ocicat.cluster.client import ApiClient
from ocicat.cluster.reflection import Delta
from ocicat.engine.index import PlanChange
from ocicat.engine.plan import Plan
from ocicat.model.kinds import kind_of
from support.clocks import FakeTimer, until


class Mistaken(Mirror):
    """Fails once on an update, and on the tier `bad`."""

    updates = 0

    def apply(self, deltas: Iterable[Delta]) -> None:
        for delta in deltas:
            if delta.name == "bad":
                raise KeyError(delta.name)
            super().apply((delta,))

    def update(self) -> tuple[Plan, PlanChange]:
        self.updates += 1
        if self.updates == 2:
            raise ValueError("a mistake of ours")
        return super().update()


def tier(name: str) -> Delta:
    kind = kind_of("projectcalico.org", "Tier")
    assert kind is not None
    thing = {"apiVersion": kind.api_version, "kind": "Tier", "metadata": {"name": name}, "spec": {"order": 1}}
    resource, problems = understood(kind, json.dumps(thing).encode())
    return Delta(kind, "", name, resource, tuple(problems))


async def test_a_mistake_keeps_the_last_plan_and_the_next_change_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(followed, "AGENT_KINDS", ())
    monkeypatch.setattr(followed, "Mirror", Mistaken)
    timer = FakeTimer()
    cluster = FollowedCluster(cast("ApiClient", None), timer, lambda: 0.5)
    mirror = cast("Mistaken", cluster._mirror)

    async def tell(*names: str) -> None:
        known = mirror.updates
        for name in names:
            await cluster._inbox.put(tier(name))
        await until(lambda: timer.sleepers)
        await timer.advance(followed.GATHER_S)
        await until(lambda: running.done() or mirror.updates > known)

    def tiers() -> set[str]:
        plan = cluster.plan()
        return {tier.name for tier in plan.tiers} & {"one", "two", "three"} if plan else set()

    running = asyncio.create_task(cluster.run())
    await tell("one")
    await until(lambda: tiers() == {"one"})
    await tell("two")
    assert (tiers(), running.done()) == ({"one"}, False)
    await tell("bad", "three")
    await until(lambda: tiers() == {"one", "two", "three"})
    running.cancel()
    await asyncio.wait({running})
