"""A netlink socket of the netfilter family: requests with their answers, lists, and subscriptions.

Thin on purpose: what the bytes mean is said in `ocicat.dataplane.wire`. One socket serves one thread at a
time, and for ever the network namespace in which it was opened.
"""

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from typing import Final, Self

from ocicat.base.errors import OcicatError
from ocicat.dataplane.wire import netlink
from ocicat.dataplane.wire.netlink import Message

NETFILTER: Final = 12
"""NETLINK_NETFILTER of linux/netlink.h; the socket module does not name it."""
_SOL_NETLINK: Final = 270
_ADD_MEMBERSHIP: Final = 1
_BROADCAST_ERROR: Final = 4
_NO_ENOBUFS: Final = 5
_CAP_ACK: Final = 10
_EXT_ACK: Final = 11
_SO_RCVBUFFORCE: Final = 33
_SO_MEMINFO: Final = 55
_MEMINFO_DROPS: Final = 8
"""SK_MEMINFO_DROPS of linux/sock_diag.h."""
_LARGEST: Final = 1 << 16
"""The kernel fills datagrams of a list up to 32 KiB."""
_HEADER: Final = struct.Struct("<IHHI")


class NetlinkError(OcicatError):
    """The kernel refused a request, or did not answer it."""

    def __init__(self, what: str, errno: int = 0, text: str = "") -> None:
        """Say what was asked, and what the kernel said."""
        reason = text or (os.strerror(errno) if errno else "")
        super().__init__(f"{what}: {reason}" if reason else what)
        self.errno = errno
        """Of the kernel; 0 where it said nothing."""


class InterruptedListError(NetlinkError):
    """A list is inconsistent because something changed underneath; asking again helps."""


def opened_here() -> socket.socket:
    """Return a socket of the network namespace of this thread, for a NetlinkSocket."""
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETFILTER)


