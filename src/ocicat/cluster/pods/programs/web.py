"""A small HTTP/1.1 server on the standard library's, with or without TLS: a thread for each connection.

Connections are kept alive: an idle one is never closed from this side.
"""

import json
import ssl
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import Any, Final

from ocicat.cluster.pods.programs.process import peer_name, tell

HANDSHAKE_S: Final = 10.0
BODY_BYTES: Final = 16_384
"""The longest body that is read."""


class WebServer(ThreadingHTTPServer):
    """Serves a socket that listens. `serve_forever` goes on until the process ends."""

    daemon_threads = True

    def __init__(self, sock: socket, handler: type["WebHandler"], tls: ssl.SSLContext | None = None) -> None:
        """Serve on `sock`, with TLS where a context is given."""
        super().__init__(sock.getsockname()[:2], handler, bind_and_activate=False)
        self.socket.close()
        self.socket = sock
        self._tls: Final = tls

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands, in the connection's own thread, and then serve it."""
        if self._tls is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(HANDSHAKE_S)
        with self._tls.wrap_socket(request, server_side=True) as secured:
            secured.settimeout(None)
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell of a connection that broke, in a line."""
        tell("connection.failed", peer=peer_name(client_address), reason=repr(sys.exception()))


class WebHandler(BaseHTTPRequestHandler):
    """One connection. Subclasses have `do_GET` and the like, and call one of the `answer` methods."""

    protocol_version = "HTTP/1.1"
    server_version = "catfacts"
    sys_version = ""
    wbufsize = -1  # head and body of an answer go out together

    def setup(self) -> None:
        """Tell of a new connection."""
        super().setup()
        tell("connection.opened", peer=peer_name(self.client_address))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing of single requests: there is one every second."""

    def body(self) -> bytes | None:
        """Return the body of the request; None, with the answer given, where it is too long."""
        text = self.headers.get("Content-Length", "0")
        if not text.isdecimal() or int(text) > BODY_BYTES:
            self.close_connection = True
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return None
        return self.rfile.read(int(text))

    def answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        """Send an answer."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_page(self, status: HTTPStatus, html: str) -> None:
        """Send a page."""
        self.answer(status, "text/html; charset=utf-8", html.encode())

    def answer_json(self, status: HTTPStatus, content: object) -> None:
        """Send JSON."""
        self.answer(status, "application/json", json.dumps(content).encode() + b"\n")
