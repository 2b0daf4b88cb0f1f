"""base, model and engine import msgspec, PyYAML and NumPy, and nothing else from outside (docs/adr/0005)."""

import ast
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[3] / "src" / "ocicat"
ALLOWED = {"msgspec", "numpy", "ocicat", "yaml"}
MODULES = sorted(path for layer in ("base", "model", "engine") for path in (SOURCE / layer).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Return the top-level names of all that a file imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute, so that the layers can be seen"
            names.add((node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_the_core_needs_three_packages(path: Path) -> None:
    assert imported(path) - set(sys.stdlib_module_names) <= ALLOWED
