"""Objects as they come and go, compiled. Source: spec/policy-semantics §2.1, §3.1, §5.1, §6.6, §10.1."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocicat.app.mirror import AGENT_KINDS, Mirror, understood
from ocicat.cluster.reflection import Delta
from ocicat.engine import supply
from ocicat.engine.policy import Direction, EntityKey, EntityKind
from ocicat.engine.world import World
from ocicat.model.kinds import KINDS, kind_of
from ocicat.model.kubernetes import Service

CASES = Path(__file__).resolve().parents[2] / "cases"
STATES = sorted(
    path
    for folder in ("npapi/states/cnp", "npapi/states/v0.1.8", "k8s-e2e/states/full", "calico/states")
    for path in (CASES / folder).glob("*.json")
)


def kind_named(thing):
    return kind_of(thing["apiVersion"].rpartition("/")[0], thing["kind"])


def delta_of(thing):
    kind = kind_named(thing)
    resource, problems = understood(kind, json.dumps(thing).encode())
    metadata = thing["metadata"]
    namespace = metadata.get("namespace", "") if kind.namespaced else ""
    return Delta(kind, namespace, metadata["name"], resource, tuple(problems))


def gone(delta):
    return msgspec.structs.replace(delta, resource=None, problems=())


def thing(api_version, kind, name, namespace="", **more):
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **more.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more}


def pod(name="web", namespace="a", ip="10.0.0.1", node="n1", **metadata):
    return thing(
        "v1",
        "Pod",
        name,
        namespace,
        metadata=metadata,
        spec={"nodeName": node, "serviceAccountName": "default"},
        status={"podIP": ip, "podIPs": [{"ip": ip}], "phase": "Running"},
    )


def mirror_of(*things):
    mirror = Mirror()
    mirror.apply(delta_of(item) for item in things)
    return mirror


def labels(plan, name, namespace="a"):
    key = EntityKey(EntityKind.WORKLOAD, namespace, name)
    entity = plan.entities[plan.numbers[key]]
    return {**plan.profiles[entity.profiles[0]].labels, **entity.labels}


def completed(path):
    """Return the deltas of a state with what a cluster adds: namespaces and accounts that are named."""
    things = [item for item in json.loads(path.read_text())["items"] if kind_named(item)]
    for item in things:
        if item["kind"] == "Pod":
            item["spec"].setdefault("serviceAccountName", "default")
    deltas = [delta_of(item) for item in things]
    resources = resources_of(deltas)
    spaces = supply.namespaces(resources)
    for resource in (*spaces, *supply.service_accounts(resources, spaces)):
        kind = kind_of("", type(resource).__name__)
        deltas.append(Delta(kind, resource.metadata.namespace, resource.metadata.name, resource))
    return deltas


def resources_of(deltas):
    return [delta.resource for delta in deltas if delta.resource is not None]


def supposes(resources):
    """Tell whether a World adds pods that never ran, or endpoints of Services; a cluster knows better."""
    services = [resource for resource in resources if isinstance(resource, Service)]
    return bool(list(supply.makers(resources)) or services)


@pytest.mark.parametrize("path", STATES, ids=lambda path: path.stem)
def test_a_cluster_is_compiled_as_the_same_objects_in_files(path):
    deltas = completed(path)
    resources = resources_of(deltas)
    world = World(resources)
    mirror = Mirror()
    mirror.apply(deltas)
    plan = mirror.update()[0]
    if not supposes(resources):
        assert plan == world.plan
    else:
        assert plan.tiers == world.plan.tiers
        assert plan.policies == world.plan.policies


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_order_of_events_does_not_matter(data):
    """Objects come, change, go and come again in any order; what exists in the end decides."""
    deltas = completed(data.draw(st.sampled_from(STATES)))
    events = data.draw(st.permutations(deltas + deltas[::2]))
    removed = data.draw(st.lists(st.sampled_from(deltas), max_size=5))
    mirror = Mirror()
    for event in (*events, *map(gone, removed)):
        mirror.apply([event])
        if data.draw(st.booleans()):
            mirror.update()
    left = [delta for delta in deltas if delta not in removed]
    fresh = Mirror()
    fresh.apply(left)
    assert mirror.update()[0] == fresh.update()[0]
    assert mirror.endpoints == fresh.endpoints
    assert mirror.problems == fresh.problems


def test_some_states_are_compared_whole():
    whole = [path for path in STATES if not supposes(resources_of(completed(path)))]
    assert len(whole) > 50


def test_the_kinds_of_an_agent_are_all_but_workloads():
    left_out = {kind.kind for kind in KINDS} - {kind.kind for kind in AGENT_KINDS}
    assert left_out == {"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob"}


# --- invalid objects ----------------------------------------------------------------------------------------


def policy(selector="all()", name="p"):
    spec = {"selector": selector, "ingress": [{"action": "Deny"}], "types": ["Ingress"]}
    return thing("projectcalico.org/v3", "NetworkPolicy", name, "a", spec=spec)


def test_an_object_that_becomes_invalid_is_removed_and_told():
    """ "invalid object ⇒ reported, and treated as not existing (if an earlier valid version was loaded it is
    removed)" """
    mirror = mirror_of(policy())
    assert mirror.update()[0].policies
    mirror.apply([delta_of(policy("app = 'x'"))])
    assert not mirror.update()[0].policies
    ((found,),) = mirror.problems.values()
    assert found.where.subject == "NetworkPolicy a/p"
    assert found.where.position() == ""
    mirror.apply([delta_of(policy())])
    assert mirror.update()[0].policies
    assert not mirror.problems


