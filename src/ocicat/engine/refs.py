"""References: how people name the ends of a connection, and what they mean by it.

`namespace/pod`, `namespace/kind/name`, a bare name in `default`, or an IP address.
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from ocicat.base.errors import OcicatError
from ocicat.engine.packet import PacketError
from ocicat.engine.plan import Plan
from ocicat.engine.policy import Entity, EntityKey, EntityKind
from ocicat.engine.supply import made_by
from ocicat.model.kubernetes import Pod
from ocicat.model.net import FLOW_PROTOCOL_NAMES, PROTOCOLS_WITH_PORTS, Address, NetError, network_name

KINDS: Final = {
    "po": "Pod",
    "deploy": "Deployment",
    "rs": "ReplicaSet",
    "sts": "StatefulSet",
    "ds": "DaemonSet",
    "job": "Job",
    "cj": "CronJob",
} | {
    spelling: kind
    for kind in ("Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob")
    for spelling in (kind.lower(), f"{kind.lower()}s")
}
"""The spellings of workload kinds that kubectl knows, too."""

_PROTOCOLS: Final = {name: number for number, name in FLOW_PROTOCOL_NAMES.items()} | {
    "icmpv6": 58,
    "udplite": 136,
}


class ReferenceNotFoundError(OcicatError, LookupError):
    """A reference names nobody. The message says what comes near."""


class End(msgspec.Struct, frozen=True):
    """One end of a connection."""

    reference: str
    """As the user wrote it."""
    addresses: tuple[Address, ...]
    entity: Entity | None = None
    """The pod, or the stand-in of a workload; None for an address that belongs to nobody, or to a host."""

    @property
    def name(self) -> str:
        """How the end reads in a sentence."""
        if self.entity is not None:
            return f"{self.entity.key.namespace}/{self.entity.key.name}"
        if len(self.addresses) == 1 and self.reference == str(self.addresses[0]):
            kind = {"pvt": "private", "pub": "public"}[network_name(self.addresses[0])]
            return f"{self.reference} ({kind} network)"
        return self.reference


class Resolver:
    """Finds what references mean among the endpoints of a Plan."""

    def __init__(self, plan: Plan, entities: Iterable[Entity], pods: Sequence[Pod]) -> None:
        """Index endpoints by name and by the workload that made them.

        Args:
            plan: For the owners of addresses, and the addresses of nodes.
            entities: The entities; only workload endpoints are named by references.
            pods: The pods as written: those on their host's network are named, though they are no endpoints.
        """
        self._plan = plan
        self._by_name: dict[tuple[str, str], Entity] = {}
        self._by_owner: dict[tuple[str, str, str], Entity] = {}
        for entity in sorted(entities, key=lambda entity: entity.key):
            if entity.key.kind is EntityKind.WORKLOAD:
                self._enter(entity)
        self._on_host = {
            (pod.metadata.namespace, pod.metadata.name): pod for pod in pods if pod.spec.host_network
        }

    def _enter(self, entity: Entity) -> None:
        namespace = entity.key.namespace
        self._by_name[namespace, entity.key.name] = entity
        kind, _, name = entity.owner.partition("/")
        owners = [(kind, name), made_by(kind, name)] if name else []
        for owner in owners:
            if owner is not None:
                self._by_owner.setdefault((namespace, *owner), entity)

    def resolve(self, reference: str) -> End:
        """Return what a reference means. Raises ReferenceNotFoundError."""
        try:
            address = Address.parse(reference)
        except NetError:
            return self._named(reference)
        return End(reference, (address,), self._plan.owner(address, EntityKind.WORKLOAD))

    def _named(self, reference: str) -> End:
        parts = reference.split("/")
        if not all(parts) or len(parts) > 3:
            raise ReferenceNotFoundError(
                f"{reference!r} names no endpoint: write namespace/pod, namespace/kind/name or an IP address"
            )
        if len(parts) == 3:
            return self._workload(reference, *parts)
        namespace, name = ("default", parts[0]) if len(parts) == 1 else (parts[0], parts[1])
        return self._pod(reference, namespace, name)

    def _workload(self, reference: str, namespace: str, spelling: str, name: str) -> End:
        kind = KINDS.get(spelling.lower())
        if kind is None:
            known = ", ".join(sorted({"pod", "deploy", "sts", "ds", "rs", "job", "cronjob"}))
            raise ReferenceNotFoundError(
                f"{reference!r}: {spelling!r} is no kind of workload; there are {known}"
            )
        if kind == "Pod":
            return self._pod(reference, namespace, name)
        entity = self._by_owner.get((namespace, kind, name))
        if entity is None:
            raise self._nobody(reference, f"{kind} {namespace}/{name}")
        return End(reference, entity.addresses, entity)

    def _pod(self, reference: str, namespace: str, name: str) -> End:
        entity = self._by_name.get((namespace, name))
        if entity is not None:
            return End(reference, entity.addresses, entity)
        if (pod := self._on_host.get((namespace, name))) is not None:
            return End(reference, self._host_addresses(reference, pod))
        raise self._nobody(reference, f"pod {namespace}/{name}")

    def _host_addresses(self, reference: str, pod: Pod) -> tuple[Address, ...]:
        """Return the addresses of the node of a pod on its host's network."""
        number = self._plan.numbers.get(EntityKey(EntityKind.NODE, "", pod.spec.node_name))
        if number is not None and self._plan.entities[number].addresses:
            return self._plan.entities[number].addresses
        for text in (pod.status.pod_ip, pod.status.host_ip):
            try:
                return (Address.parse(text),)
            except NetError:
                continue
        raise ReferenceNotFoundError(
            f"{reference!r} is on its host's network, and the address of its node is not known: add the Node"
        )

    def _nobody(self, reference: str, what: str) -> ReferenceNotFoundError:
        # The stand-in of a workload is named like it, and is found by it.
        names = sorted(f"{namespace}/{name}" for namespace, name in self._by_name if "/" not in name)
        names += sorted(f"{namespace}/{kind.lower()}/{name}" for namespace, kind, name in self._by_owner)
        near = difflib.get_close_matches(reference, names, n=3, cutoff=0.5) or names[:3]
        hint = f"; there are {', '.join(near)}" if near else "; no pod or workload was loaded"
        return ReferenceNotFoundError(f"there is no {what}{hint}")


