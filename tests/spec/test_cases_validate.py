"""Published validation cases: one object, and whether Calico accepts it (tests/cases/README.md).

The cases come from the unit tests of Calico's validator, as they are. Where we differ on purpose the case
stands in DIFFERENT with the reason. Some check a bare rule: the file wraps it into a GlobalNetworkPolicy.
"""

from pathlib import Path

import msgspec
import pytest

from ocicat.base.problem import Problem, has_errors
from ocicat.model.decode import decode
from ocicat.model.defaults import defaulted
from ocicat.model.documents import read
from ocicat.model.validate import validate

CALICO = Path(__file__).parents[1] / "cases" / "calico"

DIFFERENT: dict[str, str] = {
    "calico-validate/0209": (
        "the file writes a port as the fields of Calico's Go type, {minPort: 80, maxPort: 80}; no API reads "
        "that (policy-semantics §3.4: an integer or a string), and written as 80 it is accepted (see below)"
    ),
}
"""Case id → why our answer differs."""


class Case(msgspec.Struct):
    id: str
    op: str
    manifests: list[str]
    expected: dict


def validate_cases() -> list[Case]:
    lines = (CALICO / "cases.jsonl").read_bytes().splitlines()
    return [case for line in lines if (case := msgspec.json.decode(line, type=Case)).op == "validate"]


CASES = validate_cases()


def judged(text: bytes) -> list[Problem]:
    """Return all Problems of the one object that `text` spells, from reading to validating."""
    (document,), problems = read(text, "case.json")
    resource, more = decode(document)
    problems += more
    return problems if resource is None else problems + validate(defaulted(resource), document.where)


def test_there_are_cases() -> None:
    """The number of tests/cases/README.md: a lost file must not pass as success."""
    assert len(CASES) == 129
    assert DIFFERENT.keys() <= {case.id for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_accepts_what_calico_accepts(case: Case) -> None:
    (manifest,) = case.manifests
    problems = judged((CALICO / manifest).read_bytes())
    accepted = not has_errors(problems)
    shown = "\n".join(line for problem in problems for line in problem.lines())
    assert (accepted is case.expected["accept"]) is (case.id not in DIFFERENT), shown


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_tells_of_what_is_refused_where_it_is_and_how_to_mend_it(case: Case) -> None:
    (manifest,) = case.manifests
    for problem in judged((CALICO / manifest).read_bytes()):
        assert problem.where.line > 0
        assert problem.what
        assert problem.fix


GO_PORTS = {
    b'{"minPort": 80, "maxPort": 80}': b"80",
    b'{"minPort": 200, "maxPort": 100}': b'"200:100"',
}


@pytest.mark.parametrize("number", ["0071", "0072", "0073", "0074", "0207", "0208", "0209"])
def test_ports_of_the_go_type_written_as_the_api_writes_them(number: str) -> None:
    """What these cases mean, in the form in which an object reaches an API."""
    text = msgspec.json.encode(msgspec.json.decode((CALICO / f"validate/{number}.json").read_bytes()))
    for go, api in GO_PORTS.items():
        text = text.replace(go.replace(b" ", b""), api)
    assert b"minPort" not in text
    expected = next(case.expected["accept"] for case in CASES if case.id.endswith(number))
    assert has_errors(judged(text)) is not expected
