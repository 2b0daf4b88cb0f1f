"""What validation says of what a user would write, as short as a table of tests wants it."""

from typing import Any, TypeAlias

import yaml

from ocicat.base.problem import Problem, Where
from ocicat.model.defaults import defaulted
from ocicat.model.positions import Path, path_text
from ocicat.model.validate import validate
from support.written import decoded

Told: TypeAlias = tuple[str, str, str]
"""Code, path, and what."""

CALICO = "projectcalico.org/v3"
KUBERNETES = "networking.k8s.io/v1"
CLUSTER = "policy.networking.k8s.io/v1alpha2"
ADMIN = "policy.networking.k8s.io/v1alpha1"
NAMESPACED = ("NetworkPolicy", "StagedNetworkPolicy", "StagedKubernetesNetworkPolicy", "NetworkSet")


def where(path: Path) -> Where:
    """Return the place of a path in an object that stands nowhere."""
    return Where(path=path_text(path))


def document(kind: str, spec: Any = None, api: str = CALICO, **metadata: Any) -> dict[str, Any]:
    """Return an object; `spec` as a value, or as the YAML of one."""
    meta = {"name": "cats", **metadata}
    if kind in NAMESPACED:
        meta.setdefault("namespace", "catfacts")
    value = yaml.safe_load(spec) if isinstance(spec, str) else spec
    return {"apiVersion": api, "kind": kind, "metadata": meta, **({} if value is None else {"spec": value})}


def problems(found: dict[str, Any]) -> list[Problem]:
    """Return the Problems of an object that gets its defaults first."""
    return validate(defaulted(decoded(found)), where)


def told(found: dict[str, Any]) -> list[Told]:
    """Return the Problems of an object, each as code, path and what."""
    return [(problem.code, problem.where.path, problem.what) for problem in problems(found)]


def policy(spec: Any, kind: str = "NetworkPolicy", **metadata: Any) -> list[Told]:
    """Return what is wrong with a policy of Calico."""
    return told(document(kind, spec, **metadata))


def rule(text: Any, kind: str = "NetworkPolicy", direction: str = "ingress") -> list[Told]:
    """Return what is wrong with a rule, with paths from the rule on."""
    value = yaml.safe_load(text) if isinstance(text, str) else text
    return within(f"spec.{direction}[0]", policy({direction: [value]}, kind))


def within(path: str, found: list[Told]) -> list[Told]:
    """Return `found` with the paths from `path` on."""
    return [(code, place.removeprefix(path).removeprefix("."), what) for code, place, what in found]


def fix(found: dict[str, Any]) -> str:
    """Return the fix of an object that has one Problem."""
    (problem,) = problems(found)
    return problem.fix
