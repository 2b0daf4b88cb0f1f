"""A PodRunner whose containers are plain processes of this machine."""

import asyncio
import contextlib

from ocicat.cluster.apiserver.runner import STDERR, STDOUT
from ocicat.cluster.resources.errors import bad_request
from support.apiserver import pod


class LocalPods:
    """Runs what is asked as a child process; `ports` maps the ports of pods to local ones."""

    def __init__(self):
        self.ports = {}
        self.lines = [b"one\n", b"two\n", b"three\n"]
        self.following = asyncio.Event()
        self.commands = []
        self.sizes = []
        self.running = 0

    async def run(self, pod, command, channels):
        self.commands.append(command)
        process = await asyncio.create_subprocess_exec(
            *command.words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

        async def fed():
            with contextlib.suppress(ConnectionError):
                while data := await channels.read() if command.stdin else b"":
                    process.stdin.write(data)
                    await process.stdin.drain()
            process.stdin.close()

        async def told(channel, reader):
            while data := await reader.read(1 << 16):
                await channels.write(channel, data)

        async def sized():
            while True:
                self.sizes.append(await channels.resized())

        self.running += 1
        tasks = [asyncio.create_task(fed()), asyncio.create_task(sized())]
        try:
            await asyncio.gather(told(STDOUT, process.stdout), told(STDERR, process.stderr))
            return await process.wait()
        finally:
            self.running -= 1
            for task in tasks:
                task.cancel()
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def attach(self, pod, command, channels):
        await channels.write(STDOUT, b"attached\n")
        while data := await channels.read():
            await channels.write(STDOUT, data.upper())
        return 0

    async def dial(self, pod, port):
        if port not in self.ports:
            raise ConnectionRefusedError(f"nobody listens on {port}")
        return await asyncio.open_connection("127.0.0.1", self.ports[port])

    async def log(self, pod, ask):
        if ask.container == "absent":
            raise bad_request("container absent is not valid for pod p")
        for line in self.lines[-ask.tail_lines :] if ask.tail_lines else self.lines:
            yield line
        if ask.follow:
            self.running += 1
            try:
                await self.following.wait()
            finally:
                self.running -= 1
            yield b"later\n"


async def run_pod(client, name="p"):
    """Have the API server believe that a pod runs, on a node whose pods are those here."""
    pods = "/api/v1/namespaces/default/pods"
    await client("POST", pods, pod(name))
    await client("POST", f"{pods}/{name}/binding", {"target": {"kind": "Node", "name": "one"}})
    container = {
        "name": "c",
        "ready": True,
        "state": {"running": {}},
        "image": "i",
        "imageID": "",
        "restartCount": 0,
    }
    status = {"status": {"phase": "Running", "containerStatuses": [container]}}
    merge = {"Content_Type": "application/merge-patch+json"}
    await client("PATCH", f"{pods}/{name}/status", status, **merge)
