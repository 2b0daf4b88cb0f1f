"""From the edit of a policy at the API to the kernel enforcing it, through the whole agent.

A node in a private namespace holds the pods; API server, hub and agent are processes of their own in it, and
share the machine's cores with the measurement. Each edit changes the rules of one policy, which applies to a
fiftieth of the pods, so that a connection is allowed that was denied before. The clock starts when the edit
is sent, and stops when the first packet of such a connection arrives; one is sent every millisecond or two.
The API server is the small one of the tests, so its own time (about 2 ms) is that of no real cluster.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.report import Table

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

from support.agentbed import POLICIES, AgentBed
from support.kernel import NODE_ADDRESSES
from support.netns import Namespaces
from support.pods_net import PodsNet

SIZES = ((10, 10), (100, 100), (500, 100), (500, 1000))
"""(pods, policies)."""
EDITS = 100
APPS = 50
PROBE_S = 0.001
PAUSE_S = 0.1
"""Between edits, for the agent to take away what is no longer needed."""
DEADLINE_S = 60.0


def measure() -> list[Table]:
    """Measure every size; takes some minutes."""
    rows = [_measured(pods, policies) for pods, policies in SIZES]
    columns = ["pods", "policies", "edits", "median", "p95", "longest", "first pass", "agent's memory"]
    return [Table("policy edit → enforced", columns, rows, "Times in ms, but the first pass in s.")]


def _measured(pods: int, policies: int) -> list[str]:
    with _bed() as bed:
        _fill(bed, pods, policies)
        bed.start_agent("--log-level", "info")
        first = bed.status()
        assert first is not None
        bed.until(lambda: _settled(bed))
        taken = [_edit(bed, number, pods, policies) for number in range(EDITS)]
        verified = bed.ask_agent("verify")
        assert verified.returncode == 0, verified.stdout
        memory = _resident_mib(bed)
    milliseconds = sorted(1000 * seconds for seconds in taken)
    return [
        str(pods),
        str(policies),
        str(EDITS),
        f"{statistics.median(milliseconds):.0f}",
        f"{milliseconds[int(len(milliseconds) * 0.95)]:.0f}",
        f"{milliseconds[-1]:.0f}",
        f"{first.enforcement.last_apply_s:.2f}",
        f"{memory:.0f} MiB",
    ]


@contextmanager
def _bed() -> Iterator[AgentBed]:
    with Namespaces() as namespaces, tempfile.TemporaryDirectory() as folder:
        net = PodsNet(namespaces, NODE_ADDRESSES)
        bed = AgentBed(net, Path(folder))
        try:
            bed.start_api()
            bed.start_hub()
            yield bed
        finally:
            bed.close()
            net.close()


def _fill(bed: AgentBed, pods: int, policies: int) -> None:
    """Make two pods with packets, the others with no more than an interface, and the policies."""
    bed.put("/api/v1/namespaces", "Namespace", "a")
    bed.add_pod("client", "10.65.255.1", app="app0")
    bed.add_pod("server", "10.65.255.2", app="app1")
    lines, labels, apps = [], {}, _apps(pods)
    for number in range(pods - 2):
        address, interface = f"10.65.{number // 250}.{number % 250 + 1}", f"calid{number:06x}"
        lines += [f"link add {interface} type veth peer name peer{number}", f"link set {interface} up"]
        lines.append(f"route add {address}/32 dev {interface}")
        labels[f"p{number}", address] = f"app{number % apps}"
    bed.net.namespaces.run("ip", "-batch", "-", stdin="\n".join(lines) + "\n")
    for (name, address), app in labels.items():
        bed.put_pod(name, address, app=app)
    for number in range(policies):
        _put_policy(bed, number, 0, apps)


def _apps(pods: int) -> int:
    """Return how many apps there are: every policy applies to some pod, or its edit would change nothing."""
    return min(APPS, pods - 2)


def _put_policy(bed: AgentBed, number: int, turn: int, apps: int) -> None:
    """Make or edit a policy: an edit changes port and action of its rules."""
    peer = {"selector": f"app == 'app{number * 7 % apps}'"}
    action = "Deny" if turn % 2 else "Allow"
    rules = [
        {"action": action, "protocol": "TCP", "source": peer, "destination": {"ports": [1000 + number]}},
        {"action": "Allow", "protocol": "TCP", "destination": {"ports": [20000 + turn]}},
    ]
    spec = {
        "selector": f"app == 'app{number % apps}'",
        "order": number,
        "types": ["Ingress"],
        "ingress": rules,
    }
    bed.put(POLICIES.format("a"), "NetworkPolicy", f"p{number}", spec=spec)


def _settled(bed: AgentBed) -> bool:
    before = bed.status()
    time.sleep(1.0)
    return bed.status() is not None and bed.status().enforcement.passes == before.enforcement.passes


def _edit(bed: AgentBed, turn: int, pods: int, policies: int) -> float:
    """Edit one policy of the server; return the seconds until a packet passes that was denied before."""
    apps = _apps(pods)
    number = 1 + turn * 7 % (policies // apps) * apps
    port = 20000 + turn + 1
    assert not bed.passes("client", "server", port)
    began = time.perf_counter()
    _put_policy(bed, number, turn + 1, apps)
    while not bed.passes("client", "server", port):
        if time.perf_counter() - began > DEADLINE_S:
            raise TimeoutError("the edit is not enforced")
        time.sleep(PROBE_S)
    taken = time.perf_counter() - began
    time.sleep(PAUSE_S)
    return taken


def _resident_mib(bed: AgentBed) -> float:
    for line in Path(f"/proc/{bed.pid('agent')}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
