"""`Frontdoor`: the listening socket, and the patience with connections that do not ask anything.

aiohttp bounds how long a connection may idle between requests, not how long the first one may take to arrive.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from ocicat.cluster.apiserver.settings import ApiServerSettings

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
_IDLE_S: Final = 75.0
_GRACE_S: Final = 2.0
"""Seconds that open requests have to end when the server stops."""
_BACKLOG: Final = 1024
"""Connections that may wait to be taken up: a thousand watchers may come at once."""


class Frontdoor:
    """The HTTP side of one API server."""

    def __init__(self, handler: Handler, settings: ApiServerSettings) -> None:
        self._handler: Final = handler
        self._settings: Final = settings
        self._server: Final = web.Server(
            self._handle,
            access_log=None,
            keepalive_timeout=_IDLE_S,
            handler_cancellation=True,  # a watch, a log, a command ends with its connection
        )
        self._silent: Final[set[web.RequestHandler]] = set()
        self._listener: asyncio.Server | None = None
        self._more: Final[list[asyncio.Server]] = []
        self._context: ssl.SSLContext | None = None

    async def open(self, context: ssl.SSLContext, listening: socket.socket | None = None) -> int:
        """Listen, on a socket that is bound already where one is given; return the port."""
        loop = asyncio.get_running_loop()
        if listening is None:
            self._listener = await loop.create_server(
                self._connection, self._settings.host, self._settings.port, ssl=context, backlog=_BACKLOG
            )
        else:
            self._listener = await loop.create_server(
                self._connection, sock=listening, ssl=context, backlog=_BACKLOG
            )
        self._context = context
        return int(self._listener.sockets[0].getsockname()[1])

    async def open_more(self, listening: socket.socket) -> None:
        """Also take connections from a socket that is bound already, for example in another network
        namespace."""
        if self._context is None:
            raise RuntimeError("open comes first")
        loop = asyncio.get_running_loop()
        more = await loop.create_server(self._connection, sock=listening, ssl=self._context, backlog=_BACKLOG)
        self._more.append(more)

    def _connection(self) -> web.RequestHandler:
        connection = self._server()
        self._silent.add(connection)
        asyncio.get_running_loop().call_later(self._settings.request_timeout_s, self._give_up, connection)
        return connection

    def _give_up(self, connection: web.RequestHandler) -> None:
        if connection in self._silent:
            self._silent.discard(connection)
            connection.force_close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._silent.discard(request.protocol)
        return await self._handler(request)

    async def close(self) -> None:
        """Stop listening, and end what is open."""
        if self._listener is not None:
            self._listener.close()
        for listener in self._more:
            listener.close()
        await self._server.shutdown(_GRACE_S)
