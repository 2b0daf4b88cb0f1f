"""The index of identities agrees with a reading of policy-semantics §11.5 that looks at every set."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from ocicat.engine.identity import IdentityIndex, flow_ends
from ocicat.engine.policy import Entity, EntityKey, EntityKind
from ocicat.model.net import Address, Prefix

ADDRESSES = tuple(Address.parse(text) for text in ("10.0.0.1", "10.0.0.2", "192.0.2.1", "fd00::1", "fd00::2"))
LENGTHS = (0, 8, 24, 31, 32)
NAMESPACES = ("", "a", "b")

prefixes = st.builds(
    lambda address, length: Prefix.of(address.family, address.bits, length),
    st.sampled_from(ADDRESSES),
    st.sampled_from(LENGTHS),
)
network_sets = st.builds(
    lambda namespace, name, nets: Entity(
        EntityKey(EntityKind.NETWORK_SET, namespace, name), nets=tuple(nets)
    ),
    st.sampled_from(NAMESPACES),
    st.sampled_from(("s", "t", "s-1")),
    st.lists(prefixes, max_size=3),
)
pods = st.builds(
    lambda namespace, name, address: Entity(
        EntityKey(EntityKind.WORKLOAD, namespace, name), addresses=(address,)
    ),
    st.sampled_from(NAMESPACES[1:]),
    st.sampled_from(("p", "q")),
    st.sampled_from(ADDRESSES),
)
worlds = st.lists(network_sets | pods, max_size=8, unique_by=lambda entity: entity.key)


def owner(world: Sequence[Entity], address: Address) -> Entity | None:
    """Return the endpoint that was added last."""
    return next((entity for entity in reversed(world) if address in entity.addresses), None)


def chosen_set(world: Sequence[Entity], address: Address, preferred: str) -> Entity | None:
    """Return the best of all (class, -length, key) of sets around the address."""
    around = [
        (entity, net.length)
        for entity in world
        for net in entity.nets
        if net.contains(address.family, address.bits)
    ]

    def rank(item: tuple[Entity, int]) -> tuple[int, int, str]:
        entity, length = item
        namespace = entity.key.namespace
        kind = 0 if preferred and namespace == preferred else 1 if not namespace else 2
        key = f"{namespace}/{entity.key.name}" if namespace else entity.key.name
        return kind, -length, key

    return min(around, key=rank)[0] if around else None


def name(entity: Entity | None) -> str:
    return "" if entity is None else f"{entity.key.namespace or '-'}/{entity.key.name}"


@given(world=worlds, source=st.sampled_from(ADDRESSES), destination=st.sampled_from(ADDRESSES))
def test_the_index_agrees_with_the_definition(
    world: list[Entity], source: Address, destination: Address
) -> None:
    target = owner(world, destination)
    origin = owner(world, source) or chosen_set(world, source, target.key.namespace if target else "")
    target = target or chosen_set(world, destination, origin.key.namespace if origin else "")
    for end, expected in zip(
        flow_ends(IdentityIndex.of(world), source, destination), (origin, target), strict=True
    ):
        found = "" if end.type == "Network" else f"{end.namespace}/{end.name}"
        assert found == name(expected)
