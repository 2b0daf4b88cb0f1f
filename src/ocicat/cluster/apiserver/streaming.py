"""`StreamingNode`: logs, exec, attach and port-forward for clients of every age, on top of a `PodRunner`.

Exec and attach come as WebSocket (channels in the first byte of messages) or as SPDY (one stream per
channel); port-forward as SPDY, by itself or within a WebSocket. Source: spec/kubernetes-api §9.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

from ocicat.cluster.apiserver.channels import SocketChannels, SpdyChannels
from ocicat.cluster.apiserver.pipes import MESSAGE_LIMIT, Pipe, RawPipe, SocketPipe
from ocicat.cluster.apiserver.runner import Command, LogAsk, PodRunner
from ocicat.cluster.apiserver.spdysession import Session, Stream
from ocicat.cluster.resources.errors import ApiError, bad_request
from ocicat.cluster.resources.request import flag
from ocicat.cluster.streams.channels import PROTOCOLS, TUNNEL
from ocicat.cluster.streams.status import ended as ended_status

_SPDY_PROTOCOLS: Final = ("v4.channel.k8s.io",)
_PORTFORWARD: Final = "portforward.k8s.io"
_WAIT_S: Final = 30.0
"""Seconds in which a client must open the streams that it asked for."""
_PIECE: Final = 1 << 16

Run = Callable[[Any], Awaitable[int]]


class StreamingNode:
    """A `NodeConnector` that speaks the stream protocols and leaves the pods to a runner."""

    def __init__(self, runner: PodRunner) -> None:
        self._runner: Final = runner

    async def serve(self, pod: Mapping[str, Any], part: str, request: web.BaseRequest) -> web.StreamResponse:
        """Answer the request for `part` of a pod. Raises ApiError before a stream begins."""
        if part == "log":
            return await self._log(pod, request)
        if part == "portforward":
            return await self._forward(pod, request)
        command = command_of(request)
        run = self._runner.run if part == "exec" else self._runner.attach
        if part == "exec" and not command.words:
            raise bad_request("you must specify at least one command for the container")
        if is_websocket(request):
            return await self._by_socket(pod, command, run, request)
        return await self._by_spdy(pod, command, run, request)

    async def _log(self, pod: Mapping[str, Any], request: web.BaseRequest) -> web.StreamResponse:
        pieces = self._runner.log(pod, log_ask(request))
        first = await anext(pieces, b"")  # so that a refusal is still an answer of its own
        answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
        with contextlib.suppress(ConnectionError):
            await answer.prepare(request)
            await answer.write(first)
            async for piece in pieces:
                await answer.write(piece)
            await answer.write_eof()
        return answer

    async def _by_socket(
        self, pod: Mapping[str, Any], command: Command, run: Any, request: web.BaseRequest
    ) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=MESSAGE_LIMIT)
        await socket.prepare(request)
        channels = SocketChannels(socket, socket.ws_protocol or "")
        reading = asyncio.create_task(channels.serve())
        try:
            ended = await _outcome(run(pod, command, channels))
            with contextlib.suppress(ConnectionError):
                await channels.finish(ended)
        finally:
            await _cancelled(reading)
        await socket.close()
        return socket

    async def _by_spdy(
        self, pod: Mapping[str, Any], command: Command, run: Any, request: web.BaseRequest
    ) -> web.StreamResponse:
        protocol = _agreed(request, _SPDY_PROTOCOLS)
        pipe = await RawPipe.taken_over(
            request, {"Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": protocol}
        )
        session = Session(pipe)
        reading = asyncio.create_task(session.serve())
        try:
            async with asyncio.timeout(_WAIT_S):
                channels = await SpdyChannels.opened(session, command)
            ended = await _outcome(run(pod, command, channels))
            with contextlib.suppress(ConnectionError):
                await channels.finish(ended)
                await asyncio.wait([reading], timeout=1.0)  # the client closes when it has read all
        except (TimeoutError, ConnectionError):
            pass  # it opened too little, or is gone: there is nobody to tell
        finally:
            await _cancelled(reading)
        return pipe.answer

    async def _forward(self, pod: Mapping[str, Any], request: web.BaseRequest) -> web.StreamResponse:
        if is_websocket(request):
            socket = web.WebSocketResponse(protocols=(TUNNEL,), max_msg_size=MESSAGE_LIMIT)
            await socket.prepare(request)
            await self._tunnel(pod, SocketPipe(socket))
            await socket.close()
            return socket
        protocol = _agreed(request, (_PORTFORWARD,))
        headers = {"Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": protocol}
        pipe = await RawPipe.taken_over(request, headers)
        await self._tunnel(pod, pipe)
        return pipe.answer

    async def _tunnel(self, pod: Mapping[str, Any], pipe: Pipe) -> None:
        session = Session(pipe)
        halves: dict[str, dict[str, Stream]] = {}
        connections: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:
            group.create_task(session.serve())
            while (stream := await session.opened.get()) is not None:
                name = stream.headers.get("requestid", str(stream.number))
                pair = halves.setdefault(name, {})
                pair[stream.headers.get("streamtype", "")] = stream
                if "error" in pair and "data" in pair:
                    del halves[name]
                    joined = group.create_task(self._connect(pod, session, pair["error"], pair["data"]))
                    connections.add(joined)
                    joined.add_done_callback(connections.discard)
            for joined in connections:
                joined.cancel()  # the client is gone; a pod that never ends its side would keep them for ever

    async def _connect(self, pod: Mapping[str, Any], session: Session, error: Stream, data: Stream) -> None:
        with contextlib.suppress(ConnectionError):
            try:
                reader, writer = await self._runner.dial(pod, int(data.headers.get("port", "0")))
            except (OSError, ValueError) as failed:
                await error.write(f"an error occurred forwarding: {failed}".encode())
            else:
                await _joined(data, reader, writer)
            for stream in (error, data):
                await stream.end()
                session.forget(stream)


async def _joined(data: Stream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes both ways until the pod's side ends, or the client is gone."""

    async def inwards() -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await data.read():
                writer.write(piece)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()

    task = asyncio.create_task(inwards())
    try:
        while piece := await reader.read(_PIECE):
            await data.write(piece)
    finally:
        await _cancelled(task)
        writer.close()


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _outcome(running: Awaitable[int]) -> bytes:
    """Return the Status that tells how a command ended."""
    try:
        return ended_status(await running)
    except ApiError as refused:
        return msgspec.json.encode(refused.status)


