"""`limit` and `continue`: a list in pieces. The token says where the next piece begins, and of which list
it is.

Later pieces are read from the present state, in the fixed order of namespace and name: what was there when
the list began and is still there is seen once and only once. Source: spec/kubernetes-api §4.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import msgspec

from ocicat.cluster.resources.errors import bad_request


class Start(msgspec.Struct, frozen=True):
    """What a continue token holds: the revision of the first piece, and the last object that was given."""

    revision: int
    namespace: str
    name: str


def token(start: Start) -> str:
    """Return `start` as an opaque text."""
    return base64.urlsafe_b64encode(msgspec.json.encode(start)).decode().rstrip("=")


def parse_token(text: str) -> Start:
    """Return what a continue token holds. Raises ApiError (400) for anything else."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return msgspec.json.decode(raw, type=Start)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as unreadable:
        raise bad_request("continue key is not valid") from unreadable


def page(items: Sequence[Any], limit: int) -> tuple[Sequence[Any], int]:
    """Return at most `limit` items (0: all) and the number of items that remain after them."""
    if limit <= 0 or len(items) <= limit:
        return items, 0
    return items[:limit], len(items) - limit
