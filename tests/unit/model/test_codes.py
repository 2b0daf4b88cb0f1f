"""The table of problem codes, and the code that uses it."""

import re
from pathlib import Path

import pytest

from ocicat.base.problem import Severity, Where
from ocicat.model.codes import CODES, Code, problem

SOURCE = Path(__file__).resolve().parents[3] / "src" / "ocicat"
CODE = re.compile(r'"([A-Z]{2}[0-9]{4})"')


def test_every_code_is_used_and_every_code_that_is_used_is_explained() -> None:
    tables = SOURCE / "model" / "codes"
    used = {
        code
        for path in SOURCE.rglob("*.py")
        if tables not in path.parents
        for code in CODE.findall(path.read_text(encoding="utf-8"))
    }
    assert used == CODES.keys()


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: code.code)
def test_a_code_is_written_for_people(code: Code) -> None:
    assert code.title
    assert not code.title.endswith(".")
    assert code.explanation.endswith(".")
    assert code.fix
    assert not code.fix.endswith(".")


def test_titles_are_headings_so_none_is_used_twice() -> None:
    titles = [code.title for code in CODES.values()]
    assert len(set(titles)) == len(titles)


def test_a_problem_has_the_severity_of_its_code_and_its_usual_fix() -> None:
    found = problem("NP0215", Where(), "no such tier")
    assert (found.severity, found.fix) == (Severity.WARNING, CODES["NP0215"].fix)
    assert problem("NP0215", Where(), "no such tier", fix="write default").fix == "write default"


def test_a_code_that_nobody_explained_is_a_bug() -> None:
    with pytest.raises(KeyError):
        problem("NP9999", Where(), "what is this?")
