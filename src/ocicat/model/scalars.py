"""What a plain (unquoted) YAML scalar means: text, number, truth or nothing.

The measure is what the API server would get from kubectl, which reads YAML with sigs.k8s.io/yaml: integers
in base 2, 8, 10 and 16 (`0644` is octal there, so it is 420 here), `1_000` is 1000, dates and `1:30` are
text. One difference is deliberate: `yes`, `no`, `on`, `off`, `y` and `n` stay text, as YAML 1.2 has it,
since nobody who writes a label `env: on` means `true`.
"""

import re
from typing import Final

Scalar = str | int | float | bool | None

MAX_DIGITS: Final = 1000
"""Longer numbers are not converted: Python's conversion takes quadratic time, and no field can hold them."""

_NUMBER_HINTS: Final = frozenset("-+.0123456789")
_HINTS: Final = _NUMBER_HINTS | frozenset("~nNtTfF")
"""First characters of everything that is not text; most scalars are told from them alone."""
_WORDS: Final[dict[str, Scalar]] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
    ".nan": float("nan"),
    ".NaN": float("nan"),
    ".NAN": float("nan"),
    **{sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
}
_INTEGER: Final = re.compile(
    "(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0[oO]?(?P<oct>[0-7]+)|(?P<dec>0|[1-9][0-9]*))"
)
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASES: Final = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}


class NumberError(ValueError):
    """A scalar is a number that nothing can hold."""


def plain(text: str) -> Scalar:
    """Return the value of a plain scalar. Raises NumberError for a number of more than `MAX_DIGITS`."""
    if text and text[0] not in _HINTS:
        return text
    if text in _WORDS:
        return _WORDS[text]
    return _number(text) if text[0] in _NUMBER_HINTS else text


def _number(text: str) -> str | int | float:
    digits = text.replace("_", "") if text[0] != "." else text
    if match := _INTEGER.fullmatch(digits):
        if len(digits) > MAX_DIGITS:
            raise NumberError(f"a number of {len(digits)} digits")
        base = match.lastgroup or "dec"
        value = int(match[base], _BASES[base])
        return -value if match["sign"] == "-" else value
    if _FLOAT.fullmatch(digits):
        return float(digits)
    return text


def as_key(value: Scalar) -> str | None:
    """Return the text that kubectl makes of a key that is a number or truth; None for nothing."""
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return as_json(value)


def as_json(value: Scalar) -> str:
    """Return `value` as JSON spells it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value)
        case _:
            return str(value)
