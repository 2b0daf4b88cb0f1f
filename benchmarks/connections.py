"""How many TCP connections a second pass between two pods, with and without policy.

Two pods on a node in a private namespace. A C program in one makes connections one after the other to a C
program in the other, and resets each as soon as it stands: five packets, of which policy judges the first.
One client waits for one answer at a time, so this is about latency as much as about work; both programs and
the kernel share the machine's cores. The server has N policies, as in the benchmark *dataplane*; the client
matches the last. All variants are measured in turn in every round; ratios are medians of the rounds' ratios
to tracking alone.
"""

import json
import random
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.dataplane import (
    ADDRESSES,
    CLIENT,
    NODE_ADDRESSES,
    PORT,
    SERVER,
    Namespaces,
    PodsNet,
    chain_per_policy,
    compiled,
    hold,
    interfaces_of,
    plan_of,
    tracking_alone,
)
from benchmarks.report import Table
from ocicat.dataplane.nft.driver import NftProgram
from ocicat.dataplane.nft.ruleset import Ruleset

SOURCE = Path(__file__).with_name("native") / "tcpconns.c"
TCP = 6
POLICIES = 1000
CONNECTIONS = 10_000
ROUNDS = 9


def measure() -> list[Table]:
    """Measure everything; takes about a minute."""
    if shutil.which("cc") is None:
        raise SystemExit("the load generator is C: install a C compiler")
    with tempfile.TemporaryDirectory() as folder, Namespaces() as namespaces:
        program = Path(folder) / "tcpconns"
        subprocess.run(["cc", "-O2", "-o", program, SOURCE], check=True)
        net = PodsNet(namespaces, NODE_ADDRESSES)
        net.add({name: (address,) for name, address in ADDRESSES.items()}, stack=True)
        try:
            with _serving(net, program):
                return [_table(_in_turn(net, program))]
        finally:
            net.close()


@contextmanager
def _serving(net: PodsNet, program: Path) -> Iterator[None]:
    command = [*net.namespaces.command(SERVER), str(program), "serve", str(PORT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == "ready\n"
            yield
        finally:
            server.terminate()


def _in_turn(net: PodsNet, program: Path) -> dict[str, list[float]]:
    """Return connections a second of each variant, round by round."""
    plan = plan_of(POLICIES, TCP)
    variants: dict[str, Ruleset] = {
        "tracking alone": tracking_alone(),
        f"{POLICIES:,} policies, compiled": compiled(plan, interfaces_of(net, plan)),
        f"{POLICIES:,} policies, a chain each": chain_per_policy(plan, [net.pods[SERVER].interface], TCP),
    }
    nft = NftProgram((*net.namespaces.command(), "nft"))
    command = [*net.namespaces.command(CLIENT), str(program), str(ADDRESSES[SERVER]), str(PORT)]
    chosen = random.Random(1)
    found: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(ROUNDS):
        for name in chosen.sample(sorted(variants), len(variants)):
            hold(net, nft, variants[name])
            said = subprocess.run([*command, str(CONNECTIONS)], capture_output=True, text=True, check=True)
            told = json.loads(said.stdout)
            found[name].append(told["count"] / told["seconds"])
    return found


def _table(found: dict[str, list[float]]) -> Table:
    alone = found["tracking alone"]
    rows = []
    for name, rates in found.items():
        ratio = statistics.median(rate / of for rate, of in zip(rates, alone, strict=True))
        rows.append([name, f"{statistics.median(rates):,.0f}", f"{ratio:.2f}"])
    return Table("TCP connections, one after the other", ["", "connections/s", "ratio"], rows)
