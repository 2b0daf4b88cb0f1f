"""Admission: what a write must meet beyond its own shape, judged against the rest of the cluster.

Every step takes the object as it would be stored and returns it, changed or not, or refuses. Source: spec
§4; for Calico's kinds policy-semantics §2.1 and §3.1.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from ocicat.cluster.apiserver.access import Access
from ocicat.cluster.apiserver.calico import admit_calico, refuse_tier_deletion
from ocicat.cluster.apiserver.core import DEFINITIONS, Core
from ocicat.cluster.apiserver.podadmission import admit_pod
from ocicat.cluster.resources import addresses, certrequests, customs, rules, validation
from ocicat.cluster.resources.deletion import namespace_is_terminating
from ocicat.cluster.resources.errors import Cause, forbidden, invalid, not_found
from ocicat.cluster.resources.idle import without_effect
from ocicat.cluster.resources.kinds import Kind, metadata_of
from ocicat.cluster.resources.meta import metadata_causes
from ocicat.cluster.resources.rbac import User
from ocicat.cluster.resources.rows import CALICO, CLUSTER_POLICY, RBAC
from ocicat.cluster.resources.times import rfc3339

_NETWORK_POLICIES: Final = "networkpolicies.networking.k8s.io"


class Admitted(msgspec.Struct, frozen=True):
    """The object as it may be stored, and what the user should know."""

    thing: dict[str, Any]
    warnings: tuple[str, ...] = ()


class Admission:
    """Admission of one API server."""

    def __init__(self, core: Core, access: Access, service_ranges: Sequence[str]) -> None:
        self._core: Final = core
        self._access: Final = access
        self._ranges: Final = tuple(ipaddress.ip_network(text) for text in service_ranges)

    def admit(self, kind: Kind, old: Mapping[str, Any] | None, new: dict[str, Any], user: User) -> Admitted:
        """Return `new` as it may be stored. Raises ApiError with all that is wrong with it."""
        name = str(metadata_of(new).get("name", ""))
        if old is None and kind.namespaced:
            self._check_namespace(kind, str(metadata_of(new).get("namespace", "")), name)
        if kind.resource == "services" and isinstance(new.get("spec"), dict):
            self._give_addresses(kind, old, new)
        elif old is None and kind.resource == certrequests.RESOURCE:
            new = certrequests.asked_by(new, user)
        new, causes = self._judged(kind, old, new)
        if causes:
            raise invalid(kind.kind, kind.group, name, causes)
        if kind.group == RBAC:
            self._access.check_grant(kind, new, user)
        if kind.group in (CALICO, CLUSTER_POLICY) or kind.resource == _NETWORK_POLICIES:
            return Admitted(*admit_calico(self._core, kind, old, new))
        return self._created(kind, new) if old is None else Admitted(new)

    def _judged(
        self, kind: Kind, old: Mapping[str, Any] | None, new: dict[str, Any]
    ) -> tuple[dict[str, Any], list[Cause]]:
        """Return the object with what its schema adds, and what is wrong with it."""
        causes = metadata_causes(kind, new)
        if kind.custom:
            schema = self._core.schemas.root(kind.schema)
            new = customs.with_defaults(new, schema)
            causes += customs.violations(new, schema)
            tree = self._core.rules.get(kind.schema)
            if tree is not None and not causes:
                causes += rules.violations(new, old, tree)
        elif kind.resource == DEFINITIONS:
            new = self._definition(new, causes)
        else:
            causes += validation.problems(kind, new)
        if old is not None:
            causes += validation.changes(kind, old, new)
        return new, causes

    def _created(self, kind: Kind, new: dict[str, Any]) -> Admitted:
        if kind.resource == "pods":
            new = admit_pod(self._core, new)
        elif kind.resource == certrequests.RESOURCE and (why := certrequests.restriction(new)):
            raise forbidden(kind.plural, kind.group, str(metadata_of(new).get("name", "")), why)
        text = without_effect(kind)
        return Admitted(new, (text,) if text else ())

    def _check_namespace(self, kind: Kind, namespace: str, name: str) -> None:
        found = self._core.store.get("namespaces", "", namespace)
        if found is None:
            raise not_found("namespaces", "", namespace)
        if metadata_of(found.thing).get("deletionTimestamp"):
            raise namespace_is_terminating(kind.plural, kind.group, name, namespace)

    def _give_addresses(self, kind: Kind, old: Mapping[str, Any] | None, new: dict[str, Any]) -> None:
        uid = metadata_of(new).get("uid")
        others = [thing for thing in self._core.things("services") if metadata_of(thing).get("uid") != uid]
        new["spec"] = msgspec.json.decode(msgspec.json.encode(new["spec"]))
        causes = addresses.with_addresses(new, old, others, self._ranges, self._core.chance.number())
        if causes:
            raise invalid(kind.kind, kind.group, str(metadata_of(new).get("name", "")), causes)

    def _definition(self, new: dict[str, Any], causes: list[Cause]) -> dict[str, Any]:
        found = customs.problems(new) or customs.taken(new, self._core.registry)
        causes.extend(found)
        if found:
            return new
        return {**new, "status": customs.established(new, rfc3339(self._core.now_ns()))}

    def admit_deletion(self, kind: Kind, thing: Mapping[str, Any]) -> None:
        """Refuse the deletion of what must stay. Raises ApiError."""
        name = str(metadata_of(thing).get("name", ""))
        if kind.resource == "namespaces" and name in ("default", "kube-system", "kube-public"):
            raise forbidden("namespaces", "", name, "this namespace may not be deleted")
        if kind.group == CALICO:
            refuse_tier_deletion(self._core, kind, name)
