"""`ocicat up`: real pods, unmodified kubectl, and the agent's enforcement of the course's policies."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from support.kubectl import NEW, OLD, Kubectl, find, required

pytestmark = [pytest.mark.cluster, pytest.mark.kernel]
MANIFESTS = Path(__file__).parents[2] / "manifests"


def eventually(question, wanted, seconds=60):
    deadline = time.monotonic() + seconds
    while (answer := question()) != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    assert answer == wanted


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("up")
    command = [sys.executable, "-m", "ocicat", "up", "--name", "t", "--home", str(folder / "home")]
    command += ["--console-port", "0"]
    log = folder / "up.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, "CI": "true"})
    kubeconfig = folder / "home" / "t" / "api" / "kubeconfig"
    try:
        eventually(lambda: b"is up" in log.read_bytes() or process.poll(), True)
        version = NEW if find(NEW) else OLD
        yield Kubectl(required(version), version, kubeconfig, folder / "kube")
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) in (0, 130), log.read_text()
    left = subprocess.run(["pgrep", "-f", str(folder)], capture_output=True, text=True, check=False)
    assert left.stdout == ""


def logs_of_worker(cluster):
    return cluster("logs -n catfacts deployment/worker")


def test_the_courses_denial_with_real_packets(cluster):
    """Workshop, module 3: the application runs, the policies are applied, and the page breaks."""
    cluster(f"apply -f {MANIFESTS / 'tiers.yaml'} -f {MANIFESTS / 'catfacts.yaml'}")
    phases = "get pods -n catfacts -o jsonpath='{.items[*].status.phase}'"
    eventually(lambda: cluster(phases), "Running Running Running")
    eventually(lambda: "facts.works" in logs_of_worker(cluster), True)
    pod = cluster("get pods -n catfacts -l app=facts -o name").strip()
    assert "etc" in cluster(f"exec -n catfacts {pod} -- ls /").split()
    cluster(f"apply -f {MANIFESTS / 'catfacts-nwp.yaml'}")
    cluster(f"delete -n catfacts {pod}")
    eventually(lambda: "facts.fails" in logs_of_worker(cluster), True)
    fresh = cluster("get pods -n catfacts -l app=facts -o name").split()
    assert pod not in fresh
    assert page_through_a_forward(cluster) == 503


def page_through_a_forward(cluster):
    with cluster.popen("port-forward", "-n", "catfacts", "service/facts", ":80") as forward:
        try:
            said = forward.stdout.readline()
            port = said.split("->")[0].rpartition(":")[2].strip()
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        finally:
            forward.kill()


def test_an_edit_lets_the_worker_reach_facts_again(cluster):
    """Workshop, module 3, steps 11 and 12, without the outside that gives the page its facts."""
    patch = '[{"op": "replace", "path": "/spec/ingress/0/action", "value": "Allow"}]'
    policy = "caliconetworkpolicy application-catfacts.facts"
    cluster(f"patch -n catfacts {policy} --type=json -p '{patch}'")
    eventually(lambda: logs_of_worker(cluster).strip().splitlines()[-1].split()[1], "facts.works")


def test_names_are_resolved_in_pods(cluster):
    cluster("create namespace quickstart")
    cluster("run -n quickstart access --image=busybox --restart=Never -- sleep 300")
    eventually(lambda: cluster("get pod -n quickstart access -o jsonpath='{.status.phase}'"), "Running")
    said = cluster("exec -n quickstart access -- nslookup kubernetes.default.svc.cluster.local")
    assert "kubernetes.default.svc.cluster.local" in said


def test_an_image_that_nobody_knows_is_refused_with_those_that_there_are(cluster):
    cluster("run -n default strange --image=no/such")
    eventually(
        lambda: (
            "ErrImagePull" in cluster("get pod strange") or "ImagePullBackOff" in cluster("get pod strange")
        ),
        True,
    )
    assert "busybox" in cluster("describe pod strange")
