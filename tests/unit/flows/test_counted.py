"""Counter sets: what each list adds, and how an element that came again is told from one that stayed."""

import numpy as np
import pytest

from ocicat.flows.counted import Counted, Counters
from ocicat.ports.accounting import COUNTED, Table, empty
from support.fakekernel import element, flow

TIMEOUT_MS = 60_000
DENIED = flow(denied=True)


@pytest.fixture
def counters() -> Counters:
    return Counters(7, TIMEOUT_MS)


def told(counted: Counted) -> list[tuple[int, int]]:
    return list(zip(counted.packets.tolist(), counted.bytes.tolist(), strict=True))


def listed(
    counters: Counters, packets: int, octets: int, now_ms: int, expires_ms: int
) -> list[tuple[int, int]]:
    return told(counters.listed(element(DENIED, packets, octets, expires_ms), now_ms))


def test_what_a_list_adds(counters: Counters) -> None:
    assert listed(counters, 3, 120, 0, 60_000) == [(3, 120)]
    assert listed(counters, 3, 120, 250, 59_750) == []
    assert listed(counters, 5, 200, 500, 59_900) == [(2, 80)]


def test_what_was_there_before_is_adopted(counters: Counters) -> None:
    counters.adopt(element(DENIED, 3, 120, 50_000), 0)
    assert listed(counters, 4, 160, 250, 59_999) == [(1, 40)]


def test_an_element_that_came_again_has_fewer(counters: Counters) -> None:
    listed(counters, 3, 120, 0, 1000)
    assert listed(counters, 1, 40, 2000, 59_500) == [(1, 40)]


def test_an_element_that_came_again_has_as_many(counters: Counters) -> None:
    """Nothing was added, and yet it is renewed: so it counts from zero."""
    listed(counters, 1, 40, 0, 100)
    assert listed(counters, 1, 40, 250, 59_990) == [(1, 40)]


def test_an_element_that_was_missing_when_it_was_due(counters: Counters) -> None:
    listed(counters, 1, 40, 0, 1000)
    assert told(counters.listed(empty(COUNTED), 1500)) == []
    assert listed(counters, 2, 80, 1750, 59_900) == [(2, 80)]
    assert counters.uncertain == 0


def test_an_element_of_which_nobody_knows_whether_it_stayed(counters: Counters) -> None:
    """Between two lists it was due, was renewed afterwards, and has more: a loss, nothing made up."""
    listed(counters, 3, 120, 0, 100)
    assert listed(counters, 5, 200, 250, 59_950) == [(2, 80)]
    assert counters.uncertain == 3


def test_a_list_that_leaves_an_element_out(counters: Counters) -> None:
    """While a set grows a list may do so; the element is remembered until it is due."""
    listed(counters, 3, 120, 0, 60_000)
    assert told(counters.listed(empty(COUNTED), 250)) == []
    assert listed(counters, 4, 160, 500, 59_999) == [(1, 40)]


def test_a_list_that_holds_an_element_twice(counters: Counters) -> None:
    twice: Table = np.concatenate([element(DENIED, 4, 160), element(DENIED, 3, 120)])
    assert told(counters.listed(twice, 0)) == [(4, 160)]
    assert len(counters) == 1


def test_sets_that_were_emptied(counters: Counters) -> None:
    listed(counters, 3, 120, 0, 60_000)
    counters.begin_anew()
    assert listed(counters, 4, 160, 250, 60_000) == [(4, 160)]


def test_elements_of_several_flows(counters: Counters) -> None:
    rows: Table = np.concatenate(
        [element(DENIED, 1, 40), element(flow(), 2, 80), element(flow(port=81), 3, 120)]
    )
    counters.listed(rows, 0)
    rows["packets"] += np.asarray([0, 1, 2], np.uint64)
    counted = counters.listed(rows, 250)
    assert sorted(counted.packets.tolist()) == [1, 2]
    assert set(counted.tuples["port"].tolist()) == {80, 81}
