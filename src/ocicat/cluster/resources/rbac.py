"""Who may do what: roles, bindings, and their evaluation as a function of the stored objects.

Calico's policies are judged by tier: the right is asked for `tier.networkpolicies` (and the like), by the
policy's name or as `TIER.*`, and `get` on the tier is needed too. Source: the issue on the embedded
cluster; workshop 2.3.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from ocicat.cluster.resources.selectors import from_object

ALL_USERS: Final = "system:authenticated"
ANONYMOUS: Final = "system:anonymous"
MASTERS: Final = "system:masters"
TIERED: Final = frozenset(
    {"networkpolicies", "globalnetworkpolicies", "stagednetworkpolicies", "stagedglobalnetworkpolicies",
     "stagedkubernetesnetworkpolicies"}
)  # fmt: skip
CALICO: Final = "projectcalico.org"


class User(msgspec.Struct, frozen=True):
    """Who asks."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = {}

    def as_json(self) -> dict[str, Any]:
        """Return the wire form."""
        body: dict[str, Any] = {"username": self.name, "groups": list(self.groups)}
        if self.uid:
            body["uid"] = self.uid
        if self.extra:
            body["extra"] = {key: list(values) for key, values in self.extra.items()}
        return body


class Ask(msgspec.Struct, frozen=True):
    """What is to be done: a verb on a resource, or on a plain `path`."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def full_resource(self) -> str:
        """Return `resource/subresource`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


class Roles(msgspec.Struct, frozen=True):
    """The stored RBAC objects that an evaluation reads."""

    cluster_roles: Mapping[str, Mapping[str, Any]]
    roles: Mapping[tuple[str, str], Mapping[str, Any]]
    """By namespace and name."""
    cluster_bindings: Sequence[Mapping[str, Any]]
    bindings: Sequence[Mapping[str, Any]]


class Verdict(msgspec.Struct, frozen=True):
    """The answer, and for a yes the binding that gives it."""

    allowed: bool
    reason: str = ""


def authorize(user: User, ask: Ask, roles: Roles) -> Verdict:
    """Return whether `user` may do what `ask` says."""
    if MASTERS in user.groups:
        return Verdict(True)
    for rule, reason in _granted(user, ask.namespace, roles):
        if rule_allows(rule, ask):
            return Verdict(True, reason)
    return Verdict(False)


