"""Pods as network namespaces, joined by routed `cali*` veths as Calico does it, and a probe between them.

Each pod is one hop from the node: its addresses are /32 and /128 routes to a veth. A pod is *silent* unless
asked otherwise: nothing in it has the address, so it answers nothing and every packet that arrives is seen
by the packet socket on its side alone. A pod with a *stack* has its addresses and a default route through
169.254.1.1 and the node's link-local address, and programs can run in it.

How a probe knows at once that a packet will not come: veths hand over packets in order, on one CPU. So
behind the shots goes a marker frame through each veth, first towards the node and then back; when the
markers have come out, all that was to come has come. No time-out decides anything.
"""

import os
import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum

import msgspec

from ocicat.model.net import Address
from support.netns import NODE, Namespaces
from support.packets import BARRIER, INET, Arrival, Shot, frame, packet, parse, parse_transport

HOST = "host"
"""Origin and goal of shots: the node itself."""
WORLD = "world"
"""Everything beyond the node, behind one interface named `uplink`."""
UPLINK = "uplink"
NODE_MAC = bytes.fromhex("eeeeeeeeeeee")
NODE_LINK_LOCAL = "fe80::ecee:eeff:feee:eeee"
_WORLD_MAC = bytes.fromhex("020000ffffff")
_CHUNK = 48
"""Shots in flight at once: what the smallest receive buffer of a socket surely holds, with answers."""
_DEADLINE_S = 10.0
"""How long a marker may take before the test bed itself is thought broken."""
_SOL_PACKET, _PACKET_IGNORE_OUTGOING = 263, 23
_PROTOCOLS_TO_HOST = (6, 17, 132, 1, 58, 47, 4)


class Result(StrEnum):
    """What became of a shot."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    LOST = "lost"


class Seen(msgspec.Struct, frozen=True):
    """What became of a shot, and how it looked where it arrived."""

    result: Result
    place: str = ""
    """The pod, `host` or `world` where it arrived."""
    arrival: Arrival | None = None


class Pod(msgspec.Struct, frozen=True):
    """One pod of the test bed."""

    name: str
    addresses: tuple[Address, ...]
    interface: str
    """The node's end of the veth."""
    mac: bytes


