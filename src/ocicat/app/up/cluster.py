"""`Cluster`: the composition of the embedded cluster, from an empty folder to ready, and back to nothing."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
import structlog

from ocicat.app.settings import UpSettings
from ocicat.app.up import internet
from ocicat.app.up.apiprocess import ApiFile
from ocicat.app.up.demo import catfacts
from ocicat.app.up.doors import LOOPBACK, Door
from ocicat.app.up.keys import flow_keys
from ocicat.app.up.needs import lacking
from ocicat.app.up.parts import Beside, Part, until_gone
from ocicat.app.up.places import Places
from ocicat.app.up.system import (
    CONSOLE_SOCKET,
    FIRST_NODE,
    FLOW_PORT,
    FLOW_SOCKET,
    HUB_FOLDER,
    system_objects,
)
from ocicat.app.up.within import Within, debian_folder, environment, outside_lines
from ocicat.app.up.writing import applied, created
from ocicat.base.errors import OcicatError
from ocicat.cluster.client import ApiClient, connect
from ocicat.cluster.pods import network
from ocicat.cluster.pods.holding import Holding, start_holder
from ocicat.cluster.pods.images.making import ImageNotMadeError, fetch, missing_packages
from ocicat.cluster.pods.network import NodePlace
from ocicat.ports.systemclock import SystemClock, chance

log: Final = structlog.get_logger("ocicat.up")
_FIRST_PORT: Final = 6443
_API_S: Final = 60.0
_BACKLOG: Final = 1024
_FAMILIES: Final = tuple(zip((socket.AF_INET, socket.AF_INET6), network.WORLD_ADDRESSES, strict=True))
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
        if missing := list(lacking(environment()["PATH"])):
            raise CannotStartError("; ".join(missing))
        self._places.make()
        lock = self._places.hold()
        try:
            async with contextlib.AsyncExitStack() as stack:
                self._open_doors(stack)
                holding = await stack.enter_async_context(self._holder())
                api = await stack.enter_async_context(self._api(holding))
                client = connect(str(self._places.kubeconfig))
                stack.push_async_callback(client.close)
                await self._live(stack, holding, api, client, ready)
        finally:
            os.close(lock)

    def _open_doors(self, stack: contextlib.ExitStack | contextlib.AsyncExitStack) -> None:
        """Take the ports of the loopback, first of all: a port that is taken is soon said."""
        sockets = self._places.system_files(FIRST_NODE) / HUB_FOLDER.lstrip("/")
        sockets.mkdir(parents=True, exist_ok=True)
        self.console = Door(sockets / CONSOLE_SOCKET, self._settings.console_port, instead=False)
        stack.callback(self.console.close)
        self._places.console_file.write_text(f"http://localhost:{self.console.port}")
        stack.callback(self._places.console_file.unlink, missing_ok=True)
        self.flows = Door(sockets / FLOW_SOCKET, FLOW_PORT, instead=True)
        stack.callback(self.flows.close)

    async def _live(
        self,
        stack: contextlib.AsyncExitStack,
        holding: Holding,
        api: "Api",
        client: ApiClient,
        ready: asyncio.Event | None,
    ) -> None:
        tasks = [
            api.running,
            asyncio.create_task(until_gone(holding)),
            asyncio.create_task(self._fetch()),
            *(asyncio.create_task(door.run()) for door in (self.console, self.flows)),
        ]
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await applied(client, system_objects(flow_keys(self._places, self._timer.now_ns())))
            if self._settings.demo:
                await created(client, catfacts())
            await holding.run(network.WORLD, "ip", "-batch", "-", stdin="\n".join(outside_lines()) + "\n")
            resolver = internet.RESOLVER if self._settings.internet else network.WORLD_ADDRESSES[0]
            within = Within(holding, self._places, self._nodes(), self._said, resolver)
            parts = within.parts(api.authority, self._timer.now_ns())
            if self._settings.internet:
                parts.append(await self._internet(holding, stack))
            tasks += [asyncio.create_task(part.run(self._timer, chance)) for part in parts]
            if ready is not None:
                ready.set()
            done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (*tasks, stopping):
                task.cancel()
            await asyncio.gather(*tasks, stopping, return_exceptions=True)

    async def _internet(self, holding: Holding, stack: contextlib.AsyncExitStack) -> Part:
        pasta = await asyncio.to_thread(internet.program, debian_folder())
        way = await internet.opened(holding, pasta, environment(), stack)
        stack.push_async_callback(way.end)
        return Part("the way to the Internet", way, self._places.logs / "internet.log", self._said)

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
    async def _api(self, holding: Holding) -> AsyncIterator["Api"]:
        """Run the API server in a process of its own; its sockets are ours, so that none is refused when it
        is started again. Raises CannotStartError.
        """
        places = self._places
        listening = self._loopback()
        sockets = [listening, *[await _within(holding, *row) for row in _FAMILIES]]
        told, telling = os.pipe()
        descriptors = [held.fileno() for held in sockets]
        file = ApiFile(
            name=self._settings.name,
            data=str(places.api),
            nodes=str(places.nodes),
            holder=str(places.holder),
            port=listening.getsockname()[1],
            listening=descriptors[0],
            within=tuple(descriptors[1:]),
            names=network.WORLD_ADDRESSES,
            ready=telling,
        )
        (places.folder / "api.json").write_bytes(msgspec.json.encode(file))
        argv = [sys.executable, "-m", "ocicat.app.up.apiprocess", str(places.folder / "api.json")]
        beside = Beside(argv, environment(), [*descriptors, telling])
        part = Part("the API server", beside, places.logs / "api.log", self._said)
        running = asyncio.create_task(part.run(self._timer, chance))
        try:
            await self._answers(told, running)
            places.port_file.write_text(str(file.port))
            yield Api(running, (places.api / "pki" / "ca.crt").read_text())
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await beside.end()
            for held in sockets:
                held.close()
            os.close(told)
            os.close(telling)

    async def _answers(self, told: int, running: "asyncio.Task[None]") -> None:
        """Wait until the API server has said that it answers. Raises CannotStartError."""
        heard = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(told, heard.set)
        hearing, stopping = (asyncio.create_task(event.wait()) for event in (heard, self._stopping))
        try:
            async with asyncio.timeout(_API_S):
                await asyncio.wait([hearing, stopping, running], return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError as error:
            why = f"the API server does not start; see {self._places.logs / 'api.log'}"
            raise CannotStartError(why) from error
        finally:
            loop.remove_reader(told)
            for task in (hearing, stopping):
                task.cancel()
        if running.done():
            running.result()
        if not heard.is_set():
            raise CannotStartError("stopped before the API server answered")

    def _loopback(self) -> socket.socket:
        """Return a listening socket on the host's loopback: the port that was asked for, or that of the last
        time, or Kubernetes' own, or any that is free. Raises CannotStartError.
        """
        asked = self._settings.port
        wanted = [asked] if asked else [_last_port(self._places.port_file), _FIRST_PORT, 0]
        for port in wanted:
            with contextlib.suppress(OSError):
                return socket.create_server((LOOPBACK, port), backlog=_BACKLOG)
        raise CannotStartError(f"{LOOPBACK}:{asked} is taken: choose another port for the API with --port")


class Api(msgspec.Struct, frozen=True):
    """The API server that runs."""

    running: "asyncio.Task[None]"
    authority: str
    """The certificate of its authority, as text."""


async def _within(holding: Holding, family: int, address: str) -> socket.socket:
    """Return a socket that listens for the API server in the cluster's network."""
    listening = await holding.socket(network.WORLD, family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((address, network.API_PORT))
    listening.listen(_BACKLOG)
    return listening


def _last_port(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return _FIRST_PORT
