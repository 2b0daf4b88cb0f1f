"""The process of one node: `python -m ocicat.app.up.nodeprocess FILE`, started within the node's network."""

import asyncio
import sys
from pathlib import Path

import msgspec

from ocicat.app.logs import log_to_stderr
from ocicat.cluster.client import connect
from ocicat.cluster.pods.context import NodeContext
from ocicat.cluster.pods.holding import Holding
from ocicat.cluster.pods.images.making import Images
from ocicat.cluster.pods.network import NodePlace
from ocicat.cluster.pods.node import Node
from ocicat.ports.systemclock import SystemClock, chance


class NodeFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a node's process needs to know."""

    name: str
    number: int
    folder: str
    """The node's folder."""
    socket: str
    """Where those who attach connect."""
    holder: str
    kubeconfig: str
    images: str
    debian: str
    authority: str
    """The cluster's certificate authority, as text."""
    lab_authority: str
    """File of the authority that signs the simulated outside; empty for none."""
    resolver: str
    """The name server beyond the cluster."""


async def _live(told: NodeFile) -> None:
    lab = Path(told.lab_authority) if told.lab_authority else None
    context = NodeContext(
        name=told.name,
        place=NodePlace(told.number),
        folder=Path(told.folder),
        client=connect(told.kubeconfig),
        holding=Holding.connected(Path(told.holder)),
        images=Images(Path(told.images), Path(told.debian), lab),
        timer=SystemClock(),
        chance=chance,
        authority=told.authority,
        resolver=told.resolver,
    )
    await Node(context, Path(told.socket)).run()


def main() -> None:
    """Be a node until ended."""
    told = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=NodeFile)
    log_to_stderr("info", component="node", node=told.name)
    asyncio.run(_live(told))


if __name__ == "__main__":
    main()
