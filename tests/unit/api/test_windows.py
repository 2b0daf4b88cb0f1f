"""Windows of 15 s. Source: spec/flows-and-console §3, §9."""

from hypothesis import given
from hypothesis import strategies as st

from ocicat.api.windows import WINDOW_NS, Windows, merged
from ocicat.model.record import FlowCounts
from support.flowrecords import SECOND_NS, record

EDGE_NS = 1_700_000_010 * SECOND_NS
"""A multiple of 15 s."""


def at(second: float, port: int = 80, **counts):
    start_ns = EDGE_NS + int(second * SECOND_NS)
    return record(port, start_ns=start_ns, end_ns=start_ns + SECOND_NS, counts=FlowCounts(**counts))


def test_the_edge_is_one():
    assert EDGE_NS % WINDOW_NS == 0


def test_records_of_one_key_and_window_become_one_with_the_edges_of_the_window():
    """ "Counters add." """
    (only,) = merged([at(0, packets_in=1, bytes_in=60), at(14, packets_in=2, bytes_in=120, packets_out=1)])
    assert (only.start_ns, only.end_ns) == (EDGE_NS, EDGE_NS + WINDOW_NS)
    assert only.counts == FlowCounts(packets_in=3, bytes_in=180, packets_out=1)


def test_another_window_or_key_or_node_is_another_record():
    elsewhere = record(node="n2", start_ns=EDGE_NS, end_ns=EDGE_NS)
    assert len(merged([at(0), at(15), at(0, port=81), elsewhere, at(1)])) == 4


def test_a_connection_that_lives_on_is_live_once():
    """ "live (active at any time in the interval)": not once for each part of the interval."""
    parts = [
        at(0, connections_started=2, connections_live=2),
        at(1, connections_started=1, connections_live=3, connections_completed=1),
        at(2, connections_live=2, connections_completed=2),
    ]
    (only,) = merged(parts)
    assert only.counts == FlowCounts(connections_started=3, connections_completed=3, connections_live=3)


def test_labels_are_the_intersection():
    first = record(source_labels=("a=1", "b=2"), dest_labels=("x=1",))
    second = record(source_labels=("b=2", "c=3"), dest_labels=("x=1",))
    (only,) = merged([first, second])
    assert (only.source_labels, only.dest_labels) == (("b=2",), ("x=1",))


def test_an_address_survives_where_all_share_it():
    (only,) = merged([record(), record(source_ip="10.65.0.9")])
    assert (only.source_ip, only.dest_ip) == ("", "10.65.0.8")


def test_a_window_is_complete_when_the_next_has_begun():
    windows = Windows()
    windows.add(at(0))
    assert windows.take_complete(EDGE_NS + WINDOW_NS - 1) == []
    assert len(windows.take_complete(EDGE_NS + WINDOW_NS)) == 1
    assert len(windows) == 0


def test_a_clock_set_back_does_not_hold_windows_back():
    windows = Windows()
    windows.add(at(0))
    assert len(windows.take_complete(EDGE_NS - 3600 * SECOND_NS)) == 1


def test_a_node_whose_clock_is_a_little_fast_is_waited_for():
    windows = Windows()
    windows.add(at(0))
    assert windows.take_complete(EDGE_NS - SECOND_NS) == []


@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from((80, 81)), st.integers(0, 9)), max_size=30))
def test_merging_loses_no_packet(parts):
    records = [at(second, port, packets_in=packets) for second, port, packets in parts]
    assert sum(r.counts.packets_in for r in merged(records)) == sum(packets for *_, packets in parts)
