"""A small list-and-watch API server, which obeys spec/kubernetes-api §4 and §5 and fails on demand.

It knows no kinds: a collection exists once it is served. Objects are kept by path, with one counter for all
resourceVersions and a history that can be cut (410). In a test's own process use `ApiServer` and `serving`;
as a process of its own (`python -m support.listwatch`) it also listens on a Unix socket, by which a test that
lives in another network namespace writes objects and causes faults.
"""

import argparse
import asyncio
import json
import re
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

COLLECTION = re.compile(
    r"^/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+)/(?P<version>[^/]+))(?:/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?$"
)


class ApiServer:
    """Objects, their history, and the faults that a test asks for."""

    def __init__(self, *served: str, bookmark_s: float = 60.0, page: int = 0) -> None:
        """Serve collections, as `networking.k8s.io/v1/networkpolicies`, or all where none is named."""
        self.served = set(served)
        self.bookmark_s = bookmark_s
        self.page = page
        """Most objects of a page, whatever the client asks for; 0 for no bound."""
        self.revision = 0
        self.oldest = 0
        """The revision from which a watch can still start."""
        self.objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.history: list[tuple[int, str, str, dict[str, Any]]] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        """(method, path, query) of every request."""
        self.by_tier = False
        """Whether a watch shows only policies of tiers that there were when it began, as with Calico."""
        self.refused: dict[str, int] = {}
        """Path → the status that it is answered with."""
        self._watchers: set[web.StreamResponse] = set()
        self._changed = asyncio.Condition()
        self._ending = 0
        self.application = web.Application()
        self.application.router.add_post("/control/{fault}", self._control)
        self.application.router.add_route("*", "/{path:.*}", self._answer)

    # --- what a test does -----------------------------------------------------------------------------------

    async def put(self, collection: str, thing: dict[str, Any]) -> dict[str, Any]:
        """Create or replace an object of a collection; return it as stored."""
        key = _key(collection, thing)
        old = self.objects.get(key)
        self.revision += 1
        metadata = {
            "uid": str(uuid.uuid4()),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            **(old["metadata"] if old else {}),
            **thing["metadata"],
            "resourceVersion": str(self.revision),
        }
        stored = self.objects[key] = {**thing, "metadata": metadata}
        await self._happened("MODIFIED" if old else "ADDED", collection, stored)
        return stored

    async def delete(self, collection: str, name: str, namespace: str = "") -> None:
        """Take an object away."""
        gone = self.objects.pop((collection, namespace, name))
        self.revision += 1
        gone = {**gone, "metadata": {**gone["metadata"], "resourceVersion": str(self.revision)}}
        await self._happened("DELETED", collection, gone)

    async def expire(self) -> None:
        """Forget all history: every watch that starts from before gets 410."""
        self.revision += 1
        self.oldest = self.revision
        self.history.clear()

    async def end_watches(self) -> None:
        """End all watches in order, as their time-out does."""
        self._ending += 1
        async with self._changed:
            self._changed.notify_all()

    async def break_connections(self) -> None:
        """Cut all watches in the middle of a line."""
        for response in list(self._watchers):
            try:
                await response.write(b'{"type":"MODIFIED","obj')
            except ConnectionError:
                continue
            transport = response._req.transport
            if transport is not None:
                transport.abort()

    async def _happened(self, event: str, collection: str, thing: dict[str, Any]) -> None:
        async with self._changed:
            self.history.append((self.revision, event, collection, thing))
            self._changed.notify_all()

    @property
    def watchers(self) -> int:
        """How many watches are open."""
        return len(self._watchers)

    # --- what clients ask -----------------------------------------------------------------------------------

    async def _control(self, request: web.Request) -> web.Response:
        fault = request.match_info["fault"]
        if fault == "refuse":
            self.refused = await request.json()
        else:
            await {
                "expire": self.expire,
                "end": self.end_watches,
                "break": self.break_connections,
            }[fault]()
        return web.Response()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path, dict(request.query)))
        if request.path in self.refused:
            return _status(self.refused[request.path], "Refused", "as the test asked")
        match = COLLECTION.match(request.path)
        if match is None:
            return _status(404, "NotFound", f"there is no {request.path}")
        version = match["core"] or f"{match['group']}/{match['version']}"
        collection = f"{version}/{match['plural']}"
        if self.served and collection not in self.served:
            return _status(404, "NotFound", "the server could not find the requested resource")
        namespace = match["namespace"] or ""
        if request.method in ("POST", "PUT"):
            thing = await request.json()
            if namespace:
                thing["metadata"].setdefault("namespace", namespace)
            if not thing["metadata"].get("name"):
                thing["metadata"]["name"] = thing["metadata"]["generateName"] + uuid.uuid4().hex[:5]
            return web.json_response(await self.put(collection, thing), status=201)
        if request.method == "DELETE":
            await self.delete(collection, match["name"], namespace)
            return _status(200, "", "deleted")
        if request.query.get("watch"):
            return await self._watch(request, collection)
        return self._list(request, collection)

    def _list(self, request: web.Request, collection: str) -> web.Response:
        things = [thing for (where, *_), thing in sorted(self.objects.items()) if where == collection]
        begin, revision = 0, self.revision
        if token := request.query.get("continue"):
            begin, revision = map(int, token.split("."))
            if revision < self.oldest:
                return _status(410, "Expired", "The provided continue parameter is too old")
        limit = int(request.query.get("limit", "0"))
        size = min(filter(None, (limit, self.page)), default=0) if limit else 0
        end = begin + size if size else len(things)
        metadata = {"resourceVersion": str(revision)}
        if end < len(things):
            metadata["continue"] = f"{end}.{revision}"
        # As the real thing: the items of a list do not repeat their kind.
        items = [
            {key: value for key, value in thing.items() if key not in ("kind", "apiVersion")}
            for thing in things[begin:end]
        ]
        return web.json_response({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items})

    async def _watch(self, request: web.Request, collection: str) -> web.StreamResponse:
        told = int(request.query.get("resourceVersion") or 0)
        if told < self.oldest:
            return _status(410, "Expired", "too old resource version")
        if told > self.revision:
            return _status(504, "Timeout", f"Too large resource version: {told}, current: {self.revision}")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        self._watchers.add(response)
        tiers = {name for where, _, name in self.objects if where.endswith("/tiers")}
        loop = asyncio.get_running_loop()
        deadline = loop.time() + float(request.query.get("timeoutSeconds", "3600"))
        ending = self._ending
        try:
            while self._ending == ending and loop.time() < deadline:
                if told < self.oldest:
                    await _event(response, "ERROR", _status_document(410, "Expired", "too old"))
                    break
                for revision, event, where, thing in self.history[_after(self.history, told) :]:
                    tier = thing.get("spec", {}).get("tier")
                    hidden = self.by_tier and tier is not None and tier not in tiers
                    if where == collection and not hidden:
                        await _event(response, event, thing)
                    told = revision
                async with self._changed:
                    if self.revision > told and self.history:
                        continue
                    try:
                        wait_s = min(self.bookmark_s, deadline - loop.time())
                        await asyncio.wait_for(self._changed.wait(), max(wait_s, 0))
                    except TimeoutError:
                        told = self.revision
                        bookmark = {"kind": "", "metadata": {"resourceVersion": str(told)}}
                        await _event(response, "BOOKMARK", bookmark)
        except ConnectionError:
            pass
        finally:
            self._watchers.discard(response)
        return response


