"""Logs, exec, attach and port-forward with kubectls of every age (spec/kubernetes-api §9).

1.20 speaks SPDY alone, 1.30 WebSocket for exec and SPDY for port-forward, 1.31 and later WebSocket for all.
"""

import asyncio
import contextlib

import pytest

from ocicat.cluster.apiserver.streaming import StreamingNode
from support.apiserver import DEADLINE_S, serving
from support.kubectl import Kubectl, required
from support.localpods import LocalPods, run_pod

pytestmark = pytest.mark.cluster


@pytest.fixture(params=["1.20", "1.30", "1.32"])
def version(request):
    required(request.param)
    return request.param


class Here:
    """A pod that runs, and a kubectl to reach into it."""

    def __init__(self, pods, kubectl):
        self.pods = pods
        self.kubectl = kubectl

    async def start(self, *words):
        return await asyncio.create_subprocess_exec(
            self.kubectl.path, *words, env=self.kubectl.environment,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def run(self, *words, stdin=b""):
        process = await self.start(*words)
        async with asyncio.timeout(DEADLINE_S):
            out, err = await process.communicate(stdin)
        return process.returncode, out, err


@contextlib.asynccontextmanager
async def running(tmp_path, version):
    pods = LocalPods()
    async with serving(tmp_path / "state", node=StreamingNode(pods)) as client:
        await run_pod(client)
        kubectl = Kubectl(required(version), version, tmp_path / "state" / "kubeconfig", tmp_path)
        yield Here(pods, kubectl)


async def test_exec(tmp_path, version):
    async with running(tmp_path, version) as here:
        assert await here.run("exec", "p", "--", "echo", "hello") == (0, b"hello\n", b"")
        code, out, err = await here.run("exec", "p", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
        assert (code, out) == (7, b"out\n")
        assert err == b"err\ncommand terminated with exit code 7\n"
        code, out, _ = await here.run("exec", "-i", "p", "--", "sort", stdin=b"b\na\n")
        assert (code, out) == (0, b"a\nb\n"), "standard input ends"
        much = bytes(range(256)) * 8192
        code, out, _ = await here.run("exec", "-i", "p", "--", "cat", stdin=much)
        assert (code, out == much) == (0, True), "two megabytes, both ways"
        assert here.pods.commands[0].words == ("echo", "hello")


async def test_attach(tmp_path, version):
    async with running(tmp_path, version) as here:
        code, out, _ = await here.run("attach", "-i", "p", stdin=b"quiet\n")
        assert (code, out) == (0, b"attached\nQUIET\n")


async def test_logs(tmp_path, version):
    async with running(tmp_path, version) as here:
        assert (await here.run("logs", "p"))[1] == b"one\ntwo\nthree\n"
        assert (await here.run("logs", "p", "--tail=1"))[1] == b"three\n"
        process = await here.start("logs", "-f", "p")
        async with asyncio.timeout(DEADLINE_S):
            assert [await process.stdout.readline() for _ in range(3)] == here.pods.lines
            here.pods.following.set()
            assert await process.stdout.readline() == b"later\n"
            assert await process.wait() == 0
        code, _, err = await here.run("logs", "p", "-c", "absent")
        assert code == 1
        assert b"absent is not valid for pod p" in err


async def test_port_forward(tmp_path, version):
    async def shout(reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                writer.write(data.upper())
                await writer.drain()
        writer.close()

    async with running(tmp_path, version) as here:
        server = await asyncio.start_server(shout, "127.0.0.1", 0)
        here.pods.ports[80] = server.sockets[0].getsockname()[1]
        process = await here.start("port-forward", "--address=127.0.0.1", "pod/p", ":80")
        try:
            async with asyncio.timeout(DEADLINE_S):
                line = await process.stdout.readline()
                port = int(line.split(b" -> ")[0].rpartition(b":")[2])

                async def said(text):
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.write(text)
                    writer.write_eof()
                    answer = await reader.read()
                    writer.close()
                    return answer

                assert await said(b"hello") == b"HELLO"
                texts = [bytes([97 + n]) * 200_000 for n in range(5)]
                assert await asyncio.gather(*map(said, texts)) == [text.upper() for text in texts]
        finally:
            process.terminate()
            await process.wait()
            server.close()


async def test_a_port_that_nobody_listens_on(tmp_path, version):
    async with running(tmp_path, version) as here:
        process = await here.start("port-forward", "--address=127.0.0.1", "pod/p", ":81")
        try:
            async with asyncio.timeout(DEADLINE_S):
                line = await process.stdout.readline()
                port = int(line.split(b" -> ")[0].rpartition(b":")[2])
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
                writer.close()
                said = b""
                while b"nobody listens on 81" not in said:
                    said += await process.stderr.readline()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
