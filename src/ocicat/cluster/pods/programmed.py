"""Whether the node's kernel has been told what to do with a pod's packets.

A pod's network is ready when somebody enforces policy there, not when the link is made: what the pod sends
before is dropped, and a TCP connection then tries again only after a second. Whoever enforces announces it,
since the kernel tells everybody of each change of its nftables; so this needs to know nothing of who that is,
nor of his tables, and a node where nobody enforces only waits for some seconds.
Source: linux/netfilter/nfnetlink.h, nf_tables.h.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import Final

_NETLINK_NETFILTER: Final = 12
_SOL_NETLINK: Final = 270
_ADD_MEMBERSHIP: Final = 1
_NFTABLES_GROUP: Final = 7
_HEADER: Final = struct.Struct("=IHHII")
"""struct nlmsghdr: length, type, flags, sequence, port."""
_SUBSYSTEM: Final = 10
"""NFNL_SUBSYS_NFTABLES, the upper byte of a message's type."""
_NEW_ELEMENT: Final = 12
"""NFT_MSG_NEWSETELEM."""
_NAME_BYTES: Final = 16
"""IFNAMSIZ: names are padded to it in keys of sets."""
_PIECE: Final = 1 << 18
_BUFFER: Final = 1 << 21


def elements(data: bytes) -> Iterator[bytes]:
    """Yield the messages of a datagram that tell of new elements of sets and maps."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size:
            return
        if kind == (_SUBSYSTEM << 8 | _NEW_ELEMENT):
            yield data[at + _HEADER.size : at + length]
        at += (length + 3) & ~3


class Programmed:
    """Listens to the changes of nftables in this process's network namespace. Close it with `close`."""

    def __init__(self) -> None:
        """Expect nothing yet."""
        self._awaited: Final[dict[bytes, asyncio.Event]] = {}
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Begin to listen, from the running event loop. Raises OSError."""
        listening = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        listening.bind((0, 0))
        listening.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _NFTABLES_GROUP)
        asyncio.get_running_loop().add_reader(listening, self._readable)
        self._socket = listening

    def close(self) -> None:
        """Listen no more."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def expect(self, interface: str) -> None:
        """Begin to look out for an interface; to be called before anybody can know of it."""
        if self._socket is not None:
            self._awaited[_padded(interface)] = asyncio.Event()

    def forget(self, interface: str) -> None:
        """Look out for it no more."""
        self._awaited.pop(_padded(interface), None)

    async def wait(self, interface: str, seconds: float) -> bool:
        """Return whether an expected interface is programmed, at the latest after `seconds`."""
        event = self._awaited.get(_padded(interface))
        if event is None:
            return True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)
        self.forget(interface)
        return event.is_set()

    def _readable(self) -> None:
        if self._socket is None:
            return
        try:
            data = self._socket.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            # ENOBUFS: changes were dropped, and with them perhaps the one that somebody waits for.
            for event in self._awaited.values():
                event.set()
            return
        for message in elements(data):
            for name, event in self._awaited.items():
                if name in message:
                    event.set()


def _padded(interface: str) -> bytes:
    return interface.encode().ljust(_NAME_BYTES, b"\0")
