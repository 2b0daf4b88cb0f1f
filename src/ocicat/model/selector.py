"""The selector language: text → tree → match.

Source: spec/policy-semantics §4 (Calico libcalico-go/lib/selector). Trees are frozen and compared by value;
`Selector.parse` keeps those of texts seen lately, since one text stands in thousands of policies.
"""

import base64
import hashlib
from collections.abc import Mapping
from functools import lru_cache

from ocicat.model.selectortext import MAX_LABEL_BYTES, SelectorError, tree_of
from ocicat.model.selectortree import (
    All,
    And,
    Compare,
    Global,
    Has,
    Matcher,
    Member,
    Node,
    Not,
    Operator,
    Or,
    canonical,
    compiled,
    labels_of,
    prefixed,
)

__all__ = [
    "MAX_LABEL_BYTES",
    "All",
    "And",
    "Compare",
    "Global",
    "Has",
    "Member",
    "Node",
    "Not",
    "Operator",
    "Or",
    "Selector",
    "SelectorError",
    "normalised",
]


class Selector:
    """A parsed selector. Compared and hashed by its canonical form."""

    __slots__ = ("__dict__", "_matcher", "canonical", "node")

    def __init__(self, node: Node) -> None:
        """Wrap a tree. Use `Selector.parse` for text."""
        self.node = node
        self.canonical: str = canonical(node)
        """The canonical form (§4.4): equal selectors have equal text, and it parses to itself."""
        self._matcher: Matcher | None = None

    @staticmethod
    def parse(text: str) -> "Selector":
        """Read a selector. Raises SelectorError with the column of the trouble."""
        return _parse_cached(text)

    @property
    def uid(self) -> str:
        """The identity that Calico gives address sets: `s:` + base64url(SHA-224("s:" + canonical))."""
        cached: str | None = self.__dict__.get("uid")
        if cached is None:
            digest = hashlib.sha224(f"s:{self.canonical}".encode("utf-8", "surrogatepass")).digest()
            cached = self.__dict__["uid"] = "s:" + base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return cached

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an entity with these labels is selected (§4.3)."""
        if self._matcher is None:
            self._matcher = compiled(self.node)
        return self._matcher(labels)

    def prefixed(self, prefix: str) -> "Selector":
        """Return the selector with `prefix` before every label name (§5.2)."""
        return Selector(prefixed(self.node, prefix))

    def labels(self) -> frozenset[str]:
        """Return the label names that the answer can depend on."""
        return frozenset(labels_of(self.node))

    def __str__(self) -> str:
        return self.canonical

    def __repr__(self) -> str:
        return f"Selector.parse({self.canonical!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Selector) and self.canonical == other.canonical

    def __hash__(self) -> int:
        return hash(self.canonical)


def normalised(text: str) -> str:
    """Return the canonical form of `text`, or `text` stripped where it is not a selector (§4.4)."""
    text = text.strip()
    try:
        return Selector.parse(text).canonical
    except SelectorError:
        return text


@lru_cache(maxsize=65536)
def _parse_cached(text: str) -> Selector:
    return Selector(tree_of(text))
