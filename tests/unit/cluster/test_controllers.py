"""Controllers as functions: observed objects in, actions out; and the laws that a rollout keeps."""

from datetime import UTC, datetime

import pytest
from cronsim import CronSimError
from hypothesis import given, settings
from hypothesis import strategies as st

from ocicat.cluster.controllers import (
    accounts,
    aggregation,
    cronjob,
    deployment,
    endpoints,
    garbage,
    job,
    replicaset,
    scheduler,
    statefulset,
)
from ocicat.cluster.controllers.actions import Again, Change, Create, Remove, Say
from ocicat.cluster.controllers.events import event_of
from ocicat.cluster.controllers.interest import interested
from ocicat.cluster.controllers.known import Known, seen
from ocicat.cluster.controllers.things import NS, digest, first_to_go, instant, selects, timestamp

NOW = instant("2026-03-01T12:00:00Z")
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "one"}]}}


def thing(kind, name, *, spec=None, status=None, namespace="ns", **metadata):
    version = {"Deployment": "apps/v1", "ReplicaSet": "apps/v1", "Job": "batch/v1", "CronJob": "batch/v1"}
    meta = {"name": name, "uid": f"uid-{kind}-{name}", "resourceVersion": "1", "generation": 1, **metadata}
    if kind not in ("Node", "Namespace"):
        meta["namespace"] = namespace
    body = {"apiVersion": version.get(kind, "v1"), "kind": kind, "metadata": meta}
    return {**body, "spec": spec or {}, "status": status or {}}


