"""What the kernel counted, as flow accounting takes it: tables of connections and of counter sets.

Tables, because a busy node closes tens of thousands of connections a second and holds hundreds of thousands:
one NumPy row costs a few nanoseconds where one object costs a microsecond. Addresses are 16 bytes, an IPv4
address in the first four; ports and all numbers are in host order.
"""

from collections.abc import Collection
from typing import Any, Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from ocicat.base.errors import OcicatError
from ocicat.engine.policy import Direction
from ocicat.engine.program import Outcome

TUPLE: Final = np.dtype(
    [
        ("mark", "<u4"),  # low half: egress trace, high half: ingress trace; 0 for "not judged"
        ("port", "<u2"),  # of the destination after NAT; for ICMP type * 256 + code; 0 where there is none
        ("dialled_port", "<u2"),  # before NAT; 0 where the kernel did not tell
        ("family", "u1"),  # 4 or 6
        ("protocol", "u1"),
        ("denied", "u1"),  # 1 for attempts that were refused
        ("unused", "u1", 5),
        ("source", "u1", 16),
        ("destination", "u1", 16),  # after NAT
        ("dialled", "u1", 16),  # before NAT
    ]
)
"""Which flow something belongs to: 64 bytes, equal exactly when all fields are."""

CONNECTION: Final = np.dtype(
    [
        ("tuple", TUPLE),
        ("id", "<u4"),  # the kernel's, of this connection
        ("source_port", "<u2"),  # for ICMP its identifier
        ("over", "u1"),  # 1 where both ends have said goodbye, though the kernel still remembers it
        ("dying", "u1"),  # 1 where its DESTROY event has been sent
        ("packets", "<u8"),  # client → server
        ("bytes", "<u8"),
        ("reply_packets", "<u8"),
        ("reply_bytes", "<u8"),
    ]
)
"""One connection, with what the kernel counted of it since it began."""

COUNTED: Final = np.dtype(
    [("tuple", TUPLE), ("packets", "<u8"), ("bytes", "<u8"), ("expires_ms", "<u8"), ("unused", "<u8")]
)
"""One element of a counter set: what was counted since it came, and when it goes if nothing renews it."""

COUNTER_TIMEOUT_S: Final = 60
"""After which an element of a counter set goes that nothing has renewed."""

Table = NDArray[np.void]
"""Rows of one of the types above."""


class AccountsError(OcicatError):
    """The kernel did not tell its counters; asking again later may help."""


class Closed(msgspec.Struct, frozen=True):
    """What has been heard of closed connections since the last time."""

    connections: Table
    """CONNECTION rows with their final counters, in the order of events."""
    lost: int = 0
    """Events that were dropped for want of room since the last time, as far as is known."""
    malformed: int = 0
    """Messages that could not be read since the last time."""


class Accounts(Protocol):
    """The kernel's counters of one network namespace. All calls may block for some milliseconds."""

    def live(self, marks: Collection[int] = ()) -> Table:
        """Return the CONNECTION rows of all connections that exist, or at least of those that have `marks`.

        Raises AccountsError.
        """

    def closed(self) -> Closed:
        """Return what has been closed since the last call. Raises AccountsError."""

    def counted(self) -> Table:
        """Return the COUNTED rows of all counter sets that exist. Raises AccountsError."""

    def malformed(self) -> int:
        """Return how many messages could not be read so far, those apart that `closed` tells of."""


class Traces(Protocol):
    """What trace ids stand for."""

    def outcome(self, direction: Direction, number: int, /) -> Outcome | None:
        """Return the outcome that a direction's id stands for, or None where nobody knows."""


def empty(rows: np.dtype[Any]) -> Table:
    """Return a table without rows."""
    return np.zeros(0, rows)
