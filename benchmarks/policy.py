"""How fast policy is read, compiled, kept current and evaluated, and what it weighs.

The cluster is made up (`benchmarks/cluster.py`): namespaces of fifty pods, and policies that mostly concern
their own namespace. A cluster in which every policy selects every pod costs more. Times are of one process;
percentiles are over the changes of one run. A change is timed from the JSON of the event to the new Plan with
the list of what changed.
"""

import gc
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import yaml

from benchmarks import cluster
from benchmarks.report import Table
from ocicat.app.load import checked, load
from ocicat.engine import convert
from ocicat.engine.columnar import FlowColumns, evaluate_columns
from ocicat.engine.evaluate import evaluate
from ocicat.engine.index import PolicyIndex
from ocicat.engine.packet import Packet
from ocicat.model.documents import read
from ocicat.model.kubernetes import Namespace
from ocicat.model.meta import Resource
from ocicat.model.net import Address

CHANGES = 200
FLOWS = 1_000_000


def measure() -> list[Table]:
    """Run everything; takes some minutes."""
    return [loading(), growth(), columns(), memory()]


def resources(documents: Iterator[cluster.Document]) -> Iterator[Resource]:
    """Yield the resources that documents hold, read as an agent reads events."""
    for document in documents:
        yield _resource(msgspec.json.encode(document))


def _resource(event: bytes) -> Resource:
    [document], problems = read(event, "event")
    resource, wrong = checked(document)
    assert resource is not None, (problems, wrong)
    return resource


def put(index: PolicyIndex, resource: Resource) -> None:
    """Enter a resource in an index."""
    policy, _ = convert.policy_of(resource)
    if policy is not None:
        index.put_policy(policy)
    elif isinstance(resource, Namespace):
        index.put_profile(convert.namespace_profile(resource))
    elif (entity := convert.entity_of(resource)) is not None:
        index.put_entity(entity)
    else:
        index.put_tier(convert.tier_of(resource))


def filled(pods: int, policies: int) -> PolicyIndex:
    """Return an index of a cluster."""
    index = PolicyIndex()
    for documents in (
        cluster.tiers(),
        cluster.namespaces(pods),
        (cluster.pod(number, pods) for number in range(pods)),
        (cluster.policy(number, pods) for number in range(policies)),
    ):
        for resource in resources(documents):
            put(index, resource)
    return index


def loading() -> Table:
    """5,000 policies and 10,000 pods from files."""
    pods, policies = 10_000, 5_000
    with tempfile.TemporaryDirectory() as folder:
        objects = [*cluster.tiers(), *cluster.namespaces(pods)]
        objects += [cluster.pod(number, pods) for number in range(pods)]
        manifest = Path(folder, "cluster.json")
        manifest.write_bytes(msgspec.json.encode({"apiVersion": "v1", "kind": "List", "items": objects}))
        written = [cluster.policy(number, pods) for number in range(policies)]
        Path(folder, "policies.yaml").write_text(yaml.dump_all(written, Dumper=yaml.CSafeDumper))
        began = time.perf_counter()
        world = load(folder)
        loaded = time.perf_counter()
        classes = len(world.plan.classes)
        compiled = time.perf_counter()
        assert world.ok, world.problems[:3]
    rows = [
        ["read, check and index", f"{loaded - began:.1f} s"],
        ["first Plan", f"{compiled - loaded:.1f} s"],
        ["classes in it", f"{classes:,}"],
    ]
    return Table("10,000 pods (JSON) and 5,000 policies (YAML) by `ocicat.load`", ["step", "result"], rows)


def growth() -> Table:
    """How the cost of one change grows with the cluster."""
    rows = []
    for pods in (100, 1_000, 10_000):
        policies = pods // 2
        began = time.perf_counter()
        index = filled(pods, policies)
        index.plan()
        built = time.perf_counter() - began
        chosen = random.Random(pods)
        pod_times = list(_timed_pod_changes(index, pods, chosen))
        policy_times = list(_timed_policy_changes(index, pods, policies, chosen))
        rows.append(
            [
                f"{pods:,}",
                f"{policies:,}",
                f"{built:.2f} s",
                f"{_p(pod_times, 50):.2f} / {_p(pod_times, 95):.2f} ms",
                f"{_p(policy_times, 50):.2f} / {_p(policy_times, 95):.2f} ms",
            ]
        )
    return Table(
        "One change in a cluster that grows",
        [
            "pods",
            "policies",
            "all from nothing",
            "a pod's labels change, p50 / p95",
            "a policy changes, p50 / p95",
        ],
        rows,
        "Aims at 10,000 pods and 5,000 policies: p95 of 20 ms for a pod, of 100 ms for a policy.",
    )