def owner(of):
    return [{"apiVersion": of["apiVersion"], "kind": of["kind"], "name": of["metadata"]["name"],
             "uid": of["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True}]  # fmt: skip


def pod(name, of=None, *, ready=True, phase="Running", node="n1", labels=None, ip="10.0.0.1", **metadata):
    if of is not None:
        metadata["ownerReferences"] = owner(of)
    conditions = [{"type": "Ready", "status": str(ready), "lastTransitionTime": timestamp(NOW - 5 * NS)}]
    status = {"phase": phase, "conditions": conditions, "podIP": ip, "podIPs": [{"ip": ip}]}
    spec = {
        "nodeName": node,
        "containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}],
    }
    own = labels or {"app": "web"}
    return thing(
        "Pod", name, spec=spec, status=status, labels=own, creationTimestamp=timestamp(NOW), **metadata
    )


def known(*things):
    found = Known()
    for item in things:
        found.put(item)
    return found


def kinds(actions):
    return [type(action).__name__ for action in actions]


# --- ReplicaSets --------------------------------------------------------------------------------------------


def replica_set(count, **status):
    spec = {"replicas": count, "template": TEMPLATE, "selector": {"matchLabels": {"app": "web"}}}
    return thing("ReplicaSet", "web-1", spec=spec, status=status)


def test_missing_pods_are_made_and_owned():
    owning = replica_set(2)
    actions = replicaset.reconcile(known(owning, pod("a", owning)), owning, NOW)
    [made] = [action.body for action in actions if isinstance(action, Create)]
    assert made["metadata"]["generateName"] == "web-1-"
    assert made["metadata"]["ownerReferences"] == owner(owning)
    assert made["metadata"]["labels"] == {"app": "web"}


def test_of_too_many_the_least_useful_goes():
    owning = replica_set(1)
    pods = [pod("ready", owning), pod("unready", owning, ready=False), pod("homeless", owning, node="")]
    actions = replicaset.reconcile(known(owning, *pods), owning, NOW)
    assert [action.of["metadata"]["name"] for action in actions if isinstance(action, Remove)] == [
        "homeless",
        "unready",
    ]


def test_finished_and_going_pods_do_not_count():
    owning = replica_set(1)
    pods = [pod("done", owning, phase="Failed"), pod("going", owning, deletionTimestamp=timestamp(NOW))]
    assert "Create" in kinds(replicaset.reconcile(known(owning, *pods), owning, NOW))


def test_a_set_that_is_as_it_should_be_writes_nothing():
    status = {"replicas": 1, "fullyLabeledReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}
    owning = replica_set(1, **status, observedGeneration=1)
    assert replicaset.reconcile(known(owning, pod("a", owning)), owning, NOW) == []


def test_pods_become_available_after_their_time():
    owning = replica_set(1)
    owning["spec"]["minReadySeconds"] = 10
    actions = replicaset.reconcile(known(owning, pod("a", owning)), owning, NOW)
    assert actions[-1] == Again(10)
    [change] = [action for action in actions if isinstance(action, Change)]
    assert change.patch["status"]["availableReplicas"] == 0


def test_which_pod_goes_first():
    pods = [pod("c"), pod("b", ready=False), pod("a", node=""), pod("d", phase="Pending", ready=False)]
    assert [item["metadata"]["name"] for item in first_to_go(pods)] == ["a", "d", "b", "c"]


# --- Deployments --------------------------------------------------------------------------------------------


def a_deployment(replicas=3, image="one", **spec):
    template = {**TEMPLATE, "spec": {"containers": [{"name": "c", "image": image}]}}
    selector = {"matchLabels": {"app": "web"}}
    return thing(
        "Deployment", "web", spec={"replicas": replicas, "selector": selector, "template": template, **spec}
    )


@pytest.mark.parametrize(
    ("surge", "missing", "replicas", "expected"),
    [
        ("25%", "25%", 4, (1, 1)),
        ("25%", "25%", 3, (1, 0)),
        ("25%", "25%", 1, (1, 0)),
        (2, 0, 10, (2, 0)),
        (0, 0, 10, (0, 1)),
        ("100%", "50%", 5, (5, 2)),
    ],
)
def test_surge_is_rounded_up_and_missing_down_and_not_both_are_zero(surge, missing, replicas, expected):
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": missing}}
    assert deployment.limits(a_deployment(replicas, strategy=rolling)) == expected


def test_a_new_deployment_makes_its_first_set():
    actions = deployment.reconcile(known(), a_deployment(), NOW)
    made = actions[0].body
    assert made["spec"]["replicas"] == 3
    assert made["metadata"]["annotations"][deployment.REVISION] == "1"
    hashed = made["metadata"]["labels"][deployment.HASH]
    assert made["metadata"]["name"] == f"web-{hashed}"
    assert made["spec"]["selector"]["matchLabels"] == {"app": "web", deployment.HASH: hashed}


class Rollout:
    """A Deployment, its sets and how many of their pods are available; time stands still."""

    def __init__(self, wanted):
        self.deployment = wanted
        self.sets = {}
        self.serial = 1

    def step(self):
        """Reconcile once and apply what was asked for; tell whether anything was."""
        done = False
        for action in deployment.reconcile(known(self.deployment, *self.sets.values()), self.deployment, NOW):
            match action:
                case Create(body):
                    body["metadata"]["uid"] = f"uid-{body['metadata']['name']}"
                    body["status"] = {"replicas": 0, "availableReplicas": 0}
                    self.sets[body["metadata"]["name"]] = body
                    done = True
                case Change(of, patch, part) if of["kind"] == "ReplicaSet" and not part:
                    target = self.sets[of["metadata"]["name"]]
                    target["spec"] |= patch.get("spec", {})
                    target["metadata"]["annotations"] |= patch["metadata"]["annotations"]
                    done = True
                case Remove(of):
                    del self.sets[of["metadata"]["name"]]
                    done = True
        return done

    def pods(self):
        return sum(max(item["spec"]["replicas"], item["status"]["replicas"]) for item in self.sets.values())

    def available(self):
        return sum(
            min(item["spec"]["replicas"], item["status"]["availableReplicas"]) for item in self.sets.values()
        )

    def settle(self, choose):
        """Let pods come up and go away; `choose(most)` says how many do."""
        for item in self.sets.values():
            asked, status = item["spec"]["replicas"], item["status"]
            status["replicas"] = min(status["replicas"], asked) + choose(max(0, asked - status["replicas"]))
            status["availableReplicas"] = min(status["availableReplicas"], status["replicas"])
            status["availableReplicas"] += choose(status["replicas"] - status["availableReplicas"])


@settings(max_examples=100)
@given(
    data=st.data(),
    replicas=st.integers(1, 7),
    surge=st.sampled_from((0, 1, 3, "25%", "100%")),
    missing=st.sampled_from((0, 1, 2, "25%", "50%")),
)
def test_a_rollout_keeps_its_limits_and_ends(data, replicas, surge, missing):
    """Never more pods than maxSurge allows, never fewer available than maxUnavailable allows, and it ends."""
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": missing}}
    rollout = Rollout(a_deployment(replicas, "one", strategy=rolling))
    for _ in range(3):
        rollout.step()
        rollout.settle(lambda most: most)
    rollout.deployment = a_deployment(replicas, "two", strategy=rolling)
    above, below = deployment.limits(rollout.deployment)
    for round_number in range(60):
        rollout.step()
        assert rollout.pods() <= replicas + above
        assert rollout.available() >= replicas - below
        rollout.settle(lambda most: data.draw(st.integers(0, most)) if round_number < 20 else most)  # noqa: B023
    counts = {
        item["spec"]["template"]["spec"]["containers"][0]["image"]: item for item in rollout.sets.values()
    }
    assert counts["two"]["status"]["availableReplicas"] == replicas
    assert counts["one"]["spec"]["replicas"] == 0
    assert not rollout.step()


# --- claims -------------------------------------------------------------------------------------------------


def a_claim(name, node="", phase="Pending"):
    annotations = {"annotations": {"volume.kubernetes.io/selected-node": node}} if node else {}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return thing("PersistentVolumeClaim", name, spec=spec, status={"phase": phase}, **annotations)


def claiming(*names):
    waiting = pod("p", node="", phase="Pending")
    waiting["spec"]["volumes"] = [{"name": n, "persistentVolumeClaim": {"claimName": n}} for n in names]
    return waiting


def two_nodes():
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    return [thing("Node", name, status=ready) for name in ("n1", "n2")]


def test_a_claim_gets_its_node_then_its_status_and_then_the_pod_goes_there():
    waiting, fresh, placed = claiming("c"), a_claim("c"), a_claim("c", "n1")
    [first] = scheduler.reconcile(known(waiting, fresh, *two_nodes()), waiting, NOW)
    assert first == Change(fresh, {"metadata": {"annotations": {"volume.kubernetes.io/selected-node": "n1"}}})
    [second] = scheduler.reconcile(known(waiting, placed, *two_nodes()), waiting, NOW)
    status = {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}
    assert second == Change(placed, {"status": status}, "status")
    bound = known(waiting, a_claim("c", "n2", "Bound"), *two_nodes())
    assert scheduler.reconcile(bound, waiting, NOW)[0].patch["target"]["name"] == "n2"
    assert waiting in interested(bound, fresh)


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ([], 'persistentvolumeclaim "a" not found'),
        (["n1", "n2"], "0/2 nodes are available: 2 node(s) had volume node affinity conflict."),
        (["n9", "n9"], "0/2 nodes are available: 2 node(s) had volume node affinity conflict."),
    ],
)
def test_a_pod_whose_claims_cannot_be_met_waits(claims, words):
    waiting = claiming("a", "b")
    there = [a_claim(name, node, "Bound") for name, node in zip("ab", claims, strict=False)]
    change, said = scheduler.reconcile(known(waiting, *there, *two_nodes()), waiting, NOW)
    assert change.patch["status"]["conditions"][-1]["message"] == words
    assert (said.reason, said.message) == ("FailedScheduling", words)


def test_a_stateful_set_claims_for_each_pod():
    template = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    spec = {
        "selector": {"matchLabels": {"app": "web"}},
        "template": TEMPLATE,
        "volumeClaimTemplates": [template],
    }
    owning = thing("StatefulSet", "db", spec={"replicas": 1, **spec})
    made = [
        action.body
        for action in statefulset.reconcile(known(owning), owning, NOW)
        if isinstance(action, Create)
    ]
    claim, first = made[0], made[1]
    assert (claim["kind"], claim["metadata"]["name"]) == ("PersistentVolumeClaim", "data-db-0")
    assert claim["metadata"]["labels"] == {"app": "web"}
    assert "ownerReferences" not in claim["metadata"]
    assert first["spec"]["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}]


# --- aggregated roles ---------------------------------------------------------------------------------------


def a_role(name, *rules, **more):
    body = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "rules": list(rules)}
    return {**body, "metadata": {"name": name, "uid": name, "labels": more.pop("labels", {})}, **more}


def test_an_aggregated_role_shows_the_rules_that_it_selects():
    one, two = ({"verbs": ["get"], "apiGroups": [""], "resources": [what]} for what in ("pods", "nodes"))
    marked = {"to-view": "true"}
    selectors = {"clusterRoleSelectors": [{"matchLabels": marked}]}
    whole = a_role("view", two, aggregationRule=selectors)
    there = known(whole, a_role("a", one, labels=marked), a_role("b", one, labels=marked), a_role("c", two))
    assert aggregation.reconcile(there, whole, NOW) == [Change(whole, {"rules": [one]})]
    fresh = a_role("view", one, aggregationRule=selectors)
    assert aggregation.reconcile(there, fresh, NOW) == []
    assert aggregation.reconcile(there, a_role("c", two), NOW) == []
    assert whole in interested(there, a_role("a", one, labels=marked))


# --- Services -----------------------------------------------------------------------------------------------


def service(**spec):
    ports = [{"name": "w", "port": 80, "targetPort": "http", "protocol": "TCP"}]
    return thing(
        "Service", "web", spec={"selector": {"app": "web"}, "ports": ports, "ipFamilies": ["IPv4"], **spec}
    )


def slices(actions):
    return [action.body for action in actions if isinstance(action, Create) and "endpoints" in action.body]


def test_an_unready_pod_is_in_the_slice_but_not_ready():
    made = slices(endpoints.reconcile(known(pod("a"), pod("b", ready=False, ip="10.0.0.2")), service(), NOW))
    found = {item["addresses"][0]: item["conditions"]["ready"] for item in made[0]["endpoints"]}
    assert found == {"10.0.0.1": True, "10.0.0.2": False}
    assert made[0]["ports"] == [{"name": "w", "protocol": "TCP", "port": 8080}]


def test_a_named_target_port_that_differs_makes_another_slice():
    other = pod("b", ip="10.0.0.2")
    other["spec"]["containers"][0]["ports"] = [{"name": "http", "containerPort": 9090}]
    made = slices(endpoints.reconcile(known(pod("a"), other), service(), NOW))
    assert sorted(item["ports"][0]["port"] for item in made) == [8080, 9090]


def test_a_service_without_selector_is_left_alone():
    assert endpoints.reconcile(known(pod("a")), service(selector=None), NOW) == []


def test_a_service_without_pods_has_an_empty_slice():
    [made] = slices(endpoints.reconcile(known(), service(), NOW))
    assert made["endpoints"] == []


# --- scheduler ----------------------------------------------------------------------------------------------


def node(name, *, ready=True, **spec):
    conditions = [{"type": "Ready", "status": str(ready)}]
    return thing("Node", name, spec=spec, status={"conditions": conditions}, labels={"zone": name})


def test_the_emptier_node_is_taken():
    waiting = pod("new", node="")
    actions = scheduler.reconcile(known(node("n1"), node("n2"), pod("a", node="n1"), waiting), waiting, NOW)
    assert actions[0].patch["target"]["name"] == "n2"
    assert actions[0].part == "binding"


@pytest.mark.parametrize(
    ("of", "spec", "reason"),
    [
        (node("n", ready=False), {}, "node(s) were not ready"),
        (node("n", unschedulable=True), {}, "node(s) were unschedulable"),
        (node("n"), {"nodeSelector": {"zone": "x"}}, "node(s) didn't match Pod's node affinity/selector"),
        (node("n", taints=[{"key": "k", "effect": "NoSchedule"}]), {}, "node(s) had untolerated taint {k: }"),
        (
            node("n", taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}]),
            {"tolerations": [{"key": "k", "value": "v"}]},
            "",
        ),
        (
            node("n", taints=[{"key": "k", "effect": "NoExecute"}]),
            {"tolerations": [{"operator": "Exists"}]},
            "",
        ),
    ],
)
def test_why_a_node_cannot_take_a_pod(of, spec, reason):
    waiting = pod("p", node="")
    waiting["spec"] |= spec
    assert scheduler.why_not(of, waiting) == reason


