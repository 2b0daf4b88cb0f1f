"""From one ruleset to another, touching only what differs, and without a moment in which both are mixed.
Pure.

nft commits a whole input at once, but a packet that is on its way then still walks the chains as they were
while it looks elements up as they are. In a chain that is new it finds no rule, and in the maps of one that
is gone no element: it would fall through. So a change has three phases, with the end of all packets on
their way in between (`driver`): what is new is *created*, out of reach; then elements and chains in reach
*flip* to it, each by itself from a whole old answer to a whole new one; then what nobody reaches any more
is *removed*. What a flip does is right whatever other flips have happened, so each phase may also be cut
where the kernel cannot take it in one.

Source: linux/net/netfilter/nf_tables_core.c (nft_do_chain: one generation bit for a chain's rules),
nft_set_hash.c (lookups: the current generation); found by tests/differential/test_changes.py.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

import msgspec

from ocicat.dataplane.nft.elements import ElementChange
from ocicat.dataplane.nft.ruleset import FAMILY, Chain, Ruleset, element_texts

_ELEMENTS_A_LINE: Final = 500


class Phase(msgspec.Struct, frozen=True):
    """Commands for nft, in order. Those of one step belong together."""

    steps: tuple[str, ...] = ()
    elements: tuple[ElementChange, ...] = ()
    """The same as `steps`, where all of them change elements; else nothing."""

    def __str__(self) -> str:
        return "".join(f"{step}\n" for step in self.steps)

    def __bool__(self) -> bool:
        return bool(self.steps)

    def pieces(self, characters: int) -> "Iterator[Phase]":
        """Yield phases of about so many characters that together do the same, one after the other."""
        piece: list[str] = []
        length = 0
        for step in self.steps:
            if piece and length + len(step) + 1 > characters:
                yield Phase(tuple(piece))
                piece, length = [], 0
            piece.append(step)
            length += len(step) + 1
        if piece:
            yield Phase(tuple(piece))


class Transaction(msgspec.Struct, frozen=True):
    """A change of one table."""

    table: str
    create: Phase = Phase()
    flip: Phase = Phase()
    remove: Phase = Phase()

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases in which something happens, in order."""
        return tuple(phase for phase in (self.create, self.flip, self.remove) if phase)

    def __str__(self) -> str:
        return "".join(map(str, self.phases))

    def __bool__(self) -> bool:
        return bool(self.phases)


def difference(old: Ruleset | None, new: Ruleset) -> Transaction:
    """Return what makes `new` of `old`; nothing where they are equal.

    Without an old ruleset, and where the declaration of a set or a hook differs, the table is replaced. That
    empties the sets in which flows are counted.
    """
    if old is None or _declared_otherwise(old, new):
        return _afresh(new)
    at = f"{FAMILY} {new.table}"
    create = (*_chains(at, old, new), *_new_containers(at, old, new), *_new_rules(at, old, new))
    come = tuple(_element_changes(old, new, gone=False))
    chains = (*_replaced(at, old, new), *_hooks(at, old, new))
    gone = tuple(_element_changes(old, new, gone=True))
    remains = tuple(_removals(at, old, new))
    return Transaction(
        new.table,
        Phase(create),
        # Elements before chains: a peer gets an answer of its own before that of all others changes.
        Phase((*_commands(at, come), *chains), come if not chains else ()),
        Phase((*_commands(at, gone), *remains), gone if not remains else ()),
    )


def _afresh(new: Ruleset) -> Transaction:
    """Return what makes a table in place of whatever is there. Its hooks come last."""
    at, nothing = f"{FAMILY} {new.table}", Ruleset(new.table)
    steps = (
        f"add table {at}\ndelete table {at}\nadd table {at}",
        *_chains(at, nothing, new),
        *_new_containers(at, nothing, new),
        *_new_rules(at, nothing, new),
        *_hooks(at, nothing, new),
    )
    return Transaction(new.table, Phase(steps))


