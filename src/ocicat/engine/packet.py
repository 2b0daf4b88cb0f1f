"""The packet that a question is about: the first of a connection, after destination NAT."""

import msgspec

from ocicat.base.errors import OcicatError
from ocicat.model.net import Address


class PacketError(OcicatError, ValueError):
    """A packet cannot exist: its two addresses are of different families, or a port is out of range."""


class Packet(msgspec.Struct, frozen=True, gc=False):
    """The first packet of a connection, with the destination that it has after NAT (§9.4)."""

    source: Address
    destination: Address
    protocol: int
    """1 to 255."""
    destination_port: int = 0
    """0 where the protocol has none."""
    source_port: int = 0
    """0 for "some port that no rule names": source ports of rules do not match it, `notPorts` do."""
    icmp_type: int | None = None
    icmp_code: int | None = None
    http_method: str | None = None
    """None where nobody looked into the connection; the criterion then counts as satisfied (§6.8)."""
    http_path: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no wire could carry."""
        if self.source.family != self.destination.family:
            raise PacketError(f"{self.source} and {self.destination} are not of one IP family")
        if not 0 <= self.destination_port <= 65535 or not 0 <= self.source_port <= 65535:
            raise PacketError("a port is 0 to 65535")

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.source.family