def test_a_pod_without_a_place_is_told_so_once():
    waiting = pod("p", node="")
    actions = scheduler.reconcile(known(waiting), waiting, NOW)
    assert kinds(actions) == ["Change", "Say"]
    waiting["status"] |= actions[0].patch["status"]
    assert scheduler.reconcile(known(waiting), waiting, NOW) == []


# --- garbage ------------------------------------------------------------------------------------------------


def test_what_has_lost_its_owner_goes():
    owning = replica_set(1)
    orphan = pod("a", owning)
    assert kinds(garbage.reconcile(known(orphan), orphan)) == ["Remove"]
    assert garbage.reconcile(known(orphan, owning), orphan) == []


def test_an_owner_of_the_same_name_is_another():
    owning = replica_set(1)
    orphan = pod("a", owning)
    again = replica_set(1)
    again["metadata"]["uid"] = "another"
    assert kinds(garbage.reconcile(known(orphan, again), orphan)) == ["Remove"]


def test_an_owner_of_a_kind_that_nobody_follows_may_exist():
    child = pod("a")
    child["metadata"]["ownerReferences"] = [{"apiVersion": "x/v1", "kind": "Thing", "name": "t", "uid": "u"}]
    assert garbage.reconcile(known(child), child) == []


def test_foreground_waits_for_those_that_block():
    owning = replica_set(1)
    owning["metadata"] |= {"deletionTimestamp": timestamp(NOW), "finalizers": ["foregroundDeletion"]}
    child = pod("a", owning)
    assert kinds(garbage.reconcile(known(owning, child), owning)) == ["Remove"]
    [last] = garbage.reconcile(known(owning), owning)
    assert last == Change(owning, {"metadata": {"finalizers": None}})