def _declared_otherwise(old: Ruleset, new: Ruleset) -> bool:
    containers = any(
        old.containers[name].declaration != container.declaration
        for name, container in new.containers.items()
        if name in old.containers
    )
    return containers or any(
        old.chains[name].hook != chain.hook for name, chain in new.chains.items() if name in old.chains
    )


# --- what is new --------------------------------------------------------------------------------------------


def _came(old: Ruleset, new: Ruleset) -> list[Chain]:
    return [chain for name, chain in new.chains.items() if name not in old.chains]


def _chains(at: str, old: Ruleset, new: Ruleset) -> Iterator[str]:
    """Yield the chains, without rules: nft 1.0.6 sends elements of an interval map with its declaration."""
    yield from (f"add chain {at} {chain.name}" for chain in _came(old, new) if not chain.hook)


def _new_containers(at: str, old: Ruleset, new: Ruleset) -> Iterator[str]:
    came = [container for name, container in new.containers.items() if name not in old.containers]
    for item in came:
        yield f"add {item.kind} {at} {item.name} {{ {' ; '.join(item.declaration)} ; }}"
    for item in came:
        yield from _added(at, item.name, item.elements)


def _new_rules(at: str, old: Ruleset, new: Ruleset) -> Iterator[str]:
    # Each by itself: out of reach a chain may be half there, and one may be too long to be sent at once.
    for chain in _came(old, new):
        if not chain.hook:
            yield from (f"add rule {at} {chain.name} {rule}" for rule in chain.rules)


def _hooks(at: str, old: Ruleset, new: Ruleset) -> Iterator[str]:
    for chain in _came(old, new):
        if chain.hook:
            yield f"add chain {at} {chain.name} {{ {chain.hook} }}\n{_rules(at, chain)}"


# --- what changes, and what goes ----------------------------------------------------------------------------


def _replaced(at: str, old: Ruleset, new: Ruleset) -> Iterator[str]:
    for name, chain in new.chains.items():
        if name in old.chains and chain.rules != old.chains[name].rules:
            yield f"flush chain {at} {name}\n{_rules(at, chain)}".rstrip("\n")


def _rules(at: str, chain: Chain) -> str:
    return "\n".join(f"add rule {at} {chain.name} {rule}" for rule in chain.rules)


def _element_changes(old: Ruleset, new: Ruleset, *, gone: bool) -> Iterator[ElementChange]:
    """Yield the changes of containers that stay: of elements that go, or of those that come or change."""
    for name, container in new.containers.items():
        known = old.containers.get(name)
        if known is None or container.dynamic or known.elements == container.elements:
            continue
        before, after = known.elements, container.elements
        if gone:
            removed = {key: verdict for key, verdict in before.items() if key not in after}
            added: dict[str, str] = {}
        else:
            added = {key: verdict for key, verdict in after.items() if before.get(key) != verdict}
            removed = {key: before[key] for key in added if key in before}
        if removed or added:
            yield ElementChange(name, container.type, removed, added)


def _commands(at: str, changes: Iterable[ElementChange]) -> Iterator[str]:
    """Yield element changes as commands; a verdict changes by removing and adding in one step."""
    for change in changes:
        changed = sorted(change.removed.keys() & change.added.keys())
        for some in _chunks(changed):
            line = _element_line(at, change.container, {key: change.added[key] for key in some})
            yield f"{_removed(at, change.container, some)}\n{line}"
        for some in _chunks(sorted(change.removed.keys() - change.added.keys())):
            yield _removed(at, change.container, some)
        fresh = {key: verdict for key, verdict in change.added.items() if key not in change.removed}
        yield from _added(at, change.container, fresh)


def _removals(at: str, old: Ruleset, new: Ruleset) -> Iterator[str]:
    chains = [name for name in old.chains if name not in new.chains]
    yield from (f"flush chain {at} {name}" for name in chains)
    for name, container in old.containers.items():
        if name not in new.containers:
            yield f"delete {container.kind} {at} {name}"
    yield from (f"delete chain {at} {name}" for name in chains)


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
