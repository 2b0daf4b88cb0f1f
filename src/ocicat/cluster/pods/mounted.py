"""Writing the files of a volume so that a container sees all of a new state, or all of the old one.

As a kubelet does it: the files are in a folder of their own, to which the link `..data` leads, and every name
in the volume is a link by way of it. A change makes a new folder and moves the link.
"""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from ocicat.cluster.pods.environment import MissingError
from ocicat.cluster.pods.volumes import File, Files

_LINK: Final = "..data"


def write(folder: Path, files: Files) -> bool:
    """Bring a volume to hold `files` and no others; return whether anything changed.

    Raises:
        MissingError: A path leads out of the volume; nothing is changed then.
        OSError: It cannot be written.
    """
    for path in files:
        if not is_within(path):
            raise MissingError(f"the path {path} leads out of its volume: it must be relative, without '..'")
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / _LINK
    old = link.resolve() if link.is_symlink() else None
    if old is not None and _read(old) == files:
        return False
    fresh = Path(tempfile.mkdtemp(prefix="..", dir=folder))
    fresh.chmod(0o755)
    for path, file in files.items():
        _write_one(fresh, path, file)
    moved = folder / "..moving"
    with contextlib.suppress(FileNotFoundError):
        moved.unlink()
    moved.symlink_to(fresh.name)
    moved.replace(link)
    _show(folder, {Path(path).parts[0] for path in files})
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)
    return True


def is_within(path: str) -> bool:
    """Tell whether a path stays in the folder that it begins in, and is none of our own names."""
    parts = Path(path).parts
    return bool(parts) and not Path(path).is_absolute() and not any(part.startswith("..") for part in parts)


def _write_one(folder: Path, path: str, file: File) -> None:
    goal = folder / path
    goal.parent.mkdir(parents=True, exist_ok=True)
    goal.write_bytes(file.data)
    goal.chmod(file.mode)


def _show(folder: Path, names: set[str]) -> None:
    for entry in folder.iterdir():
        if entry.is_symlink() and not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()
    for name in names:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"{_LINK}/{name}")


def _read(folder: Path) -> Files:
    found: Files = {}
    for base, _, names in os.walk(folder):
        for name in names:
            path = Path(base, name)
            mode = path.stat().st_mode & 0o7777
            found[str(path.relative_to(folder))] = File(path.read_bytes(), mode)
    return found
