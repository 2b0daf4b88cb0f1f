"""The selector language: text → tree → match.

Source: spec/policy-semantics §4 (Calico libcalico-go/lib/selector). The tokenizer depends on the previous
token (§4.1), so keywords are not reserved: `contains contains "contains"` is a valid selector.

Trees are frozen and compared by value. `Selector.parse` keeps the trees of texts seen lately, since one
text stands in thousands of policies.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final, TypeAlias

import msgspec

from ocicat.base.errors import OcicatError

MAX_LABEL_BYTES: Final = 512
MAX_DEPTH: Final = 100
"""How deep parentheses may nest. Field lengths (§3.2: 1,024) keep real selectors far below."""


class SelectorError(OcicatError, ValueError):
    """A text is not a selector. `column` is 1-based and counts characters."""

    def __init__(self, message: str, text: str, offset: int) -> None:
        """Keep the message, the text and where in it the trouble is."""
        self.message = message
        self.text = text
        self.column = offset + 1
        super().__init__(f"{message} (column {self.column})")

    def pointer(self) -> str:
        """Return the line of the text with a caret below the place, for a terminal."""
        before = self.text[: self.column - 1]
        line_start = before.rfind("\n") + 1
        line = self.text[line_start:].split("\n", 1)[0]
        return f"{line}\n{' ' * (self.column - 1 - line_start)}^"


class Operator(StrEnum):
    """How a label's value is compared."""

    EQUAL = "=="
    NOT_EQUAL = "!="
    CONTAINS = "contains"
    STARTS_WITH = "starts with"
    ENDS_WITH = "ends with"
    IN = "in"
    NOT_IN = "not in"


class All(msgspec.Struct, frozen=True):
    """`all()`, and the empty selector."""


class Global(msgspec.Struct, frozen=True):
    """`global()`: true as an expression; what it means in a rule comes from rewriting (§5.4)."""


class Has(msgspec.Struct, frozen=True):
    """`has(label)`."""

    label: str


class Compare(msgspec.Struct, frozen=True):
    """`label == "value"` and its kin: every operator with one value."""

    label: str
    operator: Operator
    value: str


class Member(msgspec.Struct, frozen=True):
    """`label in {…}` or `label not in {…}`; `values` are sorted and unique."""

    label: str
    operator: Operator
    values: tuple[str, ...]


class Not(msgspec.Struct, frozen=True):
    """`!operand`. Runs of `!` have collapsed, over parentheses too: the canonical form is a fixed point."""

    operand: "Node"


class And(msgspec.Struct, frozen=True):
    """Two or more operands joined by `&&`."""

    operands: tuple["Node", ...]


class Or(msgspec.Struct, frozen=True):
    """Two or more operands joined by `||`."""

    operands: tuple["Node", ...]


Node: TypeAlias = All | Global | Has | Compare | Member | Not | And | Or
Matcher: TypeAlias = Callable[[Mapping[str, str]], bool]


class Selector:
    """A parsed selector. Compared and hashed by its canonical form."""

    __slots__ = ("__dict__", "_matcher", "canonical", "node")

    def __init__(self, node: Node) -> None:
        """Wrap a tree. Use `Selector.parse` for text."""
        self.node = node
        self.canonical: str = _canonical(node)
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
            digest = hashlib.sha224(f"s:{self.canonical}".encode()).digest()
            cached = self.__dict__["uid"] = "s:" + base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return cached

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an entity with these labels is selected (§4.3)."""
        if self._matcher is None:
            self._matcher = compiled(self.node)
        return self._matcher(labels)

    def prefixed(self, prefix: str) -> "Selector":
        """Return the selector with `prefix` before every label name (§5.2)."""
        return Selector(_prefixed(self.node, prefix))

    def labels(self) -> frozenset[str]:
        """Return the label names that the answer can depend on."""
        return frozenset(_labels(self.node))

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


# --- text → tokens ------------------------------------------------------------------------------------------

_BLANK = re.compile("[ \t]*")
_IDENTIFIER = re.compile("[a-zA-Z0-9_./-]+")
_IDENTIFIER_CHARACTER = re.compile("[a-zA-Z0-9_./-]")
_PUNCTUATION = re.compile(r"==|!=|&&|\|\||[(){},!]")
_WORD_OPERATOR = re.compile(
    r"(contains|starts[ \t]*with|ends[ \t]*with|not[ \t]*in|in)(?![a-zA-Z0-9_./-])",
)
_HALF_OPERATORS: Final = {"=": "expected ==", "&": "expected &&", "|": "expected ||"}
_WORDS: Final = {
    "contains": Operator.CONTAINS,
    "startswith": Operator.STARTS_WITH,
    "endswith": Operator.ENDS_WITH,
    "notin": Operator.NOT_IN,
    "in": Operator.IN,
}


class _Token(msgspec.Struct, frozen=True):
    kind: str
    """`label`, `string`, `has`, `all`, `global`, `word`, `end`, or the punctuation itself."""
    text: str
    """The label, the string's content, the operator, or the punctuation."""
    offset: int


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    after_label = False
    while True:
        position = _end_of(_BLANK, text, position)
        if position == len(text):
            yield _Token("end", "", position)
            return
        token, position = _token_at(text, position, after_label=after_label)
        yield token
        after_label = token.kind == "label"


