"""Paths that a user names → bytes. The only place where manifests are read from the outside.

A path is a file, a folder, a glob or `-`. Every trouble with one (missing, forbidden, too large) is a
Problem, so that one bad path does not hide what the others hold.
"""

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final

import msgspec

from ocicat.base.problem import Problem, Where
from ocicat.model.codes import problem
from ocicat.model.documents import DEFAULT_LIMITS, Limits

STANDARD_INPUT: Final = "-"
SUFFIXES: Final = (".json", ".yaml", ".yml")
"""What is read in a folder; a file that is named itself may be called anything."""
NOT_MANIFESTS: Final = frozenset({"kustomization.yaml", "kustomization.yml"})
"""Not read in a folder: they name manifests and are none."""


class Source(msgspec.Struct, frozen=True):
    """The content of one file."""

    name: str
    """As the user named it, or below the folder that the user named; `-` for standard input."""
    data: bytes


def sources(
    paths: Sequence[str], *, stdin: BinaryIO | None = None, limits: Limits = DEFAULT_LIMITS
) -> Iterator[Source | Problem]:
    """Yield the content of every file that `paths` name, each once, and what keeps a path from being read.

    Folders are walked to the bottom, by name, without hidden folders and files; symbolic links are followed,
    and a loop of them is walked once. The order depends on nothing but the names. Files are read one at a
    time, as the caller asks for them.
    """
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if path == STANDARD_INPUT:
            yield _standard_input(stdin, limits)
            continue
        for file in _files(path):
            if isinstance(file, Problem):
                yield file
                continue
            found = _content(file, seen, limits)
            if found is not None:
                yield found


def _standard_input(stdin: BinaryIO | None, limits: Limits) -> Source | Problem:
    if stdin is None:
        return _unreadable(STANDARD_INPUT, "there is no standard input here")
    try:
        data = stdin.read(limits.bytes + 1)
    except OSError as error:
        return _unreadable(STANDARD_INPUT, _reason(error))
    return Source(STANDARD_INPUT, data) if len(data) <= limits.bytes else _too_large(STANDARD_INPUT, limits)


def _files(path: str) -> Iterator[str | Problem]:
    """Yield the files that a path stands for."""
    if os.path.isdir(path):
        yield from _files_in(path)
    elif os.path.lexists(path):
        yield path
    elif glob.has_magic(path):
        yield from _files_matching(path)
    else:
        yield _unreadable(path, "no such file or folder")


def _files_matching(pattern: str) -> Iterator[str | Problem]:
    matches = sorted(glob.glob(pattern, recursive=True))
    files = [match for match in matches if not os.path.isdir(match)]
    yield from files
    if not files:
        # A pattern that matches files means files, though `**` matches the folders on the way too.
        for folder in matches:
            yield from _files_in(folder)
    if not matches:
        yield _unreadable(pattern, "nothing matches this pattern")


def _files_in(folder: str) -> Iterator[str | Problem]:
    """Yield the manifests below a folder: what stands in a folder before what stands in its folders."""
    visited: set[tuple[int, int]] = set()
    pending = [folder]
    count = 0
    while pending:
        current = pending.pop()
        try:
            status = os.stat(current)
            names = sorted(os.listdir(current))
        except OSError as error:
            yield _unreadable(current, _reason(error))
            continue
        if (status.st_dev, status.st_ino) in visited:
            continue
        visited.add((status.st_dev, status.st_ino))
        below: list[str] = []
        for path in (os.path.join(current, name) for name in names if not name.startswith(".")):
            if os.path.isdir(path):
                below.append(path)
            elif _is_manifest(path):
                count += 1
                yield path
        pending.extend(reversed(below))
    if not count:
        yield _unreadable(folder, f"the folder holds no {', '.join(SUFFIXES)}")


def _is_manifest(path: str) -> bool:
    """Tell whether a file in a folder is to be read. A pipe or device is not: it could block for ever."""
    name = os.path.basename(path)
    return name.endswith(SUFFIXES) and name not in NOT_MANIFESTS and os.path.isfile(path)


def _content(path: str, seen: set[tuple[int, int]], limits: Limits) -> Source | Problem | None:
    """Return the content of a file; None where it was read before under another name."""
    try:
        with open(path, "rb") as stream:
            status = os.fstat(stream.fileno())
            if stat.S_ISREG(status.st_mode):
                if (status.st_dev, status.st_ino) in seen:
                    return None
                seen.add((status.st_dev, status.st_ino))
                if status.st_size > limits.bytes:
                    return _too_large(path, limits)
            # A pipe has no size, and a file may grow while it is read: never take in more than the bound.
            data = stream.read(limits.bytes + 1)
    except OSError as error:
        return _unreadable(path, _reason(error))
    return Source(path, data) if len(data) <= limits.bytes else _too_large(path, limits)


def _unreadable(path: str, why: str) -> Problem:
    return problem("OC0001", Where(file=path), f"cannot be read: {why}")


def _too_large(path: str, limits: Limits) -> Problem:
    return problem("OC0002", Where(file=path), f"holds more than the {limits.bytes:,} bytes that are read")


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
