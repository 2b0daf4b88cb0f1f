"""Private network namespaces for tests: nothing on the host is touched, nothing is left behind.

A `Namespaces` is a child process (`netns_worker.py`) which is root in a user namespace of its own, as root
or without. Programs run inside by `run` or by the prefix of `command`; sockets opened inside come out as
ordinary socket objects, so a test sends and receives in many namespaces from one process. When the child
ends, by `close` or because the test run was killed, the kernel removes it all.
"""

import array
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

WORKER = Path(__file__).with_name("netns_worker.py")
NODE = "node"
"""The namespace that every `Namespaces` begins with."""


class NamespaceError(Exception):
    """A namespace, or a program in one, could not do what was asked."""


class Namespaces:
    """Network namespaces by name, below one private user namespace."""

    def __init__(self) -> None:
        """Start with one namespace, `node`. Raises NamespaceError where the kernel allows none."""
        self._opened: list[socket.socket] = []
        ours, theirs = socket.socketpair()
        self._connection = ours
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(WORKER), str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        try:
            self.node_path = self.path(NODE)
        except NamespaceError:
            self.close()
            raise

    def __enter__(self) -> "Namespaces":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process that holds the namespaces, and close their sockets. May be called again."""
        for opened in self._opened:
            opened.close()
        self._connection.close()
        self._process.kill()
        self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()

    @property
    def pid(self) -> int:
        """The process that holds the namespaces."""
        return self._process.pid

    def create(self, *names: str) -> None:
        """Make empty namespaces."""
        self._ask("create", names=names)

    def drop(self, *names: str) -> None:
        """Let go of namespaces; each is gone once its sockets are closed too."""
        self._ask("drop", names=names)

    def path(self, name: str) -> str:
        """Return the file by which other programs of this user can enter a namespace."""
        return str(self._ask("path", name=name)[0])

    def command(self, name: str = NODE) -> list[str]:
        """Return a prefix for command lines that run in a namespace, and end with this process."""
        return [
            "nsenter",
            f"--user=/proc/{self.pid}/ns/user",
            f"--net={self.path(name)}",
            "--preserve-credentials",
            "setpriv",
            "--pdeathsig",
            "KILL",
        ]

    def run(self, *argv: str, at: str = NODE, stdin: str = "") -> str:
        """Return what a program prints in a namespace. Raises NamespaceError if it fails."""
        done, _ = self._ask("run", name=at, argv=argv, stdin=stdin)
        if done["code"] != 0:
            raise NamespaceError(f"{' '.join(argv)} at {at}: {done['stderr']}")
        return str(done["stdout"])

    def sysctl(self, values: Mapping[str, int], at: str = NODE) -> None:
        """Set kernel parameters of a namespace, as `net.ipv4.ip_forward`."""
        self._ask("sysctl", name=at, values=dict(values))

    def read(self, path: str, at: str = NODE) -> str:
        """Return a file below /proc/thread-self/net as a namespace shows it."""
        return str(self._ask("read", name=at, path=path)[0])

    def socket(self, family: int, kind: int, protocol: int = 0, at: str = NODE) -> socket.socket:
        """Return a socket that was opened in a namespace. It is closed with the namespaces at the latest."""
        _, fds = self._ask("socket", name=at, family=int(family), kind=int(kind), protocol=protocol)
        opened = socket.socket(fileno=fds[0])
        self._opened.append(opened)
        return opened

    # --- the wire -------------------------------------------------------------------------------------------

    def _ask(self, op: str, **arguments: Any) -> tuple[Any, list[int]]:
        body = json.dumps({"op": op, **arguments}).encode()
        try:
            self._connection.sendall(struct.pack("!I", len(body)) + body)
            head, fds = self._head()
            answer = json.loads(self._exactly(head))
        except OSError as error:
            raise NamespaceError(f"the process of the namespaces is gone: {self._last_words()}") from error
        if "error" in answer:
            raise NamespaceError(f"{op}: {answer['error']}")
        return answer["value"], fds

    def _head(self) -> tuple[int, list[int]]:
        fds = array.array("i")
        data, rights, _, _ = self._connection.recvmsg(4, socket.CMSG_SPACE(4 * fds.itemsize))
        if len(data) < 4:
            raise ConnectionResetError("closed")
        for level, kind, payload in rights:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
        return struct.unpack("!I", data)[0], list(fds)

    def _exactly(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            part = self._connection.recv(count - len(parts))
            if not part:
                raise ConnectionResetError("closed")
            parts += part
        return bytes(parts)

    def _last_words(self) -> str:
        self._process.kill()
        return self._process.stderr.read().strip() if self._process.stderr else ""


def why_impossible(programs: Sequence[str] = ("nft", "ip", "nsenter")) -> str:
    """Return why this machine cannot run kernel tests, empty if it can."""
    missing = [program for program in programs if shutil.which(program, path=_PATH) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    try:
        with Namespaces() as namespaces:
            namespaces.run("nft", "add table inet t { chain c { ct mark set 1 accept; }; }")
    except NamespaceError as error:
        return f"no private namespaces with nftables: {error}"
    return ""


_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
