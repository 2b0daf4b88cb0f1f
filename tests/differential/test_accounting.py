"""What flow accounting says of known traffic, beside counters in the kernel that share nothing with it."""

import socket
from collections.abc import Callable, Iterator

import msgspec
import pytest

from ocicat.engine.convert.services import FrontPort, ServicePorts
from ocicat.engine.plan import ServiceEndpoints
from ocicat.engine.policy import Direction, Policy
from ocicat.model.flow import Action, HitKind, Reporter
from ocicat.model.net import Address
from ocicat.model.record import FlowCounts, FlowKey
from support.accounted import ADDRESSES, CLIENT, SERVER, STRANGER, Accounted, allowing, from_client
from support.kernel import namespaces, pods_net  # noqa: F401  # fixtures
from support.packets import ICMP, ICMP6, SCTP, TCP, UDP, Shot
from support.pods_net import PodsNet, Result

pytestmark = pytest.mark.kernel

WEB = allowing(
    from_client(TCP, 8080),
    from_client(UDP, 5353),
    from_client(ICMP),
    from_client(ICMP6),
    from_client(SCTP, 38412),
)


@pytest.fixture
def accounted(pods_net: PodsNet) -> Iterator[Callable[..., Accounted]]:  # noqa: F811
    """Make an accounted node with policies."""
    made: list[Accounted] = []

    def make(*policies: Policy, **options: object) -> Accounted:
        made.append(Accounted(pods_net, policies, **options))
        return made[-1]

    yield make
    for node in made:
        node.close()


def only(totals: dict[FlowKey, FlowCounts], **wanted: object) -> tuple[FlowKey, FlowCounts]:
    """Return the one flow whose key has these fields."""
    found = [
        (key, counts)
        for key, counts in totals.items()
        if all(getattr(key, name) == value for name, value in wanted.items())
    ]
    assert len(found) == 1, f"{wanted}: {found}"
    return found[0]


def address(name: str, family: int) -> str:
    return str(ADDRESSES[name][0 if family == 4 else 1])


def test_the_bed_enforces(accounted: Callable[..., Accounted]) -> None:
    node = accounted(WEB)
    shots = [
        Shot(origin, ADDRESSES[origin][0], ADDRESSES[SERVER][0], UDP, 5353) for origin in (CLIENT, STRANGER)
    ]
    assert [seen.result for seen in node.net.probe(shots)] == [Result.DELIVERED, Result.LOST]


@pytest.mark.parametrize("family", [4, 6])
def test_tcp_connections_packets_and_bytes_of_both_ends(
    accounted: Callable[..., Accounted], family: int
) -> None:
    node = accounted(WEB)
    server = address(SERVER, family)
    ip = "ip" if family == 4 else "ip6"
    node.watch(f"{ip} daddr {server} tcp dport 8080", f"{ip} saddr {server} tcp sport 8080")
    node.start()
    connections = 25
    with node.tcp_server(8080, 30_000, family=family):
        for number in range(connections):
            assert node.tcp_request(server, 8080, 1000 * number) == 30_000
            if number % 7 == 0:
                node.look()
        node.look(1.0)
        node.forget_connections()
        node.settle(
            lambda: only(node.totals(), reporter=Reporter.DST)[1].connections_completed == connections
        )
    (sent, sent_bytes), (answered, answered_bytes) = node.watched()
    totals = node.totals()
    assert len(totals) == 2
    key, counts = only(totals, reporter=Reporter.DST)
    assert (key.source_name, key.dest_name, key.dest_port, key.proto, key.action) == (
        CLIENT,
        SERVER,
        8080,
        "tcp",
        Action.ALLOW,
    )
    assert [hit.name for hit in key.enforced] == ["web"]
    expected = FlowCounts(sent, answered, sent_bytes, answered_bytes, connections, connections, 0)
    assert _without_live(counts) == expected
    source = only(totals, reporter=Reporter.SRC)[1]
    expected = FlowCounts(answered, sent, answered_bytes, sent_bytes, connections, connections, 0)
    assert _without_live(source) == expected
    assert node.collector.status().losses.vanished == 0


