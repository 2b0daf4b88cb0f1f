"""`Watchdog`: a process that keeps a subscriber which stops reading from taking the node down.

A reliable subscriber of conntrack (`NetlinkSocket.subscribe`) is owed every event. While it does not read,
the kernel keeps the connections that the events tell of; some 200,000 later the table is full, and no new
connection gets through on the node. A process that is stopped (SIGSTOP, a debugger, swapping) cannot help
itself. So another one holds its socket too. The reader beats; when it has not for a while, the watchdog tells
the kernel that events may be lost, and counts them; when the reader is back, all is reliable again.

This file is a program as well, without anything of ours: `python -I -S watchdog.py BEATS SOCKET SECONDS`. It
ends when nobody holds the other end of BEATS any more.
"""

import os
import select
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from typing import Final

PATIENCE_S: Final = 3.0
"""After so long without a beat the reader counts as stopped: at 50,000 connections a second the kernel then
keeps 150,000."""
BEAT_S: Final = 0.5
"""How often a beat is sent at most."""
_SOL_NETLINK: Final = 270
_BROADCAST_ERROR: Final = 4
_SO_MEMINFO: Final = 55
_MEMINFO_DROPS: Final = 8
_COUNT: Final = struct.Struct("=I")


class Watchdog:
    """The process, as the reader sees it. One thread at a time."""

    def __init__(self, watched: int, patience_s: float = PATIENCE_S) -> None:
        """Watch over a netlink socket, given by its descriptor. Raises OSError."""
        self._watched = watched
        self._patience_s = patience_s
        self._lost = 0
        self._beaten_s = 0.0
        self._start()

    def _start(self) -> None:
        self._beats, theirs = socket.socketpair()
        self._beats.setblocking(False)
        program = [sys.executable, "-I", "-S", __file__]
        with theirs:
            # A session of its own: what stops the reader from a terminal does not stop the watchdog.
            self._process = subprocess.Popen(  # noqa: S603  # our own file
                [*program, str(theirs.fileno()), str(self._watched), str(self._patience_s)],
                pass_fds=(theirs.fileno(), self._watched),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def close(self) -> None:
        """Let the process end."""
        self._beats.close()
        self._process.wait()

    def beat(self) -> None:
        """Say that events are read. Never waits; a watchdog that is gone is replaced. Raises OSError."""
        now_s = time.monotonic()
        if now_s - self._beaten_s < BEAT_S:
            return
        self._beaten_s = now_s
        try:
            with suppress(BlockingIOError):
                self._beats.send(b".")
        except OSError:
            self.close()
            self._start()

    @property
    def lost(self) -> int:
        """Events that the kernel gave up, as far as has been told."""
        with suppress(BlockingIOError, ConnectionError):
            while told := self._beats.recv(_COUNT.size):
                self._lost += _COUNT.unpack(told)[0]
        return self._lost


def watch(beats: socket.socket, watched: socket.socket, patience_s: float) -> None:
    """Watch until the reader is gone."""
    lost_from: int | None = None
    while True:
        ready, _, _ = select.select([beats], [], [], patience_s)
        if ready and not beats.recv(64):
            return
        if not ready and lost_from is None:
            lost_from = _drops(watched)
            watched.setsockopt(_SOL_NETLINK, _BROADCAST_ERROR, 0)
        elif ready and lost_from is not None:
            watched.setsockopt(_SOL_NETLINK, _BROADCAST_ERROR, 1)
            beats.send(_COUNT.pack((_drops(watched) - lost_from) & 0xFFFFFFFF))
            lost_from = None


def _drops(watched: socket.socket) -> int:
    """Return how many events found no room, modulo 2^32 (SK_MEMINFO_DROPS of linux/sock_diag.h)."""
    told = watched.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 64)
    return int(_COUNT.unpack_from(told, _COUNT.size * _MEMINFO_DROPS)[0])


def main(beats: str, watched: str, patience_s: str) -> None:
    """Watch over what the command line names."""
    os.chdir("/")
    with (
        socket.socket(fileno=int(beats)) as told,
        socket.socket(fileno=int(watched)) as held,
        suppress(KeyboardInterrupt, ConnectionError),
    ):
        watch(told, held, float(patience_s))


if __name__ == "__main__":
    main(*sys.argv[1:])
