"""Adding images to a cluster: a root file system, an OCI layout or archive, or one of podman's."""

import contextlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from ocicat.cluster.pods.images.known import Image, plain
from ocicat.cluster.pods.images.oci import BadImageError, Config, Layout

_SAVE_S: Final = 600
_ROOT: Final = "root"
_SAID: Final = "image.json"
_SHELL: Final = "/bin/sh"


def folder_of(images: Path, name: str) -> Path:
    """Return where an added image is kept, below a cluster's folder of images."""
    return images / "added" / plain(name).replace("/", "%")


def added(images: Path) -> dict[str, Image]:
    """Return the images that have been added, by name."""
    found = {}
    for path in sorted((images / "added").glob(f"*/{_SAID}")):
        image = msgspec.json.decode(path.read_bytes(), type=Image)
        found[image.name] = image
    return found


def add(images: Path, name: str, source: Path | None) -> Image:
    """Add an image, in place of one of the same name that was added before.

    Args:
        images: The cluster's folder of images.
        name: Its name; a tag is left out.
        source: A root file system (which stays where it is, and is not written to), or an OCI layout as
            folder or archive (which is copied); None for what podman, docker or containerd has by this name.

    Raises:
        BadImageError: It is no image that can run here.
    """
    if not plain(name):
        raise BadImageError(f"{name!r} is no name of an image")
    goal = folder_of(images, name)
    goal.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=goal.parent, prefix=".adding-"))
    try:
        work.chmod(0o755)
        image = _made(plain(name), name, source, work, goal)
        (work / _SAID).write_bytes(msgspec.json.encode(image))
        remove(images, name)
        work.rename(goal)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return image


def remove(images: Path, name: str) -> bool:
    """Take an added image away; false where there is none of this name. Containers that run keep it."""
    goal = folder_of(images, name)
    if not goal.is_dir():
        return False
    # What runs sees the files by its mount; a folder of another name is out of everybody's way.
    aside = Path(tempfile.mkdtemp(dir=goal.parent, prefix=".removed-"))
    goal.rename(aside / "image")
    shutil.rmtree(aside, ignore_errors=True)
    return True


def _made(name: str, reference: str, source: Path | None, work: Path, goal: Path) -> Image:
    if source is None:
        with _exported(reference) as archive:
            return _from_archive(name, archive, work, goal)
    if source.is_file():
        return _from_archive(name, source, work, goal)
    if (source / "oci-layout").is_file():
        return _from_layout(name, source, work, goal)
    if not any((source / part).is_dir() for part in ("bin", "usr/bin")):
        raise BadImageError(f"{source} is neither an OCI layout nor a root file system: it has no bin")
    return Image(name=name, kind="folder", command=(), arguments=(_SHELL,), folder=str(source.resolve()))


def _from_archive(name: str, archive: Path, work: Path, goal: Path) -> Image:
    with tempfile.TemporaryDirectory(dir=work) as folder:
        try:
            with tarfile.open(archive) as opened:
                opened.extractall(folder, filter="data")
        except (tarfile.TarError, OSError) as error:
            raise BadImageError(f"{archive} is no archive of an OCI layout: {error}") from error
        return _from_layout(name, Path(folder), work, goal)


def _from_layout(name: str, folder: Path, work: Path, goal: Path) -> Image:
    layout = Layout(folder)
    manifest = layout.manifest()
    config = layout.config(manifest)
    layout.unpack(manifest, work / _ROOT)
    user, group = _identity(config.user, work / _ROOT)
    return Image(
        name=name,
        kind="folder",
        command=tuple(config.entrypoint or ()),
        arguments=tuple(config.cmd or ()),
        environment=_variables(config),
        cwd=config.working_dir or "/",
        folder=str(goal / _ROOT),
        user=user,
        group=group,
    )


def _variables(config: Config) -> tuple[tuple[str, str], ...]:
    rows = (row.partition("=") for row in config.env or ())
    return tuple((name, value) for name, _, value in rows)


def _identity(said: str, root: Path) -> tuple[int, int]:
    """Return the numbers of the user and the group as whom an image runs, which may be names in its files."""
    user, _, group = said.partition(":")
    if not user:
        return 0, 0
    number, own_group = _looked_up(root / "etc/passwd", user)
    if not group:
        return number, own_group
    return number, _looked_up(root / "etc/group", group)[0]


def _looked_up(file: Path, name: str) -> tuple[int, int]:
    """Return the number of a name, and the one after it; a number is its own, and followed by 0."""
    with contextlib.suppress(OSError):
        for line in file.read_text(errors="replace").splitlines():
            fields = line.split(":")
            if len(fields) > 3 and name in (fields[0], fields[2]) and fields[2].isdigit():
                return int(fields[2]), int(fields[3]) if fields[3].isdigit() else 0
    if name.isdigit():
        return int(name), 0
    raise BadImageError(f"it runs as {name}, whom its {file.name} does not know")


@contextlib.contextmanager
def _exported(reference: str) -> Iterator[Path]:
    """Have podman, docker or containerd write an image into an archive. Raises BadImageError."""
    with tempfile.TemporaryDirectory(prefix="ocicat-image-") as folder:
        archive = Path(folder) / "image.tar"
        tried = []
        for words in (
            ["podman", "save", "--quiet", "--format", "oci-archive", "--output", str(archive), reference],
            ["nerdctl", "save", "--output", str(archive), reference],
            ["docker", "save", "--output", str(archive), reference],
            ["ctr", "image", "export", str(archive), reference],
        ):
            if shutil.which(words[0]) is None:
                continue
            done = subprocess.run(words, capture_output=True, text=True, timeout=_SAVE_S, check=False)  # noqa: S603
            if done.returncode == 0 and archive.is_file():
                yield archive
                return
            tried.append(f"{words[0]}: {done.stderr.strip()[-300:]}")
            with contextlib.suppress(FileNotFoundError):
                os.unlink(archive)
        raise BadImageError(
            "; ".join(tried) or "there is no podman, docker or ctr here: name a folder or an archive"
        )
