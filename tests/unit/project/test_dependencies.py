"""Everything that ocicat imports from outside is asked for in pyproject.toml."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WITH_OTHERS = {"httpx2": "lightkube", "jsonpointer": "jsonpatch", "multidict": "aiohttp"}
"""Packages that are bound to come with another: what they are, with whom they come."""


def imported() -> dict[str, Path]:
    """Return the top-level names that the package imports from outside, each with one place."""
    found: dict[str, Path] = {}
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            found |= {name.partition(".")[0]: path for name in names}
    return {name: path for name, path in found.items() if name not in {*sys.stdlib_module_names, "ocicat"}}


def test_every_import_is_a_declared_dependency() -> None:
    texts = [*PROJECT["dependencies"]]
    texts += [text for extra in PROJECT["optional-dependencies"].values() for text in extra]
    declared = {canonicalize_name(Requirement(text).name) for text in texts}
    homes = packages_distributions()
    undeclared = {
        name: str(path.relative_to(ROOT))
        for name, path in imported().items()
        if not {WITH_OTHERS.get(home, home) for home in map(canonicalize_name, homes.get(name, [name]))}
        & declared
    }
    assert not undeclared
