"""What all these programs share as processes: lines of log, listening sockets, and an end at once.

The first process of a pod ignores a SIGTERM that it has no handler for, so every program waits for it.
Nothing here is imported but the standard library's small parts: a pod should start in a moment.
"""

import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any, Final

BACKLOG: Final = 128
_ENDING: Final = (signal.SIGTERM, signal.SIGINT)


def tell(event: str, **fields: object) -> None:
    """Write one line of log: the time (UTC), the event, and its fields as `name=value`."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    shown = (
        f"{name}={str(value)!r}" if " " in str(value) else f"{name}={value}" for name, value in fields.items()
    )
    sys.stdout.write(" ".join((stamp, event, *shown)) + "\n")
    sys.stdout.flush()


class Leg:
    """Whether something that is tried again and again works. It tells when that changes, not at each try."""

    def __init__(self, name: str) -> None:
        """Know nothing yet of the leg `name`."""
        self.name: Final = name
        self._state: bool | None = None

    def works(self) -> None:
        """Note a success."""
        if self._state is not True:
            tell(f"{self.name}.works")
        self._state = True

    def fails(self, reason: object) -> None:
        """Note a failure."""
        if self._state is not False:
            tell(f"{self.name}.fails", reason=str(reason) or type(reason).__name__)
        self._state = False


def peer_name(address: tuple[Any, ...]) -> str:
    """Return `host:port` of a socket address."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def service(name: str) -> tuple[str, int]:
    """Return where a Service is, from the variables that Kubernetes gives to pods made after it.

    Ends the process where they are missing: started anew it finds them, when the Service exists by then.
    """
    stem = name.upper().replace("-", "_")
    try:
        return os.environ[f"{stem}_SERVICE_HOST"], int(os.environ[f"{stem}_SERVICE_PORT"])
    except (KeyError, ValueError):
        sys.exit(
            f"{stem}_SERVICE_HOST and {stem}_SERVICE_PORT: the Service {name} was not there before this pod"
        )


def listening(port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> list[socket.socket]:
    """Return sockets on all addresses of both families, or of IPv4 alone where there is no IPv6.

    Args:
        port: 0 for any that is free, the same one for both families.
        kind: For TCP the sockets also listen.

    Raises:
        OSError: The port is taken.
    """
    found = [_bound(socket.AF_INET, "0.0.0.0", port, kind)]  # noqa: S104 — a pod serves on all its addresses
    if socket.has_ipv6:
        try:
            found.append(_bound(socket.AF_INET6, "::", found[0].getsockname()[1], kind))
        except OSError as error:
            tell("listening.without_ipv6", reason=error)
    return found


def _bound(family: socket.AddressFamily, address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(family, kind)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        if kind == socket.SOCK_STREAM:
            sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def hold_endings() -> None:
    """Let SIGTERM and SIGINT wait for `run`. To be called first, so that none that comes early is lost."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)


def run(tasks: Iterable[Callable[[], None]]) -> None:
    """Run tasks that go on for ever, each in a thread, until SIGTERM or SIGINT; then end the process at once.

    `hold_endings` must have been called, by the main thread and before anybody is told that we are ready.
    When a task fails the process ends with 1: what started it shall start it anew.
    """
    for task in tasks:
        threading.Thread(target=_kept, args=(task,), daemon=True).start()
    ended_by = signal.sigwait(_ENDING)
    tell("ended", signal=signal.Signals(ended_by).name)
    sys.stdout.flush()
    os._exit(0)


def _kept(task: Callable[[], None]) -> None:
    try:
        task()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
