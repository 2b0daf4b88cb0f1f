"""A hub in a process of its own: it keeps what it receives as lines of JSON, and nothing else.

`python -m support.collector --listen 127.0.0.1:7443 --into FILE` takes batches and single flows; with
`--turns` it is a Goldmane, which knows single flows only.
"""

import argparse
import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

import grpc.aio
import msgspec

from ocicat.api.collector import Collector
from ocicat.api.proto import flows_pb2_grpc as stubs
from ocicat.model.record import FlowRecord
from ocicat.ports.systemclock import SystemClock


async def _run(address: str, into: Path, turns: bool) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    with into.open("ab", buffering=0) as file:

        async def take(records: Sequence[FlowRecord]) -> None:
            for record in records:
                file.write(msgspec.json.encode(record) + b"\n")

        collector = Collector(take, SystemClock())
        server = grpc.aio.server()
        if turns:
            stubs.add_FlowCollectorServicer_to_server(collector, server)
        else:
            collector.add_to(server)
        server.add_insecure_port(address)
        await server.start()
        await stopped.wait()
        await server.stop(None)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", required=True)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--turns", action="store_true")
    arguments = parser.parse_args()
    asyncio.run(_run(arguments.listen, arguments.into, arguments.turns))