def is_websocket(request: web.BaseRequest) -> bool:
    """Tell whether a request asks for a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


def _agreed(request: web.BaseRequest, known: tuple[str, ...]) -> str:
    """Return the best protocol that both sides know. Raises ApiError (400, 403)."""
    if request.headers.get("Upgrade", "").lower() != "spdy/3.1":
        raise bad_request("Upgrade request required")
    offered = [
        word.strip()
        for line in request.headers.getall("X-Stream-Protocol-Version", [])
        for word in line.split(",")
    ]
    found = next((word for word in offered if word in known), None)
    if found is None:
        raise ApiError(
            "Forbidden", f"unable to upgrade: none of {', '.join(offered) or 'no'} protocols is known here"
        )
    return found


def command_of(request: web.BaseRequest) -> Command:
    """Return what an exec or attach asks for. Raises ApiError (400) where it asks for no stream."""
    query = request.query
    wanted = {name: flag(query, name) for name in ("stdin", "stdout", "stderr", "tty")}
    if not (wanted["stdin"] or wanted["stdout"] or wanted["stderr"]):
        raise bad_request("you must specify at least 1 of stdin, stdout, stderr")
    if wanted["tty"]:
        wanted["stderr"] = False  # a terminal has one output
    return Command(query.get("container", ""), tuple(query.getall("command", [])), **wanted)


def log_ask(request: web.BaseRequest) -> LogAsk:
    """Return which part of the log is asked for. Raises ApiError (400)."""
    query = request.query
    return LogAsk(
        query.get("container", ""),
        follow=flag(query, "follow"),
        previous=flag(query, "previous"),
        timestamps=flag(query, "timestamps"),
        tail_lines=_whole(query, "tailLines"),
        since_s=_whole(query, "sinceSeconds"),
        since_time=query.get("sinceTime", ""),
        limit_bytes=_whole(query, "limitBytes"),
    )


def _whole(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is not None and not (text.isascii() and text.isdigit()):
        raise bad_request(f"invalid value for {name}: {text[:40]!r}")
    return None if text is None else int(text)
