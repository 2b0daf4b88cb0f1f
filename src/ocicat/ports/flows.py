"""Where flow records go."""

from collections.abc import Sequence
from typing import Protocol

from ocicat.model.record import FlowRecord


class FlowSink(Protocol):
    """Takes the records of an agent."""

    async def send(self, records: Sequence[FlowRecord]) -> None:
        """Take records for delivery. Never blocks for long: what cannot be kept is counted as lost."""

    @property
    def lost(self) -> int:
        """How many records were given up since the start."""
