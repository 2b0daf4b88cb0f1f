"""What people type every day, with kubectls of both ages, and what the real server makes them print.

The rows are in `kubectl_everyday.golden`: the words, what comes in (`<`), and the output, in which `…` stands
for anything and NS for the namespace. All rows of one kubectl share a namespace, prepared once.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from support.kubectl import NEW, OLD, Kubectl, required, start

pytestmark = pytest.mark.cluster
GOLDEN = Path(__file__).with_name("kubectl_everyday.golden")
KUBELET = Path(__file__).parents[1] / "support" / "kubelet.py"
PREPARED = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      priorityClassName: system-cluster-critical
      containers:
      - {name: web, image: serve, ports: [{name: http, containerPort: 80}], env: [{name: A, value: "1"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: cfg}
data: {a: "1"}
---
apiVersion: v1
kind: Secret
metadata: {name: sec}
stringData: {pw: x}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 1
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, image: serve}]}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: each}
spec:
  selector: {matchLabels: {app: each}}
  template: {metadata: {labels: {app: each}}, spec: {containers: [{name: c, image: serve}]}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: door}
spec:
  ingressClassName: nginx
  rules:
  - host: a.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: room}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: most}
spec: {limits: [{type: Container, default: {cpu: 100m}}]}
"""


class Row(NamedTuple):
    words: str
    stdin: str
    wanted: str


def _rows():
    """Return the rows of the golden file, by section."""
    found = {}
    for section in re.split(r"^== ", GOLDEN.read_text(), flags=re.MULTILINE)[1:]:
        name, _, text = section.partition(":")
        found[name] = [_row(part) for part in re.split(r"^\$ kubectl ", text, flags=re.MULTILINE)[1:]]
    return found


def _row(text):
    words, *lines = text.strip().split("\n")
    stdin = "\n".join(line[2:] for line in lines if line.startswith("< "))
    wanted = "\n".join(line for line in lines if not line.startswith("< "))
    return Row(words, PREPARED if stdin == "PREPARED" else stdin, wanted)


ROWS = _rows()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("everyday")
    server = start(folder / "data")
    with (folder / "controllers.log").open("wb") as log:
        controllers = subprocess.Popen(
            [sys.executable, str(KUBELET), str(server.kubeconfig)], stdout=log, stderr=log
        )
    yield server
    controllers.kill()
    controllers.wait()
    assert server.stop() == 0
    assert "Traceback" not in (server.data / "log").read_text()


def _prepared(version, cluster, folder):
    """A kubectl whose kubeconfig has a namespace of its own in it, with the things that the rows speak of."""
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(cluster.kubeconfig.read_text())
    kubectl = Kubectl(required(version), version, kubeconfig, folder)
    kubectl.namespace = f"everyday-{version.replace('.', '-')}"
    kubectl(f"create namespace {kubectl.namespace}")
    kubectl(f"config set-context --current --namespace={kubectl.namespace}")
    kubectl("apply -f -", PREPARED)
    for what in ("deploy/web", "sts/db", "ds/each"):
        kubectl(f"rollout status {what} --timeout=60s")
    return kubectl


@pytest.fixture(scope="module")
def older(cluster, tmp_path_factory):
    return _prepared(OLD, cluster, tmp_path_factory.mktemp("older"))


@pytest.fixture(scope="module")
def newer(cluster, tmp_path_factory):
    return _prepared(NEW, cluster, tmp_path_factory.mktemp("newer"))


def mismatch(kubectl, row, *, fails=False):
    """Run a row; return what was wrong, empty where nothing was."""
    done = kubectl.run(row.words.replace("NS", kubectl.namespace), row.stdin)
    text = done.err if fails else re.sub(r"\x1b\[[0-9;]*m", "", done.out)
    found = "\n".join(line.rstrip() for line in text.rstrip().split("\n"))
    parts = map(re.escape, row.wanted.replace("NS", kubectl.namespace).split("…"))
    if (done.code != 0) == fails and re.fullmatch(".*".join(parts), found, re.DOTALL):
        return ""
    return f"kubectl {row.words}: exit code {done.code}\n{done.out}{done.err}wanted:\n{row.wanted}"


def words_of(row):
    return row.words


@pytest.mark.parametrize("row", ROWS["reading"], ids=words_of)
@pytest.mark.parametrize("client", ["older", "newer"])
def test_reading(request, client, row):
    assert not mismatch(request.getfixturevalue(client), row)


@pytest.mark.parametrize("row", ROWS["refused"], ids=words_of)
@pytest.mark.parametrize("client", ["older", "newer"])
def test_refusals(request, client, row):
    assert not mismatch(request.getfixturevalue(client), row, fails=True)


@pytest.mark.parametrize(("client", "rows"), [("older", "writing"), ("newer", "writing"), ("newer", "newer")])
def test_one_after_the_other(request, client, rows):
    kubectl = request.getfixturevalue(client)
    wrong = [text for row in ROWS[rows] if (text := mismatch(kubectl, row))]
    assert not wrong, "\n\n".join(wrong)
