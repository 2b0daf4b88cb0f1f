"""The objects that a new cluster has: namespaces, roles and bindings, Calico's built-in tiers, its version.

They are written when absent, at every start, and never overwrite what is there. Source: policy-semantics
§2.1.
"""

from typing import Any, Final

from ocicat.cluster.resources.rows import CALICO, RBAC

Thing = dict[str, Any]
NAMESPACES: Final = ("default", "kube-system", "kube-public", "kube-node-lease")
_READ: Final = ["get", "list", "watch"]
_WRITE: Final = ["create", "delete", "deletecollection", "patch", "update"]
_AGGREGATE: Final = "rbac.authorization.k8s.io/aggregate-to-"

TIERS: Final[tuple[tuple[str, str, int], ...]] = (
    ("adminnetworkpolicy", "Pass", 1000),
    ("kube-admin", "Pass", 1000),
    ("default", "Deny", 1000000),
    ("baselineadminnetworkpolicy", "Pass", 10000000),
    ("kube-baseline", "Pass", 10000000),
)

_PRIORITIES: Final = (
    (
        "system-cluster-critical",
        2_000_000_000,
        "For what the cluster needs but may be moved to another node.",
    ),
    ("system-node-critical", 2_000_001_000, "For what a node needs and that must not be moved from it."),
)


def _rule(groups: str, resources: str, verbs: list[str]) -> Thing:
    return {
        "apiGroups": ["" if group == "core" else group for group in groups.split()],
        "resources": resources.split(),
        "verbs": list(verbs),
    }


_EDITED: Final = (
    ("core", "configmaps endpoints events secrets serviceaccounts services services/proxy"),
    ("core", "pods pods/attach pods/exec pods/portforward pods/proxy pods/eviction"),
    ("apps", "daemonsets deployments deployments/scale replicasets replicasets/scale controllerrevisions"),
    ("apps", "statefulsets statefulsets/scale"),
    ("batch", "cronjobs jobs"),
    ("networking.k8s.io", "networkpolicies ingresses"),
    ("discovery.k8s.io", "endpointslices"),
    ("coordination.k8s.io", "leases"),
    ("autoscaling", "horizontalpodautoscalers"),
    ("policy", "poddisruptionbudgets"),
    ("core", "persistentvolumeclaims replicationcontrollers replicationcontrollers/scale"),
)  # fmt: skip
_SEEN: Final = (
    ("core", "configmaps endpoints events pods pods/log pods/status serviceaccounts"),
    ("core", "services services/status namespaces namespaces/status"),
    ("core", "limitranges resourcequotas"),
    *_EDITED[2:],
)  # fmt: skip


def _role(name: str, rules: list[Thing], **labels: str) -> Thing:
    metadata: Thing = {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults", **labels}}
    return {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules}


def _aggregated(name: str, *levels: str) -> Thing:
    role = _role(name, [])
    selectors = [{"matchLabels": {_AGGREGATE + level: "true"}} for level in levels]
    return {**role, "aggregationRule": {"clusterRoleSelectors": selectors}}


def _binding(name: str, role: str, *subjects: tuple[str, str]) -> Thing:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": kind, "name": subject} for kind, subject in subjects],
    }


def _roles() -> list[Thing]:
    public = ["/healthz", "/livez", "/readyz", "/version", "/version/"]
    discovery = ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", *public]
    reviews = [
        _rule("authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews", ["create"]),
        _rule("authentication.k8s.io", "selfsubjectreviews", ["create"]),
    ]
    edit = [_rule(group, resources, _WRITE) for group, resources in _EDITED]
    edit.append(
        _rule("core", "secrets pods/attach pods/exec pods/portforward pods/proxy services/proxy", _READ)
    )
    edit.append(_rule("core", "serviceaccounts", ["impersonate"]))
    admin = [
        _rule(RBAC, "roles rolebindings", [*_READ, *_WRITE]),
        _rule("authorization.k8s.io", "localsubjectaccessreviews", ["create"]),
    ]
    everything = [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ]
    return [
        _role("cluster-admin", everything),
        _aggregated("admin", "admin", "edit", "view"),
        _aggregated("edit", "edit", "view"),
        _aggregated("view", "view"),
        _role("system:aggregate-to-admin", admin, **{_AGGREGATE + "admin": "true"}),
        _role("system:aggregate-to-edit", edit, **{_AGGREGATE + "edit": "true"}),
        _role("system:aggregate-to-view", [_rule(group, resources, _READ) for group, resources in _SEEN],
              **{_AGGREGATE + "view": "true"}),
        _role("system:discovery", [{"nonResourceURLs": discovery, "verbs": ["get"]}]),
        _role("system:public-info-viewer", [{"nonResourceURLs": public, "verbs": ["get"]}]),
        _role("system:basic-user", reviews),
        _role("system:auth-delegator", [
            _rule("authentication.k8s.io", "tokenreviews", ["create"]),
            _rule("authorization.k8s.io", "subjectaccessreviews", ["create"]),
        ]),
    ]  # fmt: skip


def _bindings() -> list[Thing]:
    return [
        _binding("cluster-admin", "cluster-admin", ("Group", "system:masters")),
        _binding("system:discovery", "system:discovery", ("Group", "system:authenticated")),
        _binding("system:basic-user", "system:basic-user", ("Group", "system:authenticated")),
        _binding("system:public-info-viewer", "system:public-info-viewer",
                 ("Group", "system:authenticated"), ("Group", "system:unauthenticated")),
    ]  # fmt: skip


def tier(name: str, action: str, order: int) -> Thing:
    """Return a built-in tier."""
    spec = {"order": order, "defaultAction": action}
    return {"apiVersion": f"{CALICO}/v3", "kind": "Tier", "metadata": {"name": name}, "spec": spec}


def _priority_class(name: str, value: int, use: str) -> Thing:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
        "description": use,
    }


def initial_objects(cluster_id: str, version: str) -> list[Thing]:
    """Return the objects, in the order in which they are written."""
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACES
    ]
    information = {
        "apiVersion": f"{CALICO}/v3",
        "kind": "ClusterInformation",
        "metadata": {"name": "default"},
        "spec": {
            "calicoVersion": version,
            "clusterGUID": cluster_id,
            "clusterType": "k8s,ocicat",
            "datastoreReady": True,
            "variant": "Calico",
        },
    }
    allow = {"action": "Allow"}
    profile = {
        "apiVersion": f"{CALICO}/v3",
        "kind": "Profile",
        "metadata": {"name": "projectcalico-default-allow"},
        "spec": {"ingress": [allow], "egress": [allow]},
    }
    classes = [_priority_class(*row) for row in _PRIORITIES]
    tiers = [tier(*row) for row in TIERS]
    return [*namespaces, *_roles(), *_bindings(), *classes, *tiers, information, profile]
