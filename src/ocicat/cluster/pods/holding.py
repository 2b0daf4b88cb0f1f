"""`Holding`: the asynchronous client of the holder, and how the holder is started."""

import array
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from ocicat.base.errors import OcicatError
from ocicat.cluster.pods.holder.server import MESSAGE_BYTES
from ocicat.cluster.pods.security import Rights
from ocicat.cluster.pods.sockets import connected, listening

_FDS: Final = 8
_PACKAGES: Final = str(Path(__file__).resolve().parents[3])
_START: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); sys.dont_write_bytecode = True; "
    "from ocicat.cluster.pods.holder.server import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)


class HolderError(OcicatError):
    """The holder could not do what was asked; the message says why."""


class HolderGoneError(HolderError):
    """The holder has ended, and everything in the cluster with it."""


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be started; see `ocicat.cluster.pods.holder.tasks.start`."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str = ""
    space: str = ""
    """The namespaces that `space` made; not with `target`."""
    target: int | None = None
    """The pid of a container's process, to run beside it."""
    beside: int | None = None
    """The pid of a process whose fellows a container sees; None for those of its own alone."""
    root: Mapping[str, Any] | None = None
    rights: Rights = Rights()
    """Of a process in a container."""
    tty: bool = False
    hostname: str = ""
    keep: str = ""
    """The name under which it outlives this connection; empty for one that ends with it."""


class Started(msgspec.Struct, frozen=True):
    """A process that runs."""

    pid: int
    ended: "asyncio.Future[int]"
    """Gets the exit code, 128 + number after a signal."""
    terminal: int | None = None
    """The master's descriptor, which is the receiver's to close."""
    streams: tuple[int, ...] = ()
    """Our ends of the streams of an adopted process, the receiver's to close."""