def common_addresses(source: End, destination: End) -> tuple[Address, Address]:
    """Return an address of each end, of the first family of the source that both have.

    Raises PacketError where they have none in common.
    """
    for address in source.addresses:
        for other in destination.addresses:
            if address.family == other.family:
                return address, other
    raise PacketError(f"{source.name} and {destination.name} have no address family in common")


def protocol_number(protocol: str | int, family: int) -> int:
    """Return the number of a protocol; `icmp` is that of the family. Raises PacketError."""
    if isinstance(protocol, str):
        text = protocol.lower()
        if text == "icmp":
            return 1 if family == 4 else 58
        number = int(text) if text.isdecimal() and len(text) <= 3 else _PROTOCOLS.get(text, 0)
    else:
        number = protocol
    if not 1 <= number <= 255:
        raise PacketError(
            f"{protocol!r} is no protocol: write TCP, UDP, SCTP, ICMP or a number from 1 to 255"
        )
    return number


def port_number(port: int | str, protocol: int, destination: End) -> int:
    """Return the number of a port, a name being looked up at the destination. Raises PacketError."""
    if isinstance(port, str) and port.isdecimal():
        port = int(port)
    if isinstance(port, int):
        if not 0 <= port <= 65535:
            raise PacketError(f"port {port} is not 0 to 65535")
        if port == 0 and protocol in PROTOCOLS_WITH_PORTS:
            raise PacketError("TCP, UDP and SCTP need a port, 1 to 65535")
        return port
    declared = destination.entity.named_ports if destination.entity else ()
    for item in declared:
        if item.name == port and item.protocol == protocol:
            return item.port
    names = ", ".join(sorted({item.name for item in declared})) or "none"
    raise PacketError(
        f"{destination.name} declares no port {port!r} for this protocol (it declares: {names})"
    )