class PodsNet:
    """A node with pods and a way out."""

    def __init__(self, namespaces: Namespaces, node_addresses: Sequence[Address] = ()) -> None:
        """Set the node up as a router with an uplink."""
        self.namespaces = namespaces
        self.pods: dict[str, Pod] = {}
        self._sockets: dict[str, socket.socket] = {}
        self._number = 0
        self._made = 0
        namespaces.sysctl(_ROUTER)
        self._make_world(node_addresses)
        self._markers = namespaces.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(BARRIER))
        self._host_in = {
            namespaces.socket(INET[family], socket.SOCK_RAW, protocol): (family, protocol)
            for family in (4, 6)
            for protocol in _PROTOCOLS_TO_HOST
        }
        self._host_out = {
            family: namespaces.socket(INET[family], socket.SOCK_RAW, socket.IPPROTO_RAW) for family in (4, 6)
        }
        self.node_addresses = tuple(node_addresses)

    def close(self) -> None:
        """Close every socket. The namespaces are their owner's."""
        opened = (*self._sockets.values(), *self._host_in, *self._host_out.values(), self._markers)
        for opened_socket in opened:
            opened_socket.close()

    # --- pods -----------------------------------------------------------------------------------------------

    def add(self, pods: dict[str, Sequence[Address]], *, stack: bool = False) -> list[Pod]:
        """Make pods by name and addresses."""
        made = []
        for name, addresses in pods.items():
            self._made += 1
            mac = b"\x02\0\0" + self._made.to_bytes(3)
            made.append(Pod(name, tuple(addresses), f"cali{self._made:08x}", mac))
        self.namespaces.create(*pods)
        self._batch(line for pod in made for line in self._node_lines(pod, stack))
        for pod in made:
            self._set_up(pod, stack)
            self.pods[pod.name] = pod
        return made

    def remove(self, *names: str) -> None:
        """Take pods away with their veths."""
        self._batch(f"link del {self.pods[name].interface}" for name in names)
        for name in names:
            self._sockets.pop(name).close()
            del self.pods[name]
        self.namespaces.drop(*names)

    def readdress(self, pods: Mapping[str, Sequence[Address]]) -> None:
        """Give silent pods other addresses, also such as others of them had before."""
        lines: list[str] = []
        for name in pods:
            old = self.pods[name]
            lines += (
                f"route del {address}/{_width(address)} dev {old.interface}" for address in old.addresses
            )
        for name, addresses in pods.items():
            self.pods[name] = msgspec.structs.replace(self.pods[name], addresses=tuple(addresses))
            lines += self._route_lines(self.pods[name], stack=False)
        self._batch(lines)

    def replace(self, pods: Mapping[str, Sequence[Address]]) -> None:
        """Put new pods in the places of silent ones: other addresses, and interfaces of new names."""
        old = {name: self.pods[name] for name in pods}
        lines = [
            f"route del {address}/{_width(address)} dev {pod.interface}"
            for pod in old.values()
            for address in pod.addresses
        ]
        for name, addresses in pods.items():
            self._made += 1
            interface = f"cali{self._made:08x}"
            lines.append(f"link set dev {old[name].interface} name {interface}")
            self.pods[name] = msgspec.structs.replace(
                old[name], addresses=tuple(addresses), interface=interface
            )
        for name in pods:
            lines += self._route_lines(self.pods[name], stack=False)
        self._batch(lines)

    def _node_lines(self, pod: Pod, stack: bool) -> Iterator[str]:
        path = self.namespaces.path(pod.name)
        yield (
            f"link add dev {pod.interface} address {_mac(NODE_MAC)} type veth "
            f"peer name eth0 address {_mac(pod.mac)} netns {path}"
        )
        yield f"link set {pod.interface} up"
        yield from self._route_lines(pod, stack)

    def _route_lines(self, pod: Pod, stack: bool) -> Iterator[str]:
        for address in pod.addresses:
            yield f"route add {address}/{_width(address)} dev {pod.interface}"
            if not stack:
                yield (f"neigh replace {address} lladdr {_mac(pod.mac)} dev {pod.interface} nud permanent")

    def _set_up(self, pod: Pod, stack: bool) -> None:
        quiet = {"net.ipv6.conf.eth0.accept_dad": 0, "net.ipv6.conf.eth0.router_solicitations": 0}
        self.namespaces.sysctl(quiet if stack else {"net.ipv6.conf.eth0.disable_ipv6": 1}, at=pod.name)
        self.namespaces.run("ip", "link", "set", "eth0", "up", at=pod.name)
        if stack:
            self.namespaces.sysctl(
                {
                    f"net.ipv4.conf.{pod.interface}.proxy_arp": 1,
                    f"net.ipv4.neigh.{pod.interface}.proxy_delay": 0,
                }
            )
            self._batch(_stack_lines(pod), at=pod.name)
        self._sockets[pod.name] = self._packet_socket(pod.name)

    def _packet_socket(self, name: str) -> socket.socket:
        found = self.namespaces.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3), at=name)
        found.bind(("eth0", 3))
        found.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        found.setblocking(False)
        return found

    def _make_world(self, node_addresses: Sequence[Address]) -> None:
        self.namespaces.create(WORLD)
        path = self.namespaces.path(WORLD)
        lines = [
            f"link add dev {UPLINK} address {_mac(NODE_MAC)} type veth peer name eth0 netns {path}",
            f"link set {UPLINK} up",
        ]
        lines += [f"addr add {address}/{_width(address)} dev {UPLINK}" for address in node_addresses]
        for gateway in ("169.254.99.1", "fe80::99"):
            lines.append(f"neigh add {gateway} lladdr {_mac(_WORLD_MAC)} dev {UPLINK} nud permanent")
            lines.append(f"route add default via {gateway} dev {UPLINK} onlink")
        self._batch(lines)
        self.namespaces.sysctl({"net.ipv6.conf.eth0.disable_ipv6": 1}, at=WORLD)
        self.namespaces.run("ip", "link", "set", "eth0", "address", _mac(_WORLD_MAC), "up", at=WORLD)
        self._sockets[WORLD] = self._packet_socket(WORLD)

    def _batch(self, lines: Iterable[str], at: str = NODE) -> None:
        self.namespaces.run("ip", "-batch", "-", at=at, stdin="\n".join(lines) + "\n")

    # --- probes ---------------------------------------------------------------------------------------------

    @property
    def next_number(self) -> int:
        """The number that the next shot gets."""
        return self._number + 1

    def probe(self, shots: Sequence[Shot]) -> list[Seen]:
        """Send each shot once and return what became of it, in order."""
        seen: list[Seen] = []
        with _on_one_cpu():
            for start in range(0, len(shots), _CHUNK):
                seen += self._probe_chunk(shots[start : start + _CHUNK])
        return seen

    def forget_arrivals(self) -> None:
        """Throw away what has arrived outside of probes, so that there is room for what they send."""
        for opened in self._sockets.values():
            with suppress(BlockingIOError):
                while True:
                    opened.recv(1)

    def _probe_chunk(self, shots: Sequence[Shot]) -> list[Seen]:
        first = self._number + 1
        self._number += len(shots)
        for number, shot in enumerate(shots, start=first):
            self._send(shot, number)
        arrived: dict[int, Seen] = {}
        self._flush(arrived)
        return [arrived.get(first + offset, Seen(Result.LOST)) for offset in range(len(shots))]

    def _send(self, shot: Shot, number: int) -> None:
        if shot.origin == HOST:
            self._host_out[shot.source.family].sendto(packet(shot, number), (str(shot.destination), 0))
        else:
            mac = _WORLD_MAC if shot.origin == WORLD else self.pods[shot.origin].mac
            self._sockets[shot.origin].send(frame(shot, number, NODE_MAC, mac))

    def _flush(self, arrived: dict[int, Seen]) -> None:
        """Send markers through all veths and back, and take in what comes before them."""
        mark = struct.pack("!HI", BARRIER, self._number)
        for opened in self._sockets.values():
            opened.send(NODE_MAC + bytes(6) + mark)
        deadline = time.monotonic() + _DEADLINE_S
        for _ in self._sockets:
            _wait(self._markers, deadline)
            self._markers.recv(64)
        for name in self._sockets:
            interface = UPLINK if name == WORLD else self.pods[name].interface
            self._markers.sendto(NODE_MAC + bytes(6) + mark, (interface, BARRIER))
        for name, opened in self._sockets.items():
            while (data := _frame(opened, deadline))[12:18] != mark:
                _take(arrived, name, parse(data[14:]))
        for opened, (family, protocol) in self._host_in.items():
            while _ready(opened):
                data, sender = opened.recvfrom(2048)
                if family == 4:
                    arrival = parse(data)
                else:
                    ends = Address.parse(sender[0].partition("%")[0]), Address(6, 0)
                    arrival = parse_transport(ends, protocol, data)
                _take(arrived, HOST, arrival)