def test_orphans_lose_their_reference():
    owning = replica_set(1)
    owning["metadata"] |= {"deletionTimestamp": timestamp(NOW), "finalizers": ["orphan", "other"]}
    child = pod("a", owning)
    first, last = garbage.reconcile(known(owning, child), owning)
    assert first == Change(child, {"metadata": {"ownerReferences": None}})
    assert last == Change(owning, {"metadata": {"finalizers": ["other"]}})


# --- Jobs and CronJobs --------------------------------------------------------------------------------------


def a_job(**spec):
    return thing("Job", "work", spec={"template": TEMPLATE, "parallelism": 2, "completions": 3, **spec})


def test_a_job_runs_as_many_as_may_and_no_more_than_needed():
    work = a_job()
    assert kinds(job.reconcile(known(work), work, NOW)).count("Create") == 2
    done = [pod(name, work, phase="Succeeded") for name in "ab"]
    assert kinds(job.reconcile(known(work, *done), work, NOW)).count("Create") == 1


@pytest.mark.parametrize(("phase", "condition"), [("Succeeded", "Complete"), ("Failed", "Failed")])
def test_a_job_ends(phase, condition):
    work = a_job(backoffLimit=2)
    pods = [pod(name, work, phase=phase) for name in "abc"]
    actions = job.reconcile(known(work, *pods), work, NOW)
    [change] = [action for action in actions if isinstance(action, Change)]
    assert change.patch["status"]["conditions"][0]["type"] == condition
    assert any(isinstance(action, Say) for action in actions)
    ended = {**work, "status": change.patch["status"]}
    assert job.reconcile(known(ended), ended, NOW) == []


