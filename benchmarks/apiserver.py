"""How fast the embedded API server answers, and how many watchers it bears.

One server in a process of its own, its state on disk; the client is another process over TLS on the loopback:
both share the machine's cores, as kubectl and the server do. A watcher counts as served when it has seen
every change. Times are those of the client, the decoding of answers left out.
"""

import asyncio
import json
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import yaml

from benchmarks.report import Table

PODS = 5_000
CREATES = 2_000
AT_ONCE = 8
WATCHERS = 1_000
CHANGES = 20
DEADLINE_S = 300
HERE = "/api/v1/namespaces/default/pods"
AS_TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


def measure() -> list[Table]:
    """Run everything; takes about a minute."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        command = [sys.executable, "-m", "ocicat.cluster.apiserver", "--data", folder, "--port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            kubeconfig = Path(folder) / "kubeconfig"
            while not kubeconfig.exists():
                time.sleep(0.005)
            started_s = time.perf_counter() - begin
            rows = asyncio.run(_measured(Path(folder), process.pid))
        finally:
            process.terminate()
            process.wait(DEADLINE_S)
    first = ["start to ready, first time", f"{started_s:.2f} s"]
    return [Table("API server", ["what", "figure"], [first, *rows], "Pods of one small container each.")]


async def _measured(folder: Path, pid: int) -> list[list[str]]:
    config = yaml.safe_load((folder / "kubeconfig").read_text())
    context = ssl.create_default_context(cafile=str(folder / "pki" / "ca.crt"))
    connector = aiohttp.TCPConnector(ssl=context, limit=0)
    headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
    url = config["clusters"][0]["cluster"]["server"]
    async with aiohttp.ClientSession(url, connector=connector, headers=headers) as session:
        rows = [await _creates(session)]
        await _fill(session)
        rows += [
            await _read(session, f"list of {PODS:,} pods", HERE, {}),
            await _read(session, f"list of {PODS:,} pods as a table", HERE, AS_TABLE),
            await _read(
                session, f"selector that finds 100 of {PODS:,}", f"{HERE}?labelSelector=app%3Da1", {}
            ),
            await _read(session, "one pod", f"{HERE}/p1", {}),
        ]
        return [*rows, *await _watchers(session), ["memory of the server with all this", _memory(pid)]]


def _pod(number: int) -> bytes:
    metadata = {"name": f"p{number}", "labels": {"app": f"a{number % (PODS // 100)}"}}
    container = {"name": "c", "image": "nginx:1", "ports": [{"containerPort": 80}]}
    return json.dumps({"metadata": metadata, "spec": {"containers": [container]}}).encode()


async def _post(session: aiohttp.ClientSession, numbers: range) -> None:
    async def some(mine: range) -> None:
        for number in mine:
            async with session.post(
                HERE, data=_pod(number), headers={"Content-Type": "application/json"}
            ) as answer:
                assert answer.status == 201, await answer.text()
                await answer.read()

    await asyncio.gather(*(some(numbers[first::AT_ONCE]) for first in range(AT_ONCE)))


async def _creates(session: aiohttp.ClientSession) -> list[str]:
    begin = time.perf_counter()
    await _post(session, range(CREATES))
    rate = CREATES / (time.perf_counter() - begin)
    return [f"creates of pods, {AT_ONCE} at once", f"{rate:,.0f}/s"]


async def _fill(session: aiohttp.ClientSession) -> None:
    await _post(session, range(CREATES, PODS))


async def _read(session: aiohttp.ClientSession, what: str, path: str, headers: dict[str, str]) -> list[str]:
    times = []
    for _ in range(10):
        begin = time.perf_counter()
        async with session.get(path, headers=headers) as answer:
            size = len(await answer.read())
        times.append(time.perf_counter() - begin)
    return [what, f"{sorted(times)[5] * 1000:,.1f} ms ({size / 1e6:,.2f} MB)"]


async def _watchers(session: aiohttp.ClientSession) -> list[list[str]]:
    async with session.get(f"{HERE}?limit=1") as answer:
        revision = (await answer.json())["metadata"]["resourceVersion"]
    ready = asyncio.Semaphore(0)

    async def watch() -> None:
        async with session.get(f"{HERE}?watch=1&resourceVersion={revision}") as answer:
            ready.release()
            for _ in range(CHANGES):
                await answer.content.readline()

    begin = time.perf_counter()
    tasks = [asyncio.create_task(watch()) for _ in range(WATCHERS)]
    for _ in tasks:
        await ready.acquire()
    opened_s = time.perf_counter() - begin
    begin = time.perf_counter()
    await _post(session, range(PODS, PODS + CHANGES))
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(*tasks)
    took_s = time.perf_counter() - begin
    events = WATCHERS * CHANGES
    return [
        [f"{WATCHERS:,} watches opened", f"{opened_s:.2f} s"],
        [
            f"{CHANGES} changes seen by each of {WATCHERS:,} watchers",
            f"{took_s:.2f} s ({events / took_s:,.0f} events/s)",
        ],
    ]


def _memory(pid: int) -> str:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return f"{int(line.split()[1]) / 1024:,.0f} MB"
    return "unknown"
