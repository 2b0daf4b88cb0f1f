"""Kinds that are served and kept though nothing in this cluster acts on them.

People apply manifests that were written for other clusters: an Ingress or a HorizontalPodAutoscaler among
them is no reason to refuse the rest. Whoever creates one is told by a warning that it is without effect.
"""

from typing import Final

from ocicat.cluster.resources.kinds import Kind
from ocicat.cluster.resources.rows import AGE, CREATED, SCALE, STATUS, WORKLOAD_WIDE, kind_row

_HPA_COLUMNS: Final = (
    "Reference|=hpa_reference", "Targets|=hpa_targets", "MinPods|=hpa_least",
    "MaxPods|spec.maxReplicas|integer", "Replicas|status.currentReplicas|integer", AGE,
)  # fmt: skip

_CORE: Final = (
    kind_row("/v1/limitranges", "LimitRange", "limits", CREATED),
    kind_row(
        "/v1/persistentvolumeclaims", "PersistentVolumeClaim", "pvc",
        "Status|=claim_status", "Volume|=claim_volume", "Capacity|=capacity", "Access Modes|=access_modes",
        "StorageClass|=claim_class", "VolumeAttributesClass|=attributes_class", AGE,
        "VolumeMode|spec.volumeMode||1", subresources=(STATUS,),
    ),
    kind_row(
        "/v1/persistentvolumes", "PersistentVolume", "pv",
        "Capacity|=volume_capacity", "Access Modes|=volume_modes",
        "Reclaim Policy|spec.persistentVolumeReclaimPolicy", "Status|=claim_status", "Claim|=claim",
        "StorageClass|=claim_class", "VolumeAttributesClass|=attributes_class",
        "Reason|=volume_reason", AGE, "VolumeMode|spec.volumeMode||1",
        namespaced=False, subresources=(STATUS,),
    ),
    kind_row("/v1/podtemplates", "PodTemplate", "", "Containers|=template_containers",
             "Images|=template_images", "Pod Labels|=template_labels"),
    kind_row(
        "/v1/replicationcontrollers", "ReplicationController", "rc",
        "Desired|spec.replicas|integer", "Current|status.replicas|integer",
        "Ready|status.readyReplicas|integer", AGE, *WORKLOAD_WIDE[:2], "Selector|=service_selector||1",
        categories=("all",), subresources=(SCALE, STATUS),
    ),
    kind_row("/v1/resourcequotas", "ResourceQuota", "quota", AGE, "Request|=quota_requests",
             "Limit|=quota_limits", subresources=(STATUS,)),
)  # fmt: skip

IDLE_KINDS: Final[tuple[Kind, ...]] = (
    *_CORE,
    *(
        kind_row(
            f"autoscaling/{version}/horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa",
            *_HPA_COLUMNS, categories=("all",), subresources=(STATUS,),
        )
        for version in ("v2", "v1")
    ),
    kind_row(
        "networking.k8s.io/v1/ingresses", "Ingress", "ing",
        "Class|spec.ingressClassName", "Hosts|=ingress_hosts", "Address|=ingress_address",
        "Ports|=ingress_ports", AGE, subresources=(STATUS,),
    ),
    kind_row(
        "networking.k8s.io/v1/ingressclasses", "IngressClass", "",
        "Controller|spec.controller", "Parameters|=class_parameters", AGE, namespaced=False,
        status_apart=False,
    ),
    kind_row(
        "policy/v1/poddisruptionbudgets", "PodDisruptionBudget", "pdb",
        "Min Available|=budget_least", "Max Unavailable|=budget_most",
        "Allowed Disruptions|status.disruptionsAllowed|integer", AGE, subresources=(STATUS,),
    ),
    kind_row(
        "scheduling.k8s.io/v1/priorityclasses", "PriorityClass", "pc",
        "Value|value|integer", "Global-Default|=global_default", AGE, "PreemptionPolicy|preemptionPolicy||1",
        namespaced=False, status_apart=False,
    ),
    kind_row(
        "storage.k8s.io/v1/storageclasses", "StorageClass", "sc",
        "Provisioner|provisioner", "ReclaimPolicy|reclaimPolicy", "VolumeBindingMode|volumeBindingMode",
        "AllowVolumeExpansion|=expandable", AGE, namespaced=False, status_apart=False,
    ),
)  # fmt: skip
_SERVED: Final = ("priorityclasses.scheduling.k8s.io", "persistentvolumeclaims", "podtemplates")
"""Of these, the ones that do something: a priority is looked up on admission, a claim gets a folder."""
_RESOURCES: Final = frozenset(kind.resource for kind in IDLE_KINDS) - frozenset(_SERVED)


def without_effect(kind: Kind) -> str:
    """Return what to tell someone who creates an object of `kind`, empty where it does something."""
    if kind.resource not in _RESOURCES:
        return ""
    return f"nothing in this cluster acts on {kind.kind} objects: this one is kept and shown, without effect"
