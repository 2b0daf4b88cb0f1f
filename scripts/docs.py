"""Write the reference pages that are made from the code, or say which of them are stale.

    python scripts/docs.py           writes docs/reference/*.md
    python scripts/docs.py --check   writes nothing; shows what would change, and then exits with 1

A page that is made from the code cannot drift from it, and the check in CI keeps it from being forgotten.
"""

import difflib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from reference import api, cli, kinds, metrics, problems, rest, settings

REFERENCE: Final = Path(__file__).resolve().parent.parent / "docs" / "reference"
PAGES: Final[dict[str, Callable[[], str]]] = {
    "api.md": api.page,
    "cli.md": cli.page,
    "kinds.md": kinds.page,
    "metrics.md": metrics.page,
    "problems.md": problems.page,
    "rest.md": rest.page,
    "settings.md": settings.page,
}


def write() -> None:
    """Write every page."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")
        print(f"docs/reference/{name} written")


def stale() -> list[str]:
    """Return, for each page that differs from what would be written, the difference as text."""
    differences = []
    for name, page in PAGES.items():
        path = REFERENCE / name
        found = path.read_text(encoding="utf-8") if path.exists() else ""
        wanted = page()
        if found != wanted:
            lines = difflib.unified_diff(
                found.splitlines(),
                wanted.splitlines(),
                f"docs/reference/{name}",
                "what the code says",
                lineterm="",
            )
            differences.append("\n".join(lines))
    return differences


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` compare them. Return the exit code."""
    if arguments not in ([], ["--check"]):
        print("usage: docs.py [--check]", file=sys.stderr)
        return 2
    if not arguments:
        write()
        return 0
    differences = stale()
    for difference in differences:
        print(difference)
    if differences:
        print(
            f"{len(differences)} of {len(PAGES)} reference pages are stale: run `make docs`", file=sys.stderr
        )
        return 1
    print(f"{len(PAGES)} reference pages are fresh")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
