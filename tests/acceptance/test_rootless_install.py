"""ocicat as an ordinary user gets it: the wheel, the system's Python, no rights, nothing of root's.

CI runs as root from a Python that may lie in root's home. A user can read neither, so this test takes the
other way: it builds the wheel, and a user without rights installs it with Debian's Python and works with it.
"""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SYSTEM_PYTHON = Path("/usr/bin/python3")
NOBODY = 65534
MAX_WHEEL_BYTES = 5_000_000
"""The promised bound (docs/explanation/architecture.md)."""


def system_python_makes_venvs() -> bool:
    return (
        SYSTEM_PYTHON.exists()
        and subprocess.run([SYSTEM_PYTHON, "-c", "import ensurepip, venv"], capture_output=True).returncode
        == 0
    )


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user"),
    pytest.mark.skipif(
        not os.environ.get("CI") and not system_python_makes_venvs(),
        reason="/usr/bin/python3 makes no virtual environments: install python3-venv",
    ),
]


def run(*command: str | Path, **options: object) -> str:
    """Return what a command printed; fail with its errors where it failed."""
    ran = subprocess.run(command, capture_output=True, text=True, cwd="/", **options)
    assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


class User:
    """A user without rights, with a folder of their own."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def tries(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command as the user, with nothing of root's environment."""
        identity = ["--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--no-new-privs"]
        return subprocess.run(
            ["setpriv", *identity, "--", *command],
            env={"HOME": str(self.home), "LANG": "C.UTF-8", "PATH": f"{self.home}/venv/bin:/usr/bin:/bin"},
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )

    def does(self, *command: str | Path) -> str:
        """Run a command that must succeed, and return what it printed."""
        ran = self.tries(*command)
        assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout


@pytest.fixture(scope="module")
def wheel(built_wheel: Path) -> Iterator[Path]:
    """The wheel of this checkout, beside the wheels of all it needs for the system's Python."""
    with tempfile.TemporaryDirectory(prefix="ocicat-wheels-") as name:
        folder = Path(name)
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        built = Path(shutil.copy(built_wheel, folder))
        version = run(SYSTEM_PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()
        target = ["--only-binary", ":all:", "--python-version", version]
        run(*pip, "download", *target, "--constraint", ROOT / "constraints.txt", "--dest", folder, built)
        yield built


@pytest.fixture(scope="module")
def user(wheel: Path) -> Iterator[User]:
    """A user who has installed the wheel from a folder of wheels, without a network."""
    with tempfile.TemporaryDirectory(prefix="ocicat-user-") as name:
        home = Path(name)
        shutil.copytree(wheel.parent, home / "wheels")
        shutil.copytree(ROOT / "manifests", home / "manifests")
        for path in [home, *home.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
        someone = User(home)
        someone.does(SYSTEM_PYTHON, "-m", "venv", home / "venv")
        someone.does(
            *(home / "venv/bin/pip", "--quiet", "--disable-pip-version-check", "install"),
            *("--no-index", "--find-links", home / "wheels", home / "wheels" / wheel.name),
        )
        yield someone


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < MAX_WHEEL_BYTES


def test_the_user_is_really_without_rights(user: User) -> None:
    assert user.does("id", "-u").strip() == str(NOBODY)
    if stat.S_IMODE(Path("/root").stat().st_mode) & 0o005 == 0:
        assert user.tries("ls", "/root").returncode != 0
    where = user.does("python", "-c", "import sys, ocicat; print(sys.base_prefix, ocicat.__file__)")
    base, package = where.split()
    assert base == "/usr"
    assert package.startswith(f"{user.home}/venv/")


def test_validate(user: User) -> None:
    user.does("ocicat", "validate", "-f", "manifests")


def test_trace_of_an_allowed_connection(user: User) -> None:
    user.does(
        *("ocicat", "trace", "-f", "manifests", "--protocol", "TCP", "--port", "3306"),
        *("--from", "catfacts/deploy/worker", "--to", "catfacts/deploy/db"),
    )


def test_trace_of_a_denied_connection(user: User) -> None:
    denied = user.tries(
        *("ocicat", "trace", "-f", "manifests", "--protocol", "TCP", "--port", "80"),
        *("--from", "catfacts/deploy/worker", "--to", "catfacts/deploy/facts"),
    )
    assert denied.returncode == 1
    assert "facts" in denied.stdout


def test_selector(user: User) -> None:
    user.does("ocicat", "selector", 'app == "db"', "app=db")
    assert user.tries("ocicat", "selector", 'app == "db"', "app=web").returncode == 1


def test_the_name_for_kubectl(user: User) -> None:
    assert user.does("kubectl-ocicat", "selector", 'app == "db"', "app=db")
