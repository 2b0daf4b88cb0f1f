"""The site builds without a warning, holds every page, and loads nothing from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|embed)[^>]*\s(?:src|srcset)=["']?(?:https?:)?//"""
    r"""|<link[^>]*\srel=["']?(?:stylesheet|preload|preconnect|icon)[^>]*\shref=["']?(?:https?:)?//"""
    r"""|@import\s*["'(]|url\(["']?(?:https?:)?//""",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `mkdocs build --strict` has written."""
    folder = tmp_path_factory.mktemp("site")
    ran = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder


def test_every_page_of_docs_is_in_it(site: Path) -> None:
    written = {str(page.relative_to(site)) for page in site.rglob("*.html")} - {"404.html"}
    pages = {str(page.relative_to(ROOT / "docs").with_suffix(".html")) for page in ROOT.glob("docs/**/*.md")}
    assert written == {page.replace("README", "index") for page in pages}


def test_it_loads_nothing_from_elsewhere(site: Path) -> None:
    loading = {
        str(path.relative_to(site)): found[0]
        for path in [*site.rglob("*.html"), *site.rglob("*.css")]
        if (found := LOADED.search(path.read_text(encoding="utf-8")))
    }
    assert not loading


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://cdn.example/a.js">',
        "<img alt=x src=//cdn.example/a.png>",
        '<link rel="stylesheet" href="https://fonts.example/css">',
        "a { background: url(https://cdn.example/a.png) }",
    ],
)
def test_what_would_be_loaded_is_noticed(text: str) -> None:
    assert LOADED.search(text)


def test_links_that_leave_the_documentation_are_text(site: Path) -> None:
    page = (site / "explanation" / "architecture.html").read_text(encoding="utf-8")
    assert "src/ocicat/engine/evaluate.py" in page
    assert 'href="../../src' not in page
