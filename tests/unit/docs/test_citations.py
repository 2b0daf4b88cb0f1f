"""Every section that the core's code cites is a section of docs/explanation/policy-semantics.md."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MODULES = sorted(
    path for layer in ("base", "model", "engine") for path in (ROOT / "src/ocicat" / layer).rglob("*.py")
)
ELSEWHERE = re.compile(
    r"(?:dataplane|flows-and-console|kubernetes-api|style|dependencies)(?:\.md)?,? (?:§[0-9.]+(?:, )?)+"
)


def sections() -> set[str]:
    page = (ROOT / "docs/explanation/policy-semantics.md").read_text(encoding="utf-8")
    numbers = set(re.findall(r"^#+ ([0-9]+(?:\.[0-9]+)?)\.? ", page, flags=re.MULTILINE))
    return numbers | {f"16.{row}" for row in re.findall(r"^\| ([0-9]+) \|", page, flags=re.MULTILINE)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_cited_section_exists(path: Path) -> None:
    text = ELSEWHERE.sub("", re.sub(r"\s+", " ", path.read_text(encoding="utf-8")))
    cited = set(re.findall(r"§([0-9]+(?:\.[0-9]+)?)", text))
    assert cited <= sections()
