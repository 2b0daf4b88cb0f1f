"""What goes wrong while the course runs, one after another: what the user sees, and that nothing is lost.

Killed parts, a full disk, a policy beyond what is enforced, a flood. Each test leaves the cluster as it was.
A clock that jumps is tested through the Clock port, by those who read it: all namespaces share the machine's.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from support.course import (
    MANIFESTS,
    OWN,
    Course,
    assert_nothing_is_left,
    course,
    descendants,
    eventually,
    newest,
    plain,
    started,
)
from support.kubectl import Kubectl, required

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]
FLOOD_PACKETS = 30_000
FLOOD_S = 3
FLOOD_PORT = 9999


@pytest.fixture(scope="module")
def lab(tmp_path_factory: Any) -> Iterator[Course]:
    """The course after module 3, step 6: the application runs, and facts may not be reached."""
    folder = tmp_path_factory.mktemp("faults")
    with course(folder, newest(), OWN, folder / "home", ["--demo"]) as running:
        running.running("catfacts", 3)
        running.kubectl(f"apply -f {MANIFESTS / 'tiers.yaml'} -f {MANIFESTS / 'catfacts-nwp.yaml'}")
        running.kubectl("delete pod -n catfacts -l app=facts")
        running.kubectl("create namespace quickstart")
        running.kubectl("run -n quickstart access --image=ocicat/probe --command -- sleep infinity")
        running.running("quickstart", 1)
        eventually(lambda: "facts.fails" in running.worker_says())
        yield running


def probe(lab: Course, *words: str) -> str:
    """What the pod `access` reaches, by the last line that the probe prints."""
    done = lab.kubectl.run(f"exec -n quickstart access -- {sys.executable} -m {PROBE} {' '.join(words)}")
    return done.out.strip().splitlines()[-1] if done.out.strip() else done.err


PROBE = "ocicat.cluster.pods.programs.probe"


def is_enforced(lab: Course) -> bool:
    """Whether the policies still hold: what is denied is denied, what is allowed is allowed."""
    facts, db = (
        lab.kubectl(f"get service {name} -n catfacts -o jsonpath={{.spec.clusterIP}}")
        for name in ("facts", "db")
    )
    denied = '"timeout"' in probe(lab, "connect", facts, "80", "--timeout", "1")
    return denied and '"timeout"' in probe(lab, "connect", db, "3306", "--timeout", "1")


def test_the_api_server_is_killed(lab: Course) -> None:
    """Clients wait a moment, nobody is refused, and what was acknowledged is there."""
    before = lab.kubectl("get pods -A -o name")
    for number in range(5):
        lab.kubectl(f"create configmap kept-{number} --from-literal=n={number}")
    lab.kill("app.up.apiprocess")
    assert lab.kubectl("create configmap after --from-literal=n=6") == "configmap/after created\n"
    names = lab.kubectl("get configmaps -o name").split()
    assert {f"configmap/kept-{number}" for number in range(5)} <= set(names)
    assert lab.kubectl("get pods -A -o name") == before
    assert "the API server ended with code -9 and is started again" in lab.log.read_text()
    # Its controllers go on too.
    lab.kubectl("delete pod -n catfacts -l app=facts")
    lab.running("catfacts", 3)
    assert is_enforced(lab)


def test_the_agent_is_killed(lab: Course) -> None:
    """The kernel goes on enforcing, and the next agent takes over, flows included."""
    lab.kill("ocicat agent")
    assert is_enforced(lab)
    eventually(lambda: "the agent of node-1 ended with code" in lab.log.read_text())
    now_ns = time.time_ns()
    eventually(lambda: len(lab.denied_since(now_ns)) > 0)
    lab.kubectl("patch -n catfacts caliconetworkpolicy application-catfacts.facts --type=json "
                '-p \'[{"op": "replace", "path": "/spec/ingress/0/action", "value": "Allow"}]\'')  # fmt: skip
    facts = lab.kubectl("get service facts -n catfacts -o jsonpath={.spec.clusterIP}")
    eventually(lambda: '"connected"' in probe(lab, "connect", facts, "80", "--timeout", "1"))
    lab.kubectl(f"replace -f {MANIFESTS / 'catfacts-nwp.yaml'}")
    eventually(lambda: '"timeout"' in probe(lab, "connect", facts, "80", "--timeout", "1"))


def test_the_hub_is_killed(lab: Course) -> None:
    """What it has shown is remembered, and the console goes on where it was."""
    old = {
        (flow["start_time"], flow["source_name"], flow["dest_name"]) for flow in lab.flows(startTimeGte=-60)
    }
    assert old
    lab.kill("ocicat hub")

    def again() -> bool:
        try:
            return httpx.get(f"{lab.console}/readyz", trust_env=False, timeout=30).status_code == 200
        except httpx.HTTPError:
            return False

    eventually(again)
    now_ns = time.time_ns()
    eventually(lambda: len(lab.denied_since(now_ns)) > 0)
    names = {(flow["source_name"], flow["dest_name"]) for flow in lab.flows()}
    assert {row[1:] for row in old} <= names
    restarts = "jsonpath={.items[0].status.containerStatuses[0].restartCount}"
    assert lab.kubectl(f"get pod -n calico-system -l k8s-app=goldmane -o {restarts}") == "1"


def test_a_policy_beyond_what_is_enforced_is_said(lab: Course) -> None:
    """Its rule with HTTP criteria denies rather than allows too much, and that is told where one looks."""
    lab.kubectl(
        "apply -f -",
        """
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: default.only-get, namespace: quickstart}
spec:
  selector: all()
  ingress: [{action: Allow, http: {methods: [GET]}}]
