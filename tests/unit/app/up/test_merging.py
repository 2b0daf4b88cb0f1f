"""A cluster's kubeconfig goes into the user's, and nothing of theirs is lost."""

import pytest
import yaml

from ocicat.app.up.merging import NotMergedError, merge, merged, users_file

OURS = {
    "clusters": [{"name": "ocicat", "cluster": {"server": "https://127.0.0.1:6443"}}],
    "users": [{"name": "ocicat", "user": {"token": "t"}}],
    "contexts": [{"name": "ocicat", "context": {"cluster": "ocicat", "user": "ocicat"}}],
    "current-context": "ocicat",
}
THEIRS = {
    "clusters": [{"name": "work", "cluster": {"server": "https://work"}}],
    "users": [{"name": "me", "user": {"exec": {"command": "login"}}}],
    "contexts": [{"name": "work", "context": {"cluster": "work", "user": "me"}}],
    "current-context": "work",
    "preferences": {"colors": True},
}


def test_theirs_stays_and_ours_is_current():
    both = merged(THEIRS, OURS)
    assert [row["name"] for row in both["clusters"]] == ["work", "ocicat"]
    assert both["users"][0] == THEIRS["users"][0]
    assert both["current-context"] == "ocicat"
    assert both["preferences"] == {"colors": True}


def test_a_second_time_replaces_the_first():
    newer = {**OURS, "users": [{"name": "ocicat", "user": {"token": "u"}}]}
    again = merged(merged(THEIRS, OURS), newer)
    assert [row["name"] for row in again["users"]] == ["me", "ocicat"]
    assert again["users"][1]["user"] == {"token": "u"}


def test_it_makes_a_file_that_only_its_owner_reads(tmp_path):
    source, goal = tmp_path / "source", tmp_path / "kube" / "config"
    source.write_text(yaml.safe_dump(OURS))
    assert merge(source, goal) == "ocicat"
    assert goal.stat().st_mode & 0o777 == 0o600
    assert yaml.safe_load(goal.read_text())["clusters"] == OURS["clusters"]


def test_a_link_stays_a_link(tmp_path):
    source, real, goal = tmp_path / "source", tmp_path / "real", tmp_path / "config"
    source.write_text(yaml.safe_dump(OURS))
    real.write_text(yaml.safe_dump(THEIRS))
    goal.symlink_to(real)
    merge(source, goal)
    assert goal.is_symlink()
    assert len(yaml.safe_load(real.read_text())["users"]) == 2


@pytest.mark.parametrize(
    "text", ["- a\n- b\n", "clusters: yes\n", "clusters: [a]", "{", "just words", b"\xff\xfe\xfd"]
)
def test_what_is_no_kubeconfig_stays_as_it_is(tmp_path, text):
    source, goal = tmp_path / "source", tmp_path / "config"
    source.write_text(yaml.safe_dump(OURS))
    there = text if isinstance(text, bytes) else text.encode()
    goal.write_bytes(there)
    with pytest.raises(NotMergedError, match="config"):
        merge(source, goal)
    assert goal.read_bytes() == there


def test_what_cannot_be_put_in_place_leaves_no_keys_behind(tmp_path, monkeypatch):
    source, goal = tmp_path / "source", tmp_path / "kube" / "config"
    source.write_text(yaml.safe_dump(OURS))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(NotMergedError, match="No space"):
        merge(source, goal)
    assert list(goal.parent.iterdir()) == []


def test_a_cluster_that_never_was_up_is_said(tmp_path):
    with pytest.raises(NotMergedError, match="ever been up"):
        merge(tmp_path / "absent", tmp_path / "config")


@pytest.mark.parametrize(("variable", "wanted"), [("/a:/b", "/a"), (":/b", "/b"), ("", None)])
def test_the_users_file_is_the_first_that_is_named(variable, wanted):
    found = users_file({"KUBECONFIG": variable})
    assert str(found) == wanted if wanted else found.name == "config"
