"""Requests to the kernel, beside what `conntrack` and `nft` say of the same things."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from ocicat.dataplane import conntrack as listening
from ocicat.dataplane.conntrack import ClosedConnections, Conntrack
from ocicat.dataplane.cut import Cut, cut
from ocicat.dataplane.socket import NetlinkError, NetlinkSocket
from ocicat.dataplane.wire import netlink, nfnetlink, nftables
from ocicat.dataplane.wire.conntrack import MarkFilter
from ocicat.dataplane.wire.nftables import Code, Element, Verdict, concatenated
from ocicat.engine.policy import Direction
from ocicat.model.net import Address
from ocicat.ports.accounting import CONNECTION
from support.accounted import ADDRESSES, CLIENT, SERVER, STRANGER, Accounted, allowing, from_client
from support.kernel import namespaces, pods_net  # noqa: F401  # fixtures
from support.packets import TCP, UDP, Shot
from support.pods_net import PodsNet

pytestmark = pytest.mark.kernel

WEB = allowing(from_client(TCP, 8080), from_client(UDP, 5353))
NOT_UDP = allowing(from_client(TCP, 8080))


@pytest.fixture
def node(pods_net: PodsNet) -> Iterator[Accounted]:  # noqa: F811
    """A node that lets the client reach the server by TCP 8080 and UDP 5353."""
    made = Accounted(pods_net, [WEB])
    yield made
    made.close()


@pytest.fixture
def conntrack(node: Accounted) -> Iterator[Conntrack]:
    with Conntrack(node.opened()) as opened:
        yield opened


def datagrams(node: Accounted, *ports: int) -> None:
    """Send one datagram to the server from each of these ports."""
    shots = [
        Shot(CLIENT, *(ADDRESSES[name][0] for name in (CLIENT, SERVER)), UDP, 5353, port) for port in ports
    ]
    node.net.probe(shots)


def source_ports(conntrack: Conntrack, mark: MarkFilter | None = None) -> set[int]:
    return {found.orig.source_port for found in conntrack.each(mark=mark)}


def conntrack_says(node: Accounted) -> int:
    return len(node.net.namespaces.run("conntrack", "-L").splitlines())


# --- connections --------------------------------------------------------------------------------------------


def test_lists_filtered_by_mark(node: Accounted, conntrack: Conntrack) -> None:
    datagrams(node, 1001, 1002)
    (mark,) = {found.mark for found in conntrack.each()}
    assert source_ports(conntrack, MarkFilter(mark, 0xFFFFFFFF)) == {1001, 1002}
    assert source_ports(conntrack, MarkFilter(mark & 0xFFFF, 0xFFFF)) == {1001, 1002}
    assert source_ports(conntrack, MarkFilter(mark + 1, 0xFFFFFFFF)) == set()
    assert len(conntrack.table(mark=MarkFilter(mark, 0xFFFFFFFF))) == 2


def test_counters_that_are_set_to_zero(node: Accounted, conntrack: Conntrack) -> None:
    datagrams(node, 1001)
    assert [found.sent.packets for found in conntrack.each(zero=True) if found.sent] == [1]
    assert [found.sent.packets for found in conntrack.each() if found.sent] == [0]


def test_one_connection_is_deleted(node: Accounted, conntrack: Conntrack) -> None:
    datagrams(node, 1001, 1002)
    found = {item.orig.source_port: item for item in conntrack.each()}
    assert not conntrack.delete(found[1001].orig, id=found[1001].id ^ 1)
    assert conntrack.delete(found[1001].orig, id=found[1001].id)
    assert not conntrack.delete(found[1001].orig)
    assert source_ports(conntrack) == {1002}
    assert conntrack_says(node) == 1


def test_connections_are_deleted_by_mark(node: Accounted, conntrack: Conntrack) -> None:
    datagrams(node, 1001, 1002)
    with node.tcp_server(8080, 1):
        node.tcp_request("10.65.0.2", 8080, 1)
    (mark,) = {found.mark for found in conntrack.each() if found.orig.protocol == UDP}
    conntrack.delete_marked(MarkFilter(mark & 0xFFFF0000, 0xFFFF0000))
    assert {found.orig.protocol for found in conntrack.each()} == {TCP}


def test_the_end_of_connections_is_heard(node: Accounted) -> None:
    events = ClosedConnections(node.opened())
    with contextlib.closing(events):
        datagrams(node, *range(1000, 1300))
        node.forget_connections()
        heard = wait_for(events, 300)
        assert events.status().lost == 0
    assert len(set(heard)) == 300


def wait_for(events: ClosedConnections, count: int) -> list[int]:
    """Return the source ports of so many closed connections."""
    pause = threading.Event()
    heard: list[int] = []
    for _ in range(1000):
        told = events.take()
        assert told.connections.dtype == CONNECTION
        heard += told.connections["source_port"].tolist()
        if len(heard) >= count:
            break
        pause.wait(0.01)
    return heard


def test_events_that_nobody_fetches_are_dropped_and_counted(node: Accounted) -> None:
    events = ClosedConnections(node.opened(), most=100)
    with contextlib.closing(events):
        datagrams(node, *range(1000, 1300))
        node.forget_connections()
        pause = threading.Event()
        for _ in range(1000):
            status = events.status()
            if status.waiting + status.lost == 300:
                break
            pause.wait(0.01)
        told = events.take()
    assert len(told.connections) <= 100
    assert len(told.connections) + told.lost == 300


def test_events_without_room_come_again(node: Accounted, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel keeps what the socket cannot hold, and sends it again: nothing is lost."""
    monkeypatch.setattr(listening, "RECEIVE_BUFFER", 1)
    events = ClosedConnections(node.opened())
    with contextlib.closing(events):
        datagrams(node, *range(1000, 1300))
        node.forget_connections()
        heard = wait_for(events, 300)
        postponed = events.status().postponed
    assert len(set(heard)) == 300
    assert postponed > 0


