"""Who is at an address, and which Service was dialled: the names that a flow record bears.

Agent and World ask the same functions. Both indexes are values, built in one pass over what is known; one
look-up costs a hash per prefix length in use, whatever the number of sets. Source: spec/policy-semantics
§11.5 (identity), §11.6 (services), §11.7 (labels).
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from ocicat.engine.convert.services import ServicePorts
from ocicat.engine.policy import Entity, EntityKind
from ocicat.model.net import WIDTH, Address, network_name
from ocicat.model.record import EndType

NOTHING: Final = "-"
"""The namespace of what has none, and every name of a Service where none was dialled."""
SEVERAL: Final = "*"
"""What stands where several Services differ."""
IMPLICIT: Final = "projectcalico.org/"
"""Labels that begin so are for policy, not for records (§11.7, §16.8)."""


# --- identity of an address ---------------------------------------------------------------------------------


class FlowEnd(msgspec.Struct, frozen=True, order=True):
    """One end of a flow, as records name it."""

    type: EndType
    name: str
    namespace: str
    """`-` where there is none."""
    labels: tuple[str, ...] = ()
    """`key=value`, sorted: the end's own labels, neither inherited nor implicit ones (§11.7)."""


class IdentityIndex(msgspec.Struct, frozen=True):
    """Whose an address is. Made by `IdentityIndex.of`."""

    endpoints: Mapping[Address, Entity]
    """Workload and host endpoints; of several at one address the most recently added."""
    sets: Mapping[tuple[int, int], Mapping[int, tuple[Entity, ...]]]
    """Network sets: (family, length) → bits of the prefix → the sets that hold it; longest first."""
    node_addresses: frozenset[Address]

    @classmethod
    def of(cls, entities: Iterable[Entity]) -> "IdentityIndex":
        """Return the index of `entities`, which come in the order in which they were added."""
        endpoints: dict[Address, Entity] = {}
        sets: dict[tuple[int, int], dict[int, list[Entity]]] = {}
        nodes: set[Address] = set()
        for entity in entities:
            if entity.key.kind is EntityKind.NODE:
                nodes.update(entity.addresses)
            elif entity.key.kind is EntityKind.NETWORK_SET:
                for net in entity.nets:
                    sets.setdefault((net.family, net.length), {}).setdefault(net.bits, []).append(entity)
            else:
                endpoints.update(dict.fromkeys(entity.addresses, entity))
        longest_first = {
            key: {bits: tuple(found) for bits, found in sets[key].items()}
            for key in sorted(sets, reverse=True)
        }
        return cls(endpoints, longest_first, frozenset(nodes))

    def network_set(self, address: Address, preferred_namespace: str) -> Entity | None:
        """Return the network set that names an address, or None (§11.5).

        Sets of the preferred namespace come before global ones, those before all others, and only within such
        a class does the longest prefix win: a /8 in the preferred namespace beats a /32 of a global set. What
        is then still equal is decided by the lowest key. An empty preferred namespace prefers none.
        """
        best: tuple[int, Entity] | None = None
        for entity in self._covering(address):
            rank = _class_of(entity.key.namespace, preferred_namespace)
            if best is None or rank < best[0]:
                best = rank, entity
        return None if best is None else best[1]

    def _covering(self, address: Address) -> Iterator[Entity]:
        """Yield the sets around an address: longest prefix first, of equal ones the lowest key first."""
        for (family, length), prefixes in self.sets.items():
            if family == address.family:
                host = WIDTH[family] - length
                yield from sorted(prefixes.get(address.bits >> host << host, ()), key=_key_text)


def _class_of(namespace: str, preferred: str) -> int:
    if not namespace:
        return 1
    return 0 if namespace == preferred else 2


def _key_text(entity: Entity) -> bytes:
    return str(entity.key).encode("utf-8", "surrogatepass")


