"""What is missing on a machine is said with what to do about it."""

import os
import subprocess
from types import SimpleNamespace

import pytest

from ocicat.app.up import needs


def machine(monkeypatch, folder, refusal=""):
    (folder / "net/ipv6").mkdir(parents=True)
    answer = SimpleNamespace(returncode=1 if refusal else 0, stderr=refusal)
    monkeypatch.setattr(needs, "subprocess", SimpleNamespace(run=lambda *_args, **_options: answer))


def test_a_machine_that_has_all(monkeypatch, tmp_path):
    machine(monkeypatch, tmp_path)
    for name in needs.PROGRAMS:
        (tmp_path / name).touch(mode=0o755)
    assert list(needs.lacking(str(tmp_path), tmp_path)) == []


def test_missing_programs_are_named_with_their_packages(monkeypatch, tmp_path):
    machine(monkeypatch, tmp_path)
    (said,) = needs.lacking(str(tmp_path), tmp_path)
    assert "no ip and no nft" in said
    assert said.endswith("apt-get install iproute2 nftables")


@pytest.mark.parametrize(
    ("name", "value", "way"),
    [
        ("kernel/unprivileged_userns_clone", "0\n", "kernel.unprivileged_userns_clone=1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1\n", "restrict_unprivileged_userns=0"),
        ("user/max_user_namespaces", "0\n", "user.max_user_namespaces="),
        ("user/max_user_namespaces", "1000\n", "containers often forbid it"),
    ],
)
def test_refused_namespaces_come_with_the_parameter_that_refuses(monkeypatch, tmp_path, name, value, way):
    machine(monkeypatch, tmp_path, "unshare: unshare failed: Operation not permitted\n")
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text(value)
    for program in needs.PROGRAMS:
        (tmp_path / program).touch(mode=0o755)
    (said,) = needs.lacking(str(tmp_path), tmp_path)
    assert "(unshare failed: Operation not permitted)" in said
    assert way in said


def test_a_kernel_without_ipv6_is_noticed(monkeypatch, tmp_path):
    machine(monkeypatch, tmp_path)
    for name in needs.PROGRAMS:
        (tmp_path / name).touch(mode=0o755)
    (tmp_path / "net/ipv6").rmdir()
    (said,) = needs.lacking(str(tmp_path), tmp_path)
    assert "ipv6.disable=1" in said


@pytest.mark.kernel
def test_a_kernel_that_refuses_is_noticed():
    script = "echo 0 > /proc/sys/user/max_user_namespaces; unshare --user --map-root-user --net true"
    done = subprocess.run(["unshare", "--user", "--map-root-user", "sh", "-c", script], capture_output=True)
    assert done.returncode != 0
    assert list(needs.lacking(f"{os.environ['PATH']}:/usr/sbin:/sbin")) == []
