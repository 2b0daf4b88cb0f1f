"""A node with pods, an API server, a hub and an agent, each a real process in the node's namespace."""

import json
import os
import socket as socketlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2 as httpx
import msgspec
import yaml

from ocicat.app.agent.status import AgentStatus, AgentUnreachableError, ask_status, socket_path
from ocicat.model.net import Address
from ocicat.model.record import FlowRecord
from support.packets import Shot
from support.pods_net import PodsNet, Result

API_PORT, HUB_PORT = 6443, 7443
TESTS = Path(__file__).resolve().parents[1]
DEADLINE_S = 30.0
POLICIES = "/apis/projectcalico.org/v3/namespaces/{}/networkpolicies"


def _environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "PYTHONPATH": path}


def _listens(path: Path) -> bool:
    with socketlib.socket(socketlib.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


class AgentBed:
    """One node. Everything stops with `close`, or when the test run dies."""

    def __init__(self, net: PodsNet, folder: Path, node: str = "n1") -> None:
        """Start nothing yet."""
        self.net = net
        self.node = node
        self.folder = folder
        self.records_file = folder / "records.jsonl"
        self.records_file.touch()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._api: httpx.Client | None = None
        self._source_port = 20000
        self.addresses: dict[str, Address] = {}
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "current-context": "it",
                    "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
                    "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{API_PORT}"}}],
                    "users": [{"name": "it", "user": {"token": "secret"}}],
                }
            )
        )
        net.namespaces.run("ip", "link", "set", "lo", "up")

    def close(self) -> None:
        """Stop every process."""
        for name in list(self._processes):
            self.stop(name)
        if self._api is not None:
            self._api.close()

    # --- processes ------------------------------------------------------------------------------------------

    def start(self, name: str, *argv: str, environment: dict[str, str] | None = None) -> None:
        """Start a process in the node's namespace; its output goes to `NAME.log` in the folder."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [*self.net.namespaces.command(), *argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**_environment(), **(environment or {})},
            )

    def pid(self, name: str) -> int:
        """Return the id of a process."""
        return self._processes[name].pid

    def stop(self, name: str) -> int:
        """Ask a process to end; return its exit code."""
        process = self._processes.pop(name)
        process.terminate()
        try:
            return process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def kill(self, name: str) -> None:
        """End a process without a word (`kill -9`)."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def log(self, name: str) -> str:
        """Return what a process has written."""
        return (self.folder / f"{name}.log").read_text()

    def start_api(self) -> None:
        """Start the API server, and wait until it answers."""
        socket = self.folder / "api.sock"
        socket.unlink(missing_ok=True)
        self.start(
            "api", sys.executable, "-m", "support.listwatch", "--port", str(API_PORT), "--socket", str(socket)
        )
        if self._api is not None:
            self._api.close()
        self._api = httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://localhost")
        self.until(lambda: _listens(socket))
        self.api("GET", "/api/v1/pods").raise_for_status()

    def start_embedded_api(self) -> None:
        """Start our own API server instead of the small one, and use its kubeconfig."""
        data = self.folder / "cluster"
        command = ("-m", "ocicat.cluster.apiserver", "--data", str(data), "--port", str(API_PORT))
        self.start("api", sys.executable, *command)
        self.kubeconfig = data / "kubeconfig"
        self.until(self.kubeconfig.exists)

    def start_hub(self, *options: str) -> None:
        """Start the hub."""
        self.start(
            "hub",
            sys.executable,
            "-m",
            "support.collector",
            "--listen",
            f"127.0.0.1:{HUB_PORT}",
            "--into",
            str(self.records_file),
            *options,
        )

    def start_agent(self, *options: str, wait: bool = True) -> None:
        """Start the agent, and wait until it enforces what the API says."""
        self.start(
            "agent", *self.agent_command(), "--hub", f"127.0.0.1:{HUB_PORT}", "--metrics-port", "0", *options
        )
        if wait:
            self.until(self.enforcing)

    def enforcing(self) -> bool:
        """Tell whether the agent has programmed the kernel."""
        status = self.status()
        return status is not None and status.enforcement.generation > 0

    def agent_command(self) -> list[str]:
        """Return the command line of the agent, up to its subcommand."""
        return [
            str(Path(sys.executable).with_name("ocicat")),
            "agent",
            "--kubeconfig",
            str(self.kubeconfig),
            "--node",
            self.node,
            "--home",
            str(self.folder / "home"),
        ]

    def ask_agent(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a subcommand of the agent, as its user does."""
        return subprocess.run(
            [*self.agent_command(), *arguments], capture_output=True, text=True, timeout=60, check=False
        )

    def status(self) -> AgentStatus | None:
        """Return what the agent says of itself, or None where it does not answer."""
        try:
            return ask_status(socket_path(self.folder / "home", self.node))
        except AgentUnreachableError:
            return None

    # --- the cluster ----------------------------------------------------------------------------------------

    def api(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Ask the API server."""
        return self._api.request(method, path, json=body)

    def put(self, path: str, kind: str, name: str, **fields: Any) -> None:
        """Create or replace an object of a collection."""
        version = path.split("/")[2] if path.startswith("/api/") else "/".join(path.split("/")[2:4])
        thing = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields}
        thing["metadata"] |= {"name": name}
        if self._api is not None:
            self.api("POST", path, thing).raise_for_status()
            return
        line = json.dumps({"path": path, "object": thing})
        self.in_node(sys.executable, "-m", "support.applying", str(self.kubeconfig), stdin=line)

    def in_node(self, *argv: str, stdin: str = "") -> str:
        """Run a program in the node's namespace; return what it prints."""
        done = subprocess.run(
            [*self.net.namespaces.command(), *argv],
            input=stdin,
            capture_output=True,
            text=True,
            env=_environment(),
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def add_pod(self, name: str, address: str, *, stack: bool = False, **labels: str) -> None:
        """Make a pod: its interface and route, and its object."""
        self.addresses[name] = Address.parse(address)
        self.net.add({name: (self.addresses[name],)}, stack=stack)
        self.put_pod(name, address, **labels)

    def put_cluster(self) -> None:
        """Make the objects of the namespace and of every pod that there is."""
        self.put("/api/v1/namespaces", "Namespace", "a")
        for name, address in self.addresses.items():
            self.put_pod(name, str(address), app=name)

    def put_pod(self, name: str, address: str, **labels: str) -> None:
        """Make the object of a pod."""
        self.put(
            "/api/v1/namespaces/a/pods",
            "Pod",
            name,
            metadata={"namespace": "a", "labels": labels, "generateName": f"{name}-"},
            spec={
                "nodeName": self.node,
                "serviceAccountName": "default",
                "containers": [{"name": "main", "image": "busybox"}],
            },
            status={"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
        )

    def put_policy(self, name: str, action: str, port: int = 80, app: str = "server", order: int = 1) -> None:
        """Make a policy of namespace `a` that does something to connections to a port."""
        rule = {"action": action, "protocol": "TCP", "destination": {"ports": [port]}}
        spec = {"selector": f"app == '{app}'", "order": order, "types": ["Ingress"], "ingress": [rule]}
        self.put(POLICIES.format("a"), "NetworkPolicy", name, spec=spec)

    # --- the kernel, and the hub ----------------------------------------------------------------------------

    def passes(self, source: str, destination: str, port: int = 80) -> bool:
        """Send the first packet of a new connection, and tell whether it arrives."""
        self._source_port = self._source_port % 65535 + 1
        shot = Shot(
            source,
            self.addresses[source],
            self.addresses[destination],
            6,
            port,
            source_port=self._source_port,
        )
        (seen,) = self.net.probe([shot])
        return seen.result is Result.DELIVERED

    def ruleset(self) -> str:
        """Return the agent's table without what it counts, and without handles."""
        listed = self.net.namespaces.run("nft", "-s", "list", "table", "inet", "ocicat")
        kept: list[str] = []
        skipping = False
        for line in listed.splitlines():
            skipping = skipping or ("elements = {" in line and "counter" in line)
            if not skipping:
                kept.append(line)
            skipping = skipping and "}" not in line
        return "\n".join(kept)

    def records(self) -> list[FlowRecord]:
        """Return what the hub has received."""
        lines = self.records_file.read_bytes().splitlines()
        return [msgspec.json.decode(line, type=FlowRecord) for line in lines]

    def until(self, condition: Callable[[], bool], deadline_s: float = DEADLINE_S) -> float:
        """Wait for a condition; return the seconds that it took. Fails with the agent's log."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > deadline_s:
                logs = {name: self.log(name)[-3000:] for name in self._processes}
                raise AssertionError(f"in vain: {json.dumps(logs, indent=1)}")
            time.sleep(0.01)
        return time.monotonic() - began