def test_a_finished_job_goes_when_its_time_is_over():
    ended = a_job(ttlSecondsAfterFinished=10)
    stamp = timestamp(NOW - 4 * NS)
    ended["status"] = {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": stamp}]}
    assert job.reconcile(known(ended), ended, NOW) == [Again(6)]
    assert kinds(job.reconcile(known(ended), ended, NOW + 6 * NS)) == ["Remove"]


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "upcoming"),
    [
        ("*/5 * * * *", "2026-03-01T12:05:00"),
        ("@hourly", "2026-03-01T13:00:00"),
        ("@weekly", "2026-03-08T00:00:00"),
        ("0 9 * * mon-fri", "2026-03-02T09:00:00"),
    ],
)
def test_when_a_schedule_comes_next(schedule, upcoming):
    assert cronjob.next_time(schedule, at("2026-03-01T12:00:00")) == at(upcoming)


def test_no_schedule():
    with pytest.raises(CronSimError):
        cronjob.next_time("whenever", at("2026-03-01T12:00:00"))
    broken = thing("CronJob", "c", spec={"schedule": "whenever", "jobTemplate": {}})
    assert kinds(cronjob.reconcile(known(), broken, NOW)) == ["Say"]


def a_cronjob(**spec):
    created = timestamp(NOW - 90 * NS)
    template = {"spec": {"template": TEMPLATE}}
    return thing("CronJob", "c", spec={"schedule": "* * * * *", "jobTemplate": template, **spec},
                 creationTimestamp=created)  # fmt: skip


