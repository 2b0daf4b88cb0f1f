"""Profiles. Source: spec/policy-semantics §3.10."""

import pytest

from support.judged import document, problems, told


def test_profiles() -> None:
    rules = [{"action": "Pass"}, {"action": "Allow", "source": {"selector": "a == 'b'"}}]
    spec = {"ingress": rules, "egress": rules, "labelsToApply": {"pcns.team": "cats", "a/b": ""}}
    assert told(document("Profile", spec, name="kns.catfacts")) == []
    assert told(document("Profile")) == []


def test_the_rules_of_a_profile_are_rules() -> None:
    found = told(document("Profile", {"egress": [{"action": "Accept", "source": {"selector": "global()"}}]}))
    assert [(code, path) for code, path, _ in found] == [
        ("NP0118", "spec.egress[0].action"),
        ("NP0133", "spec.egress[0].source.selector"),
    ]


@pytest.mark.parametrize(
    ("labels", "path", "fix"),
    [
        ({"a b": "c"}, 'spec.labelsToApply["a b"]', "correct the key or the value"),
        ({"a": "b c"}, "spec.labelsToApply.a", "write b-c"),
    ],
)
def test_the_labels_of_a_profile_are_labels(labels: dict[str, str], path: str, fix: str) -> None:
    (problem,) = problems(document("Profile", {"labelsToApply": labels}))
    assert (problem.code, problem.where.path, problem.fix) == ("NP0701", path, fix)
    assert problem.field == "LabelsToApply"
