"""`Pods`: the API server's way into the pods — a PodRunner over the holder, the nodes' sockets and their
logs."""

import asyncio
import fcntl
import os
import socket
import struct
import termios
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from ocicat.cluster.apiserver.runner import STDERR, STDOUT, Channels, Command, LogAsk
from ocicat.cluster.pods import attaching, logs
from ocicat.cluster.pods.entry import Entry
from ocicat.cluster.pods.holding import HolderError, Holding, Start
from ocicat.cluster.pods.sockets import connected
from ocicat.cluster.resources.errors import ApiError, bad_request

_PIECE: Final = 1 << 16
_ANNOTATION: Final = "kubectl.kubernetes.io/default-container"
Thing = Mapping[str, Any]


class Pods:
    """Runs, attaches, dials and reads logs in the pods of one cluster."""

    def __init__(self, folder: Path, holding: Holding, now_ns: Callable[[], int]) -> None:
        """Keep the folder of all nodes and a connection to the holder."""
        self._folder: Final = folder
        self._holding: Final = holding
        self._now_ns: Final = now_ns

    # --- exec -----------------------------------------------------------------------------------------------

    async def run(self, pod: Thing, command: Command, channels: Channels) -> int:
        """Run a command beside a container's processes and return its exit code. Raises ApiError."""
        record = self._record(pod, container_of(pod, command.container))
        env = record.env | ({"TERM": "xterm"} if command.tty else {})
        what = Start(
            argv=command.words,
            env=env,
            cwd=record.cwd,
            target=record.pid,
            rights=record.rights,
            tty=command.tty,
        )
        ours, theirs = ([], []) if command.tty else _pipes(command)
        try:
            started = await self._holding.start(what, theirs)
        except HolderError as error:
            for descriptor in ours:
                os.close(descriptor)
            text = f"failed to exec in container: {error}"
            raise ApiError("InternalError", text) from error
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        if started.terminal is not None:
            entry, outputs = os.dup(started.terminal), {started.terminal: STDOUT}
        else:
            entry, outputs = ours[0], {ours[1]: STDOUT, ours[2]: STDERR}
        try:
            return await _carried(Entry(entry), outputs, channels, started.ended, command)
        finally:
            if not started.ended.done():  # the client has gone
                await self._holding.kill(started.pid)

    def _record(self, pod: Thing, container: str) -> logs.RunRecord:
        """Return the present run of a container. Raises ApiError."""
        folder = self._container(pod, container)
        run = _restarts(pod, container)
        path = logs.record_file(folder, run)
        if not path.exists() or logs.end_file(folder, run).exists():
            raise bad_request(f"container {container} of pod {pod['metadata']['name']} does not run")
        return msgspec.json.decode(path.read_bytes(), type=logs.RunRecord)

    def _container(self, pod: Thing, container: str) -> Path:
        spec, metadata = pod["spec"], pod["metadata"]
        return self._folder / str(spec["nodeName"]) / "pods" / str(metadata["uid"]) / container

    # --- attach ---------------------------------------------------------------------------------------------

    async def attach(self, pod: Thing, command: Command, channels: Channels) -> int:
        """Join a container's main process until it ends or the client goes; return 0.

        As container runtimes do: how a process that one has joined ended is in the pod's status.
        """
        container = container_of(pod, command.container)
        path = self._folder / f"{pod['spec']['nodeName']}.sock"
        try:
            reader, writer = await asyncio.open_unix_connection(sock=connected(path))
        except OSError as error:
            raise ApiError("ServiceUnavailable", f"the node does not answer: {error}") from error
        wanted = attaching.Wanted(pod["metadata"]["uid"], container, command.stdin)
        writer.write(attaching.framed(attaching.STDIN, msgspec.json.encode(wanted)))
        tasks = [
            asyncio.create_task(_typed(channels, writer, command)),
            asyncio.create_task(_sized(channels, writer)),
        ]
        try:
            while True:
                channel, data = await attaching.frame(reader)
                if channel == attaching.RESULT:
                    return 0
                if channel == attaching.ERROR:
                    raise bad_request(data.decode())
                await channels.write(channel, data)
        except ConnectionError as error:
            raise ApiError("InternalError", f"the node has hung up: {error}") from error
        finally:
            for task in tasks:
                task.cancel()
            writer.close()

    # --- port-forward ---------------------------------------------------------------------------------------

    async def dial(self, pod: Thing, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a port on the pod's own loopback. Raises OSError."""
        on_host = pod["spec"].get("hostNetwork")
        space = pod["spec"]["nodeName"] if on_host else pod["metadata"]["uid"]
        loop = asyncio.get_running_loop()
        refused: OSError = ConnectionRefusedError(f"nobody listens on port {port}")
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            try:
                made = await self._holding.socket(space, family)
            except HolderError as error:
                raise OSError(f"the pod has no network: {error}") from error
            made.setblocking(False)
            try:
                await loop.sock_connect(made, (address, port))
            except OSError as error:
                made.close()
                refused = OSError(f"failed to connect to localhost:{port} inside the pod: {error.strerror}")
            else:
                return await asyncio.open_connection(sock=made)
        raise refused

    # --- logs -----------------------------------------------------------------------------------------------

    async def log(self, pod: Thing, ask: LogAsk) -> AsyncIterator[bytes]:
        """Yield the log in pieces; with `follow` until the container ends. Raises ApiError."""
        container = container_of(pod, ask.container)
        folder = self._container(pod, container)
        number = _restarts(pod, container) - (1 if ask.previous else 0)
        if not logs.log_file(folder, number).exists():
            name = pod["metadata"]["name"]
            if ask.previous:
                raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
            earlier = [run for run in logs.runs(folder) if run < number]
            if not earlier:
                why = _waiting(pod, container)
                raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: {why}')
            number = earlier[-1]  # the last run, while the next one waits
        since = ask.since_time
        if ask.since_s is not None:
            since = logs.stamp(self._now_ns() - ask.since_s * 1_000_000_000)
        part = logs.LogPart(ask.timestamps, ask.tail_lines, since, ask.limit_bytes)
        async for piece in logs.read(folder, number, part, follow=ask.follow):
            yield piece


def container_of(pod: Thing, name: str) -> str:
    """Return the container that a request means. Raises ApiError (400) where there is none of that name."""
    spec = pod["spec"]
    groups = ("containers", "initContainers", "ephemeralContainers")
    known = [row["name"] for group in groups for row in spec.get(group) or ()]
    chosen = name or (pod["metadata"].get("annotations") or {}).get(_ANNOTATION) or known[0]
    if chosen not in known:
        raise bad_request(f"container {chosen} is not valid for pod {pod['metadata']['name']}")
    return str(chosen)


def _status(pod: Thing, container: str) -> Thing:
    status = pod.get("status") or {}
    groups = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    rows = (row for group in groups for row in status.get(group) or ())
    return next((row for row in rows if row["name"] == container), {})


def _restarts(pod: Thing, container: str) -> int:
    return int(_status(pod, container).get("restartCount", 0))


def _waiting(pod: Thing, container: str) -> str:
    state = _status(pod, container).get("state") or {}
    return str((state.get("waiting") or {}).get("reason", "ContainerCreating"))


def _pipes(command: Command) -> tuple[list[int], list[int]]:
    """Return our and the command's ends of standard input, output and error."""
    entry, ours_in = os.pipe()
    ours_out, out = os.pipe()
    ours_err, err = os.pipe()
    if not command.stdin:
        os.close(entry)
        entry = os.open(os.devnull, os.O_RDONLY)
    return [ours_in, ours_out, ours_err], [entry, out, err]


async def _carried(
    entry: Entry,
    outputs: dict[int, int],
    channels: Channels,
    ended: "asyncio.Future[int]",
    command: Command,
) -> int:
    """Carry a command's streams until it has ended; end it when the client goes."""
    readers = {channel: await _reader(descriptor) for descriptor, channel in outputs.items()}
    terminal = next(iter(outputs)) if command.tty else None
    side = [asyncio.create_task(_entered(entry, channels, command))]
    if terminal is not None:
        side.append(asyncio.create_task(_resized(terminal, channels)))
    copies = [asyncio.create_task(_copied(channel, pair[0], channels)) for channel, pair in readers.items()]
    try:
        await asyncio.gather(*copies)
        return await asyncio.shield(ended)
    finally:
        for task in (*side, *copies):
            task.cancel()
        await asyncio.gather(*side, *copies, return_exceptions=True)
        for _, transport in readers.values():
            transport.close()
        entry.close()


async def _reader(descriptor: int) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    os.set_blocking(descriptor, False)
    file = os.fdopen(descriptor, "rb", buffering=0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
    return reader, transport


async def _copied(channel: int, reader: asyncio.StreamReader, channels: Channels) -> None:
    while True:
        try:
            data = await reader.read(_PIECE)
        except OSError:  # EIO: nobody has the terminal open any more
            return
        if not data:
            return
        await channels.write(channel, data)


async def _entered(entry: Entry, channels: Channels, command: Command) -> None:
    """Carry standard input; at its end the command sees its end."""
    while data := await channels.read() if command.stdin else b"":
        try:
            await entry.write(data)
        except OSError:
            return
    if not command.tty:
        entry.close()


async def _resized(terminal: int, channels: Channels) -> None:
    while True:
        columns, rows = await channels.resized()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


async def _typed(channels: Channels, writer: asyncio.StreamWriter, command: Command) -> None:
    while data := await channels.read() if command.stdin else b"":
        writer.write(attaching.framed(attaching.STDIN, data))
        await writer.drain()
    if command.stdin:
        writer.write(attaching.framed(attaching.END, b""))


async def _sized(channels: Channels, writer: asyncio.StreamWriter) -> None:
    while True:
        columns, rows = await channels.resized()
        writer.write(attaching.framed(attaching.RESIZE, struct.pack("!HH", columns, rows)))
