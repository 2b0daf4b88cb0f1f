"""Marks of a YAML parser → places in the whole text."""

from typing import Any

from ocicat.model.positions import Lines, Place


def place_of(mark: Any, text: str, lines_before: int) -> Place:
    """Return where `mark` is, which a parser of `text` set after `lines_before` lines of the whole text.

    The parsers see a line break after the last line even where there is none; what they place behind it is at
    the end of the text.
    """
    if mark.index < len(text):
        return Place(lines_before + mark.line + 1, mark.column + 1)
    end = Lines(text).place(len(text))
    return Place(lines_before + end.line, end.column)
