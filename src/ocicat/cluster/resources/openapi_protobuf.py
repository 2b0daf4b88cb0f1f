"""The OpenAPI v2 document as protobuf, the only form of it that kubectl takes. Source: spec/kubernetes-api
§3.

The messages are those of `openapi.v2.Document`; only the fields that a document of ours has are written.
All that the format's `vendorExtension` holds is JSON text.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

_METHODS: Final = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}
_TEXT_FIELDS: Final = {"$ref": 1, "format": 2, "title": 3, "description": 4}
_KEPT_AS_EXTENSION: Final = "x-"


def varint(number: int) -> bytes:
    """Return a protobuf varint of a number that is not negative."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _block(number: int, body: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(body)) + body


def _text(number: int, text: str) -> bytes:
    return _block(number, text.encode())


def _true(number: int) -> bytes:
    return varint(number << 3) + b"\x01"


def _named(number: int, name: str, value: bytes) -> bytes:
    return _block(number, _text(1, name) + _block(2, value))


def _extension(number: int, name: str, value: Any) -> bytes:
    return _named(number, name, _text(2, msgspec.json.encode(value).decode()))


def document(found: Mapping[str, Any]) -> bytes:
    """Return the v2 document `found` as bytes of `openapi.v2.Document`."""
    info = found["info"]
    paths = b"".join(_named(2, path, _path_item(item)) for path, item in found["paths"].items())
    definitions = b"".join(_named(1, name, schema(body)) for name, body in found["definitions"].items())
    return b"".join(
        (
            _text(1, found["swagger"]),
            _block(2, _text(1, info["title"]) + _text(2, info["version"])),
            _block(8, paths),
            _block(9, definitions),
        )
    )


def _path_item(item: Mapping[str, Any]) -> bytes:
    return b"".join(_block(_METHODS[method], _operation(body)) for method, body in item.items())


def _operation(body: Mapping[str, Any]) -> bytes:
    out = [_text(5, body["operationId"])]
    out.extend(_text(7, word) for word in body.get("consumes", ()))
    out.extend(
        _block(8, _block(1, _block(2, _block(3, _query_parameter(each))))) for each in body["parameters"]
    )
    out.append(_block(9, b"".join(_response(code, each) for code, each in body["responses"].items())))
    out.extend(_extension(13, key, value) for key, value in _extensions(body))
    return b"".join(out)


def _extensions(body: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    return ((key, value) for key, value in body.items() if key.startswith(_KEPT_AS_EXTENSION))


def _query_parameter(each: Mapping[str, Any]) -> bytes:
    parts = (
        _text(2, each["in"]) + _text(3, each["description"]) + _text(4, each["name"]) + _text(6, each["type"])
    )
    return parts + _true(20)


def _response(code: str, each: Mapping[str, Any]) -> bytes:
    return _block(1, _text(1, code) + _block(2, _block(1, _text(1, each["description"]))))


def schema(body: Mapping[str, Any]) -> bytes:
    """Return a schema as bytes of `openapi.v2.Schema`."""
    out = [_text(number, body[key]) for key, number in _TEXT_FIELDS.items() if isinstance(body.get(key), str)]
    out.extend(_text(19, word) for word in body.get("required", ()))
    more = body.get("additionalProperties")
    if isinstance(more, Mapping):
        out.append(_block(21, _block(1, schema(more))))
    elif more is True:
        out.append(_block(21, _true(2)))
    if isinstance(body.get("type"), str):
        out.append(_block(22, _text(1, body["type"])))
    if isinstance(body.get("items"), Mapping):
        out.append(_block(23, _block(1, schema(body["items"]))))
    properties = body.get("properties")
    if isinstance(properties, Mapping):
        listed = b"".join(_named(1, name, schema(inner)) for name, inner in properties.items())
        out.append(_block(25, listed))
    out.extend(_extension(31, key, value) for key, value in _extensions(body))
    return b"".join(out)
