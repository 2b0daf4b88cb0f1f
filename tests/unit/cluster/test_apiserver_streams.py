"""Streams over HTTP: channels, refusals, and clients that vanish (spec/kubernetes-api §9)."""

import asyncio
import json

import aiohttp
import pytest

from ocicat.cluster.apiserver.spdysession import STREAMS_LIMIT
from ocicat.cluster.apiserver.streaming import StreamingNode
from ocicat.cluster.streams.spdy import Connection
from support.apiserver import DEADLINE_S, pod, serving
from support.clocks import until
from support.localpods import LocalPods

PODS = "/api/v1/namespaces/default/pods"
UPGRADE = {"Upgrade": "SPDY/3.1", "Connection": "Upgrade"}


class Bound:
    """A server with one pod that has a node, and the way to its streams."""

    def __init__(self, client, pods):
        self.client = client
        self.pods = pods

    def socket(self, path, protocol="v5.channel.k8s.io"):
        headers = self.client.headers()
        return self.client.session.ws_connect(f"{PODS}/p/{path}", protocols=[protocol], headers=headers)


async def bound(client, pods):
    await client("POST", PODS, pod("p"))
    await client("POST", f"{PODS}/p/binding", {"target": {"kind": "Node", "name": "one"}})
    return Bound(client, pods)


async def test_channels_of_a_websocket(tmp_path):
    pods = LocalPods()
    async with serving(tmp_path, node=StreamingNode(pods)) as client:
        here = await bound(client, pods)
        async with here.socket("exec?command=cat&stdin=true&stdout=true&stderr=true") as socket:
            assert socket.protocol == "v5.channel.k8s.io"
            await socket.send_bytes(b"")
            await socket.send_bytes(b"\x00")
            await socket.send_bytes(b"\x04" + json.dumps({"Width": 80, "Height": 24}).encode())
            await socket.send_bytes(b"\x04nonsense")
            await socket.send_bytes(b"\x00hello")
            assert await socket.receive_bytes(timeout=DEADLINE_S) == b"\x01hello"
            await until(lambda: pods.sizes == [(80, 24)])
            await socket.send_bytes(b"\xff\x00")
            status = await socket.receive_bytes(timeout=DEADLINE_S)
            assert (status[:1], json.loads(status[1:])["status"]) == (b"\x03", "Success")
            assert (await socket.receive(timeout=DEADLINE_S)).type is aiohttp.WSMsgType.CLOSE


async def test_exit_codes_are_told(tmp_path):
    pods = LocalPods()
    async with serving(tmp_path, node=StreamingNode(pods)) as client:
        here = await bound(client, pods)
        words = "exec?command=sh&command=-c&command=exit%203&stdout=1"
        async with here.socket(words, "v4.channel.k8s.io") as socket:
            status = json.loads((await socket.receive_bytes(timeout=DEADLINE_S))[1:])
        assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
        assert status["reason"] == "NonZeroExitCode"


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        ("exec?command=x&stdout=1", {}, 400),
        ("exec?command=x", UPGRADE, 400),
        ("exec?stdout=1", UPGRADE, 400),
        ("exec?command=x&stdout=1", UPGRADE, 403),
        ("portforward", {}, 400),
        ("log?tailLines=x", {}, 400),
        ("log?container=absent", {}, 400),
    ],
)
async def test_requests_that_ask_for_no_stream(tmp_path, path, headers, code):
    pods = LocalPods()
    async with serving(tmp_path, node=StreamingNode(pods)) as client:
        await bound(client, pods)
        method = "GET" if path.startswith("log") else "POST"
        assert (await client.refused(method, f"{PODS}/p/{path}", **headers))["code"] == code


async def test_clients_that_vanish_end_their_commands(tmp_path):
    pods = LocalPods()
    async with serving(tmp_path, node=StreamingNode(pods)) as client:
        here = await bound(client, pods)
        for _ in range(3):
            socket = await here.socket("exec?command=cat&stdin=1&stdout=1")
            await socket.send_bytes(b"\x00x")
            await socket.receive_bytes(timeout=DEADLINE_S)
            assert pods.running == 1
            socket._response.connection.transport.abort()
            await until(lambda: pods.running == 0)
        silent = await here.socket("exec?command=sleep&command=1000&stdout=1")
        await until(lambda: pods.running == 1)
        silent._response.connection.transport.abort()
        await until(lambda: pods.running == 0)
        following = await client.session.get(f"{PODS}/p/log?follow=1", headers=client.headers())
        await until(lambda: pods.running == 1)
        following.connection.transport.abort()
        await until(lambda: pods.running == 0)
        await client("GET", "/version")


class Dialled(LocalPods):
    """Pods whose program takes connections and never says or ends anything; `writers` are our ends."""

    def __init__(self):
        super().__init__()
        self.writers = []
        self.over = asyncio.Event()

    async def silent(self, reader, writer):
        await self.over.wait()
        writer.close()

    async def dial(self, pod, port):
        reader, writer = await super().dial(pod, port)
        self.writers.append(writer)
        return reader, writer


def forwarded(number, connection):
    """Return the frames that open a connection to port 80."""
    streams = ((number, "error"), (number + 2, "data"))
    heads = [{"streamtype": kind, "port": "80", "requestid": str(number)} for _, kind in streams]
    return b"".join(connection.open(stream, head) for (stream, _), head in zip(streams, heads, strict=True))


async def test_forwards_that_vanish_end_their_connections(tmp_path):
    pods = Dialled()
    listening = await asyncio.start_server(pods.silent, "127.0.0.1", 0)
    pods.ports[80] = listening.sockets[0].getsockname()[1]
    async with serving(tmp_path, node=StreamingNode(pods)) as client:
        here = await bound(client, pods)
        for how in ("abort", "close", "nonsense", "goaway"):
            pods.writers.clear()
            socket = await here.socket("portforward", "SPDY/3.1+portforward.k8s.io")
            spdy = Connection()
            frames = b"".join(forwarded(number, spdy) for number in (1, 5, 9))
            await socket.send_bytes(b"")
            for position in range(0, len(frames), 50):
                await socket.send_bytes(frames[position : position + 50])
            await socket.send_bytes(spdy.data(3, b"hello", finish=True))
            await until(lambda: len(pods.writers) == 3)
            if how == "abort":
                socket._response.connection.transport.abort()
            elif how == "nonsense":
                await socket.send_bytes(b"\x80\x03\x00\x01\xff" + b"x" * 100)
            elif how == "goaway":
                await socket.send_bytes(spdy.goaway())
            else:
                await socket.close()
            await until(lambda: all(writer.is_closing() for writer in pods.writers))
            await socket.close()
        await client("GET", "/version")
    pods.over.set()
    listening.close()
    await listening.wait_closed()


async def test_too_many_streams_end_the_session(tmp_path):
    pods = LocalPods()
    async with serving(tmp_path, node=StreamingNode(pods)) as client:
        here = await bound(client, pods)
        socket = await here.socket("portforward", "SPDY/3.1+portforward.k8s.io")
        spdy = Connection()
        for number in range(1, 2 * STREAMS_LIMIT + 3, 2):
            await socket.send_bytes(spdy.open(number, {"streamtype": "data", "requestid": str(number)}))
        async with asyncio.timeout(DEADLINE_S):
            while (await socket.receive()).type is aiohttp.WSMsgType.BINARY:
                pass
        await socket.close()
        await client("GET", "/version")
