"""No file names a package index or any other address that it has no business with.

Versions are pinned by name, so that ocicat installs wherever pip and npm are set up to fetch from. The way to
be sure is to know every host that is named: a new one joins `KNOWN_HOSTS` when it is not a package index.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
KNOWN_HOSTS = {
    "catfact.ninja",  # the course's public service, played by the lab
    "keepachangelog.com",
    "semver.org",
    "www.apache.org",  # in LICENSE
    "www.w3.org",  # the names of XML dialects
}
NOWHERE = re.compile(
    r"[0-9.]+|[^.]+|(?:.+\.)?(?:example|example\.(?:com|net|org)|internal|invalid|local|localhost|svc|test)"
)
"""Addresses, names without a dot, and names that are reserved or only known inside a cluster."""
URL = re.compile(r"\b[a-z][a-z0-9+.-]*://(?:[^\s/@]*@)?([a-zA-Z0-9.-]+)")


def tracked_files() -> list[Path]:
    """Return the files of the repository, apart from test data that others have written."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", ":!tests/cases"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str:
    """Return what a file says itself; npm copies into its lock where each package asks for money."""
    text = path.read_bytes().decode("utf-8", "replace")
    if path.name == "package-lock.json":
        return json.dumps(json.loads(text, object_hook=lambda found: {**found, "funding": None}))
    return text


def test_only_known_hosts_are_named() -> None:
    found = {}
    for path in tracked_files():
        hosts = {host.lower().rstrip(".") for host in URL.findall(text_of(path))} - KNOWN_HOSTS
        if hosts := {host for host in hosts if not NOWHERE.fullmatch(host)}:
            found[str(path.relative_to(ROOT))] = hosts
    assert not found


@pytest.mark.parametrize(
    "name", ["constraints.txt", "pyproject.toml", "Makefile", ".ci/run", "scripts/setup"]
)
def test_what_installs_names_no_address_at_all(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"--(?:extra-)?index-url|--find-links|--trusted-host", text)