def _take(arrived: dict[int, Seen], place: str, arrival: Arrival | None) -> None:
    """Note an arrival. A delivery counts more than a refusal: the node's own stack refuses what it got."""
    if arrival is None:
        return
    known = arrived.get(arrival.number)
    if known is None or (known.result is Result.REFUSED and not arrival.refusal):
        result = Result.REFUSED if arrival.refusal else Result.DELIVERED
        arrived[arrival.number] = Seen(result, place, arrival)


def _ready(opened: socket.socket) -> bool:
    return bool(select.select([opened], [], [], 0)[0])


def _wait(opened: socket.socket, deadline: float) -> None:
    if not select.select([opened], [], [], max(0.0, deadline - time.monotonic()))[0]:
        raise TimeoutError("a marker frame got lost: the test bed is broken")


def _frame(opened: socket.socket, deadline: float) -> bytes:
    try:
        return opened.recv(4096)
    except BlockingIOError:
        _wait(opened, deadline)
        return opened.recv(4096)


@contextmanager
def _on_one_cpu() -> Iterator[None]:
    """Keep this thread on one CPU: only there do veths keep the order in which packets were sent."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _stack_lines(pod: Pod) -> Iterator[str]:
    for address in pod.addresses:
        yield f"addr add {address}/{_width(address)} dev eth0"
        gateway = "169.254.1.1" if address.family == 4 else NODE_LINK_LOCAL
        if address.family == 4:
            yield f"route replace {gateway} dev eth0 scope link"
        yield f"route replace default via {gateway} dev eth0"


def _width(address: Address) -> int:
    return 32 if address.family == 4 else 128


def _mac(value: bytes) -> str:
    return value.hex(":")


_ROUTER = {
    "net.ipv4.ip_forward": 1,
    "net.ipv6.conf.all.forwarding": 1,
    "net.ipv6.conf.default.forwarding": 1,
    "net.ipv6.conf.default.accept_dad": 0,
    "net.ipv6.conf.all.accept_dad": 0,
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "net.netfilter.nf_conntrack_acct": 1,
}
