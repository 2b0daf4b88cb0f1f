"""`Cluster`: the composition of the embedded cluster, from an empty folder to ready, and back to nothing."""

import asyncio
import contextlib
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import structlog

from ocicat.app.clock import SystemClock, chance
from ocicat.app.settings import UpSettings
from ocicat.app.up.demo import catfacts
from ocicat.app.up.doors import Door
from ocicat.app.up.keys import flow_keys
from ocicat.app.up.parts import Part
from ocicat.app.up.places import Places
from ocicat.app.up.system import (
    CONSOLE_SOCKET,
    FIRST_NODE,
    FLOW_PORT,
    FLOW_SOCKET,
    HUB_FOLDER,
    system_objects,
)
from ocicat.app.up.within import Within, debian_folder, outside_lines
from ocicat.app.up.writing import applied, created
from ocicat.base.errors import OcicatError
from ocicat.cluster.apiserver.credentials import kubeconfig, write_kubeconfig
from ocicat.cluster.apiserver.server import ApiServer
from ocicat.cluster.apiserver.settings import ApiServerSettings
from ocicat.cluster.apiserver.streaming import StreamingNode
from ocicat.cluster.client import ApiClient, connect
from ocicat.cluster.controllers.runner import Controllers
from ocicat.cluster.pods import network
from ocicat.cluster.pods.holding import Holding, start_holder
from ocicat.cluster.pods.images.making import ImageNotMadeError, fetch, missing_packages
from ocicat.cluster.pods.network import NodePlace
from ocicat.cluster.pods.runner import Pods

log: Final = structlog.get_logger("ocicat.up")
_FIRST_PORT: Final = 6443
_HOLDER_END_S: Final = 10.0


class CannotStartError(OcicatError):
    """The cluster cannot start here; the message says what is missing."""


Said = Callable[[str], None]


class Cluster:
    """One embedded cluster. `run` is its whole life."""

    def __init__(self, home: Path, settings: UpSettings, said: Said) -> None:
        """Prepare it.

        Args:
            home: The folder of all clusters.
            settings: How it is.
            said: Gets lines about its progress, for people.
        """
        if not 1 <= settings.nodes <= network.NODES_AT_MOST:
            raise CannotStartError(f"a cluster has 1 to {network.NODES_AT_MOST} nodes, not {settings.nodes}")
        self._settings: Final = settings
        self._places: Final = Places(home / settings.name)
        self._said: Final = said
        self._timer: Final = SystemClock()
        self._stopping: Final = asyncio.Event()
        self.console: Door
        """Where the console is; from `ready` on."""
        self.flows: Door
        """Where the flow API is; from `ready` on."""

    def stop(self) -> None:
        """Ask it to end."""
        self._stopping.set()

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Start everything, serve until `stop`, and leave nothing behind. Raises OcicatError."""
        self._places.make()
        lock = self._places.hold()
        try:
            async with contextlib.AsyncExitStack() as stack:
                self._open_doors(stack)
                holding = await stack.enter_async_context(self._holder())
                server = await stack.enter_async_context(self._api(holding))
                client = connect(str(self._places.kubeconfig))
                stack.push_async_callback(client.close)
                await self._live(holding, server, client, ready)
        finally:
            os.close(lock)

    def _open_doors(self, stack: contextlib.ExitStack | contextlib.AsyncExitStack) -> None:
        """Take the ports of the loopback, first of all: a port that is taken is soon said."""
        sockets = self._places.host_files(FIRST_NODE) / HUB_FOLDER.lstrip("/")
        sockets.mkdir(parents=True, exist_ok=True)
        self.console = Door(sockets / CONSOLE_SOCKET, self._settings.console_port, instead=False)
        stack.callback(self.console.close)
        self.flows = Door(sockets / FLOW_SOCKET, FLOW_PORT, instead=True)
        stack.callback(self.flows.close)

    async def _live(
        self, holding: Holding, server: ApiServer, client: ApiClient, ready: asyncio.Event | None
    ) -> None:
        controllers = Controllers(client, self._timer, chance, server.credentials.ca_pem.decode())
        tasks = [asyncio.create_task(controllers.run()), asyncio.create_task(self._fetch())]
        tasks += [asyncio.create_task(door.run()) for door in (self.console, self.flows)]
        keys = flow_keys(self._places, self._timer.now_ns())
        await applied(client, system_objects(keys))
        if self._settings.demo:
            await created(client, catfacts())
        authority = server.credentials.ca_pem.decode()
        parts = await self._parts(holding, authority)
        tasks += [asyncio.create_task(part.run(holding, self._timer, chance)) for part in parts]
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

    async def _parts(self, holding: Holding, authority: str) -> list[Part]:
        within = Within(self._places, self._nodes(), self._said)
        await holding.run(network.WORLD, "ip", "-batch", "-", stdin="\n".join(outside_lines()) + "\n")
        return within.parts(authority, self._timer.now_ns())

    async def _fetch(self) -> None:
        """Fetch what images need, here, since what runs within has no way to Debian's servers."""
        debian = debian_folder()
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
        if self._settings.port:
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


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
