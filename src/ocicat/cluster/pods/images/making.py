"""Making the folders of images: a small root with the machine's programs bound into it.

`/usr` is the machine's own, shown read-only part by part; busybox and nginx come from Debian where the
machine has none, by `apt-get download` and `dpkg -x`, which need no root and start nothing.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Final

from ocicat.base.errors import OcicatError
from ocicat.cluster.pods.images.adding import added
from ocicat.cluster.pods.images.known import AUTHORITIES, BUILT_IN, PACKAGES, Image, plain

_SHOWN: Final = ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/lib32", "usr/libexec", "usr/share")
_HOST_AUTHORITIES: Final = (AUTHORITIES, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_FETCH_S: Final = 300
_NEEDED: Final = {"busybox": ("busybox",), "nginx": ("nginx", "nginx-common")}
"""Programs of images, and the Debian packages that bring them."""

_PASSWD: Final = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
_NGINX: Final = """\
# The pod has one user, root of its own namespaces.
user root;
worker_processes 1;
error_log /dev/stderr notice;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
    types { text/html html htm; text/css css; text/plain txt; application/json json; }
    default_type application/octet-stream;
    access_log /dev/stdout combined;
    sendfile on;
    keepalive_timeout 65;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    include /etc/nginx/conf.d/*.conf;
}
"""
_NGINX_SERVER: Final = """\
server {
    listen 80;
    listen [::]:80;
    server_name localhost;
    location / { root /srv/nginx/html; index index.html index.htm; }
}
"""

_WGET: Final = """\
#!/bin/sh
# Debian's busybox 1.35 was built without wget's -T, and crashes where it is given.
limit= count=$#
while [ "$count" -gt 0 ]; do
    word=$1 count=$((count - 1))
    shift
    case $word in
        -T | --timeout) limit=$1 count=$((count - 1)); shift ;;
        -T*) limit=${word#-T} ;;
        --timeout=*) limit=${word#--timeout=} ;;
        *) set -- "$@" "$word" ;;
    esac
done
[ -n "$limit" ] || exec busybox wget "$@"
# The machine's: busybox's own leaves a process behind that holds the output open for a second.
/usr/bin/timeout --foreground "$limit" busybox wget "$@"
code=$?
[ "$code" != 124 ] || { echo "wget: download timed out" >&2; exit 1; }
exit "$code"
"""
_REFUSING: Final = "http://127.0.0.1:1/"


class UnknownImageError(OcicatError):
    """There is no image of this name."""


class ImageNotMadeError(OcicatError):
    """An image is known and could not be made; the message says what is missing."""


class Made:
    """An image that is there."""

    def __init__(self, image: Image, folder: Path, binds: list[tuple[str, str, bool]]) -> None:
        """Keep the image, its folder (the lower layer of roots) and what is bound into every root."""
        self.image: Final = image
        self.folder: Final = folder
        self.binds: Final = binds


class Images:
    """The images of one cluster. Making one blocks: call `made` in a thread."""

    def __init__(
        self, folder: Path, debian: Path, authority: Path | None = None, *, part: str = "shared"
    ) -> None:
        """Keep folders.

        Args:
            folder: The cluster's images: those that are made, and those that have been added.
            debian: Where unpacked Debian packages are kept, for all clusters of this user.
            authority: A certificate that every image trusts beside the machine's own.
            part: Below which name images are made, so that nodes are not in each other's way.
        """
        self._folder: Final = folder
        self._parts: Final = folder / "made" / part
        self._debian: Final = debian
        self._authority: Final = authority
        self._made: Final[dict[str, Made]] = {}
        self._making: Final = threading.Lock()

    def of(self, node: str) -> "Images":
        """Return the same images as a node makes them."""
        return Images(self._folder, self._debian, self._authority, part=node)

    def sweep(self) -> None:
        """Take away what has been made: nothing may run on it any more. Blocks."""
        shutil.rmtree(self._parts, ignore_errors=True)

    def names(self) -> list[str]:
        """Return the names of all images."""
        return sorted({*BUILT_IN, *added(self._folder)})

    def image(self, reference: str) -> Image:
        """Return the image of a reference. Raises UnknownImageError."""
        name = plain(reference)
        found = added(self._folder).get(name) or BUILT_IN.get(name)
        if found is None:
            known = ", ".join(self.names())
            raise UnknownImageError(f'there is no image "{reference}" here; there are: {known}')
        return found

    def made(self, reference: str) -> Made:
        """Return an image, made where it was not. Raises UnknownImageError, ImageNotMadeError."""
        image = self.image(reference)
        with self._making:
            if image.kind == "folder":
                return Made(image, Path(image.folder), [self._bundle()])
            if image.name not in self._made:
                self._made[image.name] = self._make(image)
            return self._made[image.name]

    def _make(self, image: Image) -> Made:
        """Make an image anew: the machine's programs may be others than last time.

        What was made before stays, since containers may run on it, of this node or of another.
        """
        self._parts.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{image.name.replace('/', '%')}.", dir=self._parts))
        folder.chmod(0o755)
        try:
            return self._filled(image, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _filled(self, image: Image, folder: Path) -> Made:
        binds = _base(folder)
        self._trust(folder)
        match image.kind:
            case "busybox":
                _busybox(folder, self._program("busybox", "bin/busybox", "busybox"))
            case "nginx":
                _link_bin(folder)
                self._nginx(folder)
            case _:
                _link_bin(folder)
                binds += _python_binds()
        return Made(image, folder, binds)

    def _bundle(self) -> tuple[str, str, bool]:
        """Return what lets an added image trust what the others do."""
        folder = self._parts / "trust"
        bundle = folder / AUTHORITIES[1:]
        if not bundle.exists():
            self._trust(folder)
        return str(bundle), AUTHORITIES, True

    def _trust(self, folder: Path) -> None:
        bundle = folder / AUTHORITIES[1:]
        bundle.parent.mkdir(parents=True)
        present = next((Path(path) for path in _HOST_AUTHORITIES if Path(path).exists()), None)
        text = present.read_text() if present else ""
        if self._authority is not None:
            own = self._authority.read_text()
            text += own
            # By the hash of its name too, which is how OpenSSL looks where nobody names a bundle.
            done = subprocess.run(  # noqa: S603
                ["openssl", "x509", "-noout", "-hash", "-in", str(self._authority)],  # noqa: S607
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode == 0:
                (bundle.parent / f"{done.stdout.strip()}.0").write_text(own)
        bundle.write_text(text)

    def _program(self, name: str, path: str, package: str) -> Path:
        """Return a program of the machine, or else Debian's. Raises ImageNotMadeError."""
        if present := shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
            return Path(present)
        return self.unpacked(package) / path

    def unpacked(self, package: str) -> Path:
        """Return the folder of an unpacked Debian package. Raises ImageNotMadeError where it is not there
        yet."""
        goal = self._debian / package
        if not goal.exists():
            raise ImageNotMadeError(
                f"Debian's {package} is being fetched, or could not be; `ocicat up` says which"
            )
        return goal

    def _nginx(self, folder: Path) -> None:
        program = self._program("nginx", "usr/sbin/nginx", "nginx")
        local = folder / "usr/local/sbin"
        local.mkdir(parents=True)
        shutil.copy2(program, local / "nginx")
        html = folder / "srv/nginx/html"
        html.mkdir(parents=True)
        page = (
            next(
                (path for path in (Path("/usr/share/nginx/html/index.html"),) if path.exists()),
                None,
            )
            or self.unpacked("nginx-common") / "usr/share/nginx/html/index.html"
        )
        shutil.copy(page, html / "index.html")
        conf = folder / "etc/nginx"
        (conf / "conf.d").mkdir(parents=True)
        (conf / "nginx.conf").write_text(_NGINX)
        (conf / "conf.d/default.conf").write_text(_NGINX_SERVER)
        for name in ("var/log/nginx", "var/lib/nginx"):
            (folder / name).mkdir(parents=True)


def missing_packages(debian: Path) -> list[str]:
    """Return the Debian packages that images need and that neither the machine nor the folder has."""
    wanted = [
        package for program, packages in _NEEDED.items() if not _installed(program) for package in packages
    ]
    return [package for package in wanted if not (debian / package).exists()]


def _installed(program: str) -> bool:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


def fetch(package: str, debian: Path) -> None:
    """Fetch a Debian package and unpack it below `debian`. Blocks. Raises ImageNotMadeError."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise ImageNotMadeError(
            f"{package} is not installed, and there is no apt-get to fetch it: install it"
        )
    debian.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=debian) as work:
        _run(["apt-get", "-qq", "-o", "APT::Sandbox::User=", "download", package], work)
        _run(["dpkg", "-x", str(next(Path(work).glob("*.deb"))), "unpacked"], work)
        with contextlib.suppress(OSError):  # another cluster of this user was faster
            (Path(work) / "unpacked").rename(debian / package)


def _run(command: list[str], folder: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=folder, capture_output=True, text=True, timeout=_FETCH_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ImageNotMadeError(f"{' '.join(command)} took longer than {_FETCH_S} s") from error
    if done.returncode != 0:
        raise ImageNotMadeError(f"{' '.join(command)}: {done.stderr.strip()[-400:]}")


def _base(folder: Path) -> list[tuple[str, str, bool]]:
    """Make what every root has; return what is bound into it."""
    for name in ("etc", "root", "run", "tmp", "var/tmp", "proc", "sys", "dev", "home", "opt"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "var/run").symlink_to("/run")
    for name in ("lib", "lib64"):
        if Path("/usr", name).is_dir():
            (folder / name).symlink_to(f"usr/{name}")
    (folder / "etc/passwd").write_text(_PASSWD)
    (folder / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (folder / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
    cache = Path("/etc/ld.so.cache")
    if cache.exists():
        shutil.copy(cache, folder / "etc/ld.so.cache")
    if Path("/etc/alternatives").is_dir():
        shutil.copytree("/etc/alternatives", folder / "etc/alternatives", symlinks=True)
    return [(f"/{name}", f"/{name}", True) for name in _SHOWN if Path("/", name).is_dir()]


def _link_bin(folder: Path) -> None:
    for name in ("bin", "sbin"):
        (folder / name).symlink_to(f"usr/{name}")


def _busybox(folder: Path, program: Path) -> None:
    """Make /bin and /sbin of busybox's own commands; openssl stays the machine's, in /usr/bin."""
    binaries = folder / "bin"
    binaries.mkdir()
    (folder / "sbin").mkdir()
    shutil.copy2(program, binaries / "busybox")
    listed = subprocess.run([str(program), "--list"], capture_output=True, text=True, check=False)  # noqa: S603
    if listed.returncode != 0:
        raise ImageNotMadeError(f"{program} --list: {listed.stderr.strip()}")
    for name in listed.stdout.split():
        if name != "busybox":
            (binaries / name).symlink_to("busybox")
    if _crashes_on_timeouts(program):
        (binaries / "wget").unlink()
        (binaries / "wget").write_text(_WGET)
        (binaries / "wget").chmod(0o755)


def _crashes_on_timeouts(program: Path) -> bool:
    refused = [str(program), "wget", "-q", "-T", "1", _REFUSING]
    return subprocess.run(refused, capture_output=True, check=False).returncode < 0  # noqa: S603


def _python_binds() -> list[tuple[str, str, bool]]:
    """Return what this Python and our package need, at the very places where they are."""
    places = {sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parents[1])}
    places.add(PACKAGES)
    outer = [
        place
        for place in sorted(places)
        if not place.startswith("/usr") and not any(place != o and place.startswith(o + "/") for o in places)
    ]
    return [(place, place, True) for place in outer if place != "/"]
