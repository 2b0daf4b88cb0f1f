"""Whose an address is, and which Service was dialled: policy-semantics §11.5 to §11.7."""

import pytest

from ocicat.engine.convert import FrontPort, ServicePorts
from ocicat.engine.identity import (
    NO_SERVICE,
    DialledService,
    FlowEnd,
    IdentityIndex,
    ServiceIndex,
    attributed_service,
    flow_ends,
    merged_labels,
    shown_labels,
)
from ocicat.engine.policy import Entity, EntityKey, EntityKind
from ocicat.model.net import Address, Prefix
from ocicat.model.record import EndType


def at(text: str) -> Address:
    return Address.parse(text)


def pod(name: str, namespace: str, *addresses: str, shown: str = "", **labels: str) -> Entity:
    key = EntityKey(EntityKind.WORKLOAD, namespace, name)
    return Entity(key, labels, addresses=tuple(map(at, addresses)), shown_name=shown)


def host(name: str, node: str, address: str) -> Entity:
    key = EntityKey(EntityKind.HOST, "", name)
    return Entity(key, {"role": "host"}, addresses=(at(address),), node=node, shown_name=node)


def node(name: str, address: str) -> Entity:
    return Entity(EntityKey(EntityKind.NODE, "", name), addresses=(at(address),), node=name)


def network_set(name: str, namespace: str, *nets: str, **labels: str) -> Entity:
    key = EntityKey(EntityKind.NETWORK_SET, namespace, name)
    return Entity(key, labels, nets=tuple(Prefix.parse(net, strict=False) for net in nets))


def named(*entities: Entity, source: str, destination: str = "203.0.113.1") -> tuple[str, str]:
    """Return the names of both ends, with their namespaces."""
    ends = flow_ends(IdentityIndex.of(entities), at(source), at(destination))
    return f"{ends[0].namespace}/{ends[0].name}", f"{ends[1].namespace}/{ends[1].name}"


# --- §11.5, the table ---------------------------------------------------------------------------------------

WEB = pod("web-7d9f6-x2x4z", "prod", "10.0.0.1", "fd00::1", shown="web-7d9f6-*", app="web")
BARE = pod("db-0", "prod", "10.0.0.2")
HOST = host("n1-eth0", "n1", "172.18.0.2")
SET = network_set("partners", "prod", "192.0.2.0/24", kind="partner")
GLOBAL_SET = network_set("world", "", "198.51.100.0/24")
EVERYBODY = (WEB, BARE, HOST, SET, GLOBAL_SET, node("n2", "172.18.0.3"))

ENDS = [
    ("10.0.0.1", FlowEnd(EndType.WORKLOAD, "web-7d9f6-*", "prod", ("app=web",))),
    ("fd00::1", FlowEnd(EndType.WORKLOAD, "web-7d9f6-*", "prod", ("app=web",))),
    ("10.0.0.2", FlowEnd(EndType.WORKLOAD, "db-0", "prod")),
    # "HostEndpoint | the node name … | `-`"
    ("172.18.0.2", FlowEnd(EndType.HOST, "n1", "-", ("role=host",))),
    # "set name | its namespace, or `-` for global"
    ("192.0.2.7", FlowEnd(EndType.NETWORK_SET, "partners", "prod", ("kind=partner",))),
    ("198.51.100.7", FlowEnd(EndType.NETWORK_SET, "world", "-")),
    # A node without a HostEndpoint is just an address.
    ("172.18.0.3", FlowEnd(EndType.NETWORK, "pvt", "-")),
    # "`pvt` if in 10/8, 172.16/12, 192.168/16; else `pub`"
    ("10.255.255.255", FlowEnd(EndType.NETWORK, "pvt", "-")),
    ("172.31.0.1", FlowEnd(EndType.NETWORK, "pvt", "-")),
    ("172.32.0.1", FlowEnd(EndType.NETWORK, "pub", "-")),
    ("192.168.0.1", FlowEnd(EndType.NETWORK, "pvt", "-")),
    # "**all IPv6, loopback, link-local and 100.64/10 are `pub`**"
    ("fd00::9", FlowEnd(EndType.NETWORK, "pub", "-")),
    ("127.0.0.1", FlowEnd(EndType.NETWORK, "pub", "-")),
    ("169.254.0.1", FlowEnd(EndType.NETWORK, "pub", "-")),
    ("100.64.0.1", FlowEnd(EndType.NETWORK, "pub", "-")),
]


@pytest.mark.parametrize(("address", "expected"), ENDS)
def test_either_end(address: str, expected: FlowEnd) -> None:
    index = IdentityIndex.of(EVERYBODY)
    other = "fd00::ffff" if ":" in address else "203.0.113.1"
    assert flow_ends(index, at(address), at(other))[0] == expected
    assert flow_ends(index, at(other), at(address))[1] == expected


def test_an_endpoint_comes_before_a_network_set() -> None:
    """§11.5: "endpoint owning the IP … else network set, else network"."""
    around = network_set("around", "prod", "10.0.0.1/32")
    assert named(around, WEB, source="10.0.0.1")[0] == "prod/web-7d9f6-*"


