"""docs/tutorial/course.md: every command of the page, run in its order on a new cluster.

In a `shell-session` block a line after `$ ` is a command, and what follows is what it prints. `…` stands for
any text within a line, a line `...` for any lines. What only looks is repeated until it sees what the page
says, since flows and pods take a moment; what changes something is run once.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.course import OWN, Course, course, newest

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorial" / "course.md"
BLOCK = re.compile(r"^```shell-session\n(.*?)^```", re.DOTALL | re.MULTILINE)
LOOKS = re.compile(r"(kubectl (get|describe|logs|wait|exec)|ocicat|curl) ")
PAGES_PORT = "8080"
PATIENCE_S = 60.0


class Reader:
    """Somebody who types the page's commands in one terminal."""

    def __init__(self, lab: Course, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "manifests", folder / "manifests")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = str(probe.getsockname()[1])
        programs = [str(Path(sys.executable).parent), str(lab.kubectl.path.parent)]
        self.environment = {
            **lab.kubectl.environment,
            "PATH": os.pathsep.join([*programs, os.environ["PATH"]]),
            "OCICAT_FLOWS_HUB": lab.console,
            "NO_COLOR": "1",
            "NO_PROXY": "*",
        }
        (folder / "bin").mkdir()
        (folder / "bin" / "kubectl").symlink_to(lab.kubectl.path)
        self.environment["PATH"] = f"{folder / 'bin'}{os.pathsep}{self.environment['PATH']}"
        self.background: list[subprocess.Popen[str]] = []

    def does(self, command: str, expected: str, where: str) -> None:
        """Run a command, and compare what it prints with the page."""
        command = command.replace(f"{PAGES_PORT}", self.port)
        expected = expected.replace(PAGES_PORT, self.port)
        if command.endswith("&"):
            self._start(command.removesuffix("&"), expected, where)
            return
        deadline = time.monotonic() + (PATIENCE_S if LOOKS.match(command) else 0)
        while True:
            printed = self._printed(command)
            if matches(expected, printed):
                return
            assert time.monotonic() < deadline, f"{where}\n$ {command}\nprinted\n{printed}"
            time.sleep(0.5)

    def _printed(self, command: str) -> str:
        return subprocess.run(
            ["sh", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=150,
        ).stdout

    def _start(self, command: str, expected: str, where: str) -> None:
        """Start what goes on in the background; an older one has ended, as the page says."""
        self.end()
        process = subprocess.Popen(
            ["sh", "-c", f"exec {command}"],
            cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.background.append(process)
        assert process.stdout is not None
        assert matches(expected, process.stdout.readline()), f"{where}\n$ {command}"

    def end(self) -> None:
        """End what runs in the background."""
        while self.background:
            process = self.background.pop()
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A reader with a cluster of their own."""
    with course(tmp_path, newest(), OWN, tmp_path / "state") as lab:
        someone = Reader(lab, tmp_path / "desk")
        yield someone
        someone.end()


def steps() -> Iterator[tuple[str, str, str]]:
    """Yield place, command and expected output of all steps of the page."""
    text = PAGE.read_text(encoding="utf-8")
    for block in BLOCK.finditer(text):
        line = text[: block.start(1)].count("\n") + 1
        first, *found = re.split(r"^\$ ", block[1], flags=re.MULTILINE)
        assert not first.strip(), f"{PAGE.name}:{line}: a block begins with a command"
        for step in found:
            command, expected = split(step)
            yield f"{PAGE.name}:{line}", command, expected
            line += step.count("\n")


def split(step: str) -> tuple[str, str]:
    """Return a command, its here-document included, and what follows."""
    end = re.search(r"<<'?EOF'?\n.*?^EOF\n", step, re.DOTALL | re.MULTILINE)
    command = step[: end.end()] if end else step.partition("\n")[0] + "\n"
    return command.strip(), step[len(command) :]


def matches(expected: str, printed: str) -> bool:
    """Tell whether what was printed is what the page shows."""
    pattern = "".join(
        r"(?:.*\n)*" if line.strip() == "..." else ".*?".join(map(words, line.rstrip().split("…"))) + r"\n"
        for line in expected.strip().split("\n")
    )
    shown = "".join(f"{line.rstrip()}\n" for line in printed.strip().split("\n"))
    return re.fullmatch(pattern, shown) is not None


def words(text: str) -> str:
    """Return a pattern for text in which any blanks stand for any blanks: columns differ in width."""
    return r"[ \t]+".join(re.escape(word) for word in re.split(r"[ \t]+", text))


def test_every_command_does_what_the_page_says(reader: Reader) -> None:
    for where, command, expected in steps():
        reader.does(command, expected, where)


def test_the_page_has_the_whole_course() -> None:
    commands = [command for _, command, _ in steps()]
    assert len(commands) > 40
    for part in ("kubectl get tiers", "--denied", "kubectl edit", "StagedNetworkPolicy", "NetworkSet"):
        assert any(part in command for command in commands), part


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("a b\n", "a   b\n", True),
        ("a …\n", "a 1.2.3.4 <none>\n", True),
        ("a …\n", "b 1\n", False),
        ("...\nb\n...\n", "a\nb\nc\n", True),
        ("...\nb\n...\n", "b\n", True),
        ("...\nb\n...\n", "a\nc\n", False),
        ("a\n...\n", "a\n", True),
        ("a\n...\nc\n", "a\nb\nb\nc\n", True),
        ("a\n...\nc\n", "a\nc\n", True),
        ("a\n", "a\nb\n", False),
        ("", "error\n", False),
    ],
)
def test_output_is_compared_line_by_line(expected: str, printed: str, same: bool) -> None:
    assert matches(expected, printed) is same
