"""What happens to the API server's state: killed while it writes, and on a disk that is full.

A write is acknowledged when its answer has come. Of those none may be lost, and of the others each is there
as a whole or not at all.
"""

import asyncio
import base64
import contextlib
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest
import yaml

from support.apiserver import config
from support.kubectl import Server, start

pytestmark = pytest.mark.cluster
HERE = "/api/v1/namespaces/default/configmaps"
DEADLINE_S = 60
WRITERS = 8
ROUNDS = 3


@contextlib.asynccontextmanager
async def connected(kubeconfig_text):
    """A session of the administrator."""
    given = yaml.safe_load(kubeconfig_text)
    cluster = given["clusters"][0]["cluster"]
    context = ssl.create_default_context(
        cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
    )
    connector = aiohttp.TCPConnector(ssl=context, limit=0)
    headers = {"Authorization": f"Bearer {given['users'][0]['user']['token']}"}
    timeout = aiohttp.ClientTimeout(total=DEADLINE_S)
    async with aiohttp.ClientSession(
        cluster["server"], connector=connector, headers=headers, timeout=timeout
    ) as one:
        yield one


class Written:
    """What has been acknowledged, by name, and what was sent and not answered."""

    def __init__(self):
        self.known, self.unknown, self.count = {}, {}, 0

    async def write(self, session, name, value):
        """Put a value, whether the object is there or not; None deletes it."""
        self.unknown[name] = value
        if value is None:
            method, path, body = "DELETE", f"{HERE}/{name}", None
        elif self.known.get(name) is None:
            method, path, body = "POST", HERE, config(name, v=value)
        else:
            method, path, body = "PUT", f"{HERE}/{name}", config(name, v=value)
        async with session.request(method, path, json=body) as answer:
            await answer.read()
            assert answer.status in (200, 201), (method, name, answer.status)
        self.known[name] = value
        del self.unknown[name]
        self.count += 1


async def _writes(written, session, writer, begun):
    """Write without end: create, change twice, delete, again."""
    for number in range(100_000):
        name = f"w{writer}-{number // 4 % 5}"
        step = number % 4
        if step != 3 or number % 8 == 3:
            await written.write(session, name, None if step == 3 else f"{begun}-{number}")


async def _stored(session):
    async with session.get(HERE) as answer:
        items = (await answer.json())["items"]
    return {row["metadata"]["name"]: row["data"]["v"] for row in items if "v" in (row.get("data") or {})}


async def test_nothing_acknowledged_is_lost_by_a_kill(tmp_path):
    written = Written()
    for begun in range(ROUNDS):
        server = start(tmp_path)
        async with connected(server.kubeconfig.read_text()) as session:
            _compare(written, await _stored(session))
            before = written.count
            tasks = [asyncio.create_task(_writes(written, session, each, begun)) for each in range(WRITERS)]
            deadline = time.monotonic() + DEADLINE_S
            while written.count < before + WRITERS * 8 and time.monotonic() < deadline:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(server.kill)
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(end, aiohttp.ClientError | ConnectionError) for end in ends), ends
    server = start(tmp_path)
    async with connected(server.kubeconfig.read_text()) as session:
        _compare(written, await _stored(session))
    assert server.stop() == 0
    assert written.count >= ROUNDS * WRITERS * 8


def _compare(written, found):
    """What was not answered may have happened or not; from now on it is known which."""
    for name, value in written.unknown.items():
        if found.get(name) == value:
            written.known[name] = value
    written.unknown.clear()
    assert found == {name: value for name, value in written.known.items() if value is not None}


class SmallDisk:
    """A file system of a few megabytes in a mount namespace of the test's own; no right is needed for it."""

    def __init__(self, folder, size):
        self.folder = folder
        words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
        mounted = f'mount -t tmpfs -o size={size} tmpfs "$0" && echo mounted && exec sleep 600'
        self.holder = subprocess.Popen([*words, mounted, str(folder)], stdout=subprocess.PIPE, text=True)
        with self.holder.stdout as said:
            assert said.readline() == "mounted\n"

    def command(self, *words):
        return [
            "nsenter",
            f"--target={self.holder.pid}",
            "--user",
            "--mount",
            "--preserve-credentials",
            *words,
        ]

    def seen(self, name):
        """A file on the disk, as seen from outside."""
        path = Path(f"/proc/{self.holder.pid}/root{self.folder}/{name}")
        return path.read_text() if path.exists() else ""

    def grow(self, size):
        subprocess.run(self.command("mount", "-o", f"remount,size={size}", str(self.folder)), check=True)

    def start(self):
        words = [sys.executable, "-m", "ocicat.cluster.apiserver", "--data", str(self.folder), "--port", "0"]
        kubeconfig = self.seen("kubeconfig")
        with (self.folder.parent / "log").open("ab") as log:
            process = subprocess.Popen(self.command(*words), stdout=log, stderr=log)
        deadline = time.monotonic() + DEADLINE_S
        while not (found := self.seen("kubeconfig")) or found == kubeconfig:
            assert process.poll() is None, (self.folder.parent / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return Server(self.folder, process)

    def close(self):
        self.holder.send_signal(signal.SIGKILL)
        self.holder.wait(DEADLINE_S)


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    made = SmallDisk(folder, "8m")
    yield made
    made.close()


async def _put(session, name, value):
    """Put a value; return the status and what was said."""
    async with session.post(HERE, json=config(name, v=value)) as answer:
        return answer.status, await answer.json()


async def _probed(session, path):
    """Return the status of a probe, and its last line."""
    async with session.get(path) as answer:
        return answer.status, (await answer.text()).strip().split("\n")[-1]


async def test_a_full_disk_refuses_writes_and_loses_none(disk):
    server = disk.start()
    large = "x" * 200_000
    acknowledged = {}
    async with connected(disk.seen("kubeconfig")) as session:
        for number in range(200):
            status, said = await _put(session, f"c{number}", large + str(number))
            if status != 201:
                break
            acknowledged[f"c{number}"] = large + str(number)
        assert (status, said["reason"]) == (500, "InternalError")
        assert "database or disk is full" in said["message"]
        assert len(acknowledged) > 5
        assert await _stored(session) == acknowledged, "what was refused is not seen, and all else is read"
        assert await _probed(session, "/readyz") == (500, "readyz check failed")
        assert await _probed(session, "/livez") == (200, "ok")
        async with session.get(f"{HERE}?watch=1&resourceVersion=0&timeoutSeconds=1") as answer:
            lines = (await answer.text()).count("\n")
        assert lines >= len(acknowledged), "watches go on"
        disk.grow("64m")
        status, _ = await _put(session, "after", "y")
        assert status == 201, "and when there is room again, so do writes"
        acknowledged["after"] = "y"
        assert await _probed(session, "/readyz") == (200, "ok")
        await asyncio.to_thread(server.kill)
    again = disk.start()
    async with connected(disk.seen("kubeconfig")) as session:
        assert await _stored(session) == acknowledged
    assert again.stop() == 0
