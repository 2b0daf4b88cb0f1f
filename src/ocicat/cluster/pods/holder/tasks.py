"""Starting a process in namespaces, in forked children: the way from the holder to `exec`.

The holder forks a child, which enters or makes namespaces and forks again: only a child of it is in a new pid
namespace. The grandchild makes its root and becomes the program. Both tell the holder over one socket what
went wrong; when the program is there, the socket closes by itself.
"""

import array
import contextlib
import fcntl
import json
import os
import signal
import socket
import struct
import termios
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ocicat.cluster.pods.holder import rootfs
from ocicat.cluster.pods.holder.syscalls import (
    NEWIPC,
    NEWNET,
    NEWNS,
    NEWPID,
    NEWUSER,
    NEWUTS,
    become,
    drop_capability,
    no_new_privileges,
    setns,
    unshare,
    usual_descriptors,
)

_TIOCGPTN: Final = 0x80045430
_TIOCSPTLCK: Final = 0x40045431
_MESSAGE: Final = 1 << 16


class StartError(Exception):
    """A process could not be started; the message is for its user."""


def start(
    request: Mapping[str, Any], spaces: Mapping[str, int], given: Sequence[int]
) -> tuple[int, list[int]]:
    """Start the process of a request.

    Args:
        request: `argv`, `env`, `cwd`; `root` for a container (see `rootfs.enter`), `target` for a process
            beside one that runs (its pid), neither for one that sees the holder's files; `beside` for a
            container that sees the processes of another (the pid of one); `tty`, `hostname`; `rights` of
            what is in a container: `user`, `group`, `capabilities`, `no_new_privileges`.
        spaces: Descriptors of namespaces by kind: net, uts, ipc.
        given: Standard input, output and error; none of them with `tty`.

    Returns:
        The pid as the holder sees it; the master of the terminal, where one was asked for.

    Raises:
        StartError: Nothing runs.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        ours.close()
        _in_child(lambda: _between(request, spaces, given, theirs), theirs)
    theirs.close()
    with ours:
        pid, fds, trouble = _outcome(ours)
    os.waitpid(child, 0)
    if trouble:
        for descriptor in fds:
            os.close(descriptor)
        if pid:
            os.waitpid(pid, 0)
        raise StartError(trouble)
    return pid, fds


def _outcome(ours: socket.socket) -> tuple[int, list[int], str]:
    pid, trouble = 0, ""
    fds: list[int] = []
    room = socket.CMSG_SPACE(4)
    while True:
        data, rights, _, _ = ours.recvmsg(_MESSAGE, room)
        for _, _, payload in rights:
            found = array.array("i")
            found.frombytes(payload)
            fds += found
        if not data:
            return pid, fds, trouble or ("" if pid else "the process ended before it began")
        told = json.loads(data)
        pid = told.get("pid", pid)
        trouble = told.get("error", trouble)


def _in_child(body: Any, control: socket.socket) -> None:
    """Run a body that does not return, and tell what stops it."""
    try:
        body()
    except BaseException as error:
        control.send(json.dumps({"error": str(error)[:1000]}).encode())
    os._exit(127)


def _between(
    request: Mapping[str, Any], spaces: Mapping[str, int], given: Sequence[int], control: socket.socket
) -> None:
    target = request.get("target")
    if target is not None:
        _join(int(target))
    else:
        for kind, flag in (("net", NEWNET), ("uts", NEWUTS), ("ipc", NEWIPC)):
            if kind in spaces:
                setns(spaces[kind], flag)
        if request.get("beside"):
            _enter(int(request["beside"]), (("pid", NEWPID),))
            unshare(NEWNS)
        elif request.get("root"):
            unshare(NEWNS | NEWPID)
    pid = os.fork()
    if pid == 0:
        _in_child(lambda: _become(request, given, control), control)
    control.send(json.dumps({"pid": pid}).encode())
    os._exit(0)


def _join(target: int) -> None:
    kinds = (("net", NEWNET), ("uts", NEWUTS), ("ipc", NEWIPC), ("pid", NEWPID), ("mnt", NEWNS))
    own, other = (os.stat(f"/proc/{who}/ns/user").st_ino for who in ("self", target))
    # The user namespace last: within it there is no right to enter the others.
    _enter(target, kinds if own == other else (*kinds, ("user", NEWUSER)))


def _enter(target: int, kinds: Sequence[tuple[str, int]]) -> None:
    opened = [(os.open(f"/proc/{target}/ns/{kind}", os.O_RDONLY), flag) for kind, flag in kinds]
    for descriptor, flag in opened:
        setns(descriptor, flag)
        os.close(descriptor)


def _become(request: Mapping[str, Any], given: Sequence[int], control: socket.socket) -> None:
    contained = bool(request.get("root")) or request.get("target") is not None
    if request.get("root"):
        rootfs.enter(request["root"])
        if request.get("hostname"):
            socket.sethostname(request["hostname"])
    os.setsid()
    if request.get("tty"):
        given = (_terminal(control),) * 3
    for number, descriptor in enumerate(_apart(given)):
        os.dup2(descriptor, number)
    _close_others(control.fileno())
    for number in range(1, signal.NSIG):
        if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if contained:
        _confine(request)
    _execute(request)


def _close_others(kept: int) -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != kept:
            with contextlib.suppress(OSError):  # the one that listed them is gone already
                os.close(int(name))


def _apart(given: Sequence[int]) -> list[int]:
    """Return copies of descriptors that are out of the way of 0, 1 and 2."""
    return [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10) for descriptor in given]


def _terminal(control: socket.socket) -> int:
    """Make a terminal of the container, the controlling one of this session; hand its master out."""
    master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
    (number,) = struct.unpack("i", fcntl.ioctl(master, _TIOCGPTN, bytes(4)))
    slave = os.open(f"/dev/pts/{number}", os.O_RDWR)
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    control.sendmsg([b"{}"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [master]))])
    os.close(master)
    return slave


def _confine(request: Mapping[str, Any]) -> None:
    rights = request["rights"]
    usual_descriptors()
    # A process beside one that is somebody else has become that by entering its user namespace.
    if request.get("target") is None and (rights["user"] or rights["group"]):
        become(rights["user"], rights["group"])
    for number in range(64):
        if number not in rights["capabilities"] and not drop_capability(number):
            break
    if rights["no_new_privileges"]:
        no_new_privileges()


def _execute(request: Mapping[str, Any]) -> None:
    argv, environment = list(request["argv"]), dict(request["env"])
    try:
        os.chdir(request.get("cwd") or "/")
    except OSError as error:
        raise StartError(f"working directory {request['cwd']}: {error.strerror}") from error
    os.umask(0o022)
    try:
        os.execvpe(argv[0], argv, environment)  # noqa: S606 — to start programs is what this is for
    except FileNotFoundError:
        why = "no such file or directory" if "/" in argv[0] else "executable file not found in $PATH"
        raise StartError(f'exec: "{argv[0]}": {why}') from None
    except OSError as error:
        raise StartError(f'exec: "{argv[0]}": {error.strerror}') from error
