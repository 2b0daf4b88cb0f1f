"""The process that holds a test's private network namespaces: a script that `support.netns` runs.

It makes a user namespace in which it is root, and network namespaces below that; it does what it is asked
over a Unix socket, and hands out sockets that were opened in a namespace. Namespaces live as long as this
process holds their file descriptors: when it ends, for whatever reason, the kernel takes them away with all
that is in them.
"""

import array
import ctypes
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
COMMAND_TIMEOUT_S = 120

libc = ctypes.CDLL(None, use_errno=True)


def checked(result, what):
    """Raise OSError when a call of the C library failed."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def become_root_of_a_user_namespace():
    """Enter a user namespace of our own, with this user as its root."""
    user, group = os.geteuid(), os.getegid()
    checked(libc.unshare(CLONE_NEWUSER), "unshare user namespace")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


class Namespaces:
    """The network namespaces by name, as open file descriptors."""

    def __init__(self):
        """Make the first one, `node`."""
        self.fds = {}
        self.create("node")

    def create(self, name):
        """Make a namespace, with its loopback up."""

        def enter():
            checked(libc.unshare(CLONE_NEWNET), "unshare network namespace")
            self.fds[name] = os.open("/proc/thread-self/ns/net", os.O_RDONLY)

        in_thread(enter)

    def drop(self, name):
        """Let go of a namespace; the kernel removes it once no socket is left in it."""
        os.close(self.fds.pop(name))

    def inside(self, name, action):
        """Return what `action` returns inside a namespace."""

        def enter():
            checked(libc.setns(self.fds[name], CLONE_NEWNET), f"enter namespace {name}")
            return action()

        return in_thread(enter)


def in_thread(action):
    """Run `action` in a thread of its own, whose namespace ends with it, and return or raise what it does."""
    outcome = {}

    def body():
        try:
            outcome["value"] = action()
        except BaseException as error:
            outcome["error"] = error

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if "error" in outcome:
        raise outcome["error"]
    return outcome.get("value")


class Worker:
    """Answers one request after the other."""

    def __init__(self, connection):
        """Serve on `connection`."""
        self.connection = connection
        self.namespaces = Namespaces()

    def serve(self):
        """Answer until the other side closes."""
        while (request := self.receive()) is not None:
            fds = []
            try:
                answer = {"value": getattr(self, "do_" + request.pop("op"))(fds, **request)}
            except Exception as error:  # the other side raises it again, with its own trace
                answer = {"error": f"{type(error).__name__}: {error}"}
            self.send(answer, fds)
            for fd in fds:
                os.close(fd)

    def receive(self):
        """Return the next request, None at the end."""
        head = self.exactly(4)
        return None if head is None else json.loads(self.exactly(struct.unpack("!I", head)[0]))

    def exactly(self, count):
        """Return `count` bytes, None when the other side has closed."""
        parts = bytearray()
        while len(parts) < count:
            part = self.connection.recv(count - len(parts))
            if not part:
                return None
            parts += part
        return bytes(parts)

    def send(self, answer, fds):
        """Send an answer, and with its first bytes the file descriptors."""
        body = json.dumps(answer).encode()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.connection.sendmsg([struct.pack("!I", len(body))], rights)
        self.connection.sendall(body)

    # --- requests -------------------------------------------------------------------------------------------

    def do_create(self, _fds, names):
        for name in names:
            self.namespaces.create(name)

    def do_drop(self, _fds, names):
        for name in names:
            self.namespaces.drop(name)

    def do_path(self, _fds, name):
        return f"/proc/{os.getpid()}/fd/{self.namespaces.fds[name]}"

    def do_run(self, _fds, name, argv, stdin=""):
        def run():
            return subprocess.run(
                argv,
                input=stdin,
                capture_output=True,
                text=True,
                timeout=COMMAND_TIMEOUT_S,
                pass_fds=tuple(self.namespaces.fds.values()),
            )

        done = self.namespaces.inside(name, run)
        return {"code": done.returncode, "stdout": done.stdout, "stderr": done.stderr}

    def do_sysctl(self, _fds, name, values):
        def write():
            for key, value in values.items():
                Path("/proc/sys", *key.split(".")).write_text(str(value))

        self.namespaces.inside(name, write)

    def do_read(self, _fds, name, path):
        return self.namespaces.inside(name, lambda: Path(path).read_text())

    def do_socket(self, fds, name, family, kind, protocol):
        fds.append(self.namespaces.inside(name, lambda: socket.socket(family, kind, protocol).detach()))


def main():
    """Serve the socket whose number is the first argument, and die with the process that started this one."""
    parent = os.getppid()
    checked(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    become_root_of_a_user_namespace()
    # The change of credentials has cleared it.
    checked(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    if os.getppid() != parent:
        return
    Worker(socket.socket(fileno=int(sys.argv[1]))).serve()


if __name__ == "__main__":
    main()
