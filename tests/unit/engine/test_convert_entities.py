"""Pods and workloads as endpoints, and the profiles of Kubernetes: policy-semantics §5.1, §6.5, §10.1."""

from collections.abc import Mapping

import pytest

from ocicat.engine.convert import (
    DEFAULT_ALLOW,
    WORKLOAD_PREFIXES,
    entity_of,
    namespace_profile,
    service_account_profile,
    workload_entity,
)
from ocicat.engine.policy import Entity, EntityKey, EntityKind, NamedPort, Rule
from ocicat.model.flow import Action
from ocicat.model.kubernetes import Namespace, ServiceAccount
from ocicat.model.net import Address
from support.written import decoded, resource

ALLOW_ALL = (Rule(Action.ALLOW),)


def addresses(*texts: str) -> tuple[Address, ...]:
    return tuple(Address.parse(text) for text in texts)


# --- profiles -----------------------------------------------------------------------------------------------


def test_a_namespace_gives_a_profile() -> None:
    """§10.1, §5.1: allow all both ways, labels `pcns.<k>`, and the name."""
    text = """
        {apiVersion: v1, kind: Namespace, metadata: {name: prod, labels: {
          team: red, kubernetes.io/metadata.name: prod, projectcalico.org/name: liar}}}
        """
    namespace = resource(text)
    assert isinstance(namespace, Namespace)
    profile = namespace_profile(namespace)
    assert (profile.name, profile.ingress, profile.egress) == ("kns.prod", ALLOW_ALL, ALLOW_ALL)
    assert profile.labels == {
        "pcns.team": "red",
        "pcns.kubernetes.io/metadata.name": "prod",
        "pcns.projectcalico.org/name": "prod",
    }


def test_the_label_that_every_namespace_bears_is_supplied() -> None:
    """§5.1: "Kubernetes itself labels each namespace `kubernetes.io/metadata.name`"."""
    namespace = resource("{apiVersion: v1, kind: Namespace, metadata: {name: a}}")
    assert isinstance(namespace, Namespace)
    assert namespace_profile(namespace).labels["pcns.kubernetes.io/metadata.name"] == "a"


def test_a_service_account_gives_a_profile_without_rules() -> None:
    account = resource(
        "{apiVersion: v1, kind: ServiceAccount, metadata: {name: api, namespace: prod, labels: {role: be}}}"
    )
    assert isinstance(account, ServiceAccount)
    profile = service_account_profile(account)
    assert (profile.name, profile.ingress, profile.egress) == ("ksa.prod.api", (), ())
    assert profile.labels == {"pcsa.role": "be", "pcsa.projectcalico.org/name": "api"}


def test_the_built_in_profile_allows_all() -> None:
    assert (DEFAULT_ALLOW.name, DEFAULT_ALLOW.ingress) == ("projectcalico-default-allow", ALLOW_ALL)
    assert DEFAULT_ALLOW.egress == ALLOW_ALL
    assert DEFAULT_ALLOW.labels == {}


# --- pods ---------------------------------------------------------------------------------------------------


