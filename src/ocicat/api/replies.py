"""Answers in JSON: what was asked for, or a problem document."""

from typing import Any, Final

import msgspec
from aiohttp import web

from ocicat.api.contract.failures import MEDIA_TYPE, failure_body
from ocicat.api.headers import SECURITY

JSON: Final = "application/json; charset=utf-8"


def answer(body: Any) -> web.Response:
    """Return JSON, which is of the moment."""
    headers = {"Content-Type": JSON, "Cache-Control": "no-store"}
    return web.Response(body=msgspec.json.encode(body), headers=headers)


def failure(status: int, message: str, column: int = 0) -> web.Response:
    """Return a problem document."""
    body = failure_body(status, message, column)
    return web.Response(status=status, body=body, headers={"Content-Type": MEDIA_TYPE, **SECURITY})
