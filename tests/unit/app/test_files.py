import io
import os
import socket
import subprocess

import pytest

from ocicat.app.files import Source, sources
from ocicat.base.problem import Problem
from ocicat.model.documents import Limits


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A folder with manifests in it, which is also the working directory."""
    for name in (
        "b.yaml", "a.yml", "c.json", "notes.txt", ".hidden.yaml", "kustomization.yaml", "B.yaml",
        "sub/d.yaml", "sub/deep/e.yaml", ".git/f.yaml", "a/z.yaml",
    ):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def named(*paths, **options):
    """Return the names of the sources, and (code, file, what) of the Problems, in the order they come."""
    return [
        found.name if isinstance(found, Source) else (found.code, found.where.file, found.what)
        for found in sources(paths, **options)
    ]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        # A file is read whatever it is called.
        (["notes.txt"], ["notes.txt"]),
        ([".hidden.yaml"], [".hidden.yaml"]),
        (["b.yaml", "a.yml"], ["b.yaml", "a.yml"]),
        # Folders: by name, hidden ones left out, what stands in a folder before what stands below it
        (
            ["."],
            [
                "./B.yaml",
                "./a.yml",
                "./b.yaml",
                "./c.json",
                "./a/z.yaml",
                "./sub/d.yaml",
                "./sub/deep/e.yaml",
            ],
        ),
        (["sub/"], ["sub/d.yaml", "sub/deep/e.yaml"]),
        ([".git"], [".git/f.yaml"]),
        # Globs
        (["*.y*ml"], ["B.yaml", "a.yml", "b.yaml", "kustomization.yaml"]),
        (["sub/**/*.yaml"], ["sub/d.yaml", "sub/deep/e.yaml"]),
        (["s*"], ["sub/d.yaml", "sub/deep/e.yaml"]),
        (["[ab].y*"], ["a.yml", "b.yaml"]),
        # Each file once
        (["sub", "sub/d.yaml", "b.yaml", "./b.yaml"], ["sub/d.yaml", "sub/deep/e.yaml", "b.yaml"]),
    ],
)
def test_paths_stand_for_files(tree, paths, names):
    assert named(*paths) == names


def test_the_content_is_that_of_the_file(tree):
    assert list(sources(["sub/d.yaml"])) == [Source("sub/d.yaml", b"sub/d.yaml")]


def test_a_file_with_the_letters_of_a_glob_in_its_name_is_itself(tree):
    (tree / "[ab].yaml").write_text("x")
    assert named("[ab].yaml") == ["[ab].yaml"]


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("missing.yaml", "no such file"),
        ("missing/*.yaml", "nothing matches"),
        ("empty", "holds no .json, .yaml, .yml"),
        ("a\0b", "no such file"),
        ("x" * 5000, "no such file"),
    ],
)
def test_a_path_that_leads_nowhere_is_a_problem_and_the_others_are_read(tree, path, what):
    (tree / "empty").mkdir()
    problem, name = named(path, "b.yaml")
    assert problem[:2] == ("OC0001", path)
    assert what in problem[2]
    assert name == "b.yaml"


def test_a_dangling_link_is_a_problem_when_it_is_named(tree):
    (tree / "link.yaml").symlink_to("nowhere")
    assert named("link.yaml") == [("OC0001", "link.yaml", "cannot be read: no such file or directory")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_problem(tree):
    (tree / "b.yaml").chmod(0)
    assert named("b.yaml") == [("OC0001", "b.yaml", "cannot be read: permission denied")]


def test_a_folder_that_may_not_be_listed_is_a_problem_and_the_others_are_read(tree, monkeypatch):
    listdir = os.listdir

    def refusing(path):
        if path == "./a":
            raise PermissionError(13, "Permission denied")
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refusing)
    found = named(".")
    assert ("OC0001", "./a", "cannot be read: permission denied") in found
    assert "./sub/d.yaml" in found


def test_a_file_that_the_system_refuses_is_a_problem(tree):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.yaml")
        ((code, file, _),) = named("s.yaml")
        assert (code, file) == ("OC0001", "s.yaml")
        assert "./s.yaml" not in named(".")


def test_a_loop_of_links_is_walked_once(tree):
    (tree / "sub" / "up").symlink_to("..")
    (tree / "sub" / "self").symlink_to(".")
    assert named("sub").count("sub/d.yaml") == 1
    assert "sub/up/b.yaml" in named("sub")


def test_a_link_to_a_file_that_was_read_is_not_read_again(tree):
    (tree / "copy.yaml").symlink_to("b.yaml")
    assert named("b.yaml", "copy.yaml") == ["b.yaml"]


def test_a_pipe_in_a_folder_is_left_alone_and_a_named_one_is_read(tree):
    os.mkfifo("p.yaml")
    assert "./p.yaml" not in named(".")
    with subprocess.Popen(["/bin/sh", "-c", "printf 'kind: Pod' > p.yaml"]):
        assert list(sources(["p.yaml"])) == [Source("p.yaml", b"kind: Pod")]


def test_a_file_larger_than_the_bound_is_not_read(tree):
    limits = Limits(bytes=5)
    assert named("b.yaml", "notes.txt", limits=limits) == [
        ("OC0002", "b.yaml", "holds more than the 5 bytes that are read"),
        ("OC0002", "notes.txt", "holds more than the 5 bytes that are read"),
    ]
    (tree / "b.yaml").write_text("12345")
    assert named("b.yaml", limits=limits) == ["b.yaml"]


def test_a_file_without_end_is_cut_off(tree):
    ((code, file, _),) = named("/dev/zero", limits=Limits(bytes=1000))
    assert (code, file) == ("OC0002", "/dev/zero")


# --- standard input -----------------------------------------------------------------------------------------


def test_a_dash_is_standard_input(tree):
    assert list(sources(["-"], stdin=io.BytesIO(b"kind: Pod"))) == [Source("-", b"kind: Pod")]


def test_standard_input_is_bounded(tree):
    stream = io.BytesIO(b"x" * 100)
    assert named("-", stdin=stream, limits=Limits(bytes=10)) == [
        ("OC0002", "-", "holds more than the 10 bytes that are read")
    ]
    assert stream.tell() <= 11


class BrokenStream(io.RawIOBase):
    def read(self, size=-1):
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize(
    ("stream", "what"), [(None, "there is no standard input here"), (BrokenStream(), "input/output error")]
)
def test_standard_input_that_cannot_be_read_is_a_problem(tree, stream, what):
    (problem,) = sources(["-"], stdin=stream)
    assert isinstance(problem, Problem)
    assert (problem.code, problem.where.file, problem.what) == ("OC0001", "-", f"cannot be read: {what}")
