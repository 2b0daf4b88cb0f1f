"""`python -m ocicat.cluster.apiserver --data DIR --port N`: the API server alone, for development."""

import argparse
import asyncio
import contextlib
import logging
import signal
from pathlib import Path

from ocicat.cluster.apiserver.server import ApiServer
from ocicat.cluster.apiserver.settings import ApiServerSettings


async def _serve(settings: ApiServerSettings) -> None:
    server = ApiServer(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    ready = asyncio.Event()
    task = asyncio.create_task(server.serve(ready))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    if ready.is_set():
        logging.getLogger(__name__).info("%s KUBECONFIG=%s", server.url, settings.data / "kubeconfig")
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def main() -> None:
    """Parse the arguments and serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m ocicat.cluster.apiserver", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the state folder")
    parser.add_argument("--port", type=int, default=6443, help="the port on 127.0.0.1; 0 takes a free one")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    asyncio.run(_serve(ApiServerSettings(data=given.data, port=given.port)))


if __name__ == "__main__":
    main()