def _token_at(text: str, position: int, *, after_label: bool) -> tuple[_Token, int]:
    """Return the token that begins at `position`, and where it ends."""
    if match := _PUNCTUATION.match(text, position):
        return _Token(match[0], match[0], position), match.end()
    character = text[position]
    if character in "\"'":
        end = text.find(character, position + 1)
        if end < 0:
            raise SelectorError("unterminated string", text, position)
        return _Token("string", text[position + 1 : end], position), end + 1
    if character in _HALF_OPERATORS:
        raise SelectorError(_HALF_OPERATORS[character], text, position)
    if after_label:
        if match := _WORD_OPERATOR.match(text, position):
            word = re.sub("[ \t]", "", match[1])
            return _Token("word", _WORDS[word], position), match.end()
        label = _IDENTIFIER.search(text[:position][::-1])
        name = label[0][::-1] if label else ""
        raise SelectorError(f'expected operator after label "{name}"', text, position)
    for call in ("has(", "all(", "global("):
        if text.startswith(call, position):
            return _call_at(text, position, call)
    return _label_at(text, position)


def _call_at(text: str, start: int, call: str) -> tuple[_Token, int]:
    position = _end_of(_BLANK, text, start + len(call))
    label = ""
    if call == "has(":
        token, position = _label_at(text, position)
        label = token.text
        position = _end_of(_BLANK, text, position)
    if text[position : position + 1] != ")":
        raise SelectorError(f"no closing ')' after {call}", text, position)
    return _Token(call[:-1], label, start), position + 1


def _label_at(text: str, position: int) -> tuple[_Token, int]:
    match = _IDENTIFIER.match(text, position)
    if match is None:
        raise SelectorError("expected identifier", text, position)
    if len(match[0]) > MAX_LABEL_BYTES:
        raise SelectorError(f"label too long: {match[0][:60]}… ({len(match[0])} bytes)", text, position)
    return _Token("label", match[0], position), match.end()


