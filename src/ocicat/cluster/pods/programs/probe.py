"""A network probe for tests: connects, sends and listens as its arguments say, and prints JSON, a line each.

`probe connect HOST PORT` tells how an attempt ended: `connected`, `refused`, `timeout`, `unreachable`.
`probe listen PORT` answers whoever comes with its own address and name, until SIGTERM.
"""

import argparse
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from typing import Final

from ocicat.cluster.pods.programs.process import hold_endings, listening, run

KINDS: Final = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
RECEIVED_BYTES: Final = 65_535


def say(**fields: object) -> None:
    """Print a line of JSON."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def attempt(host: str, port: int, protocol: str, send: bytes, timeout_s: float) -> dict[str, object]:
    """Try once; return how it ended, and what was received where something was sent or is sent by itself."""
    began = time.monotonic()
    found: dict[str, object] = {"host": host, "port": port, "protocol": protocol}
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=KINDS[protocol])[0]
        found["address"] = address[0]
        with socket.socket(family, kind) as sock:
            sock.settimeout(timeout_s)
            sock.connect(address)
            found["from"] = sock.getsockname()[0]
            if send:
                sock.sendall(send)
            if send or protocol == "udp":
                found["received"] = sock.recv(RECEIVED_BYTES).decode("utf-8", "replace")
        outcome = "connected"
    except socket.gaierror as error:
        outcome, found["error"] = "unknown name", str(error)
    except TimeoutError:
        outcome = "timeout"
    except ConnectionRefusedError:
        outcome = "refused"
    except OSError as error:
        outcome, found["error"] = "unreachable", str(error)
    return {**found, "outcome": outcome, "seconds": round(time.monotonic() - began, 3)}


def connect(options: argparse.Namespace) -> int:
    """Try as often as is wanted; return 0 when all attempts connected."""
    good = True
    for number in range(options.count):
        if number:
            time.sleep(options.every)
        result = attempt(options.host, options.port, options.protocol, options.send.encode(), options.timeout)
        say(**result)
        good = good and result["outcome"] == "connected"
    return 0 if good else 1


def listen(options: argparse.Namespace) -> None:
    """Answer for ever, TCP and UDP both unless one is chosen."""
    hold_endings()
    chosen = [options.protocol] if options.protocol else list(KINDS)
    port, tasks = options.port, list[Callable[[], None]]()
    for protocol in chosen:
        sockets = listening(port, KINDS[protocol])
        port = sockets[0].getsockname()[1]
        for sock in sockets:
            tasks.append(_stream_task(sock) if protocol == "tcp" else _datagram_task(sock))
    say(listening=port, protocols=chosen)
    run(tasks)


def _greeting(peer: str) -> bytes:
    return json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "peer": peer}).encode() + b"\n"


def _stream_task(sock: socket.socket) -> Callable[[], None]:
    """Return what greets each connection when it has sent something, and closes it."""

    def serve() -> None:
        while True:
            connection, peer = sock.accept()
            with connection:
                say(protocol="tcp", peer=peer[0])
                connection.settimeout(1.0)
                try:
                    if connection.recv(RECEIVED_BYTES):
                        connection.sendall(_greeting(peer[0]))
                except OSError as error:
                    say(protocol="tcp", peer=peer[0], error=str(error))

    return serve


def _datagram_task(sock: socket.socket) -> Callable[[], None]:
    def serve() -> None:
        while True:
            _, peer = sock.recvfrom(RECEIVED_BYTES)
            say(protocol="udp", peer=peer[0])
            sock.sendto(_greeting(peer[0]), peer)

    return serve


def main() -> None:
    """Probe."""
    parser = argparse.ArgumentParser(prog="probe", description="A network probe; prints JSON.")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("connect", help="try to connect")
    one.add_argument("host")
    one.add_argument("port", type=int)
    one.add_argument("--protocol", choices=KINDS, default="tcp")
    one.add_argument("--send", default="", help="text to send; then an answer is awaited")
    one.add_argument("--timeout", type=float, default=2.0, help="seconds for each step")
    one.add_argument("--count", type=int, default=1)
    one.add_argument("--every", type=float, default=1.0, help="seconds between attempts")
    two = commands.add_parser("listen", help="answer with JSON")
    two.add_argument("port", type=int, help="0 for any")
    two.add_argument("--protocol", choices=KINDS, help="one alone")
    options = parser.parse_args()
    if options.command == "connect":
        sys.exit(connect(options))
    listen(options)


if __name__ == "__main__":
    main()