def flow_ends(index: IdentityIndex, source: Address, destination: Address) -> tuple[FlowEnd, FlowEnd]:
    """Return how a record names source and destination, the latter after NAT.

    The source comes first and prefers network sets of the destination's namespace, but only if an endpoint is
    there; then the destination prefers those of the source's namespace, endpoint or set (§11.5).
    """
    target = index.endpoints.get(destination)
    origin = index.endpoints.get(source) or index.network_set(source, _namespace(target))
    target = target or index.network_set(destination, _namespace(origin))
    return _end(origin, source), _end(target, destination)


def _namespace(entity: Entity | None) -> str:
    return entity.key.namespace if entity is not None else ""


def _end(entity: Entity | None, address: Address) -> FlowEnd:
    if entity is None:
        return FlowEnd(EndType.NETWORK, network_name(address), NOTHING)
    key = entity.key
    return FlowEnd(
        EndType(key.kind.value),
        entity.shown_name or key.name,
        key.namespace or NOTHING,
        shown_labels(entity.labels),
    )


def shown_labels(labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return labels as records show them: `key=value`, sorted, without implicit ones (§11.7)."""
    return tuple(sorted(f"{key}={value}" for key, value in labels.items() if not key.startswith(IMPLICIT)))


def merged_labels(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    """Return the labels of two records of one flow: what both have (§11.7)."""
    return tuple(sorted(set(first) & set(second)))


# --- the Service that was dialled ---------------------------------------------------------------------------


class DialledService(msgspec.Struct, frozen=True, order=True):
    """The Service of a flow's destination; each name is `-` for none and `*` for several that differ."""

    namespace: str = NOTHING
    name: str = NOTHING
    port_name: str = NOTHING
    """Also `-` for a port without a name."""
    port: int = 0
    """The port that was dialled, before NAT; 0 for no Service."""


NO_SERVICE: Final = DialledService()


class ServiceIndex(msgspec.Struct, frozen=True):
    """Which Services answer where, as (namespace, name, port name). Made by `ServiceIndex.of`."""

    fronts: Mapping[tuple[Address, int, int], frozenset[tuple[str, str, str]]]
    """(clusterIP or externalIP, protocol, port) → Services."""
    node_ports: Mapping[tuple[int, int], frozenset[tuple[str, str, str]]]
    """(protocol, node port) → Services."""

    @classmethod
    def of(cls, services: Iterable[ServicePorts]) -> "ServiceIndex":
        """Return the index of `services`."""
        fronts: dict[tuple[Address, int, int], set[tuple[str, str, str]]] = {}
        node_ports: dict[tuple[int, int], set[tuple[str, str, str]]] = {}
        for service in services:
            for port in service.ports:
                names = (service.namespace, service.name, port.name or NOTHING)
                for address in service.addresses:
                    fronts.setdefault((address, port.protocol, port.port), set()).add(names)
                if port.node_port:
                    node_ports.setdefault((port.protocol, port.node_port), set()).add(names)
        return cls(
            {key: frozenset(found) for key, found in fronts.items()},
            {key: frozenset(found) for key, found in node_ports.items()},
        )


def attributed_service(
    services: ServiceIndex,
    protocol: int,
    destination: tuple[Address, int],
    dialled: tuple[Address, int] | None,
    node_addresses: Container[Address],
) -> DialledService:
    """Return the Service through which a connection came (§11.6).

    `destination` is address and port after NAT; `dialled` those before it, None where there was no NAT.
    `node_addresses` tells whether a destination that was dialled directly can be a node port.
    """
    if dialled is not None and dialled != destination:
        address, port = dialled
        found = services.fronts.get((address, protocol, port)) or services.node_ports.get((protocol, port))
    else:
        address, port = destination
        found = services.node_ports.get((protocol, port)) if address in node_addresses else None
    if not found:
        return NO_SERVICE
    namespace, name, port_name = (
        values.pop() if len(values) == 1 else SEVERAL for values in map(set, zip(*found, strict=True))
    )
    return DialledService(namespace, name, port_name, port)
