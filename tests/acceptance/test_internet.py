"""`ocicat up --internet`: pods reach what the host reaches, and not the host itself.

The host is one of the test's own: `ocicat up` runs in a network namespace in which another address stands for
the Internet, with a server of ours.
"""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocicat.app.up.internet import program
from ocicat.app.up.within import debian_folder
from support.course import OWN, assert_nothing_is_left, eventually, newest, started
from support.kubectl import required

pytestmark = [pytest.mark.cluster, pytest.mark.kernel]
INTERNET = "198.51.100.7"
HOST = f"""
ip link set lo up
ip link add up0 type veth peer name down0
ip addr add 198.51.100.1/24 dev up0
ip addr add {INTERNET}/32 dev lo
ip link set up0 up
ip link set down0 up
ip route add default via 198.51.100.2
"""
SERVER = """
import http.server, socketserver, sys
class Server(socketserver.TCPServer):
    allow_reuse_address = True
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"this is the internet")
Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
"""


POD = """
apiVersion: v1
kind: Pod
metadata: {name: access}
spec:
  hostAliases: [{ip: 203.0.113.10, hostnames: [catfact.ninja]}]
  containers: [{name: access, image: busybox, command: [sleep, "1000"]}]
"""


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """A kubectl for a cluster with a way to this Internet."""
    folder = tmp_path_factory.mktemp("internet")
    program(debian_folder())  # while there is a way to Debian's servers
    home, server = folder / "home", folder / "server.py"
    server.write_text(SERVER)
    python = shutil.which("python3")
    script = f"{HOST}\n{python} {server} {INTERNET} 8000 &\n{python} {server} 127.0.0.1 8001 &\n"
    script += f"exec {' '.join(OWN)} up --home {home} --console-port 0 --internet"
    process, log = started(folder, ["unshare", "--user", "--map-root-user", "--net", "sh", "-ec", script])
    servers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    enter = ["nsenter", "--target", str(process.pid), "--user", "--net", "--preserve-credentials"]
    command = [*enter, required(newest()), "--kubeconfig", home / "default" / "api" / "kubeconfig"]

    def run(words: str) -> str:
        done = subprocess.run([*command, *words.split()], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    try:
        pod = folder / "pod.yaml"
        pod.write_text(POD)
        run(f"apply -f {pod}")
        eventually(lambda: run("get pod access -o jsonpath={.status.phase}"), "Running")
        yield run
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, log.read_text()
        for pid in servers:
            subprocess.run(["kill", pid], check=False, capture_output=True)
    assert_nothing_is_left(home)


def test_a_pod_reaches_the_internet_and_still_the_simulated_network(kubectl) -> None:
    eventually(
        lambda: kubectl(f"exec access -- wget -T 3 -qO- http://{INTERNET}:8000/"), "this is the internet"
    )
    assert '"fact"' in kubectl("exec access -- wget -T 5 -qO- https://catfact.ninja/fact")


def test_a_pod_does_not_reach_the_hosts_loopback(kubectl) -> None:
    for address in ("192.0.2.1", "192.0.2.2"):
        said = kubectl(f"exec access -- wget -T 2 -qO- http://{address}:8001/")
        assert "this is the internet" not in said