def test_problems_of_an_object_go_with_it():
    bad = delta_of(policy("app = 'x'"))
    mirror = Mirror()
    mirror.apply([bad])
    assert mirror.problems
    mirror.apply([gone(bad)])
    assert not mirror.problems


def test_what_is_no_json_is_a_problem():
    resource, problems = understood(kind_of("projectcalico.org", "Tier"), b"{")
    assert resource is None
    assert problems


def test_nulls_of_the_api_are_forgiven():
    resource, problems = understood(
        kind_of("", "Pod"),
        b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"a","labels":null},"spec":null}',
    )
    assert resource.metadata.name == "p"
    assert problems == []


# --- pods, profiles, services -------------------------------------------------------------------------------


def test_a_pod_that_finishes_is_no_endpoint_any_more():
    mirror = mirror_of(pod())
    assert len(mirror.endpoints) == 1
    finished = pod()
    finished["status"]["phase"] = "Succeeded"
    mirror.apply([delta_of(finished)])
    assert not mirror.endpoints
    assert not mirror.update()[0].endpoints


def test_nobody_opens_a_namespace_by_writing_its_profile():
    forged = thing("projectcalico.org/v3", "Profile", "kns.a", spec={"labelsToApply": {"pcns.team": "red"}})
    space = thing("v1", "Namespace", "a", metadata={"labels": {"team": "blue"}})
    for order in ([forged, space], [space, forged]):
        plan = mirror_of(*order, pod()).update()[0]
        assert labels(plan, "web")["pcns.team"] == "blue"
        assert plan.profiles["kns.a"].rules(Direction.INGRESS)


def test_a_written_profile_holds_once_nothing_stronger_does():
    written = thing("projectcalico.org/v3", "Profile", "kns.a", spec={"labelsToApply": {"pcns.team": "red"}})
    space = thing("v1", "Namespace", "a")
    mirror = mirror_of(written, space)
    mirror.apply([gone(delta_of(space))])
    assert mirror.update()[0].profiles["kns.a"].labels == {"pcns.team": "red"}


def test_the_default_profile_is_always_there():
    name = "projectcalico-default-allow"
    written = thing("projectcalico.org/v3", "Profile", name, spec={"ingress": [{"action": "Deny"}]})
    mirror = mirror_of(written)
    mirror.apply([gone(delta_of(written))])
    assert mirror.update()[0].profiles[name].rules(Direction.INGRESS)


def test_a_built_in_tier_that_is_deleted_is_supplied_again():
    mirror = mirror_of(thing("projectcalico.org/v3", "Tier", "default", spec={"order": 1000000}))
    mirror.apply([gone(delta_of(thing("projectcalico.org/v3", "Tier", "default")))])
    assert "default" in {tier.name for tier in mirror.update()[0].tiers}


def endpoint_slice(name, service, *addresses):
    return {
        **thing("discovery.k8s.io/v1", "EndpointSlice", name, "a"),
        "metadata": {
            "name": name,
            "namespace": "a",
            "labels": {"kubernetes.io/service-name": service} if service else {},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": list(addresses)}],
        "ports": [{"port": 80, "protocol": "TCP"}],
    }


def addresses_of(mirror, service):
    found = mirror.update()[0].services.get(("a", service))
    return {str(address) for address in found.addresses} if found else set()


def test_slices_of_one_service_add_up_and_go():
    mirror = mirror_of(endpoint_slice("s1", "web", "10.0.0.1"), endpoint_slice("s2", "web", "10.0.0.2"))
    assert addresses_of(mirror, "web") == {"10.0.0.1", "10.0.0.2"}
    mirror.apply([gone(delta_of(endpoint_slice("s1", "web")))])
    assert addresses_of(mirror, "web") == {"10.0.0.2"}
    mirror.apply([gone(delta_of(endpoint_slice("s2", "web")))])
    assert ("a", "web") not in mirror.update()[0].services


def test_a_slice_that_changes_its_service_leaves_the_old_one():
    mirror = mirror_of(endpoint_slice("s1", "web", "10.0.0.1"))
    mirror.apply([delta_of(endpoint_slice("s1", "db", "10.0.0.1"))])
    assert addresses_of(mirror, "web") == set()
    assert addresses_of(mirror, "db") == {"10.0.0.1"}
    mirror.apply([delta_of(endpoint_slice("s1", "", "10.0.0.1"))])
    assert addresses_of(mirror, "db") == set()


def test_changes_of_services_are_noticed():
    mirror = mirror_of(thing("v1", "Service", "web", "a", spec={"clusterIP": "10.96.0.1"}))
    assert mirror.services_changed
    assert ("a", "web") in mirror.services
    mirror.services_changed = False
    mirror.apply([delta_of(pod())])
    assert not mirror.services_changed
    mirror.apply([gone(delta_of(thing("v1", "Service", "web", "a")))])
    assert mirror.services_changed
    assert not mirror.services