def _timed_pod_changes(index: PolicyIndex, pods: int, chosen: random.Random) -> Iterator[float]:
    for _ in range(CHANGES):
        document = cluster.pod(chosen.randrange(pods), pods)
        document["metadata"]["labels"] |= {"app": chosen.choice(cluster.APPS), "canary": str(chosen.random())}
        yield _timed(index, msgspec.json.encode(document))


def _timed_policy_changes(
    index: PolicyIndex, pods: int, policies: int, chosen: random.Random
) -> Iterator[float]:
    for change in range(CHANGES):
        number = chosen.randrange(policies)
        other = cluster.policy(number, pods, seed=2 + change)
        own = cluster.policy(number, pods)
        if other["kind"] == own["kind"] and other["apiVersion"] == own["apiVersion"]:
            other["metadata"] = own["metadata"]
        else:
            other = own
            other["spec"]["order" if "order" in other["spec"] else "policyTypes"] = (
                chosen.randrange(1000) if "order" in other["spec"] else ["Ingress", "Egress"]
            )
        yield _timed(index, msgspec.json.encode(other))


def _timed(index: PolicyIndex, event: bytes) -> float:
    began = time.perf_counter()
    put(index, _resource(event))
    index.update()
    return time.perf_counter() - began


def _p(seconds: list[float], percentile: int) -> float:
    """Return a percentile in milliseconds."""
    return float(np.percentile(seconds, percentile)) * 1000


def columns() -> Table:
    """1,000,000 distinct flow keys against 1,000 policies, and a sample of them one by one."""
    pods, policies = 2_000, 1_000
    plan = filled(pods, policies).plan()
    chosen = np.random.default_rng(1)
    addresses = [Address(4, (10 << 24) + number) for number in range(pods)]
    addresses += [Address(4, (203 << 24) + (number << 12)) for number in range(1_000)]
    source = chosen.integers(0, pods, FLOWS)
    destination = chosen.integers(0, len(addresses), FLOWS)
    port = chosen.choice(np.array([*cluster.PORTS, 53, 22, 9000, 31000]), FLOWS)
    protocol = np.where(port == 53, 17, 6)
    key = (source * len(addresses) + destination) * 65536 + port
    distinct = np.unique(key, return_index=True)[1]
    nothing, none = np.zeros(len(distinct), dtype=int), np.full(len(distinct), -1)
    flows = FlowColumns(
        addresses,
        source[distinct],
        destination[distinct],
        protocol[distinct],
        port[distinct],
        nothing,
        none,
        none,
    )
    seconds = _best(lambda: evaluate_columns(plan, flows))
    sample = range(0, len(distinct), len(distinct) // 2_000)
    packets = [
        Packet(
            addresses[flows.source[row]],
            addresses[flows.destination[row]],
            int(flows.protocol[row]),
            int(flows.destination_port[row]),
        )
        for row in sample
    ]
    one_by_one = _best(lambda: [evaluate(plan, packet) for packet in packets]) / len(packets)
    rows = [
        ["columns", f"{len(distinct) / seconds:,.0f}", "1"],
        ["plain evaluator", f"{1 / one_by_one:,.0f}", f"1 / {one_by_one * len(distinct) / seconds:,.0f}"],
    ]
    return Table(
        f"{len(distinct):,} distinct flow keys against 1,000 policies and 2,000 pods",
        ["evaluator", "keys a second", "ratio"],
        rows,
        "Both ends, enforced and pending traces. Aim: 500,000 keys a second on one core. The plain "
        "evaluator is timed on a sample of 2,000 keys.",
    )


def _best(run: Callable[[], object]) -> float:
    """Return the seconds of the fastest of three runs."""
    times = []
    for _ in range(3):
        gc.collect()
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)


_WEIGH = """
import gc, sys
from benchmarks.policy import filled
def resident():
    gc.collect()
    pages = int(open("/proc/self/statm").read().split()[1])
    return pages * 4096
filled(10, 10).plan()
before = resident()
index = filled(int(sys.argv[1]), int(sys.argv[2]))
plan = index.plan()
print(resident() - before)
"""


def memory() -> Table:
    """What a pod and a policy weigh in index and Plan, as resident memory of a process of their own."""
    rows = []
    for pods, policies in ((10_000, 0), (10_000, 5_000)):
        command = [sys.executable, "-c", _WEIGH, str(pods), str(policies)]
        weight = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        rows.append((pods, policies, weight))
    (pods, _, alone), (_, policies, both) = rows
    return Table(
        "Memory of index and Plan",
        ["what", "bytes each"],
        [
            ["a pod, of 10,000", f"{alone / pods:,.0f}"],
            ["a policy, of 5,000 beside them", f"{(both - alone) / policies:,.0f}"],
        ],
    )
