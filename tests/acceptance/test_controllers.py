"""Controllers with a real API server and real kubectl; a stand-in for the kubelet says that pods run."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.kubectl import NEW, Kubectl, required, start

pytestmark = pytest.mark.cluster
KUBELET = Path(__file__).parents[1] / "support" / "kubelet.py"

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: one, ports: [{name: http, containerPort: 8080}]}]
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("controllers")
    server = start(folder / "data")
    command = [sys.executable, str(KUBELET), str(server.kubeconfig)]
    with (folder / "controllers.log").open("wb") as log:
        controllers = subprocess.Popen(command, stdout=log, stderr=log)
    yield Kubectl(required(NEW), NEW, server.kubeconfig, folder / "home")
    controllers.kill()
    controllers.wait()
    server.stop()


@pytest.fixture
def here(cluster, request):
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower())[:50].strip("-")
    cluster(f"create namespace {name}")

    def kubectl(words, stdin=""):
        return cluster(f"-n {name} {words}", stdin)

    kubectl.namespace = name
    yield kubectl
    cluster(f"delete namespace {name} --wait=false")


def eventually(question, wanted, seconds=20):
    """Ask until the answer is `wanted`; the last answer otherwise fails the comparison."""
    deadline = time.monotonic() + seconds
    while (answer := question()) != wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    assert answer == wanted


def pods(kubectl, selector="app=web"):
    return kubectl(f"get pods -l {selector} -o name").split()


def test_rollout_restart_undo_and_scale(here):
    here("apply -f -", WEB)
    assert "successfully rolled out" in here("rollout status deployment/web --timeout=20s")
    assert len(pods(here)) == 3
    here("set image deployment/web web=two")
    assert "successfully rolled out" in here("rollout status deployment/web --timeout=20s")
    images = here("get pods -l app=web -o jsonpath={.items[*].spec.containers[0].image}").split()
    assert images == ["two"] * 3
    assert here("rollout history deployment/web").count("<none>") == 2
    here("rollout undo deployment/web")
    here("rollout status deployment/web --timeout=20s")
    images = here("get pods -l app=web -o jsonpath={.items[*].spec.containers[0].image}").split()
    assert images == ["one"] * 3
    before = set(pods(here))
    here("rollout restart deployment/web")
    here("rollout status deployment/web --timeout=20s")
    assert not before & set(pods(here))
    here("scale deployment/web --replicas=1")
    eventually(lambda: len(pods(here)), 1)
    assert "deployment.apps/web condition met" in here(
        "wait deployment/web --for=condition=Available --timeout=20s"
    )


def test_a_deleted_pod_comes_back_under_another_name(here):
    """Workshop, module 3, step 7."""
    here("apply -f -", WEB)
    here("rollout status deployment/web --timeout=20s")
    gone = pods(here)[0]
    here(f"delete {gone}")
    eventually(lambda: len(pods(here)), 3)
    assert gone not in pods(here)


def test_a_rollout_that_gets_stuck_keeps_enough_pods(here):
    here("apply -f -", WEB)
    here("rollout status deployment/web --timeout=20s")
    here("set image deployment/web web=broken")
    time.sleep(1)
    running = here("get pods -l app=web -o jsonpath={.items[*].spec.containers[0].image}").split()
    assert running.count("one") == 3
    assert running.count("broken") == 1  # maxSurge 25% of 3, rounded up; maxUnavailable rounded down is 0


def test_a_service_gets_its_endpoints(here):
    here("apply -f -", WEB)
    here("expose deployment web --port=80 --target-port=http")
    here("rollout status deployment/web --timeout=20s")

    def endpoints():
        found = json.loads(here("get endpointslices -l kubernetes.io/service-name=web -o json"))
        return sorted(
            (endpoint["conditions"]["ready"], port["port"])
            for item in found["items"]
            for endpoint in item["endpoints"]
            for port in item["ports"]
        )

    eventually(endpoints, [(True, 8080)] * 3)
    addresses = here("get endpoints web -o jsonpath={.subsets[0].addresses[*].ip}").split()
    assert len(addresses) == 3
    here("scale deployment/web --replicas=0")
    eventually(endpoints, [])


def test_cascades(here):
    here("apply -f -", WEB)
    here("rollout status deployment/web --timeout=20s")
    here("delete deployment web --cascade=orphan")
    assert len(here("get replicasets -o name").split()) == 1
    assert len(pods(here)) == 3
    here("delete replicaset --all --cascade=foreground")
    assert pods(here) == []
    here("apply -f -", WEB)
    here("rollout status deployment/web --timeout=20s")
    here("delete deployment web")
    eventually(lambda: pods(here) + here("get replicasets -o name").split(), [])


def test_a_namespace_goes_with_everything_in_it(cluster):
    cluster("create namespace doomed")
    cluster("-n doomed apply -f -", WEB)
    cluster("-n doomed create configmap kept --from-literal=a=b")
    cluster("-n doomed rollout status deployment/web --timeout=20s")
    cluster("delete namespace doomed --timeout=20s")
    assert "doomed" not in cluster("get namespaces -o name")


def test_every_namespace_has_its_account_and_authority(here):
    eventually(lambda: here("get serviceaccounts -o name"), "serviceaccount/default\n")
    eventually(lambda: here("get configmap kube-root-ca.crt -o jsonpath='{.data.ca\\.crt}'"), "pem")


def test_pods_are_spread_and_go_where_they_may(here):
    here("apply -f -", WEB)
    here("rollout status deployment/web --timeout=20s")
    nodes = here("get pods -l app=web -o jsonpath={.items[*].spec.nodeName}").split()
    assert set(nodes) == {"node-a", "node-b"}
    here("""run picky --image=serve '--overrides={"spec":{"nodeSelector":{"disk":"nowhere"}}}'""")
    text = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
    eventually(lambda: text in here("describe pod picky"), True)


STATEFUL = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 3
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: one}]}
"""


