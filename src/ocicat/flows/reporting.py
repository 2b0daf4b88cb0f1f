"""What was counted of flows, written as records: one for each key, with the counts as that end sees them.

Pure. Source: spec/policy-semantics §11.3 (counters), §11.7 (labels).
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from ocicat.engine.identity import merged_labels
from ocicat.flows.naming import Named
from ocicat.flows.table import NOWHERE, FlowTable
from ocicat.model.flow import Reporter
from ocicat.model.record import FlowCounts, FlowRecord

_ENDS: Final = (Reporter.SRC, Reporter.DST)


class Interval(msgspec.Struct, frozen=True):
    """What records are of: nanoseconds since 1970."""

    start_ns: int
    end_ns: int


class _Ends(msgspec.Struct):
    """What the flows of one key have in common."""

    source_labels: tuple[str, ...]
    dest_labels: tuple[str, ...]
    source: str
    destination: str

    @classmethod
    def of(cls, named: Named) -> "_Ends":
        flow = named.flow
        return cls(named.source_labels, named.dest_labels, str(flow.source), str(flow.destination))

    def join(self, named: Named) -> None:
        """Keep what also holds for another flow."""
        for field, labels in (("source_labels", named.source_labels), ("dest_labels", named.dest_labels)):
            if labels != getattr(self, field):
                setattr(self, field, merged_labels(getattr(self, field), labels))
        if self.source and self.source != str(named.flow.source):
            self.source = ""
        if self.destination and self.destination != str(named.flow.destination):
            self.destination = ""


def records_of(table: FlowTable, flows: NDArray[np.intp], interval: Interval, node: str) -> list[FlowRecord]:
    """Return the records of `flows`, and take what they report out of the table.

    Connections that are open count as live in every record of their key. Cost: O(flows of the table) for
    these, a few microseconds for each of `flows`.
    """
    flows = flows[~table.silent[flows]]
    records: list[FlowRecord] = []
    for column, reporter in enumerate(_ENDS):
        records += _records_of_end(table, flows, column, reporter, interval, node)
    take(table, flows)
    return records


def take(table: FlowTable, flows: NDArray[np.intp]) -> None:
    """Begin counting anew for `flows`."""
    table.counts[flows] = 0
    table.started[flows] = table.completed[flows] = 0


def _records_of_end(  # one pass over flows, one over keys
    table: FlowTable,
    flows: NDArray[np.intp],
    column: int,
    reporter: Reporter,
    interval: Interval,
    node: str,
) -> list[FlowRecord]:
    keys = table.keys[flows, column]
    flows, keys = flows[keys != NOWHERE], keys[keys != NOWHERE]
    if not len(flows):
        return []
    totals = np.zeros((len(table.held), 6), np.int64)
    np.add.at(totals[:, :4], keys, table.counts[flows])
    np.add.at(totals[:, 4], keys, table.started[flows])
    np.add.at(totals[:, 5], keys, table.completed[flows])
    live = _live(table, column)
    ends: dict[int, _Ends] = {}
    for flow, key in zip(flows.tolist(), keys.tolist(), strict=True):
        name = table.names[flow]
        if name is None:
            continue
        if key in ends:
            ends[key].join(name.named)
        else:
            ends[key] = _Ends.of(name.named)
    records = []
    for number, end in ends.items():
        key_of_record = table.held.keys[number]
        if key_of_record is None:
            continue
        counts = _counts(reporter, totals[number].tolist(), int(live[number]))
        table.held.reported.add(number)
        records.append(
            FlowRecord(
                key_of_record,
                interval.start_ns,
                interval.end_ns,
                end.source_labels,
                end.dest_labels,
                counts,
                end.source,
                end.destination,
                node,
            )
        )
    return records


def _live(table: FlowTable, column: int) -> NDArray[np.int64]:
    """Return by key how many connections were open at some time since the last report."""
    size = len(table.names)
    keys = table.keys[:size, column]
    there = (keys != NOWHERE) & ~table.silent[:size]
    live = np.zeros(len(table.held), np.int64)
    np.add.at(live, keys[there], table.open[:size][there] + table.completed[:size][there])
    return live


def _counts(reporter: Reporter, totals: list[int], live: int) -> FlowCounts:
    """Return the counts as an end sees them: "in" is towards it (§11.3)."""
    packets, octets, reply_packets, reply_octets, started, completed = totals
    if reporter is Reporter.DST:
        return FlowCounts(packets, reply_packets, octets, reply_octets, started, completed, live)
    return FlowCounts(reply_packets, packets, reply_octets, octets, started, completed, live)
