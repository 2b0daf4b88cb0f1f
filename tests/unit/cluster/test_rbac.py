"""Roles, bindings, Calico's rights by tier (workshop, module 2)."""

import pytest

from ocicat.cluster.resources.rbac import (
    Ask,
    Roles,
    User,
    authorize,
    authorize_tier,
    denied_text,
    exceeding,
    rule_allows,
    rules_for,
)

GET_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
EVERYTHING = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}


@pytest.mark.parametrize(
    ("rule", "ask", "allowed"),
    [
        (GET_PODS, Ask("get", "", "pods"), True),
        (GET_PODS, Ask("list", "", "pods"), False),
        (GET_PODS, Ask("get", "apps", "pods"), False),
        (GET_PODS, Ask("get", "", "pods", "log"), False),
        ({**GET_PODS, "resources": ["pods/log"]}, Ask("get", "", "pods", "log"), True),
        ({**GET_PODS, "resources": ["*/log"]}, Ask("get", "", "pods", "log"), True),
        ({**GET_PODS, "resources": ["*/log"]}, Ask("get", "", "pods"), False),
        ({**GET_PODS, "resourceNames": ["a"]}, Ask("get", "", "pods", name="a"), True),
        ({**GET_PODS, "resourceNames": ["a"]}, Ask("get", "", "pods", name="b"), False),
        ({**GET_PODS, "resourceNames": ["a"]}, Ask("get", "", "pods"), False),
        (EVERYTHING, Ask("explode", "x.y", "z", "w", "n", "m"), True),
        (EVERYTHING, Ask("get", path="/version"), False),
        ({"nonResourceURLs": ["/apis/*"], "verbs": ["get"]}, Ask("get", path="/apis/apps"), True),
        ({"nonResourceURLs": ["/apis/*"], "verbs": ["get"]}, Ask("get", path="/api"), False),
        ({"nonResourceURLs": ["*"], "verbs": ["*"]}, Ask("get", path="/x"), True),
        ({"nonResourceURLs": ["*"], "verbs": ["*"]}, Ask("get", "", "pods"), False),
    ],
)
def test_rules(rule, ask, allowed):
    assert rule_allows(rule, ask) is allowed


def role(name, *rules, **more):
    return {"metadata": {"name": name, "labels": more.pop("labels", {})}, "rules": list(rules), **more}


def binding(subject, name, kind="ClusterRole", namespace=None):
    metadata = {"name": "b", **({"namespace": namespace} if namespace else {})}
    return {"metadata": metadata, "roleRef": {"kind": kind, "name": name}, "subjects": [subject]}


ANN = {"kind": "User", "name": "ann"}


def roles(cluster_roles=(), local=(), cluster_bindings=(), bindings=()):
    return Roles(
        {each["metadata"]["name"]: each for each in cluster_roles},
        {("n", each["metadata"]["name"]): each for each in local},
        cluster_bindings,
        bindings,
    )


@pytest.mark.parametrize(
    ("subject", "user", "allowed"),
    [
        (ANN, User("ann"), True),
        (ANN, User("bob"), False),
        ({"kind": "Group", "name": "g"}, User("bob", ("g",)), True),
        ({"kind": "ServiceAccount", "name": "s", "namespace": "m"}, User("system:serviceaccount:m:s"), True),
        ({"kind": "ServiceAccount", "name": "s", "namespace": "m"}, User("system:serviceaccount:n:s"), False),
        ({"kind": "ServiceAccount", "name": "s"}, User("system:serviceaccount:n:s"), True),
        (ANN, User("root", ("system:masters",)), True),
    ],
)
def test_subjects(subject, user, allowed):
    found = roles(local=[role("r", GET_PODS)], bindings=[binding(subject, "r", "Role", "n")])
    assert authorize(user, Ask("get", "", "pods", namespace="n"), found).allowed is allowed


def test_a_role_binding_ends_at_its_namespace():
    found = roles([role("r", GET_PODS)], bindings=[binding(ANN, "r", namespace="n")])
    assert authorize(User("ann"), Ask("get", "", "pods", namespace="n"), found).allowed
    assert not authorize(User("ann"), Ask("get", "", "pods", namespace="m"), found).allowed
    assert not authorize(User("ann"), Ask("get", "", "pods"), found).allowed


