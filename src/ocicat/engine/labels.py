"""Which selectors match which entities, kept true while labels and selectors come and go.

Both directions are indexed. An entity that changes is tried only against selectors that it could satisfy, and
a selector that comes is tried only on entities that could satisfy it: a selector's *guards* are label values
of which a matching entity must have at least one. Without this a change in a cluster with thousands of
policies costs a match of every selector; with it, a handful. Matching is `Selector.matches` and nothing else.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import TypeVar

import msgspec

from ocicat.engine.convert.selectors import NAMESPACE
from ocicat.model.selector import And, Compare, Has, Member, Node, Operator, Or, Selector

Key = TypeVar("Key")
Item = TypeVar("Item")


class Guard(msgspec.Struct, frozen=True, gc=False):
    """A label, with a value unless any will do, within a namespace unless any will do."""

    label: str
    value: str | None = None
    namespace: str | None = None


def guards_of(node: Node) -> tuple[Guard, ...] | None:
    """Return guards of which every match must satisfy one, or None where no label is required.

    No guards at all, `()`, is the answer for a selector that nothing can satisfy.
    """
    match node:
        case Has(label):
            return (Guard(label),)
        case Compare(label, Operator.EQUAL, value):
            return (Guard(label, value),)
        case Compare(label, Operator.CONTAINS | Operator.STARTS_WITH | Operator.ENDS_WITH):
            return (Guard(label),)
        case Member(label, Operator.IN, values):
            return tuple(Guard(label, value) for value in values)
        case And():
            return _guards_of_all(_conjuncts(node))
        case Or(operands):
            every = [guards_of(operand) for operand in operands]
            if any(guards is None for guards in every):
                return None
            return tuple(dict.fromkeys(guard for guards in every for guard in guards or ()))
        case _:
            return None


def _conjuncts(node: Node) -> Iterator[Node]:
    if isinstance(node, And):
        for operand in node.operands:
            yield from _conjuncts(operand)
    else:
        yield node


def _guards_of_all(conjuncts: Iterable[Node]) -> tuple[Guard, ...] | None:
    """Return the narrowest guards of a conjunction, narrowed to its namespace where it names one."""
    namespace: str | None = None
    best: tuple[Guard, ...] | None = None
    for conjunct in conjuncts:
        if (
            isinstance(conjunct, Compare)
            and conjunct.operator is Operator.EQUAL
            and conjunct.label == NAMESPACE
        ):
            namespace = conjunct.value
            continue
        guards = guards_of(conjunct)
        if guards is not None and (best is None or _width(guards) < _width(best)):
            best = guards
    if namespace is None:
        return best
    if best is None:
        return (Guard(NAMESPACE, namespace),)
    return tuple(Guard(guard.label, guard.value, guard.namespace or namespace) for guard in best)


def _width(guards: tuple[Guard, ...]) -> int:
    """Return a guess of how much the guards let through: a label of any value counts as many values."""
    return sum(16 if guard.value is None else 1 for guard in guards)


class SelectorIndex:
    """Entities by number, selectors by canonical text, and the bits of the members of each selector.

    `changed(selector, number, joined)` is called for each membership that begins or ends.
    """

    def __init__(self, changed: Callable[[str, int, bool], None]) -> None:
        """Make an empty index."""
        self._changed = changed
        self._labels: dict[int, Mapping[str, str]] = {}
        self._selectors: dict[str, Selector] = {}
        self._uses: dict[str, int] = {}
        self._guards: dict[str, tuple[Guard, ...] | None] = {}
        self._guarded: dict[Guard, set[str]] = {}
        self._unguarded: set[str] = set()
        self._with_label: dict[str, set[int]] = {}
        self._with_value: dict[tuple[str, str], set[int]] = {}
        self.members: dict[str, int] = {}
        """Canonical text of each selector held → bits of its members."""

    # --- entities -------------------------------------------------------------------------------------------

    def put(self, number: int, labels: Mapping[str, str]) -> None:
        """Set the labels of an entity, new or known."""
        old = self._labels.get(number)
        if old == labels:
            return
        candidates = self._candidates(labels)
        if old is not None:
            candidates |= self._candidates(old)
            self._unpost(number, old)
        self._labels[number] = labels
        self._post(number, labels)
        for canonical in candidates:
            self._set_member(canonical, number, self._selectors[canonical].matches(labels))

    def remove(self, number: int) -> None:
        """Forget an entity."""
        labels = self._labels.pop(number, None)
        if labels is None:
            return
        self._unpost(number, labels)
        for canonical in self._candidates(labels):
            self._set_member(canonical, number, False)

    def _set_member(self, canonical: str, number: int, joined: bool) -> None:
        bits = self.members[canonical]
        if (bits >> number & 1) != joined:
            self.members[canonical] = bits ^ (1 << number)
            self._changed(canonical, number, joined)

    def _candidates(self, labels: Mapping[str, str]) -> set[str]:
        """Return the selectors that an entity with these labels could satisfy."""
        found = set(self._unguarded)
        namespace = labels.get(NAMESPACE)
        for label, value in labels.items():
            for within in (None, namespace) if namespace is not None else (None,):
                found |= self._guarded.get(Guard(label, value, within), frozenset())
                found |= self._guarded.get(Guard(label, None, within), frozenset())
        return found

    def _post(self, number: int, labels: Mapping[str, str]) -> None:
        for label, value in labels.items():
            self._with_label.setdefault(label, set()).add(number)
            self._with_value.setdefault((label, value), set()).add(number)

    def _unpost(self, number: int, labels: Mapping[str, str]) -> None:
        for label, value in labels.items():
            _discard(self._with_label, label, number)
            _discard(self._with_value, (label, value), number)

    # --- selectors ------------------------------------------------------------------------------------------

    def hold(self, selector: Selector) -> None:
        """Keep the members of a selector; hold and release are counted."""
        canonical = selector.canonical
        self._uses[canonical] = self._uses.get(canonical, 0) + 1
        if self._uses[canonical] > 1:
            return
        self._selectors[canonical] = selector
        guards = self._guards[canonical] = guards_of(selector.node)
        if guards is None:
            self._unguarded.add(canonical)
        for guard in guards or ():
            self._guarded.setdefault(guard, set()).add(canonical)
        bits = 0
        for number in self._possible(guards):
            if selector.matches(self._labels[number]):
                bits |= 1 << number
        self.members[canonical] = bits

    def release(self, selector: Selector) -> None:
        """End one hold; the last one forgets the selector."""
        canonical = selector.canonical
        self._uses[canonical] -= 1
        if self._uses[canonical]:
            return
        guards = self._guards.pop(canonical)
        if guards is None:
            self._unguarded.discard(canonical)
        for guard in guards or ():
            _discard(self._guarded, guard, canonical)
        del self._uses[canonical], self._selectors[canonical], self.members[canonical]

    def _possible(self, guards: tuple[Guard, ...] | None) -> Iterable[int]:
        """Return the entities that could satisfy a selector with these guards."""
        if guards is None:
            return self._labels
        found: set[int] = set()
        for guard in guards:
            numbers: Set[int] = (
                self._with_label.get(guard.label, frozenset())
                if guard.value is None
                else self._with_value.get((guard.label, guard.value), frozenset())
            )
            if guard.namespace is not None:
                of_namespace: Set[int] = self._with_value.get((NAMESPACE, guard.namespace), frozenset())
                numbers = min(numbers, of_namespace, key=len)
            found |= numbers
        return found


def _discard(sets: dict[Key, set[Item]], key: Key, item: Item) -> None:
    """Take an item out of a set of sets, and the set with its last item."""
    items = sets[key]
    items.discard(item)
    if not items:
        del sets[key]
