"""The examples in the documentation run, and print what the page says they print.

A `python` block runs as it stands, one with `>>>` as a doctest. In a `console` block the lines after `$ `
are run in a shell, and what follows is the output; a line `...` stands for any lines. The blocks of one page
run in order, in a folder of their own that holds a copy of manifests/. A block that is only read is `sh`.
"""

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
PAGES = [
    page for page in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
    if "reference" not in page.parts and BLOCK.search(page.read_text(encoding="utf-8"))
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as a reader has it in front of them: manifests/, and ocicat on the path."""
    shutil.copytree(ROOT / "manifests", tmp_path / "manifests")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"])
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


def test_some_pages_have_examples() -> None:
    assert ROOT / "README.md" in PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page(page: Path, folder: Path) -> None:
    text = page.read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for block in BLOCK.finditer(text):
        line = text[: block.start(2)].count("\n") + 1
        where = f"{page.relative_to(ROOT)}:{line}"
        if block[1] == "console":
            run_transcript(block[2], where, folder)
        else:
            run_python(block[2], where, names)


def run_python(code: str, where: str, names: dict[str, object]) -> None:
    if ">>>" not in code:
        exec(compile(code, where, "exec"), names)  # noqa: S102  # the point of this test
        return
    test = doctest.DocTestParser().get_doctest(code, names, where, where, 0)
    complaints: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=complaints.append, clear_globs=False)
    names.update(test.globs)
    assert not complaints, "".join(complaints)


def run_transcript(block: str, where: str, folder: Path) -> None:
    steps = re.split(r"^\$ ", block, flags=re.MULTILINE)
    assert not steps[0].strip(), f"{where}: a console block begins with a command"
    for step in steps[1:]:
        command = re.match(r"(?:[^\n]*\\\n)*[^\n]*\n", step)[0]  # goes on after a backslash
        expected = step.removeprefix(command)
        ran = subprocess.run(
            ["sh", "-c", command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert matches(expected, ran.stdout), f"{where}\n$ {command}printed\n{ran.stdout}"


def matches(expected: str, printed: str) -> bool:
    """Tell whether the output is what the page shows; a line `...` stands for any lines."""
    lines = [
        ".*" if line.strip() == "..." else re.escape(line.rstrip()) for line in expected.strip().split("\n")
    ]
    shown = "\n".join(line.rstrip() for line in printed.strip().split("\n"))
    return re.fullmatch("\n".join(lines), shown, flags=re.DOTALL) is not None


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("one\ntwo\n", "one\ntwo\n", True),
        ("one\ntwo\n", "one\nthree\n", False),
        ("one\n", "one\ntwo\n", False),
        ("one\n...\nfour\n", "one\ntwo\nthree\nfour\n", True),
        ("one\n...\nfour\n", "one\ntwo\nthree\n", False),
        ("a.c\n", "abc\n", False),
    ],
)
def test_output_is_compared_line_by_line(expected: str, printed: str, same: bool) -> None:
    assert matches(expected, printed) is same


def test_a_wrong_transcript_is_noticed(folder: Path) -> None:
    with pytest.raises(AssertionError, match=r"printed\n *true"):
        run_transcript("$ echo true\nfalse\n", "page:1", folder)


def test_a_wrong_doctest_is_noticed() -> None:
    with pytest.raises(AssertionError, match="Expected"):
        run_python(">>> 1 + 1\n3\n", "page:1", {})
