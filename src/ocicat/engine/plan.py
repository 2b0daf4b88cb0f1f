"""`Plan`: the compiled form of policy, which every answer is read from.

A Plan is a value: it holds what applies to whom, and nothing of how it came about. Evaluator, kernel
renderer, reachability, replay and recommendation are its readers; none of them looks at a resource again.

* A *class* is what endpoints with the same policies in the same order share.
* A *set* is what a selector denotes: the entities that match it, and so their addresses.
* *Signatures* and *traces* follow from the two; `ocicat.engine.program` derives them.

Entities are numbered inside one Plan, so that a set is one integer with a bit for each member, and "is this
address in that set" is one AND. The numbers depend on history and mean nothing outside; `document()` and
comparison use names only. Source: design/dataplane §1, spec/policy-semantics §5.4, §6, §7.
"""

import hashlib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from ocicat.engine.policy import (
    Direction,
    Entity,
    EntityKey,
    EntityKind,
    Policy,
    PolicyKey,
    Profile,
    Tier,
)
from ocicat.model.flow import Action
from ocicat.model.net import WIDTH, Address
from ocicat.model.selector import Selector


class PolicyList(StrEnum):
    """Which of an endpoint's lists a class belongs to (§7.1, §8). Pods have the normal one only."""

    NORMAL = "normal"
    FORWARD = "forward"
    UNTRACKED = "untracked"
    PRE_DNAT = "preDNAT"


class TierSlice(msgspec.Struct, frozen=True):
    """The policies of one tier that apply to the members of a class, in order, staged ones in their place."""

    tier: str
    default_action: Action
    policies: tuple[PolicyKey, ...]


class PolicyClass(msgspec.Struct, frozen=True):
    """What endpoints with the same ordered policies share, in one direction of one list."""

    direction: Direction
    list: PolicyList
    tiers: tuple[TierSlice, ...]
    profiles: tuple[str, ...]
    """Names of the profiles that are asked after the tiers, in order."""

    @property
    def id(self) -> str:
        """A digest of the content: equal classes have equal ids, in every process."""
        content = msgspec.json.encode(self)
        return hashlib.blake2b(content, digest_size=8).hexdigest()


class EndpointPlan(msgspec.Struct, frozen=True):
    """A workload or host endpoint with the ids of its classes."""

    key: EntityKey
    classes: Mapping[tuple[PolicyList, Direction], str]

    def class_id(self, direction: Direction, policies: PolicyList = PolicyList.NORMAL) -> str:
        """Return the class id for a direction. Raises KeyError for a list the endpoint does not have."""
        return self.classes[policies, direction]


class ServiceEndpoints(msgspec.Struct, frozen=True):
    """What a Service's EndpointSlices name; readiness does not matter (§6.6)."""

    ports: frozenset[tuple[Address, int, int]] = frozenset()
    """(address, protocol, port) of every endpoint."""
    addresses: frozenset[Address] = frozenset()


NO_ENDPOINTS: Final = ServiceEndpoints()


def node_set(selector: Selector) -> str:
    """Return the id of the set of Nodes that `selector` denotes, apart from the sets of other entities."""
    return f"nodes: {selector.canonical}"