def test_the_kernel_refuses_in_words(node: Accounted) -> None:
    with NetlinkSocket(node.opened()) as opened:
        cut_off = netlink.attribute(1, b"\0\0\0")
        request = nfnetlink.request(nfnetlink.CONNTRACK, 2, netlink.ACK, opened.sequence(), cut_off)
        with pytest.raises(NetlinkError, match=r"delete nothing: .*policy validation") as caught:
            opened.ask(request, "delete nothing")
    assert caught.value.errno == 34


# --- elements -----------------------------------------------------------------------------------------------


@pytest.fixture
def change(node: Accounted) -> Iterator[Callable[..., None]]:
    """Change a map of the table `t` by one batch."""
    table = "table inet t {\nmap m { type ipv4_addr : verdict\n}\nchain far { return\n}\n}\n"
    node.net.namespaces.run("nft", "-f", "-", stdin=table)
    with NetlinkSocket(node.opened()) as opened:

        def commit(*requests: bytes, generation: int | None = None) -> None:
            *others, last = requests
            sequence = opened.sequence()
            (message,) = netlink.messages(last)
            acknowledged = netlink.message(message.type, message.flags | netlink.ACK, sequence, message.body)
            batch = nfnetlink.batch([*others, acknowledged], sequence, generation=generation)
            opened.ask(batch, "change elements")

        yield commit


def elements(node: Accounted) -> dict[bytes, Element]:
    with NetlinkSocket(node.opened()) as opened:
        request = nftables.list_request(opened.sequence(), "t", "m")
        return {
            element.key: element
            for datagram in opened.listed(request, "list")
            for message in netlink.messages(datagram)
            if message.type >> 8 == nfnetlink.NFTABLES
            for element in nftables.elements(nfnetlink.parse(message)).elements
        }


def key(number: int) -> bytes:
    return concatenated(Address(4, (10 << 24) + number).bits.to_bytes(4))


def test_elements_are_added_and_removed(node: Accounted, change: Callable[..., None]) -> None:
    told = [Element(key(number), Verdict(Code.GOTO, "far")) for number in range(5000)]
    change(*nftables.additions("t", "m", told))
    assert set(elements(node).values()) == set(told)
    listing = node.net.namespaces.run("nft", "list", "map", "inet", "t", "m")
    assert listing.count("goto far") == 5000
    gone = [Element(item.key) for item in told[1:]]
    change(*nftables.removals("t", "m", gone))
    assert list(elements(node).values()) == told[:1]
    assert "10.0.0.0 : goto far" in node.net.namespaces.run("nft", "list", "map", "inet", "t", "m")


