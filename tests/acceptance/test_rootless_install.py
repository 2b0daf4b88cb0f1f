"""ocicat as an ordinary user gets it: the wheel, the system's Python, no rights, nothing of root's.

CI runs as root from a Python that may lie in root's home. A user can read neither, so this test takes the
other way: it builds the wheel, and a user without rights installs it with Debian's Python and works with it.
"""

import stat
from pathlib import Path

import pytest

from support.user import NOBODY, ROOTLESS, User

MAX_WHEEL_BYTES = 5_000_000
"""The promised bound (docs/explanation/architecture.md)."""


pytestmark = [pytest.mark.slow, *ROOTLESS]


def test_the_wheel_is_small(built_wheel: Path) -> None:
    assert built_wheel.stat().st_size < MAX_WHEEL_BYTES


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
