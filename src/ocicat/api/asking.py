"""What a request for flows asks: its window, filter, limits. Pure.

Source: docs/explanation/console-api.md, spec/flows-and-console §4.1.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from ocicat.api.moments import BUCKET_NS, LATEST_NS, NS
from ocicat.base.errors import OcicatError
from ocicat.model.flowfilter import Filter, FilterError, parse
from ocicat.ports.flowstore import Window

DEFAULT_LIMIT: Final = 500
MOST: Final = 20_000
DEFAULT_FROM: Final = "-3600"
MOST_STEPS: Final = 20_000
"""Slices of time in one answer."""


class BadRequestError(OcicatError, ValueError):
    """A parameter cannot be read. `column` counts from 1, inside `q`; 0 when it is not there."""

    def __init__(self, message: str, column: int = 0) -> None:
        """Keep the message and the place."""
        super().__init__(message)
        self.column = column


class Question(msgspec.Struct, frozen=True):
    """Which flows are meant."""

    window: Window
    filter: Filter
    limit: int
    cursor: int
    """How many are to be passed over."""


def question(query: Mapping[str, str], now_ns: int, oldest_ns: int | None) -> Question:
    """Read the parameters that all paths share. Raises BadRequestError."""
    start = moment(query.get("from") or DEFAULT_FROM, now_ns, "from")
    end = moment(query["to"], now_ns, "to") if query.get("to") else now_ns + 1
    if end <= start and query.get("to"):
        raise BadRequestError("`to` is not after `from`")
    if oldest_ns is not None:
        start = max(start, oldest_ns)
    # Nothing is kept of times that are still to come, but for nodes whose clocks are a little ahead.
    end = min(end, now_ns + BUCKET_NS)
    return Question(
        Window(start, max(end, start)),
        expression(query.get("q", "")),
        number(query, "limit", DEFAULT_LIMIT, MOST),
        number(query, "cursor", 0, 1 << 53),
    )


def expression(text: str) -> Filter:
    """Read a filter expression. Raises BadRequestError."""
    try:
        return parse(text)
    except FilterError as error:
        raise BadRequestError(error.message, error.column) from error


def moment(text: str, now_ns: int, name: str) -> int:
    """Return a time: RFC 3339, or seconds back from now with a minus sign. Raises BadRequestError."""
    if re.fullmatch(r"-[0-9]{1,12}(\.[0-9]{1,9})?", text):
        return max(0, now_ns + int(float(text) * NS))
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRequestError(
            f"{name} is a time such as 2026-03-01T12:00:00Z, or -3600, not {text!r}"
        ) from error
    if found.tzinfo is None:
        raise BadRequestError(f"{name} says no time zone: add Z for UTC")
    return min(max(0, int(found.timestamp() * 1000) * 1_000_000), LATEST_NS)


def number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """Return a whole number of a parameter, bounded above. Raises BadRequestError."""
    text = query.get(name)
    if not text:
        return default
    if not text.isdecimal():
        raise BadRequestError(f"{name} is a whole number, not {text!r}")
    return min(int(text), most)


def step_ns(query: Mapping[str, str], window: Window, default_ns: int) -> int:
    """Return the step of `step_s`, longer where it would make too many slices. Raises BadRequestError."""
    wanted = max(1, number(query, "step_s", default_ns // NS, 86_400)) * NS
    span = window.end_ns - window.start_ns
    return max(wanted, -(-span // MOST_STEPS // NS) * NS)


def one_of(query: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    """Return a parameter that is one of `words`, the first by default. Raises BadRequestError."""
    found = query.get(name) or words[0]
    if found not in words:
        raise BadRequestError(f"{name} is one of {', '.join(words)}, not {found!r}")
    return found