def test_a_batch_takes_effect_as_a_whole_or_not_at_all(node: Accounted, change: Callable[..., None]) -> None:
    good = Element(key(1), Verdict(Code.ACCEPT))
    with pytest.raises(NetlinkError) as caught:
        change(*nftables.additions("t", "m", [good]), *nftables.removals("t", "m", [Element(key(2))]))
    assert caught.value.errno == 2
    assert elements(node) == {}
    change(*nftables.additions("t", "m", [good]))
    assert elements(node) == {good.key: good}


def test_a_batch_for_another_generation_is_refused(node: Accounted, change: Callable[..., None]) -> None:
    """Somebody else has changed the ruleset since: the kernel says ERESTART."""
    with NetlinkSocket(node.opened()) as opened:
        (answer,) = opened.ask(nftables.generation_request(opened.sequence()), "generation")
    generation = nftables.generation(nfnetlink.parse(answer))
    good = list(nftables.additions("t", "m", [Element(key(1), Verdict(Code.ACCEPT))]))
    with pytest.raises(NetlinkError) as caught:
        change(*good, generation=generation - 1)
    assert caught.value.errno == 85
    assert elements(node) == {}
    change(*good, generation=generation)
    assert len(elements(node)) == 1


# --- the cut ------------------------------------------------------------------------------------------------


def test_the_cut_ends_what_policy_would_refuse_and_nothing_else(
    node: Accounted, conntrack: Conntrack
) -> None:
    datagrams(node, 1001, 1002)
    with (
        node.tcp_server(8080, 5),
        node.net.namespaces.socket(socket.AF_INET, socket.SOCK_STREAM, at=CLIENT) as held,
    ):
        held.connect(("10.65.0.2", 8080))
        assert cut(node.index.plan(), conntrack) == Cut(3, 0)
        node.enforce(NOT_UDP)
        assert cut(node.index.plan(), conntrack) == Cut(3, 2)
        assert {found.orig.protocol for found in conntrack.each()} == {TCP}
        held.sendall(b"x")
        held.shutdown(socket.SHUT_WR)
        held.settimeout(10)
        assert held.recv(10) == b"aaaaa"


def test_the_cut_ends_many_with_one_request_where_no_other_can_have_the_mark(
    node: Accounted, conntrack: Conntrack
) -> None:
    datagrams(node, 1001, 1002)
    node.enforce(NOT_UDP)
    retired = {direction: node.book.retired(direction) for direction in Direction}
    assert any(retired.values())
    deletions = []
    conntrack.delete = deletions.append  # type: ignore[method-assign]
    assert cut(node.index.plan(), conntrack, retired) == Cut(2, 2)
    assert deletions == []
    assert conntrack_says(node) == 0


def test_the_cut_finds_connections_behind_nat_and_of_icmp(node: Accounted, conntrack: Conntrack) -> None:
    node.enforce(allowing(from_client(TCP, 8080), from_client(1), name="more"))
    rules = "ip daddr 10.96.0.10 tcp dport 80 dnat ip to 10.65.0.2:8080"
    chain = f"chain pre {{ type nat hook prerouting priority dstnat; policy accept;\n{rules}\n}}"
    node.net.namespaces.run("nft", "-f", "-", stdin=f"table inet services {{\n{chain}\n}}\n")
    client = ADDRESSES[CLIENT][0]
    node.net.probe([Shot(CLIENT, client, ADDRESSES[SERVER][0], 1)])
    with node.tcp_server(8080, 1):
        node.tcp_request("10.96.0.10", 80, 1)
    assert cut(node.index.plan(), conntrack) == Cut(2, 0)
    node.enforce(allowing(name="web"), allowing(name="more"))
    assert cut(node.index.plan(), conntrack) == Cut(2, 2)


def test_the_stranger_has_no_connection(node: Accounted, conntrack: Conntrack) -> None:
    node.net.probe([Shot(STRANGER, ADDRESSES[STRANGER][0], ADDRESSES[SERVER][0], TCP, 8080)])
    assert cut(node.index.plan(), conntrack) == Cut(0, 0)
