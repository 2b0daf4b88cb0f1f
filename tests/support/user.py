"""A user without rights of their own, who has installed ocicat's wheel with the system's Python.

CI runs as root from a Python that may lie in root's home. A user can read neither, and takes the other way.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SYSTEM_PYTHON = Path("/usr/bin/python3")
NOBODY = 65534


def system_python_makes_venvs() -> bool:
    return (
        SYSTEM_PYTHON.exists()
        and subprocess.run([SYSTEM_PYTHON, "-c", "import ensurepip, venv"], capture_output=True).returncode
        == 0
    )


ROOTLESS = (
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user"),
    pytest.mark.skipif(
        not os.environ.get("CI") and not system_python_makes_venvs(),
        reason="/usr/bin/python3 makes no virtual environments: install python3-venv",
    ),
)
"""Marks of the tests that need `user`."""


def run(*command: str | Path, **options: object) -> str:
    """Return what a command printed; fail with its errors where it failed."""
    ran = subprocess.run(command, capture_output=True, text=True, cwd="/", **options)
    assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


class User:
    """A user without rights, with a folder of their own."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def command(self, *command: str | Path) -> list[str]:
        """The command by which root lets the user run another, with nothing of root's environment."""
        identity = ["--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--no-new-privs"]
        variables = {"HOME": self.home, "LANG": "C.UTF-8", "PATH": f"{self.home}/venv/bin:/usr/bin:/bin"}
        given = [f"{name}={value}" for name, value in variables.items()]
        return ["setpriv", *identity, "--", "env", "-i", "-C", str(self.home), *given, *map(str, command)]

    def tries(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command as the user."""
        return subprocess.run(self.command(*command), capture_output=True, text=True, check=False)

    def does(self, *command: str | Path) -> str:
        """Run a command that must succeed, and return what it printed."""
        ran = self.tries(*command)
        assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout


@pytest.fixture(scope="session")
def wheels(built_wheel: Path) -> Iterator[Path]:
    """A folder with the wheel of this checkout, and the wheels of all it needs for the system's Python."""
    with tempfile.TemporaryDirectory(prefix="ocicat-wheels-") as name:
        folder = Path(name)
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        built = Path(shutil.copy(built_wheel, folder))
        version = run(SYSTEM_PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()
        target = ["--only-binary", ":all:", "--python-version", version]
        run(
            *pip,
            "download",
            *target,
            "--constraint",
            ROOT / "constraints.txt",
            "--dest",
            folder,
            f"{built}[all]",
        )
        yield folder


@pytest.fixture(scope="session")
def user(wheels: Path) -> Iterator[User]:
    """A user who has installed the wheel from a folder of wheels, without a network."""
    with tempfile.TemporaryDirectory(prefix="ocicat-user-") as name:
        home = Path(name)
        shutil.copytree(wheels, home / "wheels")
        shutil.copytree(ROOT / "manifests", home / "manifests")
        for path in [home, *home.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
        someone = User(home)
        someone.does(SYSTEM_PYTHON, "-m", "venv", home / "venv")
        someone.does(
            *(home / "venv/bin/pip", "--quiet", "--disable-pip-version-check", "install"),
            *("--no-index", "--find-links", home / "wheels", "ocicat[all]"),
        )
        yield someone
