"""JSON text → documents, with the same bounds and the same notion of a mistake as YAML.

The standard library's decoder does the work in C and guards its own recursion. What it does not tell -
duplicate keys, NaN, numbers without bound - is caught by hooks; only when a hook has caught something is
the text walked token by token, to say where.

The outermost object is read member by member and its `items` one by one: so every object of a `kind: List`
knows its span at no cost, and the line of any of ten thousand pods is known without a second look at the
text.
"""

import json
import re
from collections.abc import Iterator
from math import isfinite
from typing import Any, Final

from ocicat.model.positions import Lines, Path, Place, Shape, Token, visits
from ocicat.model.reading import SHOWN, SHOWN_STEPS, Composed, Fault, Limits, Span, StoppedError, shown
from ocicat.model.scalars import MAX_DIGITS

_BLANKS: Final = re.compile(r"[ \t\r\n]*")
_TOKEN: Final = re.compile(r'"(?P<text>[^"\\]*(?:\\.[^"\\]*)*)"|[{}\[\]:,]|[^\s{}\[\]:,"]+', re.DOTALL)
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPE: Final = re.compile(
    r"(?P<fine>\\[^u]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}",
    re.DOTALL,
)
_FIXES: Final = {
    "Expecting property name": 'write "key": value, the key in double quotes; remove a comma before }',
    "Illegal trailing comma": "remove the comma before the closing bracket",
    "Expecting ':'": "put a colon between key and value",
    "Expecting ','": "put a comma between the two, or close the bracket",
    "Expecting value": "write a value: text in double quotes, a number, true, false, null, [ ] or { }",
    "Unterminated string": 'close the text with "',
    "Invalid control character": "write \\n for a line break and \\t for a tab",
    "Invalid \\": "write \\\\ for one backslash",
    "Invalid \\u": "write \\u with four hexadecimal digits",
    "Extra data": "remove what follows the object",
}


