"""Images: their names, what they run, and how others are added."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ocicat.cluster.pods.images.adding import add, added, remove
from ocicat.cluster.pods.images.known import BUILT_IN, Image, base_environment, plain, program
from ocicat.cluster.pods.images.making import Images, UnknownImageError
from ocicat.cluster.pods.images.oci import BadImageError

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("busybox", "busybox"),
        ("busybox:1.36", "busybox"),
        ("docker.io/library/nginx:latest", "nginx"),
        ("library/nginx@sha256:abc", "nginx"),
        ("ocicat/hub:1", "ocicat/hub"),
        # Another registry's image of this name is another image.
        ("registry.example:5000/nginx:1", "registry.example:5000/nginx"),
        ("quay.io/x/busybox", "quay.io/x/busybox"),
    ],
)
def test_names(reference: str, name: str) -> None:
    assert plain(reference) == name


@pytest.mark.parametrize(
    ("command", "arguments", "wanted"),
    [
        # the API reference, "Define a Command and Arguments": the table of what overrides what
        (None, None, ["/entry", "default"]),
        (["/bin/other"], None, ["/bin/other"]),
        (None, ["given"], ["/entry", "given"]),
        (["/bin/other"], ["given"], ["/bin/other", "given"]),
    ],
)
def test_what_is_run(command: list[str] | None, arguments: list[str] | None, wanted: list[str]) -> None:
    image = Image(name="i", kind="folder", command=("/entry",), arguments=("default",))
    assert program(image, command, arguments) == wanted


def test_an_images_own_variables_are_stronger() -> None:
    image = Image(name="i", kind="folder", command=(), environment=(("PATH", "/x"),))
    assert base_environment(image)["PATH"] == "/x"


def test_an_unknown_image_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(UnknownImageError) as raised:
        Images(tmp_path, tmp_path).image("redis")
    assert all(name in str(raised.value) for name in BUILT_IN)


# --- adding -------------------------------------------------------------------------------------------------


def layer(*members: tuple[str, Any]) -> bytes:
    """A layer; a member is a text, None for a folder, or changes to its TarInfo."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for name, what in members:
            info = tarfile.TarInfo(name)
            info.uid = info.gid = 4321
            info.mode = 0o644
            data = b""
            if isinstance(what, Mapping):
                for key, value in what.items():
                    setattr(info, key, value)
            elif what is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o555
            else:
                data = what.encode()
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return raw.getvalue()


def link(target: str) -> dict[str, Any]:
    return {"type": tarfile.SYMTYPE, "linkname": target}


