"""`Reflector`: keeps up with the objects of one kind in a cluster, whatever happens to the connection.

List, then watch from the list's revision; resume from the last revision when the connection ends; list anew
when the server has forgotten it. A kind that the cluster does not serve counts as empty, and is asked for
again now and then. Whoever is not *allowed* to read a kind knows nothing of it: it is not empty, and the
reflector stays unsynced. Source: spec/kubernetes-api §4, §5.

Policies of tiers need more care: Calico's API server shows a watch the tiers that there were when it began,
and says nothing of policies in later ones. See `reflectors`.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from enum import StrEnum
from typing import Final

import msgspec
import structlog

from ocicat.base.backoff import Backoff
from ocicat.cluster.client import ApiClient, ApiError, UnreachableError
from ocicat.cluster.deltas import Inbox
from ocicat.cluster.reflection import BrokenStreamError, Delta, ExpiredError, Page, Read, Reflection, page_of
from ocicat.cluster.sources import Source, sources_of
from ocicat.model import calico
from ocicat.model.kinds import Kind
from ocicat.ports.clock import Chance, Timer

PAGE_OBJECTS: Final = 500
WATCH_S: Final = 300
"""Seconds after which the server is asked to end a watch; up to twice that, so that not all end together."""
SILENCE_S: Final = 60.0
"""How much longer than asked for a watch may last before the connection counts as dead."""
RENEWED_S: Final = 10
"""How long the watch after a renewal lasts at most: the server may itself learn late of a new tier."""
NOT_SERVED_S: Final = 30.0
"""How often a kind that is not served is asked for."""
FIRST_DELAY_S: Final = 0.5
LONGEST_DELAY_S: Final = 30.0

TIER: Final = (calico.GROUP, "Tier")
TIERED: Final = frozenset(
    (calico.GROUP, name)
    for name in (
        "NetworkPolicy",
        "GlobalNetworkPolicy",
        "StagedNetworkPolicy",
        "StagedGlobalNetworkPolicy",
        "StagedKubernetesNetworkPolicy",
    )
)
"""Group and kind of tiers, and of the policies that Calico's API server shows by tier."""

log: Final = structlog.get_logger("ocicat.reflect")


class State(StrEnum):
    """How a reflector stands."""

    STARTING = "starting"
    WATCHING = "watching"
    NOT_SERVED = "not served"
    """The cluster has no such kind."""
    INTERRUPTED = "interrupted"
    """The connection is broken; what was known is still believed."""
    REFUSED = "refused"
    """The server does not let us read the kind."""


class ReflectorStatus(msgspec.Struct, frozen=True):
    """How a reflector stands, for people."""

    kind: str
    """`NetworkPolicy.projectcalico.org`."""
    state: State
    source: str
    """The collection that is read; empty where there is none."""
    synced: bool
    """Whether all objects were known at some time since the start."""
    objects: int
    invalid: int
    revision: str
    lists: int
    """How often all objects were listed since the start."""
    watches: int
    """How often a watch was opened since the start."""
    error: str
    """The last failure; empty while all is well."""


