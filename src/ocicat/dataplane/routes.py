"""The node's routes: read whole, and watched for changes.

A pod is plugged in where the node's route to the pod's address goes. That something changed is only noticed
here, not followed: reading a few hundred routes anew takes milliseconds and cannot drift.
"""

import socket
from collections.abc import Callable, Iterator
from typing import Final

from ocicat.dataplane.socket import InterruptedListError, NetlinkSocket
from ocicat.dataplane.wire import netlink, rtnetlink
from ocicat.dataplane.wire.netlink import Message
from ocicat.model.net import WIDTH, Address, Prefix

ROUTE: Final = 0
"""NETLINK_ROUTE of linux/netlink.h."""
_TRIES: Final = 5
"""How often a list is read that changes underneath; the last is believed, since the change is told too."""


Request = Callable[[int], bytes]
"""Makes a list request of a sequence."""
_SOL_NETLINK: Final = 270
_ADD_MEMBERSHIP: Final = 1


class RouteTable:
    """The main routing table of a moment: the names of interfaces by prefix."""

    def __init__(self, interfaces: dict[Prefix, str]) -> None:
        """Take interfaces by the prefix that is routed over them."""
        self._by_length: dict[tuple[int, int], dict[int, str]] = {}
        for prefix, name in interfaces.items():
            self._by_length.setdefault((prefix.family, prefix.length), {})[prefix.bits] = name
        self._lengths = sorted(self._by_length, reverse=True)

    def interface(self, address: Address) -> str:
        """Return the interface that the route to an address names; empty where there is no route."""
        for family, length in self._lengths:
            if family == address.family:
                host = WIDTH[family] - length
                found = self._by_length[family, length].get(address.bits >> host << host)
                if found is not None:
                    return found
        return ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RouteTable) and self._by_length == other._by_length

    __hash__ = None  # type: ignore[assignment]  # a table is compared by value


class Routes:
    """The routes of one network namespace."""

    def __init__(self, opened: Callable[[], socket.socket] | None = None) -> None:
        """Open two sockets: one that asks, one that listens. Raises OSError.

        Args:
            opened: Opens a socket of NETLINK_ROUTE in the namespace; None opens them in that of this thread.
        """
        opened = opened or opened_here
        self._changes = 0
        self._table: tuple[int, RouteTable] | None = None
        """The routes, and how many changes had been noticed when they began to be read."""
        self._asking = NetlinkSocket(opened())
        self._listening = opened()
        self._listening.setblocking(False)
        self._listening.bind((0, 0))
        for group in (rtnetlink.LINK_GROUP, *rtnetlink.ROUTE_GROUPS):
            self._listening.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)

    def close(self) -> None:
        """Close both sockets."""
        self._asking.close()
        self._listening.close()

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when something has changed."""
        return self._listening.fileno()

    def changed(self) -> bool:
        """Tell whether something has changed since the last call, or to `current`; never waits."""
        found = False
        while True:
            try:
                self._listening.recv(1 << 16)
            except BlockingIOError:
                break
            except OSError:
                # ENOBUFS: so much has changed that it was dropped; all is read anew anyway.
                found = True
                break
            found = True
        self._changes += found
        return found

    def current(self) -> RouteTable:
        """Return the routes of now; they are read only where something has changed. Raises NetlinkError."""
        self.changed()
        changes = self._changes
        if self._table is None or self._table[0] != changes:
            self._table = changes, self.read()
        return self._table[1]

    def read(self) -> RouteTable:
        """Return the routes of now. Raises NetlinkError."""
        links = map(rtnetlink.link_of, self._list(rtnetlink.links_request))
        names = {link.index: link.name for link in links if link is not None}
        routes: dict[Prefix, str] = {}
        for told in self._list(rtnetlink.routes_request):
            route = rtnetlink.route_of(told)
            if route is not None and route.interface in names:
                # Of several ways to one network the kernel lists that of the best metric first.
                routes.setdefault(route.to, names[route.interface])
        return RouteTable(routes)

    def _list(self, request: Request) -> list[Message]:
        found: list[Message] = []
        for _ in range(_TRIES):
            found = []
            try:
                found.extend(self._messages(request))
                break
            except InterruptedListError:
                continue
        return found

    def _messages(self, request: Request) -> Iterator[Message]:
        for datagram in self._asking.listed(request(self._asking.sequence()), "list routes"):
            yield from netlink.messages(datagram)


def opened_here() -> socket.socket:
    """Return a socket of the network namespace of this thread."""
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, ROUTE)
