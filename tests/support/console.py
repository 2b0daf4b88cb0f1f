"""The console in Debian's chromium, against the mock hub of `console/mock`.

Builds the console when its sources are newer than the build. Where Node, chromium or playwright are missing,
tests are skipped aloud; under CI they fail.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONSOLE = ROOT / "console"
BUILT = ROOT / "src" / "ocicat" / "api" / "console"

# Nothing but loopback is ever looked up or connected to.
CHROMIUM = [
    "--no-sandbox",
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


def lacking(what: str) -> None:
    """Skip the test, or under CI fail it."""
    message = f"the console's tests need {what}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def newest(*paths: Path) -> float:
    """The time of the last change below some paths."""
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])]
    return max(file.stat().st_mtime for file in files)


def run(*command: str) -> None:
    """Run a command in the console's folder; what it printed is the failure's text."""
    ran = subprocess.run(command, cwd=CONSOLE, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture(scope="session")
def built_console() -> Path:
    """The folder of the built console."""
    if not shutil.which("npm"):
        lacking("Node 20 with npm")
    if not (CONSOLE / "node_modules").exists():
        run("npm", "ci", "--ignore-scripts")
    index = BUILT / "index.html"
    sources = (CONSOLE / "src", CONSOLE / "public", CONSOLE / "index.html", CONSOLE / "package-lock.json")
    if not index.exists() or newest(*sources) > index.stat().st_mtime:
        run("npm", "run", "build")
    return BUILT


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless browser. While it runs, no test of the same thread can have an event loop of its own."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if not path:
        lacking("Debian's chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        lacking("playwright")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM)
        yield browser
        browser.close()


class MockHub:
    """A running mock hub. `act` changes its scene: fix, drop, lose, fail, heal."""

    def __init__(self, folder: Path, arguments: list[str]) -> None:
        command = [
            "node",
            str(CONSOLE / "mock" / "server.mjs"),
            "--port",
            "0",
            "--root",
            str(folder),
            *arguments,
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().split()[-1]

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.wait(timeout=10)
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture(scope="module")
def hubs(built_console: Path) -> Iterator[Callable[..., MockHub]]:
    """Give a mock hub by its arguments; equal ones are started once per module."""
    running: dict[tuple[str, ...], MockHub] = {}

    def hub(*arguments: object) -> MockHub:
        key = tuple(map(str, arguments))
        if key not in running:
            running[key] = MockHub(built_console, list(key))
        return running[key]

    yield hub
    for one in running.values():
        one.stop()


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open pages, and fail when one of them complained or asked anything of another host."""
    complaints: list[str] = []
    with ExitStack() as stack:

        def page(url: str, **options: Any) -> Any:
            settings = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"} | options
            context = chromium.new_context(**settings)
            stack.callback(context.close)
            made = context.new_page()
            made.set_default_timeout(15_000)
            origin = "/".join(url.split("/")[:3])
            made.on("pageerror", lambda error: complaints.append(str(error)))
            made.on("console", lambda said: said.type == "error" and complaints.append(said.text))
            made.on(
                "request",
                lambda asked: foreign(asked.url, origin) and complaints.append(f"asked {asked.url}"),
            )
            made.goto(url)
            return made

        page.complaints = complaints  # type: ignore[attr-defined]
        yield page
    assert complaints == []


def until(page: Any, expression: str, deadline_ms: int = 15_000) -> None:
    """Wait for a condition in the page.

    Playwright's own waiting evaluates text inside the page, which the page's security policy forbids.
    """
    for _ in range(deadline_ms // 50):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never became true: {expression}")


def foreign(url: str, origin: str) -> bool:
    """Whether a request leaves the hub that served the page."""
    return not url.startswith((origin, "blob:", "data:"))
