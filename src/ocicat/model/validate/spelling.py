"""Guesses at what was meant: the fix of a Problem is an edit, and most mistakes are slips of a word."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from ocicat.model.positions import Path
from ocicat.model.validate.finding import Finding, Findings, schema_field


def meant(written: str, choices: Iterable[str]) -> str:
    """Return the one of `choices` that `written` is a slip of, or the empty text."""
    by_letters = {choice.casefold(): choice for choice in choices}
    close = get_close_matches(written.strip().casefold(), by_letters, 1)
    return by_letters[close[0]] if close else ""


def alternatives(choices: Sequence[str]) -> str:
    """Return `a, b or c`."""
    return " or ".join(filter(None, [", ".join(choices[:-1]), choices[-1]]))


def one_of(code: str, path: Path, written: str, choices: Sequence[str]) -> Findings:
    """Find a word that is none of a closed set, as the schema words it."""
    if written not in choices:
        what = "supported values: " + ", ".join(f'"{choice}"' for choice in choices)
        fix = f"write {meant(written, choices) or alternatives(choices)}"
        yield Finding(code, path, what, fix, schema_field(path), written)


def as_name(text: str, dots: int) -> str:
    """Return a name of lower case letters, digits, `-` and at most `dots` dots that resembles `text`."""
    labels = [re.sub("[^a-z0-9]+", "-", label).strip("-") for label in text.lower().split(".")]
    labels = [label for label in labels if label]
    if len(labels) > dots + 1:
        labels = [*labels[:dots], "-".join(labels[dots:])]
    return ".".join(labels)


def as_label_value(text: str) -> str:
    """Return a label value that resembles `text`; empty where nothing of it can be kept."""
    return re.sub("[^A-Za-z0-9_.]+", "-", text)[:63].strip("-_.")
