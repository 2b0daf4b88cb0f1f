"""Addresses of the embedded cluster, and the `ip` commands that make its links. Pure.

Pods are routed, as Calico does it: each has one veth whose node end begins with `cali`, an address of its own
per family, and its default route through the node. Nodes are joined by the namespace `world`, which has a
route to the pods of each, and beyond which the outside begins.
"""

import hashlib
import ipaddress
from collections.abc import Iterator
from typing import Final

import msgspec

WORLD: Final = "world"
"""The network namespace between the nodes: the API server and the simulated outside have their sockets
there."""
WORLD_ADDRESSES: Final = ("172.31.0.1", "fd00:172:31::1")
POD_NETS: Final = ("10.65.0.0/16", "fd00:10:65::/48")
DNS_ADDRESS: Final = "10.96.0.10"
API_ADDRESS: Final = "10.96.0.1"
API_PORT: Final = 6443
NODES_AT_MOST: Final = 200
_PODS_OF_NODE: Final = range(2, 255)
_NODE_MAC: Final = "ee:ee:ee:ee:ee:ee"
_WORLD_LINK_LOCAL: Final = "fe80::1"
_NODE_LINK_LOCAL: Final = "fe80::ecee:eeff:feee:eeee"
_GATEWAY: Final = "169.254.1.1"

ROUTER: Final = {
    "net.ipv4.ip_forward": 1,
    "net.ipv6.conf.all.forwarding": 1,
    "net.ipv6.conf.all.accept_dad": 0,
    "net.ipv6.conf.default.accept_dad": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv4.conf.all.rp_filter": 0,
}
"""What a namespace needs that passes packets on."""
LEAF: Final[dict[str, int | str]] = {
    "net.ipv6.conf.default.accept_dad": 0,
    "net.ipv6.conf.default.router_solicitations": 0,
    "net.ipv4.ping_group_range": "0 0",
    "net.ipv4.ip_unprivileged_port_start": 0,
}
"""What a pod's namespace needs: its addresses are its own, so none need be defended, and its ports too."""


class NodePlace(msgspec.Struct, frozen=True):
    """Where a node is in the cluster's network; `number` counts from 1 to NODES_AT_MOST."""

    number: int

    @property
    def addresses(self) -> tuple[str, str]:
        """Its own addresses."""
        return f"172.31.0.{self.number + 10}", f"fd00:172:31::{self.number + 10:x}"

    @property
    def pod_nets(self) -> tuple[str, str]:
        """The networks of its pods."""
        return f"10.65.{self.number}.0/24", f"fd00:10:65:{self.number:x}::/64"

    @property
    def link(self) -> str:
        """The world's end of its uplink."""
        return f"node{self.number}"

    def pod_addresses(self) -> Iterator[tuple[str, str]]:
        """Yield the addresses that its pods may have."""
        four, six = (ipaddress.ip_network(net) for net in self.pod_nets)
        for number in _PODS_OF_NODE:
            yield str(four[number]), str(six[number])


def world_lines() -> list[str]:
    """Return what gives the world its addresses."""
    four, six = WORLD_ADDRESSES
    return ["link set lo up", f"addr add {four}/32 dev lo", f"addr add {six}/128 dev lo nodad"]


def outside_lines(addresses: list[str]) -> list[str]:
    """Return what gives the world the addresses of the simulated outside."""
    return [
        f"addr add {address}/{128 if ':' in address else 32} dev lo{_settled(address)}"
        for address in addresses
    ]


def uplink_lines(place: NodePlace, node_path: str) -> list[str]:
    """Return what joins a node to the world, for the world's side."""
    lines = [
        f"link add dev {place.link} type veth peer name uplink netns {node_path}",
        f"addr add {_WORLD_LINK_LOCAL}/64 dev {place.link} nodad",
        f"link set {place.link} up",
    ]
    for address, pods in zip(place.addresses, place.pod_nets, strict=True):
        lines.append(f"route add {address} dev {place.link}")
        lines.append(f"route add {pods} via {address} dev {place.link} onlink")
    return lines


def _settled(address: str) -> str:
    """Return what makes an IPv6 address usable at once: there is nobody else who could have it."""
    return " nodad" if ":" in address else ""


def node_lines(place: NodePlace) -> list[str]:
    """Return what joins a node to the world, for the node's side."""
    lines = ["link set lo up", "link set uplink up"]
    four, six = place.addresses
    lines += [
        f"addr add {four}/32 dev uplink",
        f"route add {WORLD_ADDRESSES[0]} dev uplink",
        f"route add default via {WORLD_ADDRESSES[0]} dev uplink onlink",
        # No node answers for an IPv6 address of another of its links, as it does for IPv4.
        f"addr add {six}/128 dev uplink nodad",
        f"route add {WORLD_ADDRESSES[1]} via {_WORLD_LINK_LOCAL} dev uplink",
        f"route add default via {_WORLD_LINK_LOCAL} dev uplink",
    ]
    for pods in place.pod_nets:
        lines.append(f"route add blackhole {pods}")  # an address that no pod has goes nowhere
    return lines


def interface_of(uid: str) -> str:
    """Return the name of the node's end of a pod's veth."""
    return "cali" + hashlib.sha256(uid.encode()).hexdigest()[:11]


def pod_outside_lines(interface: str, pod_path: str, addresses: tuple[str, str]) -> list[str]:
    """Return what gives a pod its veth, for the node's side."""
    return [
        f"link add dev {interface} address {_NODE_MAC} type veth peer name eth0 netns {pod_path}",
        f"link set {interface} up",
        *(f"route add {address} dev {interface}" for address in addresses),
    ]


def pod_outside_settings(interface: str) -> dict[str, int]:
    """Return the parameters by which a node answers for everything that its pods look for."""
    return {f"net.ipv4.conf.{interface}.proxy_arp": 1, f"net.ipv4.neigh.{interface}.proxy_delay": 0}


def pod_inside_lines(addresses: tuple[str, str]) -> list[str]:
    """Return what gives a pod its addresses and its way out."""
    four, six = addresses
    return [
        "link set lo up",
        f"addr add {four}/32 dev eth0",
        f"addr add {six}/128 dev eth0 nodad",
        "link set eth0 up",
        f"route add {_GATEWAY} dev eth0 scope link",
        f"route add default via {_GATEWAY} dev eth0",
        f"route add default via {_NODE_LINK_LOCAL} dev eth0",
    ]
