"""From one ruleset to another: the one transaction that touches only what differs. Pure.

nft commits a whole input or nothing. Only where the kernel cannot take the input in one piece (`driver`) is
it cut, between *steps*: their order is such that nothing is reached before it is complete, and nothing is
taken away while something leads to it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

import msgspec

from ocicat.dataplane.nft.ruleset import FAMILY, Chain, Container, Ruleset, element_texts

_ELEMENTS_A_LINE: Final = 500


class Transaction(msgspec.Struct, frozen=True):
    """Commands for nft, in order. Those of one step belong together."""

    steps: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "".join(f"{step}\n" for step in self.steps)

    def __bool__(self) -> bool:
        return bool(self.steps)

    def halves(self) -> "tuple[Transaction, Transaction]":
        """Return two transactions that do the same one after the other."""
        middle = len(self.steps) // 2
        return Transaction(self.steps[:middle]), Transaction(self.steps[middle:])


def difference(old: Ruleset | None, new: Ruleset) -> Transaction:
    """Return what makes `new` of `old`; nothing where they are equal.

    Without an old ruleset, and where the declaration of a set or a hook differs, the table is replaced. That
    empties the sets in which flows are counted.
    """
    if old is None or _declared_otherwise(old, new):
        table = f"{FAMILY} {new.table}"
        afresh = f"add table {table}\ndelete table {table}\nadd table {table}"
        return Transaction((afresh, *_changes(Ruleset(new.table), new)))
    return Transaction(tuple(_changes(old, new)))


def _declared_otherwise(old: Ruleset, new: Ruleset) -> bool:
    containers = any(
        old.containers[name].declaration != container.declaration
        for name, container in new.containers.items()
        if name in old.containers
    )
    return containers or any(
        old.chains[name].hook != chain.hook for name, chain in new.chains.items() if name in old.chains
    )


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
            yield f"flush chain {at} {name}\n{_rules(at, chain)}".rstrip("\n")
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