def test_stateful_sets_keep_their_names(here):
    here("apply -f -", STATEFUL)
    here("rollout status statefulset/db --timeout=20s")
    assert pods(here, "app=db") == ["pod/db-0", "pod/db-1", "pod/db-2"]
    here("scale statefulset/db --replicas=1")
    eventually(lambda: pods(here, "app=db"), ["pod/db-0"])
    here("set image statefulset/db db=two")
    here("rollout status statefulset/db --timeout=20s")
    assert here("get pod db-0 -o jsonpath={.spec.containers[0].image}") == "two"


def test_daemon_sets_have_a_pod_on_every_node(here):
    text = STATEFUL.replace("StatefulSet", "DaemonSet").replace("  serviceName: db\n  replicas: 3\n", "")
    here("apply -f -", text)
    here("rollout status daemonset/db --timeout=20s")
    nodes = here("get pods -l app=db -o jsonpath={.items[*].spec.nodeName}").split()
    assert sorted(nodes) == ["node-a", "node-b"]


@pytest.mark.parametrize("kind", ["statefulset", "daemonset"])
def test_earlier_templates_are_shown_and_come_back(here, kind):
    text = (
        STATEFUL
        if kind == "statefulset"
        else STATEFUL.replace("StatefulSet", "DaemonSet").replace("  serviceName: db\n  replicas: 3\n", "")
    )

    def images():
        here(f"rollout status {kind}/db --timeout=30s")
        return set(here("get pods -l app=db -o jsonpath={.items[*].spec.containers[0].image}").split())

    here("apply -f -", text)
    eventually(images, {"one"})
    here(f"annotate {kind}/db kubernetes.io/change-cause=newer")
    here(f"set image {kind}/db db=two")
    eventually(images, {"two"})
    history = [line.split() for line in here(f"rollout history {kind}/db").splitlines()[2:] if line]
    assert history == [["1", "<none>"], ["2", "newer"]]
    assert "one" in here(f"rollout history {kind}/db --revision=1")
    assert here(f"rollout undo {kind}/db") == f"{kind}.apps/db rolled back\n"
    eventually(images, {"one"})
    history = [line.split()[0] for line in here(f"rollout history {kind}/db").splitlines()[2:] if line]
    assert history == ["2", "3"], "the one that came back is the newest"


@pytest.mark.parametrize(("image", "condition"), [("succeeds", "complete"), ("fails", "failed")])
def test_jobs_end(here, image, condition):
    here(f"create job work --image={image}")
    here("""patch job work --type=merge -p '{"spec":{"backoffLimit":1}}'""")
    assert "condition met" in here(f"wait job/work --for=condition={condition} --timeout=20s")
