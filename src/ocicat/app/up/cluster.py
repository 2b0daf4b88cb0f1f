"""`Cluster`: the composition of the embedded cluster, from an empty folder to ready, and back to nothing."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from ocicat.app.clock import SystemClock, chance
from ocicat.app.up.nodeprocess import NodeFile
from ocicat.app.up.parts import Part
from ocicat.app.up.places import Places
from ocicat.app.up.system import system_objects
from ocicat.base.errors import OcicatError
from ocicat.cluster.apiserver.credentials import kubeconfig, write_kubeconfig
from ocicat.cluster.apiserver.server import ApiServer
from ocicat.cluster.apiserver.settings import ApiServerSettings
from ocicat.cluster.apiserver.streaming import StreamingNode
from ocicat.cluster.client import ApiClient, ApiError, connect
from ocicat.cluster.controllers.runner import Controllers
from ocicat.cluster.pods import network
from ocicat.cluster.pods.holding import Holding, start_holder
from ocicat.cluster.pods.images.making import ImageNotMadeError, fetch, missing_packages
from ocicat.cluster.pods.network import NodePlace
from ocicat.cluster.pods.runner import Pods

log: Final = structlog.get_logger("ocicat.up")
_FIRST_PORT: Final = 6443
_HOLDER_END_S: Final = 10.0


class UpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a cluster is set up."""

    home: Path
    """The folder of all clusters."""
    name: str = "default"
    nodes: int = 1
    port: int | None = None
    """The port of the API server; None for the last one, or 6443, or a free one."""

    @property
    def places(self) -> Places:
        """The cluster's files."""
        return Places(self.home / self.name)


class CannotStartError(OcicatError):
    """The cluster cannot start here; the message says what is missing."""


Said = Callable[[str], None]