def _end_of(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position


# --- tokens → tree ------------------------------------------------------------------------------------------


class _Parser:
    """Recursive descent over the grammar of §4.2; each method returns the tree of one production."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.stream = _tokens(text)
        self.next = next(self.stream)
        self.depth = 0

    def take(self) -> _Token:
        token = self.next
        if token.kind != "end":
            self.next = next(self.stream)
        return token

    def fail(self, message: str) -> SelectorError:
        return SelectorError(message, self.text, self.next.offset)

    def selector(self) -> Node:
        if self.next.kind == "end":
            return All()
        node = self.either()
        if self.next.kind != "end":
            raise self.fail(f"unexpected content at end of selector {self.text[self.next.offset :][:60]}")
        return node

    def either(self) -> Node:
        operands = [self.both()]
        while self.next.kind == "||":
            self.take()
            operands.append(self.both())
        return operands[0] if len(operands) == 1 else Or(tuple(operands))

    def both(self) -> Node:
        operands = [self.unary()]
        while self.next.kind == "&&":
            self.take()
            operands.append(self.unary())
        return operands[0] if len(operands) == 1 else And(tuple(operands))

    def unary(self) -> Node:
        negated = False
        while self.next.kind == "!":
            self.take()
            negated = not negated
        node = self.primary()
        if not negated:
            return node
        return node.operand if isinstance(node, Not) else Not(node)

    def primary(self) -> Node:
        match self.next.kind:
            case "has":
                return Has(self.take().text)
            case "all":
                self.take()
                return All()
            case "global":
                self.take()
                return Global()
            case "label":
                return self.comparison()
            case "(":
                return self.group()
            case "end":
                raise self.fail("unexpected end of string looking for op")
            case _:
                raise self.fail(f"unexpected token: {self.next.text}")

    def group(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.fail(f"parentheses are nested more than {MAX_DEPTH} deep")
        self.take()
        node = self.either()
        if self.next.kind != ")":
            raise self.fail("expected )")
        self.take()
        self.depth -= 1
        return node

    def comparison(self) -> Node:
        label = self.take().text
        token = self.next
        if token.kind == "end":
            raise self.fail("unexpected end of string looking for op")
        if token.kind not in ("==", "!=", "word"):
            raise self.fail(f"expected == or != not: {token.text}")
        operator = Operator(self.take().text)
        if operator in (Operator.IN, Operator.NOT_IN):
            return Member(label, operator, self.set_literal())
        if self.next.kind != "string":
            raise self.fail("expected string")
        return Compare(label, operator, self.take().text)

    def set_literal(self) -> tuple[str, ...]:
        if self.next.kind != "{":
            raise self.fail("expected set literal")
        self.take()
        values: set[str] = set()
        while self.next.kind == "string":
            values.add(self.take().text)
            if self.next.kind != ",":
                break
            self.take()
        if self.next.kind != "}":
            raise self.fail("expected }")
        self.take()
        return tuple(sorted(values, key=_bytes))


@lru_cache(maxsize=65536)
def _parse_cached(text: str) -> Selector:
    return Selector(_Parser(text).selector())


# --- tree → text, tree → matcher ----------------------------------------------------------------------------


def _bytes(text: str) -> bytes:
    """Go sorts strings by their UTF-8 bytes; lone surrogates (from JSON escapes) must not raise."""
    return text.encode("utf-8", "surrogatepass")


def _quoted(value: str) -> str:
    return f"'{value}'" if '"' in value else f'"{value}"'


def _canonical(node: Node) -> str:
    match node:
        case All():
            return "all()"
        case Global():
            return "global()"
        case Has(label):
            return f"has({label})"
        case Compare(label, operator, value):
            return f"{label} {operator} {_quoted(value)}"
        case Member(label, operator, values):
            return f"{label} {operator} {{{', '.join(_quoted(value) for value in values)}}}"
        case Not(operand):
            return f"!{_canonical(operand)}"
        case And(operands):
            return f"({' && '.join(_canonical(operand) for operand in operands)})"
        case Or(operands):
            return f"({' || '.join(_canonical(operand) for operand in operands)})"


def _prefixed(node: Node, prefix: str) -> Node:
    match node:
        case Has(label):
            return Has(prefix + label)
        case Compare(label, operator, value):
            return Compare(prefix + label, operator, value)
        case Member(label, operator, values):
            return Member(prefix + label, operator, values)
        case Not(operand):
            return Not(_prefixed(operand, prefix))
        case And(operands):
            return And(tuple(_prefixed(operand, prefix) for operand in operands))
        case Or(operands):
            return Or(tuple(_prefixed(operand, prefix) for operand in operands))
        case All() | Global():
            return node


def _labels(node: Node) -> Iterator[str]:
    match node:
        case Has(label) | Compare(label) | Member(label):
            yield label
        case Not(operand):
            yield from _labels(operand)
        case And(operands) | Or(operands):
            for operand in operands:
                yield from _labels(operand)
        case All() | Global():
            return


def compiled(node: Node) -> Matcher:
    """Return a function that tells whether labels satisfy the tree (§4.3)."""
    match node:
        case All() | Global():
            return lambda labels: True
        case Has(label):
            return lambda labels: label in labels
        case Compare(label, operator, value):
            return _comparison(label, operator, value)
        case Member(label, Operator.IN, values):
            members = frozenset(values)
            return lambda labels: label in labels and labels[label] in members
        case Member(label, _, values):
            outsiders = frozenset(values)
            return lambda labels: label not in labels or labels[label] not in outsiders
        case Not(operand):
            inner = compiled(operand)
            return lambda labels: not inner(labels)
        case And(operands):
            every = tuple(compiled(operand) for operand in operands)
            return lambda labels: all(matcher(labels) for matcher in every)
        case Or(operands):
            some = tuple(compiled(operand) for operand in operands)
            return lambda labels: any(matcher(labels) for matcher in some)


def _comparison(label: str, operator: Operator, value: str) -> Matcher:
    match operator:
        case Operator.EQUAL:
            return lambda labels: labels.get(label) == value
        case Operator.NOT_EQUAL:
            return lambda labels: labels.get(label) != value
        case Operator.CONTAINS:
            return lambda labels: label in labels and value in labels[label]
        case Operator.STARTS_WITH:
            return lambda labels: label in labels and labels[label].startswith(value)
        case Operator.ENDS_WITH:
            return lambda labels: label in labels and labels[label].endswith(value)
        case Operator.IN | Operator.NOT_IN:
            raise AssertionError(f"{operator} takes a set")
