"""The answer to what cannot be answered: a problem document, `application/problem+json`.

Source: RFC 9457; docs/explanation/console-api.md (`Failure`).
"""

from http import HTTPStatus
from typing import Final

import msgspec

from ocicat.api.contract.flows import Answer

MEDIA_TYPE: Final = "application/problem+json"


class Failure(Answer, frozen=True, omit_defaults=True):
    """Why there is no answer. `title` is the status in words; there is no page about it, so no `type`."""

    status: int
    title: str
    detail: str
    """The fact, for people."""
    error: str
    """The same as `detail`: what Whisker's answers call it, and what the console reads."""
    column: int = 0
    """Where in `q` the mistake is, from 1; absent when it is not in `q`."""


def failure_body(status: int, detail: str, column: int = 0) -> bytes:
    """Return a problem document."""
    return msgspec.json.encode(Failure(status, HTTPStatus(status).phrase, detail, detail, column))
