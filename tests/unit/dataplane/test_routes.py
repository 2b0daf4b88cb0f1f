"""The node's routes, from bytes and from the kernel."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocicat.dataplane.routes import ROUTE, Routes
from ocicat.dataplane.wire import netlink, rtnetlink
from ocicat.dataplane.wire.netlink import Message, WireError
from ocicat.model.net import Address, Prefix


def route_message(head: str, attributes: bytes = b"") -> Message:
    return Message(rtnetlink.NEW_ROUTE, 0, 1, 0, bytes.fromhex(head) + attributes)


def attribute(kind: int, hexadecimal: str) -> bytes:
    return netlink.attribute(kind, bytes.fromhex(hexadecimal))


HOST_ROUTE = route_message(
    "02 20 00 00 fe 04 00 01 00000000",
    attribute(15, "fe000000") + attribute(1, "0a000001") + attribute(4, "07000000"),
)
"""10.0.0.1/32 over interface 7, table main, unicast."""


def test_a_route_to_one_address():
    assert rtnetlink.route_of(HOST_ROUTE) == rtnetlink.Route(Prefix.parse("10.0.0.1/32"), 7)


def test_a_default_route_has_no_destination():
    told = route_message("0a 00 00 00 fe 04 00 01 00000000", attribute(4, "02000000"))
    assert rtnetlink.route_of(told) == rtnetlink.Route(Prefix.parse("::/0"), 2)


@pytest.mark.parametrize(
    ("head", "attributes"),
    [
        ("02 20 00 00 ff 02 00 02 00000000", attribute(1, "0a000001") + attribute(4, "01000000")),
        ("02 20 00 00 fe 04 00 07 00000000", attribute(1, "0a000001") + attribute(4, "01000000")),
        ("02 20 00 00 00 04 00 01 00000000", attribute(15, "e8030000") + attribute(4, "01000000")),
        ("02 00 00 00 fe 04 00 01 00000000", attribute(9, "0800000002000000")),
        ("1c 00 00 00 fe 04 00 01 00000000", attribute(4, "01000000")),
    ],
    ids=["local", "unreachable", "other table", "several ways", "other family"],
)
def test_what_is_no_way_over_one_interface_is_skipped(head, attributes):
    assert rtnetlink.route_of(route_message(head, attributes)) is None


def test_an_interface_has_index_and_name():
    told = Message(
        rtnetlink.NEW_LINK,
        0,
        1,
        0,
        bytes.fromhex("0000 0100 07000000 00000000 00000000") + attribute(3, "63616c693100"),
    )
    assert rtnetlink.link_of(told) == rtnetlink.Link(7, "cali1")


@pytest.mark.parametrize(
    "told",
    [
        route_message("02 20"),
        route_message("02 20 00 00 fe 04 00 01 00000000", attribute(1, "0a00") + attribute(4, "07000000")),
        route_message(
            "02 21 00 00 fe 04 00 01 00000000", attribute(1, "0a000001") + attribute(4, "07000000")
        ),
        route_message("02 20 00 00 fe 04 00 01 00000000", attribute(1, "0a000001") + attribute(4, "07")),
    ],
)
def test_broken_messages_are_refused(told):
    with pytest.raises(WireError):
        rtnetlink.route_of(told)


@given(st.binary(max_size=60), st.sampled_from((rtnetlink.NEW_ROUTE, rtnetlink.NEW_LINK, 99)))
def test_no_bytes_raise_anything_else(body, kind):
    told = Message(kind, 0, 1, 0, body)
    for read in (rtnetlink.route_of, rtnetlink.link_of):
        try:
            read(told)
        except WireError:
            continue


@pytest.mark.kernel
def test_routes_of_a_node_with_pods(pods_net):
    routes = Routes(lambda: pods_net.namespaces.socket(socket.AF_NETLINK, socket.SOCK_RAW, ROUTE))
    addresses = (Address.parse("10.65.0.1"), Address.parse("fd65::1"))
    (pod,) = pods_net.add({"web": addresses})
    assert routes.changed()
    assert not routes.changed()
    table = routes.read()
    assert {table.interface(address) for address in addresses} == {pod.interface}
    assert table == routes.read()
    assert routes.current() is routes.current(), "nothing has changed, so nothing is read"
    pods_net.remove("web")
    assert routes.current().interface(addresses[0]) != pod.interface
    (other,) = pods_net.add({"other": addresses[:1]})
    assert routes.changed(), "whoever notices a change does not keep it from the others"
    assert routes.current().interface(addresses[0]) == other.interface
    routes.close()
