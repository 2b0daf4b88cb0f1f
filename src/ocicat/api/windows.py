"""Records gathered into windows of 15 s, as the flow aggregator keeps them. Pure.

Our hub takes records as they come. A Goldmane wants one record for each key and window, and so does a queue
that would overflow: merging keeps every count where dropping would lose it.
Source: spec/flows-and-console §3 (alignment, "Adding"), §9; spec/policy-semantics §11.3, §11.7.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from ocicat.model.record import FlowCounts, FlowKey, FlowRecord

WINDOW_NS: Final = 15_000_000_000
"""The width of a window; windows begin at its multiples of Unix time."""


def window_start_ns(moment_ns: int) -> int:
    """Return the beginning of the window that holds a moment."""
    return moment_ns - moment_ns % WINDOW_NS


def merged(records: Iterable[FlowRecord]) -> list[FlowRecord]:
    """Return one record for each key, node and window, in order of first appearance.

    A record belongs to the window of its start. Addresses survive where all merged records share them.
    """
    windows = Windows()
    for record in records:
        windows.add(record)
    return windows.take()


class Windows:
    """Records by key and window, until they are taken."""

    def __init__(self) -> None:
        """Begin with none."""
        self._held: dict[tuple[int, FlowKey, str], FlowRecord] = {}

    def __len__(self) -> int:
        return len(self._held)

    def add(self, record: FlowRecord) -> None:
        """Add a record to the window of its start."""
        start_ns = window_start_ns(record.start_ns)
        place = (start_ns, record.key, record.node)
        held = self._held.get(place)
        if held is None:
            self._held[place] = msgspec.structs.replace(
                record, start_ns=start_ns, end_ns=start_ns + WINDOW_NS
            )
        else:
            self._held[place] = _together(held, record)

    def take(self) -> list[FlowRecord]:
        """Remove and return all records. They have their window's edges as start and end."""
        held, self._held = self._held, {}
        return list(held.values())

    def take_complete(self, now_ns: int) -> list[FlowRecord]:
        """Remove and return the records of windows that have ended.

        A window that lies further ahead than the next one ended before somebody set the clock back.
        """
        current = window_start_ns(now_ns)
        chosen = [place for place in self._held if place[0] < current or place[0] > current + WINDOW_NS]
        return [self._held.pop(place) for place in chosen]


def _together(held: FlowRecord, record: FlowRecord) -> FlowRecord:
    return msgspec.structs.replace(
        held,
        counts=_summed(held.counts, record.counts),
        source_labels=_common(held.source_labels, record.source_labels),
        dest_labels=_common(held.dest_labels, record.dest_labels),
        source_ip=held.source_ip if held.source_ip == record.source_ip else "",
        dest_ip=held.dest_ip if held.dest_ip == record.dest_ip else "",
    )


def _summed(first: FlowCounts, later: FlowCounts) -> FlowCounts:
    """Add the counts of a later interval.

    A connection that lives through both is live in both; it counts once, so only those that began later add.
    """
    return FlowCounts(
        first.packets_in + later.packets_in,
        first.packets_out + later.packets_out,
        first.bytes_in + later.bytes_in,
        first.bytes_out + later.bytes_out,
        first.connections_started + later.connections_started,
        first.connections_completed + later.connections_completed,
        max(first.connections_live + later.connections_started, later.connections_live),
    )


def _common(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    if first == second:
        return first
    kept = set(second)
    return tuple(label for label in first if label in kept)
