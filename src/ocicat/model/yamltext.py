"""YAML text → documents, each read by itself.

A stream is cut at its document markers first and each piece is parsed alone, so that a mistake in one
document leaves the others alive. The cut is exact: `---` and `...` in the first column are markers wherever
they stand, even inside block scalars and quotes (YAML 1.2 §9.1.2).
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec
import yaml
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, MappingStartEvent, ScalarEvent

from ocicat.model.positions import Place, Shape, Token
from ocicat.model.reading import Composed, Fault, Limits, StoppedError
from ocicat.model.yamlcomposer import LOADER, Composer
from ocicat.model.yamlmarks import place_of
from ocicat.model.yamlmistakes import explained, no_character

_MARKER: Final = re.compile(r"\n(?=---(?:[ \t\r\n]|\Z))|\n\.\.\.(?:[ \t\r][^\n]*)?(?:\n|\Z)")
# The repetitions are possessive: none needs a second try, and remembering one for every line would take more
# memory than the text.
_BLANK: Final = re.compile(r"(?:(?:---|\.\.\.)(?=[ \t\r\n]|\Z))?+(?:[ \t\r]*+(?:#[^\n]*+)?+(?:\n|\Z))*+")
_DIRECTIVES: Final = re.compile(r"(?:(?:%[^\n]*+|[ \t\r]*+(?:#[^\n]*+)?+)(?:\n|\Z))*+")


class Piece(msgspec.Struct, frozen=True, gc=False):
    """A part of a text that is parsed by itself."""

    text: str
    start: int
    """Characters of the whole text before it."""
    line: int
    """Lines of the whole text before it."""


def pieces(text: str) -> Iterator[Piece]:
    """Cut `text` at its document markers. Pieces of nothing but blanks and comments are left out.

    A `---` begins a piece, a `...` ends one; directives (`%YAML`) go with the document that they announce.
    """
    start = line = counted = position = 0
    while position <= len(text):
        marker = _MARKER.search(text, max(position - 1, 0))
        end = marker.end() if marker else len(text)
        position = end + 1
        body = text[start:end]
        if marker and "%" in body and _DIRECTIVES.fullmatch(body):
            continue
        line += text.count("\n", counted, start)
        counted = start
        if not _BLANK.fullmatch(body):
            yield Piece(body, start, line)
        start = end
        if not marker:
            return


def compose(text: str, limits: Limits) -> tuple[list[Composed], list[Fault]]:
    """Return the documents of a YAML stream, and the faults that end one before it is complete.

    Cost: linear in `text`; about a million values per second with libyaml. Never raises.
    """
    documents: list[Composed] = []
    faults: list[Fault] = []
    if text.count("\n---") + text.count("\n...") > limits.documents:
        what = f"the source has more than {limits.documents:,} documents"
        return [], [Fault("OC0007", what, Place(1, 1), fix="split the file")]
    nodes = 0
    for piece in pieces(text):
        if too_long := _long_line(piece, limits.line):
            faults.append(too_long)
            continue
        composer = Composer(piece.text, piece.start, piece.line, limits, nodes)
        try:
            documents.extend(composer.documents())
        except StoppedError as stop:
            faults += [*composer.faults, stop.fault]
        except yaml.YAMLError as error:
            faults += [*composer.faults, explained(error, piece.text, piece.line)]
        except (ValueError, OverflowError):
            if LOADER is not yaml.SafeLoader:
                raise
            # PyYAML's own parser, for an escape past the last character there is
            faults += [*composer.faults, no_character(Place(piece.line + 1, 1))]
        nodes = composer.nodes
        if nodes > limits.nodes:
            break
    return documents, faults


def _long_line(piece: Piece, limit: int) -> Fault | None:
    text, start = piece.text, 0
    while len(text) - start > limit:
        end = text.rfind("\n", start, start + limit + 1)
        if end < 0:
            line = piece.line + 1 + text.count("\n", 0, start)
            return Fault("OC0008", f"the line has more than {limit:,} characters", Place(line, 1))
        start = end + 1
    return None


def tokens(text: str, lines_before: int) -> Iterator[Token]:
    """Yield the tokens of the value that `text` begins with, for its places; ends early where YAML breaks."""
    loader = LOADER(text)
    try:
        depth = 0
        while (event := loader.get_event()) is not None:
            place = place_of(event.start_mark, text, lines_before)
            if isinstance(event, ScalarEvent | AliasEvent):
                yield Token(Shape.SCALAR, getattr(event, "value", ""), place)
            elif isinstance(event, CollectionStartEvent):
                depth += 1
                yield Token(Shape.MAP if isinstance(event, MappingStartEvent) else Shape.LIST, "", place)
            elif isinstance(event, CollectionEndEvent):
                depth -= 1
                yield Token(Shape.END, "", place)
            else:
                continue
            if depth == 0:
                return
    except yaml.YAMLError:
        return
    finally:
        loader.dispose()