class Cluster:
    """One embedded cluster. `run` is its whole life."""

    def __init__(self, settings: UpSettings, said: Said) -> None:
        """Prepare it.

        Args:
            settings: How it is.
            said: Gets lines about its progress, for people.
        """
        if not 1 <= settings.nodes <= network.NODES_AT_MOST:
            raise CannotStartError(f"a cluster has 1 to {network.NODES_AT_MOST} nodes, not {settings.nodes}")
        self._settings: Final = settings
        self._places: Final = settings.places
        self._said: Final = said
        self._timer: Final = SystemClock()
        self._stopping: Final = asyncio.Event()

    def stop(self) -> None:
        """Ask it to end."""
        self._stopping.set()

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Start everything, serve until `stop`, and leave nothing behind. Raises OcicatError."""
        self._places.make()
        lock = self._places.hold()
        try:
            async with (
                self._holder() as holding,
                self._api(holding) as server,
                contextlib.AsyncExitStack() as stack,
            ):
                client = connect(str(self._places.kubeconfig))
                stack.push_async_callback(client.close)
                await self._live(holding, server, client, ready)
        finally:
            os.close(lock)

    async def _live(
        self, holding: Holding, server: ApiServer, client: ApiClient, ready: asyncio.Event | None
    ) -> None:
        controllers = Controllers(client, self._timer, chance, server.credentials.ca_pem.decode())
        tasks = [asyncio.create_task(controllers.run()), asyncio.create_task(self._fetch())]
        await self._write_system_objects(client)
        tasks += [asyncio.create_task(part.run(holding, self._timer, chance)) for part in self._parts(server)]
        stopping = asyncio.create_task(self._stopping.wait())
        if ready is not None:
            ready.set()
        try:
            done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (*tasks, stopping):
                task.cancel()
            await asyncio.gather(*tasks, stopping, return_exceptions=True)

    async def _fetch(self) -> None:
        """Fetch what images need, here, since what runs within has no way to Debian's servers."""
        debian = _cache() / "debian"
        for package in missing_packages(debian):
            self._said(f"fetching Debian's {package} (once)")
            try:
                await asyncio.to_thread(fetch, package, debian)
            except ImageNotMadeError as error:
                self._said(f"not fetched: {error}")
        await asyncio.Event().wait()

    # --- the namespaces -------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _holder(self) -> AsyncIterator[Holding]:
        process, connection = start_holder(self._places.holder)
        holding = Holding(connection)
        try:
            try:
                await self._join_nodes(holding)
            except OcicatError as error:
                raise CannotStartError(f"no namespaces of our own: {error}") from error
            yield holding
        finally:
            holding.close()
            try:
                await asyncio.to_thread(process.wait, _HOLDER_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self._places.holder.unlink(missing_ok=True)

    async def _join_nodes(self, holding: Holding) -> None:
        """Make the network namespaces of the world and of the nodes, and the links between them."""

        async def batch(space: str, lines: list[str]) -> None:
            await holding.run(space, "ip", "-batch", "-", stdin="\n".join(lines) + "\n")

        await holding.space(network.WORLD, kept=True)
        await holding.sysctl(network.WORLD, network.ROUTER)
        await batch(network.WORLD, network.world_lines())
        for name, place in self._nodes().items():
            await holding.space(name, kept=True)
            await holding.sysctl(name, network.ROUTER)
            await batch(network.WORLD, network.uplink_lines(place, await holding.path(name)))
            await batch(name, network.node_lines(place))

    def _nodes(self) -> dict[str, NodePlace]:
        return {f"node-{number}": NodePlace(number) for number in range(1, self._settings.nodes + 1)}

    # --- the API server -------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _api(self, holding: Holding) -> AsyncIterator[ApiServer]:
        pods = Pods(self._places.nodes, holding, self._timer.now_ns)
        settings = ApiServerSettings(
            data=self._places.folder / "api",
            port=self._port(),
            cluster=f"ocicat-{self._settings.name}",
            names=network.WORLD_ADDRESSES,
        )
        server = ApiServer(settings, node=StreamingNode(pods))
        ready = asyncio.Event()
        serving = asyncio.create_task(server.serve(ready))
        waiting = asyncio.create_task(ready.wait())
        try:
            await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
            if not ready.is_set():
                await serving
            await self._listen_within(holding, server)
            self._places.port_file.write_text(server.url.rpartition(":")[2])
            yield server
        finally:
            waiting.cancel()
            server.stop()
            with contextlib.suppress(asyncio.CancelledError):
                await serving

    def _port(self) -> int:
        if self._settings.port is not None:
            return self._settings.port
        with contextlib.suppress(OSError, ValueError):
            last = int(self._places.port_file.read_text())
            if _is_free(last):
                return last
        return _FIRST_PORT if _is_free(_FIRST_PORT) else 0

    async def _listen_within(self, holding: Holding, server: ApiServer) -> None:
        for family, address in zip((socket.AF_INET, socket.AF_INET6), network.WORLD_ADDRESSES, strict=True):
            listening = await holding.socket(network.WORLD, family)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((address, network.API_PORT))
            listening.listen(1024)
            listening.setblocking(False)
            await server.listen(listening)
        url = f"https://{network.WORLD_ADDRESSES[0]}:{network.API_PORT}"
        write_kubeconfig(
            self._places.inner_kubeconfig, kubeconfig(server.credentials, self._settings.name, url)
        )

    async def _write_system_objects(self, client: ApiClient) -> None:
        for thing in system_objects():
            try:
                await client.post(_collection(thing), thing)
            except ApiError as error:
                if error.code != 409:
                    raise

    # --- what runs within -----------------------------------------------------------------------------------

    def _parts(self, server: ApiServer) -> list[Part]:
        parts: list[Part] = []
        for name, place in self._nodes().items():
            file = self._places.folder / f"{name}.json"
            file.write_bytes(msgspec.json.encode(self._node_file(name, place, server)))
            argv = [sys.executable, "-m", "ocicat.app.up.nodeprocess", str(file)]
            parts.append(self._part(f"the node {name}", argv, name, name))
            parts.append(self._part(f"the agent of {name}", self._agent(name), name, f"agent-{name}"))
        return parts

    def _part(self, name: str, argv: list[str], space: str, log_name: str) -> Part:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("OCICAT_")}
        environment["PATH"] = f"{environment.get('PATH', '')}:/usr/sbin:/sbin"
        # No proxy of the user's: what runs within reaches the API server at an address of the cluster.
        environment |= {"NO_PROXY": "*", "no_proxy": "*"}
        return Part(
            name,
            argv,
            space=space,
            log_file=self._places.logs / f"{log_name}.log",
            environment=environment,
            said=self._said,
        )

    def _node_file(self, name: str, place: NodePlace, server: ApiServer) -> NodeFile:
        places = self._places
        return NodeFile(
            name=name,
            number=place.number,
            folder=str(places.nodes / name),
            socket=str(places.nodes / f"{name}.sock"),
            holder=str(places.holder),
            kubeconfig=str(places.inner_kubeconfig),
            images=str(places.folder / "images"),
            debian=str(_cache() / "debian"),
            authority=server.credentials.ca_pem.decode(),
            lab_authority="",
            resolver=network.WORLD_ADDRESSES[0],
        )

    def _agent(self, node: str) -> list[str]:
        return [
            sys.executable,
            "-m",
            "ocicat",
            "agent",
            "--node",
            node,
            "--kubeconfig",
            str(self._places.inner_kubeconfig),
            "--home",
            str(self._places.folder / "agents"),
            "--metrics-port",
            "0",
        ]


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ocicat"


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


_PLURALS: Final[Mapping[str, str]] = {"Endpoints": "endpoints"}


def _collection(thing: Mapping[str, Any]) -> str:
    version, kind = thing["apiVersion"], thing["kind"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = _PLURALS.get(kind, kind.lower() + "s")
    namespace = thing["metadata"].get("namespace")
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"
