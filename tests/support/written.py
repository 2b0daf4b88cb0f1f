"""Resources and what becomes of them, from the YAML that a user would write."""

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import yaml

from ocicat.base.problem import Problem
from ocicat.engine.convert import policy_of
from ocicat.engine.policy import Entity, Policy, Profile
from ocicat.model.kinds import kind_of
from ocicat.model.meta import Resource


def resource(text: str) -> Resource:
    """Return one resource, decoded but neither defaulted nor validated."""
    return decoded(yaml.safe_load(textwrap.dedent(text)))


def decoded(document: Mapping[str, Any]) -> Resource:
    """Return one resource from its document."""
    group, _, _ = document["apiVersion"].rpartition("/")
    kind = kind_of(group, document["kind"])
    assert kind is not None, document["kind"]
    return msgspec.convert(document, kind.struct)


def policy(text: str) -> Policy:
    """Return a policy that converts without a Problem."""
    converted, problems = policy_of(resource(text))
    assert problems == []
    assert converted is not None
    return converted


def codes(problems: Iterable[Problem]) -> list[tuple[str, str]]:
    """Return (code, path) of each Problem."""
    return [(problem.code, problem.where.path) for problem in problems]


def effective_labels(entity: Entity, profiles: Iterable[Profile]) -> dict[str, str]:
    """Return the labels of an entity with those that its profiles give it; the first that has one counts."""
    by_name = {profile.name: profile for profile in profiles}
    labels = dict(entity.labels)
    for name in entity.profiles:
        if name in by_name:
            labels = {**by_name[name].labels, **labels}
    return labels
