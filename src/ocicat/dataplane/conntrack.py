"""Conntrack of one network namespace: connections listed, told of when they end, and deleted.

Source: design/dataplane §3, §5.
"""

import contextlib
import os
import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from ocicat.dataplane.bulk import BulkReceiver
from ocicat.dataplane.socket import InterruptedListError, NetlinkError, NetlinkSocket
from ocicat.dataplane.watchdog import BEAT_S, Watchdog
from ocicat.dataplane.wire import conntrack as wire
from ocicat.dataplane.wire import netlink, nfnetlink
from ocicat.dataplane.wire.conntrack import Connection, MarkFilter, Tuple
from ocicat.dataplane.wire.conntrack_rows import ConnectionReader
from ocicat.ports.accounting import Closed, Table

OpenSocket = Callable[[], socket.socket]
"""Returns a netfilter socket of the namespace that is meant (`ocicat.dataplane.socket.opened_here`)."""

Chunk = tuple[NDArray[np.uint8], NDArray[np.uint32]]
"""Datagrams as (datagrams, longest), and their lengths."""

RECEIVE_BUFFER: Final = 32 << 20
"""Bytes of events that the kernel may keep for us, where it lets us: half a second at 50,000 a second."""
MOST_EVENTS: Final = 400_000
"""Events that wait to be counted, some 80 MB: all that a table of the default size can tell at once when
it is emptied, and more. Further ones are dropped, and counted as lost."""
_PAUSE_S: Final = 0.002
"""After each read, so that the next one finds many events: a wake-up costs as much as some thirty of them."""
_REST_S: Final = 1.0
"""After a read that failed."""
_ENABLING: Final = Path("/proc/sys/net/netfilter/nf_conntrack_acct")


def count_traffic() -> None:
    """Have the kernel count packets and bytes of connections from now on, in the namespace of this thread.

    Connections that exist are never counted, so this comes before enforcement. Raises OSError.
    """
    if _ENABLING.read_text().strip() != "1":
        _ENABLING.write_text("1")


class Conntrack:
    """Requests to conntrack. One thread at a time."""

    def __init__(self, opened: socket.socket | None = None) -> None:
        """Open a socket in the namespace of this thread, or take over one from another."""
        self._socket = NetlinkSocket(opened)
        self._reader = ConnectionReader()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    @property
    def malformed(self) -> int:
        """Messages that could not be read so far."""
        return self._reader.malformed

    def table(self, *, mark: MarkFilter | None = None) -> Table:
        """Return the connections, or those whose mark passes, as CONNECTION rows. Raises NetlinkError."""
        return self._reader.table(self._list(mark, zero=False))

    def each(self, *, mark: MarkFilter | None = None, zero: bool = False) -> Iterator[Connection]:
        """Yield connections with all that the kernel tells of them; with `zero` their counters begin anew.

        Raises NetlinkError, and WireError for what cannot be read.
        """
        for datagram in self._list(mark, zero=zero):
            for message in netlink.messages(datagram):
                if message.type >> 8 == nfnetlink.CONNTRACK:
                    yield wire.connection(nfnetlink.parse(message))

    def _list(self, mark: MarkFilter | None, *, zero: bool) -> Iterator[bytes]:
        request = wire.list_request(self._socket.sequence(), mark=mark, zero=zero)
        # Connections come and go while they are listed; asking again would not mend that.
        with contextlib.suppress(InterruptedListError):
            yield from self._socket.listed(request, "list connections")

    def delete(self, orig: Tuple, *, id: int = 0) -> bool:  # noqa: A002  # the kernel's word
        """Delete a connection, only if it has that id unless it is 0. Tell whether it was there."""
        request = wire.delete_request(self._socket.sequence(), orig, id=id)
        try:
            self._socket.ask(request, "delete a connection")
        except NetlinkError as error:
            if error.errno == 2:  # ENOENT
                return False
            raise
        return True

    def delete_marked(self, mark: MarkFilter) -> None:
        """Delete the connections whose mark passes. Raises NetlinkError."""
        self._socket.ask(
            wire.delete_marked_request(self._socket.sequence(), mark), "delete connections by mark"
        )


