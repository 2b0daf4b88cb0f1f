"""Whisker's JSON filters → our Filter. Pure. Source: spec/flows-and-console §4.2, §7.3."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_plus

import msgspec

from ocicat.base.errors import OcicatError
from ocicat.model.flowfilter import Clause, Filter

_TEXTS: Final = {
    "source_names": "source_name",
    "source_namespaces": "source_namespace",
    "dest_names": "dest_name",
    "dest_namespaces": "dest_namespace",
    "protocols": "protocol",
}
_ACTIONS: Final = ("Allow", "Deny", "Pass")


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
        raw = msgspec.json.decode(_decoded(text))
    except msgspec.DecodeError as error:
        raise BadFiltersError(f"failed to decode filters: {error}") from error
    if not isinstance(raw, dict):
        raise BadFiltersError("failed to decode filters: an object is expected")
    return filter_of({str(key).lower(): value for key, value in raw.items()})


def filter_of(given: Mapping[str, Any]) -> Filter:
    """Return the filter of a document whose keys are in lower case. Raises BadFiltersError."""
    clauses = [clause for key, field in _TEXTS.items() for clause in _texts(field, given.get(key))]
    clauses += _ports(given.get("dest_ports"))
    clauses += _actions("action", given.get("actions"))
    clauses += _actions("staged_action", given.get("pending_actions"))
    if reporter := given.get("reporter"):
        if reporter not in ("Src", "Dst"):
            raise BadFiltersError(
                f"failed to decode filters: unknown reporter {reporter!r}, allowed: Src, Dst"
            )
        clauses.append(Clause((reporter,), "reporter"))
    if policies := [_policy(item) for item in _list(given.get("policies"))]:
        clauses.append(Clause(tuple(policies), "policy"))
    return Filter(tuple(clauses))


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
    """Values of one field are OR-ed; Exact and Fuzzy may be mixed."""
    by_operator: dict[str, list[str]] = {}
    for item in _list(value):
        text, operator = _match(item)
        by_operator.setdefault(operator if field != "protocol" else "=", []).append(text)
    if len(by_operator) > 1:
        # `~` with a pattern from the start finds what `=` finds, and more; the original never mixes them.
        by_operator = {"~": [text for texts in by_operator.values() for text in texts]}
    return [Clause(tuple(texts), field, operator) for operator, texts in by_operator.items()]


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
        if not isinstance(port, int) or not 0 <= port <= 65535:
            raise BadFiltersError("failed to decode filters: a port is a number up to 65535")
        ports.append(str(port))
    return [Clause(tuple(ports), "port")] if ports else []


def _actions(field: str, value: Any) -> list[Clause]:
    actions = _list(value)
    for action in actions:
        if action not in _ACTIONS:
            raise BadFiltersError(
                f"failed to decode filters: unknown action {action!r}, allowed: {', '.join(_ACTIONS)}"
            )
    return [Clause(tuple(actions), field)] if actions else []


def _policy(item: Any) -> str:
    if not isinstance(item, dict):
        raise BadFiltersError("failed to decode filters: a policy match is an object")
    parts = [str(item.get("kind") or "")]
    for name in ("tier", "namespace", "name"):
        found = item.get(name)
        text, operator = _match(found) if isinstance(found, dict) else (str(found or ""), "=")
        parts.append(f"*{text}*" if operator == "~" and text else text)
    if action := item.get("action"):
        if action not in _ACTIONS:
            raise BadFiltersError(f"failed to decode filters: unknown action {action!r}")
        parts[3] += f"@{action}"
    return "/".join(parts)