def test_a_job_is_made_for_the_latest_time_that_came():
    actions = cronjob.reconcile(known(), a_cronjob(), NOW)
    [made] = [action.body for action in actions if isinstance(action, Create)]
    assert made["metadata"]["name"] == f"c-{NOW // NS // 60}"
    served = a_cronjob()
    served["status"] = {"lastScheduleTime": timestamp(NOW)}
    assert kinds(cronjob.reconcile(known(), served, NOW)) == ["Again"]


@pytest.mark.parametrize(
    ("policy", "expected"), [("Allow", "Create"), ("Forbid", "Say"), ("Replace", "Remove")]
)
def test_what_becomes_of_a_job_that_still_runs(policy, expected):
    cron = a_cronjob(concurrencyPolicy=policy)
    running = thing("Job", "c-1", ownerReferences=owner(cron))
    actions = [
        action for action in cronjob.reconcile(known(running), cron, NOW) if not isinstance(action, Change)
    ]
    assert type(actions[0]).__name__ == expected


def test_a_suspended_cronjob_makes_nothing():
    assert cronjob.reconcile(known(), a_cronjob(suspend=True), NOW) == []


# --- the rest -----------------------------------------------------------------------------------------------


def test_a_namespace_gets_what_it_lacks():
    space = thing("Namespace", "ns")
    assert [action.body["kind"] for action in accounts.reconcile(known(), space, "pem")] == [
        "ServiceAccount",
        "ConfigMap",
    ]
    space["metadata"]["deletionTimestamp"] = timestamp(NOW)
    assert accounts.reconcile(known(), space, "pem") == []


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_label_selectors(selector, matches):
    assert selects(selector, {"a": "1"}) is matches


def test_an_earlier_revision_does_not_overwrite_a_later_one():
    found = Known()
    late, early = pod("a", resourceVersion="10"), pod("a", resourceVersion="9")
    assert found.put(late)
    assert not found.put(early)
    assert found.get("Pod", "ns", "a") is late
    assert found.put({**early, "metadata": {**early["metadata"], "uid": "new"}})
    assert found.drop(seen(early)) is not None
    assert list(found.each()) == []


def test_hashes_tell_templates_apart_and_do_not_depend_on_the_order_of_keys():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    assert len(digest({})) == 10


def test_events_name_what_they_are_about():
    event = event_of(Say(pod("a"), "Reason", "text", warning=True), NOW, 0.5)
    assert event["involvedObject"]["name"] == "a"
    assert (event["type"], event["reason"], event["count"]) == ("Warning", "Reason", 1)
    assert event["source"]["component"] == "default-scheduler"
