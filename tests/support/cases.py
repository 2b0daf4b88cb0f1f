"""Published probe cases (tests/cases/README.md), as tests that are parametrised by them take them."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

import ocicat

CASES: Final = Path(__file__).parents[1] / "cases"
CORPORA: Final = ("calico", "k8s-e2e", "npapi")

DIFFERENT: Final[dict[str, str]] = {}
"""Case id → why our answer differs."""


class Case(msgspec.Struct):
    """One line of a cases.jsonl."""

    id: str
    op: str
    manifests: list[str]
    expected: dict[str, Any]


@cache
def probe_cases(corpus: str) -> list[Case]:
    """Return the probe cases of a corpus."""
    lines = (CASES / corpus / "cases.jsonl").read_bytes().splitlines()
    return [case for line in lines if (case := msgspec.json.decode(line, type=Case)).op == "probe"]


def parametrised(corpora: Sequence[str] = CORPORA) -> list[Any]:
    """Return (corpus, case) of every probe case, for pytest's parametrize."""
    return [pytest.param(corpus, case, id=case.id) for corpus in corpora for case in probe_cases(corpus)]


@cache
def world_of(corpus: str, manifests: tuple[str, ...]) -> ocicat.World:
    """Return the cluster state of a case."""
    return ocicat.load([CASES / corpus / manifest for manifest in manifests], strict=True)
