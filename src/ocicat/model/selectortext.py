"""The text of a selector → its tree, by recursive descent over tokens.

The tokenizer depends on the previous token, so keywords are not reserved: `contains contains "contains"` is a
valid selector. Source: spec/policy-semantics §4.1 (tokens), §4.2 (grammar, messages).
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from ocicat.base.errors import OcicatError
from ocicat.model.selectortree import (
    All,
    And,
    Compare,
    Global,
    Has,
    Member,
    Node,
    Not,
    Operator,
    Or,
    byte_order,
    depth_of,
)

MAX_LABEL_BYTES: Final = 512
MAX_DEPTH: Final = 100
"""How deep `&&`, `||` and `!` may nest. Field lengths (§3.2: 1,024) keep real selectors far below."""
MAX_PARENTHESES: Final = 120
"""How deep parentheses may nest, superfluous ones included. More than MAX_DEPTH: a canonical form writes a
pair for each `&&` and `||`, and must parse."""


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


def tree_of(text: str) -> Node:
    """Return the tree of a selector's text. Raises SelectorError with the column of the trouble."""
    tree = _Parser(text).selector()
    if depth_of(tree) > MAX_DEPTH:
        raise SelectorError(f"the selector is nested more than {MAX_DEPTH} deep", text, 0)
    return tree


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
        if self.depth > MAX_PARENTHESES:
            raise self.fail(f"parentheses are nested more than {MAX_PARENTHESES} deep")
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
        return tuple(sorted(values, key=byte_order))
