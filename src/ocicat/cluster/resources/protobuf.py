"""Request bodies in `application/vnd.kubernetes.protobuf`, decoded by table into the JSON they stand for.

The server's own answers are JSON always. Source: spec/kubernetes-api §6; the tables are in `protobuf_tables`.
"""

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ocicat.cluster.resources.errors import bad_request
from ocicat.cluster.resources.protobuf_tables import KINDS, MESSAGES, Field
from ocicat.cluster.resources.times import rfc3339

MAGIC: Final = b"k8s\x00"
_DEPTH_LIMIT: Final = 32
Value = int | bytes


def decode(body: bytes) -> dict[str, Any]:
    """Return the object in a protobuf request body.

    Raises:
        ApiError: 400, where the body is damaged or of a kind that has no table.
    """
    if not body.startswith(MAGIC):
        raise bad_request("the body of the request is not a Kubernetes protobuf message")
    envelope = dict(_fields(body[len(MAGIC) :]))
    meta = dict(_fields(_bytes(envelope.get(1, b""))))
    api_version, kind = _utf8(_bytes(meta.get(1, b""))), _utf8(_bytes(meta.get(2, b"")))
    message = KINDS.get(kind)
    if message is None:
        raise bad_request(f"protobuf bodies of kind {kind[:100]!r} are not read here; send JSON")
    return {"apiVersion": api_version, "kind": kind, **_message(_bytes(envelope.get(2, b"")), message, 0)}


def _fields(data: bytes) -> Iterator[tuple[int, Value]]:
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        wire = key & 7
        value: Value
        if wire == 0:
            value, position = _varint(data, position)
        elif wire == 2:
            length, position = _varint(data, position)
            value, position = _cut(data, position, length)
        elif wire in (1, 5):
            value, position = _cut(data, position, 8 if wire == 1 else 4)
        else:
            raise bad_request("damaged protobuf: unknown wire type")
        yield key >> 3, value


def _cut(data: bytes, position: int, length: int) -> tuple[bytes, int]:
    end = position + length
    if end > len(data):
        raise bad_request("damaged protobuf: a field is longer than the message")
    return data[position:end], end


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, position
    raise bad_request("damaged protobuf: a number does not end")


def _bytes(value: Value) -> bytes:
    if isinstance(value, bytes):
        return value
    raise bad_request("damaged protobuf: a number stands where a message belongs")


def _utf8(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as damaged:
        raise bad_request("damaged protobuf: a text is not UTF-8") from damaged


def _message(data: bytes, name: str, depth: int) -> dict[str, Any]:
    if depth > _DEPTH_LIMIT:
        raise bad_request("damaged protobuf: nested too deep")
    table: Mapping[int, Field] = MESSAGES[name]
    found: dict[str, Any] = {}
    for number, raw in _fields(data):
        field = table.get(number)
        if field is None:
            continue
        if field.kind == "map":
            entry = dict(_fields(_bytes(raw)))
            key = _utf8(_bytes(entry.get(1, b"")))
            found.setdefault(field.name, {})[key] = _value(entry.get(2, b""), field.of, depth)
            continue
        value = _value(raw, field.of, depth)
        if field.kind == "list":
            found.setdefault(field.name, []).append(value)
        elif field.kind == "inline":
            found |= value
        elif field.kept or value not in ("", 0, False, {}, None):
            found[field.name] = value
    return found


def _value(raw: Value, of: str, depth: int) -> Any:
    if of == "int" or of == "bool":
        number = raw if isinstance(raw, int) else 0
        return bool(number) if of == "bool" else number - (1 << 64) if number >= 1 << 63 else number
    data = _bytes(raw)
    if of == "text":
        return _utf8(data)
    if of == "bytes":
        return base64.b64encode(data).decode()
    if of == "Time":
        seconds = dict(_fields(data)).get(1)
        return rfc3339(seconds * 1_000_000_000) if isinstance(seconds, int) and seconds < 1 << 33 else None
    if of == "Quantity":
        return _utf8(_bytes(dict(_fields(data)).get(1, b"")))
    if of == "IntOrString":
        parts = dict(_fields(data))
        return (
            _utf8(_bytes(parts.get(3, b""))) if parts.get(1) == 1 else _value(parts.get(2, 0), "int", depth)
        )
    return _message(data, of, depth + 1)
