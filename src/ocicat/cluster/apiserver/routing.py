"""From an HTTP request to its handler: path, user, right, kind — and every refusal as a `Status`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog
from aiohttp import web

from ocicat.cluster.apiserver.access import Access
from ocicat.cluster.apiserver.answers import json_answer
from ocicat.cluster.apiserver.authentication import Authenticator
from ocicat.cluster.apiserver.call import Call
from ocicat.cluster.apiserver.core import Core
from ocicat.cluster.apiserver.documents import Documents
from ocicat.cluster.apiserver.parts import Parts
from ocicat.cluster.apiserver.reading import Reading
from ocicat.cluster.apiserver.reviews import Reviews
from ocicat.cluster.apiserver.watching import Watching
from ocicat.cluster.apiserver.writing import Writing
from ocicat.cluster.resources.errors import ApiError, bad_request, method_not_allowed, no_such_path
from ocicat.cluster.resources.rbac import Ask
from ocicat.cluster.resources.request import RequestInfo, request_info
from ocicat.cluster.store.protocol import StoreBrokenError

log = structlog.get_logger(__name__)
_STREAMED: Final = ("log", "exec", "attach", "portforward")


class Routes:
    """The one handler that all requests come to."""

    def __init__(
        self,
        core: Core,
        access: Access,
        authenticator: Authenticator,
        documents: Documents,
        reading: Reading,
        watching: Watching,
        writing: Writing,
        parts: Parts,
        reviews: Reviews,
        timeout_s: float,
    ) -> None:
        self._core: Final = core
        self._access: Final = access
        self._authenticator: Final = authenticator
        self._documents: Final = documents
        self._reading: Final = reading
        self._watching: Final = watching
        self._parts: Final = parts
        self._reviews: Final = reviews
        self._timeout_s: Final = timeout_s
        self._writers: Final[Mapping[str, Callable[[Call], Awaitable[web.Response]]]] = {
            "create": writing.create,
            "update": writing.update,
            "patch": writing.patch,
            "delete": writing.delete,
            "deletecollection": writing.delete_collection,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request; whatever goes wrong becomes a Status."""
        try:
            return await self._answer(request)
        except ApiError as refusal:
            return _refused(refusal)
        except TimeoutError:
            return _refused(ApiError("Timeout", "the request did not arrive, or was not answered, in time"))
        except ConnectionError:
            return web.Response(
                status=400
            )  # the client is gone: nobody reads this, and it is no error of ours
        except web.HTTPException as refusal:
            return _refused(bad_request(refusal.reason))
        except StoreBrokenError as broken:
            log.error("store.broken", reason=str(broken))  # noqa: TRY400 - the reason is all there is to it
            return _refused(ApiError("InternalError", f"the store failed: {broken}"))
        except Exception:
            log.exception("request.failed", method=request.method, path=request.path[:200])
            return _refused(
                ApiError("InternalError", "an error on the server has prevented the request from succeeding")
            )

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        certificate = request.get_extra_info("peercert")
        user = self._authenticator.user(request.headers, certificate)
        info = request_info(request.method, request.path, request.query)
        if info is None:
            raise bad_request("the path of the request is not a plain one")
        if not info.is_resource:
            self._access.check(user, Ask(info.verb, path=info.path))
            return self._documents.serve(request, info.path)
        kind = self._core.registry.at(info.group, info.version, info.plural)
        if kind is None:
            self._access.check(user, _ask(info))
            raise no_such_path()
        call = Call(request, info, kind, user, request.query)
        if not call.is_tiered or info.subresource:
            self._access.check(user, call.ask())
        if info.verb == "watch":
            self._check_verb(call)
            return await self._watching.watch(call)
        if info.subresource in _STREAMED:
            return await self._parts.serve(call)
        async with asyncio.timeout(self._timeout_s):
            return await self._plain(call)

    async def _plain(self, call: Call) -> web.StreamResponse:
        info = call.info
        if info.subresource:
            return await self._parts.serve(call)
        self._check_verb(call)
        if not call.kind.stored and info.verb == "create":
            return await self._reviews.review(call)
        if call.kind.namespaced and info.verb == "create" and not info.namespace:
            raise bad_request("an empty namespace may not be set during creation")
        if info.verb == "get":
            return self._reading.get(call)
        if info.verb == "list":
            return self._reading.list(call)
        return await self._writers[info.verb](call)

    def _check_verb(self, call: Call) -> None:
        info = call.info
        named = info.verb in ("update", "patch", "delete")
        if (
            info.verb not in call.kind.verbs
            or (named and not info.name)
            or (info.verb == "create" and info.name)
        ):
            raise method_not_allowed()


def _ask(info: RequestInfo) -> Ask:
    return Ask(info.verb, info.group, info.plural, info.subresource, info.namespace, info.name)


def _refused(refusal: ApiError) -> web.Response:
    answer = json_answer(refusal.status, status=refusal.code)
    seconds: Any = refusal.status.get("details", {}).get("retryAfterSeconds")
    if seconds:
        answer.headers["Retry-After"] = str(seconds)
    if refusal.code in (400, 408, 413, 504):
        answer.force_close()  # the rest of the body may still be under way: do not read it as a request
    return answer
