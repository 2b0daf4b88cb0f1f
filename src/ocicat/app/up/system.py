"""The objects that `ocicat up` puts into a new cluster: how it finds itself, its DNS, its outside. Pure."""

import base64
from collections.abc import Mapping
from typing import Any, Final

from ocicat.app.mirror import AGENT_KINDS
from ocicat.app.up.keys import AGENT
from ocicat.cluster.pods.network import API_ADDRESS, API_PORT, DNS_ADDRESS, WORLD_ADDRESSES
from ocicat.model import calico

Thing = dict[str, Any]
CALICO: Final = "calico-system"
FIRST_NODE: Final = "node-1"
HUB_FOLDER: Final = "/var/lib/ocicat"
"""The hub's folder on its node: what it remembers, and its sockets."""
CONSOLE_SOCKET: Final = "console.sock"
FLOW_SOCKET: Final = "flows.sock"
CONSOLE_PORT: Final = 8081
FLOW_PORT: Final = 7443
_RBAC: Final = "rbac.authorization.k8s.io"


def _metadata(name: str, namespace: str = "", **labels: str) -> Thing:
    return {
        "name": name,
        **({"namespace": namespace} if namespace else {}),
        **({"labels": labels} if labels else {}),
    }


def _account(name: str, namespace: str, role: str, rules: list[Thing]) -> list[Thing]:
    """Return a service account and what it may do in the whole cluster."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(name, namespace)}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return [account, *_granted(role, rules, subject)]


def _granted(role: str, rules: list[Thing], subject: Thing) -> list[Thing]:
    """Return a role for the whole cluster, and who has it."""
    version = f"{_RBAC}/v1"
    return [
        {"apiVersion": version, "kind": "ClusterRole", "metadata": _metadata(role), "rules": rules},
        {
            "apiVersion": version,
            "kind": "ClusterRoleBinding",
            "metadata": _metadata(role),
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
            "subjects": [subject],
        },
    ]


def _rule(group: str, resources: str, verbs: str) -> Thing:
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}


def nodes() -> list[Thing]:
    """Return what nodes and agents may do."""
    of_node = [
        _rule("", "nodes nodes/status", "get list watch create update patch"),
        _rule("", "pods services endpoints", "get list watch"),
        _rule("", "pods", "delete"),
        _rule("", "pods/status", "update patch"),
        _rule("", "configmaps secrets persistentvolumeclaims", "get list watch"),
        _rule("", "serviceaccounts", "get"),
        _rule("", "serviceaccounts/token", "create"),
        _rule("", "events", "create update patch"),
        _rule("coordination.k8s.io", "leases", "get create update patch"),
    ]
    groups = {"apiGroup": _RBAC, "kind": "Group", "name": "system:nodes"}
    agent = {"apiGroup": _RBAC, "kind": "User", "name": AGENT}
    of_agent = [*_reads_policy(), _rule("", "events", "create update patch")]
    return [*_granted("system:node", of_node, groups), *_granted("ocicat-agent", of_agent, agent)]


def _deployment(name: str, namespace: str, labels: dict[str, str], spec: Thing) -> Thing:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(name, namespace, **labels),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def kubernetes_service() -> list[Thing]:
    """Return the Service by which pods reach the API server, with its endpoints."""
    port = {"name": "https", "port": API_PORT, "protocol": "TCP"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": _metadata("kubernetes", "default", component="apiserver", provider="kubernetes"),
            "spec": {
                "clusterIP": API_ADDRESS,
                "ports": [{"name": "https", "port": 443, "targetPort": API_PORT, "protocol": "TCP"}],
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": _metadata("kubernetes", "default"),
            "subsets": [{"addresses": [{"ip": WORLD_ADDRESSES[0]}], "ports": [port]}],
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": _metadata("kubernetes", "default", **{"kubernetes.io/service-name": "kubernetes"}),
            "addressType": "IPv4",
            "endpoints": [{"addresses": [WORLD_ADDRESSES[0]], "conditions": {"ready": True}}],
            "ports": [port],
        },
    ]


def dns() -> list[Thing]:
    """Return CoreDNS: account, rights, Deployment and Service."""
    rules = [
        {"apiGroups": [""], "resources": ["services", "namespaces", "pods"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    container = {
        "name": "coredns",
        "image": "ocicat/coredns",
        "ports": [
            {"name": "dns", "containerPort": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
        ],
        "readinessProbe": {"tcpSocket": {"port": 53}, "periodSeconds": 1, "timeoutSeconds": 5},
    }
    labels = {"k8s-app": "kube-dns"}
    return [
        *_account("coredns", "kube-system", "system:coredns", rules),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": _metadata("kube-dns", "kube-system", **labels, **{"kubernetes.io/name": "CoreDNS"}),
            "spec": {
                "clusterIP": DNS_ADDRESS,
                "selector": labels,
                "ports": [
                    {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": "dns"},
                    {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": "dns-tcp"},
                ],
            },
        },
        _deployment("coredns", "kube-system", labels, {
            "serviceAccountName": "coredns",
            "dnsPolicy": "Default",
            "tolerations": [{"operator": "Exists"}],
            "containers": [container],
        }),
    ]  # fmt: skip


def namespaces() -> list[Thing]:
    """Return the namespaces that a Calico cluster has beyond Kubernetes' own."""
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": _metadata(CALICO)}]