""",
    )
    try:
        status = [*OWN, "agent", "--node", "node-1", "--home", str(lab.agents), "status"]

        def said() -> str:
            return subprocess.run(status, capture_output=True, text=True, check=False).stdout

        eventually(lambda: "EN0001" in said())
        assert "only-get" in said()
        eventually(
            lambda: (
                "EN0001" in lab.kubectl("get events -n quickstart")
                or "HTTP" in lab.kubectl("get events -n quickstart")
            )
        )
    finally:
        lab.kubectl("delete caliconetworkpolicy -n quickstart default.only-get")


def test_a_flood_of_denied_packets_is_counted_and_hurts_nobody(lab: Course) -> None:
    lab.kubectl(
        "apply -f -",
        f"""
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {{name: application-catfacts.flood, namespace: quickstart}}
spec:
  tier: application-catfacts
  selector: all()
  types: [Egress]
  egress: [{{action: Deny, protocol: UDP, destination: {{ports: [{FLOOD_PORT}]}}}}, {{action: Pass}}]
""",
    )
    db = lab.kubectl("get pod -n catfacts -l app=db -o jsonpath={.items[0].status.podIP}")
    program = (
        "import socket,time; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); b=time.monotonic(); n=0\n"
        f"while n<{FLOOD_PACKETS}:\n"
        f" time.sleep(max(0, b+n*{FLOOD_S}/{FLOOD_PACKETS}-time.monotonic()))\n"
        f" for _ in range(100): s.sendto(b'x'*20,('{db}',{FLOOD_PORT})); n+=1\n"
    )
    time.sleep(1)
    flooding = lab.kubectl.popen("exec", "-n", "quickstart", "access", "--", sys.executable, "-c", program)
    try:
        lab.kubectl("get pods -A")
        assert lab.connections()
        said, wrong = flooding.communicate(timeout=60)
        assert flooding.returncode == 0, said + wrong
    finally:
        flooding.kill()

    def counted() -> int:
        rows = [flow for flow in lab.flows() if flow["dest_port"] == FLOOD_PORT and flow["reporter"] == "Src"]
        assert {flow["action"] for flow in rows} <= {"Deny"}
        return sum(flow["packets_out"] for flow in rows)

    eventually(counted, FLOOD_PACKETS)
    now_ns = time.time_ns()
    eventually(lambda: any(plain(flow["source_name"]) == "worker" for flow in lab.denied_since(now_ns)))
    lab.kubectl("delete caliconetworkpolicy -n quickstart application-catfacts.flood")


def test_ocicat_up_itself_is_killed(tmp_path: Path) -> None:
    """No process stays, and the next start finds everything that was acknowledged."""
    home = tmp_path / "home"
    command = [*OWN, "up", "--home", str(home), "--console-port", "0"]
    process, _ = started(tmp_path, command)
    kubeconfig = home / "default" / "api" / "kubeconfig"
    version = newest()
    kubectl = Kubectl(required(version), version, kubeconfig, tmp_path / "kube")
    kubectl("create configmap kept --from-literal=a=b")
    mine = [process.pid, *descendants(process.pid)]
    process.kill()
    process.wait(10)
    eventually(lambda: [pid for pid in mine if Path(f"/proc/{pid}").exists()], [], 20)
    assert_nothing_is_left(home)
    process, log = started(tmp_path, command)
    try:
        assert "kept" in kubectl("get configmaps")
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, log.read_text()


def test_the_disk_is_full(tmp_path: Path) -> None:
    """Writers are told so, readers go on, and with room again everything that was acknowledged is there."""
    home = tmp_path / "home"
    home.mkdir()
    script = (
        f"mount -t tmpfs -o size=48m tmpfs {home} && exec {' '.join(OWN)} up --home {home} --console-port 0"
    )
    process, log = started(tmp_path, ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script])
    try:
        seen = Path(f"/proc/{process.pid}/root{home}")
        version = newest()
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text((seen / "default" / "api" / "kubeconfig").read_text())
        kubectl = Kubectl(required(version), version, kubeconfig, tmp_path / "kube")
        kubectl("create configmap before --from-literal=a=b")
        fill(seen / "ballast")
        big = tmp_path / "big"
        big.write_text("x" * 500_000)
        told = kubectl.refused(f"create configmap big --from-file={big}")
        assert "disk" in told or "space" in told
        assert "before" in kubectl("get configmaps")
        (seen / "ballast").unlink()
        eventually(lambda: kubectl.run("create configmap after --from-literal=a=b").code, 0)
        names = kubectl("get configmaps -o name")
        assert "before" in names
        assert "after" in names
        assert "big" not in names
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, log.read_text()


def fill(ballast: Path) -> None:
    """Take all the room of a file system."""
    with ballast.open("wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(b"\0" * size)
            except OSError:
                size //= 2
