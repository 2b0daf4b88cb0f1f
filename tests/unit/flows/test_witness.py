"""Two witnesses: the set says first that there is something new, and in the end what the other has missed."""

import numpy as np
import pytest

from ocicat.flows.counted import Counted
from ocicat.flows.tuples import FlowTuple
from ocicat.flows.witness import GRACE_MS, Missed, Witness
from ocicat.model.net import Address
from support.fakekernel import flow

DIALLED = flow(dialled=Address.parse("10.96.0.10"), dialled_port=8080)


@pytest.fixture
def witness() -> Witness:
    return Witness(7)


def counted(witness: Witness, packets: int, now_ms: int, of: FlowTuple | None = None) -> frozenset[int]:
    row = (of or flow()).row()
    number = np.asarray([packets], np.uint64)
    return witness.counted(Counted(row, number, number), now_ms)


def known(witness: Witness, number: int, of: FlowTuple) -> None:
    witness.known(of.row(), np.asarray([number], np.int32))


def told(witness: Witness, number: int, connections: int, now_ms: int) -> None:
    witness.told(np.asarray([number], np.int32), [connections], now_ms)


def missed(witness: Witness, now_ms: int) -> list[tuple[tuple[int, ...], int]]:
    return [(found.flows, found.connections) for found in witness.settle(now_ms)]


def test_something_new(witness: Witness) -> None:
    """Marks of connections that nobody has told of yet are asked for, until somebody has."""
    assert counted(witness, 1, 0) == {flow().mark}
    assert counted(witness, 1, 250) == {flow().mark}
    known(witness, 4, flow())
    assert counted(witness, 1, 500) == frozenset()


def test_both_say_the_same(witness: Witness) -> None:
    known(witness, 4, flow())
    counted(witness, 3, 0)
    told(witness, 4, 3, 1000)
    assert missed(witness, 10 * GRACE_MS) == []


def test_whoever_dials_a_service_is_in_the_same_group(witness: Witness) -> None:
    known(witness, 4, flow())
    known(witness, 5, DIALLED)
    counted(witness, 3, 0)
    told(witness, 4, 1, 1000)
    told(witness, 5, 2, 1000)
    assert missed(witness, GRACE_MS) == []


def test_connections_that_the_table_never_told_of(witness: Witness) -> None:
    known(witness, 4, flow())
    counted(witness, 3, 0)
    told(witness, 4, 1, 1000)
    assert missed(witness, GRACE_MS - 1) == []
    assert missed(witness, GRACE_MS) == [((4,), 2)]
    assert missed(witness, 10 * GRACE_MS) == []


def test_connections_of_which_nothing_else_is_known(witness: Witness) -> None:
    counted(witness, 2, 0)
    (found,) = witness.settle(GRACE_MS)
    assert found == Missed(flow().row().tobytes(), (), 2)


def test_connections_that_keep_coming_are_no_loss(witness: Witness) -> None:
    """The table is always a second behind the set; that is compared with what it has told since."""
    known(witness, 4, flow())
    for second in range(30):
        counted(witness, 100, 1000 * second)
        if second:
            told(witness, 4, 100, 1000 * second)
        assert missed(witness, 1000 * second) == []
    told(witness, 4, 97, 30_000)
    assert [number for second in range(31, 45) for _, number in missed(witness, 1000 * second)] == [3]


def test_a_set_that_was_full_makes_no_later_loss_disappear(witness: Witness) -> None:
    known(witness, 4, flow())
    told(witness, 4, 5, 0)
    assert missed(witness, GRACE_MS) == []
    counted(witness, 2, 2 * GRACE_MS)
    assert missed(witness, 3 * GRACE_MS) == [((4,), 2)]


def test_what_is_gone_is_forgotten(witness: Witness) -> None:
    known(witness, 4, flow())
    counted(witness, 1, 0)
    told(witness, 4, 1, 0)
    witness.forget([4], 1)
    assert len(witness) == 0
    known(witness, 4, flow(port=81))
    counted(witness, 1, 10, flow(port=81))
    assert missed(witness, 10 + GRACE_MS) == [((4,), 1)]
