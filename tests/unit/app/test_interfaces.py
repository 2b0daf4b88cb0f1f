"""Which interface is whose."""

import pytest

from ocicat.app.agent.interfaces import assigned
from ocicat.dataplane.routes import RouteTable
from ocicat.engine.policy import Entity, EntityKey, EntityKind
from ocicat.model.net import Address, Prefix


def pod(name, *addresses):
    return Entity(
        EntityKey(EntityKind.WORKLOAD, "a", name), addresses=tuple(map(Address.parse, addresses)), node="n1"
    )


def table(**routes):
    """`cali1="10.0.0.1/32 fd00::1/128"`."""
    return RouteTable({Prefix.parse(text): name for name, texts in routes.items() for text in texts.split()})


ROUTES = table(
    cali1="10.0.0.1/32 fd00::1/128",
    cali2="10.0.0.2/32",
    cali3="fd00::2/128",
    cni0="10.1.0.0/24",
    eth0="0.0.0.0/0",
)


@pytest.mark.parametrize(
    ("addresses", "interface"),
    [
        (("10.0.0.1",), "cali1"),
        (("10.0.0.1", "fd00::1"), "cali1"),
        (("10.0.0.1", "fd00::9"), "cali1"),
        (("fd00::2",), "cali3"),
    ],
)
def test_the_interface_is_that_of_the_route(addresses, interface):
    one = pod("p", *addresses)
    assert assigned([one], ROUTES, "cali").interfaces == {one.key: interface}


@pytest.mark.parametrize(
    ("addresses", "reason"),
    [
        (("10.1.0.7",), "the route to 10.1.0.7 is over cni0, whose name does not begin with cali"),
        (("192.0.2.1",), "the route to 192.0.2.1 is over eth0, whose name does not begin with cali"),
        (("fd00::9",), "the node has no route to fd00::9"),
        (("10.0.0.2", "fd00::2"), "its addresses are routed over several interfaces: cali2, cali3"),
    ],
)
def test_a_pod_without_its_own_interface_is_told(addresses, reason):
    one = pod("p", *addresses)
    found = assigned([one], ROUTES, "cali")
    assert found.interfaces == {}
    assert found.unenforced == {one.key: reason}


def test_an_interface_has_one_pod():
    first, second = pod("p", "10.0.0.1"), pod("q", "fd00::1")
    for order in ([first, second], [second, first]):
        found = assigned(order, ROUTES, "cali")
        assert found.interfaces == {second.key: "cali1"}
        assert found.unenforced == {first.key: "its interface cali1 is also that of a/q"}


def test_the_prefix_is_a_setting():
    one = pod("p", "10.1.0.7")
    assert assigned([one], ROUTES, "cni").interfaces == {one.key: "cni0"}


def test_the_most_specific_route_counts():
    routes = table(eth0="0.0.0.0/0", cali1="10.0.0.0/8", cali2="10.0.0.0/16", cali3="10.0.0.5/32")
    assert [
        routes.interface(Address.parse(text)) for text in ("10.0.0.5", "10.0.9.9", "10.9.9.9", "9.9.9.9")
    ] == [
        "cali3",
        "cali2",
        "cali1",
        "eth0",
    ]
