"""An API server in the test's own event loop, and a client that speaks HTTP to it."""

import asyncio
import contextlib
import functools
import io
import json
import ssl
import tempfile
from pathlib import Path

import aiohttp

from ocicat.cluster.apiserver.schemas import load_schemas
from ocicat.cluster.apiserver.server import ApiServer
from ocicat.cluster.apiserver.settings import ApiServerSettings

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
DEADLINE_S = 30


@functools.cache
def schemas():
    """The schemas of all kinds, read once per test run."""
    with tempfile.TemporaryDirectory() as folder:
        return load_schemas(Path(folder))


class Client:
    """Speaks JSON to one server, as the administrator where no other token is given."""

    def __init__(self, server: ApiServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session

    def headers(self, token=None, **more):
        found = self.server.credentials.token if token is None else token
        return {**({"Authorization": f"Bearer {found}"} if found else {}), **more}

    async def ask(self, method, path, body=None, *, token=None, **headers):
        """Return status, body (JSON where it is) and headers of an answer."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes | type(None)) else json.dumps(body).encode()
        if data is not None and len(data) > 1_000_000:
            data = io.BytesIO(data)  # aiohttp warns of large bytes
        if data is not None and "Content-Type" not in given:
            given["Content-Type"] = "application/json"
        async with asyncio.timeout(DEADLINE_S):
            async with self.session.request(
                method, path, data=data, headers=self.headers(token, **given)
            ) as answer:
                text = await answer.text()
                found = json.loads(text) if "json" in answer.content_type else text
                return answer.status, found, answer.headers

    async def __call__(self, method, path, body=None, **headers):
        """Return the body of an answer that must be a success."""
        status, found, _ = await self.ask(method, path, body, **headers)
        assert status < 300, (method, path, status, found)
        return found

    async def refused(self, method, path, body=None, **headers):
        """Return the Status of an answer that must be a refusal."""
        status, found, _ = await self.ask(method, path, body, **headers)
        assert status >= 400, (method, path, status, found)
        assert (found["kind"], found["code"]) == ("Status", status)
        return found

    @contextlib.asynccontextmanager
    async def watch(self, path, **headers):
        """Yield a function that returns the next event, or None at the end of the stream."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.get(path, headers=self.headers(**given)) as answer:
            assert answer.status == 200, await answer.text()

            async def following():
                async with asyncio.timeout(DEADLINE_S):
                    line = await answer.content.readline()
                return json.loads(line) if line else None

            yield following


@contextlib.asynccontextmanager
async def serving(data: Path, node=None, **settings):
    """Yield a client of a new server with its state in `data`."""
    server = ApiServer(ApiServerSettings(data=data, port=0, **settings), schemas=schemas(), node=node)
    ready = asyncio.Event()
    task = asyncio.create_task(server.serve(ready))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED, timeout=DEADLINE_S)
    assert ready.is_set(), task
    context = ssl.create_default_context(cafile=str(server.credentials.ca_file))
    connector = aiohttp.TCPConnector(ssl=context, limit=0)
    try:
        async with aiohttp.ClientSession(base_url=server.url, connector=connector) as session:
            yield Client(server, session)
    finally:
        server.stop()
        async with asyncio.timeout(DEADLINE_S):
            await task


def config(name, namespace="default", **data):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }


def pod(name, namespace="default", **labels):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": "c", "image": "nginx:1"}]},
    }
