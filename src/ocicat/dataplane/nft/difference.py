"""From one ruleset to another: the one transaction that touches only what differs. Pure.

nft commits a whole input or nothing. Only where the kernel cannot take the input in one piece (`driver`) is
it cut, between *steps*: their order is such that nothing is reached before it is complete, and nothing is
taken away while something leads to it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

import msgspec

from ocicat.dataplane.nft.elements import ElementChange
from ocicat.dataplane.nft.ruleset import FAMILY, Chain, Container, Ruleset, element_texts

_ELEMENTS_A_LINE: Final = 500


class Transaction(msgspec.Struct, frozen=True):
    """Commands for nft, in order. Those of one step belong together."""

    table: str
    steps: tuple[str, ...] = ()
    elements: tuple[ElementChange, ...] = ()
    """The same as `steps`, where nothing but elements changes; else nothing."""
    closing: str = ""
    """The step that drops all new connections of pods, for the time between the pieces of a cut
    transaction."""
    opening: str = ""
    """The step that lets them pass again."""

    def __str__(self) -> str:
        return "".join(f"{step}\n" for step in self.steps)

    def __bool__(self) -> bool:
        return bool(self.steps)

    def pieces(self, characters: int) -> "Iterator[Transaction]":
        """Yield transactions of about so many characters that together do the same, one after the other."""
        steps = [step for step in (self.closing, *self.steps, self.opening) if step]
        piece: list[str] = []
        length = 0
        for step in steps:
            if piece and length + len(step) > characters:
                yield Transaction(self.table, tuple(piece))
                piece, length = [], 0
            piece.append(step)
            length += len(step)
        yield Transaction(self.table, tuple(piece))


def difference(old: Ruleset | None, new: Ruleset) -> Transaction:
    """Return what makes `new` of `old`; nothing where they are equal.

    Without an old ruleset, and where the declaration of a set or a hook differs, the table is replaced. That
    empties the sets in which flows are counted.
    """
    if old is None or _declared_otherwise(old, new):
        table = f"{FAMILY} {new.table}"
        afresh = f"add table {table}\ndelete table {table}\nadd table {table}"
        return Transaction(new.table, (afresh, *_changes(Ruleset(new.table), new)))
    at = f"{FAMILY} {new.table}"
    gates = [new.chains[name] for name in new.gates if name in old.chains]
    return Transaction(
        new.table,
        tuple(_changes(old, new)),
        tuple(_element_changes(old, new)) if _same_but_elements(old, new) else (),
        "\n".join(f"insert rule {at} {gate.name} drop" for gate in gates),
        "\n".join(_replaced(at, gate) for gate in gates),
    )


def _declared_otherwise(old: Ruleset, new: Ruleset) -> bool:
    containers = any(
        old.containers[name].declaration != container.declaration
        for name, container in new.containers.items()
        if name in old.containers
    )
    return containers or any(
        old.chains[name].hook != chain.hook for name, chain in new.chains.items() if name in old.chains
    )


# --- elements alone -----------------------------------------------------------------------------------------


def _same_but_elements(old: Ruleset, new: Ruleset) -> bool:
    return old.chains == new.chains and old.containers.keys() == new.containers.keys()


def _element_changes(old: Ruleset, new: Ruleset) -> Iterator[ElementChange]:
    for name, container in new.containers.items():
        before, after = old.containers[name].elements, container.elements
        if not container.dynamic and before != after:
            yield ElementChange(
                name,
                container.type,
                {key: verdict for key, verdict in before.items() if after.get(key) != verdict},
                {key: verdict for key, verdict in after.items() if before.get(key) != verdict},
            )


# --- commands -----------------------------------------------------------------------------------------------


def _changes(old: Ruleset, new: Ruleset) -> Iterator[str]:
    """Yield the steps: what is new and out of reach, what is in reach, what nobody needs any more."""
    at = f"{FAMILY} {new.table}"
    came = [chain for name, chain in new.chains.items() if name not in old.chains]
    inner = [chain for chain in came if not chain.hook]
    new_containers = [item for name, item in new.containers.items() if name not in old.containers]
    # Chains first: nft 1.0.6 sends the elements of a new interval map along with its declaration.
    yield from (f"add chain {at} {chain.name}" for chain in inner)
    yield from (_declared(at, container) for container in new_containers)
    yield from (_rules(at, chain) for chain in inner if chain.rules)
    for container in new_containers:
        yield from _added(at, container.name, container.elements)
    for name, container in new.containers.items():
        if name in old.containers and not container.dynamic:
            yield from _elements(at, name, old.containers[name].elements, container.elements)
    for name, chain in new.chains.items():
        if name in old.chains and chain.rules != old.chains[name].rules:
            yield _replaced(at, chain)
    for chain in came:
        if chain.hook:
            yield f"add chain {at} {chain.name} {{ {chain.hook} }}\n{_rules(at, chain)}"
    yield from _removals(at, old, new)


def _removals(at: str, old: Ruleset, new: Ruleset) -> Iterator[str]:
    chains = [name for name in old.chains if name not in new.chains]
    yield from (f"flush chain {at} {name}" for name in chains)
    for name, container in old.containers.items():
        if name not in new.containers:
            yield f"delete {container.kind} {at} {name}"
    yield from (f"delete chain {at} {name}" for name in chains)


def _declared(at: str, container: Container) -> str:
    return f"add {container.kind} {at} {container.name} {{ {' ; '.join(container.declaration)} ; }}"


def _rules(at: str, chain: Chain) -> str:
    return "\n".join(f"add rule {at} {chain.name} {rule}" for rule in chain.rules)


def _replaced(at: str, chain: Chain) -> str:
    return f"flush chain {at} {chain.name}\n{_rules(at, chain)}".rstrip("\n")


def _elements(at: str, name: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    """Yield the changes of a container's elements; a verdict changes by removing and adding in one step."""
    if old == new:
        return
    gone = sorted(key for key in old if key not in new)
    changed = {key: new[key] for key in new if key in old and old[key] != new[key]}
    for some in _chunks(sorted(changed)):
        removed = _removed(at, name, some)
        yield f"{removed}\n{_element_line(at, name, {key: changed[key] for key in some})}"
    yield from (_removed(at, name, some) for some in _chunks(gone))
    yield from _added(at, name, {key: new[key] for key in new if key not in old})


def _added(at: str, name: str, elements: Mapping[str, str]) -> Iterator[str]:
    for some in _chunks(sorted(elements)):
        yield _element_line(at, name, {key: elements[key] for key in some})


def _element_line(at: str, name: str, elements: Mapping[str, str]) -> str:
    return f"add element {at} {name} {{ {', '.join(element_texts(elements))} }}"


def _removed(at: str, name: str, keys: Sequence[str]) -> str:
    return f"delete element {at} {name} {{ {', '.join(keys)} }}"


def _chunks(keys: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(keys)
    while some := list(islice(rest, _ELEMENTS_A_LINE)):
        yield some
