"""Whisker's JSON filters → our Filter. Pure. Source: spec/flows-and-console §4.2, §7.3."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_plus

import msgspec

from ocicat.base.errors import OcicatError
from ocicat.model.flow import HitKind
from ocicat.model.flowfilter import Clause, Filter
from ocicat.model.hitmatch import PolicyMatch

_TEXTS: Final = {
    "source_names": "source_name",
    "source_namespaces": "source_namespace",
    "dest_names": "dest_name",
    "dest_namespaces": "dest_namespace",
    "protocols": "protocol",
}
_ACTIONS: Final = ("Allow", "Deny", "Pass")
_REPORTERS: Final = ("Src", "Dst")
_KINDS: Final = tuple(kind.value for kind in HitKind)


class BadFiltersError(OcicatError, ValueError):
    """The parameter `filters` cannot be read; the message goes to the client."""


def filters_of(text: str) -> Filter:
    """Return the filter that the parameter spells. Raises BadFiltersError.

    The original decodes it once more than the server does, so a plus sign is a space and a stray `%` an
    error; unknown keys are ignored, and the case of keys does not matter.
    """
    if not text:
        return Filter()
    try:
        raw = _lowered(msgspec.json.decode(_decoded(text)))
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadFiltersError(f"failed to decode filters: {error}") from error
    if not isinstance(raw, dict):
        raise BadFiltersError("failed to decode filters: an object is expected")
    return filter_of(raw)


def filter_of(given: Mapping[str, Any]) -> Filter:
    """Return the filter of a document whose keys are in lower case. Raises BadFiltersError."""
    clauses = [clause for key, field in _TEXTS.items() for clause in _texts(field, given.get(key))]
    clauses += _ports(given.get("dest_ports"))
    clauses += _actions("action", given.get("actions"))
    clauses += _actions("staged_action", given.get("pending_actions"))
    if reporter := _word("reporter", given.get("reporter"), _REPORTERS):
        clauses.append(Clause((reporter,), "reporter"))
    if policies := [_policy(item) for item in _list(given.get("policies"))]:
        clauses.append(Clause((), "policy", policies=tuple(policies)))
    return Filter(tuple(clauses))


def _lowered(value: Any) -> Any:
    """Return a document with all its keys in lower case."""
    match value:
        case dict():
            return {key.lower(): _lowered(item) for key, item in value.items()}
        case list():
            return [_lowered(item) for item in value]
        case _:
            return value


def _word(what: str, value: Any, words: tuple[str, ...]) -> str:
    """Return a word of an enum; its zero, which restricts nothing, is empty."""
    if value is None or value in ("", f"{what.capitalize()}Unspecified"):
        return ""
    if value not in words:
        allowed = ", ".join(words)
        raise BadFiltersError(f"failed to decode filters: unknown {what} {value!r}, allowed: {allowed}")
    return str(value)


def _decoded(text: str) -> str:
    if "%" in text and not all(
        len(part) >= 2 and all(digit in "0123456789abcdefABCDEF" for digit in part[:2])
        for part in text.split("%")[1:]
    ):
        raise BadFiltersError("failed to decode filters: invalid URL escape")
    return unquote_plus(text)


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadFiltersError("failed to decode filters: a list is expected")
    return value


def _texts(field: str, value: Any) -> list[Clause]:
    """Values of one field are OR-ed, each by its own type."""
    found = [_match(item) for item in _list(value)]
    exact = tuple(text for text, operator in found if operator == "=")
    contained = tuple(text for text, operator in found if operator == "~")
    return [Clause(exact, field, contained=contained)] if found else []


def _match(item: Any) -> tuple[str, str]:
    if not isinstance(item, dict) or not isinstance(item.get("value"), str):
        raise BadFiltersError("failed to decode filters: a match has a text `value`")
    kind = item.get("type", "Exact")
    if kind not in ("Exact", "Fuzzy"):
        raise BadFiltersError(f"failed to decode filters: unknown type {kind!r}, allowed: Exact, Fuzzy")
    return item["value"], "~" if kind == "Fuzzy" else "="


def _ports(value: Any) -> list[Clause]:
    ports = []
    for item in _list(value):
        port = item.get("value") if isinstance(item, dict) else None
        if type(port) is not int or not 0 <= port <= 65535:
            raise BadFiltersError("failed to decode filters: a port is a number up to 65535")
        ports.append(str(port))
    return [Clause(tuple(ports), "port")] if ports else []


def _actions(field: str, value: Any) -> list[Clause]:
    actions = tuple(word for item in _list(value) if (word := _word("action", item, _ACTIONS)))
    return [Clause(actions, field)] if actions else []


def _policy(item: Any) -> PolicyMatch:
    if not isinstance(item, dict):
        raise BadFiltersError("failed to decode filters: a policy match is an object")
    return PolicyMatch(
        _word("kind", item.get("kind"), _KINDS),
        _part(item.get("tier")),
        _part(item.get("namespace")),
        _part(item.get("name")),
        _word("action", item.get("action"), _ACTIONS),
    )


def _part(found: Any) -> tuple[str, str]:
    """Return a part of a policy match; one that was left out is any."""
    return ("", "=") if found is None else _match({"value": found} if isinstance(found, str) else found)
