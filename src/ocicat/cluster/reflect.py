"""`Reflector`: keeps up with the objects of one kind in a cluster, whatever happens to the connection.

List, then watch from the list's revision; resume from the last revision when the connection ends; list anew
when the server has forgotten it. A kind that the cluster does not serve counts as empty, and is asked for
again now and then. Whoever is not *allowed* to read a kind knows nothing of it: it is not empty, and the
reflector stays unsynced. Source: spec/kubernetes-api §4, §5.
"""

from enum import StrEnum
from typing import Final

import msgspec
import structlog

from ocicat.base.backoff import Backoff
from ocicat.cluster.client import ApiClient, ApiError, UnreachableError
from ocicat.cluster.deltas import Inbox
from ocicat.cluster.reflection import BrokenStreamError, Delta, ExpiredError, Page, Read, Reflection, page_of
from ocicat.cluster.sources import Source, sources_of
from ocicat.model.kinds import Kind
from ocicat.ports.clock import Chance, Timer

PAGE_OBJECTS: Final = 500
WATCH_S: Final = 300
"""Seconds after which the server is asked to end a watch; up to twice that, so that not all end together."""
SILENCE_S: Final = 60.0
"""How much longer than asked for a watch may last before the connection counts as dead."""
NOT_SERVED_S: Final = 30.0
"""How often a kind that is not served is asked for."""
FIRST_DELAY_S: Final = 0.5
LONGEST_DELAY_S: Final = 30.0

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
        self, kind: Kind, client: ApiClient, read: Read, inbox: Inbox, timer: Timer, chance: Chance
    ) -> None:
        """Make one that knows nothing yet.

        Args:
            kind: What to follow.
            client: The cluster.
            read: Understands objects, see `ocicat.cluster.reflection`.
            inbox: Gets what changes.
            timer: Waits between tries.
            chance: Keeps many agents from asking at the same moment.
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
        """Watch, and resume, until the revision has expired. Raises ExpiredError, ApiError."""
        while True:
            try:
                began_ns = self._timer.monotonic_ns()
                await self._watch(source)
                if self._timer.monotonic_ns() - began_ns < 1_000_000_000:
                    # A server that ends watches at once must not be asked without pause.
                    await self._timer.sleep(self._backoff.delay_s())
                else:
                    self._backoff.reset()
            except ApiError as error:
                if error.code == 410 or "resource version" in str(error):
                    raise ExpiredError(str(error)) from error
                raise
            except (UnreachableError, BrokenStreamError) as error:
                await self._failed(error)

    async def _watch(self, source: Source) -> None:
        """Take events until the server ends the watch."""
        timeout_s = int(WATCH_S * (1 + self._chance()))
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
            async for line in lines:
                await self._deliver(self._reflection.told(source, line))
                self._backoff.reset()

    async def _deliver(self, deltas: list[Delta]) -> None:
        for delta in deltas:
            await self._inbox.put(delta)