class EventsStatus(msgspec.Struct, frozen=True):
    """How listening to the kernel goes."""

    waiting: int
    """Events that have not been counted yet."""
    lost: int
    """Events dropped since the start because too many waited, or this process was stopped."""
    postponed: int
    """How often the kernel found no room; it sends these again."""
    receive_buffer: int
    """Bytes that the kernel may keep for us."""


class ClosedConnections:
    """Listens to the ends of connections, in a thread of its own.

    The kernel keeps what it cannot deliver and sends it again, and the connection with it. So this thread
    does nothing but read; it drops, and counts, what nobody fetches. Where it stops reading, a `Watchdog`
    lets the kernel go on.
    """

    def __init__(self, opened: socket.socket | None = None, *, most: int = MOST_EVENTS) -> None:
        """Listen from now on. Raises OSError where the kernel refuses.

        Args:
            opened: A socket of another namespace; None opens one here.
            most: Events that may wait.
        """
        self._socket = NetlinkSocket(opened, receive_buffer=RECEIVE_BUFFER, timeout_s=0.0)
        self._most = most
        self._reader = ConnectionReader()
        self._lock = threading.Lock()
        self._queue: deque[Chunk] = deque()
        self._waiting = self._lost = self._told_lost = self._told_malformed = 0
        self._given_up = 0
        """Events that the kernel gave up while this process was stopped."""
        self._error: OSError | None = None
        self._wake_in, self._wake_out = os.pipe()
        self._socket.subscribe(wire.GROUP_DESTROY, reliable=True)
        self._watchdog = Watchdog(self._socket.fileno())
        self._thread = threading.Thread(target=self._read, name="conntrack events", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        os.write(self._wake_out, b".")
        self._thread.join()
        self._watchdog.close()
        self._socket.close()
        for end in (self._wake_in, self._wake_out):
            os.close(end)

    def take(self) -> Closed:
        """Return what has been heard since the last time. Raises NetlinkError while listening fails."""
        with self._lock:
            chunks, self._queue = self._queue, deque()
            lost, self._waiting = self._lost + self._given_up, 0
        if self._error is not None:
            raise NetlinkError("listen to conntrack events", self._error.errno or 0) from self._error
        connections = self._reader.table_of_rows(*_joined(chunks)) if chunks else self._reader.table(())
        malformed = self._reader.malformed
        told = Closed(
            connections,
            lost - self._told_lost,
            malformed - self._told_malformed,
        )
        self._told_lost, self._told_malformed = lost, malformed
        return told

    def status(self) -> EventsStatus:
        """Return how it goes."""
        lost = self._lost + self._given_up
        return EventsStatus(self._waiting, lost, self._socket.drops, self._socket.receive_buffer)

    def _read(self) -> None:
        receiver = BulkReceiver(self._socket.fileno())
        poll = select.poll()
        poll.register(self._socket.fileno(), select.POLLIN)
        poll.register(self._wake_in, select.POLLIN)
        pause = select.poll()
        pause.register(self._wake_in, select.POLLIN)
        while all(descriptor != self._wake_in for descriptor, _ in poll.poll(1000 * BEAT_S)):
            try:
                with contextlib.suppress(BlockingIOError, InterruptedError):
                    self._keep(*receiver.receive())
                self._watchdog.beat()
                self._given_up = self._watchdog.lost
                self._error = None
            except OSError as error:
                self._error = error
            if pause.poll(1000 * (_REST_S if self._error else _PAUSE_S)):
                break

    def _keep(self, rows: NDArray[np.uint8], lengths: NDArray[np.uint32]) -> None:
        longest = min(int(lengths.max()), rows.shape[1])
        chunk = rows[:, :longest].copy(), lengths.copy()
        with self._lock:
            if self._waiting + len(rows) > self._most:
                self._lost += len(rows)
            else:
                self._queue.append(chunk)
                self._waiting += len(rows)


def _joined(chunks: Sequence[Chunk]) -> Chunk:
    """Return chunks as one, padded to the longest: reading a chunk costs as much as reading hundreds of
    rows."""
    longest = max(rows.shape[1] for rows, _ in chunks)
    joined = np.zeros((sum(len(rows) for rows, _ in chunks), longest), np.uint8)
    begin = 0
    for rows, _ in chunks:
        joined[begin : begin + len(rows), : rows.shape[1]] = rows
        begin += len(rows)
    return joined, np.concatenate([lengths for _, lengths in chunks])
