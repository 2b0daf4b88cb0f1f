"""Others' probe cases (tests/cases) against the kernel: every connection is tried with a real packet.

All pods of a case are put on one node. What a probe's packet does must be what the case says, and the
traces in its mark must be the evaluator's.
"""

from collections.abc import Iterator

import pytest

import ocicat
from ocicat.dataplane.nft.kernel import NftKernel
from ocicat.engine.packet import Packet
from ocicat.engine.policy import EntityKey, EntityKind
from ocicat.engine.refs import common_addresses, port_number, protocol_number
from support.cases import CORPORA, DIFFERENT, Case, parametrised, world_of
from support.enforced import KernelView, described, expected, shot_of
from support.kernel import NODE_ADDRESSES, made_pods_net, nft_program
from support.packets import Shot
from support.pods_net import PodsNet

pytestmark = pytest.mark.kernel

MOST_PODS = 24
"""Pods of the largest case."""


class Bed:
    """A node with pods that take on whatever addresses a case wants."""

    def __init__(self, net: PodsNet) -> None:
        self.net = net
        self.kernel = NftKernel(nft_program(net.namespaces), services=None)
        self.view = KernelView(net, self.kernel.book)
        net.add({f"pod-{number}": () for number in range(MOST_PODS)})

    def enforce(self, world: ocicat.World) -> dict[EntityKey, str]:
        """Put the pods of a world on the node, and enforce its policy."""
        entities = [
            entity for entity in world.plan.entities.values() if entity.key.kind is EntityKind.WORKLOAD
        ]
        names = dict(zip(self.net.pods, entities, strict=False))
        assert len(names) == len(entities), f"MOST_PODS must be {len(entities)}"
        self.net.readdress({name: names[name].addresses if name in names else () for name in self.net.pods})
        interfaces = {entity.key: self.net.pods[name].interface for name, entity in names.items()}
        assert self.kernel.enforce(world.plan, interfaces).shortfalls == ()
        self.view.forget()
        return interfaces


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with made_pods_net() as net:
        yield Bed(net)


def packet_of(world: ocicat.World, probe: dict) -> Packet:
    source, destination = world.resolve(probe["src"]), world.resolve(probe["dst"])
    source_address, destination_address = common_addresses(source, destination)
    protocol = protocol_number(probe["protocol"], source_address.family)
    port = port_number(probe["port"], protocol, destination)
    icmp_type = {1: 8, 58: 128}.get(protocol)
    return Packet(
        source_address,
        destination_address,
        protocol,
        port,
        icmp_type=icmp_type,
        icmp_code=None if icmp_type is None else 0,
    )


@pytest.mark.parametrize(("corpus", "case"), parametrised(CORPORA))
def test_probes(bed: Bed, corpus: str, case: Case) -> None:
    world = world_of(corpus, tuple(case.manifests))
    interfaces = bed.enforce(world)
    pods = {address: name for name, pod in bed.net.pods.items() for address in pod.addresses}
    sent: dict[Shot, tuple[Packet, bool]] = {}
    for number, probe in enumerate(case.expected["probes"]):
        packet = packet_of(world, probe)
        sent[shot_of(packet, pods, NODE_ADDRESSES, 40000 + number)] = (packet, probe["allow"])
    wrong = []
    for shot, (verdict, seen) in zip(sent, bed.view.verdicts(list(sent)), strict=True):
        packet, allowed = sent[shot]
        if verdict.allowed is not allowed and case.id not in DIFFERENT:
            wrong.append(f"{described(shot)}: expected {allowed}, {seen.result} at {seen.place}")
        wanted = expected(world.plan, packet, interfaces)
        if verdict != wanted:
            wrong.append(f"{described(shot)}\n  evaluator: {wanted}\n  kernel:    {verdict}")
    assert sent
    assert not wrong, "\n".join(wrong)
