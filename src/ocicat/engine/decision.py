"""What an evaluation answers: the verdict of each end, with the path that led to it."""

from typing import Any

import msgspec

from ocicat.engine.packet import Packet
from ocicat.engine.plan import PolicyList
from ocicat.engine.policy import Direction, EntityKey
from ocicat.model.flow import Action, Reporter, Trace
from ocicat.model.net import flow_protocol


class Report(msgspec.Struct, frozen=True):
    """The verdict of one end of the connection, as its flow record reports it."""

    reporter: Reporter
    endpoint: EntityKey
    action: Action
    """Allow or Deny."""
    enforced: Trace
    pending: Trace
    """What would have been walked had staged policies been enforced (§12.3)."""
    pending_action: Action
    """Allow or Deny, of the pending walk."""

    def document(self) -> dict[str, Any]:
        """Return `{"action", "enforced": [hit], "pending": [hit]}` as the flow API spells hits."""
        return {
            "action": self.action.value,
            "enforced": [hit.document() for hit in self.enforced],
            "pending": [hit.document() for hit in self.pending],
        }


class HostStep(msgspec.Struct, frozen=True):
    """What one list of a host endpoint said to the packet on its way (§8)."""

    endpoint: EntityKey
    list: PolicyList
    direction: Direction
    action: Action | None
    """None where the stage let it go on without a verdict."""
    trace: Trace
    failsafe: bool = False
    """Whether a failsafe port accepted it before any policy."""


class Decision(msgspec.Struct, frozen=True):
    """The answer to "may this connection be made?"."""

    packet: Packet
    allowed: bool
    """Whether every end and every host endpoint on the way allows it."""
    src: Report | None
    """The source's egress; None where the source is no pod, or the packet did not come so far."""
    dst: Report | None
    """The destination's ingress; None where the destination is no pod or its own host sends."""
    hosts: tuple[HostStep, ...] = ()
    """Host endpoints that were asked, in the order of the packet's way."""

    def document(self) -> dict[str, Any]:
        """Return the answer as `ocicat trace -o json` prints it."""
        return {
            "allowed": self.allowed,
            "packet": {
                "source": str(self.packet.source),
                "destination": str(self.packet.destination),
                "protocol": flow_protocol(self.packet.protocol),
                "port": self.packet.destination_port,
            },
            "src": self.src.document() if self.src else None,
            "dst": self.dst.document() if self.dst else None,
            "hosts": [
                {
                    "endpoint": step.endpoint.name,
                    "list": step.list.value,
                    "direction": step.direction.value,
                    "action": step.action.value if step.action else None,
                    "failsafe": step.failsafe,
                    "trace": [hit.document() for hit in step.trace],
                }
                for step in self.hosts
            ],
        }
