"""What a machine must offer before a cluster can start on it, and what to do where it does not."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

PROGRAMS: Final = {"ip": "iproute2", "nft": "nftables"}
"""Programs, and the Debian packages that bring them."""
_SWITCHES: Final = (
    ("kernel/unprivileged_userns_clone", "0", "sudo sysctl kernel.unprivileged_userns_clone=1"),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    ("user/max_user_namespaces", "0", "sudo sysctl user.max_user_namespaces=10000"),
    ("user/max_net_namespaces", "0", "sudo sysctl user.max_net_namespaces=10000"),
)
"""Parameters, values by which the kernel refuses namespaces to users, and what changes that."""


def lacking(path: str, parameters: Path = Path("/proc/sys")) -> Iterator[str]:
    """Yield what is missing, each with what to do about it; nothing where a cluster can start.

    Args:
        path: Where programs are looked for, as in `PATH`.
        parameters: Where the kernel's parameters are.
    """
    absent = [name for name in PROGRAMS if not shutil.which(name, path=path)]
    if absent:
        packages = " ".join(PROGRAMS[name] for name in absent)
        names = " and no ".join(absent)
        yield f"there is no {names} here: on Debian or Ubuntu, sudo apt-get install {packages}"
    if not (parameters / "net/ipv6").is_dir():
        yield "the kernel has no IPv6, and pods have addresses of both families: boot without ipv6.disable=1"
    if why := _refused():
        yield f"this user may not make namespaces here ({why}){''.join(_ways(_reader(parameters)))}"


def _refused() -> str:
    """Return why no namespaces can be made; empty where they can."""
    try:
        tried = subprocess.run(
            ["unshare", "--user", "--map-root-user", "--net", "true"],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return ""  # found out when it is tried
    return tried.stderr.strip().removeprefix("unshare: ") if tried.returncode != 0 else ""


def _reader(folder: Path) -> Callable[[str], str]:
    def read(name: str) -> str:
        try:
            return (folder / name).read_text().strip()
        except OSError:
            return ""

    return read


def _ways(read: Callable[[str], str]) -> Iterator[str]:
    found = [way for name, value, way in _SWITCHES if read(name) == value]
    if found:
        yield f"; an administrator can allow it: {' && '.join(found)}"
    else:
        yield "; containers often forbid it: run outside of one, or give it the right to"