def _without_live(counts: FlowCounts) -> FlowCounts:
    values = [getattr(counts, name) for name in FlowCounts.__struct_fields__]
    return FlowCounts(*values[:-1], 0)


def test_a_new_flow_is_reported_at_the_next_look_and_its_counters_later(
    accounted: Callable[..., Accounted],
) -> None:
    """New flow keys are available at once; counters follow once a second."""
    node = accounted(WEB)
    node.start()
    with node.tcp_server(8080, 10):
        node.tcp_request(address(SERVER, 4), 8080, 10)
        reported = node.look(0.25)
    assert {(record.key.reporter, record.counts.connections_started) for record in reported} == {
        (Reporter.SRC, 1),
        (Reporter.DST, 1),
    }
    assert node.look(0.25) == []


@pytest.mark.parametrize("family", [4, 6])
def test_refused_attempts_of_all_protocols(accounted: Callable[..., Accounted], family: int) -> None:
    """Denied attempts have only the forward direction; the source allowed what the destination refused."""
    node = accounted(WEB)
    node.start()
    source, destination = (ADDRESSES[name][0 if family == 4 else 1] for name in (STRANGER, SERVER))
    icmp = ICMP if family == 4 else ICMP6
    kinds = {
        "tcp": Shot(STRANGER, source, destination, TCP, 8080),
        "udp": Shot(STRANGER, source, destination, UDP, 5353),
        "sctp": Shot(STRANGER, source, destination, SCTP, 38412),
        "icmp" if family == 4 else "icmp6": Shot(
            STRANGER, source, destination, icmp, icmp_type=8 if family == 4 else 128
        ),
        "47": Shot(STRANGER, source, destination, 47),
    }
    lengths = {}
    for times, (proto, shot) in enumerate(kinds.items(), start=1):
        node.watch(f"meta nfproto ipv{family} meta l4proto {shot.protocol}")
        assert {seen.result for seen in node.net.probe([shot] * times)} == {Result.LOST}
        lengths[proto] = node.watched()[-1]
    node.look()
    totals = node.totals()
    assert len(totals) == 2 * len(kinds)
    for times, (proto, shot) in enumerate(kinds.items(), start=1):
        packets, octets = lengths[proto]
        assert packets == times
        port = shot.port or (shot.icmp_type * 256 if shot.protocol == icmp else 0)
        key, counts = only(totals, proto=proto, reporter=Reporter.DST)
        assert (key.action, key.dest_port, key.enforced[-1].rule_index) == (Action.DENY, port, -1)
        assert counts == FlowCounts(packets, 0, octets, 0, times, times, times)
        key, counts = only(totals, proto=proto, reporter=Reporter.SRC)
        assert (key.action, key.enforced[-1].name) == (Action.ALLOW, "kns.a")
        assert counts == FlowCounts(0, packets, 0, octets, times, times, times)


def test_what_egress_refuses_only_the_source_reports(accounted: Callable[..., Accounted]) -> None:
    """If egress denies, only Src exists."""
    closed = msgspec.structs.replace(allowing(name="closed", app=CLIENT), ingress=None, egress=())
    node = accounted(WEB, closed)
    node.start()
    shot = Shot(CLIENT, ADDRESSES[CLIENT][0], ADDRESSES[SERVER][0], TCP, 8080)
    assert {seen.result for seen in node.net.probe([shot] * 3)} == {Result.LOST}
    node.look()
    key, counts = only(node.totals())
    assert (key.reporter, key.action, key.enforced[0].trigger.name) == (Reporter.SRC, Action.DENY, "closed")
    assert counts == FlowCounts(0, 3, 0, 120, 3, 3, 3)


