"""Random worlds as one node sees them: some pods are its own, the others and everything else are
elsewhere."""

import msgspec
from hypothesis import strategies as st

from ocicat.dataplane.nft.render import Interfaces
from ocicat.engine.packet import Packet
from ocicat.engine.policy import Entity, EntityKey, EntityKind
from ocicat.model.net import Address
from support import worlds
from support.enforced import NODE, counted_as, shot_of
from support.kernel import NODE_ADDRESSES
from support.packets import Shot
from support.pods_net import PodsNet

LOCAL = 4
"""Pods 0 to 3 of `worlds` are on the node, the others are not."""
_ICMP = {4: (1, (8, 8, 13)), 6: (58, (128,))}
"""The types that begin a connection: conntrack takes all others for answers to nothing."""


def pod_key(number: int) -> EntityKey:
    """Return who the pod of a number is."""
    return EntityKey(EntityKind.WORKLOAD, worlds.NAMESPACES[number % 2], f"pod-{number}")


def add_pods(net: PodsNet) -> None:
    """Give the bed the node's own pods."""
    net.add({f"pod-{n}": (worlds.ADDRESSES[n], worlds.ADDRESSES[n + 7]) for n in range(LOCAL)})


@st.composite
def node_facts(draw: st.DrawFn, most_policies: int = 6) -> worlds.Facts:
    """A world in which the bed's node and one other exist, and each pod is on its place."""
    found = draw(worlds.facts(most_policies=most_policies))
    entities = {}
    for key, entity in found.entities.items():
        if key.kind is EntityKind.WORKLOAD:
            here = key in {pod_key(number) for number in range(LOCAL)}
            entities[key] = msgspec.structs.replace(entity, node=NODE if here else "n2")
        elif key.kind is not EntityKind.NODE:
            entities[key] = entity
    for name, addresses in ((NODE, NODE_ADDRESSES), ("n2", (Address.parse("172.18.0.2"),))):
        key = EntityKey(EntityKind.NODE, "", name)
        entities[key] = Entity(key, labels=draw(worlds.labels), addresses=addresses)
    return msgspec.structs.replace(found, entities=entities)


def interfaces(net: PodsNet, facts: worlds.Facts) -> Interfaces:
    """Return the interfaces of the pods that exist in `facts` and are on the node."""
    return {
        key: net.pods[f"pod-{number}"].interface
        for number in range(LOCAL)
        if (key := pod_key(number)) in facts.entities
    }


@st.composite
def node_packets(draw: st.DrawFn) -> Packet:
    """A packet that the node could meet."""
    family = draw(st.sampled_from((4, 6)))
    pods = [address for address in worlds.ADDRESSES[:6] + worlds.ADDRESSES[7:13] if address.family == family]
    others = [address for address in (*worlds.OUTSIDE, *NODE_ADDRESSES) if address.family == family]
    here = st.sampled_from(pods[:LOCAL])
    anywhere = here | st.sampled_from(pods) | st.sampled_from(others)
    source, destination = draw(st.tuples(here, anywhere) | st.tuples(anywhere, here))
    protocol = draw(st.sampled_from((6, 6, 6, 17, 17, 132, 1, 1, 47)))
    if protocol in (6, 17, 132):
        port = draw(st.sampled_from(worlds.NUMBERS))
        return Packet(source, destination, protocol, port, draw(st.sampled_from((0, 0, 80, 50000))))
    if protocol == 1:
        number, types = _ICMP[family]
        code = draw(st.sampled_from((0, 1)))
        return Packet(source, destination, number, icmp_type=draw(st.sampled_from(types)), icmp_code=code)
    return Packet(source, destination, protocol)


def shots(net: PodsNet, facts: worlds.Facts, packets: list[Packet]) -> dict[Shot, Packet]:
    """Return the shots of packets that can be sent, each with the packet as the kernel sees it.

    Left out are those of pods that do not exist now, all that do not concern a pod of the node, and those
    whose flow is counted together with that of an earlier one.
    """
    pods = {address: name for name, pod in net.pods.items() for address in pod.addresses}
    owned = {address for entity in facts.entities.values() for address in entity.addresses}
    found = {}
    flows = set()
    for number, packet in enumerate(packets):
        ends = (packet.source, packet.destination)
        concerned = any(end in pods for end in ends)
        existing = all(end in owned or end not in pods for end in ends)
        if packet.source == packet.destination or not concerned or not existing:
            continue
        shot = shot_of(packet, pods, NODE_ADDRESSES, 40000 + number)
        if counted_as(shot) in flows:
            continue
        flows.add(counted_as(shot))
        if packet.protocol in (6, 17, 132):
            packet = msgspec.structs.replace(packet, source_port=shot.source_port)
        found[shot] = packet
    return found
