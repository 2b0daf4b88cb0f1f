"""Pods as kubectl's user knows them: what containers see, how they start, fail, are asked, and end."""

import base64
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.course import OWN, eventually
from support.podcluster import PodCluster

pytestmark = [pytest.mark.cluster, pytest.mark.kernel]
SLEEPS = 'command: [sh, -c, "trap exit TERM; while true; do sleep 0.1; done"]'
"""A container that goes on, and ends at once when it is asked to."""

SEES = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: green, "a.conf": "x = 1\\n"}
binaryData: {bytes: AAEC}
---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {password: hunter2}
---
apiVersion: v1
kind: Pod
metadata: {name: sees, labels: {tier: one}, annotations: {note: 'say "hi"'}}
spec:
  hostAliases: [{ip: 10.9.8.7, hostnames: [old.example, older.example]}]
  initContainers:
  - {name: first, image: busybox, command: [sh, -c, "echo one > /pool/made"], volumeMounts: [&work {name: work, mountPath: /pool}]}
  - {name: second, image: busybox, command: [sh, -c, "echo two >> /pool/made; cat /pool/made"], volumeMounts: [*work]}
  containers:
  - name: main
    image: busybox
    command: [sh, -c, "env; trap exit TERM; while true; do sleep 0.1; done"]
    resources: {limits: {cpu: 1500m, memory: 64Mi}}
    envFrom: [{configMapRef: {name: settings}, prefix: MAP_}, {secretRef: {name: key}}]
    env:
    - {name: EARLY, value: "$(NAME)"}
    - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: LATER, value: "$(NAME) $$(NAME)"}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: HOST_IP, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
    - {name: TIER, valueFrom: {fieldRef: {fieldPath: "metadata.labels['tier']"}}}
    - {name: CPUS, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
    - {name: MEGABYTES, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
    - {name: ONE, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}
    - {name: NONE, valueFrom: {configMapKeyRef: {name: absent, key: colour, optional: true}}}
    volumeMounts:
    - *work
    - {name: settings, mountPath: /settings}
    - {name: settings, mountPath: /etc/only.conf, subPath: a.conf}
    - {name: key, mountPath: /key}
    - {name: about, mountPath: /about}
    - {name: all, mountPath: /all}
    - {name: maybe, mountPath: /maybe}
  - {name: side, image: busybox, command: [sh, -c, "trap exit TERM; while true; do sleep 0.1; done"], volumeMounts: [*work]}
  volumes:
  - {name: work, emptyDir: {}}
  - {name: settings, configMap: {name: settings}}
  - {name: key, secret: {secretName: key, defaultMode: 0400}}
  - {name: maybe, configMap: {name: absent, optional: true}}
  - name: about
    downwardAPI:
      items:
      - {path: labels, fieldRef: {fieldPath: metadata.labels}}
      - {path: memory, resourceFieldRef: {containerName: main, resource: limits.memory}}
  - name: all
    projected:
      sources:
      - configMap: {name: settings, items: [{key: colour, path: deep/colour}]}
      - secret: {name: key}
      - downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}
      - serviceAccountToken: {path: token, audience: vault, expirationSeconds: 3600}
"""  # noqa: E501 — one line for each container


def test_a_container_sees_what_its_pod_says(cluster: PodCluster) -> None:
    cluster.apply(SEES)
    cluster.ready("sees")
    env = dict(line.split("=", 1) for line in cluster("logs sees -c main").splitlines())
    status = cluster.status("sees")
    wanted = {
        "MAP_colour": "green", "password": "hunter2", "EARLY": "$(NAME)", "NAME": "sees",
        "LATER": "sees $(NAME)", "POD_IP": status["podIP"], "HOST_IP": status["hostIP"], "TIER": "one",
        "CPUS": "2", "MEGABYTES": "64", "ONE": "green", "KUBERNETES_SERVICE_HOST": "10.96.0.1",
        "HOSTNAME": "sees",
    }  # fmt: skip
    assert {name: env.get(name) for name in wanted} == wanted
    assert "NONE" not in env
    eventually(
        lambda: "Limits of cpu, memory of container main are not enforced" in cluster("describe pod sees")
    )
    assert "MAP_bytes" not in env  # what is not text is for volumes alone
    assert env["NODE"] in ("node-1", "node-2")


def test_volumes_hold_what_the_cluster_says(cluster: PodCluster) -> None:
    cluster.apply(SEES)
    cluster.ready("sees")

    def said(script: str) -> list[str]:
        return cluster("exec -i sees -c main -- sh -s", script).splitlines()

    assert said("cat /settings/a.conf /etc/only.conf /all/deep/colour") == ["x = 1", "x = 1", "green"]
    assert said("cat /all/password /all/name") == ["hunter2sees"]
    assert said("od -An -tx1 /settings/bytes") == [" 00 01 02"]
    assert said("stat -L -c %a /key/password /settings/colour") == ["400", "644"]
    assert said("cat /about/labels; echo; cat /about/memory; ls /maybe | wc -l") == [
        'tier="one"', "671088640",
    ]  # fmt: skip
    assert said("cat /pool/made") == ["one", "two"]
    assert said("touch /settings/x 2>/dev/null || echo refused") == ["refused"]
    payload = said("cat /all/token")[0].split(".")[1]
    assert b'"aud":["vault"]' in base64.urlsafe_b64decode(payload + "==").replace(b" ", b"")


def test_a_pods_hosts_and_resolver(cluster: PodCluster) -> None:
    cluster.apply(SEES)
    cluster.ready("sees")
    status = cluster.status("sees")
    hosts = cluster("exec sees -c side -- cat /etc/hosts")
    assert f"{status['podIP']}\tsees\n" in hosts
    assert "10.9.8.7\told.example\tolder.example\n" in hosts
    space = cluster.space
    assert cluster("exec sees -c side -- cat /etc/resolv.conf").splitlines() == [
        f"search {space}.svc.cluster.local svc.cluster.local cluster.local",
        "nameserver 10.96.0.10",
        "options ndots:5",
    ]


def test_init_containers_come_one_after_the_other_and_logs_are_kept_apart(cluster: PodCluster) -> None:
    cluster.apply(SEES)
    cluster.ready("sees")
    assert cluster("logs sees -c second") == "one\ntwo\n"
    ended = [row["state"]["terminated"]["reason"] for row in cluster.status("sees")["initContainerStatuses"]]
    assert ended == ["Completed", "Completed"]
    assert cluster("get pod sees --no-headers").split()[1:3] == ["2/2", "Running"]


def test_a_mounted_configmap_follows_its_object(cluster: PodCluster) -> None:
    cluster.apply(SEES)
    cluster.ready("sees")
    cluster('patch configmap settings -p \'{"data": {"colour": "red"}}\'')
    read = "exec sees -c main -- cat /settings/colour"
    eventually(lambda: cluster(read), "red", 60)


def test_what_is_missing_is_said_and_waited_for(cluster: PodCluster) -> None:
    cluster.pod("waits", f"envFrom: [{{configMapRef: {{name: later}}}}], {SLEEPS}")
    eventually(lambda: cluster.waits("waits"), "CreateContainerConfigError")
    eventually(lambda: 'configmap "later" not found' in cluster("describe pod waits"))
    cluster("create configmap later --from-literal=found=yes")
    cluster.ready("waits")
    assert cluster.sh("waits", "echo $found") == "yes\n"


def test_a_container_that_fails_again_and_again_backs_off(cluster: PodCluster) -> None:
    cluster.pod("crash", 'command: [sh, -c, "echo boom; exit 7"]')
    eventually(lambda: "CrashLoopBackOff" in cluster("get pod crash --no-headers"))
    row = cluster.container("crash")
    assert row["restartCount"] >= 1
    assert row["state"]["waiting"]["message"].startswith(
        "back-off 10s restarting failed container=c pod=crash_"
    )
    assert row["lastState"]["terminated"]["exitCode"] == 7
    assert row["lastState"]["terminated"]["reason"] == "Error"
    assert cluster("logs crash") == "boom\n"
    assert cluster("logs crash --previous") == "boom\n"
    eventually(
        lambda: "Back-off restarting failed container c in pod crash_" in cluster("describe pod crash")
    )


@pytest.mark.parametrize(
    ("policy", "command", "phase", "shown"),
    [
        ("Never", "exit 3", "Failed", "Error"),
        ("Never", "exit 0", "Succeeded", "Completed"),
        ("OnFailure", "exit 0", "Succeeded", "Completed"),
    ],
)
def test_a_pod_that_ends(cluster: PodCluster, policy: str, command: str, phase: str, shown: str) -> None:
    cluster.pod("ends", f'command: [sh, -c, "{command}"]', f"restartPolicy: {policy}")
    eventually(lambda: cluster.status("ends")["phase"], phase)
    assert cluster("get pod ends --no-headers").split()[1:4] == ["0/1", shown, "0"]


def test_a_program_that_does_not_exist(cluster: PodCluster) -> None:
    cluster.pod("nothing", "command: [/no/such]", "restartPolicy: Never")
    eventually(lambda: cluster.status("nothing")["phase"], "Failed")
    ended = cluster.container("nothing")["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert '"/no/such": no such file or directory' in ended["message"]


def test_the_last_word_of_a_container_is_in_its_status(cluster: PodCluster) -> None:
    cluster.pod(
        "word", 'command: [sh, -c, "echo because > /dev/termination-log; exit 1"]', "restartPolicy: Never"
    )
    eventually(lambda: cluster.status("word")["phase"], "Failed")
    assert cluster.container("word")["state"]["terminated"]["message"] == "because\n"


def test_an_init_container_that_fails_holds_the_pod_up(cluster: PodCluster) -> None:
    cluster.pod("stuck", SLEEPS, 'initContainers: [{name: i, image: busybox, command: ["false"]}]')
    eventually(lambda: "Init:CrashLoopBackOff" in cluster("get pod stuck --no-headers"))
    assert cluster.status("stuck")["phase"] == "Pending"


def test_a_sidecar_starts_first_and_ends_with_the_main_containers(cluster: PodCluster) -> None:
    side = f"{{name: side, image: busybox, restartPolicy: Always, {SLEEPS}}}"
    cluster.pod("job", 'command: [sh, -c, "sleep 1"]', f"restartPolicy: Never, initContainers: [{side}]")
    eventually(lambda: cluster.status("job")["phase"], "Succeeded")


def test_readiness_by_a_command(cluster: PodCluster) -> None:
    probe = "readinessProbe: {exec: {command: [cat, /tmp/ready]}, periodSeconds: 1}"
    cluster.pod("asked", f"{SLEEPS}, {probe}")
    cluster("expose pod asked --port=80")
    eventually(lambda: cluster.status("asked")["phase"], "Running")
    eventually(lambda: "Readiness probe failed: command exited with 1" in cluster("describe pod asked"))
    assert cluster("get pod asked --no-headers").split()[1] == "0/1"
    assert cluster("get endpoints asked -o jsonpath='{.subsets[0].addresses}'") == ""
    cluster.sh("asked", "touch /tmp/ready")
    cluster.ready("asked")
    cluster.sh("asked", "rm /tmp/ready")
    eventually(lambda: cluster("get pod asked --no-headers").split()[1], "0/1")


def test_liveness_restarts_and_a_startup_probe_holds_it_back(cluster: PodCluster) -> None:
    asks = "exec: {command: [test, -e, /tmp/begun]}, periodSeconds: 1"
    waits = "trap exit TERM; while true; do sleep 0.1; done"
    cluster.pod(
        "lives",
        f'command: [sh, -c, "sleep 2; touch /tmp/begun; {waits}"], '
        f"startupProbe: {{{asks}, failureThreshold: 20}}, livenessProbe: {{{asks}, failureThreshold: 1}}",
    )
    eventually(lambda: cluster.container("lives").get("started"), True)
    assert cluster.container("lives")["restartCount"] == 0
    cluster.sh("lives", "rm /tmp/begun")
    eventually(lambda: cluster.container("lives").get("restartCount"), 1)
    assert "Container c failed liveness probe, will be restarted" in cluster("describe pod lives")


def test_nginx_serves_its_page_and_is_asked_by_http(cluster: PodCluster) -> None:
    cluster.apply("""
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web}
        spec:
          replicas: 2
          selector: {matchLabels: {app: web}}
          template:
            metadata: {labels: {app: web}}
            spec:
              containers:
              - name: nginx
                image: nginx
                ports: [{name: http, containerPort: 80}]
                readinessProbe: {httpGet: {path: /index.html, port: http}, periodSeconds: 1}
    """)
    cluster("expose deployment web")
    cluster("rollout status deployment/web --timeout=50s")
    cluster.pod("client", SLEEPS)
    cluster.ready("client")
    assert "Welcome to nginx!" in cluster.sh("client", f"wget -T 5 -qO- http://web.{cluster.space}")
    eventually(lambda: "kube-probe/1.32" in cluster("logs deployment/web"))


def test_hooks_run_after_the_start_and_before_the_end(cluster: PodCluster) -> None:
    hooks = (
        'lifecycle: {postStart: {exec: {command: [sh, -c, "echo started > /shared/post"]}}, '
        'preStop: {exec: {command: [sh, -c, "echo stopping > /shared/pre"]}}}'
    )
    mount = "volumeMounts: [{name: shared, mountPath: /shared}]"
    shared = f"volumes: [{{name: shared, hostPath: {{path: /{cluster.space}}}}}], nodeName: node-1"
    cluster.pod("hooked", f"{SLEEPS}, {hooks}, {mount}", shared)
    cluster.pod("reader", f"{SLEEPS}, {mount}", shared)
    cluster.ready("hooked")
    cluster.ready("reader")
    assert cluster.sh("reader", "cat /shared/post; ls /shared") == "started\npost\n"
    cluster("delete pod hooked")
    assert cluster.sh("reader", "cat /shared/pre") == "stopping\n"


def test_the_time_that_a_pod_has_to_end(cluster: PodCluster) -> None:
    """SIGTERM first: who listens may clean up; who does not is killed when the time is over."""
    mount = "volumeMounts: [{name: shared, mountPath: /shared}]"
    shared = f"volumes: [{{name: shared, hostPath: {{path: /{cluster.space}}}}}], nodeName: node-1"
    trap = "trap 'sleep 1; echo clean > /shared/done; exit' TERM; while true; do sleep 0.1; done"
    cleans = f'command: [sh, -c, "{trap}"]'
    cluster.pod("cleans", f"{cleans}, {mount}", shared)
    cluster.pod("deaf", 'command: [sleep, "1000"]', "terminationGracePeriodSeconds: 1")
    cluster.pod("reader", f"{SLEEPS}, {mount}", shared)
    for name in ("cleans", "deaf", "reader"):
        cluster.ready(name)
    cluster("delete pod cleans deaf")
    assert cluster.sh("reader", "cat /shared/done") == "clean\n"


def test_a_pod_that_takes_too_long_has_failed(cluster: PodCluster) -> None:
    cluster.pod("late", SLEEPS, "activeDeadlineSeconds: 1")
    eventually(lambda: cluster.status("late")["phase"], "Failed")
    assert cluster.status("late")["reason"] == "DeadlineExceeded"
    # On a slow machine its time may be over before its container has started.
    eventually(lambda: "running" in cluster.container("late")["state"], False)


def test_rights_of_a_container(cluster: PodCluster) -> None:
    cluster.pod("user", (
        f"{SLEEPS}, securityContext: {{runAsUser: 1000, runAsGroup: 3000, readOnlyRootFilesystem: true, "
        "allowPrivilegeEscalation: false}"
    ))  # fmt: skip
    cluster.pod("weak", f"{SLEEPS}, securityContext: {{capabilities: {{drop: [ALL], add: [NET_RAW]}}}}")
    cluster.pod("refused", f"{SLEEPS}, securityContext: {{runAsNonRoot: true}}")
    cluster.ready("user")
    cluster.ready("weak")
    said = cluster.sh("user", "id -u; id -g; touch /x 2>&1; grep -E 'CapEff|NoNewPrivs' /proc/1/status")
    refused = ["touch:", "/x:", "Read-only", "file", "system"]
    assert said.split() == ["1000", "3000", *refused, "CapEff:", "0" * 16, "NoNewPrivs:", "1"]
    assert cluster.sh("weak", "grep CapEff /proc/self/status").split() == ["CapEff:", f"{1 << 13:016x}"]
    eventually(lambda: cluster.waits("refused"), "CreateContainerConfigError")


def test_an_unknown_image_is_named_with_those_that_there_are(cluster: PodCluster) -> None:
    cluster("run strange --image=redis:7")
    eventually(lambda: cluster.waits("strange"), "ErrImagePull")
    message = cluster.container("strange")["state"]["waiting"]["message"]
    assert message.startswith('there is no image "redis:7" here; there are: busybox, nginx, ocicat/')
    eventually(lambda: cluster.waits("strange"), "ImagePullBackOff")


def test_an_image_that_was_added_is_run(cluster: PodCluster, tmp_path: Path) -> None:
    """A root file system with one program, as `ocicat image add` takes it."""
    cluster.pod("usual", SLEEPS)
    cluster.ready("usual")
    (tmp_path / "bin").mkdir()
    state = Path(cluster.kubectl.environment["KUBECONFIG"]).parents[1]
    busybox = next((state / "images" / "made").glob("*/busybox.*/bin/busybox"))
    shutil.copy(busybox, tmp_path / "bin" / "sh")
    needed = subprocess.run(["ldd", busybox], capture_output=True, text=True, check=True).stdout
    for library in re.findall(r"/\S+", needed):
        (tmp_path / library[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, tmp_path / library[1:])
    where = ["--name", state.name, "--home", str(state.parent)]

    def image(*words: str) -> str:
        done = subprocess.run([*OWN, "image", *words, *where], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert image("add", "mine", str(tmp_path)) == "mine is there; it runs /bin/sh\n"
    assert str(tmp_path) in image("list")
    cluster("run other --image=example.com/mine --restart=Never -- /bin/sh")
    eventually(lambda: cluster.waits("other"), "ErrImagePull")
    cluster.apply("""
        apiVersion: v1
        kind: Pod
        metadata: {name: own}
        spec: {containers: [{name: c, image: "mine:1", tty: true, stdin: true}]}
    """)
    cluster.ready("own")
    assert image("remove", "mine") == "mine is gone\n"
    assert cluster("exec own -- /bin/sh -c 'echo still here'") == "still here\n"


def test_events_tell_the_way_of_a_pod_and_count_what_is_said_again(cluster: PodCluster) -> None:
    cluster.pod("told", f"{SLEEPS}, readinessProbe: {{exec: {{command: ['false']}}, periodSeconds: 1}}")
    count = "get events --field-selector reason=Unhealthy -o jsonpath='{.items[*].count}'"
    eventually(lambda: int(cluster(count) or 0) > 1)
    assert len(cluster(count).split()) == 1
    reasons = cluster("get events --field-selector involvedObject.name=told -o jsonpath='{.items[*].reason}'")
    assert {"Scheduled", "Pulled", "Created", "Started", "Unhealthy"} == set(reasons.split())


def test_a_pods_first_connection_is_not_lost(cluster: PodCluster) -> None:
    """A container starts when its packets are let through: none waits for a second try."""
    cluster("create deployment web --image=nginx --port=80")
    cluster("rollout status deployment/web --timeout=50s")
    address = cluster("get pod -l app=web -o jsonpath='{.items[0].status.podIP}'")
    script = f"wget -T 1 -qO /dev/null http://{address}/ && echo reached"
    for number in range(5):
        cluster.pod(f"quick-{number}", f'command: [sh, -c, "{script}"]', "restartPolicy: Never")
    for number in range(5):
        eventually(lambda name=f"quick-{number}": cluster.status(name)["phase"], "Succeeded")
        assert cluster(f"logs quick-{number}") == "reached\n"


def test_pods_of_different_nodes_reach_each_other_by_both_families(cluster: PodCluster) -> None:
    for number in (1, 2):
        cluster.pod(f"on-{number}", SLEEPS, f"nodeName: node-{number}")
    cluster.apply("""
        apiVersion: v1
        kind: Pod
        metadata: {name: web, labels: {app: web}}
        spec: {nodeName: node-2, containers: [{name: c, image: nginx}]}
    """)
    cluster("expose pod web --port=80")
    for name in ("on-1", "on-2", "web"):
        cluster.ready(name)
    four, six = (row["ip"] for row in cluster.status("web")["podIPs"])
    for client in ("on-1", "on-2"):
        for host in (four, f"[{six}]", "web"):
            assert "Welcome to nginx!" in cluster.sh(client, f"wget -T 5 -qO- http://{host}/"), (client, host)


def test_logs_of_many_kinds(cluster: PodCluster) -> None:
    script = "for i in 1 2 3 4 5; do echo line $i; done; echo wrong >&2; sleep 1; echo last"
    cluster.pod("talks", f'command: [sh, -c, "{script}"]', "restartPolicy: Never")
    eventually(lambda: cluster.status("talks")["phase"] != "Pending")
    followed = cluster("logs -f talks").splitlines()
    assert followed[-1] == "last"
    assert {"line 5", "wrong"} <= set(followed)
    assert cluster("logs talks --tail=1") == "last\n"
    assert cluster("logs talks --limit-bytes=6") == "line 1"
    assert cluster("logs talks --timestamps --tail=1").split()[0].endswith("Z")