def _reads_policy() -> list[Thing]:
    """Return the right to read all that policy is made of, in every tier."""
    groups = sorted({kind.group for kind in AGENT_KINDS})
    plurals = sorted({kind.plural for kind in AGENT_KINDS})
    verbs = ["get", "list", "watch"]
    tiered = [kind.plural for kind in AGENT_KINDS if kind.group == calico.GROUP and "Policy" in kind.kind]
    return [
        {"apiGroups": groups, "resources": plurals, "verbs": verbs},
        {"apiGroups": [calico.GROUP], "resources": [f"tier.{row}" for row in tiered], "verbs": verbs},
    ]


def goldmane(files: Mapping[str, bytes]) -> list[Thing]:
    """Return the hub: account, rights, keys, Deployment and Service, under the names of Calico's own.

    Args:
        files: `ca.crt`, `tls.crt` and `tls.key` of the flow API.
    """
    labels = {"k8s-app": "goldmane"}
    container = {
        "name": "goldmane",
        "image": "ocicat/hub",
        "args": [
            f"--listen=unix:{HUB_FOLDER}/{CONSOLE_SOCKET}",
            f"--grpc=[::]:{FLOW_PORT},unix:{HUB_FOLDER}/{FLOW_SOCKET}",
            f"--store={HUB_FOLDER}/flows",
            f"--home={HUB_FOLDER}",
            "--tls-ca=/keys/ca.crt",
            "--tls-certificate=/keys/tls.crt",
            "--tls-key=/keys/tls.key",
        ],
        "ports": [{"name": "flows", "containerPort": FLOW_PORT, "protocol": "TCP"}],
        "readinessProbe": {"tcpSocket": {"port": FLOW_PORT}, "periodSeconds": 1, "timeoutSeconds": 5},
        "volumeMounts": [
            {"name": "state", "mountPath": HUB_FOLDER},
            {"name": "keys", "mountPath": "/keys", "readOnly": True},
        ],
    }
    keys = [{"name": "keys", "secret": {"secretName": "goldmane-key-pair"}}]
    return [
        *_account("goldmane", CALICO, "calico-goldmane", _reads_policy()),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": _metadata("goldmane-key-pair", CALICO),
            "data": {name: base64.b64encode(data).decode() for name, data in files.items()},
        },
        _service("goldmane", labels, FLOW_PORT, "flows"),
        _deployment("goldmane", CALICO, labels, _on_first_node("goldmane", container, *keys)),
    ]


def whisker() -> list[Thing]:
    """Return the console's pod and Service.

    The pod carries to the hub what reaches its loopback, as `kubectl port-forward` does; other pods cannot
    reach it, since the console shows the whole cluster's traffic and asks nobody on a loopback who he is.
    """
    labels = {"k8s-app": "whisker"}
    container = {
        "name": "whisker",
        "image": "ocicat/relay",
        "args": [f"--port={CONSOLE_PORT}", f"--to={HUB_FOLDER}/{CONSOLE_SOCKET}"],
        "ports": [{"name": "console", "containerPort": CONSOLE_PORT, "protocol": "TCP"}],
        "volumeMounts": [{"name": "state", "mountPath": HUB_FOLDER}],
    }
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata("whisker", CALICO)},
        _service("whisker", labels, CONSOLE_PORT, "console"),
        _deployment("whisker", CALICO, labels, _on_first_node("whisker", container)),
    ]


def _service(name: str, labels: dict[str, str], port: int, port_name: str) -> Thing:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(name, CALICO, **labels),
        "spec": {
            "selector": labels,
            "ports": [{"name": port_name, "port": port, "targetPort": port_name, "protocol": "TCP"}],
        },
    }


def _on_first_node(account: str, container: Thing, *volumes: Thing) -> Thing:
    """Return the spec of a pod that stays where the hub's folder is."""
    state = {"name": "state", "hostPath": {"path": HUB_FOLDER, "type": "DirectoryOrCreate"}}
    return {
        "serviceAccountName": account,
        "nodeSelector": {"kubernetes.io/hostname": FIRST_NODE},
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
        "volumes": [state, *volumes],
    }


def system_objects(files: Mapping[str, bytes]) -> list[Thing]:
    """Return all, in the order in which they are written; `files` are the keys of the flow API."""
    return [*kubernetes_service(), *namespaces(), *nodes(), *dns(), *goldmane(files), *whisker()]