class NetlinkSocket:
    """An open socket. Use it as a context manager, or close it."""

    def __init__(
        self, opened: socket.socket | None = None, *, receive_buffer: int = 0, timeout_s: float = 10.0
    ) -> None:
        """Open a socket in the network namespace of this thread.

        Args:
            opened: What `opened_here` returned, perhaps in another namespace; None opens one.
            receive_buffer: Bytes that the kernel may keep for us; 0 for its default. Where the privilege to
                go beyond `net.core.rmem_max` is wanting (in a user namespace it always is), it is as large as
                that allows.
            timeout_s: How long an answer may take.
        """
        self._socket = opened or opened_here()
        self._sequence = 0
        try:
            self._socket.bind((0, 0))
            self._socket.settimeout(timeout_s)
            for option in (_CAP_ACK, _EXT_ACK):
                self._socket.setsockopt(_SOL_NETLINK, option, 1)
            if receive_buffer:
                self._enlarge(receive_buffer)
        except OSError:
            self._socket.close()
            raise

    def _enlarge(self, size: int) -> None:
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket; subscriptions end with it."""
        self._socket.close()

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._socket.fileno()

    @property
    def receive_buffer(self) -> int:
        """Bytes that the kernel may keep for us, its own overhead included."""
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

    @property
    def drops(self) -> int:
        """How often the kernel found no room for us since the socket was opened (modulo 2^32)."""
        told = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 64)
        number: int = struct.unpack_from("<I", told, 4 * _MEMINFO_DROPS)[0]
        return number

    # --- subscriptions --------------------------------------------------------------------------------------

    def subscribe(self, *groups: int, reliable: bool = False) -> None:
        """Receive what is broadcast to multicast groups.

        Args:
            groups: NFNLGRP numbers.
            reliable: Have the kernel keep and send again what found no room. It then also keeps the
                connections that events tell of, so who subscribes must go on reading.
        """
        self._socket.setsockopt(_SOL_NETLINK, _NO_ENOBUFS, 1)
        self.be_reliable(reliable)
        for group in groups:
            self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)

    def be_reliable(self, wanted: bool) -> None:
        """Say whether the kernel shall send again what found no room."""
        self._socket.setsockopt(_SOL_NETLINK, _BROADCAST_ERROR, int(wanted))

    # --- requests -------------------------------------------------------------------------------------------

    def sequence(self) -> int:
        """Return a sequence for the next request."""
        self._sequence = self._sequence % 0xFFFFFFFF + 1
        return self._sequence

    def listed(self, request: bytes, what: str) -> Iterator[bytes]:
        """Send a list request and yield the datagrams of the answer, the end marker included.

        Raises:
            InterruptedListError: What has been yielded is inconsistent.
            NetlinkError: The kernel refused or fell silent; `what` names the request.
        """
        self._send(request, what)
        interrupted = False
        expected = next(netlink.messages(request)).sequence
        while True:
            datagram = self._receive(what)
            if len(datagram) >= _HEADER.size and _HEADER.unpack_from(datagram)[3] != expected:
                continue  # the end of an answer that nobody waits for any more
            last = last_header(datagram)
            if last is None:
                raise NetlinkError(f"{what}: the kernel's answer is cut off")
            offset, flags, kind = last
            interrupted |= bool(flags & netlink.DUMP_INTERRUPTED)
            if kind in (netlink.DONE, netlink.ERROR):
                told = netlink.refusal(next(netlink.messages(datagram[offset:])))
                if told.errno:
                    raise NetlinkError(what, told.errno, told.text)
                yield datagram
                break
            yield datagram
        if interrupted:
            raise InterruptedListError(f"{what}: the list changed while it was read")

    def ask(self, request: bytes, what: str) -> list[Message]:
        """Send requests of which the last asks for an acknowledgement; return what comes before that.

        Raises:
            NetlinkError: The kernel refused one, with what it said; `what` names the request.
        """
        self._send(request, what)
        expected = _last_sequence(request)
        answers: list[Message] = []
        while True:
            for answer in netlink.messages(self._receive(what)):
                if answer.type != netlink.ERROR:
                    answers.append(answer)
                    continue
                told = netlink.refusal(answer)
                if told.errno:
                    self._forget_the_rest()
                    raise NetlinkError(what, told.errno, told.text)
                if told.sequence == expected:
                    return answers

    def _send(self, request: bytes, what: str) -> None:
        try:
            self._socket.sendto(request, (0, 0))
        except OSError as error:
            raise NetlinkError(what, error.errno or 0) from error

    def _receive(self, what: str) -> bytes:
        try:
            return self._socket.recv(_LARGEST)
        except TimeoutError as error:
            raise NetlinkError(f"{what}: no answer") from error
        except OSError as error:
            raise NetlinkError(what, error.errno or 0) from error

    def _forget_the_rest(self) -> None:
        """Take from the socket what a refused batch said besides, so that the next answer is its own."""
        timeout_s = self._socket.gettimeout()
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(_LARGEST)
        self._socket.settimeout(timeout_s)


def last_header(datagram: bytes) -> tuple[int, int, int] | None:
    """Return offset, flags and type of the last message of a datagram, or None where it is cut off.

    Lists are mostly messages of one length, and then the last one is found without a walk.
    """
    size = len(datagram)
    if size < netlink.HEADER_LENGTH:
        return None
    head = _HEADER.unpack_from(datagram)
    length = head[0]
    if length >= netlink.HEADER_LENGTH and length % 4 == 0 and size % length == 0:
        tail = _HEADER.unpack_from(datagram, size - length)
        if tail == head:
            return size - length, tail[2], tail[1]
    position = 0
    while True:
        length, kind, flags, _ = _HEADER.unpack_from(datagram, position)
        if not netlink.HEADER_LENGTH <= length <= size - position:
            return None
        following = position + netlink.aligned(length)
        if size - following < netlink.HEADER_LENGTH:
            return position, flags, kind
        position = following


def _last_sequence(requests: bytes) -> int:
    """Return the sequence of the last request that asks for an acknowledgement."""
    asking = [sent.sequence for sent in netlink.messages(requests) if sent.flags & netlink.ACK]
    if not asking:
        raise netlink.WireError("none of the requests asks for an acknowledgement")
    return asking[-1]
