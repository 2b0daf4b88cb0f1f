"""Images in the OCI layout: what they run, and their layers put into one folder.

Whoever adds an image has one id, so owners are not kept: in a pod everything belongs to its root. Devices are
left out: a container's /dev is its own. Each blob must have the digest by which it is named.
Source: OCI image specification 1.1 (image-layout, manifest, config, layer: whiteouts).
"""

import hashlib
import os
import platform
import shutil
import tarfile
from pathlib import Path
from typing import Any, Final

import msgspec

from ocicat.base.errors import OcicatError

_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
_INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_PIECE: Final = 1 << 20
_DEPTH: Final = 4
"""How often an index may lead to another."""


class BadImageError(OcicatError):
    """What is to be added is no image that can run here; the message says why."""


class Config(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """What an image says of how it is run."""

    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    env: list[str] | None = None
    working_dir: str = ""
    user: str = ""


class Layout:
    """A folder that holds images in the OCI layout."""

    def __init__(self, folder: Path) -> None:
        """Look at a folder. Raises BadImageError where it is none."""
        self._folder: Final = folder
        if not (folder / "oci-layout").is_file():
            raise BadImageError(f"{folder} has no file oci-layout")

    def manifest(self) -> dict[str, Any]:
        """Return the manifest of the one image for this machine. Raises BadImageError."""
        found: dict[str, Any] = self._json(self._folder / "index.json")
        for _ in range(_DEPTH):
            if "layers" in found:
                return found
            rows = [row for row in found.get("manifests") or () if _runs_here(row)]
            if len(rows) != 1:
                names = ", ".join(_name(row) for row in rows) or "none"
                raise BadImageError(f"one image for this machine is wanted; there are: {names}")
            found = self._json(self.blob(rows[0]["digest"]))
        raise BadImageError("its indexes lead from one to the other without end")

    def config(self, manifest: dict[str, Any]) -> Config:
        """Return how an image is run. Raises BadImageError."""
        said = self._json(self.blob(manifest["config"]["digest"]))
        try:
            return msgspec.convert(said.get("config") or {}, Config)
        except msgspec.ValidationError as error:
            raise BadImageError(f"its configuration cannot be read: {error}") from error

    def unpack(self, manifest: dict[str, Any], goal: Path) -> None:
        """Put an image's layers into a folder, one on the other. Raises BadImageError."""
        goal.mkdir(parents=True)
        for row in manifest["layers"]:
            blob = self.blob(row["digest"])
            try:
                with tarfile.open(blob, "r:*") as layer:
                    _apply(layer, goal)
            except (tarfile.TarError, OSError, EOFError) as error:
                kind = row.get("mediaType", "")
                raise BadImageError(f"its layer {row['digest'][:19]} ({kind}): {error}") from error

    def blob(self, digest: str) -> Path:
        """Return the file of a blob. Raises BadImageError where it is not there, or is another."""
        algorithm, _, name = digest.partition(":")
        path = self._folder / "blobs" / algorithm / name
        if algorithm not in ("sha256", "sha512") or "/" in name or not path.is_file():
            raise BadImageError(f"its blob {digest[:80]} is not there")
        counted = hashlib.new(algorithm)
        with path.open("rb") as file:
            while data := file.read(_PIECE):
                counted.update(data)
        if counted.hexdigest() != name:
            raise BadImageError(f"its blob {digest} has the digest {counted.hexdigest()}")
        return path

    def _json(self, path: Path) -> dict[str, Any]:
        try:
            return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        except (OSError, msgspec.MsgspecError) as error:
            raise BadImageError(f"{path.name} cannot be read: {error}") from error


def _runs_here(row: dict[str, Any]) -> bool:
    """Tell whether a row of an index is for this machine; one that says nothing is."""
    wanted = row.get("platform") or {}
    here = _ARCHITECTURES.get(platform.machine(), platform.machine())
    is_image = "vnd.docker.reference.type" not in (row.get("annotations") or {})
    return is_image and wanted.get("os", "linux") == "linux" and wanted.get("architecture", here) == here


def _name(row: dict[str, Any]) -> str:
    return str((row.get("annotations") or {}).get("org.opencontainers.image.ref.name", row["digest"][:19]))


def _apply(layer: tarfile.TarFile, goal: Path) -> None:
    """Put a layer over what is there."""
    for member in layer:
        path = Path(member.name)
        if path.name == _OPAQUE:
            _clear(goal, path.parent)
        elif path.name.startswith(_WHITEOUT):
            name = path.name.removeprefix(_WHITEOUT)
            if name in ("", ".", ".."):
                raise tarfile.TarError(f"{member.name} takes nothing of the image away")
            _remove(_inside(goal, path.parent) / name)
        elif not member.isdev():
            _put(layer, member, goal)


def _put(layer: tarfile.TarFile, member: tarfile.TarInfo, goal: Path) -> None:
    place = _inside(goal, Path(member.name).parent) / Path(member.name).name
    if place.is_symlink() or (place.exists() and not (member.isdir() and place.is_dir())):
        _remove(place)
    if member.islnk():
        _check_link(member, goal)
    mode = member.mode & 0o1777
    # A folder that its owner cannot write to could not take what is to come into it.
    member.mode = mode | 0o700 if member.isdir() else mode | 0o400
    layer.extract(member, goal, set_attrs=True, numeric_owner=False, filter=_mine)


def _check_link(member: tarfile.TarInfo, goal: Path) -> None:
    """Refuse a hard link to anything but a plain file of the image: it would be that file itself."""
    linked = Path(member.linkname)
    target = _inside(goal, linked.parent) / linked.name
    if target.is_symlink() or not target.is_file():
        raise tarfile.TarError(f"{member.name} is a link to what is not in the image")


def _mine(member: tarfile.TarInfo, goal: str) -> tarfile.TarInfo:
    """Refuse what leads out of the folder, and give the rest to who unpacks it."""
    found = tarfile.tar_filter(member, goal)
    return found.replace(mode=member.mode, uid=os.getuid(), gid=os.getgid(), uname="", gname="")


def _inside(goal: Path, folder: Path) -> Path:
    """Return a folder of the image. Raises tarfile.TarError where it leads out of it."""
    place = (goal / folder).resolve()
    if not place.is_relative_to(goal.resolve()):
        raise tarfile.TarError(f"{folder} leads out of the image")
    return place


def _clear(goal: Path, folder: Path) -> None:
    place = _inside(goal, folder)
    for entry in place.iterdir() if place.is_dir() else ():
        _remove(entry)


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
