"""Authorization with the stored roles: may this user do this? The rules themselves are in
`resources.rbac`."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from ocicat.cluster.apiserver.core import Core
from ocicat.cluster.resources import rbac
from ocicat.cluster.resources.errors import ApiError, forbidden
from ocicat.cluster.resources.kinds import Kind, metadata_of
from ocicat.cluster.resources.rbac import Ask, Roles, User, Verdict
from ocicat.cluster.resources.rows import CALICO, RBAC

_RESOURCES: Final = tuple(
    f"{name}.{RBAC}" for name in ("clusterroles", "roles", "clusterrolebindings", "rolebindings")
)


class Access:
    """The judge of one API server; it reads the roles anew only when one has changed."""

    def __init__(self, core: Core) -> None:
        self._core: Final = core
        self._read_at = -1
        self._roles = Roles({}, {}, (), ())

    def roles(self) -> Roles:
        """Return the stored roles and bindings."""
        if self._read_at < 0 or max(map(self._core.touched, _RESOURCES)) > self._read_at:
            self._read_at = self._core.store.revision
            cluster_roles, roles, cluster_bindings, bindings = (
                self._core.things(each) for each in _RESOURCES
            )
            self._roles = Roles(
                {metadata_of(role)["name"]: role for role in cluster_roles},
                {(metadata_of(role)["namespace"], metadata_of(role)["name"]): role for role in roles},
                cluster_bindings,
                bindings,
            )
        return self._roles

    def verdict(self, user: User, ask: Ask) -> Verdict:
        """Return whether `user` may do what `ask` says."""
        return rbac.authorize(user, ask, self.roles())

    def check(self, user: User, ask: Ask) -> None:
        """Refuse what `user` may not do. Raises ApiError (403)."""
        if not self.verdict(user, ask).allowed:
            raise _refusal(ask, rbac.denied_text(user, ask))

    def check_tier(self, user: User, ask: Ask, tiers: Iterable[str]) -> None:
        """Refuse what `user` may not do to a policy of these tiers. Raises ApiError (403)."""
        for tier in sorted(set(tiers)):
            verdict = rbac.authorize_tier(user, ask, tier, self.roles())
            if not verdict.allowed:
                where = f' and namespace "{ask.namespace}"' if ask.namespace else ""
                text = f'User "{user.name}" cannot {ask.verb} {ask.resource}.{CALICO} in tier "{tier}"{where}'
                raise _refusal(ask, f"{text} {verdict.reason}".rstrip())

    def visible_tiers(self, user: User, ask: Ask) -> frozenset[str] | None:
        """Return the tiers whose policies `user` may list or watch; None when it is all of them.

        Raises:
            ApiError: 403, when it is none.
        """
        if rbac.MASTERS in user.groups:
            return None
        seen = self.tiers_of(user, ask)
        if not seen:
            raise _refusal(ask, f'User "{user.name}" cannot {ask.verb} {ask.resource}.{CALICO} in any tier')
        return seen

    def tiers_of(self, user: User, ask: Ask) -> frozenset[str]:
        """Return the tiers in which `user` may do what `ask` says to a policy."""
        names = [metadata_of(tier)["name"] for tier in self._core.things(f"tiers.{CALICO}")]
        roles = self.roles()
        return frozenset(name for name in names if rbac.authorize_tier(user, ask, name, roles).allowed)

    def check_impersonation(self, user: User, wanted: User) -> None:
        """Refuse to act as `wanted` without the right to impersonate each part of it. Raises ApiError
        (403)."""
        asks = []
        if wanted.name.startswith("system:serviceaccount:") and wanted.name.count(":") == 3:
            _, _, namespace, name = wanted.name.split(":")
            asks.append(Ask("impersonate", "", "serviceaccounts", namespace=namespace, name=name))
        else:
            asks.append(Ask("impersonate", "", "users", name=wanted.name))
        asks.extend(Ask("impersonate", "", "groups", name=group) for group in wanted.groups)
        if wanted.uid:
            asks.append(Ask("impersonate", "authentication.k8s.io", "uids", name=wanted.uid))
        for key, values in wanted.extra.items():
            asks.extend(
                Ask("impersonate", "authentication.k8s.io", "userextras", key, name=value) for value in values
            )
        for ask in asks:
            self.check(user, ask)

    def check_grant(self, kind: Kind, thing: Mapping[str, Any], user: User) -> None:
        """Refuse to hand out rights that `user` lacks, unless by the verbs `escalate` and `bind`. Raises
        ApiError (403)."""
        metadata = metadata_of(thing)
        namespace, name = str(metadata.get("namespace", "")), str(metadata["name"])
        roles = self.roles()
        if kind.plural in ("roles", "clusterroles"):
            ask = Ask("escalate", RBAC, kind.plural, namespace=namespace, name=name)
            wanted = thing.get("rules") or ()
        else:
            reference = thing.get("roleRef") or {}
            plural = "clusterroles" if reference.get("kind") == "ClusterRole" else "roles"
            ask = Ask("bind", RBAC, plural, namespace=namespace, name=str(reference.get("name", "")))
            wanted = rbac.rules_of(thing, namespace, roles)
        if rbac.MASTERS in user.groups or rbac.authorize(user, ask, roles).allowed:
            return
        missing = rbac.exceeding(user, namespace, wanted, roles)
        if missing:
            groups = " ".join(user.groups)
            who = f'user "{user.name}" (groups=[{groups}])'
            text = f"{who} is attempting to grant RBAC permissions not currently held:"
            listed = "\n".join(msgspec.json.encode(rule).decode()[:300] for rule in missing[:20])
            raise forbidden(kind.plural, kind.group, name, f"{text}\n{listed}")


def _refusal(ask: Ask, why: str) -> ApiError:
    if ask.path:
        return ApiError("Forbidden", f"forbidden: {why}")
    return forbidden(ask.resource, ask.group, ask.name, why)
