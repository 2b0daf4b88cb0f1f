"""The images that there are, by name. Pure.

An image is an honest implementation with the machine's own programs; a name that is not here is refused,
never replaced by something else.
"""

import re
import sys
from pathlib import Path
from typing import Final

import msgspec

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_BUSYBOX_PATH: Final = "/bin:/sbin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
_PROGRAMS: Final = "ocicat.cluster.pods.programs"
PACKAGES: Final = str(Path(__file__).resolve().parents[4])
"""Where our own package is, which the images that are programs of ours run."""
AUTHORITIES: Final = "/etc/ssl/certs/ca-certificates.crt"
"""Where images keep the certificates that they trust."""


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """What a container of this image runs where its pod says nothing else."""

    name: str
    kind: str
    """How its folder is made, see `ocicat.cluster.pods.images.making`."""
    command: tuple[str, ...]
    """Entry point; a pod's `command` replaces it and the arguments."""
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    cwd: str = "/"
    folder: str = ""
    """A root file system that somebody has added; empty for one that is made here."""
    user: int = 0
    """As whom it runs where its pod says nothing."""
    group: int = 0


def _python(name: str, *words: str) -> Image:
    return Image(
        name=name,
        kind="python",
        command=(sys.executable, "-m", *words),
        environment=(("PYTHONUNBUFFERED", "1"), ("PYTHONDONTWRITEBYTECODE", "1"), ("PYTHONPATH", PACKAGES)),
    )


BUILT_IN: Final = {
    image.name: image
    for image in (
        Image(
            name="busybox", kind="busybox", command=(), arguments=("sh",), environment=(("PATH",
            _BUSYBOX_PATH),)
        ),
        Image(
            name="nginx", kind="nginx", command=("/usr/local/sbin/nginx",), arguments=("-g", "daemon off;"),
            environment=(("NGINX_VERSION", "1.22"),),
        ),
        _python("ocicat/catfacts-db", f"{_PROGRAMS}.catfacts_db"),
        _python("ocicat/catfacts-facts", f"{_PROGRAMS}.catfacts_facts"),
        _python("ocicat/catfacts-worker", f"{_PROGRAMS}.catfacts_worker"),
        _python("ocicat/coredns", f"{_PROGRAMS}.coredns"),
        _python("ocicat/hub", "ocicat", "hub"),
        _python("ocicat/relay", f"{_PROGRAMS}.relay"),
        _python("ocicat/probe", f"{_PROGRAMS}.probe"),
    )
}  # fmt: skip

_PREFIX: Final = re.compile(r"(docker\.io/|index\.docker\.io/)?(library/)?")


def plain(reference: str) -> str:
    """Return the name of an image without registry, tag and digest where they are the usual ones."""
    text = _PREFIX.sub("", reference, count=1)
    text = text.partition("@")[0]
    head, slash, tail = text.rpartition("/")
    return head + slash + tail.partition(":")[0]


def base_environment(image: Image) -> dict[str, str]:
    """Return the variables that every container of an image has."""
    trusted = {"SSL_CERT_FILE": AUTHORITIES, "CURL_CA_BUNDLE": AUTHORITIES}
    return {"PATH": _PATH, "HOME": "/root", **trusted, **dict(image.environment)}


def program(image: Image, command: list[str] | None, arguments: list[str] | None) -> list[str]:
    """Return what a container runs: a pod's `command` replaces all, its `args` the arguments alone."""
    if command:
        return [*command, *(arguments or ())]
    return [*image.command, *(arguments or image.arguments)]
