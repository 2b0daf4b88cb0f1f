"""Values as expressions see them: with the types of their schema, under names that can be written.

A JSON document has no times, spans and bytes; in an expression, text of such a format is one. Source: the
rules of custom resources in Kubernetes' documentation, "Validation rules".
"""

import base64
import binascii
import datetime
import re
from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

_RESERVED: Final = frozenset(
    [
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if"),
        *("import", "let", "loop", "package", "namespace", "return", "var", "void", "while"),
    ]
)
_ESCAPES: Final = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))
_SPAN: Final = re.compile(r"([0-9]*\.?[0-9]+)(ns|us|µs|ms|s|m|h)")
_UNITS_S: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}


def bound(value: Any, schema: Mapping[str, Any], *, root: bool = False) -> Any:
    """Return a value as expressions see it: types by the schema, names of fields so that they can be written.

    At the root, metadata has its name alone.
    """
    if isinstance(value, Mapping):
        known, more = schema.get("properties") or {}, schema.get("additionalProperties")
        inner = more if isinstance(more, Mapping) else {}
        found = {
            escaped(name) if name in known else name: bound(item, known.get(name, inner))
            for name, item in value.items()
        }
        if root:
            metadata = value.get("metadata") or {}
            found["metadata"] = {
                name: metadata[name] for name in ("name", "generateName") if name in metadata
            }
        return found
    if isinstance(value, list):
        items = schema.get("items")
        return [bound(item, items if isinstance(items, Mapping) else {}) for item in value]
    return _scalar(value, schema)


def _scalar(value: Any, schema: Mapping[str, Any]) -> Any:
    if schema.get("type") == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        match schema.get("format"):
            case "date-time" | "date":
                return _moment(value)
            case "duration":
                return _span(value)
            case "byte":
                return _bytes(value)
            case _:
                return value
    return value


def _moment(text: str) -> Any:
    try:
        read = datetime.datetime.fromisoformat(text)
    except ValueError:
        return text
    made = Timestamp()
    made.FromDatetime(read if read.tzinfo else read.replace(tzinfo=datetime.UTC))
    return made


def _span(text: str) -> Any:
    found = _SPAN.findall(text)
    if "".join(number + unit for number, unit in found) != text.lstrip("+-") or not found:
        return text
    made = Duration()
    seconds = sum(float(number) * _UNITS_S[unit] for number, unit in found)
    made.FromNanoseconds(int(-seconds * 1e9 if text.startswith("-") else seconds * 1e9))
    return made


def _bytes(text: str) -> Any:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return text


def escaped(name: str) -> str:
    """Return a field's name as expressions write it: `x-y` is `x__dash__y`, `in` is `__in__`."""
    if name in _RESERVED:
        return f"__{name}__"
    for plain, written in _ESCAPES:
        name = name.replace(plain, written)
    return name
