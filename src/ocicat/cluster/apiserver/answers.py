"""The answers that the API server gives: JSON in one go, with warnings; streams are made where they are
served."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

_WARNING_LIMIT: Final = 4096
"""Characters of all warning headers together, as upstream cuts them."""


def json_answer(
    value: Any, *, status: int = 200, warnings: Iterable[str] = (), content_type: str = "application/json"
) -> web.Response:
    """Return `value` as JSON."""
    return raw_answer(msgspec.json.encode(value), status=status, warnings=warnings, content_type=content_type)


def raw_answer(
    body: bytes, *, status: int = 200, warnings: Iterable[str] = (), content_type: str = "application/json"
) -> web.Response:
    """Return bytes that are JSON already, or another document."""
    answer = web.Response(
        body=body, status=status, headers={"Content-Type": content_type, "Cache-Control": "no-cache, private"}
    )
    left = _WARNING_LIMIT
    for text in dict.fromkeys(warnings):
        quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ").replace("\r", " ")
        left -= len(quoted)
        if left < 0:
            break
        answer.headers.add("Warning", f'299 - "{quoted}"')
    return answer


def list_body(api_version: str, kind: str, metadata: Mapping[str, Any], items: Iterable[bytes]) -> bytes:
    """Return a list whose items are encoded already."""
    head = msgspec.json.encode({"kind": kind, "apiVersion": api_version, "metadata": metadata})
    return b"".join((head[:-1], b',"items":[', b",".join(items), b"]}"))