def pod(
    meta: Mapping[str, object] | None = None,
    spec: Mapping[str, object] | None = None,
    status: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """Return the document of a pod that runs, with parts of it replaced."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web-1", "namespace": "prod", **(meta or {})},
        "spec": {"nodeName": "n1", "serviceAccountName": "api", **(spec or {})},
        "status": {"phase": "Running", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}], **(status or {})},
    }


def entity(document: Mapping[str, object]) -> Entity:
    found = entity_of(decoded(document))
    assert found is not None
    return found


def test_pod() -> None:
    found = entity(pod({"labels": {"app": "web"}}))
    assert found == Entity(
        EntityKey(EntityKind.WORKLOAD, "prod", "web-1"),
        {
            "app": "web",
            "projectcalico.org/namespace": "prod",
            "projectcalico.org/orchestrator": "k8s",
            "projectcalico.org/serviceaccount": "api",
        },
        profiles=("kns.prod", "ksa.prod.api"),
        addresses=addresses("10.0.0.1"),
        node="n1",
    )


def test_a_pod_cannot_claim_labels_that_are_inherited_or_forced() -> None:
    """§5.1: "minus any key starting `pcns.` or `pcsa.`, then forced: …"."""
    claimed = {
        "pcns.team": "red",
        "pcsa.role": "be",
        "pcnsteam": "kept",
        "projectcalico.org/namespace": "other",
        "projectcalico.org/orchestrator": "none",
        "projectcalico.org/serviceaccount": "root",
    }
    assert entity(pod({"labels": claimed})).labels == {
        "pcnsteam": "kept",
        "projectcalico.org/namespace": "prod",
        "projectcalico.org/orchestrator": "k8s",
        "projectcalico.org/serviceaccount": "api",
    }


def test_without_a_service_account_there_is_neither_its_label_nor_its_profile() -> None:
    """§5.1: "SA name (if non-empty)": entity_of takes a pod as a cluster holds it."""
    found = entity(pod(spec={"serviceAccountName": ""}))
    assert "projectcalico.org/serviceaccount" not in found.labels
    assert found.profiles == ("kns.prod",)


NO_ENDPOINT = [
    # "Which pods are WEPs: not host-network, scheduled to a node, having ≥1 IP."
    pod(spec={"hostNetwork": True}),
    pod(spec={"nodeName": ""}),
    pod(status={"podIP": "", "podIPs": []}),
    pod(status={"podIP": "none", "podIPs": [{"ip": ""}]}),
    # "A finished pod (Succeeded/Failed, or deleting with its IP annotation emptied)"
    pod(status={"phase": "Succeeded"}),
    pod(status={"phase": "Failed"}),
    pod({"deletionTimestamp": "2026-01-01T00:00:00Z", "annotations": {"cni.projectcalico.org/podIP": ""}}),
]


@pytest.mark.parametrize("document", NO_ENDPOINT)
def test_pods_that_are_no_endpoints(document: Mapping[str, object]) -> None:
    assert entity_of(decoded(document)) is None


STILL_ENDPOINT = [
    pod(status={"phase": "Pending"}),
    # Neither half of the last condition suffices.
    pod({"deletionTimestamp": "2026-01-01T00:00:00Z"}),
    pod(
        {
            "deletionTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {"cni.projectcalico.org/podIP": "10.0.0.1/32"},
        }
    ),
    pod({"annotations": {"cni.projectcalico.org/podIP": ""}}),
]


@pytest.mark.parametrize("document", STILL_ENDPOINT)
def test_pods_that_are_endpoints(document: Mapping[str, object]) -> None:
    assert entity(document).addresses == addresses("10.0.0.1")


ADDRESSES = [
    ({"podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}, ("10.0.0.1", "fd00::1")),
    # podIPs counts where there is one, podIP otherwise.
    ({"podIP": "10.0.0.9", "podIPs": [{"ip": "10.0.0.1"}]}, ("10.0.0.1",)),
    ({"podIP": "10.0.0.9", "podIPs": []}, ("10.0.0.9",)),
    ({"podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.1"}]}, ("10.0.0.1",)),
]


@pytest.mark.parametrize(("status", "expected"), ADDRESSES)
def test_addresses(status: Mapping[str, object], expected: tuple[str, ...]) -> None:
    assert entity(pod(status=status)).addresses == addresses(*expected)


def test_named_ports() -> None:
    """§6.5: "container **and init-container** ports having a name (unset protocol = TCP)"."""
    spec = {
        "initContainers": [{"name": "i", "ports": [{"name": "init", "containerPort": 1}]}],
        "containers": [
            {
                "name": "a",
                "ports": [
                    {"name": "http", "containerPort": 80, "protocol": "TCP"},
                    {"name": "dns", "containerPort": 53, "protocol": "UDP"},
                    {"name": "sig", "containerPort": 9, "protocol": "SCTP"},
                    {"containerPort": 81},
                    {"name": "odd", "containerPort": 82, "protocol": "tcp"},
                    {"name": "none", "containerPort": 0},
                ],
            },
            {"name": "b", "ports": [{"name": "http", "containerPort": 8080, "protocol": ""}]},
        ],
    }
    assert entity(pod(spec=spec)).named_ports == (
        NamedPort("init", 6, 1),
        NamedPort("http", 6, 80),
        NamedPort("dns", 17, 53),
        NamedPort("sig", 132, 9),
        NamedPort("http", 6, 8080),
    )


def test_shown_name() -> None:
    """§11.5: "pod `generateName` + `*` if it has one, else pod name"."""
    assert entity(pod({"generateName": "web-7d9f6-"})).shown_name == "web-7d9f6-*"
    assert entity(pod()).shown_name == ""


OWNERS = [
    ([], ""),
    ([{"kind": "ReplicaSet", "name": "web-7d9f6", "controller": True}], "ReplicaSet/web-7d9f6"),
    (
        [{"kind": "Config", "name": "c"}, {"kind": "StatefulSet", "name": "s", "controller": True}],
        "StatefulSet/s",
    ),
    ([{"kind": "Job", "name": "j"}, {"kind": "Other", "name": "o"}], "Job/j"),
    ([{"name": "bare", "controller": True}], "bare"),
]


@pytest.mark.parametrize(("references", "owner"), OWNERS)
def test_owner(references: list[dict[str, object]], owner: str) -> None:
    assert entity(pod({"ownerReferences": references})).owner == owner


# --- pods and workloads of files ----------------------------------------------------------------------------


def test_a_pod_of_a_file_is_what_the_cluster_would_make_of_it() -> None:
    text = (
        "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: prod, labels: {app: web, pcns.x: y}}}"
    )
    written = resource(text)
    assert entity_of(written) is None
    assert workload_entity(written) == Entity(
        EntityKey(EntityKind.WORKLOAD, "prod", "web"),
        {
            "app": "web",
            "projectcalico.org/namespace": "prod",
            "projectcalico.org/orchestrator": "k8s",
            "projectcalico.org/serviceaccount": "default",
        },
        profiles=("kns.prod", "ksa.prod.default"),
    )


def test_a_pod_of_a_file_keeps_the_address_that_it_shows() -> None:
    found = workload_entity(decoded(pod(spec={"nodeName": ""})))
    assert found is not None
    assert found.addresses == addresses("10.0.0.1")


@pytest.mark.parametrize("document", [NO_ENDPOINT[0], *NO_ENDPOINT[4:]])
def test_pods_of_files_that_are_no_endpoints(document: Mapping[str, object]) -> None:
    assert workload_entity(decoded(document)) is None


VERSIONS = {"Job": "batch/v1", "CronJob": "batch/v1"}


def workload(kind: str, pod_spec: Mapping[str, object]) -> dict[str, object]:
    spec: dict[str, object] = {"template": {"metadata": {"labels": {"app": "web"}}, "spec": pod_spec}}
    return {
        "apiVersion": VERSIONS.get(kind, "apps/v1"),
        "kind": kind,
        "metadata": {"name": "web", "namespace": "prod", "labels": {"not": "inherited"}},
        "spec": {"jobTemplate": {"spec": spec}} if kind == "CronJob" else spec,
    }


STAND_INS = {
    "Deployment": "deploy/web",
    "ReplicaSet": "rs/web",
    "StatefulSet": "sts/web",
    "DaemonSet": "ds/web",
    "Job": "job/web",
    "CronJob": "cronjob/web",
}


@pytest.mark.parametrize("kind", STAND_INS)
def test_a_workload_has_one_stand_in(kind: str) -> None:
    ports = [{"name": "a", "ports": [{"name": "http", "containerPort": 80}]}]
    found = workload_entity(decoded(workload(kind, {"serviceAccountName": "api", "containers": ports})))
    assert found is not None
    job = {"job-name": "web", "batch.kubernetes.io/job-name": "web"} if kind == "Job" else {}
    assert found == Entity(
        EntityKey(EntityKind.WORKLOAD, "prod", STAND_INS[kind]),
        {
            "app": "web",
            **job,
            "projectcalico.org/namespace": "prod",
            "projectcalico.org/orchestrator": "k8s",
            "projectcalico.org/serviceaccount": "api",
        },
        profiles=("kns.prod", "ksa.prod.api"),
        named_ports=(NamedPort("http", 6, 80),),
        shown_name="web-*",
        owner=f"{kind}/web",
    )


def test_every_workload_has_a_prefix_of_its_own() -> None:
    assert set(WORKLOAD_PREFIXES) == set(STAND_INS)
    assert len(set(WORKLOAD_PREFIXES.values())) == len(WORKLOAD_PREFIXES)


@pytest.mark.parametrize("kind", STAND_INS)
def test_workloads_without_service_account_use_the_default_one(kind: str) -> None:
    found = workload_entity(decoded(workload(kind, {})))
    assert found is not None
    assert found.labels["projectcalico.org/serviceaccount"] == "default"
    assert found.profiles == ("kns.prod", "ksa.prod.default")


@pytest.mark.parametrize("kind", STAND_INS)
def test_workloads_on_the_hosts_network_have_none(kind: str) -> None:
    assert workload_entity(decoded(workload(kind, {"hostNetwork": True}))) is None
    assert entity_of(decoded(workload(kind, {}))) is None


def test_what_makes_no_pods_has_none() -> None:
    assert workload_entity(resource("{apiVersion: v1, kind: Node, metadata: {name: n}}")) is None
