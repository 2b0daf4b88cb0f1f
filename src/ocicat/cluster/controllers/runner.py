"""The runner: watches feed what is known, controllers say what to write, and the API gets it.

One task works through a queue of objects to look at, one after the other, so that a controller always sees
the answers of its own writes. What fails is looked at again, later each time.
"""

import asyncio
import heapq
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog

from ocicat.base.backoff import Backoff
from ocicat.base.problem import Problem
from ocicat.cluster.client import ApiClient, ApiError, UnreachableError
from ocicat.cluster.controllers import (
    accounts,
    aggregation,
    cronjob,
    daemonset,
    deployment,
    endpoints,
    garbage,
    job,
    replicaset,
    scheduler,
    statefulset,
)
from ocicat.cluster.controllers.actions import Action, Again, Change, Create, Remove, Say, Thing
from ocicat.cluster.controllers.interest import interested
from ocicat.cluster.controllers.known import WATCHED, Known, Raw, Reconcile, Seen, seen
from ocicat.cluster.controllers.namespaces import Emptier
from ocicat.cluster.controllers.telling import Teller
from ocicat.cluster.controllers.things import namespace_of
from ocicat.cluster.deltas import Inbox
from ocicat.cluster.reflect import Reflector
from ocicat.cluster.reflection import Delta
from ocicat.model.kinds import Kind
from ocicat.model.meta import Resource
from ocicat.ports.clock import Chance, Timer

NS: Final = 1_000_000_000
FIRST_RETRY_S: Final = 0.05
LONGEST_RETRY_S: Final = 10.0

RECONCILERS: Final[dict[str, Reconcile]] = {
    "Deployment": deployment.reconcile,
    "ReplicaSet": replicaset.reconcile,
    "StatefulSet": statefulset.reconcile,
    "DaemonSet": daemonset.reconcile,
    "Job": job.reconcile,
    "CronJob": cronjob.reconcile,
    "ClusterRole": aggregation.reconcile,
    "Service": endpoints.reconcile,
    "Pod": scheduler.reconcile,
}

log: Final = structlog.get_logger("ocicat.controllers")


