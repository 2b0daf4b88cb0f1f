"""Connections: what each hearing adds, and who is heard of how."""

import numpy as np
import pytest

from ocicat.flows.connections import VANISHED_AFTER, Change, Connections, Heard
from ocicat.ports.accounting import CONNECTION, TUPLE, Table, empty
from support.fakekernel import connection, flow

NONE = empty(CONNECTION)


def indexed(tuples: Table) -> np.ndarray:
    """Number flows by their port and egress trace."""
    return (tuples["port"].astype(np.int32) * 10 + (tuples["mark"] & 0xFFFF).astype(np.int32)).astype(
        np.int32
    )


@pytest.fixture
def connections() -> Connections:
    return Connections(7, indexed)


def sums(heard: Heard | Change) -> dict[int, list[int]]:
    """Return packets, bytes, reply packets and bytes, started, completed, opened by flow."""
    found: dict[int, list[int]] = {}
    for change in heard.changes if isinstance(heard, Heard) else (heard,):
        for row, of in enumerate(change.flow.tolist()):
            numbers = [
                *change.counts[row].tolist(),
                change.started[row],
                change.completed[row],
                change.opened[row],
            ]
            found[of] = [int(a) + int(b) for a, b in zip(found.get(of, [0] * 7), numbers, strict=True)]
    return {of: numbers for of, numbers in found.items() if any(numbers)}


def table(*rows: Table) -> Table:
    return np.concatenate(rows)


def test_a_connection_that_is_listed_twice_and_then_ends(connections: Connections) -> None:
    """Deltas by connection id; started when first seen, completed when it ends."""
    assert sums(connections.listed(connection(flow(), 1, 2, 120, 1, 60), closed=NONE)) == {
        801: [2, 120, 1, 60, 1, 0, 1]
    }
    assert sums(connections.listed(connection(flow(), 1, 5, 300, 4, 240), closed=NONE)) == {
        801: [3, 180, 3, 180, 0, 0, 0]
    }
    assert sums(connections.closed(connection(flow(), 1, 6, 340, 4, 240))) == {801: [1, 40, 0, 0, 0, 1, -1]}
    assert len(connections) == 0


def test_a_connection_that_nobody_saw_alive(connections: Connections) -> None:
    assert sums(connections.closed(connection(flow(), 1, 6, 340, 4, 240))) == {801: [6, 340, 4, 240, 1, 1, 0]}


def test_both_ends_have_said_goodbye(connections: Connections) -> None:
    """Completed at once; what still passes is counted, the event of the end is no second completion."""
    connections.listed(connection(flow(), 1, 2, 120), closed=NONE)
    assert sums(connections.listed(connection(flow(), 1, 4, 200, over=1), closed=NONE)) == {
        801: [2, 80, 0, 0, 0, 1, -1]
    }
    assert sums(connections.listed(connection(flow(), 1, 4, 200, over=1), closed=NONE)) == {}
    assert sums(connections.closed(connection(flow(), 1, 5, 240, over=1))) == {801: [1, 40, 0, 0, 0, 0, 0]}


def test_what_was_there_before_is_adopted(connections: Connections) -> None:
    """No double counting on restart (adopt current counters)."""
    there = table(
        connection(flow(), 1, 9, 900), connection(flow(), 2, 5, 500, over=1), connection(flow(), 3, 1, 1)
    )
    assert sums(connections.adopt(there, connection(flow(), 3, 1, 1))) == {801: [0, 0, 0, 0, 0, 0, 1]}
    assert len(connections) == 2
    assert sums(connections.closed(connection(flow(), 1, 10, 950))) == {801: [1, 50, 0, 0, 0, 1, -1]}
    assert sums(connections.closed(connection(flow(), 2, 5, 500))) == {}


def test_the_list_is_older_than_the_event(connections: Connections) -> None:
    """A connection that was listed, then ended while the list was read, counts once."""
    listed, ended = connection(flow(), 1, 2, 120), connection(flow(), 1, 3, 160)
    heard = [connections.listed(listed, closed=ended), connections.closed(ended)]
    assert sums(heard[0]) == {}
    assert sums(heard[1]) == {801: [3, 160, 0, 0, 1, 1, 0]}


