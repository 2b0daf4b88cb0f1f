"""Pods of a user without any right and without a range of ids, who has installed the wheel."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.course import assert_nothing_is_left, eventually, newest, started
from support.kubectl import Kubectl, required
from support.podcluster import PodCluster
from support.user import ROOTLESS, User

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow, *ROOTLESS]


@pytest.fixture
def rootless(user: User, tmp_path: Path) -> Iterator[PodCluster]:
    """A cluster that the user has started."""
    home = user.home / "pods"
    options = ["--home", home, "--name", "r", "--port", "0", "--console-port", "0"]
    process, log = started(tmp_path, user.command("ocicat", "up", *options))
    kubectl = Kubectl(required(newest()), newest(), home / "r" / "api" / "kubeconfig", tmp_path / "kube")
    yield PodCluster(kubectl, process, log)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0, log.read_text()
    assert_nothing_is_left(home)


def test_what_pods_need_of_rights(rootless: PodCluster) -> None:
    """Namespaces, a port below 1024, another user id, files of volumes, a look beside, and a killed node."""
    rootless("create configmap settings --from-literal=colour=green")
    rootless.apply("""
        apiVersion: v1
        kind: Pod
        metadata: {name: mixed}
        spec:
          terminationGracePeriodSeconds: 1
          volumes: [{name: settings, configMap: {name: settings}}, {name: work, emptyDir: {}}]
          containers:
          - name: web
            image: nginx
            readinessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 1}
          - name: user
            image: busybox
            securityContext: {runAsUser: 1000, runAsGroup: 3000}
            command: [sh, -c, "echo made > /pool/file; while true; do sleep 1; done"]
            volumeMounts: [{name: settings, mountPath: /settings}, {name: work, mountPath: /pool}]
    """)
    rootless.ready("mixed")

    def said(script: str) -> str:
        return rootless(f"exec -i mixed -c user -- sh -c '{script}'")

    assert said("id -u; id -g; cat /settings/colour /pool/file") == "1000\n3000\ngreenmade\n"
    assert "CapEff:\t0000000000000000" in said("cat /proc/self/status")
    assert "Welcome to nginx!" in said("wget -qO- http://127.0.0.1/")
    assert "Welcome to nginx!" in said('wget -qO- http://$(hostname -i | cut -d" " -f1)/')
    assert rootless("exec mixed -c web -- id -u") == "0\n"
    before = rootless("get pod mixed -o jsonpath='{.status.containerStatuses[*].containerID}'")
    rootless.kill("app.up.nodeprocess")
    eventually(lambda: "the node node-1 ended with code" in rootless.log.read_text())
    assert rootless("run later --image=busybox --restart=Never --rm -i --quiet -- echo new") == "new\n"
    assert rootless("get pod mixed -o jsonpath='{.status.containerStatuses[*].containerID}'") == before
