"""Packets as columns, and whether the columnar evaluator answers them as the plain one does."""

from collections.abc import Sequence

import numpy as np

from ocicat.engine.columnar import FlowColumns, FlowVerdicts, evaluate_columns
from ocicat.engine.decision import Report
from ocicat.engine.evaluate import evaluate
from ocicat.engine.packet import Packet
from ocicat.engine.plan import Plan
from ocicat.model.flow import Action


def columns_of(packets: Sequence[Packet]) -> FlowColumns:
    addresses = sorted({address for packet in packets for address in (packet.source, packet.destination)})
    position = {address: index for index, address in enumerate(addresses)}

    def column(values) -> np.ndarray:
        return np.array([-1 if value is None else value for value in values], dtype=np.int64)

    return FlowColumns(
        addresses,
        column(position[packet.source] for packet in packets),
        column(position[packet.destination] for packet in packets),
        column(packet.protocol for packet in packets),
        column(packet.destination_port for packet in packets),
        column(packet.source_port for packet in packets),
        column(packet.icmp_type for packet in packets),
        column(packet.icmp_code for packet in packets),
    )


def same_in_columns(plan: Plan, packets: Sequence[Packet]) -> bool:
    """Tell whether both evaluators give the same verdicts and traces, host endpoints apart."""
    verdicts = evaluate_columns(plan, columns_of(packets))
    return all(_same(plan, verdicts, row, packet) for row, packet in enumerate(packets))


def _same(plan: Plan, verdicts: FlowVerdicts, row: int, packet: Packet) -> bool:
    decision = evaluate(plan, packet)
    arrived = decision.src is None or decision.src.action is Action.ALLOW
    return (
        bool(verdicts.allowed[row]) is decision.allowed
        and _traces(verdicts, int(verdicts.src[row])) == _reported(decision.src)
        and (not arrived or _traces(verdicts, int(verdicts.dst[row])) == _reported(decision.dst))
    )


def _traces(verdicts: FlowVerdicts, position: int) -> object:
    outcome = verdicts.outcome(position)
    return outcome and (outcome.enforced.trace, outcome.pending.trace)


def _reported(report: Report | None) -> object:
    return report and (report.enforced, report.pending)