def test_of_several_endpoints_the_most_recently_added_counts() -> None:
    old, new = pod("old", "a", "10.0.0.9"), pod("new", "b", "10.0.0.9")
    assert named(old, new, source="10.0.0.9")[0] == "b/new"
    assert named(new, old, source="10.0.0.9")[0] == "a/old"


# --- §11.5, the choice of a network set ---------------------------------------------------------------------

WIDE_IN_A = network_set("wide", "a", "198.0.0.0/8")
NARROW_IN_A = network_set("narrow", "a", "198.51.0.0/16")
WIDE_GLOBAL = network_set("gwide", "", "198.0.0.0/8")
HOST_GLOBAL = network_set("ghost", "", "198.51.100.7/32")
HOST_IN_B = network_set("host", "b", "198.51.100.7/32")
IN_A = pod("p", "a", "10.0.0.1")
IN_B = pod("p", "b", "10.0.0.2")
OUTSIDE = "198.51.100.7"

CHOICES = [
    # "(a) sets in the preferred namespace, else (b) global sets, else (c) any other"
    ((WIDE_IN_A, HOST_GLOBAL, HOST_IN_B), "10.0.0.1", "a/wide"),
    ((WIDE_IN_A, HOST_GLOBAL, HOST_IN_B), "10.0.0.2", "b/host"),
    ((WIDE_IN_A, HOST_IN_B, WIDE_GLOBAL), "203.0.113.1", "-/gwide"),
    ((WIDE_IN_A,), "10.0.0.2", "a/wide"),
    # "**within the class** the longest prefix"
    ((WIDE_IN_A, NARROW_IN_A), "10.0.0.1", "a/narrow"),
    ((WIDE_GLOBAL, HOST_GLOBAL), "10.0.0.1", "-/ghost"),
    ((WIDE_IN_A, HOST_IN_B), "203.0.113.1", "b/host"),
    # "So a /8 in the preferred namespace beats a /32 global set."
    ((HOST_GLOBAL, WIDE_IN_A), "10.0.0.1", "a/wide"),
    # "ties → lowest key string"
    ((network_set("z", "a", "198.0.0.0/8"), network_set("y", "a", "198.0.0.0/8")), "10.0.0.1", "a/y"),
    ((network_set("z", "", "198.0.0.0/8"), network_set("y", "", "198.0.0.0/8")), "10.0.0.1", "-/y"),
    ((network_set("a", "z", "198.0.0.0/8"), network_set("z", "y", "198.0.0.0/8")), "10.0.0.1", "y/z"),
    # One set, many prefixes; the other family does not matter.
    ((network_set("many", "", "198.51.0.0/16", "198.0.0.0/8", "::/0"), WIDE_GLOBAL), "10.0.0.1", "-/many"),
    ((network_set("all", "", "0.0.0.0/0"),), "10.0.0.1", "-/all"),
    ((network_set("six", "", "::/0"),), "10.0.0.1", "-/pub"),
]


@pytest.mark.parametrize(("sets", "peer", "expected"), CHOICES)
def test_the_choice_of_a_network_set(sets: tuple[Entity, ...], peer: str, expected: str) -> None:
    """The same at both ends: the peer is an endpoint here, or nobody."""
    for order in (sets, sets[::-1]):
        assert named(IN_A, IN_B, *order, source=OUTSIDE, destination=peer)[0] == expected
        assert named(IN_A, IN_B, *order, source=peer, destination=OUTSIDE)[1] == expected


def test_the_destination_prefers_no_set_for_the_source_unless_it_is_an_endpoint() -> None:
    """§11.5: "source is resolved first, using the destination's namespace only if that is an endpoint"."""
    sets = (
        network_set("from", "b", "192.0.2.0/24"),
        network_set("from", "c", "192.0.2.0/24"),
        network_set("to", "c", "198.51.100.0/24"),
    )
    assert named(*sets, source="192.0.2.1", destination="198.51.100.1") == ("b/from", "c/to")
    endpoint = pod("p", "c", "198.51.100.1")
    assert named(*sets, endpoint, source="192.0.2.1", destination="198.51.100.1") == ("c/from", "c/p")


def test_the_source_prefers_a_set_for_the_destination_even_if_it_is_a_set() -> None:
    """§11.5: "then destination, using the source's"."""
    sets = (
        network_set("from", "c", "192.0.2.0/24"),
        network_set("to", "a", "198.51.100.0/24"),
        network_set("to", "c", "198.51.100.0/24"),
    )
    assert named(*sets, source="192.0.2.1", destination="198.51.100.1") == ("c/from", "c/to")


def test_a_host_or_a_global_set_at_the_other_side_prefers_no_namespace() -> None:
    sets = (WIDE_IN_A, HOST_IN_B)
    assert named(HOST, *sets, source=OUTSIDE, destination="172.18.0.2")[0] == "b/host"
    assert named(GLOBAL_SET, network_set("x", "x", "203.0.113.0/24"), source=OUTSIDE)[1] == "x/x"