def test_datagrams_that_nobody_answers(accounted: Callable[..., Accounted]) -> None:
    """One connection for each source port, whatever the number of datagrams, and judged with each of them."""
    node = accounted(WEB)
    node.start()
    for _ in range(3):
        node.udp(address(SERVER, 4), 5353, [10, 20, 30])
    node.net.probe([Shot(CLIENT, ADDRESSES[CLIENT][0], ADDRESSES[SERVER][0], UDP, 5353)])
    node.look(1.0)
    live = node.totals()
    node.forget_connections()
    node.settle(lambda: only(node.totals(), reporter=Reporter.DST)[1].connections_completed == 4)
    _, counts = only(node.totals(), reporter=Reporter.DST)
    payload = 3 * (10 + 20 + 30) + 11
    assert (counts.packets_in, counts.bytes_in) == (10, payload + 10 * 28)
    # The server refuses with ICMP errors; these belong to the connection but are none of its packets.
    assert (counts.packets_out, counts.connections_started) == (0, 4)
    assert only(live, reporter=Reporter.DST)[1].connections_live == 4


@pytest.mark.parametrize("family", [4, 6])
def test_echo_requests_and_their_replies(accounted: Callable[..., Accounted], family: int) -> None:
    """Destination port for ICMP is type*256+code."""
    node = accounted(WEB)
    node.start()
    source, destination = (ADDRESSES[name][0 if family == 4 else 1] for name in (CLIENT, SERVER))
    protocol, kind = (ICMP, 8) if family == 4 else (ICMP6, 128)
    node.net.probe([Shot(CLIENT, source, destination, protocol, icmp_type=kind)] * 5)
    node.look()
    node.forget_connections()
    node.settle(lambda: only(node.totals(), reporter=Reporter.DST)[1].connections_completed == 5)
    key, counts = only(node.totals(), reporter=Reporter.DST)
    assert (key.dest_port, key.proto) == (kind * 256, "icmp" if family == 4 else "icmp6")
    octets = 5 * ((20 if family == 4 else 40) + 8 + 11)
    assert counts == FlowCounts(5, 5, octets, octets, 5, 5, 5)


# --- Services -----------------------------------------------------------------------------------------------

VIP = "10.96.0.10"
SHOP = ServicePorts("a", "shop", (Address.parse(VIP),), (FrontPort("http", TCP, 80), FrontPort("", UDP, 53)))


def with_service(node: Accounted) -> None:
    """Put the Service in front of the server by a table of its own, and its endpoints into the Plan."""
    server = ADDRESSES[SERVER][0]
    rules = (
        f"ip daddr {VIP} tcp dport 80 dnat ip to {server}:8080\n"
        f"ip daddr {VIP} udp dport 53 dnat ip to {server}:5353\n"
    )
    chain = f"chain pre {{ type nat hook prerouting priority dstnat; policy accept;\n{rules}\n}}"
    node.net.namespaces.run("nft", "-f", "-", stdin=f"table inet services {{\n{chain}\n}}\n")
    ports = frozenset({(server, TCP, 8080), (server, UDP, 5353)})
    node.index.put_service("a", "shop", ServiceEndpoints(ports, frozenset({server})))
    node.enforce()


def test_the_service_that_was_dialled(accounted: Callable[..., Accounted]) -> None:
    """Service as dialled (pre-NAT), port after NAT; direct connections to the same port are another flow."""
    node = accounted(WEB, services=(SHOP,))
    with_service(node)
    node.start()
    with node.tcp_server(8080, 100):
        for _ in range(3):
            node.tcp_request(VIP, 80, 10)
        node.tcp_request(address(SERVER, 4), 8080, 10)
    node.look(1.0)
    totals = node.totals()
    key, counts = only(totals, reporter=Reporter.DST, dest_service_name="shop")
    service = (key.dest_service_namespace, key.dest_service_port_name, key.dest_service_port)
    assert (service, key.dest_name, key.dest_port) == (("a", "http", 80), SERVER, 8080)
    assert counts.connections_started == 3
    assert only(totals, reporter=Reporter.DST, dest_service_name="-")[1].connections_started == 1
    assert len(totals) == 4


