"""`ApiServer`: the API server as one object — made from settings, a store and a node connector; served
until told to stop."""

import asyncio
import contextlib
import datetime
import socket
import time
from typing import Final

import structlog

from ocicat.cluster.apiserver.access import Access
from ocicat.cluster.apiserver.admission import Admission
from ocicat.cluster.apiserver.authentication import Authenticator
from ocicat.cluster.apiserver.core import Chance, Core, SystemChance
from ocicat.cluster.apiserver.credentials import Credentials, ensure_credentials, kubeconfig, write_kubeconfig
from ocicat.cluster.apiserver.documents import Documents
from ocicat.cluster.apiserver.frontdoor import Frontdoor
from ocicat.cluster.apiserver.node import NodeConnector, NoNode
from ocicat.cluster.apiserver.objects import Context, Objects
from ocicat.cluster.apiserver.parts import Parts
from ocicat.cluster.apiserver.reading import Reading
from ocicat.cluster.apiserver.reviews import Reviews
from ocicat.cluster.apiserver.routing import Routes
from ocicat.cluster.apiserver.schemas import load_schemas
from ocicat.cluster.apiserver.settings import ApiServerSettings
from ocicat.cluster.apiserver.signing import Signing
from ocicat.cluster.apiserver.watching import Watching
from ocicat.cluster.apiserver.writing import Writing
from ocicat.cluster.resources.bodies import Body
from ocicat.cluster.resources.bootstrap import initial_objects
from ocicat.cluster.resources.deletion import Options
from ocicat.cluster.resources.rbac import MASTERS, User
from ocicat.cluster.resources.schema import Schemas
from ocicat.cluster.resources.times import last_seen_s
from ocicat.cluster.store.protocol import Store, StoreBrokenError
from ocicat.cluster.store.sqlite import SqliteStore

log = structlog.get_logger(__name__)
_STANDARD_NAMES: Final = (
    "localhost", "127.0.0.1", "::1", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local", "10.96.0.1", "fd00:10:96::1",
)  # fmt: skip
_SYSTEM: Final = User("system:apiserver", (MASTERS,))


class ApiServer:
    """One embedded Kubernetes API server.

    `core`, `objects` and `credentials` are for those who run in the same process (controllers, the
    command); every one else comes over HTTPS.
    """

    def __init__(
        self,
        settings: ApiServerSettings,
        *,
        store: Store | None = None,
        node: NodeConnector | None = None,
        chance: Chance | None = None,
        schemas: Schemas | None = None,
    ) -> None:
        """Open the state folder, making in it what is absent. Blocks for some hundred milliseconds.

        What is None is made here: the store in SQLite, no node, the system's chance, schemas from the models.

        Raises:
            StoreBrokenError: the store cannot be opened.
            SchemasMissingError: the schemas of Kubernetes' kinds are not installed.
        """
        self.settings: Final = settings
        names = tuple(dict.fromkeys((*_STANDARD_NAMES, settings.host, *settings.names)))
        now = datetime.datetime.now(datetime.UTC)
        self.credentials: Final[Credentials] = ensure_credentials(settings.data / "pki", names, now)
        self.store: Final[Store] = store or SqliteStore(settings.data)
        schemas = schemas or load_schemas(settings.data / "cache")
        self.core: Final = Core(self.store, schemas, time.time_ns, chance or SystemChance())
        self._stopping: Final = asyncio.Event()
        access = Access(self.core)
        self.objects: Final = Objects(self.core, Admission(self.core, access, settings.service_ranges))
        authenticator = Authenticator(self.core, self.credentials, access)
        reading = Reading(self.core, access, self.objects)
        writing = Writing(self.core, access, self.objects)
        keys = self.credentials
        signing = Signing(self.core, access, self.objects, reading, writing, keys.folder)
        self._routes: Final = Routes(
            self.core,
            access,
            authenticator,
            Documents(self.core, settings.release, lambda: self.url.removeprefix("https://")),
            reading,
            Watching(self.core, access, settings, self._stopping),
            writing,
            Parts(self.core, self.objects, reading, writing, signing, node or NoNode(), keys.account_key),
            Reviews(access, authenticator),
            settings.request_timeout_s,
        )
        self._port = settings.port
        self._frontdoor: Final = Frontdoor(self._routes.handle, settings)
        self._bootstrap()

    @property
    def url(self) -> str:
        """Return the address that clients use; with port 0 it is known once the server listens."""
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        return f"https://{host}:{self._port}"

    def _bootstrap(self) -> None:
        context = Context(_SYSTEM, "ocicat")
        for thing in initial_objects(self.core.chance.uid().replace("-", ""), self.settings.calico_release):
            kind = self.core.registry.of(thing["apiVersion"], thing["kind"])
            if kind is not None and self.core.find(kind, "", thing["metadata"]["name"]) is None:
                self.objects.create(kind, "", Body(thing), context)

    async def serve(self, ready: asyncio.Event | None = None, listening: socket.socket | None = None) -> None:
        """Serve until `stop` is called or the task is cancelled; then end open streams and close the store.

        `ready` is set when the port is open and `kubeconfig` is written into the state folder. With
        `listening`, a socket that somebody else has bound, clients need not notice a restart.
        """
        frontdoor = self._frontdoor
        compaction = asyncio.create_task(self._compact())
        try:
            self._port = await frontdoor.open(self.credentials.server_context(), listening)
            write_kubeconfig(
                self.settings.data / "kubeconfig",
                kubeconfig(self.credentials, self.settings.cluster, self.url),
            )
            if ready is not None:
                ready.set()
            await self._stopping.wait()
        finally:
            self.stop()
            compaction.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await compaction
            await frontdoor.close()
            self.store.close()

    async def listen(self, listening: socket.socket) -> None:
        """Also serve on a socket that is bound already; after `serve` is ready, until it ends.

        A socket stays in the network namespace in which it was made: so the same server is reached at the
        addresses of nodes and of the Service `kubernetes`.
        """
        await self._frontdoor.open_more(listening)

    def stop(self) -> None:
        """Ask `serve` to end. From the loop's thread."""
        self._stopping.set()
        self.core.wake_all()

    async def _compact(self) -> None:
        while True:
            await asyncio.sleep(self.settings.compaction_interval_s)
            self._forget_events()
            try:
                await asyncio.to_thread(self.store.compact)
            except StoreBrokenError:
                log.exception("store.compaction_failed")

    def _forget_events(self) -> None:
        """Delete the events whose time is over; they would grow without end."""
        kind = self.core.registry.of("v1", "Event")
        oldest_s = self.core.now_ns() / 1e9 - self.settings.event_life_s
        if kind is not None:
            over = [
                stored for stored in self.store.scan(kind.resource) if last_seen_s(stored.thing) < oldest_s
            ]
            self.objects.delete_all(kind, over, Options(), Context(_SYSTEM, "ocicat"))
