"""What one reader may see, and the hub and the policies as he sees them.

A reader who may see a namespace sees every flow that begins or ends there, with both its ends: whoever is
denied must learn by whom. He does not see what others wrote: the text of policies that he may not read, and
the pods of namespaces that he may not see. Source: docs/adr/0012-who-sees-which-flows.md.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec
from aiohttp import web

from ocicat.engine.policy import PolicyKey
from ocicat.model.flowfilter import Filter
from ocicat.model.record import FlowKey, FlowRecord, Variant
from ocicat.ports.flowhub import FlowHub, Found, Listener, Live, Standing
from ocicat.ports.flowstore import Row, Window
from ocicat.ports.policyview import UNKNOWN, PolicyView, Written


class Sight(msgspec.Struct, frozen=True):
    """What one reader may see."""

    all_namespaces: bool = False
    """Whether he may see every namespace, and the flows of ends that have none."""
    namespaces: frozenset[str] = frozenset()
    shared_policies: bool = False
    """Whether he may read policies that belong to no namespace."""

    @property
    def everything(self) -> bool:
        """Whether there is nothing that he may not see."""
        return self.all_namespaces and self.shared_policies

    def sees(self, namespace: str) -> bool:
        """Tell whether a namespace may be seen."""
        return self.all_namespaces or namespace in self.namespaces

    def sees_flow(self, key: FlowKey) -> bool:
        """Tell whether a flow may be seen: one of its ends may be."""
        return self.sees(key.source_namespace) or self.sees(key.dest_namespace)

    def sees_policy(self, namespace: str) -> bool:
        """Tell whether what a policy says may be read; those without namespace have an empty one."""
        return self.sees(namespace) if namespace else self.shared_policies


ALL: Final = Sight(all_namespaces=True, shared_policies=True)
HIDDEN: Final = "a rule that you may not read"
"""What stands for the words of a rule whose policy may not be read."""
SIGHT: Final = web.RequestKey("sight", Sight)
"""Where the guard leaves the sight of a request; without a guard, everything is seen."""


def sight_of(request: web.Request) -> Sight:
    """Return what whoever asks may see."""
    found: Sight = request.get(SIGHT, ALL)
    return found


def seen_hub(hub: FlowHub, request: web.Request) -> FlowHub:
    """Return the hub as whoever asks may see it."""
    sight = sight_of(request)
    return hub if sight.everything else SeenHub(hub, sight)


def seen_policy(policy: PolicyView, request: web.Request) -> PolicyView:
    """Return the texts of policies as whoever asks may see them."""
    sight = sight_of(request)
    return policy if sight.everything else SeenPolicy(policy, sight)


class SeenPolicy:
    """The view of policy whose texts are only those that may be read; a `PolicyView`."""

    def __init__(self, policy: PolicyView, sight: Sight) -> None:
        """Look at `policy`."""
        self._policy = policy
        self._sight = sight
        self.plan = policy.plan

    def written(self, key: PolicyKey) -> Written:
        """Return a policy as it was written; `UNKNOWN` where it may not be read."""
        return self._policy.written(key) if self._sight.sees_policy(key.namespace) else UNKNOWN


class SeenHub:
    """The flows of a hub that may be seen; a `FlowHub` that takes nothing."""

    def __init__(self, hub: FlowHub, sight: Sight) -> None:
        """Look at `hub`."""
        self._hub = hub
        self._sight = sight
        self.now_ns = hub.now_ns
        self.oldest_ns = hub.oldest_ns

    async def take(self, records: Sequence[FlowRecord]) -> None:
        """Refuse: readers send no records."""
        raise TypeError("a reader's view takes no records")

    async def found(
        self, window: Window, filter_: Filter, step_ns: int | None = None, upto: int | None = None
    ) -> list[Found]:
        """Return sums of what the filter lets through."""
        return self._seen(await self._hub.found(window, filter_, step_ns, upto))

    async def sums(self, window: Window, numbers: Sequence[int], step_ns: int | None = None) -> list[Found]:
        """Return sums of some kinds of flows."""
        return self._seen(await self._hub.sums(window, numbers, step_ns))

    async def group_sums(self, window: Window, groups: Mapping[int, int], step_ns: int) -> list[Row]:
        """Return sums by group and step of kinds of flows that have a group, and may be seen."""
        seen = {number for number, _ in self.variants(lambda _variant: True)}
        chosen = {number: group for number, group in groups.items() if number in seen}
        return await self._hub.group_sums(window, chosen, step_ns)

    async def latest(self, window: Window, numbers: Sequence[int], limit: int) -> list[Found]:
        """Return single records, the newest first."""
        return self._seen(await self._hub.latest(window, numbers, limit))

    def _seen(self, found: Sequence[Found]) -> list[Found]:
        return [item for item in found if self._sight.sees_flow(item.variant.key)]

    def variants(self, numbers_of: Callable[[Variant], bool]) -> list[tuple[int, Variant]]:
        """Return the kinds of flows for which a test holds."""
        return self._hub.variants(lambda variant: self._sight.sees_flow(variant.key) and numbers_of(variant))

    def matcher(self, filter_: Filter) -> Callable[[Variant], bool]:
        """Return a filter as a test; what may not be seen never meets it."""
        matches = self._hub.matcher(filter_)
        return lambda variant: self._sight.sees_flow(variant.key) and matches(variant)

    @property
    def position(self) -> int:
        """The position of the last record that readers were told."""
        return self._hub.position

    @contextmanager
    def listen(self) -> Iterator[Listener]:
        """Begin to hear live records."""
        with self._hub.listen() as listener:
            yield _SeenListener(listener, self._sight)

    async def since(self, position: int) -> tuple[list[Live], int]:
        """Return what came after a position, and how many records, seen or not, are missing."""
        again, missing = await self._hub.since(position)
        return [live for live in again if self._sight.sees_flow(live.record.key)], missing

    def standing(self) -> Standing:
        """Return how the hub stands; that is no secret."""
        return self._hub.standing()


class _SeenListener:
    """Live records that may be seen."""

    def __init__(self, listener: Listener, sight: Sight) -> None:
        self._listener = listener
        self._sight = sight

    async def __aiter__(self) -> AsyncIterator[Sequence[Live]]:
        async for group in self._listener:
            # Of a group of others' records the reader hears nothing, not even that it came.
            if seen := [live for live in group if self._sight.sees_flow(live.record.key)]:
                yield seen

    @property
    def position(self) -> int:
        return self._listener.position

    @property
    def missed(self) -> int:
        return self._listener.missed
