"""GET of one object and of a list, as JSON or as a table. Source: spec/kubernetes-api §4, §5."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from ocicat.cluster.apiserver.access import Access
from ocicat.cluster.apiserver.answers import json_answer, list_body, raw_answer
from ocicat.cluster.apiserver.call import Call
from ocicat.cluster.apiserver.core import Core
from ocicat.cluster.apiserver.objects import Objects
from ocicat.cluster.resources.errors import bad_request, expired
from ocicat.cluster.resources.kinds import Kind, metadata_of
from ocicat.cluster.resources.paging import Start, page, parse_token, token
from ocicat.cluster.resources.rbac import CALICO
from ocicat.cluster.resources.selectors import FieldSelector, parse_fields, parse_labels
from ocicat.cluster.resources.tables import table, wants_table
from ocicat.cluster.resources.versions import in_version
from ocicat.cluster.resources.watch import Interest, tier_of
from ocicat.cluster.store.protocol import Stored

_INCLUDES: Final = ("", "None", "Metadata", "Object")
_PARTIAL: Final = "as=PartialObjectMetadata"


def interest_of(call: Call, tiers: frozenset[str] | None = None) -> Interest:
    """Return what a list or watch asks for. Raises ApiError (400) for selectors that cannot be read."""
    fields = parse_fields(call.query.get("fieldSelector", ""), call.kind.resource)
    if call.info.name:
        named = parse_fields(f"metadata.name={call.info.name}", call.kind.resource)
        fields = FieldSelector((*fields.terms, *named.terms))
    return Interest(call.namespace, parse_labels(call.query.get("labelSelector", "")), fields, tiers)


def number(call: Call, name: str) -> int:
    """Return a whole number of the query, 0 when it is absent. Raises ApiError (400)."""
    text = call.query.get(name) or "0"
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise bad_request(f"invalid value for {name}: {text[:40]!r}")
    return int(text)


def chosen(core: Core, kind: Kind, interest: Interest) -> Sequence[Stored]:
    """Return the stored objects that are asked for, sorted by namespace and name."""
    name = interest.fields.only("metadata.name")
    if name is not None and (interest.namespace or not kind.namespaced):
        found = core.store.get(kind.resource, interest.namespace, name)
        items: Sequence[Stored] = [] if found is None else [found]
    else:
        items = core.store.scan(kind.resource, interest.namespace)
    if not interest.labels.requirements and not interest.fields.terms and interest.tiers is None:
        return items
    return [stored for stored in items if interest.covers(stored.thing)]


class Reading:
    """The reading half of one API server, but for watches."""

    def __init__(self, core: Core, access: Access, objects: Objects) -> None:
        self._core: Final = core
        self._access: Final = access
        self._objects: Final = objects

    def get(self, call: Call) -> web.Response:
        """Answer a GET of one object. Raises ApiError."""
        kind = call.kind
        stored = self._core.find(kind, call.namespace, call.info.name)
        if call.is_tiered:
            tier = tier_of(stored.thing) if stored else self._tier_by_name(call.info.name)
            self._access.check_tier(call.user, call.ask(), [tier])
        stored = self._objects.existing(kind, call.namespace, call.info.name)
        accept = call.request.headers.get("Accept", "")
        version = wants_table(accept)
        thing = in_version(kind, stored.thing)
        if version is not None:
            metadata = {"resourceVersion": str(stored.revision)}
            return json_answer(self._table(call, [thing], version, metadata))
        if _PARTIAL in accept:
            return json_answer(_partial(thing))
        return raw_answer(stored.encoded) if thing is stored.thing else json_answer(thing)

    def _tier_by_name(self, name: str) -> str:
        """Return the tier whose name a policy's begins with, as in `platform.allow-dns`; else `default`.

        `kubectl apply` asks for what is not there yet, and needs a NotFound from the tier that it will be in.
        """
        tier, dot, _ = name.partition(".")
        return tier if dot and self._core.store.get(f"tiers.{CALICO}", "", tier) else "default"

    def list(self, call: Call) -> web.Response:
        """Answer a LIST. Raises ApiError."""
        tiers = self._access.visible_tiers(call.user, call.ask()) if call.is_tiered else None
        items = chosen(self._core, call.kind, interest_of(call, tiers))
        start = self._start(call)
        if start.name:
            after = (start.namespace, start.name)
            items = [stored for stored in items if _place(stored) > after]
        selected = bool(call.query.get("labelSelector") or call.query.get("fieldSelector"))
        shown, remaining = page(items, number(call, "limit"))
        metadata: dict[str, Any] = {"resourceVersion": str(start.revision)}
        if remaining:
            metadata["continue"] = token(Start(start.revision, *_place(shown[-1])))
            if not selected:
                metadata["remainingItemCount"] = remaining
        return self._listed(call, shown, metadata)

    def _start(self, call: Call) -> Start:
        text = call.query.get("continue", "")
        if text:
            start = parse_token(text)
            if start.revision > self._core.store.revision:
                raise expired(self._core.store.revision, start.revision)
            return start
        if call.query.get("resourceVersionMatch") == "Exact":
            asked = number(call, "resourceVersion")
            if asked != self._core.store.revision:
                raise expired(self._core.store.revision, asked)
        return Start(self._core.store.revision, "", "")

    def _listed(self, call: Call, shown: Sequence[Stored], metadata: dict[str, Any]) -> web.Response:
        accept, kind = call.request.headers.get("Accept", ""), call.kind
        version = wants_table(accept)
        if version is not None:
            things = [in_version(kind, stored.thing) for stored in shown]
            return json_answer(self._table(call, things, version, metadata))
        if _PARTIAL in accept:
            rows = [msgspec.json.encode(_partial(stored.thing)) for stored in shown]
            return raw_answer(list_body("meta.k8s.io/v1", "PartialObjectMetadataList", metadata, rows))
        if self._core.registry.stored_as(kind.resource) == kind:
            encoded = [stored.encoded for stored in shown]
        else:
            encoded = [msgspec.json.encode(in_version(kind, stored.thing)) for stored in shown]
        return raw_answer(list_body(kind.api_version, kind.listed, metadata, encoded))

    def _table(
        self, call: Call, things: Sequence[Any], version: str, metadata: dict[str, Any]
    ) -> dict[str, Any]:
        include = call.query.get("includeObject", "")
        if include not in _INCLUDES:
            raise bad_request(f"unrecognized includeObject value: {include[:40]!r}")
        return table(
            call.kind, things, now_ns=self._core.now_ns(), include=include or "Metadata",
            version=version, list_metadata=metadata,
        )  # fmt: skip


def _place(stored: Stored) -> tuple[str, str]:
    metadata = metadata_of(stored.thing)
    return str(metadata.get("namespace", "")), str(metadata["name"])


def _partial(thing: Any) -> dict[str, Any]:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata_of(thing)}