# --- §11.7 --------------------------------------------------------------------------------------------------


def test_labels_are_sorted_and_without_implicit_ones() -> None:
    """§16.8: keys with the prefix are always dropped."""
    labels = {"b": "2", "a": "1", "projectcalico.org/namespace": "x", "not/projectcalico.org": "3"}
    assert shown_labels(labels) == ("a=1", "b=2", "not/projectcalico.org=3")


def test_merged_labels_are_what_both_have() -> None:
    assert merged_labels(("a=1", "b=2", "c=3"), ("c=3", "b=9", "a=1")) == ("a=1", "c=3")


# --- §11.6 --------------------------------------------------------------------------------------------------

VIP, EXTERNAL, NODE, POD = at("10.96.0.1"), at("192.0.2.10"), at("172.18.0.2"), at("10.0.0.1")
TCP, UDP = 6, 17
SERVICES = ServiceIndex.of(
    [
        ServicePorts(
            "prod", "web", (VIP, EXTERNAL), (FrontPort("http", TCP, 80, 30080), FrontPort("dns", UDP, 53))
        ),
        ServicePorts("prod", "bare", (at("10.96.0.2"),), (FrontPort("", TCP, 80, 30081),)),
        # The same externalIP and port, in part.
        ServicePorts("prod", "api", (at("192.0.2.11"),), (FrontPort("http", TCP, 80, 30090),)),
        ServicePorts("dev", "api", (at("192.0.2.11"),), (FrontPort("web", TCP, 80, 30090),)),
        ServicePorts("prod", "other", (at("192.0.2.12"),), (FrontPort("http", TCP, 80),)),
        ServicePorts("prod", "another", (at("192.0.2.12"),), (FrontPort("http", TCP, 80),)),
        # One Service, two names for one port.
        ServicePorts("prod", "twice", (at("10.96.0.3"),), (FrontPort("a", TCP, 80), FrontPort("", TCP, 80))),
    ]
)


ATTRIBUTIONS = [
    # "look up (pre-DNAT address, port, protocol) among services' clusterIPs and externalIPs"
    (True, VIP, 80, TCP, DialledService("prod", "web", "http", 80)),
    (True, EXTERNAL, 80, TCP, DialledService("prod", "web", "http", 80)),
    (True, VIP, 53, UDP, DialledService("prod", "web", "dns", 53)),
    (True, VIP, 80, UDP, NO_SERVICE),
    (True, VIP, 81, TCP, NO_SERVICE),
    # "if none, (port, protocol) among node ports"
    (True, NODE, 30080, TCP, DialledService("prod", "web", "http", 30080)),
    (True, at("203.0.113.9"), 30080, TCP, DialledService("prod", "web", "http", 30080)),
    (True, NODE, 30080, UDP, NO_SERVICE),
    # "If not DNATed and the destination is a node address: node-port lookup by destination port."
    (False, NODE, 30080, TCP, DialledService("prod", "web", "http", 30080)),
    (False, at("172.18.0.9"), 30080, TCP, NO_SERVICE),
    (False, VIP, 80, TCP, NO_SERVICE),
    (False, NODE, 80, TCP, NO_SERVICE),
    # "Several services: fields that differ become `*` (name, namespace and port name independently)."
    (True, at("192.0.2.11"), 80, TCP, DialledService("*", "api", "*", 80)),
    (True, NODE, 30090, TCP, DialledService("*", "api", "*", 30090)),
    (True, at("192.0.2.12"), 80, TCP, DialledService("prod", "*", "http", 80)),
    # "One service with several port names for the same port/protocol: port name `*`."
    (True, at("10.96.0.3"), 80, TCP, DialledService("prod", "twice", "*", 80)),
    # "Unnamed port: port name `-`."
    (True, at("10.96.0.2"), 80, TCP, DialledService("prod", "bare", "-", 80)),
    # A Service without node port does not answer on node port 0.
    (True, NODE, 0, TCP, NO_SERVICE),
]


@pytest.mark.parametrize(("natted", "address", "port", "protocol", "expected"), ATTRIBUTIONS)
def test_attribution(
    natted: bool, address: Address, port: int, protocol: int, expected: DialledService
) -> None:
    asked = (address, port)
    destination, dialled = ((POD, 8080), asked) if natted else (asked, None)
    assert attributed_service(SERVICES, protocol, destination, dialled, {NODE}) == expected


def test_nat_to_where_it_went_anyway_is_none() -> None:
    assert attributed_service(SERVICES, TCP, (VIP, 80), (VIP, 80), {NODE}) == NO_SERVICE


def test_no_service_is_dashes_and_port_0() -> None:
    """§11.6: "No service: name, namespace, port name `-`, port 0"."""
    assert (NO_SERVICE.namespace, NO_SERVICE.name, NO_SERVICE.port_name, NO_SERVICE.port) == (
        "-",
        "-",
        "-",
        0,
    )
