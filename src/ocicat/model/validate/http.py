"""HTTP matches of rules. Source: spec/policy-semantics §3.6."""

from collections import Counter
from typing import Final

from ocicat.model.calico import HttpMatch, HttpPath
from ocicat.model.positions import Path
from ocicat.model.validate.finding import Finding, Findings, listed, too_long, too_many

MAX_ITEMS: Final = 20
"""Of methods, and of paths."""
MAX_PATH_CHARACTERS: Final = 1024


def http(match: HttpMatch, path: Path) -> Findings:
    """Find what is wrong with an HTTP match by itself."""
    for name, items in (("methods", match.methods), ("paths", match.paths)):
        yield from too_many("NP0129", (*path, name), len(items), MAX_ITEMS)
    twice = [method for method, count in Counter(match.methods).items() if count > 1]
    if twice:
        what = f"Invalid methods (duplicates): {listed(match.methods)}"
        fix = f"write {' and '.join(twice)} once"
        yield Finding("NP0127", (*path, "methods"), what, fix, "Methods", listed(match.methods))
    for index, written in enumerate(match.paths):
        yield from _path(written, (*path, "paths", index))


def _path(written: HttpPath, path: Path) -> Findings:
    yield from too_long("NP0129", (*path, "exact"), written.exact, MAX_PATH_CHARACTERS)
    yield from too_long("NP0129", (*path, "prefix"), written.prefix, MAX_PATH_CHARACTERS)
    text = written.exact or written.prefix
    if written.exact and written.prefix:
        what, fix = "Invalid path match. Both 'exact' and 'prefix' are set", "remove one of the two"
    elif not text:
        what, fix = "Invalid path match. Either 'exact' or 'prefix' must be set", "add exact or prefix"
    elif not text.startswith("/") or any(character in text for character in "? #"):
        what = f"Invalid path {text}. (must start with `/` and not contain `?` or `#`"
        fix = f"write /{text}" if not text.startswith("/") else "write the path up to the ?, # or space"
    else:
        return
    yield Finding("NP0128", path, what, fix, "Paths", text)
