"""YAML events → plain Python values, without recursion and within bounds.

PyYAML's libyaml binding delivers the events; the values are built here with a stack of our own, because
PyYAML's composer recurses (deep nesting ends the process), knows neither duplicate keys nor a bound on
aliases, and reads scalars as YAML 1.1 does (`on` is true). Where libyaml is missing PyYAML's own parser
takes its place.
"""

import re
from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any, Final

import msgspec
import yaml
from yaml.events import (
    CollectionEndEvent,
    CollectionStartEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)

from ocicat.model.positions import Path, Place
from ocicat.model.reading import SHOWN_STEPS, Composed, Fault, Limits, Span, StoppedError, shown
from ocicat.model.scalars import NumberError, Scalar, as_json, as_key, plain
from ocicat.model.yamlmarks import place_of
from ocicat.model.yamlmistakes import no_character

LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Only its event stream is used, never its constructors."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_CORE: Final = "tag:yaml.org,2002:"
_SCALAR_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    f"{_CORE}null": type(None),
    f"{_CORE}bool": bool,
    f"{_CORE}int": int,
    f"{_CORE}float": (int, float),
}
_TEXT_TAGS: Final = ("!", f"{_CORE}str")
_COLLECTION_TAGS: Final = (None, "!", f"{_CORE}map", f"{_CORE}seq")


class _Mark(msgspec.Struct, frozen=True):
    name: str


_NO_KEY: Final = _Mark("the next value is a key")
_MERGE: Final = _Mark("the key <<")
_BROKEN: Final = _Mark("a key that cannot be used, so that its value is dropped")


class _Anchor(msgspec.Struct, frozen=True):
    """What an alias stands for."""

    value: Any
    nodes: int
    """Values in it, with those of the aliases in it; 0 while it is still being built."""
    levels: int
    """Maps and lists inside each other, itself included."""


class _Frame:
    """A map or list that is being built."""

    __slots__ = ("anchor", "key", "levels", "merges", "nodes", "start", "value")

    def __init__(self, value: Any, start: Any, anchor: str | None, nodes: int) -> None:
        self.value = value
        self.start = start
        self.anchor = anchor
        self.key: str | _Mark = _NO_KEY
        self.merges: list[dict[str, Any]] = []
        self.levels = 1
        self.nodes = nodes
        """Values up to it, itself and those included that aliases stand for."""


