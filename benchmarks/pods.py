"""How soon pods run, and what they cost beside their own processes.

A cluster of one node by `ocicat up`, on free ports, with everything that belongs to it (agent, hub, console,
name server). A pod runs when the API says so, which is after its packets are let through. What pods cost is
the growth from none to many: of our own processes by their proportional set size, of the kernel by what
/proc/meminfo has of slabs, per-cpu memory, stacks and page tables (the whole machine's: it should be idle).
"""

import asyncio
import contextlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.report import Table
from ocicat.cluster.client import ApiClient, UnreachableError, connect

SINGLE = 20
IDLE = 200
DEADLINE_S = 300
SETTLE_S = 5
HERE = "/api/v1/namespaces/default/pods"
KERNEL = ("Slab", "Percpu", "KernelStack", "PageTables")


def measure() -> list[Table]:
    """Run everything; takes about two minutes."""
    with tempfile.TemporaryDirectory(prefix="oc") as folder, cluster(Path(folder)) as (process, began):
        return asyncio.run(_measured(Path(folder), process.pid, began))


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[tuple["subprocess.Popen[bytes]", float]]:
    """A cluster, and when it was begun."""
    options = ["--home", str(folder), "--port", "0", "--console-port", "0"]
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "ocicat", "up", *options], stdout=subprocess.DEVNULL)
    try:
        yield process, began
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(DEADLINE_S)


async def _measured(folder: Path, pid: int, began: float) -> list[Table]:
    kubeconfig = folder / "default" / "api" / "kubeconfig"
    while not kubeconfig.exists():
        await asyncio.sleep(0.005)
    client = connect(str(kubeconfig))
    while True:
        with contextlib.suppress(UnreachableError):
            await client.get("/readyz")
            break
        await asyncio.sleep(0.005)
    rows = [["`ocicat up` to API ready, an empty folder", f"{time.perf_counter() - began:.2f} s"]]
    await _until_running(client, "/api/v1/namespaces/kube-system/pods", 1)
    rows.append(["… to the name server ready", f"{time.perf_counter() - began:.2f} s"])
    await asyncio.sleep(SETTLE_S)
    rows += await _singly(client)
    rows += await _many(client, pid)
    await client.close()
    note = "Aims: 3 s to ready; a pod runs within 1 s; 200 idle pods; 3 MB a pod beside its own processes."
    return [Table("Pods of the embedded cluster", ["what", "figure"], rows, note)]


def pod(name: str) -> dict[str, Any]:
    """A pod that does nothing."""
    container = {"name": "c", "image": "busybox", "command": ["sleep", "100000"]}
    metadata = {"name": name, "labels": {"app": "idle"}}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


async def _singly(client: ApiClient) -> list[list[str]]:
    times = []
    for number in range(SINGLE):
        begin = time.perf_counter()
        await client.post(HERE, pod(f"one-{number}"))
        while _phase(await client.get(f"{HERE}/one-{number}")) != "Running":
            await asyncio.sleep(0.005)
        times.append(time.perf_counter() - begin)
        await client.delete(f"{HERE}/one-{number}")
    worst = f"{max(times) * 1000:.0f} ms"
    return [
        ["a pod, from create to Running, p50 / worst", f"{statistics.median(times) * 1000:.0f} ms / {worst}"]
    ]


def _phase(raw: bytes) -> str:
    found: dict[str, Any] = msgspec.json.decode(raw)
    return str((found.get("status") or {}).get("phase"))


async def _until_running(client: ApiClient, path: str, count: int) -> None:
    while True:
        items = msgspec.json.decode(await client.get(path))["items"]
        rows = [row for item in items for row in (item.get("status") or {}).get("containerStatuses") or ()]
        if sum(bool(row["ready"]) for row in rows) >= count:
            return
        await asyncio.sleep(0.05)


async def _many(client: ApiClient, pid: int) -> list[list[str]]:
    await _until_gone(client)
    await asyncio.sleep(SETTLE_S)
    own, kernel = _own_kib(pid), _kernel_kib()
    begin = time.perf_counter()
    for number in range(IDLE):
        await client.post(HERE, pod(f"idle-{number}"))
    await _until_running(client, HERE, IDLE)
    took_s = time.perf_counter() - begin
    await asyncio.sleep(SETTLE_S)
    own_each, kernel_each = (
        (now - then) / IDLE for now, then in ((_own_kib(pid), own), (_kernel_kib(), kernel))
    )
    theirs = sum(_pss_kib(one) for one in _descendants(pid) if "sleep 100000" in _words(one)) / IDLE
    return [
        [f"{IDLE} idle pods, created at once, to all Running", f"{took_s:.1f} s"],
        ["a pod's own process (`sleep`)", f"{theirs:.0f} KiB"],
        ["growth of all our processes, for each pod", f"{own_each:.0f} KiB"],
        ["growth of the kernel's memory, for each pod", f"{kernel_each:.0f} KiB"],
    ]


async def _until_gone(client: ApiClient) -> None:
    while msgspec.json.decode(await client.get(HERE))["items"]:
        await asyncio.sleep(0.1)


def _own_kib(pid: int) -> float:
    """The proportional set size of all processes of the cluster but those of idle pods."""
    rest = [one for one in _descendants(pid) if "sleep 100000" not in _words(one)]
    return sum(_pss_kib(one) for one in (pid, *rest))


def _pss_kib(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def _kernel_kib() -> float:
    rows = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return sum(int(rows[name].split()[0]) for name in KERNEL)


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *_descendants(child)]
    return found


def _words(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""
