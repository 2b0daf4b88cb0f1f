"""Files of volumes, and how they change under a container's eyes."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocicat.cluster.pods import mounted
from ocicat.cluster.pods.environment import Given, MissingError
from ocicat.cluster.pods.sandbox import host_path, within
from ocicat.cluster.pods.volumes import (
    TOKEN_S,
    Credentials,
    File,
    account_files,
    tokens_wanted,
    volume_files,
)

CREDENTIALS = Credentials({("", TOKEN_S): "own", ("vault", 600): "theirs", ("", 3600): "hour"}, "pem")
GIVEN = Given(
    pod={
        "metadata": {"name": "box", "namespace": "shop", "uid": "u", "labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "1"}}}]},
    },
    sources={
        ("ConfigMap", "m"): {"data": {"x": "1", "y": "2"}, "binaryData": {"z": "AAE="}},
        ("Secret", "s"): {"data": {"x": "Mw=="}},
    },
)


@pytest.mark.parametrize(
    ("volume", "wanted"),
    [
        ({"emptyDir": {}}, None),
        ({"configMap": {"name": "m"}}, {"x": File(b"1"), "y": File(b"2"), "z": File(b"\0\1")}),
        # "If specified, the listed keys will be projected into the specified paths"
        (
            {"configMap": {"name": "m", "defaultMode": 0o400, "items": [{"key": "x", "path": "a/b"}]}},
            {"a/b": File(b"1", 0o400)},
        ),
        # "mode: mode bits used to set permissions on this file … If not specified, the volume defaultMode"
        (
            {"secret": {"secretName": "s", "items": [{"key": "x", "path": "x", "mode": 0o600}]}},
            {"x": File(b"3", 0o600)},
        ),
        ({"secret": {"secretName": "none", "optional": True}}, {}),
        (
            {"configMap": {"name": "m", "optional": True, "items": [{"key": "no", "path": "no"}]}},
            {},
        ),
        (
            {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {"l": File(b'a="b"')},
        ),
        (
            {
                "projected": {
                    "defaultMode": 0o440,
                    "sources": [
                        {"secret": {"name": "s"}},
                        {"serviceAccountToken": {"path": "t", "audience": "vault", "expirationSeconds": 600}},
                        {
                            "downwardAPI": {
                                "items": [
                                    {
                                        "path": "cpu",
                                        "resourceFieldRef": {"containerName": "c", "resource": "limits.cpu"},
                                    }
                                ]
                            }
                        },
                    ],
                }
            },
            {"x": File(b"3", 0o440), "t": File(b"theirs", 0o440), "cpu": File(b"1", 0o440)},
        ),
    ],
)
def test_files_of_volumes(volume: dict[str, Any], wanted: dict[str, Any] | None) -> None:
    assert volume_files(GIVEN, {"name": "v", **volume}, CREDENTIALS) == wanted


@pytest.mark.parametrize(
    ("volume", "why"),
    [
        ({"configMap": {"name": "none"}}, 'configmap "none" not found'),
        ({"configMap": {"name": "m", "items": [{"key": "no", "path": "p"}]}}, "configmap m has no key no"),
        ({"nfs": {"server": "x"}}, "volume v: nfs is not provided by this cluster"),
        ({"projected": {"sources": [{"clusterTrustBundle": {}}]}}, "clusterTrustBundle is not provided"),
    ],
)
def test_volumes_that_cannot_be(volume: dict[str, Any], why: str) -> None:
    with pytest.raises(MissingError, match=why):
        volume_files(GIVEN, {"name": "v", **volume}, CREDENTIALS)


def test_the_account_of_a_pod() -> None:
    files = account_files(GIVEN, CREDENTIALS)
    assert {name: file.data for name, file in files.items()} == {
        "token": b"own", "ca.crt": b"pem", "namespace": b"shop",
    }  # fmt: skip


def test_tokens_that_volumes_ask_for() -> None:
    """ "Defaults to 1 hour" """
    sources = [{"serviceAccountToken": {"path": "a"}}, {"secret": {"name": "s"}}]
    assert tokens_wanted({"spec": {"volumes": [{"projected": {"sources": sources}}]}}) == {("", 3600)}


def contents(folder: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name in os.listdir(folder):
        if not name.startswith(".."):
            for base, _, files in os.walk(folder / name, followlinks=True):
                found |= {str(Path(base, f).relative_to(folder)): Path(base, f).read_bytes() for f in files}
            if (folder / name).is_file():
                found[name] = (folder / name).read_bytes()
    return found


NAMES = st.sampled_from(["a", "b", "c/d", "c/e", "f/g/h"])
STATES = st.lists(st.dictionaries(NAMES, st.binary(max_size=3), max_size=5), min_size=1, max_size=6)


@given(STATES)
def test_a_volume_holds_the_last_state_whatever_was_before(
    tmp_path_factory: pytest.TempPathFactory, states: list[dict[str, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("volume")
    for state in states:
        mounted.write(folder, {name: File(data) for name, data in state.items()})
    assert contents(folder) == states[-1]
    # One folder of data, and nothing left of those before.
    assert len([name for name in os.listdir(folder) if name.startswith("..")]) == 2


def test_who_has_a_file_open_reads_the_old_one_and_who_opens_it_again_the_new(tmp_path: Path) -> None:
    mounted.write(tmp_path, {"a": File(b"old", 0o600)})
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    with (tmp_path / "a").open("rb") as file:
        assert mounted.write(tmp_path, {"a": File(b"new")}) is True
        assert file.read() == b"old"
    assert (tmp_path / "a").read_bytes() == b"new"
    assert mounted.write(tmp_path, {"a": File(b"new")}) is False


def test_no_path_of_a_volume_leads_out_of_it(tmp_path: Path) -> None:
    """A container may have made a link; on the host it would lead to the user's own files."""
    inner = tmp_path / "volume"
    inner.mkdir()
    (inner / "link").symlink_to("/etc")
    (inner / "fine").symlink_to("sub")
    assert within(inner, "fine", "v") == inner / "sub"
    for path in ("link", "link/passwd", "../other"):
        with pytest.raises(MissingError, match="leads out of it"):
            within(inner, path, "v")
    with pytest.raises(MissingError, match=r"must not contain \.\."):
        host_path(inner, {"name": "v", "hostPath": {"path": "/a/../../b"}})
    with pytest.raises(MissingError, match="leads out of it"):
        host_path(inner, {"name": "v", "hostPath": {"path": "/link"}})


def test_kinds_of_host_paths(tmp_path: Path) -> None:
    def asked(kind: str) -> Path:
        return host_path(tmp_path, {"name": "v", "hostPath": {"path": f"/{kind or 'any'}", "type": kind}})

    assert asked("").is_dir()
    assert asked("DirectoryOrCreate").is_dir()
    assert asked("FileOrCreate").is_file()
    with pytest.raises(MissingError, match="the node has no Directory /Directory"):
        asked("Directory")


@pytest.mark.parametrize("path", ["../outside", "/etc/x", "a/../../outside", "..data", ""])
def test_no_path_leads_out_of_a_volume(tmp_path: Path, path: str) -> None:
    """The API server refuses them; a node does not rely on that."""
    folder = tmp_path / "volume"
    with pytest.raises(MissingError, match="leads out of its volume"):
        mounted.write(folder, {"good": File(b"1"), path: File(b"2")})
    assert not folder.exists()
    assert not (tmp_path / "outside").exists()
