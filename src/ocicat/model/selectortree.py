"""The tree of a selector: its nodes, its canonical text, and whether labels satisfy it.

Source: spec/policy-semantics §4.3 (evaluation), §4.4 (canonical form), §5.2 (prefixing).
"""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import TypeAlias

import msgspec


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


def byte_order(text: str) -> bytes:
    """Go sorts strings by their UTF-8 bytes; lone surrogates (from JSON escapes) must not raise."""
    return text.encode("utf-8", "surrogatepass")


def _quoted(value: str) -> str:
    return f"'{value}'" if '"' in value else f'"{value}"'


def canonical(node: Node) -> str:
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
            return f"!{canonical(operand)}"
        case And(operands):
            return f"({' && '.join(canonical(operand) for operand in operands)})"
        case Or(operands):
            return f"({' || '.join(canonical(operand) for operand in operands)})"


def prefixed(node: Node, prefix: str) -> Node:
    match node:
        case Has(label):
            return Has(prefix + label)
        case Compare(label, operator, value):
            return Compare(prefix + label, operator, value)
        case Member(label, operator, values):
            return Member(prefix + label, operator, values)
        case Not(operand):
            return Not(prefixed(operand, prefix))
        case And(operands):
            return And(tuple(prefixed(operand, prefix) for operand in operands))
        case Or(operands):
            return Or(tuple(prefixed(operand, prefix) for operand in operands))
        case All() | Global():
            return node


def labels_of(node: Node) -> Iterator[str]:
    match node:
        case Has(label) | Compare(label) | Member(label):
            yield label
        case Not(operand):
            yield from labels_of(operand)
        case And(operands) | Or(operands):
            for operand in operands:
                yield from labels_of(operand)
        case All() | Global():
            return


def depth_of(node: Node) -> int:
    """Return how many nodes with operands stand inside each other."""
    match node:
        case Not(operand):
            return 1 + depth_of(operand)
        case And(operands) | Or(operands):
            return 1 + max(map(depth_of, operands))
        case _:
            return 0


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
