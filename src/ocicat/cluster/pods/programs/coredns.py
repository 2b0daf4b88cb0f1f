"""The name server of the cluster: what the Deployment `coredns` runs, behind the Service `kube-dns`.

It follows Services and EndpointSlices through the Kubernetes API, as the service account of its pod (or by a
kubeconfig), and begins to answer when it knows all of them, so a TCP probe of its port says that it is ready.
All other names it asks of the servers that its resolv.conf names.
"""

import argparse
import asyncio
import random
import signal
import socket
from pathlib import Path
from typing import Any, Final

import msgspec

from ocicat.base.problem import Problem
from ocicat.cluster.client import connect
from ocicat.cluster.controllers.known import WATCHED, Raw
from ocicat.cluster.deltas import Inbox
from ocicat.cluster.pods.programs.nameserver import DNS_PORT, NameServer, host_row, name_servers
from ocicat.cluster.pods.programs.process import listening, tell
from ocicat.cluster.pods.programs.zone import Zone
from ocicat.cluster.reflect import Reflector
from ocicat.cluster.reflection import Delta
from ocicat.model.kinds import Kind
from ocicat.model.meta import Resource
from ocicat.ports.systemclock import SystemClock

FOLLOWED: Final = ("Service", "EndpointSlice")


def read(kind: Kind, data: bytes) -> tuple[Resource | None, list[Problem]]:
    """Return an object as plain values."""
    body = msgspec.json.decode(data, type=dict[str, Any])
    return Raw(api_version=kind.api_version, kind=kind.kind, body=body), []


def enter(zone: Zone, delta: Delta) -> None:
    """Let a zone know what became of an object."""
    is_service = delta.kind.kind == "Service"
    if isinstance(delta.resource, Raw):
        (zone.put_service if is_service else zone.put_slice)(delta.resource.body)
    else:
        (zone.drop_service if is_service else zone.drop_slice)(delta.namespace, delta.name)


async def follow(zone: Zone, inbox: Inbox, reflectors: list[Reflector], synced: asyncio.Event) -> None:
    """Keep a zone up to date, for ever."""
    while True:
        await inbox.filled()
        for delta in inbox.take():
            enter(zone, delta)
        if not synced.is_set() and all(reflector.synced for reflector in reflectors):
            synced.set()


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    client = connect(options.kubeconfig)
    zone, inbox, synced = Zone(options.domain), Inbox(), asyncio.Event()
    reflectors = [
        Reflector(WATCHED[kind], client, read, inbox, SystemClock(), random.random) for kind in FOLLOWED
    ]
    upstreams = [endpoint(text) for text in options.upstream] or name_servers(
        options.resolver_file.read_text()
    )
    server = NameServer(zone, dict(options.host), upstreams)

    async def answer() -> None:
        await synced.wait()
        streams = listening(options.port)
        port = streams[0].getsockname()[1]
        for sock in listening(port, socket.SOCK_DGRAM):
            await server.start_udp(sock)
        # The probe asks by TCP, so that comes last.
        servers = [await server.start_tcp(sock) for sock in streams]
        tell("listening", port=port)
        await asyncio.gather(*(one.serve_forever() for one in servers))

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(reflector.run()) for reflector in reflectors]
        running += [tasks.create_task(follow(zone, inbox, reflectors, synced)), tasks.create_task(answer())]
        await ended.wait()
        tell("ended")
        for task in running:
            task.cancel()
    await client.close()


def endpoint(text: str) -> tuple[str, int]:
    """Return host and port of `1.2.3.4:5353`, `[fd00::1]:5353`, or either without port. Raises ValueError."""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, int(port[1:] or DNS_PORT)
    host, colon, port = text.rpartition(":")
    if colon and ":" not in host:
        return host, int(port)
    return text, DNS_PORT


def main() -> None:
    """Be the name server."""
    parser = argparse.ArgumentParser(prog="coredns", description="The cluster's name server.")
    parser.add_argument("--kubeconfig", default="", help="else the pod's service account")
    parser.add_argument("--domain", default="cluster.local")
    parser.add_argument("--port", type=int, default=DNS_PORT, help="UDP and TCP")
    parser.add_argument(
        "--upstream", action="append", default=[], help="ADDRESS[:PORT], asked for other names"
    )
    parser.add_argument(
        "--resolver-file",
        type=Path,
        default=Path("/etc/resolv.conf"),
        help="names upstreams where none is given",
    )
    parser.add_argument(
        "--host", action="append", default=[], type=host_row, metavar="NAME=ADDRESS", help="a further name"
    )
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
