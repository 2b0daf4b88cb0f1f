"""What libyaml says about broken YAML, in words that tell a person what to change.

A parser reports where it gave up and which token it missed; people look for a tab, a quote, a second colon.
Each row pairs a piece of libyaml's (or PyYAML's) message with the mistake that usually causes it. An
unknown message is passed on as it is.
"""

import re
from typing import Any, Final

import msgspec
import yaml

from ocicat.model.positions import Place
from ocicat.model.reading import Fault, shown
from ocicat.model.yamlmarks import place_of


class _Reason(msgspec.Struct, frozen=True):
    message: str
    what: str
    fix: str


_NO_CHARACTER: Final = _Reason(
    "found invalid Unicode character escape code",
    "an escape stands for no character",
    "write the character itself, or the escape of one",
)
_REASONS: Final = (
    _Reason(
        "mapping values are not allowed",
        "a second colon makes a map where none can stand",
        'put the value into quotes if it contains ": "; check the indentation of this line and the one above',
    ),
    _Reason(
        "block sequence entries are not allowed",
        'a "-" begins a list where none can stand',
        'put the first "- " on a line of its own, below the key',
    ),
    _Reason(
        "could not find expected ':'",
        'the line above is neither "key: value" nor "- item"',
        'write "key: value", with a blank after the colon; check that every quote is closed',
    ),
    _Reason(
        "did not find expected key",
        "the line does not belong to the map that it is indented into",
        "indent it like its siblings; close every quote; put text with special signs into quotes",
    ),
    _Reason(
        "did not find expected '-' indicator",
        "a list is followed by something that is not one of its items",
        'begin the line with "- ", or indent it less if it belongs to the map around the list',
    ),
    _Reason(
        "did not find expected ',' or",
        "a [ or { is not closed, or a comma is missing",
        "close the bracket, and put commas between its items",
    ),
    _Reason(
        "did not find expected node content",
        "a value is missing, or begins with a character that means something else to YAML",
        "write the value, or put it into quotes",
    ),
    _Reason(
        "found unexpected end of stream",
        "a quote is opened and never closed",
        "close the quote",
    ),
    _Reason(
        "found unexpected document indicator",
        "a quote is still open where the next document begins",
        "close the quote",
    ),
    _Reason(
        "found unknown escape character",
        "a backslash in double quotes begins an escape that YAML does not have",
        "use single quotes, or write \\\\ for one backslash",
    ),
    _NO_CHARACTER,
    _Reason(
        "did not find expected hexdecimal number",
        "the escape has too few digits",
        "write \\x with two digits, \\u with four, \\U with eight",
    ),
    _Reason(
        "did not find expected alphabetic or numeric character",
        "a * or & at the start of a value makes it an alias or an anchor",
        'put the value into quotes, for example "*"',
    ),
    _Reason(
        "did not find expected comment or line break",
        "text follows | or > on its line",
        "begin the text on the next line, or put it into quotes instead",
    ),
    _Reason(
        "found undefined tag handle",
        "a ! at the start of a value makes it a tag",
        "put the value into quotes",
    ),
    _Reason(
        "tag",
        "a ! at the start of a value makes it a tag, and this one is malformed",
        "put the value into quotes",
    ),
    _Reason(
        "did not find expected <document start>",
        "something follows the end of the document",
        "put --- between two documents; remove surplus closing brackets",
    ),
    _Reason(
        "directive",
        "a % at the start of a line makes it a directive, and this one is unknown or stands twice",
        "remove the line, or put the text into quotes",
    ),
)
_TAB: Final = _Reason("", "a tab indents this line; YAML wants spaces", "replace the tab by spaces")
_RESERVED: Final = "@`%"
_PYTHON_NAMES: Final = {
    "expected <block end>": "did not find expected key",
    "expected ',' or": "did not find expected ',' or",
    "expected the node content": "did not find expected node content",
    "expected '<document start>'": "did not find expected <document start>",
    "expected alphabetic or numeric": "did not find expected alphabetic or numeric character",
    "expected a comment or a line break": "did not find expected comment or line break",
    "expected chomping or indentation": "did not find expected comment or line break",
    "expected escape sequence of": "did not find expected hexdecimal number",
    "sequence entries are not allowed": "block sequence entries are not allowed",
}
"""How the messages of PyYAML's own parser begin or read, where they differ from libyaml's."""


def explained(error: yaml.YAMLError, text: str, lines_before: int) -> Fault:
    """Return what `error` means for a person; `text` is what was parsed, after `lines_before` lines."""
    if isinstance(error, yaml.reader.ReaderError):
        return _unreadable(error, text, lines_before)
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    message = str(getattr(error, "problem", None) or error)
    index = min(mark.index, len(text)) if mark else 0
    place = place_of(mark, text, lines_before) if mark else Place(lines_before + 1, 1)
    if "collection" in str(getattr(error, "context", "")) and "expected <block end>" in message:
        message = "did not find expected '-' indicator"
    if "nesting depth" in message:  # a bound of libyaml's own, which a single line can reach before ours
        return Fault("OC0006", "maps and lists stand inside each other too deep", place)
    reason = _reason(message, text, index)
    line = _line_at(text, index)
    fix = reason.fix
    if "{{" in line or "{%" in line or "{{" in _line_at(text, max(text.rfind("\n", 0, index), 0)):
        fix = f"{fix}; a Helm chart must be rendered first (helm template)"
    return Fault("OC0004", reason.what + _since(error, mark, lines_before), place, fix=fix, value=shown(line))


def no_character(place: Place) -> Fault:
    """Return the fault of an escape like `\\ud800`, which PyYAML's own parser does not find itself."""
    return Fault("OC0004", _NO_CHARACTER.what, place, fix=_NO_CHARACTER.fix)


def _reason(message: str, text: str, index: int) -> _Reason:
    character = text[index : index + 1]
    if "found a tab" in message or (character == "\t" and "cannot start any token" in message):
        return _TAB
    if "cannot start any token" in message:
        what = f"a value cannot begin with {character}" if character in _RESERVED else message
        return _Reason("", what, "put the value into quotes")
    for python, libyaml in _PYTHON_NAMES.items():
        if python in message:
            message = libyaml
    if "node content" in message and not text[index:].strip():
        message = "did not find expected ',' or"
    for reason in _REASONS:
        if reason.message in message:
            return reason
    return _Reason("", message, "correct the YAML at this place")


def _since(error: Any, mark: Any, lines_before: int) -> str:
    """Return where the thing began that the error is in, when that is another line."""
    context = getattr(error, "context_mark", None)
    if context is None or mark is None or context.line == mark.line:
        return ""
    return f" (what is open here began in line {lines_before + context.line + 1})"


def _unreadable(error: Any, text: str, lines_before: int) -> Fault:
    match = re.search("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    index = match.start() if match else 0
    line = lines_before + text.count("\n", 0, index) + 1
    what = f"the control character U+{ord(text[index : index + 1] or chr(0)):04X} cannot stand in YAML"
    place = Place(line, index - text.rfind("\n", 0, index))
    return Fault("OC0004", what, place, fix="remove it, or write it as an escape in double quotes")


def _line_at(text: str, index: int) -> str:
    start = text.rfind("\n", 0, index) + 1
    end = text.find("\n", index)
    return text[start : end if end >= 0 else len(text)]
