"""POST, PUT, PATCH and DELETE of objects. Source: spec/kubernetes-api §4, §7."""

from typing import Any, Final

import msgspec
from aiohttp import web

from ocicat.cluster.apiserver.access import Access
from ocicat.cluster.apiserver.answers import json_answer
from ocicat.cluster.apiserver.call import Call
from ocicat.cluster.apiserver.core import Core
from ocicat.cluster.apiserver.objects import Answer, Context, Objects
from ocicat.cluster.apiserver.reading import chosen, interest_of
from ocicat.cluster.resources import deletion, patches
from ocicat.cluster.resources.errors import bad_request, invalid, required, unsupported_media_type
from ocicat.cluster.resources.fieldcheck import STRICT
from ocicat.cluster.resources.kinds import metadata_of
from ocicat.cluster.resources.openapi import patch_types
from ocicat.cluster.resources.request import flag
from ocicat.cluster.resources.tables import table, wants_table
from ocicat.cluster.resources.watch import tier_of

_YAML: Final = "application/yaml"


class Writing:
    """The writing handlers of one API server."""

    def __init__(self, core: Core, access: Access, objects: Objects) -> None:
        self._core: Final = core
        self._access: Final = access
        self._objects: Final = objects

    async def create(self, call: Call) -> web.Response:
        """Answer a POST to a collection. Raises ApiError."""
        body = await call.body()
        self._check_tiers(call, body.value)
        return self._answered(call, self._objects.create(call.kind, call.namespace, body, call.context()))

    async def update(self, call: Call, part: str = "") -> web.Response:
        """Answer a PUT. Raises ApiError."""
        body = await call.body()
        self._check_tiers(call, body.value)
        answer = self._objects.replace(call.kind, call.namespace, call.info.name, body, call.context(), part)
        return self._answered(call, answer)

    async def patch(self, call: Call, part: str = "") -> web.Response:
        """Answer a PATCH of any kind. Raises ApiError."""
        how = patch_type(call)
        body = await call.body(_YAML if how == patches.APPLY else "application/json")
        self._check_tiers(call, body.value if isinstance(body.value, dict) else {})
        where = (call.kind, call.namespace, call.info.name)
        if how != patches.APPLY:
            return self._answered(call, self._objects.patch(*where, how, body, call.context(), part))
        if not call.query.get("fieldManager"):
            raise invalid(
                "PatchOptions", "meta.k8s.io", "", [required("fieldManager", "is required for apply patch")]
            )
        force = flag(call.query, "force")
        answer = self._objects.apply(*where, body, call.context(validation=STRICT), force=force, part=part)
        return self._answered(call, answer)

    async def delete(self, call: Call) -> web.Response:
        """Answer a DELETE of one object. Raises ApiError."""
        options = await self.options(call)
        self._check_tiers(call, {})
        context = call.context()
        return self._answered(
            call,
            self._objects.delete(call.kind, call.namespace, call.info.name, options, _dry(context, options)),
        )

    async def delete_collection(self, call: Call) -> web.Response:
        """Answer a DELETE of a collection. Raises ApiError."""
        options = await self.options(call)
        tiers = self._access.visible_tiers(call.user, call.ask()) if call.is_tiered else None
        found = chosen(self._core, call.kind, interest_of(call, tiers))
        gone = self._objects.delete_all(call.kind, found, options, _dry(call.context(), options))
        metadata = {"resourceVersion": str(self._core.store.revision)}
        return json_answer(
            {
                "kind": call.kind.listed,
                "apiVersion": call.kind.api_version,
                "metadata": metadata,
                "items": gone,
            }
        )

    async def options(self, call: Call) -> deletion.Options:
        """Return the options of a DELETE, from body and address. Raises ApiError."""
        body: Any = {}
        if call.request.can_read_body:
            read = (await call.body()).value
            body = {} if read is None else read
        if not isinstance(body, dict):
            raise bad_request("the body of a deletion must be DeleteOptions")
        return deletion.options_from(body, call.query)

    def _check_tiers(self, call: Call, body: Any) -> None:
        """Judge by the tiers that the write touches: that of the stored policy, and the one it is to be
        in."""
        if not call.is_tiered:
            return
        stored = self._core.find(call.kind, call.namespace, call.info.name) if call.info.name else None
        tiers = [tier_of(stored.thing)] if stored else []
        said = isinstance(body, dict) and isinstance(body.get("spec"), dict) and body["spec"].get("tier")
        if said or not tiers:
            tiers.append(str(said or "default"))
        self._access.check_tier(call.user, call.ask(), tiers)

    def _answered(self, call: Call, answer: Answer) -> web.Response:
        thing: Any = answer.thing
        version = wants_table(call.request.headers.get("Accept", ""))
        if version is not None and thing.get("kind") != "Status":
            revision = metadata_of(thing).get("resourceVersion", "")
            thing = table(call.kind, [thing], now_ns=self._core.now_ns(), version=version,
                          list_metadata={"resourceVersion": revision})  # fmt: skip
        return json_answer(thing, status=201 if answer.created else 200, warnings=answer.warnings)


def _dry(context: Context, options: deletion.Options) -> Context:
    return msgspec.structs.replace(context, dry_run=context.dry_run or options.dry_run)


def patch_type(call: Call) -> str:
    """Return the media type of a patch. Raises ApiError (415) where the kind does not take it."""
    how = call.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    accepted = patch_types(call.kind)
    if how not in accepted:
        raise unsupported_media_type(how[:100], accepted)
    return how