def _after(history: list[tuple[int, str, str, dict[str, Any]]], revision: int) -> int:
    """Return the position of the first change after a revision."""
    low, high = 0, len(history)
    while low < high:
        middle = (low + high) // 2
        if history[middle][0] <= revision:
            low = middle + 1
        else:
            high = middle
    return low


def _key(collection: str, thing: dict[str, Any]) -> tuple[str, str, str]:
    return collection, thing["metadata"].get("namespace", ""), thing["metadata"]["name"]


async def _event(response: web.StreamResponse, kind: str, thing: dict[str, Any]) -> None:
    await response.write(json.dumps({"type": kind, "object": thing}).encode() + b"\n")


def _status_document(code: int, reason: str, message: str) -> dict[str, Any]:
    state = "Failure" if code >= 400 else "Success"
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": state,
        "code": code,
        "reason": reason,
        "message": message,
    }


def _status(code: int, reason: str, message: str) -> web.Response:
    return web.json_response(_status_document(code, reason, message), status=code)


@asynccontextmanager
async def serving(server: ApiServer, port: int = 0, socket: str = "") -> AsyncIterator[int]:
    """Serve on 127.0.0.1, and on a Unix socket where one is named; give the port."""
    runner = web.AppRunner(server.application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    if socket:
        await web.UnixSite(runner, socket).start()
    try:
        yield site._server.sockets[0].getsockname()[1]
    finally:
        await server.end_watches()
        await runner.cleanup()


async def _run(port: int, socket: str) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with serving(ApiServer(), port, socket):
        await stopped.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--socket", required=True)
    arguments = parser.parse_args()
    asyncio.run(_run(arguments.port, arguments.socket))
