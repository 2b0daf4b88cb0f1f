"""The kernel's accounts of one network namespace: what `ocicat.ports.accounting` asks for, by netlink."""

import errno
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from typing import Final

import numpy as np

from ocicat.dataplane.conntrack import ClosedConnections, Conntrack, EventsStatus
from ocicat.dataplane.counters import COUNTER_SETS, CounterSet
from ocicat.dataplane.socket import InterruptedListError, NetlinkError, NetlinkSocket, opened_here
from ocicat.dataplane.wire import netlink, nfnetlink, nftables
from ocicat.dataplane.wire.conntrack import MarkFilter
from ocicat.dataplane.wire.counter_rows import CounterReader
from ocicat.dataplane.wire.netlink import WireError
from ocicat.dataplane.wire.nfnetlink import Netfilter
from ocicat.ports.accounting import COUNTED, AccountsError, Closed, Table, empty

_TRIES: Final = 5
"""How often a set is listed anew that changed while it was listed; then what came is taken."""
_ONE_BY_ONE: Final = 4
"""Marks that are asked for one by one; for more, all connections are listed at once."""
_WHOLE_MARK: Final = 0xFFFFFFFF


class KernelAccounts:
    """Fulfils `ocicat.ports.accounting.Accounts`. One thread at a time."""

    def __init__(self, table: str, open_socket: Callable[[], socket.socket] = opened_here) -> None:
        """Listen to the ends of connections from now on.

        Args:
            table: The inet table that holds the counter sets.
            open_socket: Opens netfilter sockets in the namespace that is meant.

        Raises:
            AccountsError: The kernel refuses.
        """
        self._table = table
        self._elements = CounterReader()
        try:
            with ExitStack() as opened:
                self._events = ClosedConnections(open_socket())
                opened.callback(self._events.close)
                self._conntrack = Conntrack(open_socket())
                opened.callback(self._conntrack.close)
                self._sets = NetlinkSocket(open_socket())
                opened.callback(self._sets.close)
                self._opened = opened.pop_all()
        except OSError as error:
            raise AccountsError(f"conntrack cannot be asked: {error}") from error

    def close(self) -> None:
        """Close everything."""
        self._opened.close()

    def live(self, marks: Collection[int] = ()) -> Table:
        """Return all connections, or those that have one of `marks`. Raises AccountsError."""
        try:
            if not marks or len(marks) > _ONE_BY_ONE:
                return self._conntrack.table()
            tables = [self._conntrack.table(mark=MarkFilter(mark, _WHOLE_MARK)) for mark in marks]
        except NetlinkError as error:
            raise AccountsError(str(error)) from error
        return np.concatenate(tables)

    def closed(self) -> Closed:
        """Return the connections whose end has been told since the last call. Raises AccountsError."""
        try:
            return self._events.take()
        except NetlinkError as error:
            raise AccountsError(str(error)) from error

    def counted(self) -> Table:
        """Return the elements of all counter sets that exist. Raises AccountsError."""
        tables = []
        for counter_set in COUNTER_SETS:
            try:
                tables.append(self._elements.table(counter_set, self._listed(counter_set)))
            except NetlinkError as error:
                if error.errno != errno.ENOENT:
                    raise AccountsError(str(error)) from error
        return np.concatenate(tables) if tables else empty(COUNTED)

    def _listed(self, counter_set: CounterSet) -> list[Netfilter]:
        found: list[Netfilter] = []
        for _ in range(_TRIES):
            found.clear()
            try:
                found.extend(self._once(counter_set))
            except InterruptedListError:
                continue
            break
        return found

    def _once(self, counter_set: CounterSet) -> Iterator[Netfilter]:
        request = nftables.list_request(self._sets.sequence(), self._table, counter_set.name)
        for datagram in self._sets.listed(request, f"list set {counter_set.name}"):
            try:
                for message in netlink.messages(datagram):
                    if message.type == nfnetlink.NFTABLES << 8 | nftables.NEW_ELEMENTS:
                        yield nfnetlink.parse(message)
            except WireError:
                self._elements.malformed += 1

    def malformed(self) -> int:
        """Return how many messages could not be read so far, events apart."""
        return self._elements.malformed + self._conntrack.malformed

    def events(self) -> EventsStatus:
        """Return how listening goes."""
        return self._events.status()
