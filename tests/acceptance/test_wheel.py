"""The wheel in an empty environment: with no extra, and with all of them. No checkout, no Node."""

import json
import os
import signal
import subprocess
import time
import venv
import zipfile
from pathlib import Path

import httpx2 as httpx
import pytest

from ocicat.cli.main import COMMANDS
from support.kubectl import NEW, OLD, required

ROOT = Path(__file__).resolve().parents[2]
WORKS_ALONE = {"validate", "trace", "selector", "down", "kubeconfig", "logs", "reset", "completion", "config"}
ARGUMENTS = {"agent": ["--node", "n1"], "image": ["list"]}
FACTS = ["trace", "-f", "manifests", "--from", "catfacts/deploy/worker", "--to", "catfacts/deploy/facts"]

pytestmark = pytest.mark.slow


class Installed:
    """ocicat in an environment of its own."""

    def __init__(self, folder: Path, wheel: Path, extra: str) -> None:
        self.bin = folder / "venv" / "bin"
        self.folder = folder
        venv.create(folder / "venv", with_pip=True, symlinks=True)
        pip = [self.bin / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        ran = subprocess.run(
            [*pip, "--constraint", ROOT / "constraints.txt", f"{wheel}{extra}"],
            capture_output=True, text=True, cwd=folder, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout + ran.stderr
        (folder / "manifests").symlink_to(ROOT / "manifests")
        self.environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith(("OCICAT", "PYTHON"))},
            "PATH": f"{self.bin}{os.pathsep}/usr/sbin:/usr/bin:/sbin:/bin",
            "OCICAT_HOME": str(folder / "home"),
        }

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `ocicat` with these words, far from the checkout."""
        return subprocess.run(
            [self.bin / "ocicat", *words],
            capture_output=True, text=True, cwd=self.folder, env=self.environment, check=False, timeout=60,
        )  # fmt: skip


@pytest.fixture(scope="module")
def plain(built_wheel, tmp_path_factory):
    """`pip install ocicat`."""
    return Installed(tmp_path_factory.mktemp("plain"), built_wheel, "")


@pytest.fixture(scope="module")
def everything(built_wheel, tmp_path_factory):
    """`pip install 'ocicat[all]'`."""
    return Installed(tmp_path_factory.mktemp("all"), built_wheel, "[all]")


def test_the_console_and_the_example_are_in_the_wheel(built_console, built_wheel):
    names = set(zipfile.ZipFile(built_wheel).namelist())
    assert {"ocicat/api/console/index.html", "ocicat/manifests/catfacts.yaml", "ocicat/py.typed"} <= names
    assert not [name for name in names if "node_modules" in name or name.startswith("tests")]


def test_policy_is_checked_and_explained_without_any_extra(plain):
    assert plain("validate", "-f", "manifests").stdout == "13 objects valid, no problems\n"
    denied = plain(*FACTS, "--port", "80")
    assert denied.returncode == 1
    assert "Denied at the ingress of catfacts/deploy/facts: rule 1" in denied.stdout


@pytest.mark.parametrize("version", [OLD, NEW])
def test_kubectl_finds_it_as_a_plugin(plain, version):
    """`kubectl ocicat …` shows itself under that name, and hands on its exit code."""

    def kubectl(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [required(version), "ocicat", *words],
            capture_output=True, text=True, cwd=plain.folder, env=plain.environment, check=False, timeout=60,
        )  # fmt: skip

    assert kubectl("--help").stdout.startswith("Usage: kubectl ocicat ")
    denied = kubectl(*FACTS, "--port", "80")
    assert denied.returncode == 1
    assert "Denied at the ingress of catfacts/deploy/facts" in denied.stdout


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - WORKS_ALONE))
def test_what_needs_an_extra_names_it(plain, command):
    said = plain(command, *ARGUMENTS.get(command, []))
    assert said.returncode == 3
    assert "not installed: " in said.stderr
    assert "Run: pip install 'ocicat[" in said.stderr
    assert "Traceback" not in said.stderr
    assert plain(command, "--help", *ARGUMENTS.get(command, [])).returncode == 0


def test_it_runs_a_cluster_with_the_console_and_the_example(built_console, everything):
    """`ocicat up --demo`: the console's page, and the application's first flows behind it."""
    assert everything("validate", "-f", "manifests").returncode == 0
    command = [everything.bin / "ocicat", "up", "--demo", "--name", "w", "--console-port", "0"]
    log = everything.folder / "up.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, cwd=everything.folder, env=everything.environment
        )
    try:
        console = within(60, lambda: next(iter(found(log, "console ")), ""), process, log)
        page = within(60, lambda: fetched(console), process, log)
        assert b"<title>" in page
        flows = within(120, lambda: flows_of(console), process, log)
        assert {"catfacts"} <= {flow["dest_namespace"] for flow in flows}
        assert everything("status", "--name", "w").returncode in (0, 1)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, log.read_text()


def found(log: Path, label: str) -> list[str]:
    """Return what stands behind a label of the lines that `up` prints."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    return [line.removeprefix(label).strip() for line in lines if line.startswith(label)]


def fetched(url: str) -> bytes:
    """Return a page; empty where nobody answers yet."""
    try:
        return httpx.get(url, timeout=5, trust_env=False).content
    except httpx.HTTPError:
        return b""


def flows_of(console: str) -> list[dict]:
    """Return the application's flows that the hub knows."""
    body = fetched(f"{console}/api/v1/flows?q=namespace%3Dcatfacts")
    return json.loads(body)["items"] if body else []


def within(seconds, question, process, log):
    """Return the first answer that is not empty."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    return answer