def test_a_dying_connection_is_not_listed(connections: Connections) -> None:
    """Its event has been sent before the kernel takes it out of its table."""
    assert sums(connections.listed(connection(flow(), 1, 2, 120, dying=1), closed=NONE)) == {}
    assert sums(connections.closed(connection(flow(), 1, 2, 120, dying=1))) == {801: [2, 120, 0, 0, 1, 1, 0]}


def test_a_connection_that_policy_has_not_judged(connections: Connections) -> None:
    """Mark 0 is "not judged"."""
    assert sums(connections.listed(connection(flow(0, 0), 1, 2, 120), closed=NONE)) == {}
    assert sums(connections.closed(connection(flow(0, 0), 1, 2, 120))) == {}


def test_one_number_for_two_connections_in_a_row(connections: Connections) -> None:
    """The kernel gives the place of a dead connection to the next one with the same addresses."""
    connections.listed(connection(flow(), 1, 2, 120), closed=NONE)
    ended = table(connection(flow(), 1, 3, 180), connection(flow(), 1, 5, 300), connection(flow(), 1, 1, 60))
    assert sums(connections.closed(ended)) == {801: [7, 420, 0, 0, 2, 3, -1]}


def test_counters_never_run_backwards(connections: Connections) -> None:
    """Where they seem to it is another connection, and the end of the first was not told."""
    connections.listed(connection(flow(), 1, 9, 900), closed=NONE)
    assert sums(connections.listed(connection(flow(), 1, 2, 120), closed=NONE)) == {
        801: [2, 120, 0, 0, 1, 1, 0]
    }
    assert connections.vanished == 1


def test_ids_repeat_among_connections_of_other_addresses(connections: Connections) -> None:
    both = table(connection(flow(), 1, 2, 120), connection(flow(), 1, 2, 120, source_port=40001))
    assert sums(connections.listed(both, closed=NONE)) == {801: [4, 240, 0, 0, 2, 0, 2]}


def test_a_list_may_hold_a_connection_twice(connections: Connections) -> None:
    twice = table(connection(flow(), 1, 2, 120), connection(flow(), 1, 2, 120))
    assert sums(connections.listed(twice, closed=NONE)) == {801: [2, 120, 0, 0, 1, 0, 1]}


def test_a_connection_whose_end_nobody_tells(connections: Connections) -> None:
    """It counts as ended when it has been missing for long, and its loss is counted."""
    connections.listed(connection(flow(), 1, 2, 120), closed=NONE)
    for _ in range(VANISHED_AFTER - 1):
        assert sums(connections.listed(NONE, closed=NONE)) == {}
    assert sums(connections.listed(NONE, closed=NONE, complete=False)) == {}
    assert sums(connections.listed(NONE, closed=NONE)) == {801: [0, 0, 0, 0, 0, 1, -1]}
    assert (connections.vanished, len(connections)) == (1, 0)


def test_a_connection_that_is_missing_for_a_moment(connections: Connections) -> None:
    connections.listed(connection(flow(), 1, 2, 120), closed=NONE)
    for _ in range(2):
        for _ in range(VANISHED_AFTER - 1):
            connections.listed(NONE, closed=NONE)
        assert sums(connections.listed(connection(flow(), 1, 2, 120), closed=NONE)) == {}
    assert connections.vanished == 0


def test_a_connection_that_policy_judges_anew(connections: Connections) -> None:
    """It moves to another flow; it neither ends nor begins, and what passed meanwhile is doubtful."""
    connections.listed(connection(flow(egress=1), 1, 2, 120), closed=NONE)
    heard = connections.listed(connection(flow(egress=2), 1, 5, 300), closed=NONE)
    assert sums(heard) == {801: [0, 0, 0, 0, 0, 0, -1], 802: [3, 180, 0, 0, 0, 0, 1]}
    (moved,) = heard.moved
    assert (moved.before.tolist(), moved.after.tolist(), moved.counts.tolist()) == (
        [801],
        [802],
        [[3, 180, 0, 0]],
    )
    assert connections.marks() == {flow(egress=2).mark}
    assert connections.flows_in_use().tolist() == [802]


def test_flows_are_asked_for_once(connections: Connections) -> None:
    asked: list[int] = []

    def index(tuples: Table) -> np.ndarray:
        assert tuples.dtype == TUPLE
        asked.append(len(tuples))
        return indexed(tuples)

    connections = Connections(7, index)
    for packets in range(1, 5):
        connections.listed(connection(flow(), 1, packets), closed=NONE)
    assert asked == [1]
