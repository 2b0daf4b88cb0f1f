"""`Relay`: what one socket takes is carried to another, so that a server answers where it has no address.

A socket file needs no network: so the console is reached from its own pod, through `kubectl port-forward`,
and from the host's loopback, though it runs in a third network.
"""

import argparse
import asyncio
import contextlib
import socket
from pathlib import Path
from typing import Final

from ocicat.cluster.pods.programs.process import hold_endings, run, tell
from ocicat.cluster.pods.sockets import connected

PIECE_BYTES: Final = 65536
PATIENCE_S: Final = 20.0
"""How long a caller waits for a server that is not there yet."""
_STEP_S: Final = 0.1


class Relay:
    """Carries connections to the server of a socket file."""

    def __init__(self, goal: Path, patience_s: float = PATIENCE_S) -> None:
        """Carry to `goal`; a caller waits `patience_s` where nobody answers there."""
        self._goal: Final = goal
        self._patience_s: Final = patience_s

    async def serve(self, listening: socket.socket) -> None:
        """Serve a socket that listens, until cancelled."""
        async with await asyncio.start_server(self._carry, sock=listening) as server:
            await server.serve_forever()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await self._reached()
        except OSError as error:
            tell("relay.fails", goal=self._goal, reason=error)
            writer.close()
            return
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_copied(reader, back))
                group.create_task(_copied(there, writer))
        except* OSError:  # either end is gone: so is the connection
            pass
        finally:
            for end in (writer, back):
                end.close()

    async def _reached(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect, waiting for a server that is about to start. Raises OSError."""
        waited_s = 0.0
        while True:
            try:
                return await asyncio.open_unix_connection(sock=connected(self._goal))
            except OSError:
                if waited_s >= self._patience_s:
                    raise
            await asyncio.sleep(_STEP_S)
            waited_s += _STEP_S


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(PIECE_BYTES):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        with contextlib.suppress(OSError):
            writer.write_eof()


def main() -> None:
    """Be a relay."""
    hold_endings()
    parser = argparse.ArgumentParser(prog="relay", description="Carry connections to a socket file.")
    parser.add_argument("--port", type=int, required=True, help="on this network's loopback")
    parser.add_argument("--to", type=Path, required=True, help="the socket file")
    options = parser.parse_args()

    async def life() -> None:
        relay = Relay(options.to)
        sockets = [
            socket.create_server((address, options.port), family=family)
            for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
        ]
        tell("listening", port=options.port)
        await asyncio.gather(*(relay.serve(listening) for listening in sockets))

    run([lambda: asyncio.run(life())])


if __name__ == "__main__":
    main()