def test_a_cluster_role_binding_holds_everywhere_and_says_why():
    found = roles([role("r", GET_PODS)], cluster_bindings=[binding(ANN, "r")])
    verdict = authorize(User("ann"), Ask("get", "", "pods", namespace="m"), found)
    assert verdict.reason == 'RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to User "ann"'


def test_a_binding_to_no_role_gives_nothing():
    found = roles(cluster_bindings=[binding(ANN, "absent")], bindings=[binding(ANN, "absent", "Role", "n")])
    assert not authorize(User("ann"), Ask("get", "", "pods", namespace="n"), found).allowed


def test_aggregated_roles_are_the_union_of_those_they_select():
    parts = [role("a", GET_PODS, labels={"to-view": "true"}), role("b", EVERYTHING)]
    whole = role("view", aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"to-view": "true"}}]})
    found = roles([*parts, whole], cluster_bindings=[binding(ANN, "view")])
    assert authorize(User("ann"), Ask("get", "", "pods"), found).allowed
    assert not authorize(User("ann"), Ask("get", "", "secrets"), found).allowed


def test_nobody_hands_out_more_than_he_has():
    found = roles([role("r", GET_PODS)], cluster_bindings=[binding(ANN, "r")])
    assert exceeding(User("ann"), "", [GET_PODS], found) == []
    narrower = {**GET_PODS, "resourceNames": ["a"]}
    assert exceeding(User("ann"), "", [narrower], found) == []
    wider = {**GET_PODS, "verbs": ["get", "list"]}
    assert exceeding(User("ann"), "", [wider, EVERYTHING], found) == [wider, EVERYTHING]
    assert exceeding(User("root", ("system:masters",)), "", [EVERYTHING], found) == []


TIER = {
    "apiGroups": ["projectcalico.org"],
    "resources": ["tiers"],
    "resourceNames": ["platform"],
    "verbs": ["get"],
}
POLICIES = {"apiGroups": ["projectcalico.org"], "resources": ["tier.networkpolicies"], "verbs": ["create"]}


@pytest.mark.parametrize(
    ("rules", "tier", "allowed", "reason"),
    [
        ([TIER, {**POLICIES, "resourceNames": ["platform.*"]}], "platform", True, ""),
        ([TIER, {**POLICIES, "resourceNames": ["platform.db"]}], "platform", True, ""),
        ([TIER, {**POLICIES, "resourceNames": ["platform.x"]}], "platform", False, ""),
        ([TIER, POLICIES], "platform", True, ""),
        ([TIER, POLICIES], "security", False, "(user cannot get tier)"),
        ([POLICIES], "platform", False, "(user cannot get tier)"),
        ([TIER], "platform", False, ""),
        ([TIER, {**POLICIES, "resources": ["networkpolicies"]}], "platform", False, ""),
        ([EVERYTHING], "security", True, ""),
    ],
)
def test_rights_by_tier(rules, tier, allowed, reason):
    """Both: `get` on the tier, and the verb on `tier.networkpolicies` by name or as `TIER.*`."""
    found = roles([role("r", *rules)], cluster_bindings=[binding(ANN, "r")])
    ask = Ask("create", "projectcalico.org", "networkpolicies", namespace="n", name="platform.db")
    verdict = authorize_tier(User("ann"), ask, tier, found)
    assert (verdict.allowed, verdict.reason) == (allowed, reason)


def test_all_rules_of_a_user():
    paths = {"nonResourceURLs": ["/version"], "verbs": ["get"]}
    found = roles([role("r", GET_PODS, paths)], cluster_bindings=[binding(ANN, "r")])
    assert rules_for(User("ann"), "n", found) == ([GET_PODS], [paths])


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (Ask("list", "", "secrets", namespace="n"),
         'User "ann" cannot list resource "secrets" in API group "" in the namespace "n"'),
        (Ask("get", "", "pods", "log"),
         'User "ann" cannot get resource "pods/log" in API group "" at the cluster scope'),
        (Ask("get", path="/metrics"), 'User "ann" cannot get path "/metrics"'),
    ],
)  # fmt: skip
def test_refusals_in_known_words(ask, text):
    assert denied_text(User("ann"), ask) == text
