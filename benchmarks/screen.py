"""From the packet to the screen: how long after a pod has sent a packet its row stands in an open browser.

`ocicat up` on this machine, chromium on its console. A pod sends a packet twice a second, each to
another port of another pod, so that each is a row of its own; it notes the time before it sends. The
page is looked at every few milliseconds, with the same clock. All the way is in it: kernel, agent, flow
API, hub, event stream, drawing.
"""

import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.report import Table

PACKETS = 120
EVERY_S = 0.5
FIRST_PORT = 20_000
START_S = 60.0
ROWS = "[...document.querySelectorAll('[data-row]')].map(row => row.innerText).join('\\n')"
SENDER = f"""
import socket, sys, time
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range({PACKETS}):
    began = time.time()
    sender.sendto(b"x", (sys.argv[1], {FIRST_PORT} + number))
    print({FIRST_PORT} + number, began, flush=True)
    time.sleep({EVERY_S})
"""


def measure() -> list[Table]:
    """Run everything; takes a minute and a half."""
    kubectl = shutil.which("kubectl")
    if not kubectl:
        raise SystemExit("benchmarks.screen needs kubectl")
    with (
        tempfile.TemporaryDirectory(prefix="ocicat-bench-") as name,
        cluster(Path(name)) as (url, kubeconfig),
    ):
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}

        def run(*words: str) -> str:
            return subprocess.run(
                [kubectl, *words], env=environment, capture_output=True, text=True, check=True
            ).stdout

        run("create", "namespace", "bench")
        for pod in ("sender", "taker"):
            run("run", "-n", "bench", pod, "--image=ocicat/probe", "--command", "--", "sleep", "infinity")
            run("wait", "-n", "bench", "--for=condition=Ready", f"pod/{pod}", "--timeout=60s")
        goal = run("get", "pod", "-n", "bench", "taker", "-o", "jsonpath={.status.podIP}")
        words = ["exec", "-n", "bench", "sender", "--", sys.executable, "-c", SENDER, goal]
        with screen(f"{url}/?source_namespace=bench") as page:
            sending = subprocess.Popen([kubectl, *words], env=environment, stdout=subprocess.PIPE, text=True)
            seen = watched(page, sending)
            sent = {
                int(port): float(at) for port, at in map(str.split, sending.communicate()[0].splitlines())
            }
    return [table(sent, seen)]


def watched(page: Any, sending: "subprocess.Popen[str]") -> dict[int, float]:
    """Return when each port was first on the screen."""
    seen: dict[int, float] = {}
    last = time.monotonic() + PACKETS * EVERY_S + 20
    while len(seen) < PACKETS and time.monotonic() < last:
        text = page.evaluate(ROWS)
        now = time.time()
        for port in map(int, re.findall(r"\b(2\d{4})\b", text)):
            seen.setdefault(port, now)
    return seen


def table(sent: dict[int, float], seen: dict[int, float]) -> Table:
    """Return the figures."""
    late = sorted(1000 * (seen[port] - began) for port, began in sent.items() if port in seen)
    cuts = statistics.quantiles(late, n=100)
    return Table(
        title="A packet's way to the screen",
        columns=["packets", "seen", "median", "95th percentile", "slowest"],
        rows=(
            (
                f"{len(sent)}",
                f"{len(late)}",
                f"{cuts[49]:.0f} ms",
                f"{cuts[94]:.0f} ms",
                f"{late[-1]:.0f} ms",
            ),
        ),
        note="The aim is a second at the 95th percentile.",
    )


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, Path]]:
    """Run `ocicat up`; yield the address of its console and its kubeconfig."""
    command = [sys.executable, "-m", "ocicat", "up", "--home", str(folder), "--console-port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            if not line:
                raise SystemExit(f"ocicat up has ended: {said}")
            said += line
        yield re.search(r"http://localhost:\d+", said)[0], folder / "default" / "api" / "kubeconfig"
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=START_S)


@contextmanager
def screen(url: str) -> Iterator[Any]:
    """Open a page in a headless chromium."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    if not path:
        raise SystemExit("benchmarks.screen needs chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--headless=new", "--disable-gpu"]
        )
        page = browser.new_context(viewport={"width": 1440, "height": 4000}).new_page()
        page.goto(url)
        page.wait_for_selector("main")
        yield page
        browser.close()
