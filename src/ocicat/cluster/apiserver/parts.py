"""Subresources: status, scale, eviction, binding, tokens, and what only a node can answer. Source: spec §2,
§8."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web

from ocicat.cluster.apiserver import tokens
from ocicat.cluster.apiserver.answers import json_answer
from ocicat.cluster.apiserver.authentication import AUDIENCE
from ocicat.cluster.apiserver.call import Call
from ocicat.cluster.apiserver.core import Core
from ocicat.cluster.apiserver.credentials import Key
from ocicat.cluster.apiserver.node import PARTS, NodeConnector, check_reachable
from ocicat.cluster.apiserver.objects import Objects
from ocicat.cluster.apiserver.reading import Reading
from ocicat.cluster.apiserver.signing import Signing
from ocicat.cluster.apiserver.writing import Writing, patch_type
from ocicat.cluster.resources import deletion, patches, scale
from ocicat.cluster.resources.bodies import Body
from ocicat.cluster.resources.cells import part as field
from ocicat.cluster.resources.errors import bad_request, conflict, method_not_allowed, no_such_path
from ocicat.cluster.resources.kinds import metadata_of
from ocicat.cluster.resources.tables import table, wants_table
from ocicat.cluster.resources.times import rfc3339

_WHOLE: Final = ("status", "ephemeralcontainers", "finalize")
"""Subresources that are the object itself, with a part of it written."""
_DONE: Final = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
_TOKEN_S: Final = 3600
_TOKEN_RANGE_S: Final = (600, 365 * 86400)


class Parts:
    """The subresources of one API server."""

    def __init__(
        self,
        core: Core,
        objects: Objects,
        reading: Reading,
        writing: Writing,
        signing: Signing,
        node: NodeConnector,
        key: Key,
    ) -> None:
        self._core: Final = core
        self._objects: Final = objects
        self._reading: Final = reading
        self._writing: Final = writing
        self._node: Final = node
        self._key: Final = key
        self._own: Final[Mapping[str, Callable[[Call], Awaitable[web.StreamResponse]]]] = {
            "approval": signing.approval,
            "scale": self._scale,
            "eviction": self._eviction,
            "binding": self._binding,
            "token": self._token,
        }

    async def serve(self, call: Call) -> web.StreamResponse:
        """Answer a request for a subresource. Raises ApiError."""
        name = call.info.subresource
        sub = call.kind.subresource(name)
        if sub is None:
            raise no_such_path()
        if call.info.verb not in sub.verbs:
            raise method_not_allowed()
        if name in PARTS:
            pod = self._objects.existing(call.kind, call.namespace, call.info.name).thing
            check_reachable(pod)
            return await self._node.serve(pod, name, call.request)
        if name in _WHOLE:
            return await self._whole(call, name)
        return await self._own[name](call)

    async def _whole(self, call: Call, name: str) -> web.Response:
        if call.info.verb == "get":
            return self._reading.get(call)
        if call.info.verb == "update":
            return await self._writing.update(call, name)
        return await self._writing.patch(call, name)

    async def _scale(self, call: Call) -> web.Response:
        stored = self._objects.existing(call.kind, call.namespace, call.info.name)
        paths = scale.paths_of(call.kind, self._definition(call))
        present = scale.scale_of(stored.thing, paths)
        if call.info.verb == "get":
            version = wants_table(call.request.headers.get("Accept", ""))
            now_ns = self._core.now_ns()
            shown = (
                present if version is None else table(scale.KIND, [present], now_ns=now_ns, version=version)
            )
            return json_answer(shown)
        if call.info.verb == "update":
            wanted = (await call.body()).value
        else:
            wanted = await self._patched_scale(call, present)
        replicas = scale.wanted_replicas(wanted, present)
        asked = metadata_of(wanted).get("resourceVersion")
        if asked and asked != metadata_of(present).get("resourceVersion"):
            raise conflict(call.kind.plural, call.kind.group, call.info.name)
        change = scale.change_of(replicas, paths)
        answer = self._objects.patch(
            call.kind, call.namespace, call.info.name, patches.MERGE, Body(change), call.context()
        )
        return json_answer(scale.scale_of(answer.thing, paths))

    async def _patched_scale(self, call: Call, present: Mapping[str, Any]) -> Mapping[str, Any]:
        how = patch_type(call)
        body = await call.body("application/yaml" if how == patches.APPLY else "application/json")
        way = patches.MERGE if how == patches.APPLY else how
        schema = self._core.schemas.root("io.k8s.api.autoscaling.v1.Scale")
        return patches.patched(
            present,
            body.value,
            way,
            schema,
            self._core.schemas,
            kind="Scale",
            group="autoscaling",
            name=call.info.name,
        )

    def _definition(self, call: Call) -> Mapping[str, Any] | None:
        if not call.kind.custom:
            return None
        resource = "customresourcedefinitions.apiextensions.k8s.io"
        stored = self._core.store.get(resource, "", call.kind.resource)
        return stored.thing if stored else None

    async def _eviction(self, call: Call) -> web.Response:
        body = (await call.body()).value
        given = field(body, "deleteOptions")
        options = deletion.options_from(given if isinstance(given, Mapping) else {}, call.query)
        self._objects.delete(call.kind, call.namespace, call.info.name, options, call.context())
        return json_answer(_DONE, status=201)

    async def _binding(self, call: Call) -> web.Response:
        target = field((await call.body()).value, "target.name")
        if not isinstance(target, str) or not target:
            raise bad_request("target.name must name a node")
        stored = self._objects.existing(call.kind, call.namespace, call.info.name)
        if field(stored.thing, "spec.nodeName"):
            why = f'pod {call.info.name} is already assigned to node "{field(stored.thing, "spec.nodeName")}"'
            raise conflict("pods/binding", "", call.info.name, why)
        change = {"spec": {"nodeName": target}}
        self._objects.patch(
            call.kind, call.namespace, call.info.name, patches.MERGE, Body(change), call.context()
        )
        scheduled = {
            "type": "PodScheduled", "status": "True", "lastProbeTime": None,
            "lastTransitionTime": rfc3339(self._core.now_ns()),
        }  # fmt: skip
        rows = [
            row for row in field(stored.thing, "status.conditions") or () if row.get("type") != "PodScheduled"
        ]
        status = {"status": {"conditions": [*rows, scheduled]}}
        self._objects.patch(
            call.kind, call.namespace, call.info.name, patches.MERGE, Body(status), call.context(), "status"
        )
        return json_answer(_DONE, status=201)

    async def _token(self, call: Call) -> web.Response:
        body = (await call.body()).value
        if not isinstance(body, dict):
            raise bad_request("the body must be a TokenRequest")
        stored = self._objects.existing(call.kind, call.namespace, call.info.name)
        said = body.get("spec")
        spec: dict[str, Any] = said if isinstance(said, dict) else {}
        low, high = _TOKEN_RANGE_S
        asked = spec.get("expirationSeconds") or _TOKEN_S
        seconds = min(max(int(asked) if isinstance(asked, int) else _TOKEN_S, low), high)
        audiences = tuple(str(word) for word in spec.get("audiences") or ()) or (AUDIENCE,)
        now_s = self._core.now_ns() // 1_000_000_000
        account = tokens.Account(
            call.namespace, call.info.name, str(metadata_of(stored.thing).get("uid", ""))
        )
        pod, pod_uid = self._bound_pod(call, spec)
        claims = tokens.Claims(account, audiences, now_s + seconds, pod, pod_uid)
        status = {
            "token": tokens.issue(self._key, claims, now_s),
            "expirationTimestamp": rfc3339((now_s + seconds) * 1_000_000_000),
        }
        thing = {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": call.info.name, "namespace": call.namespace},
            "spec": {**spec, "audiences": list(audiences), "expirationSeconds": seconds},
            "status": status,
        }
        return json_answer(thing, status=201)

    def _bound_pod(self, call: Call, spec: Mapping[str, Any]) -> tuple[str, str]:
        if field(spec, "boundObjectRef.kind") != "Pod":
            return "", ""
        name = str(field(spec, "boundObjectRef.name") or "")
        pods = self._core.registry.at("", "v1", "pods")
        if pods is None:
            raise no_such_path()
        found = self._objects.existing(pods, call.namespace, name)
        return name, str(metadata_of(found.thing).get("uid", ""))
