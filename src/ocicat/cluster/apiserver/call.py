"""`Call`: one authenticated request for a resource, as the handlers see it."""

from collections.abc import Mapping
from typing import Final

import msgspec
from aiohttp import web

from ocicat.cluster.apiserver.objects import Context
from ocicat.cluster.resources import bodies
from ocicat.cluster.resources.deletion import is_dry_run
from ocicat.cluster.resources.errors import ApiError, bad_request
from ocicat.cluster.resources.fieldcheck import IGNORE, MODES, WARN
from ocicat.cluster.resources.kinds import Kind
from ocicat.cluster.resources.rbac import CALICO, TIERED, Ask, User
from ocicat.cluster.resources.request import RequestInfo

_DEFAULT_MANAGER: Final = "unknown"
_MANAGER_LIMIT: Final = 128


class Call(msgspec.Struct, frozen=True):
    """What is asked, by whom, of which kind."""

    request: web.BaseRequest
    info: RequestInfo
    kind: Kind
    user: User
    query: Mapping[str, str]

    @property
    def namespace(self) -> str:
        """Return the namespace of the address, empty for cluster-wide kinds."""
        return self.info.namespace if self.kind.namespaced else ""

    @property
    def is_tiered(self) -> bool:
        """Tell whether the right is judged by tier."""
        return self.kind.group == CALICO and self.kind.plural in TIERED

    def ask(self) -> Ask:
        """Return the question of authorization."""
        info = self.info
        return Ask(info.verb, info.group, info.plural, info.subresource, self.info.namespace, info.name)

    def context(self, *, validation: str = WARN) -> Context:
        """Return how a write of this call is treated. Raises ApiError (400) for unknown options."""
        mode = self.query.get("fieldValidation") or validation
        if mode not in MODES:
            raise bad_request(f"fieldValidation must be one of {', '.join(MODES)}")
        agent = self.request.headers.get("User-Agent", "").partition("/")[0]
        manager = self.query.get("fieldManager") or agent or _DEFAULT_MANAGER
        if len(manager) > _MANAGER_LIMIT or not manager.isprintable():
            raise bad_request(
                f"fieldManager must be printable and no longer than {_MANAGER_LIMIT} characters"
            )
        return Context(self.user, manager, is_dry_run(self.query.get("dryRun")), mode)

    async def body(self, content_type: str | None = None) -> bodies.Body:
        """Return the body of the request. Raises ApiError (400, 413, 415)."""
        data = await read_body(self.request)
        kind = self.request.headers.get("Content-Type", "") if content_type is None else content_type
        strict = (self.query.get("fieldValidation") or WARN) != IGNORE
        return bodies.read(data, kind, look_for_duplicates=strict)


async def read_body(request: web.BaseRequest) -> bytes:
    """Return the bytes of a request's body. Raises ApiError (413) when there are too many of them."""
    data = bytearray()
    async for chunk in request.content.iter_any():
        data += chunk
        if len(data) > bodies.BODY_LIMIT:
            raise ApiError("RequestEntityTooLarge", f"Request entity too large: limit is {bodies.BODY_LIMIT}")
    return bytes(data)