def test_the_service_that_a_refused_attempt_dialled(accounted: Callable[..., Accounted]) -> None:
    node = accounted(WEB, services=(SHOP,))
    with_service(node)
    node.start()
    stranger = ADDRESSES[STRANGER][0]
    shots = [Shot(STRANGER, stranger, Address.parse(VIP), TCP, 80)] * 2
    shots += [Shot(STRANGER, stranger, Address.parse(VIP), UDP, 53)] * 3
    shots += [Shot(STRANGER, stranger, ADDRESSES[SERVER][0], TCP, 8080)]
    assert {seen.result for seen in node.net.probe(shots)} == {Result.LOST}
    node.look()
    totals = node.totals()
    for proto, name, port_name, dialled, port, times in (
        ("tcp", "shop", "http", 80, 8080, 2),
        ("udp", "shop", "-", 53, 5353, 3),
        ("tcp", "-", "-", 0, 8080, 1),
    ):
        key, counts = only(totals, reporter=Reporter.DST, proto=proto, dest_service_name=name)
        assert (key.dest_service_port_name, key.dest_service_port, key.dest_port) == (
            port_name,
            dialled,
            port,
        )
        assert (key.action, counts.packets_in) == (Action.DENY, times)


# --- time and change ----------------------------------------------------------------------------------------


def test_an_agent_that_starts_anew_counts_nothing_twice(accounted: Callable[..., Accounted]) -> None:
    """No double counting on restart: what is there is adopted."""
    node = accounted(WEB)
    server = address(SERVER, 4)
    node.watch(f"ip daddr {server} tcp dport 8080")
    node.start()
    with node.tcp_server(8080, 5000):
        held = node.net.namespaces.socket(socket.AF_INET, socket.SOCK_STREAM, at=CLIENT)
        with held:
            held.settimeout(20)
            held.connect((server, 8080))
            held.sendall(b"q" * 7000)
            for _ in range(4):
                node.tcp_request(server, 8080, 10)
            shot = Shot(STRANGER, ADDRESSES[STRANGER][0], ADDRESSES[SERVER][0], TCP, 81)
            node.net.probe([shot] * 2)
            node.look(1.0)
            node.start()
            node.look(1.0)
            held.sendall(b"q" * 9000)
            for _ in range(3):
                node.tcp_request(server, 8080, 10)
            node.net.probe([shot] * 3)
            held.shutdown(socket.SHUT_WR)
            while held.recv(65536):
                pass
        node.look(1.0)
    node.forget_connections()
    node.settle(
        lambda: only(node.totals(), reporter=Reporter.DST, dest_port=8080)[1].connections_completed == 8
    )
    _, counts = only(node.totals(), reporter=Reporter.DST, dest_port=8080)
    assert (counts.packets_in, counts.bytes_in) == node.watched()[0]
    assert counts.connections_started == 8
    assert only(node.totals(), reporter=Reporter.DST, dest_port=81)[1].packets_in == 5


def test_a_connection_that_policy_refuses_while_it_passes(accounted: Callable[..., Accounted]) -> None:
    """An unanswered connection is judged with each packet: old key and new key, and no packet in both."""
    node = accounted(WEB)
    node.start()
    to = (address(SERVER, 4), 5353)
    with node.net.namespaces.socket(socket.AF_INET, socket.SOCK_DGRAM, at=CLIENT) as opened:
        node.net.namespaces.run("nft", "-f", "-", stdin=_NO_ERRORS)
        for _ in range(4):
            opened.sendto(b"x" * 10, to)
        node.look(1.0)
        node.enforce(allowing(from_client(TCP, 8080)))
        for _ in range(5):
            opened.sendto(b"x" * 10, to)
        node.look(1.0)
        for _ in range(6):
            opened.sendto(b"x" * 10, to)
        node.look(1.0)
    totals = node.totals()
    allowed = only(totals, reporter=Reporter.DST, action=Action.ALLOW)[1]
    refused = only(totals, reporter=Reporter.DST, action=Action.DENY)[1]
    assert (allowed.packets_in, allowed.connections_started) == (4, 1)
    assert refused.packets_in == 11
    sources = [counts for key, counts in totals.items() if key.reporter is Reporter.SRC]
    assert sum(counts.packets_out for counts in sources) == 15


