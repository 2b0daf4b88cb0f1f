"""The table of built-in kinds: what is served without any CustomResourceDefinition.

One row per kind, written as `rows` says; those on which nothing acts are in `idle`. Source:
spec/kubernetes-api §2, §5.
"""

from typing import Final

from ocicat.cluster.resources.idle import IDLE_KINDS
from ocicat.cluster.resources.kinds import ALL_VERBS, Kind, Registry, Subresource
from ocicat.cluster.resources.rows import (
    AGE,
    AUTHENTICATION,
    AUTHORIZATION,
    CALICO,
    CLUSTER_POLICY,
    CREATED,
    EXTENSIONS,
    POD_PARTS,
    RBAC,
    SCALE,
    STATUS,
    WORKLOAD_WIDE,
    kind_row,
)


def _calico(plural: str, kind: str, short: str = "", *, namespaced: bool = True) -> Kind:
    return kind_row(
        f"{CALICO}/v3/{plural}", kind, short, CREATED,
        namespaced=namespaced, strategic=False, status_apart=False,
    )  # fmt: skip


def _cluster_policy(version: str, plural: str, kind: str, short: str, *rows: str) -> Kind:
    return kind_row(
        f"{CLUSTER_POLICY}/{version}/{plural}", kind, short, *rows,
        namespaced=False, strategic=False, subresources=(STATUS,),
    )  # fmt: skip


def _question(path: str, kind: str, *, namespaced: bool = False) -> Kind:
    return kind_row(path, kind, namespaced=namespaced, verbs=("create",), stored=False, status_apart=False)


_CORE_KINDS: Final = (
    kind_row("/v1/bindings", "Binding", verbs=("create",), stored=False),
    kind_row("/v1/componentstatuses", "ComponentStatus", "cs", namespaced=False, verbs=("get", "list")),
    kind_row("/v1/configmaps", "ConfigMap", "cm", "Data|=data_count|integer", AGE),
    kind_row("/v1/endpoints", "Endpoints", "ep", "Endpoints|=endpoints", AGE, single="endpoints"),
    kind_row(
        "/v1/events", "Event", "ev",
        "Last Seen|=last_seen", "Type|type", "Reason|reason", "Object|=involved",
        "Subobject|involvedObject.fieldPath||1", "Source|=event_source||1", "Message|message",
        "First Seen|=first_seen||1", "Count|=event_count||1", "Name|metadata.name||1", name_first=False,
    ),
    kind_row(
        "/v1/namespaces", "Namespace", "ns", "Status|status.phase", AGE, namespaced=False,
        verbs=tuple(verb for verb in ALL_VERBS if verb != "deletecollection"),
        subresources=(Subresource("finalize", ("update",)), STATUS),
    ),
    kind_row(
        "/v1/nodes", "Node", "no",
        "Status|=node_status", "Roles|=node_roles", AGE, "Version|status.nodeInfo.kubeletVersion",
        "Internal-IP|=node_internal||1", "External-IP|=node_external||1",
        "OS-Image|status.nodeInfo.osImage||1", "Kernel-Version|status.nodeInfo.kernelVersion||1",
        "Container-Runtime|status.nodeInfo.containerRuntimeVersion||1",
        namespaced=False, subresources=(STATUS,),
    ),
    kind_row(
        "/v1/pods", "Pod", "po",
        "Ready|=pod_ready", "Status|=pod_status", "Restarts|=pod_restarts", AGE,
        "IP|status.podIP||1", "Node|spec.nodeName||1", "Nominated Node|status.nominatedNodeName||1",
        "Readiness Gates|=readiness_gates||1", categories=("all",), subresources=POD_PARTS,
    ),
    kind_row("/v1/secrets", "Secret", "", "Type|type", "Data|=data_count|integer", AGE),
    kind_row(
        "/v1/serviceaccounts", "ServiceAccount", "sa", "Secrets|=secrets_count|integer", AGE,
        subresources=(Subresource("token", ("create",), AUTHENTICATION, "v1", "TokenRequest"),),
    ),
    kind_row(
        "/v1/services", "Service", "svc",
        "Type|spec.type", "Cluster-IP|spec.clusterIP", "External-IP|=external_ip", "Port(s)|=service_ports",
        AGE, "Selector|=service_selector||1", categories=("all",), subresources=(STATUS,),
    ),
)  # fmt: skip

_APPS_KINDS: Final = (
    kind_row("apps/v1/controllerrevisions", "ControllerRevision", "", "Controller|=controller",
          "Revision|revision|integer", AGE),
    kind_row(
        "apps/v1/daemonsets", "DaemonSet", "ds",
        "Desired|status.desiredNumberScheduled|integer", "Current|status.currentNumberScheduled|integer",
        "Ready|status.numberReady|integer", "Up-to-date|status.updatedNumberScheduled|integer",
        "Available|status.numberAvailable|integer", "Node Selector|=node_selector", AGE, *WORKLOAD_WIDE,
        categories=("all",), subresources=(STATUS,),
    ),
    kind_row(
        "apps/v1/deployments", "Deployment", "deploy",
        "Ready|=replicas_ready", "Up-to-date|status.updatedReplicas|integer",
        "Available|status.availableReplicas|integer", AGE, *WORKLOAD_WIDE,
        categories=("all",), subresources=(SCALE, STATUS),
    ),
    kind_row(
        "apps/v1/replicasets", "ReplicaSet", "rs",
        "Desired|spec.replicas|integer", "Current|status.replicas|integer",
        "Ready|status.readyReplicas|integer", AGE, *WORKLOAD_WIDE,
        categories=("all",), subresources=(SCALE, STATUS),
    ),
    kind_row(
        "apps/v1/statefulsets", "StatefulSet", "sts",
        "Ready|=replicas_ready", AGE, *WORKLOAD_WIDE[:2],
        categories=("all",), subresources=(SCALE, STATUS),
    ),
    kind_row(
        "batch/v1/cronjobs", "CronJob", "cj",
        "Schedule|spec.schedule", "Timezone|=time_zone", "Suspend|=suspend|boolean",
        "Active|=active_count|integer",
        "Last Schedule|=last_schedule", AGE, "Containers|=cron_containers||1", "Images|=cron_images||1",
        "Selector|=selector||1", categories=("all",), subresources=(STATUS,),
    ),
    kind_row(
        "batch/v1/jobs", "Job", "",
        "Status|=job_status", "Completions|=completions", "Duration|=duration", AGE,
        *WORKLOAD_WIDE, categories=("all",), subresources=(STATUS,),
    ),
)  # fmt: skip