class Controllers:
    """All controllers of one cluster. `run` goes on until it is cancelled."""

    def __init__(self, client: ApiClient, timer: Timer, chance: Chance, authority_pem: str = "") -> None:
        """Make them.

        Args:
            client: The cluster, as somebody who may read and write everything.
            timer: Tells the time, and waits.
            chance: Spreads retries.
            authority_pem: The cluster's certificate authority, published in every namespace.
        """
        self._client = client
        self._timer = timer
        self._chance = chance
        self._authority_pem = authority_pem
        self.known = Known()
        self._queue: dict[Seen, None] = {}
        self._later: list[tuple[int, Seen]] = []
        self._retries: dict[Seen, Backoff] = {}
        self._wake = asyncio.Event()
        self._emptier = Emptier(client)
        self._teller = Teller(client, timer, chance)

    async def run(self) -> None:
        """Follow the cluster and write what is wanted, for ever. Begins to write when everything is known."""
        inbox = Inbox()
        reflectors = [
            Reflector(kind, self._client, _read, inbox, self._timer, self._chance)
            for kind in WATCHED.values()
        ]
        async with asyncio.TaskGroup() as tasks:
            for reflector in reflectors:
                tasks.create_task(reflector.run())
            tasks.create_task(self._work(inbox, reflectors))

    async def _work(self, inbox: Inbox, reflectors: list[Reflector]) -> None:
        while True:
            if not self._queue or not all(reflector.synced for reflector in reflectors):
                await self._wait(inbox)
            for delta in inbox.take():
                self._enter(delta)
            self._move_due()
            if self._queue and all(reflector.synced for reflector in reflectors):
                what = next(iter(self._queue))
                del self._queue[what]
                await self._look_at(what)

    async def _wait(self, inbox: Inbox) -> None:
        """Return when something has changed, or the next object is due."""
        left_s = 3600.0
        if self._later:
            left_s = max(0.0, (self._later[0][0] - self._timer.monotonic_ns()) / NS)
        waiting = [asyncio.ensure_future(inbox.filled()), asyncio.ensure_future(self._timer.sleep(left_s))]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    # --- what is to be looked at ----------------------------------------------------------------------------

    def _enter(self, delta: Delta) -> None:
        what = Seen(delta.kind.kind, delta.namespace, delta.name)
        if delta.resource is None:
            self._gone(what)
        elif isinstance(delta.resource, Raw) and self.known.put(dict(delta.resource.body)):
            self._concerned(dict(delta.resource.body))

    def _gone(self, what: Seen) -> None:
        """Forget an object, and queue those that it concerned and those that it owned."""
        thing = self.known.drop(what)
        if thing is not None:
            self._concerned(thing)
            for dependent in garbage.dependents(self.known, thing):
                self._queue[seen(dependent)] = None

    def _concerned(self, thing: Thing) -> None:
        """Queue the object and those that depend on what it is."""
        self._queue[seen(thing)] = None
        for other in interested(self.known, thing):
            self._queue[seen(other)] = None

    def _move_due(self) -> None:
        now = self._timer.monotonic_ns()
        while self._later and self._later[0][0] <= now:
            self._queue[heapq.heappop(self._later)[1]] = None

    # --- looking and writing --------------------------------------------------------------------------------

    async def _look_at(self, what: Seen) -> None:
        thing = self.known.get(what.kind, what.namespace, what.name)
        if thing is None:
            return
        try:
            for action in self._wanted(thing):
                await self._perform(what, action)
            if what.kind == "Namespace" and await self._emptier.empties(thing):
                self._again(what, 0.2)
            self._retries.pop(what, None)
        except (ApiError, UnreachableError) as error:
            self._failed(what, error)

    def _wanted(self, thing: Thing) -> list[Action]:
        now_ns = self._timer.now_ns()
        if thing["kind"] == "Namespace":
            return accounts.reconcile(self.known, thing, self._authority_pem)
        actions = garbage.reconcile(self.known, thing)
        reconcile: Callable[[Known, Thing, int], list[Action]] | None = RECONCILERS.get(thing["kind"])
        return actions if actions or reconcile is None else reconcile(self.known, thing, now_ns)

    def _failed(self, what: Seen, error: Exception) -> None:
        backoff = self._retries.setdefault(what, Backoff(FIRST_RETRY_S, LONGEST_RETRY_S, self._chance))
        delay_s = backoff.delay_s()
        if not (isinstance(error, ApiError) and error.code == 409):
            log.warning("controller.failed", object=str(what), reason=str(error), again_s=round(delay_s, 2))
        self._again(what, delay_s)

    def _again(self, what: Seen, after_s: float) -> None:
        heapq.heappush(self._later, (self._timer.monotonic_ns() + int(after_s * NS), what))

    async def _perform(self, what: Seen, action: Action) -> None:
        match action:
            case Create(body, owner):
                await self._create(body, owner)
            case Change(of, patch, part):
                await self._change(of, patch, part)
            case Remove(of, propagation):
                await self._remove(of, propagation)
            case Again(after_s):
                self._again(what, after_s)
            case Say():
                await self._teller.say(action)

    async def _create(self, body: Thing, owner: Thing | None) -> None:
        try:
            answer = await self._client.post(_collection(body), body)
        except ApiError as error:
            if error.code == 409 and error.reason == "AlreadyExists":
                return
            if owner is not None and error.code in (403, 422):
                await self._teller.say(Say(owner, "FailedCreate", f"Error creating: {error}", warning=True))
            raise
        self._told(answer)
        if owner is not None:
            name = msgspec.json.decode(answer)["metadata"]["name"]
            await self._teller.say(Say(owner, "SuccessfulCreate", f"Created {body['kind'].lower()}: {name}"))

    async def _change(self, of: Thing, patch: Thing, part: str) -> None:
        path = f"{_collection(of)}/{of['metadata']['name']}"
        try:
            if part == "binding":
                body = {
                    "apiVersion": "v1",
                    "kind": "Binding",
                    "metadata": {"name": of["metadata"]["name"]},
                    **patch,
                }
                await self._client.post(f"{path}/binding", body)
                return
            revision = {"resourceVersion": of["metadata"].get("resourceVersion")}
            body = {**patch, "metadata": {**(patch.get("metadata") or {}), **revision}}
            answer = await self._client.patch(f"{path}/{part}" if part else path, body)
        except ApiError as error:
            if error.code == 404:
                return
            raise
        self._told(answer)

    async def _remove(self, of: Thing, propagation: str) -> None:
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
            "preconditions": {"uid": of["metadata"].get("uid")},
        }
        try:
            answer = await self._client.delete(f"{_collection(of)}/{of['metadata']['name']}", options)
        except ApiError as error:
            if error.code == 404 or (error.code == 409 and error.reason == "Conflict"):
                return
            raise
        if not self._told(answer):
            self._gone(seen(of))

    def _told(self, answer: bytes) -> bool:
        """Enter the object of an answer; tell whether it was one that is followed."""
        thing: Any = msgspec.json.decode(answer)
        return isinstance(thing, dict) and thing.get("kind") in WATCHED and (self.known.put(thing) or True)


def _read(kind: Kind, raw: bytes) -> tuple[Resource | None, list[Problem]]:
    body = msgspec.json.decode(raw, type=dict[str, Any])
    return Raw(api_version=kind.api_version, kind=kind.kind, body=body), []


def _collection(thing: Thing) -> str:
    """Return the path of the collection that an object belongs to."""
    version = thing["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = WATCHED[thing["kind"]].plural
    namespace = namespace_of(thing)
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"
