"""Settings → a running hub. The one place that knows every concrete class of it.

`serve_hub` runs inside somebody's event loop, so that `ocicat up` can have a hub of its own; `run` is what
`ocicat hub` does.
"""

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio
import msgspec
import structlog
from aiohttp import web

from ocicat import api
from ocicat.api.channel import MESSAGE_BYTES, FlowServer, TlsFiles
from ocicat.api.collector import Collector
from ocicat.api.flowservice import FlowService
from ocicat.api.goldmane import GoldmaneReader
from ocicat.api.health import Health
from ocicat.api.rest import FlowApi
from ocicat.api.statistics import StatisticsService
from ocicat.api.web import application, is_expected
from ocicat.api.whisker import WhiskerApi
from ocicat.app.hub.exposure import (
    HubStartError,
    access_of,
    check_exposure,
    host_and_port,
    is_unix,
    several,
)
from ocicat.app.hub.followed import FollowedCluster
from ocicat.app.settings import HubSettings, Settings
from ocicat.cluster.client import ApiClient, connect, has_account
from ocicat.cluster.reviewer import ClusterReviewer
from ocicat.flows.hub import Hub
from ocicat.flows.store.duck import DuckStore
from ocicat.ports.policyview import NoPolicy, PolicyView
from ocicat.ports.systemclock import SystemClock, chance

CONSOLE: Final = Path(api.__file__).parent / "console"
"""Where the built console is, if it is."""
AGE_S: Final = 60.0
"""How often old flows are joined into windows, and older ones forgotten."""
LINE_BYTES: Final = 64 * 1024
"""The longest request line: the longest filter in letters that need 12 bytes each, and the rest."""
NS_PER_H: Final = 3600 * 1_000_000_000

log: Final = structlog.get_logger("ocicat.hub")


class Serving(msgspec.Struct, frozen=True):
    """Where a running hub answers."""

    http: tuple[str, ...]
    """Addresses of console and REST: `http://127.0.0.1:8081`."""
    grpc: tuple[str, ...]
    """Addresses of the flow API: `127.0.0.1:7443`, `unix:/run/…`."""
    instead_of: str = ""
    """The address of the flow API that was taken, where another one is used instead."""
    console: bool = False
    """Whether this installation has the console built in."""


async def serve_hub(
    settings: Settings,
    *,
    stop: asyncio.Event,
    ready: Callable[[Serving], None],
    sockets: Sequence[socket.socket] = (),
    grpc_addresses: Sequence[str] = (),
) -> None:
    """Run a hub until `stop` is set.

    Args:
        settings: Where it listens, what it keeps, which cluster it follows.
        stop: Ends it.
        ready: Is told where it answers, once it does.
        sockets: Listening sockets on which console and REST answer too, perhaps of another network namespace.
        grpc_addresses: Addresses on which the flow API answers too, without TLS; `unix:/path` among them.

    Raises:
        OcicatError: It cannot start.
    """
    of_hub, clock = settings.hub, SystemClock()
    check_exposure(of_hub)
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(of_hub.store).expanduser() if of_hub.store else settings.folder / "flows"
        store = DuckStore(folder)
        stack.callback(store.close)
        hub = Hub(store, clock)
        collector = Collector(hub.take, clock, hub.lost, hub)
        await collector.recall()
        client = _client(of_hub, stack)
        followed = FollowedCluster(client, SystemClock(), chance) if client is not None else None
        policy: PolicyView = followed or NoPolicy()
        access = access_of(of_hub, hub, policy, ClusterReviewer(client, clock) if client else None, clock)
        bound = await stack.enter_async_context(
            _flow_api(of_hub, grpc_addresses, collector, FlowService(hub), StatisticsService(hub))
        )
        handlers = (FlowApi(hub, policy, version("ocicat")), WhiskerApi(hub), Health(hub, collector))
        app = application(*handlers, CONSOLE, access, clock)
        urls = await stack.enter_async_context(_web(of_hub, app, sockets))
        tasks = [asyncio.create_task(part) for part in _parts(of_hub, hub, followed, clock)]
        stack.push_async_callback(_cancelled, tasks)
        built = (CONSOLE / "index.html").is_file()
        missed = [address for address in several(of_hub.grpc) if address not in bound]
        instead = next((address for address in missed if not address.endswith(":0")), "")
        ready(Serving(urls, bound, instead, built))
        log.info("hub.started", http=list(urls), grpc=list(bound), rows=store.stats().rows)
        stopped = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({*tasks, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        for task in done:
            task.result()
    log.info("hub.stopped")


def _parts(
    settings: HubSettings, hub: Hub, followed: FollowedCluster | None, clock: SystemClock
) -> Iterator[Coroutine[Any, Any, None]]:
    """Yield what goes on for as long as the hub runs."""
    yield _age(hub, settings)
    if followed is not None:
        yield followed.run()
    if settings.from_goldmane:
        yield GoldmaneReader(_goldmane(settings), hub.take, clock, chance).run()
    if settings.otlp:
        # Who does not export need not have the exporter.
        from ocicat.api.otlp import FlowLogs

        yield FlowLogs(hub, settings.otlp, version("ocicat")).run()


async def _cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _client(settings: HubSettings, stack: contextlib.AsyncExitStack) -> ApiClient | None:
    """Return a client of the cluster that is followed, None where there is none."""
    if not settings.kubeconfig and not has_account():
        return None
    client = connect(settings.kubeconfig, settings.context or None)
    stack.push_async_callback(client.close)
    return client


def _goldmane(settings: HubSettings) -> FlowServer:
    files = TlsFiles(settings.goldmane_ca, settings.goldmane_certificate, settings.goldmane_key)
    return FlowServer(settings.from_goldmane, files, settings.goldmane_server_name)


async def _age(hub: Hub, settings: HubSettings) -> None:
    """Keep the store's age and size as set. What fails, as on a full disk, is told and tried again."""
    while True:
        try:
            joined, gone = await hub.age(int(settings.keep_hours * NS_PER_H), settings.keep_bytes or None)
        except Exception as error:
            log.exception("store.not_aged", reason=str(error))
        else:
            if joined or gone:
                log.info("store.aged", files_joined=joined, files_forgotten=gone)
        await asyncio.sleep(AGE_S)


# --- servers ------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _flow_api(
    settings: HubSettings, more: Sequence[str], *services: Any
) -> AsyncIterator[tuple[str, ...]]:
    """Serve the flow API; yield where."""
    options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MESSAGE_BYTES)]
    server = grpc.aio.server(options=options)
    for service in services:
        service.add_to(server)
    bound = [_bind(server, settings, address) for address in several(settings.grpc)]
    for address in more:
        server.add_insecure_port(address)
        bound.append(address)
    await server.start()
    try:
        yield tuple(bound)
    finally:
        await server.stop(0.5)