class Composer:
    """Builds the documents of one piece of text."""

    def __init__(self, text: str, start: int, line: int, limits: Limits, nodes: int) -> None:
        """Prepare for `text`, which has `start` characters, `line` lines and `nodes` values before it."""
        self.text = text
        self.start = start
        self.line = line
        self.limits = limits
        self.nodes = nodes
        self.faults: list[Fault] = []
        """Of the document that is being built."""
        self._frames: list[_Frame] = []
        self._anchors: dict[str, _Anchor] = {}
        self._unfolded = 0
        self._listed: _Frame | None = None
        """The top-level list `items`, whose members get spans."""
        self._items: list[Span] = []
        self._doubtful = LOADER is yaml.SafeLoader and "\\" in text
        """Whether an escape may have become half a character, as PyYAML's own parser lets it."""
        self._keys: dict[str, str] = {}
        """Each plain key that is text, once: ten thousand pods have the same hundred keys."""

    def documents(self) -> Iterator[Composed]:
        """Yield each document when it is complete. Raises StoppedError and yaml.YAMLError."""
        loader = LOADER(self.text)
        try:
            while (event := loader.get_event()) is not None:
                if isinstance(event, NodeEvent):
                    self.faults, self._items, self._anchors, self._unfolded = [], [], {}, 0
                    value, end = self._value(event, loader.get_event)
                    loader.get_event()  # the document's end: only here is it certain that nothing follows
                    span = self._span(event.start_mark, end)
                    shared = self._unfolded > 0
                    yield Composed(value, span, tuple(self._items), tuple(self.faults), shared)
                    self.faults = []
        finally:
            loader.dispose()

    def _value(self, event: Any, following: Callable[[], Any]) -> tuple[Any, Any]:
        """Return the value that begins with `event`, and the mark of its end."""
        root = _Frame([], None, None, 0)
        frames = self._frames = [root]
        limit = self.limits.nodes
        while True:
            if isinstance(event, CollectionEndEvent):
                self._close(event)
            else:
                self.nodes += 1
                if self.nodes > limit:
                    raise self._stop(
                        "OC0007", f"the source holds more than {limit:,} values", event.start_mark
                    )
                if isinstance(event, ScalarEvent):
                    frame = frames[-1]
                    if frame.key is _NO_KEY and type(frame.value) is dict:
                        frame.key = self._key(frame, event)
                    else:
                        self._put(frame, self._scalar(event), event)
                elif isinstance(event, CollectionStartEvent):
                    self._open(event)
                else:
                    self._alias(event)
            if root.value:
                return root.value[0], event.end_mark
            event = following()

    # --- maps and lists ---------------------------------------------------------------------------------

    def _open(self, event: Any) -> None:
        frames = self._frames
        if len(frames) > self.limits.depth:
            raise self._too_deep(event.start_mark)
        if event.tag not in _COLLECTION_TAGS:
            self._unknown_tag(event)
        is_map = isinstance(event, MappingStartEvent)
        frame = _Frame({} if is_map else [], event.start_mark, event.anchor, self.nodes + self._unfolded)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchor(None, 0, 0)
        if not is_map and len(frames) == 2 and frames[1].key == "items":
            self._listed = frame
        frames.append(frame)

    def _close(self, event: Any) -> None:
        frame = self._frames.pop()
        parent = self._frames[-1]
        for source in frame.merges:
            for key, value in source.items():
                frame.value.setdefault(key, value)
        parent.levels = max(parent.levels, frame.levels + 1)
        if frame.anchor is not None:
            nodes = self.nodes + self._unfolded - frame.nodes + 1
            self._anchors[frame.anchor] = _Anchor(frame.value, nodes, frame.levels)
        if type(parent.value) is dict and parent.key is _NO_KEY:
            self._bad_key(frame.start, "a list or map", "write text as the key, without [ ] and { }")
            parent.key = _BROKEN
        else:
            self._put(parent, frame.value, event, frame.start)

    def _put(self, frame: _Frame, value: Any, event: Any, start: Any = None) -> None:
        """Store a value in its map or list."""
        if type(frame.value) is list:
            frame.value.append(value)
            if frame is self._listed:
                self._items.append(self._span(start or event.start_mark, event.end_mark))
            return
        key, frame.key = frame.key, _NO_KEY
        if isinstance(key, str):
            frame.value[key] = value
        elif key is _MERGE:
            self._merge(frame, value, start or event.start_mark)

    def _merge(self, frame: _Frame, value: Any, mark: Any) -> None:
        sources = value if isinstance(value, list) else [value]
        if all(isinstance(source, dict) for source in sources):
            frame.merges += sources
        else:
            self._fault("OC0013", "the value of << is neither a map nor a list of maps", mark, ("<<",))

    # --- anchors and aliases ----------------------------------------------------------------------------

    def _alias(self, event: Any) -> None:
        frame, mark = self._frames[-1], event.start_mark
        as_key = type(frame.value) is dict and frame.key is _NO_KEY
        anchor = self._anchors.get(event.anchor)
        if anchor is None or not anchor.nodes:
            what = "is not defined above" if anchor is None else "stands inside of what it stands for"
            self._fault("OC0012", f"the alias *{shown(event.anchor)} {what}", mark)
            anchor = _Anchor(None, 1, 0)
            if as_key:
                frame.key = _BROKEN
                return
        if as_key:
            frame.key = self._alias_key(frame, anchor.value, mark)
            return
        self._unfolded += anchor.nodes
        if self._unfolded > self.limits.unfolded:
            what = f"aliases stand for more than {self.limits.unfolded:,} values"
            raise self._stop("OC0007", what, mark)
        if len(self._frames) - 1 + anchor.levels > self.limits.depth:
            raise self._too_deep(mark)
        frame.levels = max(frame.levels, anchor.levels + 1)
        self._put(frame, anchor.value, event)

    # --- keys and scalars -------------------------------------------------------------------------------

    def _key(self, frame: _Frame, event: ScalarEvent) -> str | _Mark:
        """Return the key that a scalar spells: the text, or what to do with the value that follows."""
        text = event.value
        key: str | _Mark | None = self._keys.get(text)
        if key is None or event.tag is not None or event.anchor is not None:
            key = self._first_key(event)
        return self._repeated_key(text, event.start_mark) if key in frame.value else key

    def _first_key(self, event: ScalarEvent) -> str | _Mark:
        """Return the key that a scalar spells when it is met for the first time.

        A number or truth is a key too, where its text is what kubectl would make of it.
        """
        text = event.value
        is_plain = event.implicit[0] and event.tag is None
        if is_plain and text == "<<":
            return _MERGE
        value = self._scalar(event)
        if type(value) is not str and as_key(value) != text:
            self._bad_key(event.start_mark, f"{shown(text) or 'nothing'} (YAML: {as_json(value)})")
            return _BROKEN
        if is_plain and type(value) is str:
            self._keys[text] = text
        return text

    def _alias_key(self, frame: _Frame, value: Any, mark: Any) -> str | _Mark:
        if type(value) is not str:
            self._bad_key(mark, "an alias for something that is not text")
            return _BROKEN
        return self._repeated_key(value, mark) if value in frame.value else value

    def _repeated_key(self, key: str, mark: Any) -> _Mark:
        self._fault("OC0009", f'the key "{shown(key)}" stands here a second time', mark, (key,))
        return _BROKEN

    def _bad_key(self, mark: Any, found: str, fix: str = "") -> None:
        if "{{" in self.text[max(mark.index - 1, 0) : mark.index + 2]:
            fix = (
                'put the template into quotes: "{{ … }}"; a Helm chart must be rendered first (helm template)'
            )
        self._fault("OC0010", f"a key must be text, and this is {found}", mark, (), fix)

    def _scalar(self, event: ScalarEvent) -> Scalar:
        if self._doubtful and _SURROGATE.search(event.value):
            raise StoppedError(no_character(self._place(event.start_mark)))
        if event.anchor is None and event.tag is None:
            if not event.implicit[0]:
                return event.value
            return self._plain(event)
        value = self._plain(event) if event.tag is None and event.implicit[0] else self._tagged(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchor(value, 1, 0)
        return value

    def _plain(self, event: ScalarEvent) -> Scalar:
        try:
            value = plain(event.value)
        except NumberError as error:
            self._fault("OC0014", f"{error} does not fit anywhere", event.start_mark)
            return None
        if type(value) is float and not isfinite(value):
            what = f"{shown(event.value)} is a number that JSON, and so Kubernetes, does not have"
            self._fault(
                "OC0014", what, event.start_mark, fix="write a finite number, or put the text into quotes"
            )
            return None
        return value

    def _tagged(self, event: ScalarEvent) -> Scalar:
        if event.tag is None or event.tag in _TEXT_TAGS:
            return event.value
        wanted = _SCALAR_TYPES.get(event.tag)
        if wanted is None:
            self._unknown_tag(event)
            return event.value
        value = self._plain(event)
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            name = event.tag.removeprefix(_CORE)
            self._fault(
                "OC0011", f'"{shown(event.value)}" is not what its tag !!{name} says', event.start_mark
            )
        return value

    # --- faults -----------------------------------------------------------------------------------------

    def _unknown_tag(self, event: Any) -> None:
        tag = event.tag.replace(_CORE, "!!", 1)
        fix = "write the data as text in base64, without the tag" if tag == "!!binary" else ""
        self._fault("OC0011", f"the tag {shown(tag)} is unknown to Kubernetes", event.start_mark, fix=fix)

    def _too_deep(self, mark: Any) -> StoppedError:
        what = f"maps and lists stand inside each other more than {self.limits.depth} deep"
        return self._stop("OC0006", what, mark)

    def _stop(self, code: str, what: str, mark: Any) -> StoppedError:
        return StoppedError(Fault(code, what, self._place(mark), self._path()[:SHOWN_STEPS]))

    def _fault(self, code: str, what: str, mark: Any, below: Path = (), fix: str = "") -> None:
        self.faults.append(Fault(code, what, self._place(mark), (*self._path(), *below), fix))
        if len(self.faults) >= self.limits.faults:
            raise self._stop("OC0016", f"the document has {len(self.faults)} mistakes or more", mark)

    def _path(self) -> Path:
        """Return the path of the value that comes next."""
        steps: list[str | int] = []
        for frame in self._frames[1:]:
            if type(frame.value) is list:
                steps.append(len(frame.value))
            elif isinstance(frame.key, str):
                steps.append(frame.key)
        return tuple(steps)

    def _place(self, mark: Any) -> Place:
        return place_of(mark, self.text, self.line)

    def _span(self, start: Any, end: Any) -> Span:
        return Span(self.start + start.index, self.start + end.index, self._place(start))
