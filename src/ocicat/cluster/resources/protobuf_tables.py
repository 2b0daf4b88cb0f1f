"""Field numbers of the messages that kubectl sends as protobuf. Source: spec/kubernetes-api §6.

A row reads `number name[:type]`; the type is a message, `int`, `bool`, `bytes`, or text when absent. `[]T`
is a list, `{}T` a map by text, `^T` a message whose fields count as those of the message around it, and `!`
keeps a zero or empty value, which elsewhere stands for an absent field.
"""

from collections.abc import Mapping
from typing import Final

import msgspec


class Field(msgspec.Struct, frozen=True):
    """One field of a message."""

    name: str
    of: str
    kind: str = "one"
    """`one`, `list`, `map` or `inline`."""
    kept: bool = False


_TABLE: Final = """
ObjectMeta: 1 name, 2 generateName, 3 namespace, 5 uid, 6 resourceVersion, 7 generation:int,
    8 creationTimestamp:Time,
    11 labels:{}text, 12 annotations:{}text, 13 ownerReferences:[]OwnerReference, 14 finalizers:[]text
OwnerReference: 1 kind, 3 name, 4 uid, 5 apiVersion, 6 controller:!bool, 7 blockOwnerDeletion:!bool
LabelSelector: 1 matchLabels:{}text, 2 matchExpressions:[]Requirement
Requirement: 1 key, 2 operator, 3 values:[]text
Namespace: 1 metadata:ObjectMeta, 2 spec:NamespaceSpec
NamespaceSpec: 1 finalizers:[]text
ConfigMap: 1 metadata:ObjectMeta, 2 data:{}text, 3 binaryData:{}bytes, 4 immutable:!bool
Secret: 1 metadata:ObjectMeta, 2 data:{}bytes, 3 type, 4 stringData:{}text, 5 immutable:!bool
ServiceAccount: 1 metadata:ObjectMeta, 2 secrets:[]ObjectReference, 3 imagePullSecrets:[]LocalReference,
    4 automountServiceAccountToken:!bool
ObjectReference: 1 kind, 2 namespace, 3 name, 4 uid, 5 apiVersion, 6 resourceVersion, 7 fieldPath
LocalReference: 1 name
Deployment: 1 metadata:ObjectMeta, 2 spec:DeploymentSpec
DeploymentSpec: 1 replicas:!int, 2 selector:LabelSelector, 3 template:PodTemplateSpec, 4 strategy:Strategy,
    5 minReadySeconds:int, 6 revisionHistoryLimit:!int, 7 paused:bool, 9 progressDeadlineSeconds:!int
Strategy: 1 type, 2 rollingUpdate:RollingUpdate
RollingUpdate: 1 maxUnavailable:!IntOrString, 2 maxSurge:!IntOrString
PodTemplateSpec: 1 metadata:ObjectMeta, 2 spec:PodSpec
Pod: 1 metadata:ObjectMeta, 2 spec:PodSpec
PodSpec: 1 volumes:[]Volume, 2 containers:[]Container, 3 restartPolicy, 4 terminationGracePeriodSeconds:!int,
    6 dnsPolicy, 7 nodeSelector:{}text, 8 serviceAccountName, 10 nodeName, 11 hostNetwork:bool,
    14 securityContext:!Empty, 15 imagePullSecrets:[]LocalReference, 16 hostname, 19 schedulerName,
    20 initContainers:[]Container
Empty:
Container: 1 name, 2 image, 3 command:[]text, 4 args:[]text, 5 workingDir,
    6 ports:[]ContainerPort, 7 env:[]EnvVar,
    8 resources:Resources, 9 volumeMounts:[]VolumeMount, 14 imagePullPolicy, 16 stdin:bool, 17 stdinOnce:bool,
    18 tty:bool
ContainerPort: 1 name, 2 hostPort:int, 3 containerPort:int, 4 protocol, 5 hostIP
EnvVar: 1 name, 2 value, 3 valueFrom:EnvVarSource
EnvVarSource: 1 fieldRef:FieldRef, 3 configMapKeyRef:KeyRef, 4 secretKeyRef:KeyRef
FieldRef: 1 apiVersion, 2 fieldPath
KeyRef: 1 localObjectReference:^LocalReference, 2 key, 3 optional:!bool
Resources: 1 limits:{}Quantity, 2 requests:{}Quantity
Volume: 1 name, 2 source:^VolumeSource
VolumeSource: 2 emptyDir:!EmptyDir, 6 secret:SecretVolume, 19 configMap:ConfigMapVolume
EmptyDir: 1 medium
SecretVolume: 1 secretName, 3 defaultMode:!int, 4 optional:!bool
ConfigMapVolume: 1 localObjectReference:^LocalReference, 3 defaultMode:!int, 4 optional:!bool
VolumeMount: 1 name, 2 readOnly:bool, 3 mountPath, 4 subPath
Service: 1 metadata:ObjectMeta, 2 spec:ServiceSpec
ServiceSpec: 1 ports:[]ServicePort, 2 selector:{}text, 3 clusterIP, 4 type, 7 sessionAffinity, 10 externalName
ServicePort: 1 name, 2 protocol, 3 port:int, 4 targetPort:IntOrString, 5 nodePort:int
Role: 1 metadata:ObjectMeta, 2 rules:[]PolicyRule
ClusterRole: 1 metadata:ObjectMeta, 2 rules:[]PolicyRule, 3 aggregationRule:AggregationRule
AggregationRule: 1 clusterRoleSelectors:[]LabelSelector
PolicyRule: 1 verbs:[]text, 2 apiGroups:[]text, 3 resources:[]text, 4 resourceNames:[]text,
    5 nonResourceURLs:[]text
RoleBinding: 1 metadata:ObjectMeta, 2 subjects:[]Subject, 3 roleRef:RoleRef
ClusterRoleBinding: 1 metadata:ObjectMeta, 2 subjects:[]Subject, 3 roleRef:RoleRef
Subject: 1 kind, 2 apiGroup, 3 name, 4 namespace
RoleRef: 1 apiGroup, 2 kind, 3 name
Job: 1 metadata:ObjectMeta, 2 spec:JobSpec
JobSpec: 1 parallelism:!int, 2 completions:!int, 3 activeDeadlineSeconds:!int, 4 selector:LabelSelector,
    5 manualSelector:!bool, 6 template:PodTemplateSpec, 7 backoffLimit:!int, 8 ttlSecondsAfterFinished:!int
CronJob: 1 metadata:ObjectMeta, 2 spec:CronJobSpec
CronJobSpec: 1 schedule, 2 startingDeadlineSeconds:!int, 3 concurrencyPolicy, 4 suspend:!bool,
    5 jobTemplate:JobTemplateSpec, 6 successfulJobsHistoryLimit:!int, 7 failedJobsHistoryLimit:!int
JobTemplateSpec: 1 metadata:ObjectMeta, 2 spec:JobSpec
ResourceQuota: 1 metadata:ObjectMeta, 2 spec:ResourceQuotaSpec
ResourceQuotaSpec: 1 hard:{}Quantity, 2 scopes:[]text
PodDisruptionBudget: 1 metadata:ObjectMeta, 2 spec:BudgetSpec
BudgetSpec: 1 minAvailable:!IntOrString, 2 selector:LabelSelector, 3 maxUnavailable:!IntOrString,
    4 unhealthyPodEvictionPolicy
PriorityClass: 1 metadata:ObjectMeta, 2 value:!int, 3 globalDefault:bool, 4 description, 5 preemptionPolicy
Ingress: 1 metadata:ObjectMeta, 2 spec:IngressSpec
IngressSpec: 1 defaultBackend:IngressBackend, 2 tls:[]IngressTLS, 3 rules:[]IngressRule, 4 ingressClassName
IngressBackend: 3 resource:TypedReference, 4 service:IngressService
TypedReference: 1 apiGroup, 2 kind, 3 name
IngressService: 1 name, 2 port:IngressPort
IngressPort: 1 name, 2 number:int
IngressTLS: 1 hosts:[]text, 2 secretName
IngressRule: 1 host, 2 value:^IngressRuleValue
IngressRuleValue: 1 http:HTTPIngressRule
HTTPIngressRule: 1 paths:[]HTTPIngressPath
HTTPIngressPath: 1 path, 2 backend:IngressBackend, 3 pathType
CertificateSigningRequest: 1 metadata:ObjectMeta, 2 spec:RequestSpec, 3 status:RequestStatus
RequestSpec: 1 request:bytes, 2 username, 3 uid, 4 groups:[]text, 5 usages:[]text, 7 signerName,
    8 expirationSeconds:!int
RequestStatus: 1 conditions:[]RequestCondition, 2 certificate:bytes
RequestCondition: 1 type, 2 reason, 3 message, 4 lastUpdateTime:Time, 5 lastTransitionTime:Time, 6 status
HorizontalPodAutoscaler: 1 metadata:ObjectMeta, 2 spec:AutoscalerSpec
AutoscalerSpec: 1 scaleTargetRef:CrossReference, 2 minReplicas:!int, 3 maxReplicas:int,
    4 targetCPUUtilizationPercentage:!int
CrossReference: 1 kind, 2 name, 3 apiVersion
DeleteOptions: 1 gracePeriodSeconds:!int, 2 preconditions:Preconditions, 3 orphanDependents:!bool,
    4 propagationPolicy, 5 dryRun:[]text
Preconditions: 1 uid, 2 resourceVersion
TokenRequest: 1 metadata:ObjectMeta, 2 spec:TokenRequestSpec
TokenRequestSpec: 1 audiences:[]text, 4 expirationSeconds:!int
Eviction: 1 metadata:ObjectMeta, 2 deleteOptions:DeleteOptions
SelfSubjectAccessReview: 1 metadata:ObjectMeta, 2 spec:SelfSubjectAccessReviewSpec
SelfSubjectAccessReviewSpec: 1 resourceAttributes:ResourceAttributes,
    2 nonResourceAttributes:NonResourceAttributes
ResourceAttributes: 1 namespace, 2 verb, 3 group, 4 version, 5 resource, 6 subresource, 7 name
NonResourceAttributes: 1 path, 2 verb
SelfSubjectRulesReview: 1 metadata:ObjectMeta, 2 spec:SelfSubjectRulesReviewSpec
SelfSubjectRulesReviewSpec: 1 namespace
SelfSubjectReview: 1 metadata:ObjectMeta
"""

_SHAPES: Final = {"[]": "list", "{}": "map", "^": "inline"}


def _field(row: str) -> tuple[int, Field]:
    number, _, rest = row.strip().partition(" ")
    name, _, of = rest.partition(":")
    kept = of.startswith("!")
    of = of.removeprefix("!")
    kind, of = next(
        ((kind, of[len(sign) :]) for sign, kind in _SHAPES.items() if of.startswith(sign)), ("one", of)
    )
    return int(number), Field(name, of or "text", kind, kept)


def _messages() -> dict[str, dict[int, Field]]:
    found: dict[str, dict[int, Field]] = {}
    for line in _TABLE.replace("\n    ", " ").strip().splitlines():
        name, _, rows = line.partition(":")
        found[name] = dict(_field(row) for row in rows.split(",") if row.strip())
    return found


MESSAGES: Final[Mapping[str, Mapping[int, Field]]] = _messages()
KINDS: Final[Mapping[str, str]] = {
    name: name
    for name, fields in MESSAGES.items()
    if name == "DeleteOptions" or fields.get(1) == Field("metadata", "ObjectMeta")
}
"""Kinds whose bodies are read, with their messages."""