def _bind(server: grpc.aio.Server, settings: HubSettings, address: str) -> str:
    """Listen where it was said, or on a free port where that is taken; return the address."""
    if is_unix(address):
        Path(address.removeprefix("unix:")).unlink(missing_ok=True)
        server.add_insecure_port(address)
        return address
    files = TlsFiles(settings.tls_ca, settings.tls_certificate, settings.tls_key).read()
    host, port = host_and_port(address)
    if files is None and not is_expected(host):
        raise HubStartError(f"{address} can be reached from other machines: give it TLS files")

    def add(address: str) -> int:
        if files is None:
            return int(server.add_insecure_port(address))
        ca, certificate, key = files
        credentials = grpc.ssl_server_credentials([(key, certificate)], ca, require_client_auth=True)
        return int(server.add_secure_port(address, credentials))

    shown = f"[{host}]" if ":" in host else host
    if not _is_free(host, port):
        log.warning("hub.port_taken", address=address)
        port = 0
    try:
        return f"{shown}:{add(f'{shown}:{port}')}"
    except RuntimeError as error:
        raise HubStartError(f"the flow API cannot listen on {shown}: {error}") from error


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


@contextlib.asynccontextmanager
async def _web(
    settings: HubSettings, app: web.Application, sockets: Sequence[socket.socket]
) -> AsyncIterator[tuple[str, ...]]:
    """Serve console and REST; yield where."""
    # A reader of a stream stays for ever: it is not waited for.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5, max_line_size=LINE_BYTES)
    await runner.setup()
    try:
        for address in several(settings.listen):
            await _listen(runner, address)
        for held in sockets:
            await web.SockSite(runner, held).start()
        yield tuple(_url(address) for address in runner.addresses)
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, address: str) -> None:
    """Serve one address. Raises HubStartError."""
    try:
        if is_unix(address):
            await web.UnixSite(runner, address.removeprefix("unix:")).start()
        else:
            await web.TCPSite(runner, *host_and_port(address)).start()
    except OSError as error:
        raise HubStartError(
            f"{address} is taken, perhaps by another hub: choose another with --listen"
            if error.errno == errno.EADDRINUSE
            else f"cannot listen on {address}: {error.strerror}"
        ) from error


def _url(address: Any) -> str:
    if isinstance(address, str):
        return f"unix:{address}"
    host, port = address[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(settings: Settings, ready: Callable[[Serving], None]) -> None:
    """Run a hub until SIGTERM or SIGINT. Raises OcicatError where it cannot start."""

    async def life() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve_hub(settings, stop=stop, ready=ready)

    asyncio.run(life())
