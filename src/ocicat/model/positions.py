"""Paths inside an object, and the line and column at which a path is written.

Positions are looked up only when a Problem needs one, so reading ten thousand pods pays nothing for them.
The readers of YAML and JSON both turn their text into a stream of `Token`; `Places` is made from such a
stream, so there is one notion of "where" for both.
"""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

import msgspec

Path: TypeAlias = tuple[str | int, ...]
"""The way from an object to one of its values: keys of maps and indices of lists."""


class Place(msgspec.Struct, frozen=True, order=True, gc=False):
    """A place in a text; both numbers are 1-based, columns count characters."""

    line: int
    column: int


class Shape(StrEnum):
    """What a token is. `END` closes the innermost map or list."""

    MAP = "map"
    LIST = "list"
    SCALAR = "scalar"
    QUOTED = "quoted"
    """A scalar of JSON that is text."""
    END = "end"


class Token(NamedTuple):
    """A piece of a text: in a map, tokens alternate between key and value."""

    shape: Shape
    text: str
    """Of a scalar: its text without quotes and escapes. Otherwise empty."""
    place: Place


class Visit(NamedTuple):
    """A token with the path that it stands at; that of a key is the path of its value."""

    path: Path
    token: Token
    is_key: bool


_PLAIN_KEY: Final = re.compile("[A-Za-z_][A-Za-z0-9_-]*")
_STEP: Final = re.compile(
    r'\.?(?P<key>[A-Za-z_][A-Za-z0-9_-]*)|\[(?P<index>[0-9]+)\]|\["(?P<quoted>[^"\\]*(?:\\.[^"\\]*)*)"\]',
    re.DOTALL,
)


def path_text(path: Path) -> str:
    """Return `path` as people write it: `spec.ingress[0].ports[1]`, `metadata.labels["a.b/c"]`."""
    parts: list[str] = []
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif _PLAIN_KEY.fullmatch(step):
            parts.append(f".{step}" if parts else step)
        else:
            escaped = step.replace("\\", "\\\\").replace('"', '\\"')
            parts.append(f'["{escaped}"]')
    return "".join(parts)


def path_of(text: str) -> Path:
    """Return the path that `text` spells: the inverse of `path_text`.

    Stops at the first character that is not part of a path, so that `spec.order: x` still leads to the order.
    """
    steps: list[str | int] = []
    end = 0
    while match := _STEP.match(text, end):
        end = match.end()
        if match["key"] is not None:
            steps.append(match["key"])
        elif match["index"] is not None:
            steps.append(int(match["index"]))
        else:
            steps.append(re.sub(r"\\(.)", r"\1", match["quoted"], flags=re.DOTALL))
    return tuple(steps)


class Lines:
    """Turns offsets in a text into places. Cheap when asked in ascending order."""

    __slots__ = ("_counted", "_line", "_line_start", "_text")

    def __init__(self, text: str) -> None:
        """Count the lines of `text`."""
        self._text = text
        self._counted = self._line_start = 0
        self._line = 1

    def place(self, offset: int) -> Place:
        """Return the place of the character at `offset`."""
        if offset < self._counted:
            self._counted = self._line_start = 0
            self._line = 1
        breaks = self._text.count("\n", self._counted, offset)
        if breaks:
            self._line += breaks
            self._line_start = self._text.rfind("\n", self._counted, offset) + 1
        self._counted = offset
        return Place(self._line, offset - self._line_start + 1)


class _Frame:
    """A map or list that is being walked."""

    __slots__ = ("index", "is_map", "key", "path")

    def __init__(self, path: Path, *, is_map: bool) -> None:
        self.path = path
        self.is_map = is_map
        self.index = 0
        self.key: str | None = None


def visits(tokens: Iterable[Token]) -> Iterator[Visit]:
    """Yield every key and value that `tokens` spell, with its path; a parent before its children.

    Tokens that are cut short, or close more than they opened, end the walk and are no error.
    """
    frames: list[_Frame] = []
    for token in tokens:
        frame = frames[-1] if frames else None
        if token.shape is Shape.END:
            if frame is None:
                return
            frames.pop()
            continue
        if frame is None:
            path: Path = ()
        elif not frame.is_map:
            path = (*frame.path, frame.index)
            frame.index += 1
        elif frame.key is None:
            frame.key = token.text
            yield Visit((*frame.path, token.text), token, is_key=True)
            continue
        else:
            path = (*frame.path, frame.key)
            frame.key = None
        yield Visit(path, token, is_key=False)
        if token.shape in (Shape.MAP, Shape.LIST):
            frames.append(_Frame(path, is_map=token.shape is Shape.MAP))


class Places:
    """The line and column of every path of one object."""

    __slots__ = ("_keys", "_values")

    def __init__(self, tokens: Iterable[Token]) -> None:
        """Record the places of the value that `tokens` spells."""
        self._keys: dict[Path, Place] = {}
        self._values: dict[Path, Place] = {}
        for path, token, is_key in visits(tokens):
            if is_key:
                self._keys.setdefault(path, token.place)
            elif token.shape in (Shape.MAP, Shape.LIST):
                self._values.setdefault(path, self._keys.get(path, token.place))
            else:
                self._values.setdefault(path, token.place)

    def of(self, path: Path) -> Place | None:
        """Return where `path` is, or its nearest parent that exists; None when there is not even a root.

        A scalar is at its own first character, a map or list at its key: that is where a reader looks.
        """
        for size in range(len(path), -1, -1):
            place = self._values.get(path[:size])
            if place is not None:
                return place
        return None

    def key(self, path: Path) -> Place | None:
        """Return where the key is that `path` ends with; as `of` where that is an index or missing."""
        return self._keys.get(path) or self.of(path)