class Plan(msgspec.Struct, frozen=True, eq=False):
    """Compiled policy. Made by `ocicat.engine.index.PolicyIndex`."""

    tiers: tuple[Tier, ...]
    """In order, stand-ins for missing tiers last."""
    policies: Mapping[PolicyKey, Policy]
    names: Mapping[PolicyKey, str]
    """The name of each policy as traces show it (§1 "Our choice")."""
    profiles: Mapping[str, Profile]
    entities: Mapping[int, Entity]
    """By number."""
    numbers: Mapping[EntityKey, int]
    owners: Mapping[Address, tuple[int, ...]]
    """Which endpoints and nodes have an address."""
    cidrs: Mapping[tuple[int, int], Mapping[int, tuple[int, ...]]]
    """Network sets: (family, length) → prefix bits → numbers."""
    sets: Mapping[str, int]
    """Canonical selector → bits of the entities that match; `node_set(…)` → bits of the Nodes that match."""
    classes: Mapping[str, PolicyClass]
    endpoints: Mapping[EntityKey, EndpointPlan]
    hosts: Mapping[str, tuple[EntityKey, ...]]
    """The host endpoints of each node that has some."""
    services: Mapping[tuple[str, str], ServiceEndpoints]

    def covering_numbers(self, address: Address) -> Iterator[int]:
        """Yield the entities that the address belongs to: its owners, and sets with a CIDR around it."""
        yield from self.owners.get(address, ())
        for (family, length), prefixes in self.cidrs.items():
            if family == address.family:
                host = WIDTH[family] - length
                yield from prefixes.get(address.bits >> host << host, ())

    def covering(self, address: Address) -> int:
        """Return the bits of the entities that the address belongs to."""
        bits = 0
        for number in self.covering_numbers(address):
            bits |= 1 << number
        return bits

    def members(self, selector: Selector) -> int:
        """Return the bits of the entities that a selector of this Plan denotes."""
        return self.sets.get(selector.canonical, 0)

    def node_members(self, selector: Selector) -> int:
        """Return the bits of the Nodes that a selector over Nodes' own labels denotes."""
        return self.sets.get(node_set(selector), 0)

    def owner(self, address: Address, kind: EntityKind) -> Entity | None:
        """Return the entity of `kind` that has the address; of several, the one whose key sorts last."""
        found = [
            entity
            for number in self.owners.get(address, ())
            if (entity := self.entities[number]).key.kind is kind
        ]
        return max(found, key=lambda entity: entity.key, default=None)

    def each(self, bits: int) -> Iterator[Entity]:
        """Yield the entities whose bits are set."""
        for number in numbers_of(bits):
            yield self.entities[number]

    def document(self) -> dict[str, Any]:
        """Return the Plan as plain values with names for numbers: the same for every path that led to it."""
        return {
            "tiers": [msgspec.to_builtins(tier) for tier in self.tiers],
            "policies": {str(key): _builtins(self.policies[key]) for key in sorted(self.policies)},
            "names": {str(key): self.names[key] for key in sorted(self.names)},
            "profiles": {name: _builtins(self.profiles[name]) for name in sorted(self.profiles)},
            "entities": {
                str(key): _builtins(self.entities[self.numbers[key]]) for key in sorted(self.numbers)
            },
            "sets": {
                name: sorted(str(e.key) for e in self.each(self.sets[name])) for name in sorted(self.sets)
            },
            "classes": {name: _builtins(self.classes[name]) for name in sorted(self.classes)},
            "endpoints": {
                str(key): {
                    f"{name} {direction}": class_id for (name, direction), class_id in ordered(plan.classes)
                }
                for key, plan in sorted(self.endpoints.items())
            },
            "services": {
                f"{namespace}/{name}": _service_document(self.services[namespace, name])
                for namespace, name in sorted(self.services)
            },
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plan) and self.document() == other.document()

    __hash__ = None  # type: ignore[assignment]  # a Plan is compared by value and holds mappings


def ordered(
    mapping: Mapping[tuple[PolicyList, Direction], str],
) -> list[tuple[tuple[PolicyList, Direction], str]]:
    """Return the items of an endpoint's classes in a fixed order."""
    return sorted(mapping.items())


def numbers_of(bits: int) -> Iterator[int]:
    """Yield the positions of the bits that are set, ascending."""
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


def _builtins(value: msgspec.Struct) -> Any:
    return msgspec.to_builtins(value, enc_hook=_encoded)


def _encoded(value: object) -> str:
    if isinstance(value, Selector):
        return value.canonical
    raise NotImplementedError(f"a Plan holds no {type(value).__name__}")


def _service_document(service: ServiceEndpoints) -> list[str]:
    return sorted(f"{address} {protocol} {port}" for address, protocol, port in service.ports)
