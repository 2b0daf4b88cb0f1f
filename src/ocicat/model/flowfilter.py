"""Filters on flows: one small grammar for command line, REST, gRPC and console.

An expression is a list of clauses, all of which must hold; docs/explanation/console-api.md has the grammar.
Names and namespaces know `*`: with `=` a name that literally has the star wins, otherwise it stands for any
text. Source: spec/flows-and-console §4.2, spec/policy-semantics §13, §16.20.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final

import msgspec

from ocicat.base.errors import OcicatError
from ocicat.model.flow import Hit, Trigger
from ocicat.model.hitmatch import PolicyMatch, hit_matches, policy_parts
from ocicat.model.net import Address, NetError, Prefix
from ocicat.model.record import FlowCounts, FlowKey, Variant
from ocicat.model.textmatch import spellings, text_test

_NAMES: Final = {
    "source_name": ("source_name",),
    "dest_name": ("dest_name",),
    "name": ("source_name", "dest_name"),
}
_NAMESPACES: Final = {
    "source_namespace": ("source_namespace",),
    "dest_namespace": ("dest_namespace",),
    "namespace": ("source_namespace", "dest_namespace"),
}
_LABELS: Final = {
    "source_label": ("source_labels",),
    "dest_label": ("dest_labels",),
    "label": ("source_labels", "dest_labels"),
}
_IPS: Final = {"source_ip": ("source_ip",), "dest_ip": ("dest_ip",), "ip": ("source_ip", "dest_ip")}
_COUNTS: Final = {
    "bytes": ("bytes_in", "bytes_out"),
    "packets": ("packets_in", "packets_out"),
    "connections": ("connections_started",),
}
_ONLY_EQUAL: Final = ("protocol", "reporter", "action", "staged_action", "policy", "node")
OPERATORS: Final[dict[str, str]] = (
    dict.fromkeys((*_NAMES, *_NAMESPACES, "service"), "=~")
    | dict.fromkeys((*_LABELS, *_IPS, *_ONLY_EQUAL), "=")
    | {"port": "=><"}
    | dict.fromkeys(_COUNTS, "><")
)
"""The fields, with the operators that each knows."""
_WORDS: Final = {
    "reporter": ("Src", "Dst"),
    "action": ("Allow", "Deny"),
    "staged_action": ("Allow", "Deny"),
}


class FilterError(OcicatError, ValueError):
    """A text is no filter expression. `column` counts characters from 1."""

    def __init__(self, message: str, column: int) -> None:
        """Keep the message and the place."""
        self.message = message
        self.column = column
        super().__init__(f"{message} (column {column})")


class Clause(msgspec.Struct, frozen=True):
    """One condition. Without a field it looks for its text anywhere."""

    values: tuple[str, ...]
    field: str = ""
    operator: str = "="
    negated: bool = False
    policies: tuple[PolicyMatch, ...] = ()
    """Beside the values of a clause on policies: any of all is enough."""
    contained: tuple[str, ...] = ()
    """Beside the values of a clause on names or namespaces: texts for `~`. Any of all is enough."""


class Filter(msgspec.Struct, frozen=True):
    """Clauses that must all hold; none hold for everything."""

    clauses: tuple[Clause, ...] = ()

    @property
    def of_counts(self) -> "Filter":
        """The clauses on bytes, packets and connections: they judge sums, not kinds of flows."""
        return Filter(tuple(clause for clause in self.clauses if clause.field in _COUNTS))

    def matches_counts(self, counts: FlowCounts) -> bool:
        """Tell whether sums meet the clauses on counts."""
        return all(_count_holds(clause, counts) for clause in self.of_counts.clauses)

    def matcher(self, is_literal: Callable[[str], bool] = lambda name: False) -> Callable[[Variant], bool]:
        """Return what tells whether a kind of flow meets the other clauses.

        Args:
            is_literal: Tells whether a name with a star is literally the name of some end in history.
        """
        tests = [_test(clause, is_literal) for clause in self.clauses if clause.field not in _COUNTS]
        return lambda variant: all(test(variant) for test in tests)


EVERYTHING: Final = Filter()


# --- text → clauses -----------------------------------------------------------------------------------------

_BLANK: Final = re.compile(r"\s*")
_HEAD: Final = re.compile(r"([a-z_]+)([=~<>])")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_BARE: Final = re.compile(r'[^\s,"]+')


def parse(text: str) -> Filter:
    """Read a filter expression. Raises FilterError with the column of the trouble."""
    clauses: list[Clause] = []
    position = _end(_BLANK, text, 0)
    while position < len(text):
        clause, position = _clause(text, position)
        clauses.append(clause)
        position = _end(_BLANK, text, position)
    return Filter(tuple(clauses))


def _clause(text: str, start: int) -> tuple[Clause, int]:
    negated = text[start] == "!"
    start = _end(_BLANK, text, start + 1) if negated else start
    field, operator, begin = "", "=", start
    if head := _HEAD.match(text, start):
        field, operator, begin = head[1], head[2], head.end()
        _check_field(field, operator, head.start(1) + 1, head.start(2) + 1)
    values, position = _values(text, begin, several=bool(field))
    for value in values:
        _check_value(field, value, begin + 1)
    return Clause(values, field, operator, negated), position


def _check_field(field: str, operator: str, column: int, operator_column: int) -> None:
    if field not in OPERATORS:
        raise FilterError(f"there is no field {field!r}; there are {', '.join(sorted(OPERATORS))}", column)
    if operator not in OPERATORS[field]:
        known = " ".join(OPERATORS[field])
        raise FilterError(f"{field} does not know {operator!r}; it knows {known}", operator_column)


def _values(text: str, start: int, *, several: bool) -> tuple[tuple[str, ...], int]:
    values: list[str] = []
    position = start
    while True:
        if quoted := _QUOTED.match(text, position):
            values.append(re.sub(r"\\(.)", r"\1", quoted[1]))
            position = quoted.end()
        elif bare := _BARE.match(text, position):
            values.append(bare[0])
            position = bare.end()
        elif text[position : position + 1] == '"':
            raise FilterError("the quotation mark is not closed", position + 1)
        else:
            raise FilterError("a value is missing", position + 1)
        if not several or text[position : position + 1] != ",":
            return tuple(values), position
        position += 1


def _check_value(field: str, value: str, column: int) -> None:
    if field in _WORDS and value not in _WORDS[field]:
        raise FilterError(f"{field} is {' or '.join(_WORDS[field])}, not {value!r}", column)
    if field in _COUNTS and not value.isdecimal():
        raise FilterError(f"{field} is compared with a number, not {value!r}", column)
    if field == "port" and not re.fullmatch(r"[0-9]{1,5}(-[0-9]{1,5})?", value):
        raise FilterError(f"a port is a number or a range such as 8000-8100, not {value!r}", column)
    if field in _IPS and _net(value) is None:
        raise FilterError(f"{value!r} is neither an address nor a CIDR", column)


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position


# --- clauses → tests ----------------------------------------------------------------------------------------

Test = Callable[[Variant], bool]


def _test(clause: Clause, is_literal: Callable[[str], bool]) -> Test:
    holds = _positive(clause, is_literal)
    return (lambda variant: not holds(variant)) if clause.negated else holds


def _positive(clause: Clause, is_literal: Callable[[str], bool]) -> Test:
    field, values = clause.field, clause.values
    if not field:
        return lambda variant: any(value.lower() in _everything(variant) for value in values)
    if field in _NAMES or field in _NAMESPACES:
        places = _NAMES.get(field) or _NAMESPACES[field]
        tests = [text_test(value, clause.operator, is_literal) for value in values]
        tests += [text_test(value, "~", is_literal) for value in clause.contained]
        return lambda variant: any(
            test(spelling)
            for place in places
            for spelling in spellings(getattr(variant.key, place))
            for test in tests
        )
    if field == "service":
        tests = [text_test(value, clause.operator, is_literal) for value in values]
        return lambda variant: any(test(text) for text in _service_names(variant.key) for test in tests)
    if field == "policy":
        chosen = _hit_test(clause)
        return lambda variant: any(map(chosen, _hits(variant.key)))
    if field == "protocol":
        lowered = {value.lower() for value in values}
        return lambda variant: (
            variant.key.proto.lower() in lowered
            or any(text in variant.key.proto for text in clause.contained)
        )
    return _plain(field, clause.operator, values)


def _plain(field: str, operator: str, values: tuple[str, ...]) -> Test:
    if field in _LABELS:
        wanted = {value.replace(":", "=", 1) for value in values}
        return lambda variant: any(_has_label(getattr(variant, place), wanted) for place in _LABELS[field])
    if field in _IPS:
        nets = [net for value in values if (net := _net(value)) is not None]
        return lambda variant: any(_inside(getattr(variant, place), nets) for place in _IPS[field])
    if field == "port":
        ports = [_port_range(value) for value in values]
        return lambda variant: any(_port_holds(operator, variant.key.dest_port, *port) for port in ports)
    if field == "staged_action":
        return lambda variant: any(hit.action.value in values for hit in variant.key.pending)
    if field == "node":
        return lambda variant: variant.node in values
    lowered = {value.lower() for value in values}
    return lambda variant: str(getattr(variant.key, field)).lower() in lowered


def _service_names(key: FlowKey) -> tuple[str, str]:
    return key.dest_service_name, f"{key.dest_service_namespace}/{key.dest_service_name}"


def _has_label(labels: tuple[str, ...], wanted: Iterable[str]) -> bool:
    return any(
        label == item or ("=" not in item and label.startswith(f"{item}="))
        for item in wanted
        for label in labels
    )


@lru_cache(maxsize=1024)
def _net(value: str) -> Prefix | None:
    try:
        return Prefix.parse(value, strict=False)
    except NetError:
        return None


def _inside(text: str, nets: list[Prefix]) -> bool:
    try:
        address = Address.parse(text)
    except NetError:
        return False
    return any(net.contains(address.family, address.bits) for net in nets)


def _port_range(value: str) -> tuple[int, int]:
    first, dash, last = value.partition("-")
    return int(first), int(last if dash else first)


def _port_holds(operator: str, port: int, first: int, last: int) -> bool:
    match operator:
        case ">":
            return port > last
        case "<":
            return port < first
        case _:
            return first <= port <= last


def _hits(key: FlowKey) -> Iterator[Hit]:
    yield from key.enforced
    yield from key.pending


def hit_test(filter_: Filter) -> Callable[[Hit], bool]:
    """Return what tells whether a single hit meets the clauses on policies; True where there are none."""
    tests = [
        _hit_test(clause) for clause in filter_.clauses if clause.field == "policy" and not clause.negated
    ]
    return lambda hit: all(test(hit) for test in tests)


def _hit_test(clause: Clause) -> Callable[[Hit], bool]:
    patterns = [policy_parts(value) for value in clause.values]
    return lambda hit: (
        any(hit_matches(hit, *parts) for parts in patterns)
        or any(match.matches(hit) for match in clause.policies)
    )


@lru_cache(maxsize=65536)
def _everything(variant: Variant) -> str:
    key = variant.key
    names = [*spellings(key.source_name), *spellings(key.dest_name)]
    names += [*spellings(key.source_namespace), *spellings(key.dest_namespace)]
    names += [*variant.source_labels, *variant.dest_labels, *_service_names(key)]
    names += [variant.source_ip, variant.dest_ip]
    for hit in _hits(key):
        named: Hit | Trigger = hit.trigger or hit
        names += [named.name, named.namespace, hit.tier]
    return "\n".join(names).lower()


def _count_holds(clause: Clause, counts: FlowCounts) -> bool:
    found = sum(getattr(counts, place) for place in _COUNTS[clause.field])
    limits = [int(value) for value in clause.values]
    holds = any(found > limit if clause.operator == ">" else found < limit for limit in limits)
    return holds is not clause.negated
