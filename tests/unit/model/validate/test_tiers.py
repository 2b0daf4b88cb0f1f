"""Tiers. Source: spec/policy-semantics §2.1."""

import pytest

from support.judged import document, problems, told

BUILT_IN = [
    ("default", "Deny", 1_000_000),
    ("kube-admin", "Pass", 1_000),
    ("kube-baseline", "Pass", 10_000_000),
    ("adminnetworkpolicy", "Pass", 1_000),
    ("baselineadminnetworkpolicy", "Pass", 10_000_000),
]


@pytest.mark.parametrize("action", ["Pass", "Deny"])
@pytest.mark.parametrize("order", [None, 0, -1, 0.5, 100, 1_000_000])
def test_a_tier_of_ones_own(action: str, order: float | None) -> None:
    """§2.1: "Lower sorts first. May be negative or fractional"."""
    given = {} if order is None else {"order": order}
    assert told(document("Tier", {"defaultAction": action, **given})) == []


def test_a_tier_may_say_nothing() -> None:
    assert told(document("Tier")) == []


@pytest.mark.parametrize("action", ["Allow", "pass", "Log", ""])
def test_an_unknown_default_action(action: str) -> None:
    expected = [("NP0403", "spec.defaultAction", 'supported values: "Pass", "Deny"')]
    assert told(document("Tier", {"defaultAction": action})) == expected


@pytest.mark.parametrize(("name", "action", "order"), BUILT_IN)
def test_a_built_in_tier_as_it_is(name: str, action: str, order: int) -> None:
    assert told(document("Tier", {"order": order, "defaultAction": action}, name=name)) == []


@pytest.mark.parametrize(("name", "action", "order"), BUILT_IN)
def test_the_default_action_of_a_built_in_tier_is_fixed(name: str, action: str, order: int) -> None:
    other = "Deny" if action == "Pass" else "Pass"
    what = f"The '{name}' tier must have default action '{action}'"
    found = told(document("Tier", {"order": order, "defaultAction": other}, name=name))
    assert found == [("NP0401", "spec.defaultAction", what)]


@pytest.mark.parametrize(("name", "action", "order"), [row for row in BUILT_IN if row[1] == "Pass"])
def test_an_absent_default_action_is_deny(name: str, action: str, order: int) -> None:
    found = told(document("Tier", {"order": order}, name=name))
    assert [code for code, _, _ in found] == ["NP0401"]


@pytest.mark.parametrize(("name", "action", "order"), BUILT_IN)
@pytest.mark.parametrize("difference", [-1, 0.5, 1])
def test_the_order_of_a_built_in_tier_is_fixed(name: str, action: str, order: int, difference: float) -> None:
    spec = {"order": order + difference, "defaultAction": action}
    (problem,) = problems(document("Tier", spec, name=name))
    assert (problem.code, problem.where.path) == ("NP0402", "spec.order")
    assert problem.what == f"{name} tier order must be {order}"
    assert problem.fix.startswith(f"write {order}")


@pytest.mark.parametrize(("name", "action", "order"), BUILT_IN)
def test_a_null_order_is_that_of_default(name: str, action: str, order: int) -> None:
    """§2.1: "null is *read* as 1000000"."""
    found = told(document("Tier", {"defaultAction": action}, name=name))
    assert [code for code, _, _ in found] == ([] if name == "default" else ["NP0402"])