def rule_allows(rule: Mapping[str, Any], ask: Ask) -> bool:
    """Tell whether one rule of a role allows what is asked."""
    if not _has(rule, "verbs", ask.verb):
        return False
    if ask.path:
        return any(_path_matches(pattern, ask.path) for pattern in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames") or ()
    return (
        _has(rule, "apiGroups", ask.group)
        and _resource_matches(rule.get("resources") or (), ask)
        and (not names or ask.name in names)
    )


def _has(rule: Mapping[str, Any], field: str, word: str) -> bool:
    listed = rule.get(field) or ()
    return "*" in listed or word in listed


def _resource_matches(listed: Iterable[str], ask: Ask) -> bool:
    wanted = ("*", ask.full_resource, f"*/{ask.subresource}" if ask.subresource else "*")
    return any(word in wanted for word in listed)


def _path_matches(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def _granted(user: User, namespace: str, roles: Roles) -> Iterator[tuple[Mapping[str, Any], str]]:
    for binding in roles.cluster_bindings:
        if _speaks_of(binding, user, ""):
            for rule in rules_of(binding, "", roles):
                yield rule, _reason("ClusterRoleBinding", binding, user)
    if not namespace:
        return
    for binding in roles.bindings:
        if binding["metadata"].get("namespace") == namespace and _speaks_of(binding, user, namespace):
            for rule in rules_of(binding, namespace, roles):
                yield rule, _reason("RoleBinding", binding, user)


def _reason(kind: str, binding: Mapping[str, Any], user: User) -> str:
    role = binding.get("roleRef") or {}
    metadata = binding["metadata"]
    where = f"{metadata['name']}/{metadata['namespace']}" if kind == "RoleBinding" else metadata["name"]
    subject: Mapping[str, Any] = next(
        (row for row in binding.get("subjects") or () if _is_subject(row, user, "")), {}
    )
    who = f'{subject.get("kind", "User")} "{subject.get("name", user.name)}"'
    return f'RBAC: allowed by {kind} "{where}" of {role.get("kind")} "{role.get("name")}" to {who}'


def _speaks_of(binding: Mapping[str, Any], user: User, namespace: str) -> bool:
    return any(_is_subject(row, user, namespace) for row in binding.get("subjects") or ())


def _is_subject(row: Mapping[str, Any], user: User, namespace: str) -> bool:
    kind, name = row.get("kind"), row.get("name")
    if kind == "User":
        return name == user.name
    if kind == "Group":
        return name in user.groups
    where = row.get("namespace") or namespace
    return kind == "ServiceAccount" and user.name == f"system:serviceaccount:{where}:{name}"


def rules_of(binding: Mapping[str, Any], namespace: str, roles: Roles) -> Sequence[Mapping[str, Any]]:
    """Return the rules of the role that a binding names; none where the role is not there."""
    reference = binding.get("roleRef") or {}
    name = str(reference.get("name", ""))
    if reference.get("kind") == "Role":
        return (roles.roles.get((namespace, name)) or {}).get("rules") or ()
    return cluster_role_rules(roles.cluster_roles.get(name) or {}, roles)


def cluster_role_rules(role: Mapping[str, Any], roles: Roles) -> Sequence[Mapping[str, Any]]:
    """Return a ClusterRole's rules; those of an aggregated one are the union of the roles that it selects.

    What an aggregated role says of its own is a copy of that, or about to be overwritten with one.
    """
    aggregation = role.get("aggregationRule")
    if not isinstance(aggregation, Mapping):
        return role.get("rules") or ()
    found: list[Mapping[str, Any]] = []
    for selector in aggregation.get("clusterRoleSelectors") or ():
        chosen = from_object(selector)
        for other in roles.cluster_roles.values():
            if other is not role and not other.get("aggregationRule") and chosen.matches(other):
                found.extend(other.get("rules") or ())
    return found


def rules_for(user: User, namespace: str, roles: Roles) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return all that `user` may do in `namespace`: resource rules, and rules of plain paths."""
    if MASTERS in user.groups:
        everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        return [everything], [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
    resources: list[dict[str, Any]] = []
    paths: list[dict[str, Any]] = []
    for rule, _ in _granted(user, namespace, roles):
        (paths if rule.get("nonResourceURLs") else resources).append(dict(rule))
    return resources, paths


def exceeding(
    user: User, namespace: str, wanted: Iterable[Mapping[str, Any]], roles: Roles
) -> list[dict[str, Any]]:
    """Return the rules among `wanted` that give more than `user` has: nobody hands out what he lacks."""
    if MASTERS in user.groups:
        return []
    own = [rule for rule, _ in _granted(user, namespace, roles)]
    return [dict(rule) for rule in wanted if not all(_covered(ask, own) for ask in _asks(rule))]


def _asks(rule: Mapping[str, Any]) -> Iterator[Ask]:
    for verb in rule.get("verbs") or ():
        for path in rule.get("nonResourceURLs") or ():
            yield Ask(verb, path=path)
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                plural, _, subresource = resource.partition("/")
                for name in rule.get("resourceNames") or ("",):
                    yield Ask(verb, group, plural, subresource, name=name)


def _covered(ask: Ask, own: Iterable[Mapping[str, Any]]) -> bool:
    return any(rule_allows(rule, ask) for rule in own)


def tier_asks(ask: Ask, tier: str) -> tuple[Ask, tuple[Ask, Ask]]:
    """Return the questions that a tiered policy turns into: `get` on the tier, and one of two for the
    policy."""
    resource = "tier." + ask.resource
    named = msgspec.structs.replace(ask, resource=resource)
    return (
        Ask("get", CALICO, "tiers", name=tier),
        (named, msgspec.structs.replace(named, name=f"{tier}.*")),
    )


def authorize_tier(user: User, ask: Ask, tier: str, roles: Roles) -> Verdict:
    """Return whether `user` may do what `ask` says to a policy of `tier`."""
    gate, choices = tier_asks(ask, tier)
    sees_tier = authorize(user, gate, roles).allowed
    may = any(authorize(user, choice, roles).allowed for choice in choices)
    if sees_tier and may:
        return Verdict(True)
    return Verdict(False, "" if sees_tier else "(user cannot get tier)")


def denied_text(user: User, ask: Ask) -> str:
    """Return why a request is refused, in the words that kubectl users know."""
    if ask.path:
        return f'User "{user.name}" cannot {ask.verb} path "{ask.path}"'
    where = f'in the namespace "{ask.namespace}"' if ask.namespace else "at the cluster scope"
    what = f'resource "{ask.full_resource}" in API group "{ask.group}"'
    return f'User "{user.name}" cannot {ask.verb} {what} {where}'