_NO_ERRORS = """table inet quiet {
chain c { type filter hook forward priority -310; policy accept;
icmp type destination-unreachable drop
}
}
"""


def test_pending_traces_follow_policy_while_a_connection_lives(accounted: Callable[..., Accounted]) -> None:
    """Pending traces are recomputed with today's policies; the enforced trace stays the one that decided."""
    node = accounted(WEB)
    node.start()
    with (
        node.tcp_server(8080, 0),
        node.net.namespaces.socket(socket.AF_INET, socket.SOCK_STREAM, at=CLIENT) as opened,
    ):
        opened.connect((address(SERVER, 4), 8080))
        node.look(1.0)
        denying = allowing(
            from_client(TCP, action=Action.DENY), name="a-first", kind=HitKind.STAGED_NETWORK_POLICY
        )
        node.enforce(denying)
        opened.sendall(b"x")
        reported = [record for record in node.look(10.0) if record.key.reporter is Reporter.DST]
    (record,) = reported
    assert [hit.name for hit in record.key.enforced] == ["web"]
    assert [(hit.name, hit.action) for hit in record.key.pending] == [("a-first", Action.DENY)]


def test_an_open_connection_is_live_once_in_each_bucket(accounted: Callable[..., Accounted]) -> None:
    """Live: active at any time in the interval, also where nothing passes."""
    node = accounted(WEB)
    node.start()
    with (
        node.tcp_server(8080, 0),
        node.net.namespaces.socket(socket.AF_INET, socket.SOCK_STREAM, at=CLIENT) as opened,
    ):
        opened.connect((address(SERVER, 4), 8080))
        node.look(1.0)
        idle = [node.look(1.0) for _ in range(30)]
    told = [record for records in idle for record in records]
    assert len(told) == 4
    assert {record.counts for record in told} == {FlowCounts(connections_live=1)}


def test_what_there_is_no_room_for_is_counted_as_lost(accounted: Callable[..., Accounted]) -> None:
    node = accounted(WEB)
    node.start(most_flows=1)
    shots = [Shot(STRANGER, ADDRESSES[STRANGER][0], ADDRESSES[SERVER][0], TCP, port) for port in (80, 81, 81)]
    node.net.probe(shots)
    node.look()
    packets = sum(counts.packets_in for key, counts in node.totals().items() if key.reporter is Reporter.DST)
    losses = node.collector.status().losses
    assert packets + losses.flows_packets == 3
    assert losses.flows_packets in (1, 2)


def test_a_trace_that_nobody_knows_is_reported_as_such(accounted: Callable[..., Accounted]) -> None:
    """Trace id unknown: counted and reported as such, never guessed."""
    node = accounted(WEB)
    node.start()
    node.book.restore(Direction.INGRESS, {})
    for page in Direction:
        node.book.rendered(page, ())
        node.book.retire(page, ())
    node.net.probe([Shot(STRANGER, ADDRESSES[STRANGER][0], ADDRESSES[SERVER][0], TCP, 80)])
    with node.tcp_server(8080, 0):
        node.tcp_request(address(SERVER, 4), 8080, 1)
    node.look()
    node.look(1.0)
    assert {key.enforced for key in node.totals()} == {()}
    assert only(node.totals(), dest_port=8080, reporter=Reporter.DST)[0].action is Action.ALLOW
    assert node.collector.status().losses.unknown_traces == 4
