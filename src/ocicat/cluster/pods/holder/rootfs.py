"""A container's root: an overlay of its image, what is bound into it, its own /proc, /sys and /dev.

Runs in the child that becomes the container, in a mount namespace of its own.
"""

import os
import stat
from pathlib import Path
from typing import Any, Final

from ocicat.cluster.pods.holder.syscalls import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    mount,
    pivot_root,
)

_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS: Final = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
)
_LOCKED: Final = ((os.ST_NOSUID, MS_NOSUID), (os.ST_NODEV, MS_NODEV), (os.ST_NOEXEC, MS_NOEXEC))
"""Flags of a mount that a user namespace must keep when it makes the mount read-only."""


def enter(root: dict[str, Any]) -> None:
    """Make a root and go there. Raises OSError.

    Args:
        root: `image` and `writable` (folders: the lower layer, and where upper, work and merged are made),
            `binds` (rows of source, target, read-only), `read_only` for the whole.
    """
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    writable = Path(root["writable"])
    merged = writable / "merged"
    for part in ("upper", "work", "merged"):
        (writable / part).mkdir(parents=True, exist_ok=True)
    layers = f"lowerdir={root['image']},upperdir={writable / 'upper'},workdir={writable / 'work'},userxattr"
    mount("overlay", str(merged), "overlay", 0, layers)
    _system(merged)
    for source, target, read_only in root["binds"]:
        bind(source, inside(merged, target), read_only=read_only)
    pivot_root(str(merged))
    if root.get("read_only"):
        mount("none", "/", "", MS_BIND | MS_REMOUNT | MS_RDONLY)


def inside(root: Path, target: str) -> Path:
    """Return where a path of the container is, without following a link of the image out of it."""
    found = root
    for part in Path(target).parts[1:]:
        if part == "..":
            continue
        following = found / part
        hops = 0
        while following.is_symlink() and hops < 40:
            link = os.readlink(following)
            following = (
                inside(root, link) if link.startswith("/") else inside(root, _within(root, found, link))
            )
            hops += 1
        found = following
    return found


def _within(root: Path, folder: Path, link: str) -> str:
    return os.path.normpath("/" + str((folder / link).relative_to(root)))


def bind(source: str, target: Path, *, read_only: bool) -> None:
    """Show a file or folder at another place. Raises OSError."""
    if Path(source).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    elif not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    mount(source, str(target), "", MS_BIND | MS_REC)
    if read_only:
        said = os.statvfs(target).f_flag
        kept = sum(flag for seen, flag in _LOCKED if said & seen)
        mount("none", str(target), "", MS_BIND | MS_REMOUNT | MS_RDONLY | kept)


def _system(merged: Path) -> None:
    for name in ("proc", "sys", "dev", "tmp"):
        (merged / name).mkdir(exist_ok=True)
    mount("proc", str(merged / "proc"), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("sysfs", str(merged / "sys"), "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY)
    dev = merged / "dev"
    mount("tmpfs", str(dev), "tmpfs", MS_NOSUID, "mode=755,size=64k")
    for name in _DEVICES:
        (dev / name).touch()
        mount(f"/dev/{name}", str(dev / name), "", MS_BIND)
    for name in ("pts", "shm"):
        (dev / name).mkdir()
    mount("devpts", str(dev / "pts"), "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    mount("tmpfs", str(dev / "shm"), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=64m")
    for name, goal in _LINKS:
        (dev / name).symlink_to(goal)
    (merged / "tmp").chmod(stat.S_ISVTX | 0o777)
