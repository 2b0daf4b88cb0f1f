"""What shows only between objects. Source: spec/policy-semantics §2.1."""

from typing import Any

import pytest

from ocicat.base.problem import Problem, Severity, Where
from ocicat.model.defaults import defaulted
from ocicat.model.positions import Path, path_text
from ocicat.model.validate import Locate, validate_together
from support.judged import KUBERNETES, document
from support.written import decoded


def placed(line: int) -> Locate:
    """Return what places an object of its own file's line."""

    def where(path: Path) -> Where:
        return Where(path=path_text(path), file="all.yaml", line=line)

    return where


def together(*documents: dict[str, Any]) -> list[Problem]:
    return validate_together(
        (defaulted(decoded(found)), placed(line)) for line, found in enumerate(documents, 1)
    )


def test_nothing_together() -> None:
    assert validate_together([]) == []


# --- one object twice ---------------------------------------------------------------------------------------


def test_the_second_of_two_is_told_where_the_first_is() -> None:
    (problem,) = together(
        document("NetworkPolicy"), document("Tier"), document("NetworkPolicy", {"order": 1})
    )
    assert (problem.code, problem.severity, problem.where.line) == ("NP0010", Severity.ERROR, 3)
    assert problem.what == "NetworkPolicy catfacts/cats is written twice; the first is at all.yaml:1"


def test_of_many_all_but_the_first_are_told() -> None:
    found = together(*[document("Tier")] * 3)
    assert [problem.where.line for problem in found] == [2, 3]
    assert {problem.what for problem in found} == {"Tier cats is written twice; the first is at all.yaml:1"}


DIFFERENT = [
    (document("NetworkPolicy", name="foo"), document("NetworkPolicy", name="default.foo")),
    (document("NetworkPolicy"), document("NetworkPolicy", namespace="other")),
    (document("NetworkPolicy"), document("NetworkPolicy", None, KUBERNETES)),
    (document("NetworkPolicy"), document("StagedNetworkPolicy")),
    (document("GlobalNetworkPolicy"), document("GlobalNetworkSet")),
]


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_objects_of_other_identity_are_others(first: dict[str, Any], second: dict[str, Any]) -> None:
    """§1: "`foo` and `default.foo` are two objects"."""
    assert together(first, second) == []


def test_one_place_for_all_objects_hides_nothing() -> None:
    where = placed(1)
    resource = decoded(document("Tier"))
    assert [problem.code for problem in validate_together([(resource, where), (resource, where)])] == [
        "NP0010"
    ]


# --- tiers --------------------------------------------------------------------------------------------------

KINDS = ["NetworkPolicy", "GlobalNetworkPolicy", "StagedNetworkPolicy", "StagedGlobalNetworkPolicy"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_tier_that_nobody_made_is_a_warning(kind: str) -> None:
    """§2.1: "The loader of files reports a tier that no loaded file holds as a *warning*"."""
    (problem,) = together(document(kind, {"tier": "security"}))
    assert (problem.code, problem.severity, problem.where.path) == ("NP0215", Severity.WARNING, "spec.tier")
    assert problem.what == "resource does not exist: Tier(security)"
    assert problem.fix == "add a Tier security, or correct spec.tier"


@pytest.mark.parametrize("kind", KINDS)
def test_a_tier_that_a_file_holds(kind: str) -> None:
    assert together(document(kind, {"tier": "security"}), document("Tier", name="security")) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "tier",
    ["", "default", "kube-admin", "kube-baseline", "adminnetworkpolicy", "baselineadminnetworkpolicy"],
)
def test_five_tiers_are_always_there(kind: str, tier: str) -> None:
    """§2.1: "The loader and the agent supply a built-in tier wherever the source … has no such object"."""
    assert together(document(kind, {"tier": tier})) == []


def test_the_fix_names_the_tier_that_was_meant() -> None:
    (problem,) = together(document("NetworkPolicy", {"tier": "securty"}), document("Tier", name="security"))
    assert problem.fix == "write security, or add a Tier securty"
