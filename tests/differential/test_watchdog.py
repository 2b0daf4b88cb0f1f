"""A subscriber that stops reading: the kernel keeps connections for it, until the watchdog lets it go on."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from ocicat.dataplane.socket import NETFILTER, NetlinkSocket
from ocicat.dataplane.watchdog import Watchdog
from ocicat.dataplane.wire.conntrack import GROUP_DESTROY
from support.netns import Namespaces

pytestmark = pytest.mark.kernel

CONNECTIONS = 3000
"""Far more than the smallest receive buffer holds ends of."""
PATIENCE_S = 0.5
DEADLINE_S = 30.0


class Node:
    """A namespace that makes connections to itself and forgets them, and a subscriber that reads nothing."""

    def __init__(self, namespaces: Namespaces) -> None:
        self.namespaces = namespaces
        namespaces.run("ip", "link", "set", "lo", "up")
        namespaces.run(
            "nft", "add table inet t { chain c { type filter hook output priority 0; ct state new; }; }"
        )

    def opened(self) -> socket.socket:
        return self.namespaces.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETFILTER)

    def close_connections(self) -> None:
        """Have many connections begin, and end at once."""
        with self.namespaces.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(CONNECTIONS):
                sender.sendto(b"x", (f"127.0.{1 + number // 250}.{1 + number % 250}", 9))
        assert self.kept >= CONNECTIONS
        self.namespaces.run("conntrack", "-F")

    @property
    def kept(self) -> int:
        """How many connections the kernel keeps, those included that are over and whose end is not told."""
        return int(self.namespaces.run("conntrack", "-C"))


@pytest.fixture
def node(namespaces: Namespaces) -> Node:
    return Node(namespaces)


@pytest.fixture
def unread(node: Node) -> Iterator[NetlinkSocket]:
    with NetlinkSocket(node.opened(), receive_buffer=4096) as subscribed:
        subscribed.subscribe(GROUP_DESTROY, reliable=True)
        yield subscribed


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.02)


def test_without_help_the_kernel_keeps_what_it_cannot_tell(node: Node, unread: NetlinkSocket) -> None:
    node.close_connections()
    assert node.kept > CONNECTIONS // 2
    unread.be_reliable(False)
    until(lambda: node.kept == 0)


def test_a_reader_that_does_not_beat_is_helped_and_learns_what_was_lost(
    node: Node, unread: NetlinkSocket
) -> None:
    watchdog = Watchdog(unread.fileno(), PATIENCE_S)
    try:
        node.close_connections()
        until(lambda: node.kept == 0)
        assert watchdog.lost == 0, "nothing is told while nobody reads"
        watchdog.beat()
        until(lambda: watchdog.lost > CONNECTIONS // 2)
        node.close_connections()
        until(lambda: node.kept < 10)
    finally:
        watchdog.close()


def test_while_the_reader_beats_nothing_is_given_up(node: Node, unread: NetlinkSocket) -> None:
    with ExitStack() as opened:
        watchdog = Watchdog(unread.fileno(), 3.0)
        opened.callback(watchdog.close)
        node.close_connections()
        for _ in range(8):
            watchdog.beat()
            time.sleep(0.5)
        assert node.kept > CONNECTIONS // 2
        assert watchdog.lost == 0


def test_a_watchdog_that_is_gone_is_replaced(node: Node, unread: NetlinkSocket) -> None:
    watchdog = Watchdog(unread.fileno(), PATIENCE_S)
    try:
        first = watchdog._process
        first.kill()
        first.wait()
        until(lambda: watchdog.beat() or watchdog._process is not first)
        node.close_connections()
        until(lambda: node.kept == 0)
    finally:
        watchdog.close()


def test_it_ends_with_the_reader(node: Node) -> None:
    """Also where the reader is killed: then nobody is owed anything."""
    program = (
        "import sys, time; from ocicat.dataplane.watchdog import Watchdog\n"
        "dog = Watchdog(int(sys.argv[1])); print(dog._process.pid, flush=True); time.sleep(60)"
    )
    with node.opened() as subscribed:
        fd = subscribed.fileno()
        reader = subprocess.Popen(
            [sys.executable, "-c", program, str(fd)], pass_fds=(fd,), stdout=subprocess.PIPE, text=True
        )
        assert reader.stdout is not None
        with reader.stdout:
            pid = int(reader.stdout.readline())
            os.kill(pid, 0)
            reader.send_signal(signal.SIGKILL)
            reader.wait()
        until(lambda: not os.path.exists(f"/proc/{pid}") or _is_dead(pid))


def _is_dead(pid: int) -> bool:
    """Tell whether a process has ended, though nobody has asked how."""
    try:
        with open(f"/proc/{pid}/stat") as told:
            return told.read().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True
