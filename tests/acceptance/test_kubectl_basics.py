"""Reading and writing with unmodified kubectls of both ages (spec/kubernetes-api §8, §10)."""

import json
import re
import time

import pytest
import yaml

from support.kubectl import NEW, OLD, Kubectl, required, start

pytestmark = pytest.mark.cluster


WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "nginx:1.25", ports: [{containerPort: 80}], env: [{name: A, value: "1"}]}
      - {name: side, image: busybox}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}, {name: more, port: 81}]}
"""
CHANGED = (
    WEB.replace("replicas: 2", "replicas: 3")
    .replace("1.25", "1.26")
    .replace("      - {name: side, image: busybox}\n", "")
)


def test_discovery_names_the_kinds(kubectl):
    rows = {line.split()[0]: line.split() for line in kubectl("api-resources --no-headers").splitlines()}
    assert rows["deployments"] == ["deployments", "deploy", "apps/v1", "true", "Deployment"]
    assert rows["tiers"] == ["tiers", "projectcalico.org/v3", "false", "Tier"]
    wanted = ["clusterinformations", "clusterinfo", "projectcalico.org/v3", "false", "ClusterInformation"]
    assert rows["clusterinformations"] == wanted
    names = kubectl("api-resources --no-headers --api-group=projectcalico.org -o wide")
    assert "cnp,caliconetworkpolicy,caliconetworkpolicies" in names
    assert "tiers.projectcalico.org" in kubectl("api-resources -o name").split()


def test_apply_diff_and_apply_again(kubectl, namespace):
    here = f"-n {namespace}"
    assert kubectl(f"{here} apply -f -", WEB) == "deployment.apps/web created\nservice/web created\n"
    assert kubectl(f"{here} apply -f -", WEB) == "deployment.apps/web unchanged\nservice/web unchanged\n"
    found = kubectl.run(f"{here} diff -f -", CHANGED)
    assert found.code == 1
    assert "-  replicas: 2\n+  replicas: 3" in found.out
    assert "-  generation: 1\n+  generation: 2" in found.out
    assert "-      - image: busybox" in found.out
    assert "configured" in kubectl(f"{here} apply -f - --dry-run=server", CHANGED)
    assert kubectl(f"{here} get deploy web -o jsonpath='{{.spec.replicas}}'") == "2"
    assert kubectl(f"{here} apply -f -", CHANGED) == "deployment.apps/web configured\nservice/web unchanged\n"
    template = "'{.spec.replicas} {.spec.template.spec.containers[*].image} {.metadata.generation}'"
    assert kubectl(f"{here} get deploy web -o jsonpath={template}") == "3 nginx:1.26 2"
    assert kubectl.run(f"{here} diff -f -", CHANGED).code == 0


def test_server_side_apply_finds_conflicts(kubectl, namespace):
    here = f"-n {namespace} apply --server-side"
    assert (
        kubectl(f"{here} -f -", WEB)
        == "deployment.apps/web serverside-applied\nservice/web serverside-applied\n"
    )
    more = WEB.replace("replicas: 2", "replicas: 9")
    said = kubectl.refused(f"{here} --field-manager=other -f -", more)
    assert 'Apply failed with 1 conflict: conflict with "kubectl": .spec.replicas' in said
    kubectl(f"{here} --field-manager=other --force-conflicts -f -", more)
    assert kubectl(f"-n {namespace} get deploy web -o jsonpath='{{.spec.replicas}}'") == "9"


def test_client_side_apply_goes_over_to_server_side(kubectl, namespace):
    kubectl(f"-n {namespace} apply -f -", WEB)
    kubectl(f"-n {namespace} apply --server-side --force-conflicts -f -", WEB)
    before = kubectl(f"-n {namespace} get deploy web -o jsonpath='{{.metadata.resourceVersion}}'")
    kubectl(f"-n {namespace} apply --server-side --force-conflicts -f -", WEB)
    assert kubectl(f"-n {namespace} get deploy web -o jsonpath='{{.metadata.resourceVersion}}'") == before


def test_the_everyday_changes(kubectl, namespace):
    here = f"-n {namespace}"
    kubectl(f"{here} apply -f -", WEB)
    assert kubectl(f"{here} label deploy web tier=front") == "deployment.apps/web labeled\n"
    kubectl(f"{here} annotate deploy web note=hello")
    image = """'{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"nginx:2"}]}}}}'"""
    assert kubectl(f"{here} patch deploy web -p {image}") == "deployment.apps/web patched\n"
    step = """'[{"op":"replace","path":"/spec/replicas","value":7}]'"""
    kubectl(f"{here} patch deploy web --type=json -p {step}")
    assert kubectl(f"{here} scale deploy web --replicas=4") == "deployment.apps/web scaled\n"
    assert kubectl(f"{here} rollout restart deploy web") == "deployment.apps/web restarted\n"
    assert kubectl(f"{here} set image deploy/web side=busybox:2") == "deployment.apps/web image updated\n"
    assert kubectl(f"{here} edit deploy web", EDITOR="sed -i s/replicas:.4/replicas:\\ 6/") == (
        "deployment.apps/web edited\n"
    )
    found = json.loads(kubectl(f"{here} get deploy web -o json"))
    images = [row["image"] for row in found["spec"]["template"]["spec"]["containers"]]
    assert (found["spec"]["replicas"], images) == (6, ["nginx:2", "busybox:2"])
    assert found["metadata"]["labels"] == {"app": "web", "tier": "front"}
    assert found["metadata"]["generation"] == 7
    assert kubectl(f"{here} replace -f -", json.dumps(found)) == "deployment.apps/web replaced\n"
    found["metadata"]["resourceVersion"] = "1"
    stale = kubectl.refused(f"{here} replace -f -", json.dumps(found))
    assert "the object has been modified; please apply your changes to the latest version" in stale


def test_create_by_every_encoding(kubectl, namespace):
    """`kubectl create` sends protobuf since 1.32, `run` and `expose` JSON (§6, §8)."""
    here = f"-n {namespace}"
    kubectl(f"{here} create deployment nginx --image=nginx --replicas=2 --port=80")
    kubectl(f"{here} expose deployment nginx --port=80")
    kubectl(f"{here} create configmap c --from-literal=a=b")
    kubectl(f"{here} create secret generic s --from-literal=a=b")
    kubectl(f"{here} create serviceaccount bob")
    kubectl(f"{here} create job j --image=busybox -- date")
    kubectl(f"{here} create role r --verb=get,list --resource=pods,deployments.apps")
    kubectl(f"{here} create rolebinding b --role=r --serviceaccount={namespace}:bob")
    kubectl(f"{here} create service clusterip cs --tcp=80:8080")
    kubectl(f"{here} run p --image=nginx:1.0 --env=A=b --port=80")
    deployment = json.loads(kubectl(f"{here} get deploy nginx -o json"))
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert deployment["spec"]["replicas"] == 2
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert container["imagePullPolicy"] == "Always"
    assert json.loads(kubectl(f"{here} get secret s -o json"))["data"] == {"a": "Yg=="}
    role = json.loads(kubectl(f"{here} get role r -o json"))
    assert {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list"]} in role["rules"]
    pod = json.loads(kubectl(f"{here} get pod p -o json"))
    assert pod["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    assert pod["spec"]["terminationGracePeriodSeconds"] == 30
    assert pod["status"]["phase"] == "Pending"
    service = json.loads(kubectl(f"{here} get svc nginx -o json"))
    assert service["spec"]["clusterIPs"] == [service["spec"]["clusterIP"]]
    assert service["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    listed = kubectl(f"{here} get all --no-headers")
    assert [line.split()[0] for line in listed.splitlines() if line] == [
        "pod/p", "service/cs", "service/nginx", "deployment.apps/nginx", "job.batch/j",
    ]  # fmt: skip


def test_tables(kubectl, namespace):
    here = f"-n {namespace}"
    kubectl(f"{here} run p --image=nginx")
    kubectl(f"{here} apply -f -", WEB)
    assert kubectl(f"{here} get pods").split("\n")[0].split() == [
        "NAME",
        "READY",
        "STATUS",
        "RESTARTS",
        "AGE",
    ]
    wide = kubectl(f"{here} get pods -o wide").split("\n")[0]
    assert " ".join(wide.split()).endswith("AGE IP NODE NOMINATED NODE READINESS GATES")
    deployment = kubectl(f"{here} get deploy -o wide --no-headers").split()
    assert deployment[:4] == ["web", "0/2", "0", "0"]
    assert deployment[5:] == ["web,side", "nginx:1.25,busybox", "app=web"]
    assert kubectl(f"{here} get svc --no-headers").split()[4] == "80/TCP,81/TCP"
    assert kubectl("get pods -A --no-headers").split()[0] != "p"
    names = kubectl(f"{here} get pods --show-labels --sort-by=.metadata.name --no-headers")
    assert names.split()[-1] == "run=p"
    assert kubectl(f"{here} get pods -l run=other", "") == ""
    assert "p " in kubectl(f"{here} get pods -l 'run in (p,q),!other' --field-selector status.phase=Pending")


def test_describe(kubectl, namespace):
    kubectl(f"-n {namespace} apply -f -", WEB)
    said = kubectl(f"-n {namespace} describe deploy web")
    assert "Replicas:               2 desired | 0 updated | 0 total | 0 available | 0 unavailable" in said
    assert "RollingUpdateStrategy:  25% max unavailable, 25% max surge" in said
    assert re.search(r"^Port: +http  80/TCP$", kubectl(f"-n {namespace} describe svc web"), re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("deployment.spec.replicas", "Number of desired pods."),
        ("pod.spec.containers.image", "Container image name."),
        ("caliconetworkpolicies.spec.ingress.action", "What the rule does with a packet"),
        ("tiers.spec.order", "Where it stands among its like"),
        ("clusternetworkpolicies.spec.priority", "lower numbers first"),
        ("crd.spec.versions.schema.openAPIV3Schema", "OpenAPI v3 schema"),
    ],
)
def test_explain_has_real_documentation(kubectl, words, line):
    assert line in " ".join(kubectl(f"explain {words}").split())


def test_explain_uses_openapi_v3_when_it_can(kubectl):
    """A failing v3 makes kubectl fall back to v2 silently; only v3 prints GROUP and `<[]Rule>` (§3)."""
    said = kubectl("explain caliconetworkpolicies.spec.ingress")
    if kubectl.version == OLD:
        assert "RESOURCE: ingress <[]Object>" in said
    else:
        assert "GROUP:      projectcalico.org" in said
        assert "FIELD: ingress <[]Rule>" in said


def test_deletion_is_waited_for(kubectl, namespace):
    here = f"-n {namespace}"
    kubectl(f"{here} apply -f -", WEB)
    assert 'deployment.apps "web" deleted' in kubectl(f"{here} delete deploy web")
    assert 'deployments.apps "web" not found' in kubectl.refused(f"{here} get deploy web")
    assert kubectl(f"{here} delete -f - --ignore-not-found", WEB).startswith('service "web" deleted')
    kubectl(f"{here} create configmap c --from-literal=a=b")
    finalizer = """'{"metadata":{"finalizers":["example.com/hold"]}}'"""
    kubectl(f"{here} patch cm c --type=merge -p {finalizer}")
    kubectl(f"{here} delete cm c --wait=false")
    assert kubectl(f"{here} get cm c -o jsonpath='{{.metadata.deletionTimestamp}}'") != ""
    nothing = """'{"metadata":{"finalizers":null}}'"""
    kubectl(f"{here} patch cm c --type=merge -p {nothing}")
    assert 'configmaps "c" not found' in kubectl.refused(f"{here} get cm c")


def test_watch_shows_what_comes(kubectl, namespace):
    process = kubectl.popen("-n", namespace, "get", "cm", "-w", "--no-headers")
    try:
        kubectl(f"-n {namespace} create configmap a --from-literal=x=1")
        assert process.stdout.readline().split()[:2] == ["a", "1"]
        kubectl(f"-n {namespace} create configmap b --from-literal=x=1 --from-literal=y=2")
        assert process.stdout.readline().split()[:2] == ["b", "2"]
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_unknown_fields_are_refused_or_warned_about(kubectl, namespace):
    wrong = WEB.replace("replicas: 2", "replicaz: 2")
    refused = 'unknown field "replicaz" in' if kubectl.version == OLD else 'unknown field "spec.replicaz"'
    assert refused in kubectl.refused(f"-n {namespace} apply -f -", wrong)
    loose = "--validate=false" if kubectl.version == OLD else "--validate=warn"
    said = kubectl.run(f"-n {namespace} apply {loose} -f -", wrong)
    assert said.code == 0
    assert 'Warning: unknown field "spec.replicaz"' in said.err


def test_errors_are_those_that_people_know(kubectl, namespace):
    assert (
        kubectl.refused("get ns nowhere") == 'Error from server (NotFound): namespaces "nowhere" not found\n'
    )
    said = kubectl.refused("-n nowhere create configmap a")
    assert 'namespaces "nowhere" not found' in said
    kubectl(f"-n {namespace} create configmap a")
    assert 'configmaps "a" already exists' in kubectl.refused(f"-n {namespace} create configmap a")
    bad = WEB.replace("matchLabels: {app: web}", "matchLabels: {app: other}")
    assert "`selector` does not match template `labels`" in kubectl.refused(
        f"-n {namespace} create -f -", bad
    )


def test_what_needs_a_node_is_refused_as_a_real_cluster_does(kubectl, namespace):
    kubectl(f"-n {namespace} run p --image=nginx")
    for words in ("logs p", "exec p -- ls"):
        assert "pod p does not have a host assigned" in kubectl.refused(f"-n {namespace} {words}")


def test_clusterinfo_answers_with_a_version(kubectl):
    """Module 1, step 1 of the workshop."""
    found = yaml.safe_load(kubectl("get clusterinfo -o yaml"))
    assert found["items"][0]["spec"]["calicoVersion"].startswith("v3.")


def test_everything_is_there_after_a_kill(tmp_path):
    """Survives `kill -9` with nothing acknowledged lost."""
    server = start(tmp_path / "state")
    kubectl = Kubectl(required(NEW), NEW, server.kubeconfig, tmp_path)
    try:
        for number in range(5):
            kubectl(f"create configmap c{number} --from-literal=a=b")
        before = kubectl("get cm -o json")
    finally:
        server.kill()
    again = start(tmp_path / "state")
    try:
        assert kubectl("get cm -o json") == before
        kubectl("create configmap after --from-literal=a=b")
        old, new = json.loads(before)["items"][-1], json.loads(kubectl("get cm after -o json"))
        assert int(new["metadata"]["resourceVersion"]) > int(old["metadata"]["resourceVersion"])
    finally:
        assert again.stop() == 0


def test_ready_within_seconds_and_gone_without_a_trace(tmp_path):
    server = start(tmp_path / "state")
    assert server.stop() == 0
    deadline = time.monotonic() + 10
    while server.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.process.poll() == 0
