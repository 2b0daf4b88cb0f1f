"""Pods come and go, are looked into, fail and are killed: nothing of them stays."""

import itertools
import os
import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.course import command_line, descendants, eventually
from support.podcluster import PodCluster, down, up

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]
ROUNDS = 3
PODS = 12
SEED = 20261125
PARTS = ("app.up.nodeprocess", "holder.server", "app.up.apiprocess")


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[PodCluster]:
    """A cluster of one node for this test."""
    cluster, place = up(tmp_path, "soak")
    yield cluster
    down(cluster, place)


def kept(cluster: PodCluster) -> dict[str, int]:
    """What could leak: descriptors of the parts, processes, network namespaces, links, files of pods."""
    everything = descendants(cluster.process.pid)
    found = {}
    for part in PARTS:
        pids = [pid for pid in everything if part in command_line(pid)]
        found[f"descriptors of {part}"] = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)
    found["processes"] = len(everything)
    spaces = {
        os.readlink(f"/proc/{pid}/ns/net") for pid in everything if Path(f"/proc/{pid}/ns/net").exists()
    }
    found["network namespaces"] = len(spaces)
    node = cluster.pid("app.up.nodeprocess")
    links = ["nsenter", "-t", str(node), "-U", "-n", "--preserve-credentials", "ip", "-o", "link"]
    found["links"] = len(
        subprocess.run(links, capture_output=True, text=True, check=True).stdout.splitlines()
    )
    state = Path(cluster.kubectl.environment["KUBECONFIG"]).parents[1]
    found["folders of pods"] = len(list((state / "nodes" / "node-1" / "pods").iterdir()))
    return found


def test_nothing_of_pods_stays(alone: PodCluster) -> None:
    chance = random.Random(SEED)  # noqa: S311 — no secret
    counts: list[dict[str, int]] = []
    for number in range(ROUNDS):
        traffic(alone, chance, number)
        eventually(lambda: alone("get pods -o name"), "")
        if counts:
            eventually(lambda: grown(counts[0], kept(alone)), {})
        else:
            quiet(alone)
        counts.append(kept(alone))


def quiet(cluster: PodCluster) -> None:
    """Wait until what is counted stays the same."""
    last: list[dict[str, int]] = []

    def same() -> bool:
        last.append(kept(cluster))
        return len(last) > 5 and all(one == last[-1] for one in last[-5:])

    eventually(same)


def grown(before: dict[str, int], now: dict[str, int]) -> dict[str, int]:
    """By how much something has grown; connections that are kept for the next request may be one or two."""
    return {name: count - before[name] for name, count in now.items() if count > before[name] + 2}


def traffic(cluster: PodCluster, chance: random.Random, number: int) -> None:
    """Pods that run, fail, cannot start, are asked and looked into, and are deleted in every way."""
    commands = ["sleep 1000", "echo said; sleep 1000", "exit 1", "exit 0"]
    names = [f"p{number}-{index}" for index in range(PODS)]
    for name in names:
        script = chance.choice(commands)
        image = chance.choice(["busybox"] * 5 + ["no/such"])
        policy = chance.choice(["Always", "Never", "OnFailure"])
        probe = chance.choice(["", ', readinessProbe: {exec: {command: ["true"]}, periodSeconds: 1}'])
        terminal = chance.choice(["", ", stdin: true, tty: true"])
        cluster.apply(f"""
            apiVersion: v1
            kind: Pod
            metadata: {{name: {name}}}
            spec:
              restartPolicy: {policy}
              terminationGracePeriodSeconds: 1
              containers: [{{name: c, image: {image}, command: [sh, -c, "{script}"]{terminal}{probe}}}]
        """)
    eventually(lambda: "ContainerCreating" in cluster("get pods"), False)
    for name in itertools.islice(names, PODS // 2):
        cluster.kubectl.run(f"exec {name} -- true")
        cluster.kubectl.run(f"exec {name} -- /no/such")
        cluster.kubectl.run(f"logs {name}")
        cluster.kubectl.run(f"exec -i {name} -- head -c 3", "more than three")
    running = re.findall(r"^(\S+) +1/1 +Running", cluster("get pods --no-headers"), re.MULTILINE)
    for name in running[:2]:
        with cluster.kubectl.popen("logs", "-f", name) as following:
            following.kill()
        with cluster.kubectl.popen("port-forward", name, ":80") as forward:
            assert forward.stdout is not None
            forward.stdout.readline()
            forward.kill()
    for name in names:
        cluster(f"delete pod {name} --wait=false {chance.choice(['', '--now', '--force --grace-period=0'])}")
