"""Nodes: their processes killed, several clusters side by side, and the host that notices nothing."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.course import assert_nothing_is_left, descendants, eventually
from support.podcluster import PodCluster, down, up

pytestmark = [pytest.mark.cluster, pytest.mark.kernel]
COUNTS = 'command: [sh, -c, "i=0; while true; do echo $i; i=$((i+1)); sleep 0.1; done"]'
HOST = (
    "ip address show", "ip route show table all", "ip rule show", "ip link show", "nft list ruleset",
    ("sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.ipv4.conf.all.rp_filter "
     "net.ipv4.ping_group_range net.ipv4.ip_unprivileged_port_start"),
    "cat /proc/self/mountinfo /etc/resolv.conf /etc/hosts", "ip netns list",
)  # fmt: skip


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[PodCluster]:
    """A cluster of one node for one test."""
    cluster, place = up(tmp_path, "alone")
    yield cluster
    down(cluster, place)


def host() -> dict[str, str]:
    """What a host could notice of a cluster: addresses, routes, rules, firewall, parameters, mounts."""
    found = {}
    for words in HOST:
        done = subprocess.run(words.split(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        # What counts down by itself tells nothing.
        lines = [
            line for line in done.stdout.splitlines() if "valid_lft" not in line and " expires " not in line
        ]
        found[words] = "\n".join(lines)
    return found


def test_a_node_that_is_killed_finds_its_pods_as_they_were(alone: PodCluster) -> None:
    """Containers go on, no line of their output is lost, and what was deleted meanwhile ends."""
    alone.pod("counts", COUNTS)
    alone.pod("session", "command: [sh], stdin: true, tty: true")
    alone.pod("done", 'command: [sh, -c, "echo over"]', "restartPolicy: Never")
    alone.pod("goes", COUNTS, "terminationGracePeriodSeconds: 1")
    for name in ("counts", "session", "goes"):
        alone.ready(name)
    eventually(lambda: alone.status("done")["phase"], "Succeeded")
    before = alone("get pods -o jsonpath='{.items[*].status.containerStatuses[*].containerID}'")
    alone.kill("nodeprocess")
    alone("delete pod goes --wait=false")
    eventually(lambda: "the node node-1 ended with code 137 and is started again" in alone.log.read_text())
    eventually(lambda: "goes" in alone("get pods -o name"), False)
    before = before.replace(before.split()[2] + " ", "")
    assert alone("get pods -o jsonpath='{.items[*].status.containerStatuses[*].containerID}'") == before
    last = int(alone("logs counts --tail=1"))
    eventually(lambda: int(alone("logs counts --tail=1")) > last)
    numbers = [int(line) for line in alone("logs counts").splitlines()]
    assert numbers == list(range(len(numbers)))
    assert alone.sh("counts", "hostname") == "counts\n"
    assert alone("logs done") == "over\n"
    assert alone("run later --image=busybox --restart=Never --rm -i --quiet -- echo new") == "new\n"


def test_a_container_that_ends_while_its_node_is_away_has_its_exit_code(alone: PodCluster) -> None:
    alone.pod("short", 'command: [sh, -c, "sleep 2; exit 9"]', "restartPolicy: Never")
    alone.pod("gone", 'command: [sleep, "4321"]')
    alone.ready("short")
    alone.ready("gone")
    pid = alone.pid("nodeprocess")
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: any("sleep 2" in words for words in commands(alone)), False)
    alone("delete pod gone --force --grace-period=0")
    assert any("sleep 4321" in words for words in commands(alone))
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: alone.status("short")["phase"], "Failed")
    assert alone.container("short")["state"]["terminated"]["exitCode"] == 9
    # What nobody knows any more is ended too.
    eventually(lambda: any("sleep 4321" in words for words in commands(alone)), False)


def commands(cluster: PodCluster) -> list[str]:
    """The command lines of all processes of a cluster."""
    found = []
    for pid in descendants(cluster.process.pid):
        try:
            found.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def test_the_holder_is_killed_and_everything_ends(tmp_path: Path) -> None:
    """With the namespaces goes the cluster: it says so, ends, and leaves no process."""
    cluster, place = up(tmp_path, "held")
    mine = descendants(cluster.process.pid)
    holders = [pid for pid in mine if "holder.server" in command(pid)]
    os.kill(max(holders), signal.SIGKILL)
    assert cluster.process.wait(60) != 0
    eventually(lambda: [pid for pid in mine if Path(f"/proc/{pid}").exists()], [], 20)
    assert_nothing_is_left(place)
    assert "holder" in cluster.log.read_text()
    again, place = up(tmp_path / "again", "held")
    down(again, place)


def command(pid: int) -> str:
    """The command line of a process; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def test_two_clusters_side_by_side_while_the_host_notices_nothing(tmp_path: Path) -> None:
    before = host()
    one, one_place = up(tmp_path, "one")
    two, two_place = up(tmp_path, "two", "--nodes", "2")
    try:
        for cluster, name in ((one, "first"), (two, "second")):
            cluster("create deployment web --image=nginx --port=80")
            cluster(f"create configmap {name} --from-literal=a=b")
            cluster("rollout status deployment/web --timeout=60s")
        assert "second" not in one("get configmaps -o name")
        assert "first" not in two("get configmaps -o name")
        assert (len(one("get nodes -o name").split()), len(two("get nodes -o name").split())) == (1, 2)
        assert host() == before
    finally:
        down(one, one_place)
    # The other goes on.
    assert two("get deployment web -o jsonpath='{.status.readyReplicas}'") == "1"
    down(two, two_place)
    assert host() == before
