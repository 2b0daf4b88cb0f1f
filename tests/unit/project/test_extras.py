"""Each command that needs an extra looks for all that the extra brings, and for nothing else."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ocicat.cli import agent, hub, up

ROOT = Path(__file__).resolve().parents[3]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
DISTRIBUTIONS = {"google.protobuf": "protobuf", "grpc": "grpcio"}
"""Module → distribution, where the names differ."""


def brought(extra: str) -> set[str]:
    """Return the distributions that an extra names, those of the extras in it included."""
    found: set[str] = set()
    for requirement in map(Requirement, EXTRAS[extra]):
        if requirement.name == "ocicat":
            found |= {name for inner in requirement.extras for name in brought(inner)}
        else:
            found.add(canonicalize_name(requirement.name))
    return found


@pytest.mark.parametrize(
    ("extra", "modules"), [("agent", agent.NEEDED), ("hub", hub.NEEDED), ("cluster", up.NEEDED)]
)
def test_a_command_names_its_extra_whenever_something_of_it_is_missing(extra, modules):
    looked_for = {canonicalize_name(DISTRIBUTIONS.get(name, name)) for name in modules}
    assert looked_for == brought(extra)
