"""The process of the API server and the controllers: `python -m ocicat.app.up.apiprocess FILE`.

Its listening sockets are made by `ocicat up`, which keeps them: while this process is started again, those
who connect wait instead of being refused.
"""

import asyncio
import signal
import socket
import sys
from pathlib import Path
from typing import Final

import msgspec

from ocicat.app.logs import log_to_stderr
from ocicat.cluster.apiserver.server import ApiServer
from ocicat.cluster.apiserver.settings import ApiServerSettings
from ocicat.cluster.apiserver.streaming import StreamingNode
from ocicat.cluster.client import connect
from ocicat.cluster.controllers.runner import Controllers
from ocicat.cluster.pods.holding import Holding
from ocicat.cluster.pods.runner import Pods
from ocicat.ports.systemclock import SystemClock, chance

READY: Final = b"ready\n"


class ApiFile(msgspec.Struct, frozen=True, kw_only=True):
    """What the process needs to know."""

    name: str
    """The cluster's name in kubeconfigs."""
    data: str
    """The API server's folder."""
    nodes: str
    """The folder of all nodes."""
    holder: str
    """The holder's socket."""
    port: int
    listening: int
    """The descriptor of the socket on the host's loopback."""
    within: tuple[int, ...]
    """Descriptors of sockets in the cluster's network."""
    names: tuple[str, ...]
    """The addresses of the latter."""
    ready: int
    """A descriptor that is told when the server answers."""


async def _live(told: ApiFile) -> None:
    clock = SystemClock()
    pods = Pods(Path(told.nodes), Holding.connected(Path(told.holder)), clock.now_ns)
    settings = ApiServerSettings(
        data=Path(told.data), port=told.port, cluster=f"ocicat-{told.name}", names=told.names
    )
    server = ApiServer(settings, node=StreamingNode(pods))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(ready, _taken(told.listening)))
        group.create_task(_follow(server, told, ready, serving))


async def _follow(
    server: ApiServer, told: ApiFile, ready: asyncio.Event, serving: asyncio.Task[None]
) -> None:
    """Once the server answers, say so and run the controllers, as long as it serves."""
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    if not ready.is_set():
        waiting.cancel()
        return
    for descriptor in told.within:
        await server.listen(_taken(descriptor))
    client = connect(str(Path(told.data) / "kubeconfig"))
    controllers = Controllers(client, SystemClock(), chance, server.credentials.ca_pem.decode())
    running = asyncio.create_task(controllers.run())
    with open(told.ready, "wb", closefd=False) as pipe:
        pipe.write(READY)
    try:
        await asyncio.wait([serving, running], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await client.close()


def _taken(descriptor: int) -> socket.socket:
    listening = socket.socket(fileno=descriptor)
    listening.setblocking(False)
    return listening


def main() -> None:
    """Serve until ended."""
    told = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=ApiFile)
    log_to_stderr("info", component="api", cluster=told.name)
    asyncio.run(_live(told))


if __name__ == "__main__":
    main()
