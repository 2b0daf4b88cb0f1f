"""The tree in docs/explanation/architecture.md is the tree of the repository."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TREE = re.findall(
    r"^```text\n(.*?)^```",
    (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8"),
    flags=re.DOTALL | re.MULTILINE,
)[0]
PACKAGES = sorted(path.parent.name for path in (ROOT / "src/ocicat").glob("*/__init__.py"))
ENTRIES = re.findall(r"^ *([a-z][a-z_]*(?:/|\.py))", TREE, flags=re.MULTILINE)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_is_in_the_tree(package: str) -> None:
    assert re.search(rf"^  (?:[a-z]+/ +)*{package}/", TREE, flags=re.MULTILINE)


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_entry_of_the_tree_exists(entry: str) -> None:
    name = entry.removesuffix("/")
    places = (ROOT / name, ROOT / "src" / name, ROOT / "src/ocicat" / name, ROOT / "src/ocicat/engine" / name)
    assert name == "src" or any(place.exists() for place in places)
