"""`Judges`: the Programs of a node's pods with the answers they have given, kept from one rendering to the
next.

Kept is only what the present Plan gives again: each entry remembers what it was made of, by value, and is
made anew when that differs. So a rendering with a memory equals one without
(tests/property/test_render.py), and costs what has changed.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec
import numpy as np

from ocicat.dataplane.nft.answers import Answering, Answers
from ocicat.dataplane.nft.crowds import Crowd
from ocicat.dataplane.nft.kinds import Criteria, Kinds
from ocicat.dataplane.nft.peers import Row
from ocicat.dataplane.nft.ruleset import Chain, Container, digest
from ocicat.dataplane.traces import UNKNOWN
from ocicat.engine.plan import Plan, PolicyClass
from ocicat.engine.policy import Direction, Entity, Rule, Side
from ocicat.engine.program import Program, Signature, bind
from ocicat.model.net import Address

Witness = tuple[object, ...]
Parts = tuple[Chain | Container, ...]


class Judge:
    """One Program, and the answers it has given."""

    def __init__(self, name: str, program: Program, witness: Witness) -> None:
        """Start with a Program that was made of `witness`; `name` tells it from others, in every process."""
        self.name = name
        self.program = program
        self.witness = witness
        self._given: dict[Signature, Answering] = {}
        self._row: tuple[Witness, Row] | None = None
        self._parts: tuple[Kinds, Row, Parts] | None = None
        self.criteria = Criteria.of(program)

    def row(self, plan: Plan, crowd: Crowd, answers: Answers) -> Row:
        """Return what the Program gives each peer of a crowd; `answers` makes what was not given before."""
        inputs: Witness = (
            crowd.epoch,
            *(plan.sets.get(name) for name in self.criteria.sets),
            *(plan.services.get(key) for key in self.criteria.services),
        )
        known = {
            signature: answering
            for signature, answering in self._given.items()
            if UNKNOWN not in answering.numbers
        }
        # What found no number is asked anew every time: one may have become free.
        if self._row is None or self._row[0] != inputs or len(known) < len(self._given):
            signatures, own = crowd.table.signatures(self.program, np.arange(len(crowd.table.addresses)))
            given = {
                signature: known.get(signature) or answers.answering(self.program, signature)
                for signature in signatures
            }
            self._row = inputs, Row(tuple(given[signature].name for signature in signatures), own)
            # Answers that are not given now are forgotten: their traces' numbers may come to mean others.
            self._given = given
        return self._row[1]

    def parts(self, kinds: Kinds, row: Row, written: Callable[[], Iterable[Chain | Container]]) -> Parts:
        """Return what `written` returns, which depends on kinds and row alone, and is asked if they
        differ."""
        if self._parts is None or self._parts[0] is not kinds or self._parts[1] is not row:
            self._parts = kinds, row, tuple(written())
        return self._parts[2]

    @property
    def given(self) -> Iterable[Answering]:
        """The answers of the last row."""
        return self._given.values()


class Judges:
    """The Judges of one node. One is shared by all endpoints to which a class means the same."""

    def __init__(self) -> None:
        """Start without memory."""
        self._known: dict[tuple[str, object], Judge] = {}
        self._classes: dict[str, _ClassFacts] = {}

    def begin(self, plan: Plan) -> "Bench":
        """Return who finds the Judges of a rendering; what it does not ask for is forgotten by `keep`."""
        return Bench(plan, self._known, self._classes)

    def keep(self, bench: "Bench") -> None:
        """Remember what a rendering used, and nothing else."""
        self._known, self._classes = bench.used, bench.classes


class _ClassFacts:
    """What of its own endpoint a class asks, and what it was made of."""

    def __init__(self, plan: Plan, policies: PolicyClass) -> None:
        self.witness = class_witness(plan, policies)
        near = [_near(rule, policies.direction) for rule in _rules(plan, policies)]
        self.asks_address = any(
            side.nets or side.not_nets or side.selector or side.not_selector or side.nodes or side.service
            for side in near
        )
        self.port_names = frozenset(
            name for side in near for name in (*side.named_ports, *side.not_named_ports)
        )


def class_witness(plan: Plan, policies: PolicyClass) -> Witness:
    """Return what the Programs of a class are made of, their own endpoint apart."""
    keys = [key for part in policies.tiers for key in part.policies]
    return (
        *(plan.policies[key] for key in keys),
        *(plan.names[key] for key in keys),
        *(plan.profiles.get(name) for name in policies.profiles),
    )


def _near(rule: Rule, direction: Direction) -> Side:
    return rule.destination if direction is Direction.INGRESS else rule.source


def _rules(plan: Plan, policies: PolicyClass) -> Iterable[Rule]:
    for part in policies.tiers:
        for key in part.policies:
            yield from plan.policies[key].rules(policies.direction) or ()
    for name in policies.profiles:
        profile = plan.profiles.get(name)
        yield from profile.rules(policies.direction) if profile else ()


class Bench:
    """Finds the Judges of one rendering."""

    def __init__(
        self, plan: Plan, known: Mapping[tuple[str, object], Judge], classes: Mapping[str, _ClassFacts]
    ) -> None:
        self._plan = plan
        self._known = known
        self._known_classes = classes
        self.used: dict[tuple[str, object], Judge] = {}
        self.classes: dict[str, _ClassFacts] = {}

    def judge(self, class_id: str, entity: Entity, address: Address) -> Judge:
        """Return the Judge of a class for an address of an endpoint."""
        facts = self.classes.get(class_id) or self._class_facts(class_id)
        alone = len(self._plan.owners.get(address, ())) == 1
        if alone and not facts.asks_address:
            ports = tuple(port for port in entity.named_ports if port.name in facts.port_names)
            key: tuple[str, object] = (class_id, (address.family, ports))
        else:
            key = (class_id, address)
        return self.used.get(key) or self._found(key, class_id, facts, address)

    def _class_facts(self, class_id: str) -> _ClassFacts:
        policies = self._plan.classes[class_id]
        facts = self._known_classes.get(class_id)
        if facts is None or facts.witness != class_witness(self._plan, policies):
            facts = _ClassFacts(self._plan, policies)
        self.classes[class_id] = facts
        return facts

    def _found(self, key: tuple[str, object], class_id: str, facts: _ClassFacts, address: Address) -> Judge:
        judge = self._known.get(key)
        by_class = not isinstance(key[1], Address)
        if judge is None or judge.witness != facts.witness or not by_class:
            program = bind(self._plan, self._plan.classes[class_id], address)
            if judge is None or judge.witness != facts.witness or judge.program != program:
                judge = Judge(_name(key), program, facts.witness)
        self.used[key] = judge
        return judge


def _name(key: tuple[str, object]) -> str:
    """Return a name for what makes a Judge one of its own: its class, and what of its endpoint the class
    asks."""
    class_id, binding = key
    asked = str(binding) if isinstance(binding, Address) else msgspec.json.encode(binding).decode()
    return digest((class_id, asked))
