"""Bytes that a user wrote → documents: one object each, which knows where everything in it is written.

This is the first half of loading (`ocicat.model.decode` is the second). It knows of Kubernetes only what
makes documents out of a text: that manifests are YAML or JSON, and that a `kind: List` (or `PodList`, …)
stands for its items. A broken document never hides the others, and no text can make `read` raise.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from ocicat.base.problem import Problem, Where
from ocicat.model import jsontext, yamltext
from ocicat.model.codes import problem
from ocicat.model.encoding import text_of
from ocicat.model.positions import Path, Place, Places, path_of, path_text
from ocicat.model.reading import Composed, Fault, Limits, Span, shown

__all__ = ["DEFAULT_LIMITS", "Document", "Limits", "Passage", "read"]

DEFAULT_LIMITS: Final = Limits()

_JSON_START: Final = re.compile(r"\s*(?:\{\s*(?P<key>\")?|\[\s*(?P<item>[\"{\[])?)")


class Passage:
    """The piece of a text in which an object is written. Finds its places when first asked."""

    __slots__ = ("_places", "_span", "_text", "_yaml")

    def __init__(self, text: str, span: Span, *, yaml: bool) -> None:
        """Refer to a span of `text`; the text is kept alive, not copied."""
        self._text = text
        self._span = span
        self._yaml = yaml
        self._places: Places | None = None

    @property
    def start(self) -> Place:
        """Where the object begins."""
        return self._span.place

    def places(self) -> Places:
        """Return the places of everything in the object. Cost: the object is parsed once more, once."""
        if self._places is None:
            piece = self._text[self._span.start : self._span.end]
            if self._yaml:
                # The blanks stand for what precedes the object on its line, so that its columns, and with
                # them the indentation of a block map, are as in the file.
                piece = " " * (self.start.column - 1) + piece
                self._places = Places(yamltext.tokens(piece, self.start.line - 1))
            else:
                self._places = Places(jsontext.tokens(piece, self.start))
        return self._places


class Document(msgspec.Struct, frozen=True, eq=False):
    """One object as it was written, before anybody asked whether it makes sense."""

    raw: dict[str, Any]
    """Plain values: str, int, float (finite), bool, None, and dicts and lists of them.

    Not to be changed: aliases share parts of it.
    """
    file: str
    """As the user named it; `-` is standard input."""
    passage: Passage
    within: Path = ()
    """Where the object is in its passage: only objects of a List inside a List are not all of it."""

    @property
    def line(self) -> int:
        """The line on which the object begins, from 1."""
        return self._place(()).line

    @property
    def column(self) -> int:
        """The column at which the object begins, from 1, in characters."""
        return self._place(()).column

    @property
    def api_version(self) -> str:
        """The apiVersion as written; empty when missing or no text."""
        return _text(self.raw.get("apiVersion"))

    @property
    def kind(self) -> str:
        """The kind as written; empty when missing or no text."""
        return _text(self.raw.get("kind"))

    @property
    def subject(self) -> str:
        """The object as messages name it: `Kind namespace/name`, with what is known of it."""
        return _subject(self.raw)

    def position(self, path: Path) -> Place:
        """Return where `path` is written, or its nearest parent that is.

        A scalar is at its first character, a map or list at its key. What came in by an alias or merge key is
        where the alias is.
        """
        return self._place(path)

    def key_position(self, path: Path) -> Place:
        """Return where the key is written that `path` ends with; as `position` where there is no such key."""
        return self.passage.places().key((*self.within, *path)) or self.passage.start

    def where(self, path: Path | str = (), *, key: bool = False) -> Where:
        """Return the place of `path`, or of its key, for a Problem; the path as steps or as text."""
        path = path_of(path) if isinstance(path, str) else path
        place = self.key_position(path) if key else self.position(path)
        return Where(self.subject, path_text(path), self.file, place.line, place.column)

    def placed(self, found: Problem) -> Problem:
        """Return `found`, which knows a path of this object, with file, line and column filled in."""
        place = self.position(path_of(found.where.path))
        where = msgspec.structs.replace(found.where, file=self.file, line=place.line, column=place.column)
        return msgspec.structs.replace(found, where=where)

    def _place(self, path: Path) -> Place:
        if not path and not self.within:
            return self.passage.start
        return self.passage.places().of((*self.within, *path)) or self.passage.start


def read(data: bytes, file: str, limits: Limits = DEFAULT_LIMITS) -> tuple[list[Document], list[Problem]]:
    """Return every object that `data` holds, in order, and everything that is wrong with the text.

    `data` is YAML of any number of documents, or JSON (one value, or several one after the other). Lists are
    replaced by their items. A document, or an item of a List, in which something is wrong is left out: half
    an object could mean the opposite of the whole.

    Cost: linear; JSON about 60 MB and YAML about 8 MB per second. Never raises for what `data` holds.
    """
    if len(data) > limits.bytes:
        what = f"the source has {len(data):,} bytes, and at most {limits.bytes:,} are read"
        return [], [Fault("OC0002", what, Place(1, 1)).problem(file)]
    text = text_of(data)
    if isinstance(text, Fault):
        return [], [text.problem(file)]
    composed, faults, yaml = _composed(text, file, limits)
    documents: list[Document] = []
    problems = [fault.problem(file) for fault in faults]
    for each in composed:
        for found in _unpacked(_Origin(each, text, file, yaml)):
            if isinstance(found, Document):
                documents.append(found)
            else:
                problems.append(found)
    return documents, problems


def _composed(text: str, file: str, limits: Limits) -> tuple[list[Composed], list[Fault], bool]:
    """Read `text` as what it is; the last part of the answer is whether that is YAML.

    JSON is tried where a bracket comes first. `{a: b}` is YAML too, and so is JSON cut by `---`: where JSON
    fails, YAML has a try, unless the file's name says JSON. Where both fail, a quote after the bracket tells
    JSON, in whose words the mistake is then told.
    """
    opening = _JSON_START.match(text)
    if opening is None:
        return *yamltext.compose(text, limits), True
    documents, faults = jsontext.compose(text, limits)
    # JSON that only lacks its end is no YAML either, so the second try is spared: the text may be large.
    if not faults or faults[0].code != "OC0005" or not faults[0].value or file.endswith(".json"):
        return documents, faults, False
    yaml_documents, yaml_faults = yamltext.compose(text, limits)
    if yaml_faults and (opening["key"] or opening["item"]) and "\n---" not in text:
        return documents, faults, False
    return yaml_documents, yaml_faults, True


class _Origin(msgspec.Struct, frozen=True):
    """A document of a text, before Lists are replaced by their items."""

    composed: Composed
    text: str
    file: str
    yaml: bool

    def document(self, value: dict[str, Any], path: Path) -> Document:
        """Return the object `value` that is found at `path`."""
        spans = self.composed.items
        if len(path) >= 2 and path[0] == "items" and isinstance(path[1], int) and path[1] < len(spans):
            return Document(value, self.file, Passage(self.text, spans[path[1]], yaml=self.yaml), path[2:])
        return Document(value, self.file, Passage(self.text, self.composed.span, yaml=self.yaml), path)

    def problem(self, value: Any, path: Path, what: str, fix: str) -> Problem:
        """Return the Problem that what is found at `path` is no object."""
        where = self.document(value if isinstance(value, dict) else {}, path).where()
        found = "" if isinstance(value, dict | list) else shown(str(value))
        return problem("OC0015", where, what, fix=fix, value=found)


def _unpacked(origin: _Origin) -> Iterator[Document | Problem]:
    """Yield the objects of a document: itself, or the items of the List that it is."""
    faults = origin.composed.faults
    pending: list[tuple[Any, Path]] = [(origin.composed.value, ())]
    while pending:
        value, path = pending.pop()
        below = [fault for fault in faults if fault.path[: len(path)] == path]
        items = _items(value)
        apart = not origin.composed.shared and all(_is_in_item(fault, path) for fault in below)
        if items is not None and (apart or not below):
            indexed = [(item, (*path, "items", index)) for index, item in enumerate(items)]
            pending.extend(reversed(indexed))
        elif below:
            subject = _subject(value) if isinstance(value, dict) else ""
            yield from (fault.problem(origin.file, subject, path) for fault in below)
        elif isinstance(value, dict):
            if _is_list(value):
                fix = 'begin each object with "- "'
                yield origin.problem(value, path, "items of a List must be a list of objects", fix)
            else:
                yield origin.document(value, path)
        elif value is not None or path:
            what = "an item of a List is no object" if path else "the document is no object"
            fix = (
                "put the objects of a list into a List: kind: List, items: …"
                if isinstance(value, list)
                else ""
            )
            yield origin.problem(value, path, what, fix)


def _is_list(value: dict[str, Any]) -> bool:
    kind = _text(value.get("kind"))
    return kind == "List" or (kind.endswith("List") and "items" in value)


def _items(value: Any) -> list[Any] | None:
    """Return the items of a List; None for anything else.

    The API leaves apiVersion and kind out of the items of a typed list (`PodList`), so they are filled in.
    """
    if not isinstance(value, dict) or not _is_list(value):
        return None
    items = value.get("items")
    if items is None:
        return []
    if not isinstance(items, list):
        return None
    kind = value["kind"].removesuffix("List")
    if not kind:
        return items
    implied = {"apiVersion": value.get("apiVersion"), "kind": kind}
    return [{**implied, **item} if isinstance(item, dict) else item for item in items]


def _is_in_item(fault: Fault, path: Path) -> bool:
    steps = fault.path[len(path) :]
    return len(steps) >= 2 and steps[0] == "items" and isinstance(steps[1], int)


def _subject(raw: dict[str, Any]) -> str:
    metadata = raw.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name = _text(metadata.get("name")) or _text(metadata.get("generateName"))
    namespace = _text(metadata.get("namespace"))
    full = f"{namespace}/{name}" if namespace else name
    return f"{_text(raw.get('kind'))} {full}".strip()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
