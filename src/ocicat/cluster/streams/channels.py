"""WebSocket channels: each binary message begins with the number of its channel.

Source: spec/kubernetes-api §9.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

import msgspec

PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
"""The subprotocols of exec and attach, the best first."""
TUNNEL: Final = "SPDY/3.1+portforward.k8s.io"
"""The subprotocol of port-forward: SPDY bytes in binary messages, cut anywhere, some empty."""


class Channel(IntEnum):
    """What a message is for."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    RESIZE = 4
    CLOSE = 255
    """Of v5 only: the byte after it is a channel on which nothing more will come."""


class Size(msgspec.Struct, frozen=True, rename="pascal"):
    """The size of the client's terminal, in characters."""

    width: int = 80
    height: int = 24


class Message(msgspec.Struct, frozen=True):
    """A message of the client, taken apart. `closed` ends the channel."""

    channel: Channel
    data: bytes = b""
    closed: bool = False


def chosen(offered: Sequence[str]) -> str | None:
    """Return the best of the subprotocols that a client offers for exec and attach, or None."""
    return next((protocol for protocol in PROTOCOLS if protocol in offered), None)


def read(message: bytes) -> Message | None:
    """Return a message of the client, or None for one that means nothing."""
    if not message:
        return None
    try:
        channel = Channel(message[0])
        if channel is not Channel.CLOSE:
            return Message(channel, message[1:])
        return Message(Channel(message[1]), closed=True)
    except (ValueError, IndexError):
        return None


def written(channel: Channel, data: bytes) -> bytes:
    """Return the message that carries `data` on a channel."""
    return bytes([channel]) + data


def size_of(data: bytes) -> Size | None:
    """Return the size that a message on the channel RESIZE tells, or None where it tells none."""
    try:
        found = msgspec.json.decode(data, type=Size)
    except msgspec.MsgspecError:
        return None
    return found if 0 < found.width <= 65535 and 0 < found.height <= 65535 else None