class Reflector:
    """Follows one kind. `run` goes on until it is cancelled."""

    def __init__(
        self,
        kind: Kind,
        client: ApiClient,
        read: Read,
        inbox: Inbox,
        timer: Timer,
        chance: Chance,
        tiered: Sequence["Reflector"] = (),
    ) -> None:
        """Make one that knows nothing yet.

        Args:
            kind: What to follow.
            client: The cluster.
            read: Understands objects, see `ocicat.cluster.reflection`.
            inbox: Gets what changes.
            timer: Waits between tries.
            chance: Keeps many agents from asking at the same moment.
            tiered: Those that are renewed when an object of this kind comes or changes.
        """
        self.kind = kind
        self._client = client
        self._reflection = Reflection(kind, read)
        self._inbox = inbox
        self._timer = timer
        self._chance = chance
        self._backoff = Backoff(FIRST_DELAY_S, LONGEST_DELAY_S, chance)
        self._source: Source | None = None
        self._state = State.STARTING
        self._synced = False
        self._error = ""
        self._lists = self._watches = 0
        self._tiered = tiered
        self._is_tiered = (kind.group, kind.kind) in TIERED
        self._renewal = asyncio.Event()
        self._renewed = False

    def renew(self) -> None:
        """Have all objects listed anew, though the watch goes well: what it may see has changed."""
        self._renewal.set()

    @property
    def synced(self) -> bool:
        """Whether all objects, or that there are none, were known at some time since the start."""
        return self._synced

    def status(self) -> ReflectorStatus:
        """Return how the reflector stands."""
        return ReflectorStatus(
            f"{self.kind.kind}.{self.kind.group}" if self.kind.group else self.kind.kind,
            self._state,
            self._source.path if self._source else "",
            self._synced,
            len(self._reflection),
            len(self._reflection.invalid),
            self._reflection.revision,
            self._lists,
            self._watches,
            self._error,
        )

    async def run(self) -> None:
        """Follow the kind for ever. Ends only by being cancelled."""
        while True:
            try:
                source = await self._list()
                if source is None:
                    await self._timer.sleep(NOT_SERVED_S * (1 - self._chance() / 2))
                    continue
                await self._follow(source)
            except ExpiredError as error:
                log.info("watch.expired", kind=self.status().kind, reason=str(error))
            except (ApiError, UnreachableError, BrokenStreamError) as error:
                await self._failed(error)

    async def _failed(self, error: Exception) -> None:
        refused = isinstance(error, ApiError) and error.code in (401, 403)
        self._state = State.REFUSED if refused else State.INTERRUPTED
        if str(error) != self._error:
            log.warning("watch.interrupted", kind=self.status().kind, reason=str(error))
        self._error = str(error)
        await self._timer.sleep(self._backoff.delay_s())

    # --- list -----------------------------------------------------------------------------------------------

    async def _list(self) -> Source | None:
        """List from the best source that is served; None where there is none."""
        self._renewed = self._renewal.is_set()
        self._renewal.clear()
        for source in sources_of(self.kind):
            try:
                pages = await self._pages(source)
            except ApiError as error:
                if error.code == 404:
                    continue
                raise
            self._lists += 1
            await self._deliver(self._reflection.listed(source, pages))
            if self._error:
                log.info("watch.resumed", kind=self.status().kind, by="list", objects=len(self._reflection))
            self._source, self._state, self._error = source, State.WATCHING, ""
            self._sync()
            return source
        self._not_served()
        return None

    def _not_served(self) -> None:
        """Note that nobody serves the kind.

        Objects that were known are still believed: a kind whose definition is deleted loses its objects
        first, and we are told so; a kind that vanishes with its objects has only lost its server.
        """
        self._source = None
        if len(self._reflection):
            self._state = State.INTERRUPTED
            self._error = "the cluster no longer serves this kind; its objects are believed to exist still"
        else:
            self._state, self._error = State.NOT_SERVED, ""
            self._sync()

    def _sync(self) -> None:
        if not self._synced:
            self._synced = True
            self._inbox.nudge()

    async def _pages(self, source: Source) -> list[Page]:
        """Return all pages. A list that expires half-way is asked for once more, in one piece."""
        parameters = {"limit": str(PAGE_OBJECTS)}
        pages: list[Page] = []
        while True:
            try:
                page = page_of(await self._client.get(source.path, parameters))
            except ApiError as error:
                if error.code != 410 or not pages:
                    raise
                return [page_of(await self._client.get(source.path))]
            pages.append(page)
            if not page.metadata.continues:
                return pages
            parameters["continue"] = page.metadata.continues

    # --- watch ----------------------------------------------------------------------------------------------

    async def _follow(self, source: Source) -> None:
        """Watch, and resume, until a list is due. Raises ExpiredError, ApiError."""
        while True:
            try:
                began_ns = self._timer.monotonic_ns()
                await self._watch(source)
                if self._renewal.is_set():
                    return
                if self._timer.monotonic_ns() - began_ns < 1_000_000_000:
                    # A server that ends watches at once must not be asked without pause.
                    await self._timer.sleep(self._backoff.delay_s())
                else:
                    self._backoff.reset()
                if self._is_tiered:
                    return
            except ApiError as error:
                if error.code == 410 or "resource version" in str(error):
                    raise ExpiredError(str(error)) from error
                raise
            except (UnreachableError, BrokenStreamError) as error:
                await self._failed(error)

    async def _watch(self, source: Source) -> None:
        """Take events until the server ends the watch, or a renewal is asked for."""
        timeout_s = RENEWED_S if self._renewed else int(WATCH_S * (1 + self._chance()))
        parameters = {
            "resourceVersion": self._reflection.revision,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(timeout_s),
        }
        async with self._client.watch(source.path, parameters, timeout_s + SILENCE_S) as lines:
            self._watches += 1
            if self._error:
                log.info("watch.resumed", kind=self.status().kind, by="watch")
            self._state, self._error = State.WATCHING, ""
            async with contextlib.aclosing(self._until_renewal(lines)) as coming:
                async for line in coming:
                    await self._deliver(self._reflection.told(source, line))
                    self._backoff.reset()

    async def _until_renewal(self, lines: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Yield lines until there are no more, or a renewal is asked for.

        It ends between lines: what the reflection has been told must also arrive in the inbox.
        """
        asked = asyncio.ensure_future(self._renewal.wait())
        coming = asyncio.ensure_future(anext(lines, None))
        try:
            while True:
                await asyncio.wait({asked, coming}, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done() or (line := coming.result()) is None:
                    return
                yield line
                coming = asyncio.ensure_future(anext(lines, None))
        finally:
            asked.cancel()
            coming.cancel()
            await asyncio.gather(asked, coming, return_exceptions=True)

    async def _deliver(self, deltas: list[Delta]) -> None:
        for delta in deltas:
            await self._inbox.put(delta)
        if any(delta.resource is not None for delta in deltas):
            for reflector in self._tiered:
                reflector.renew()


def reflectors(
    kinds: Iterable[Kind], client: ApiClient, read: Read, inbox: Inbox, timer: Timer, chance: Chance
) -> list[Reflector]:
    """Return a reflector for each kind, in this order.

    Those of policies in tiers are renewed when a tier comes or changes, and list anew when a watch ends: who
    would only resume would never hear of the policies in a tier that is younger than the first watch.
    """
    made = {kind: Reflector(kind, client, read, inbox, timer, chance) for kind in kinds}
    tiered = [made[kind] for kind in made if (kind.group, kind.kind) in TIERED]
    for kind in made:
        if (kind.group, kind.kind) == TIER:
            made[kind] = Reflector(kind, client, read, inbox, timer, chance, tiered)
    return list(made.values())
