"""Selector expressions, wherever they stand. Source: spec/policy-semantics §3.2, §3.5, §4."""

import re
from typing import Final

from ocicat.model.positions import Path
from ocicat.model.selector import Selector, SelectorError
from ocicat.model.validate.finding import Finding, Findings, too_long

MAX_CHARACTERS: Final = 1024

_GLOBAL: Final = "global("
_GLOBAL_ALONE: Final = re.compile(r"[ \t]*global\([ \t]*\)[ \t]*")
_BARE_VALUE: Final = re.compile(r"[A-Za-z0-9_.:/-]+")
_FIXES: Final = {
    "expected ==": 'write == for "equals"',
    "expected &&": 'write && for "and"',
    "expected ||": 'write || for "or"',
    "unterminated string": "close the text with the quote that opened it",
    "expected string": "put the value into quotes",
    "expected set literal": "write the values as {'a', 'b'}",
    "expected }": "put each value into quotes, with commas between, and close the set with }",
    "expected )": "close the parenthesis",
    "unexpected end of string looking for op": "write what the label is compared with, or has(label)",
}


def selector(text: str, path: Path, field: str, *, limit: int | None = MAX_CHARACTERS) -> Findings:
    """Find what keeps `text` from being a selector; the column in the message counts in `text`."""
    if not text:
        return
    if limit is not None:
        yield from too_long("NP0132", path, text, limit)
    try:
        Selector.parse(text)
    except SelectorError as error:
        yield Finding("NP0131", path, str(error), _fix(error), field, text)


def _fix(error: SelectorError) -> str:
    bare = _BARE_VALUE.match(error.text, error.column - 1)
    if bare and error.message == "expected string":
        return f"put the value into quotes: '{bare[0]}'"
    return _FIXES.get(error.message, f"correct the selector at column {error.column}")


def no_global(text: str, path: Path, field: str) -> Findings:
    """Find `global(` where it has no meaning. Like Calico, look at the text, not at the expression."""
    if _GLOBAL in text:
        what = "global() can only be used in an EntityRule namespaceSelector"
        yield Finding("NP0133", path, what, "", field, text)


def global_alone(text: str, path: Path, field: str) -> Findings:
    """Find `global()` combined with anything else, parentheses included."""
    if _GLOBAL in text and not _GLOBAL_ALONE.fullmatch(text):
        yield Finding("NP0134", path, "global() cannot be combined with other selectors", "", field, text)
