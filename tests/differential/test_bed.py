"""The test bed itself: packets come through without rules, and a probe reports what rules of others do."""

import subprocess

import pytest

from ocicat.model.net import Address
from support.kernel import NODE_ADDRESSES
from support.packets import Shot
from support.pods_net import HOST, WORLD, PodsNet, Result

pytestmark = pytest.mark.kernel

V4, V6 = (10 << 24) + (65 << 16), 0xFD00 << 112
OUTSIDE = {4: Address.parse("192.0.2.1"), 6: Address.parse("2001:db8::1")}
ICMP = {4: (1, 8), 6: (58, 128)}


def addresses(number: int) -> tuple[Address, Address]:
    return Address(4, V4 + number), Address(6, V6 + number)


def shots_between(net: PodsNet, family: int, protocol: int, port: int) -> list[tuple[Shot, str]]:
    """Shots along every way through the node, each with the place where it should arrive."""
    at = 0 if family == 4 else 1
    a, b = net.pods["a"].addresses[at], net.pods["b"].addresses[at]
    ends = [
        ("a", a, b, "b"),
        (HOST, NODE_ADDRESSES[at], b, "b"),
        (WORLD, OUTSIDE[family], b, "b"),
        ("a", a, NODE_ADDRESSES[at], HOST),
        ("a", a, OUTSIDE[family], WORLD),
    ]
    kind = ICMP[family][1]
    return [
        (Shot(origin, source, destination, protocol, port, icmp_type=kind), place)
        for origin, source, destination, place in ends
    ]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("protocol", [6, 17, 132, "icmp", 47])
def test_packets_arrive_where_nothing_forbids_it(pods_net: PodsNet, family: int, protocol: int | str) -> None:
    pods_net.add({"a": addresses(1), "b": addresses(2)})
    number = ICMP[family][0] if isinstance(protocol, str) else protocol
    expected = shots_between(pods_net, family, number, 80)
    seen = pods_net.probe([shot for shot, _ in expected])
    assert [(item.result, item.place) for item in seen] == [
        (Result.DELIVERED, place) for _, place in expected
    ]


def test_drop_and_reject_are_told_apart(pods_net: PodsNet) -> None:
    pods_net.add({"a": addresses(1), "b": addresses(2)})
    rules = """
        table inet test {
          chain forward {
            type filter hook forward priority 0;
            th dport 81 drop
            tcp dport 82 reject with tcp reset
            th dport 82 reject with icmpx admin-prohibited
          }
        }
    """
    pods_net.namespaces.run("nft", "-f", "-", stdin=rules)
    shots = [
        Shot("a", pods_net.pods["a"].addresses[at], pods_net.pods["b"].addresses[at], protocol, port)
        for at in (0, 1)
        for protocol in (6, 17)
        for port in (80, 81, 82)
    ]
    results = [seen.result for seen in pods_net.probe(shots)]
    assert results == [Result.DELIVERED, Result.LOST, Result.REFUSED] * 4


def test_pods_with_a_stack_talk_through_the_gateway(pods_net: PodsNet) -> None:
    pods_net.add({"a": addresses(1), "b": addresses(2)}, stack=True)
    for address in addresses(2):
        server = (
            "import socket; s = socket.create_server(('', 80), family=socket.AF_INET6, dualstack_ipv6=True);"
            "print('up', flush=True); s.accept()[0].sendall(b'hello')"
        )
        client = f"import socket; print(socket.create_connection(('{address}', 80), 5).recv(5))"
        command = pods_net.namespaces.command
        with subprocess.Popen(
            [*command("b"), "python3", "-c", server], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            done = subprocess.run(
                [*command("a"), "python3", "-c", client], capture_output=True, text=True, check=True
            )
        assert done.stdout == "b'hello'\n"


def test_nothing_is_left_behind(pods_net: PodsNet) -> None:
    pods_net.add({"a": addresses(1)})
    process = pods_net.namespaces.pid
    pods_net.close()
    pods_net.namespaces.close()
    with open("/proc/mounts") as mounts:
        assert "cali" not in mounts.read()
    assert subprocess.run(["ps", "-p", str(process)], capture_output=True).returncode != 0