class _DoubtError(ValueError):
    """A hook has seen something that JSON allows and we do not."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _DoubtError("duplicate key")
    return members


def _no_constant(text: str) -> Any:
    raise _DoubtError(text)


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise _DoubtError(text)
    return value


def _any_integer(text: str) -> int:
    return int(text) if len(text) <= MAX_DIGITS else 0


_STRICT: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
_LAX: Final = json.JSONDecoder(parse_constant=lambda _: None, parse_int=_any_integer)


def compose(text: str, limits: Limits) -> tuple[list[Composed], list[Fault]]:
    """Return the values of a text of JSON, one after the other, and the fault that ended it, if any.

    Cost: linear in `text`; about 90 MB per second. Never raises.
    """
    documents: list[Composed] = []
    try:
        _check_nodes(text, limits.nodes)
        # A lone surrogate is no character and cannot be written out again. Go reads it as U+FFFD; so do we,
        # in the text itself, where the escape has the same length.
        reader = _Reader(_ESCAPE.sub(_replaced, text) if _SURROGATE.search(text) else text, limits)
        documents.extend(reader.documents())
    except StoppedError as stop:
        return documents, [stop.fault]
    return documents, []


def _replaced(escape: re.Match[str]) -> str:
    return escape["fine"] or "\\ufffd"


def _check_nodes(text: str, limit: int) -> None:
    """Bound the values from above by the characters that must precede them, before any is built."""
    if len(text) > limit and text.count(",") + text.count("[") + text.count("{") > limit:
        raise StoppedError(Fault("OC0007", f"the source holds more than {limit:,} values", Place(1, 1)))


class _Reader:
    """Reads values at increasing offsets of one text."""

    def __init__(self, text: str, limits: Limits) -> None:
        self.text = text
        self.limits = limits
        self.faults: list[Fault] = []
        self.items: list[Span] = []
        self.lines = Lines(text)

    def documents(self) -> Iterator[Composed]:
        """Yield each value of the text. Raises StoppedError."""
        position = self._skip(0)
        while position < len(self.text):
            self.faults, self.items = [], []
            place = self.lines.place(position)
            value, end = self._document(position)
            yield Composed(value, Span(position, end, place), tuple(self.items), tuple(self.faults))
            position = self._skip(end)

    def _document(self, start: int) -> tuple[Any, int]:
        try:
            if self.text[start] == "{":
                return self._object(start)
            return self._value(start, ())
        except json.JSONDecodeError as error:
            raise StoppedError(self._broken(error)) from error

    def _object(self, start: int) -> tuple[dict[str, Any], int]:
        """Return the outermost object that begins at `start`, and where it ends."""
        members: dict[str, Any] = {}
        position = self._skip(start + 1)
        while self._at(position) != "}":
            if self._at(position) != '"':
                raise self._error("Expecting property name enclosed in double quotes", position)
            key_start = position
            key, position = _STRICT.raw_decode(self.text, position)
            position = self._skip(position)
            if self._at(position) != ":":
                raise self._error("Expecting ':' delimiter", position)
            position = self._skip(position + 1)
            if key in members:
                self._repeated(key, (key,), self.lines.place(key_start))
            if key == "items" and self._at(position) == "[":
                members[key], position = self._list(position)
            else:
                members[key], position = self._value(position, (key,))
            position = self._skip(position)
            if self._at(position) == ",":
                position = self._skip(position + 1)
                if self._at(position) == "}":
                    raise self._error("Expecting property name enclosed in double quotes", position)
            elif self._at(position) != "}":
                raise self._error("Expecting ',' delimiter", position)
        return members, position + 1

    def _list(self, start: int) -> tuple[list[Any], int]:
        """Return the list of items that begins at `start`, and where it ends."""
        values: list[Any] = []
        position = self._skip(start + 1)
        while self._at(position) != "]":
            item_start, place = position, self.lines.place(position)
            value, position = self._value(position, ("items", len(values)))
            values.append(value)
            self.items.append(Span(item_start, position, place))
            position = self._skip(position)
            if self._at(position) == ",":
                position = self._skip(position + 1)
                if self._at(position) == "]":
                    raise self._error("Expecting value", position)
            elif self._at(position) != "]":
                raise self._error("Expecting ',' delimiter", position)
        return values, position + 1

    def _value(self, start: int, path: Path) -> tuple[Any, int]:
        try:
            try:
                value, end = _STRICT.raw_decode(self.text, start)
            except json.JSONDecodeError:
                raise
            except ValueError:  # a hook, or an integer with more digits than Python converts
                value, end = _LAX.raw_decode(self.text, start)
                self._examine(start, end, path)
        except RecursionError as error:
            raise self._too_deep(start, path) from error
        if _levels(value) + len(path) > self.limits.depth:
            raise self._too_deep(start, path)
        return value, end

    # --- faults -----------------------------------------------------------------------------------------

    def _examine(self, start: int, end: int, path: Path) -> None:
        """Find what the hooks did not like between `start` and `end`."""
        keys: set[Path] = set()
        repeated: set[Path] = set()
        for below, token, is_key in visits(tokens(self.text[start:end], self.lines.place(start))):
            here = (*path, *below)
            if is_key and below not in keys:
                keys.add(below)
            elif is_key and not any(below[:size] in repeated for size in range(len(below))):
                repeated.add(below)
                self._repeated(token.text, here, token.place)
            elif token.shape is Shape.SCALAR and _out_of_range(token.text):
                what = f"{shown(token.text)} is a number that Kubernetes cannot hold"
                self._fault("OC0014", what, here, token.place)

    def _repeated(self, key: str, path: Path, place: Place) -> None:
        self._fault("OC0009", f'the key "{shown(key)}" stands here a second time', path, place)

    def _fault(self, code: str, what: str, path: Path, place: Place) -> None:
        self.faults.append(Fault(code, what, place, path))
        if len(self.faults) >= self.limits.faults:
            raise StoppedError(
                Fault("OC0016", f"the document has {len(self.faults)} mistakes or more", place, path)
            )

    def _too_deep(self, start: int, path: Path) -> StoppedError:
        """Return the stop at the bracket that is one too deep."""
        level, where = len(path), start
        for match in _TOKEN.finditer(self.text, start):
            if match[0] in "[{":
                level += 1
            elif match[0] in "]}":
                level -= 1
            if level > self.limits.depth:
                where = match.start()
                break
        what = f"maps and lists stand inside each other more than {self.limits.depth} deep"
        return StoppedError(Fault("OC0006", what, self.lines.place(where), path[:SHOWN_STEPS]))

    def _error(self, message: str, position: int) -> json.JSONDecodeError:
        return json.JSONDecodeError(message, self.text, position)

    def _broken(self, error: json.JSONDecodeError) -> Fault:
        position = min(error.pos, len(self.text))
        fix = next((fix for message, fix in _FIXES.items() if error.msg.startswith(message)), "")
        rest = self.text[position : position + 2 * SHOWN].split("\n", 1)[0]
        what = f"not JSON: {error.msg[:1].lower()}{error.msg[1:]}" + (
            "" if rest else ", but the text ends here"
        )
        return Fault("OC0005", what, self.lines.place(position), fix=fix, value=shown(rest))

    def _skip(self, position: int) -> int:
        match = _BLANKS.match(self.text, position)
        return match.end() if match else position

    def _at(self, position: int) -> str:
        return self.text[position : position + 1]


def _levels(value: Any) -> int:
    """Return how deep maps and lists stand inside each other; counted level by level, not by recursion."""
    level = [value] if isinstance(value, dict | list) else []
    count = 0
    while level:
        count += 1
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) is dict or type(child) is list
        ]
    return count


def _out_of_range(text: str) -> bool:
    """Tell whether a bare word of JSON is a number that nothing holds (NaN and Infinity included)."""
    if text in ("true", "false", "null"):
        return False
    return len(text) > MAX_DIGITS or not isfinite(float(text))


def tokens(text: str, start: Place) -> Iterator[Token]:
    """Yield the tokens of `text`, which is JSON and begins at `start`. Lone surrogates are read as U+FFFD."""
    lines = Lines(text)
    for match in _TOKEN.finditer(text):
        word = match[0]
        if word in ",:":
            continue
        place = lines.place(match.start())
        column = place.column + start.column - 1 if place.line == 1 else place.column
        place = Place(place.line + start.line - 1, column)
        if word in "[{":
            yield Token(Shape.MAP if word == "{" else Shape.LIST, "", place)
        elif word in "]}":
            yield Token(Shape.END, "", place)
        elif word[0] == '"':
            yield Token(Shape.QUOTED, _unquoted(match["text"]), place)
        else:
            yield Token(Shape.SCALAR, word, place)


def _unquoted(text: str) -> str:
    if "\\" not in text:
        return text
    return str(json.loads(f'"{_ESCAPE.sub(_replaced, text)}"', strict=False))