class Holding:
    """One connection to the holder. What was started over it ends with it."""

    def __init__(self, connection: socket.socket) -> None:
        """Use a connected socket, from the running event loop."""
        connection.setblocking(False)
        self._connection: Final = connection
        self._waiting: Final[dict[int, asyncio.Future[tuple[Any, list[int]]]]] = {}
        self._ends: Final[dict[int, asyncio.Future[int]]] = {}
        self._endings: Final[set[asyncio.Future[None]]] = set()
        self._next = 0
        self.gone: Final[asyncio.Future[None]] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(connection, self._readable)

    @classmethod
    def connected(cls, path: Path) -> "Holding":
        """Connect to the holder's socket. Raises HolderGoneError."""
        try:
            return cls(connected(path, socket.SOCK_SEQPACKET))
        except OSError as error:
            raise HolderGoneError(f"{path}: {error.strerror}") from error

    def close(self) -> None:
        """End the connection, and what was started over it."""
        asyncio.get_running_loop().remove_reader(self._connection)
        self._connection.close()
        self._all_gone()

    async def space(self, name: str, *, kept: bool = False) -> None:
        """Make namespaces; `kept` ones stay when this connection ends."""
        await self._ask("space", name=name, kept=kept)

    async def drop(self, name: str) -> None:
        """Let namespaces go."""
        await self._ask("drop", name=name)

    async def start(self, what: Start, streams: Sequence[int] = ()) -> Started:
        """Start a process.

        Args:
            what: The process.
            streams: Its standard input, output and error, and then what is kept with it for who adopts it;
                all stay the caller's.
        """
        held = [os.dup(stream) for stream in streams]  # the caller may close its own before they are sent
        asking = asyncio.ensure_future(self._ask("start", held, **msgspec.to_builtins(what)))
        asking.add_done_callback(lambda _: _close(held))
        try:
            (pid, ended), fds = await asyncio.shield(asking)
        except asyncio.CancelledError:
            # The holder has the request already: what it starts is to end, since nobody will know of it.
            self._endings.add(ending := asyncio.ensure_future(self._end_unwanted(asking, what.keep)))
            ending.add_done_callback(self._endings.discard)
            raise
        return Started(pid, ended, fds[0] if fds else None)

    async def _end_unwanted(self, asking: "asyncio.Future[Any]", keep: str) -> None:
        with contextlib.suppress(HolderError):
            (pid, _), fds = await asking
            _close(fds)
            await (self.forget(keep) if keep else self.kill(pid))

    async def kept(self, prefix: str) -> list[str]:
        """Return the names of kept processes that begin so, also of those that have ended."""
        return list((await self._ask("kept", prefix=prefix))[0])

    async def spaces(self) -> list[str]:
        """Return the names of all namespaces."""
        return list((await self._ask("spaces"))[0])

    async def adopt(self, name: str) -> Started:
        """Take over a kept process from a connection that has ended."""
        (told, ended), fds = await self._ask("adopt", name=name)
        if told["code"] is not None:  # it has ended, so nothing more will be told of it
            del self._ends[told["pid"]]
            ended.set_result(told["code"])
        return Started(told["pid"], ended, streams=tuple(fds))

    async def shut(self, name: str) -> None:
        """Let the first of the streams kept with a process go, its standard input."""
        await self._ask("shut", name=name)

    async def forget(self, name: str) -> None:
        """Keep a process no longer; it is ended where it runs."""
        await self._ask("forget", name=name)

    async def kill(self, pid: int) -> None:
        """End a process that was started over this connection, and its group."""
        await self._ask("kill", pid=pid)

    async def run(self, space: str, *argv: str, stdin: str = "") -> str:
        """Return what a short command prints in a network namespace."""
        printed, _ = await self._ask("run", space=space, argv=argv, stdin=stdin)
        return str(printed)

    async def path(self, name: str) -> str:
        """Return a file that names a network namespace to commands of `run`."""
        return str((await self._ask("path", name=name))[0])

    async def sysctl(self, space: str, values: Mapping[str, int | str]) -> None:
        """Set parameters of a network namespace."""
        await self._ask("sysctl", space=space, values=dict(values))

    async def socket(self, space: str, family: int, *, datagram: bool = False) -> socket.socket:
        """Return a new socket that lives in a network namespace."""
        _, fds = await self._ask("socket", space=space, family=int(family), datagram=datagram)
        return socket.socket(fileno=fds[0])

    async def namespaces(self, space: str) -> tuple[int, int]:
        """Return descriptors of the user namespace and of a network namespace; they are the receiver's to
        close.
        """
        _, (user, net) = await self._ask("namespaces", space=space)
        return user, net

    # --- the wire -------------------------------------------------------------------------------------------

    async def _ask(self, op: str, fds: Sequence[int] = (), **arguments: Any) -> tuple[Any, list[int]]:
        if self.gone.done():
            raise HolderGoneError("the holder has ended")
        self._next += 1
        answer: asyncio.Future[tuple[Any, list[int]]] = asyncio.get_running_loop().create_future()
        self._waiting[self._next] = answer
        body = json.dumps({"op": op, "id": self._next, **arguments}).encode()
        if len(body) > MESSAGE_BYTES:
            del self._waiting[self._next]
            raise HolderError(f"{op}: the request has {len(body)} bytes, more than {MESSAGE_BYTES}")
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        while True:
            try:
                self._connection.sendmsg([body], rights)
                break
            except BlockingIOError:
                await asyncio.sleep(0.005)
            except OSError as error:
                raise HolderGoneError(f"the holder has ended: {error.strerror}") from error
        return await answer

    def _readable(self) -> None:
        try:
            data, rights, _, _ = self._connection.recvmsg(MESSAGE_BYTES, socket.CMSG_SPACE(4 * _FDS))
        except BlockingIOError:
            return
        except OSError:
            data, rights = b"", []
        if not data:
            asyncio.get_running_loop().remove_reader(self._connection)
            self._all_gone()
            return
        fds: list[int] = []
        for _, _, payload in rights:
            found = array.array("i")
            found.frombytes(payload)
            fds += found
        self._take(json.loads(data), fds)

    def _take(self, told: dict[str, Any], fds: list[int]) -> None:
        if told.get("event") == "exited":
            ended = self._ends.pop(told["pid"], None)
            if ended is not None and not ended.done():
                ended.set_result(told["code"])
            return
        answer = self._waiting.pop(told["id"])
        if answer.done():  # who asked has been cancelled
            for descriptor in fds:
                os.close(descriptor)
        elif "error" in told:
            answer.set_exception(HolderError(told["error"]))
        else:
            value = told["value"]
            pid = value["pid"] if isinstance(value, dict) else value
            if isinstance(pid, int):
                # At once: the next message may already tell of the end of this process.
                ended = self._ends[pid] = asyncio.get_running_loop().create_future()
                value = (value, ended)
            answer.set_result((value, fds))

    def _all_gone(self) -> None:
        if not self.gone.done():
            self.gone.set_result(None)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(HolderGoneError("the holder has ended"))
        for ended in self._ends.values():
            if not ended.done():
                ended.set_result(137)
        self._waiting.clear()
        self._ends.clear()


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def start_holder(socket_path: Path) -> tuple["subprocess.Popen[bytes]", socket.socket]:
    """Start a holder that listens at `socket_path`; return its process and the owner's connection.

    When the connection closes or this process ends, the holder and all that it has started end.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, listening(socket_path, socket.SOCK_SEQPACKET) as door:
        command = [sys.executable, "-I", "-S", "-c", _START, _PACKAGES]
        process = subprocess.Popen(  # noqa: S603
            [*command, str(theirs.fileno()), str(door.fileno())],
            pass_fds=(theirs.fileno(), door.fileno()), stdin=subprocess.DEVNULL, process_group=0,
            env={**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"},
        )  # fmt: skip
    return process, ours