_OTHER_KINDS: Final = (
    kind_row(
        "discovery.k8s.io/v1/endpointslices", "EndpointSlice", "",
        "AddressType|addressType", "Ports|=slice_ports", "Endpoints|=slice_endpoints", AGE,
    ),
    kind_row("coordination.k8s.io/v1/leases", "Lease", "", "Holder|spec.holderIdentity", AGE),
    kind_row(f"{RBAC}/v1/roles", "Role", "", CREATED),
    kind_row(f"{RBAC}/v1/rolebindings", "RoleBinding", "", "Role|=role_ref", AGE, "Users|=users||1",
          "Groups|=groups||1", "ServiceAccounts|=accounts||1"),
    kind_row(f"{RBAC}/v1/clusterroles", "ClusterRole", "", CREATED, namespaced=False),
    kind_row(f"{RBAC}/v1/clusterrolebindings", "ClusterRoleBinding", "", "Role|=role_ref", AGE,
          "Users|=users||1", "Groups|=groups||1", "ServiceAccounts|=accounts||1", namespaced=False),
    kind_row("networking.k8s.io/v1/networkpolicies", "NetworkPolicy", "netpol",
          "Pod-Selector|=pod_selector", AGE),
    _cluster_policy("v1alpha2", "clusternetworkpolicies", "ClusterNetworkPolicy", "", "Tier|spec.tier",
                    "Priority|spec.priority|integer", AGE),
    _cluster_policy("v1alpha1", "adminnetworkpolicies", "AdminNetworkPolicy", "anp",
                    "Priority|spec.priority|string", AGE),
    _cluster_policy("v1alpha1", "baselineadminnetworkpolicies", "BaselineAdminNetworkPolicy", "banp", AGE),
    kind_row(
        f"{EXTENSIONS}/v1/customresourcedefinitions", "CustomResourceDefinition", "crd crds", CREATED,
        namespaced=False, categories=("api-extensions",), subresources=(STATUS,),
    ),
    kind_row(
        "certificates.k8s.io/v1/certificatesigningrequests", "CertificateSigningRequest", "csr",
        AGE, "SignerName|spec.signerName", "Requestor|spec.username", "RequestedDuration|=csr_duration",
        "Condition|=csr_condition", namespaced=False,
        subresources=(Subresource("approval", ("get", "patch", "update")), STATUS),
    ),
    _question(f"{AUTHENTICATION}/v1/tokenreviews", "TokenReview"),
    _question(f"{AUTHENTICATION}/v1/selfsubjectreviews", "SelfSubjectReview"),
    _question(f"{AUTHORIZATION}/v1/subjectaccessreviews", "SubjectAccessReview"),
    _question(f"{AUTHORIZATION}/v1/localsubjectaccessreviews", "LocalSubjectAccessReview", namespaced=True),
    _question(f"{AUTHORIZATION}/v1/selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    _question(f"{AUTHORIZATION}/v1/selfsubjectrulesreviews", "SelfSubjectRulesReview"),
)  # fmt: skip

_CALICO_KINDS: Final = (
    _calico("clusterinformations", "ClusterInformation", "clusterinfo", namespaced=False),
    _calico("globalnetworkpolicies", "GlobalNetworkPolicy", "gnp cgnp calicoglobalnetworkpolicies",
            namespaced=False),
    _calico("globalnetworksets", "GlobalNetworkSet", "", namespaced=False),
    _calico("hostendpoints", "HostEndpoint", "hep heps", namespaced=False),
    _calico("networkpolicies", "NetworkPolicy", "cnp caliconetworkpolicy caliconetworkpolicies"),
    _calico("networksets", "NetworkSet", "netsets"),
    _calico("profiles", "Profile", "", namespaced=False),
    _calico("stagedglobalnetworkpolicies", "StagedGlobalNetworkPolicy", "sgnp", namespaced=False),
    _calico("stagedkubernetesnetworkpolicies", "StagedKubernetesNetworkPolicy", "sknp"),
    _calico("stagednetworkpolicies", "StagedNetworkPolicy", "snp"),
    _calico("tiers", "Tier", "", namespaced=False),
)  # fmt: skip

BUILTIN: Final = Registry((*_CORE_KINDS, *_APPS_KINDS, *_OTHER_KINDS, *IDLE_KINDS, *_CALICO_KINDS))
"""Networking's kinds stand before Calico's, so that plain `networkpolicy` means the Kubernetes one (§2)."""
