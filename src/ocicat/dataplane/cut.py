"""The precise cut: ends the connections that policy allowed once and would refuse today, and no others.

A change of policy leaves established connections alone (policy-semantics §9.1). Who wants it strict cuts
afterwards: the kernel forgets the connection, its next packet is judged as the first of a new one, and where
denials are rejects, both ends learn of it at once. Source: design/dataplane §5.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

import msgspec
import numpy as np

from ocicat.dataplane.conntrack import Conntrack
from ocicat.dataplane.nft.driver import wait_for_packets
from ocicat.dataplane.wire.conntrack import MarkFilter, Tuple
from ocicat.engine.judge import Judge
from ocicat.engine.plan import Plan
from ocicat.engine.policy import Direction
from ocicat.model.flow import Action
from ocicat.model.net import Address
from ocicat.ports.accounting import Table

_WHOLE_MARK: Final = 0xFFFFFFFF
_ICMP: Final = (1, 58)


class Cut(msgspec.Struct, frozen=True):
    """What a cut did."""

    judged: int
    """Connections that policy had judged."""
    ended: int
    """Those of them that it would refuse today; they are gone."""


def cut(plan: Plan, conntrack: Conntrack, retired: Mapping[Direction, Collection[int]] | None = None) -> Cut:
    """End the connections that `plan` refuses.

    Args:
        plan: The policy that is enforced, and was before connections are looked at.
        conntrack: Of the node's namespace.
        retired: Trace ids that no rule writes any more. Where all connections of a mark with such an id are
            refused, one request ends them all.

    Raises:
        NetlinkError: The kernel did not answer; some may have been ended.

    Cost: a list of all connections, one judgement for each pair of ends and port, and some 30 µs for each
    connection that is ended by itself.
    """
    # What was judged before the change of policy and is still on its way would be missed.
    wait_for_packets()
    rows = conntrack.table()
    rows = rows[(rows["tuple"]["mark"] != 0) & (rows["dying"] == 0)]
    doomed = rows[list(_refused(Judge(plan), rows))]
    ended = 0
    for mark in np.unique(doomed["tuple"]["mark"]).tolist():
        of_mark = doomed[doomed["tuple"]["mark"] == mark]
        everyone = int((rows["tuple"]["mark"] == mark).sum()) == len(of_mark)
        if everyone and _is_retired(mark, retired or {}):
            conntrack.delete_marked(MarkFilter(mark, _WHOLE_MARK))
            ended += len(of_mark)
        else:
            ended += sum(conntrack.delete(_orig(row), id=int(row["id"])) for row in of_mark)
    return Cut(len(rows), ended)


def _is_retired(mark: int, retired: Mapping[Direction, Collection[int]]) -> bool:
    """Tell whether no new connection can get the mark any more."""
    halves = {Direction.EGRESS: mark & 0xFFFF, Direction.INGRESS: mark >> 16}
    return any(number in retired.get(direction, ()) for direction, number in halves.items())


def _refused(judge: Judge, rows: Table) -> Iterator[bool]:
    """Tell of each connection whether an end that this node has judged would refuse it."""
    for row in rows:
        orig, mark = _orig(row), int(row["tuple"]["mark"])
        server = _address(row, "destination")
        transport = (orig.protocol, orig.source_port, int(row["tuple"]["port"]), -1, -1)
        if orig.protocol in _ICMP:
            transport = (orig.protocol, 0, 0, orig.icmp_type, orig.icmp_code)
        verdicts = []
        if mark & 0xFFFF:
            verdicts.append(judge.outcome(Direction.EGRESS, orig.source, server, transport))
        if mark >> 16:
            verdicts.append(judge.outcome(Direction.INGRESS, server, orig.source, transport))
        yield any(found is not None and found.enforced.action is Action.DENY for found in verdicts)


def _orig(row: np.void) -> Tuple:
    """Return the original direction of a CONNECTION row, by which the kernel finds it."""
    flow = row["tuple"]
    protocol, port, source_port = int(flow["protocol"]), int(flow["dialled_port"]), int(row["source_port"])
    ends = (_address(row, "source"), _address(row, "dialled"), protocol)
    if protocol in _ICMP:
        return Tuple(*ends, icmp_id=source_port, icmp_type=port >> 8, icmp_code=port & 0xFF)
    return Tuple(*ends, source_port=source_port, destination_port=port)


def _address(row: np.void, side: str) -> Address:
    flow = row["tuple"]
    width = 4 if flow["family"] == 4 else 16
    return Address(int(flow["family"]), int.from_bytes(flow[side].tobytes()[:width], "big"))
