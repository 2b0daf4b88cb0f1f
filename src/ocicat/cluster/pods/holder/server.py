"""The holder's loop: requests over Unix sockets in, processes, namespaces and sockets out."""

import array
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any, Final

from ocicat.cluster.pods.holder import tasks
from ocicat.cluster.pods.holder.syscalls import (
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    NEWIPC,
    NEWNET,
    NEWNS,
    NEWPID,
    NEWUTS,
    allow_descriptors,
    become_root_of_a_user_namespace,
    die_with_parent,
    mount,
    setns,
    unshare,
)

MESSAGE_BYTES: Final = 1 << 17
_KINDS: Final = {"net": NEWNET, "uts": NEWUTS, "ipc": NEWIPC}
_COMMAND_S: Final = 60


class Client:
    """One connection, and the processes and namespaces that go when it ends."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection: Final = connection
        self.tasks: set[int] = set()
        self.spaces: set[str] = set()


class Kept:
    """A process that outlives the connection that started it, with the descriptors of its streams."""

    def __init__(self, pid: int, streams: list[int]) -> None:
        self.pid: Final = pid
        self.streams: Final = streams
        self.code: int | None = None
        """Its exit code, when it has ended."""

    def close(self) -> None:
        """Let the descriptors go."""
        while self.streams:
            os.close(self.streams.pop())


class Holder:
    """Answers one request after the other."""

    def __init__(self, owner: socket.socket, listening: socket.socket) -> None:
        """Serve the owner, with whom all ends, and whoever connects to a socket that listens."""
        self._owner: Final = owner
        self._listening: Final = listening
        self._spaces: Final[dict[str, dict[str, int]]] = {}
        self._kept: Final[dict[str, Kept]] = {}
        self._clients: Final = {owner.fileno(): Client(owner)}
        self._wake, trigger = socket.socketpair()
        for end in (self._wake, trigger):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(trigger.fileno(), warn_on_full_buffer=False)
        self._trigger: Final = trigger

    def serve(self) -> None:
        """Answer until the owner closes."""
        poll = select.poll()
        for opened in (self._owner, self._listening, self._wake):
            poll.register(opened, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == self._wake.fileno():
                    self._reap()
                elif descriptor == self._listening.fileno():
                    connection, _ = self._listening.accept()
                    self._clients[connection.fileno()] = Client(connection)
                    poll.register(connection, select.POLLIN)
                elif not self._serve_one(self._clients[descriptor]):
                    poll.unregister(descriptor)
                    self._gone(self._clients.pop(descriptor))
                    if descriptor == self._owner.fileno():
                        return

    def _gone(self, client: Client) -> None:
        staying = {kept.pid for kept in self._kept.values()}
        for pid in client.tasks - staying:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for name in client.spaces:
            self._drop(name)
        if client.connection is not self._owner:
            client.connection.close()

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake.recv(4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            code = code if code >= 0 else 128 - code
            for kept in self._kept.values():
                if kept.pid == pid:
                    kept.code = code
            for client in self._clients.values():
                if pid in client.tasks:
                    client.tasks.discard(pid)
                    _send(client.connection, {"event": "exited", "pid": pid, "code": code})

    def _serve_one(self, client: Client) -> bool:
        given: list[int] = []
        try:
            data, rights, _, _ = client.connection.recvmsg(MESSAGE_BYTES, socket.CMSG_SPACE(4 * 8))
        except OSError:
            return False
        for _, _, payload in rights:
            found = array.array("i")
            found.frombytes(payload)
            given += found
        if not data:
            return False
        request = json.loads(data)
        opened: list[int] = []
        try:
            value = getattr(self, "do_" + request["op"])(client, request, given, opened)
            answer = {"id": request["id"], "value": value}
        except Exception as error:
            answer = {"id": request["id"], "error": str(error)[:2000]}
        alive = _send(client.connection, answer, opened)
        for descriptor in (*given, *opened):
            os.close(descriptor)
        return alive

    # --- requests -------------------------------------------------------------------------------------------

    # Each has the name of its method, and gets the client, the request, the descriptors that came with it,
    # and a list for those that go with the answer.

    def do_space(
        self, client: Client, request: dict[str, Any], _given: list[int], _opened: list[int]
    ) -> None:
        """Make network, uts and ipc namespaces under a name; `kept` ones outlive their maker's connection."""
        ready, go = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                unshare(NEWNET | NEWUTS | NEWIPC)
                os.write(ready[1], b"y")
                os.close(go[1])
                os.read(go[0], 1)
            os._exit(0)
        os.close(ready[1])
        try:
            if not os.read(ready[0], 1):
                raise OSError("no namespaces: the kernel allows no more")
            self._spaces[request["name"]] = {
                kind: os.open(f"/proc/{child}/ns/{kind}", os.O_RDONLY) for kind in _KINDS
            }
        finally:
            for descriptor in (ready[0], *go):
                os.close(descriptor)
            os.waitpid(child, 0)
        if not request.get("kept"):
            client.spaces.add(request["name"])

    def do_drop(self, client: Client, request: dict[str, Any], _given: list[int], _opened: list[int]) -> None:
        """Let namespaces go; the kernel removes them when nothing is left within."""
        client.spaces.discard(request["name"])
        self._drop(request["name"])

    def _drop(self, name: str) -> None:
        for descriptor in self._spaces.pop(name, {}).values():
            os.close(descriptor)

    def do_start(self, client: Client, request: dict[str, Any], given: list[int], opened: list[int]) -> int:
        """Start a process, see `tasks.start`; its end is told as an event.

        What is given beyond the three standard streams is kept with one that has a name in `keep`.
        """
        spaces = self._spaces[request["space"]] if request.get("space") else {}
        pid, fds = tasks.start(request, spaces, given[:3])
        opened += fds
        client.tasks.add(pid)
        if name := request.get("keep"):
            self._kept[name] = Kept(pid, [os.dup(descriptor) for descriptor in fds or given[3:]])
        return pid

    def do_kept(
        self, _client: Client, request: dict[str, Any], _given: list[int], _opened: list[int]
    ) -> list[str]:
        """Return the names of kept processes that begin with `prefix`, also of those that have ended."""
        return [name for name in self._kept if name.startswith(request["prefix"])]

    def do_spaces(
        self, _client: Client, _request: dict[str, Any], _given: list[int], _opened: list[int]
    ) -> list[str]:
        """Return the names of all namespaces."""
        return list(self._spaces)

    def do_adopt(
        self, client: Client, request: dict[str, Any], _given: list[int], opened: list[int]
    ) -> dict[str, int | None]:
        """Hand a kept process over: its pid, its exit code where it has ended, and its streams."""
        kept = self._kept[request["name"]]
        opened += [os.dup(descriptor) for descriptor in kept.streams]
        if kept.code is None:
            client.tasks.add(kept.pid)
        return {"pid": kept.pid, "code": kept.code}

    def do_shut(
        self, _client: Client, request: dict[str, Any], _given: list[int], _opened: list[int]
    ) -> None:
        """Close the first stream of a kept process, its standard input; one that is forgotten has none."""
        kept = self._kept.get(request["name"])
        if kept is not None and kept.streams:
            os.close(kept.streams.pop(0))

    def do_forget(
        self, _client: Client, request: dict[str, Any], _given: list[int], _opened: list[int]
    ) -> None:
        """Keep a process no longer; end it where it runs."""
        if kept := self._kept.pop(request["name"], None):
            if kept.code is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(kept.pid, signal.SIGKILL)
            kept.close()

    def do_kill(self, client: Client, request: dict[str, Any], _given: list[int], _opened: list[int]) -> None:
        """End a process that this client has started, with its group."""
        if request["pid"] in client.tasks:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(request["pid"], signal.SIGKILL)

    def do_run(self, _client: Client, request: dict[str, Any], _given: list[int], _opened: list[int]) -> str:
        """Return what a short command prints in a namespace."""
        spaces = self._spaces[request["space"]]
        others = [descriptor for held in self._spaces.values() for descriptor in held.values()]
        done = subprocess.run(  # noqa: S603
            request["argv"], input=request.get("stdin", ""), capture_output=True, text=True,
            timeout=_COMMAND_S, check=False, preexec_fn=lambda: setns(spaces["net"], NEWNET), pass_fds=others,
        )  # fmt: skip
        if done.returncode != 0:
            raise OSError(f"{' '.join(request['argv'])}: {done.stderr.strip()}")
        return str(done.stdout)

    def do_path(self, _client: Client, request: dict[str, Any], _given: list[int], _opened: list[int]) -> str:
        """Return the file by which a command of `run` names a network namespace."""
        return f"/proc/{os.getpid()}/fd/{self._spaces[request['name']]['net']}"

    def do_namespaces(
        self, _client: Client, request: dict[str, Any], _given: list[int], opened: list[int]
    ) -> None:
        """Hand out the user namespace and a network namespace, for a program of the host that joins them."""
        opened += [os.open("/proc/self/ns/user", os.O_RDONLY), os.dup(self._spaces[request["space"]]["net"])]

    def do_sysctl(
        self, _client: Client, request: dict[str, Any], _given: list[int], _opened: list[int]
    ) -> None:
        """Set parameters of a network namespace; what it does not know is left alone."""

        def write() -> None:
            for key, value in request["values"].items():
                with contextlib.suppress(FileNotFoundError):
                    Path("/proc/sys", *key.split(".")).write_text(str(value))

        self._inside(request["space"], write)

    def do_socket(
        self, _client: Client, request: dict[str, Any], _given: list[int], opened: list[int]
    ) -> None:
        """Hand out a socket that lives in a network namespace."""
        kind = socket.SOCK_DGRAM if request.get("datagram") else socket.SOCK_STREAM
        made: list[int] = []
        self._inside(request["space"], lambda: made.append(socket.socket(request["family"], kind).detach()))
        opened += made

    def _inside(self, space: str, action: Any) -> None:
        """Do something in a network namespace, and come back."""
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        try:
            setns(self._spaces[space]["net"], NEWNET)
            action()
        finally:
            setns(home, NEWNET)
            os.close(home)


def _send(connection: socket.socket, told: dict[str, Any], fds: list[int] | None = None) -> bool:
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    try:
        connection.sendmsg([json.dumps(told).encode()], rights)
    except OSError:
        return False
    return True


def main(owner: int, listening: int) -> None:
    """Enter the cluster's namespaces and serve, until the owner closes or dies."""
    parent = os.getppid()
    allow_descriptors()
    become_root_of_a_user_namespace()
    unshare(NEWNS | NEWPID | NEWNET | NEWIPC | NEWUTS)
    die_with_parent(signal.SIGKILL)  # after the change of credentials, which clears it
    if os.getppid() != parent:
        return
    first = os.fork()
    if first:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        os.close(owner)
        os.close(listening)
        os.waitpid(first, 0)
        return
    die_with_parent(signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    os.setsid()
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    Holder(socket.socket(fileno=owner), socket.socket(fileno=listening)).serve()
    os._exit(0)