class Maker:
    """Makes an OCI layout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        (self.folder / "blobs" / "sha256" / name).write_bytes(data)
        return f"sha256:{name}"

    def json(self, value: Any) -> str:
        return self.blob(json.dumps(value).encode())

    def image(self, config: dict[str, Any], *layers: bytes) -> str:
        rows = [{"digest": self.blob(data), "mediaType": "tar+gzip"} for data in layers]
        return self.json({"config": {"digest": self.json({"config": config})}, "layers": rows})

    def index(self, *rows: dict[str, Any]) -> Path:
        (self.folder / "index.json").write_text(json.dumps({"manifests": list(rows)}))
        return self.folder


BASE = layer(
    ("bin", None), ("bin/sh", "shell"), ("etc", None), ("etc/passwd", "root:x:0:0::/:\nweb:x:101:102::/:\n"),
    ("old", None), ("old/a", "1"), ("old/b", "2"), ("gone", "x"), ("var", None), ("var/run", link("../run")),
    ("run", None),
)  # fmt: skip


def test_layers_come_one_on_the_other(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "layout")
    upper = layer(
        ("old/.wh..wh..opq", ""), ("old/c", "3"), (".wh.gone", ""), ("bin/sh", "other"),
        ("dev", None), ("dev/null", {"type": tarfile.CHRTYPE}), ("var/run/pid", "in run"),
    )  # fmt: skip
    config = {"Entrypoint": ["/bin/sh"], "Cmd": ["-c"], "Env": ["A=b=c"], "WorkingDir": "/old", "User": "web"}
    digest = maker.image(config, BASE, upper)
    image = add(tmp_path / "images", "docker.io/library/mine:1", maker.index({"digest": digest}))
    assert (image.name, image.command, image.arguments) == ("mine", ("/bin/sh",), ("-c",))
    assert (image.environment, image.cwd, image.user, image.group) == ((("A", "b=c"),), "/old", 101, 102)
    root = Path(image.folder)
    found = {
        str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and not path.is_symlink()
    }
    assert found == {"bin/sh", "etc/passwd", "old/c", "run/pid"}
    assert (root / "bin/sh").read_text() == "other"
    assert added(tmp_path / "images") == {"mine": image}


def test_an_image_for_this_machine_is_chosen(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "layout")
    here = maker.image({"Cmd": ["here"]}, BASE)
    rows = [
        {
            "digest": maker.image({"Cmd": ["there"]}, BASE),
            "platform": {"os": "linux", "architecture": "mips"},
        },
        {"digest": here, "platform": {"os": "linux", "architecture": ARCHITECTURE}},
        {"digest": here, "annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
    ]
    index = maker.json({"manifests": rows})
    assert add(tmp_path / "images", "i", maker.index({"digest": index})).arguments == ("here",)


def test_an_archive_is_as_good_as_a_folder(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "layout")
    maker.index({"digest": maker.image({}, BASE)})
    with tarfile.open(tmp_path / "image.tar", "w") as tar:
        tar.add(maker.folder, arcname=".")
    assert (Path(add(tmp_path / "images", "i", tmp_path / "image.tar").folder) / "bin/sh").is_file()


def test_a_root_file_system_stays_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "root/bin").mkdir(parents=True)
    image = add(tmp_path / "images", "i", tmp_path / "root")
    assert (image.folder, image.arguments) == (str(tmp_path / "root"), ("/bin/sh",))
    made = Images(tmp_path / "images", tmp_path).made("i")
    assert made.folder == tmp_path / "root"
    assert [target for _, target, _ in made.binds] == ["/etc/ssl/certs/ca-certificates.crt"]


def test_what_is_added_again_is_replaced_and_can_be_removed(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "bin").mkdir(parents=True)
        add(tmp_path / "images", "i", tmp_path / name)
    assert added(tmp_path / "images")["i"].folder == str(tmp_path / "two")
    assert remove(tmp_path / "images", "i") is True
    assert remove(tmp_path / "images", "i") is False
    assert list((tmp_path / "images" / "added").iterdir()) == []
    assert (tmp_path / "two" / "bin").is_dir()


def refused(tmp_path: Path, source: Path) -> str:
    with pytest.raises(BadImageError) as raised:
        add(tmp_path / "images", "i", source)
    assert list((tmp_path / "images" / "added").iterdir()) == []
    return str(raised.value)


def test_what_is_no_image_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "it has no bin" in refused(tmp_path, tmp_path / "empty")
    (tmp_path / "text").write_text("hello")
    assert "is no archive of an OCI layout" in refused(tmp_path, tmp_path / "text")


def test_a_blob_that_is_another_is_refused(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "layout")
    digest = maker.image({}, BASE)
    (maker.folder / "blobs/sha256" / hashlib.sha256(BASE).hexdigest()).write_bytes(b"other")
    assert "has the digest" in refused(tmp_path, maker.index({"digest": digest}))


def test_several_images_are_named(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "layout")
    rows = [
        {"digest": maker.image({}, BASE), "annotations": {"org.opencontainers.image.ref.name": name}}
        for name in ("a", "b")
    ]
    assert "there are: a, b" in refused(tmp_path, maker.index(*rows))


@pytest.mark.parametrize(
    "members",
    [
        [("../../escaped", "x")],
        [("out", link("../../..")), ("out/escaped", "x")],
        [("out", link("/")), ("out/.wh.etc", "")],
        [("out", link("/")), ("out/.wh..wh..opq", "")],
        [("out", link("/etc/passwd")), ("bound-out", {"type": tarfile.LNKTYPE, "linkname": "out"})],
        [("in", link("/etc")), ("out", {"type": tarfile.LNKTYPE, "linkname": "in/passwd"})],
        [("out/.wh...", "")],
    ],
)
def test_no_layer_reaches_beyond_its_image(tmp_path: Path, members: list[tuple[str, Any]]) -> None:
    maker = Maker(tmp_path / "layout")
    text = refused(tmp_path, maker.index({"digest": maker.image({}, layer(*members))}))
    assert "out" in text
    assert not list(tmp_path.rglob("escaped"))


def test_a_user_that_its_files_do_not_know_is_refused(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "layout")
    digest = maker.image({"User": "nobody-knows"}, BASE)
    assert "it runs as nobody-knows" in refused(tmp_path, maker.index({"digest": digest}))


@pytest.mark.parametrize(
    ("user", "wanted"), [("7", (7, 0)), ("7:8", (7, 8)), ("101", (101, 102)), ("", (0, 0))]
)
def test_users_by_number(tmp_path: Path, user: str, wanted: tuple[int, int]) -> None:
    maker = Maker(tmp_path / "layout")
    image = add(tmp_path / "images", "i", maker.index({"digest": maker.image({"User": user}, BASE)}))
    assert (image.user, image.group) == wanted
