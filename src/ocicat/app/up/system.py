"""The objects that `ocicat up` puts into a new cluster: how it finds itself, its DNS, its outside. Pure."""

from typing import Any, Final

from ocicat.cluster.pods.network import API_ADDRESS, API_PORT, DNS_ADDRESS, WORLD_ADDRESSES

Thing = dict[str, Any]
CALICO: Final = "calico-system"


def _metadata(name: str, namespace: str = "", **labels: str) -> Thing:
    return {
        "name": name,
        **({"namespace": namespace} if namespace else {}),
        **({"labels": labels} if labels else {}),
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
    rbac = "rbac.authorization.k8s.io"
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
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata("coredns", "kube-system")},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRole",
            "metadata": _metadata("system:coredns"),
            "rules": rules,
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": _metadata("system:coredns"),
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "system:coredns"},
            "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}],
        },
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
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": _metadata("coredns", "kube-system", **labels),
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "serviceAccountName": "coredns",
                        "dnsPolicy": "Default",
                        "tolerations": [{"operator": "Exists"}],
                        "containers": [container],
                    },
                },
            },
        },
    ]


def namespaces() -> list[Thing]:
    """Return the namespaces that a Calico cluster has beyond Kubernetes' own."""
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": _metadata(CALICO)}]


def system_objects() -> list[Thing]:
    """Return all, in the order in which they are written."""
    return [*kubernetes_service(), *namespaces(), *dns()]
