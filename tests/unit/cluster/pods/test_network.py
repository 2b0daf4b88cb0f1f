"""Addresses and links of the embedded cluster, and that the kernel takes them."""

import ipaddress
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocicat.cluster.pods.holding import Holding, start_holder
from ocicat.cluster.pods.network import (
    LEAF,
    NODES_AT_MOST,
    POD_NETS,
    ROUTER,
    WORLD,
    WORLD_ADDRESSES,
    NodePlace,
    interface_of,
    node_lines,
    pod_inside_lines,
    pod_outside_lines,
    pod_outside_settings,
    uplink_lines,
    world_lines,
)

NUMBERS = st.integers(1, NODES_AT_MOST)


@given(NUMBERS, NUMBERS)
def test_nodes_and_their_pods_never_share_an_address(one: int, other: int) -> None:
    first, second = NodePlace(one), NodePlace(other)
    assert (set(first.addresses) & set(second.addresses) == set()) == (one != other)
    for a, b, whole in zip(first.pod_nets, second.pod_nets, POD_NETS, strict=True):
        net = ipaddress.ip_network(a)
        assert net.overlaps(ipaddress.ip_network(b)) == (one == other)
        assert net.subnet_of(ipaddress.ip_network(whole))  # type: ignore[arg-type]
    assert not set(first.addresses) & set(WORLD_ADDRESSES)


@given(NUMBERS)
def test_a_nodes_pods_have_addresses_of_its_networks(number: int) -> None:
    place = NodePlace(number)
    pairs = list(place.pod_addresses())
    assert len(set(pairs)) == len(pairs) > 250
    for family, net in enumerate(map(ipaddress.ip_network, place.pod_nets)):
        assert all(ipaddress.ip_address(pair[family]) in net for pair in pairs)


@given(st.uuids(), st.uuids())
def test_interfaces_are_named_for_their_pods(one: object, other: object) -> None:
    names = interface_of(str(one)), interface_of(str(other))
    assert (names[0] == names[1]) == (one == other)
    assert all(name.startswith("cali") and len(name) <= 15 for name in names)


@pytest.mark.kernel
async def test_pods_of_two_nodes_reach_each_other_and_the_world(tmp_path: Path) -> None:
    """The lines of this module alone make the network: both families, from end to end."""
    process, connection = start_holder(tmp_path / "holder.sock")
    holding = Holding(connection)

    async def batch(space: str, lines: list[str]) -> None:
        await holding.run(space, "ip", "-batch", "-", stdin="\n".join(lines) + "\n")

    try:
        await holding.space(WORLD)
        await holding.sysctl(WORLD, ROUTER)
        await batch(WORLD, world_lines())
        pods: dict[str, tuple[str, str]] = {}
        for number in (1, 2):
            place, node, pod = NodePlace(number), f"node-{number}", f"pod-{number}"
            await holding.space(node)
            await holding.sysctl(node, ROUTER)
            await batch(WORLD, uplink_lines(place, await holding.path(node)))
            await batch(node, node_lines(place))
            await holding.space(pod)
            await holding.sysctl(pod, LEAF)
            pods[pod] = next(place.pod_addresses())
            link = interface_of(pod)
            await batch(node, pod_outside_lines(link, await holding.path(pod), pods[pod]))
            await holding.sysctl(node, pod_outside_settings(link))
            await batch(pod, pod_inside_lines(pods[pod]))
        others = [*pods["pod-2"], *WORLD_ADDRESSES, *NodePlace(1).addresses, *NodePlace(2).addresses]
        for address in others:
            script = (
                "import socket,sys\n"
                "s=socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)\n"
                "s.settimeout(5)\n"
                "try: s.connect((sys.argv[1], 1))\n"
                "except ConnectionRefusedError: print('reached')\n"
            )
            said = await holding.run("pod-1", "/usr/bin/env", "python3", "-c", script, address)
            assert said == "reached\n", address
    finally:
        holding.close()
        process.wait(20)


def test_the_world_takes_its_lines_once() -> None:
    assert len(set(world_lines())) == len(world_lines())
    assert subprocess.run(["ip", "-V"], capture_output=True, check=False).returncode == 0
