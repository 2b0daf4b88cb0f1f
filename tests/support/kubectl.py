"""Real kubectls of several ages, and an API server of our own for them to talk to.

The newest is the machine's; others lie beside it where it is a dispatcher (spec/kubernetes-api §10).
Debian's 1.20 is fetched by scripts/fetch-kubectl. A missing one is skipped aloud; in CI that is a failure.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

OLD = "1.20"
NEW = "1.32"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ocicat" / "kubectl"
SCRIPTS = Path(__file__).parents[2] / "scripts"
TIMEOUT_S = 60


def find(version: str) -> Path | None:
    """Return the kubectl of a version, asking each candidate itself."""
    candidates = [CACHE / "usr" / "bin" / "kubectl"]
    if machine := shutil.which("kubectl"):
        real = Path(machine).resolve()
        candidates += [real.with_name(f"kubectl.{version}"), real]
    return next((path for path in candidates if path.exists() and f"v{version}." in _said(path)), None)


def _said(path: Path) -> str:
    done = subprocess.run([path, "version", "--client"], capture_output=True, text=True, timeout=TIMEOUT_S)
    return done.stdout + done.stderr


def required(version: str) -> Path:
    found = find(version)
    if found is None and version == OLD:
        subprocess.run([SCRIPTS / "fetch-kubectl"], timeout=10 * TIMEOUT_S, check=False)
        found = find(version)
    if found is not None:
        return found
    text = f"no kubectl {version}: run scripts/fetch-kubectl (Debian's 1.20), or install one"
    if os.environ.get("CI") == "true" and version == OLD:
        pytest.fail(text)
    pytest.skip(text)


@dataclass(frozen=True)
class Done:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Server:
    """A running API server."""

    data: Path
    process: subprocess.Popen

    @property
    def kubeconfig(self) -> Path:
        return self.data / "kubeconfig"

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(TIMEOUT_S)

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(TIMEOUT_S)


def start(data: Path, port: int = 0) -> Server:
    """Start an API server on a free port of the loopback, and wait until it serves."""
    kubeconfig = data / "kubeconfig"
    kubeconfig.unlink(missing_ok=True)
    data.mkdir(parents=True, exist_ok=True)
    with (data / "log").open("ab") as log:
        command = [sys.executable, "-m", "ocicat.cluster.apiserver", "--data", data, "--port", str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    deadline = time.monotonic() + TIMEOUT_S
    while not kubeconfig.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"the API server did not start: {(data / 'log').read_text()}")
        time.sleep(0.02)
    return Server(data, process)


class Kubectl:
    """One kubectl, with caches of its own, as the administrator of one server."""

    def __init__(self, path: Path, version: str, kubeconfig: Path, home: Path) -> None:
        self.path = path
        self.version = version
        self.environment = {
            **{key: value for key, value in os.environ.items() if key not in ("KUBECONFIG", "HOME")},
            "KUBECONFIG": str(kubeconfig),
            "HOME": str(home),
            "TERM": "dumb",
        }

    def run(self, words: str, stdin: str = "", **environment: str) -> Done:
        """Run a command line as a shell would; paths and quotes included."""
        done = subprocess.run(
            ["/bin/sh", "-c", f'"{self.path}" {words}'],
            input=stdin, capture_output=True, text=True, timeout=TIMEOUT_S,
            env={**self.environment, **environment},
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def __call__(self, words: str, stdin: str = "", **environment: str) -> str:
        """Run a command that must succeed; return its output without colours."""
        done = self.run(words, stdin, **environment)
        assert done.code == 0, f"kubectl {words}\n{done.out}{done.err}"
        return re.sub(r"\x1b\[[0-9;]*m", "", done.out)

    def refused(self, words: str, stdin: str = "") -> str:
        """Run a command that must fail; return what it said."""
        done = self.run(words, stdin)
        assert done.code != 0, f"kubectl {words} succeeded:\n{done.out}"
        return done.err

    def popen(self, *words: str) -> subprocess.Popen:
        """Start a command that goes on."""
        return subprocess.Popen(
            [self.path, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )


@pytest.fixture(scope="module")
def apiserver(tmp_path_factory):
    """An API server with a state folder of its own, for all tests of a module."""
    server = start(tmp_path_factory.mktemp("state"))
    yield server
    assert server.stop() == 0
    log = (server.data / "log").read_text()
    assert "Traceback" not in log, log


@pytest.fixture(params=[OLD, NEW])
def kubectl(request, apiserver, tmp_path):
    """Both ages of kubectl, one after the other."""
    return Kubectl(required(request.param), request.param, apiserver.kubeconfig, tmp_path)


@pytest.fixture
def namespace(kubectl, request):
    """A namespace for one test."""
    name = re.sub("[^a-z0-9]+", "-", f"{request.node.originalname[5:35]}-{kubectl.version}".lower())
    kubectl(f"create namespace {name}")
    return name
