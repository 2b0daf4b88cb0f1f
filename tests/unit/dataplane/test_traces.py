"""`TraceBook`: which number stands for which outcome, and when it may stand for another."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ocicat.dataplane.traces import UNKNOWN, TraceBook
from ocicat.engine.policy import Direction
from ocicat.engine.program import Outcome
from ocicat.engine.walk import Walked
from ocicat.model.flow import Action, Hit, HitKind

IN, OUT = Direction.INGRESS, Direction.EGRESS


def outcome(name: str) -> Outcome:
    hit = Hit(HitKind.PROFILE, "", name, "", Action.ALLOW, 0, 0)
    return Outcome(Walked(Action.ALLOW, (hit,)), Walked(Action.ALLOW, (hit,)))


def test_an_outcome_keeps_its_number() -> None:
    book = TraceBook()
    assert [book.id_of(IN, outcome(name)) for name in "abab"] == [1, 2, 1, 2]
    assert book.outcome(IN, 2) == outcome("b")
    assert book.outcome(IN, 3) is None


def test_directions_have_numbers_of_their_own() -> None:
    book = TraceBook()
    assert book.id_of(IN, outcome("a")) == 1
    assert book.id_of(OUT, outcome("b")) == 1
    assert book.outcome(OUT, 1) == outcome("b")


def test_a_number_that_a_ruleset_writes_is_never_given_back() -> None:
    book = TraceBook()
    book.id_of(IN, outcome("a"))
    book.rendered(IN, {1})
    assert book.retire(IN, ()) == frozenset()
    assert book.outcome(IN, 1) == outcome("a")


def test_a_number_that_a_connection_carries_is_never_given_back() -> None:
    book = TraceBook()
    book.id_of(IN, outcome("a"))
    book.rendered(IN, ())
    assert book.retired(IN) == {1}
    assert book.retire(IN, {1}) == frozenset()
    assert book.outcome(IN, 1) == outcome("a")
    assert book.retire(IN, ()) == {1}
    assert book.outcome(IN, 1) is None


def test_a_number_given_back_is_free_only_after_a_ruleset_without_it() -> None:
    """Its chain must be gone: else it would change its meaning while packets are on their way through it."""
    book = TraceBook()
    book.id_of(IN, outcome("a"))
    book.rendered(IN, ())
    book.retire(IN, ())
    assert book.id_of(IN, outcome("b")) == 2
    book.rendered(IN, {2})
    assert book.id_of(IN, outcome("c")) == 1


def test_a_retired_outcome_that_is_wanted_again_has_its_number() -> None:
    book = TraceBook()
    book.id_of(IN, outcome("a"))
    book.rendered(IN, ())
    assert book.id_of(IN, outcome("a")) == 1
    assert book.retire(IN, ()) == frozenset()


def test_when_numbers_run_out_outcomes_share_one_until_a_number_is_free() -> None:
    book = TraceBook(most=2)
    assert [book.id_of(IN, outcome(name)) for name in "abcd"] == [1, 2, UNKNOWN, UNKNOWN]
    assert book.outcome(IN, UNKNOWN) is None
    assert book.id_of(IN, outcome("a")) == 1
    book.rendered(IN, {1, 2, UNKNOWN})
    assert (book.unexplained, book.may_explain) == ((IN,), False)
    book.rendered(IN, {2, UNKNOWN})
    assert not book.may_explain, "a connection may still carry number 1"
    assert book.retire(IN, {2}) == {1}
    assert book.may_explain
    assert book.id_of(IN, outcome("c")) == UNKNOWN, "free once a ruleset without its old chain is in force"
    book.rendered(IN, {2, UNKNOWN})
    assert book.id_of(IN, outcome("c")) == 1
    book.rendered(IN, {1, 2})
    assert (book.unexplained, book.may_explain) == ((), False)


def test_numbers_of_an_earlier_process_stay_what_they_were() -> None:
    book = TraceBook()
    book.restore(IN, {3: outcome("c"), 1: outcome("a")})
    assert book.retired(IN) == {1, 3}
    assert book.id_of(IN, outcome("c")) == 3
    assert [book.id_of(IN, outcome(name)) for name in "xyz"] == [2, 4, 5]


@pytest.mark.parametrize("number", [0, UNKNOWN, -1])
def test_numbers_that_none_can_have_are_not_restored(number: int) -> None:
    book = TraceBook()
    book.restore(IN, {number: outcome("a")})
    assert book.known(IN) == {}


class NeverAmbiguous(RuleBasedStateMachine):
    """Whatever happens, a number that a chain writes or a connection carries keeps its meaning."""

    def __init__(self) -> None:
        super().__init__()
        self.book = TraceBook(most=6)
        self.written: dict[int, Outcome] = {}
        self.carried: dict[int, Outcome] = {}

    @rule(names=st.sets(st.sampled_from("abcdefgh"), max_size=5))
    def render(self, names: set[str]) -> None:
        written = {self.book.id_of(IN, outcome(name)): outcome(name) for name in sorted(names)}
        written.pop(UNKNOWN, None)
        self.book.rendered(IN, written.keys())
        self.written = written

    @rule(number=st.integers(1, 6))
    def connect(self, number: int) -> None:
        if number in self.written:
            self.carried[number] = self.written[number]

    @rule(number=st.integers(1, 6))
    def disconnect(self, number: int) -> None:
        self.carried.pop(number, None)

    @rule()
    def retire(self) -> None:
        self.book.retire(IN, self.carried.keys())

    @invariant()
    def meanings_hold(self) -> None:
        for number, meaning in (self.written | self.carried).items():
            assert self.book.outcome(IN, number) == meaning


TestNeverAmbiguous = NeverAmbiguous.TestCase
