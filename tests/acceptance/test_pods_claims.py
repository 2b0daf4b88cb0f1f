"""What pods keep: claims of their own, and those of a StatefulSet."""

import pytest

from support.course import eventually
from support.podcluster import PodCluster

pytestmark = [pytest.mark.cluster, pytest.mark.kernel]
SLEEPS = 'command: [sh, -c, "trap exit TERM; while true; do sleep 0.1; done"]'
SET = f"""
    apiVersion: apps/v1
    kind: StatefulSet
    metadata: {{name: db}}
    spec:
      serviceName: db
      replicas: 2
      selector: {{matchLabels: {{app: db}}}}
      template:
        metadata: {{labels: {{app: db}}}}
        spec:
          containers:
          - {{name: c, image: busybox, {SLEEPS}, volumeMounts: [{{name: data, mountPath: /data}}]}}
      volumeClaimTemplates:
      - metadata: {{name: data}}
        spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
"""


def test_what_a_stateful_set_claims_outlives_its_pods(cluster: PodCluster) -> None:
    cluster.apply(SET)
    cluster("rollout status statefulset/db --timeout=50s")
    for name in ("db-0", "db-1"):
        assert cluster.sh(name, f"echo {name} > /data/own; cat /data/own") == f"{name}\n"
    rows = [line.split() for line in cluster("get pvc --no-headers").splitlines()]
    assert [row[:4] for row in rows] == [
        ["data-db-0", "Bound", "1Gi", "RWO"],
        ["data-db-1", "Bound", "1Gi", "RWO"],
    ]
    node = cluster("get pod db-1 -o jsonpath={.spec.nodeName}")
    cluster("delete pod db-0 db-1")
    cluster("rollout status statefulset/db --timeout=50s")
    assert [cluster.sh(name, "cat /data/own") for name in ("db-0", "db-1")] == ["db-0\n", "db-1\n"]
    assert cluster("get pod db-1 -o jsonpath={.spec.nodeName}") == node, "it goes where its data is"


def test_a_claim_that_is_made_anew_is_empty(cluster: PodCluster) -> None:
    claim = """
        apiVersion: v1
        kind: PersistentVolumeClaim
        metadata: {name: room}
        spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
    """
    volumes = "volumes: [{name: v, persistentVolumeClaim: {claimName: room}}]"
    container = f"{SLEEPS}, volumeMounts: [{{name: v, mountPath: /v}}]"
    cluster.pod("one", container, volumes)
    eventually(lambda: 'persistentvolumeclaim "room" not found' in cluster("describe pod one"))
    cluster.apply(claim)
    cluster.ready("one")
    cluster.sh("one", "echo kept > /v/file")
    cluster("delete pod one")
    cluster("delete pvc room")
    cluster.apply(claim)
    cluster.pod("two", container, volumes)
    cluster.ready("two")
    assert cluster.sh("two", "ls /v") == ""
