"""What loading tells of files: every mistake once, and an object with an error counts as absent (§3.1)."""

from pathlib import Path

import pytest

import ocicat
from ocicat.base.problem import Severity

CLOSED = """\
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: no-names}
spec:
  tier: Admin
  priority: 1
  subject: {namespaces: {}}
  egress:
  - action: Deny
    to: [{domainNames: [example.com]}]
  - action: Deny
    to: [{nodes: {matchExpressions: [{key: a, operator: In}]}}]
"""
BROKEN = """\
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: broken}
spec:
  tier: nowhere
  selector: a = 'b'
---
apiVersion: projectcalico.org/v3
kind: NetworkSet
metadata: {name: twice, namespace: a}
---
apiVersion: projectcalico.org/v3
kind: NetworkSet
metadata: {name: twice, namespace: a}
spec: {nets: [10.0.0.1]}
"""


def loaded(tmp_path: Path, text: str) -> ocicat.World:
    path = tmp_path / "all.yaml"
    path.write_text(text, encoding="utf-8")
    return ocicat.load(path)


def test_a_rule_that_fails_closed_is_told_once(tmp_path: Path) -> None:
    """Validation and conversion both see it; validation says more, and so it alone speaks."""
    world = loaded(tmp_path, CLOSED)
    assert [(problem.code, problem.where.line, problem.severity) for problem in world.problems] == [
        ("NP0919", 9, Severity.WARNING),
        ("NP0921", 12, Severity.WARNING),
    ]
    assert len(world.resources) == 1


def test_an_object_with_an_error_is_absent_and_of_two_the_first_counts(tmp_path: Path) -> None:
    world = loaded(tmp_path, BROKEN)
    assert [(problem.code, problem.where.line) for problem in world.problems] == [
        ("NP0131", 6),
        ("NP0010", 12),
    ]
    (counted,) = world.resources
    assert counted.spec.nets == ()
    assert world.problems[1].what.endswith("all.yaml:8:1")


def test_strict_loading_shows_all_errors(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(BROKEN, encoding="utf-8")
    with pytest.raises(ocicat.InvalidError, match="NP0131"):
        ocicat.load(tmp_path, strict=True)
