"""Texts that mean names: literally, as a part of them, or as a pattern. Pure.

Source: spec/flows-and-console §4.2.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

PUBLIC: Final = "PUBLIC NETWORK"
PRIVATE: Final = "PRIVATE NETWORK"
GLOBAL: Final = "Global"
"""How `pub`, `pvt` and the namespace `-` are shown; filters take both spellings."""


def text_test(value: str, operator: str, is_literal: Callable[[str], bool]) -> Callable[[str], bool]:
    """`~` is a literal substring or a pattern from the start, `=` a name or, with a star, a pattern."""
    if operator == "~":
        pattern = _pattern(value) if "*" in value else None
        return lambda text: value in text or (pattern is not None and pattern.match(text) is not None)
    if "*" not in value or is_literal(value):
        return lambda text: text == value
    pattern = _pattern(value)
    return lambda text: pattern.fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _pattern(value: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in value.split("*")), re.DOTALL)


def spellings(value: str) -> tuple[str, ...]:
    """Return how a stored name or namespace may be asked for."""
    match value:
        case "pub":
            return value, PUBLIC
        case "pvt":
            return value, PRIVATE
        case "-" | "":
            return "-", GLOBAL
        case _:
            return (value,)


def is_pattern_of(value: str, text: str) -> bool:
    """Tell whether a text with a star is a pattern of all of another text."""
    return "*" in value and _pattern(value).fullmatch(text) is not None
