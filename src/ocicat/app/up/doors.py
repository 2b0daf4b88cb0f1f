"""The doors of the host's loopback to what runs within: the console, and the flow API."""

import errno
import os
import socket
from pathlib import Path
from typing import Final

from ocicat.base.errors import OcicatError
from ocicat.cluster.pods.programs.relay import Relay

LOOPBACK: Final = "127.0.0.1"


class TakenError(OcicatError):
    """Somebody else listens on a port that must be ours."""


class Door:
    """A port of the loopback behind which a server's socket file is. Closed by `close`."""

    def __init__(self, goal: Path, port: int, *, instead: bool) -> None:
        """Take the port.

        Args:
            goal: The socket file; it may come later, callers wait some seconds.
            port: 0 for any that is free.
            instead: Whether any free port will do where `port` is taken.

        Raises:
            TakenError: The port is taken, and no other will do.
        """
        self._goal: Final = goal
        self._listening: Final = _listening(port, instead=instead)
        self.port: Final[int] = self._listening.getsockname()[1]

    async def run(self) -> None:
        """Serve until cancelled."""
        await Relay(self._goal).serve(self._listening)

    def close(self) -> None:
        """Give the port back."""
        self._listening.close()


def _listening(port: int, *, instead: bool) -> socket.socket:
    try:
        return socket.create_server((LOOPBACK, port))
    except OSError as error:
        if instead:
            return socket.create_server((LOOPBACK, 0))
        raise TakenError(
            f"{LOOPBACK}:{port} is taken: end what listens there, "
            "or choose another port for the console with --console-port"
            if error.errno == errno.EADDRINUSE
            else f"cannot listen on {LOOPBACK}:{port}: {os.strerror(error.errno or 0)}"
        ) from error
