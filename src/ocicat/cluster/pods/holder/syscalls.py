"""Calls of the kernel that Python 3.11 does not know. Constants: linux/sched.h, linux/mount.h,
linux/prctl.h."""

import ctypes
import os
import resource
from pathlib import Path
from typing import Final

NEWNS: Final = 0x00020000
NEWUTS: Final = 0x04000000
NEWIPC: Final = 0x08000000
NEWUSER: Final = 0x10000000
NEWPID: Final = 0x20000000
NEWNET: Final = 0x40000000

MS_RDONLY: Final = 0x1
MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_NOEXEC: Final = 0x8
MS_REMOUNT: Final = 0x20
MS_BIND: Final = 0x1000
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 0x40000
_MNT_DETACH: Final = 0x2
_PIVOT_ROOT: Final = {"x86_64": 155, "aarch64": 41, "riscv64": 41}
_PR_SET_PDEATHSIG: Final = 1
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_USUAL_DESCRIPTORS: Final = 1024

_libc: Final = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave namespaces for new ones. Raises OSError."""
    _checked(_libc.unshare(flags), f"unshare {flags:#x}")


def setns(descriptor: int, kind: int) -> None:
    """Enter a namespace. Raises OSError."""
    _checked(_libc.setns(descriptor, kind), f"setns {kind:#x}")


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    """Mount. Raises OSError, which names both ends."""
    done = _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode())
    _checked(done, f"mount {kind or 'bind'} {source} at {target}")


def pivot_root(root: str) -> None:
    """Make `root`, a mount, the root of this mount namespace, and let the old one go. Raises OSError."""
    os.chdir(root)
    _checked(_libc.syscall(_PIVOT_ROOT[os.uname().machine], b".", b"."), f"pivot_root {root}")
    _checked(_libc.umount2(b".", _MNT_DETACH), "umount the old root")
    os.chdir("/")


def die_with_parent(number: int) -> None:
    """Get a signal when the process that started this one ends. Raises OSError."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0), "prctl PDEATHSIG")


def drop_capability(number: int) -> bool:
    """Give a capability up for good; false where the kernel knows none of this number."""
    return bool(_libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) == 0)


def no_new_privileges() -> None:
    """Let no program that is executed from here on gain rights by its file. Raises OSError."""
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl NO_NEW_PRIVS")


def allow_descriptors() -> None:
    """Let this process, and what it starts, have as many descriptors as the user may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def usual_descriptors() -> None:
    """Take the limit back to what programs expect; above it `select` fails."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_USUAL_DESCRIPTORS, most), most))


def become(user: int, group: int) -> None:
    """Have this process's one user and group seen as others from here on. Raises OSError.

    It enters a user namespace of its own, in which what it is now has the numbers that are given.
    """
    own_user, own_group = os.geteuid(), os.getegid()
    unshare(NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {own_user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {own_group} 1")


def become_root_of_a_user_namespace() -> None:
    """Enter a user namespace in which this user is root, and nobody else exists. Raises OSError."""
    become(0, 0)
