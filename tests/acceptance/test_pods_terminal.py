"""What a person at a terminal does with pods: run, exec, attach, cp, debug; with kubectls of both ages."""

import fcntl
import os
import signal
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.course import eventually
from support.kubectl import NEW, OLD, Kubectl
from support.podcluster import PodCluster
from support.terminal import Terminal

pytestmark = [pytest.mark.cluster, pytest.mark.kernel]
PROMPT = "/ # "
Types = Callable[..., Terminal]
SLEEPS = 'command: [sh, -c, "trap exit TERM; while true; do sleep 0.1; done"]'


@pytest.fixture(params=[OLD, NEW])
def kubectl(request: pytest.FixtureRequest, cluster: PodCluster) -> Kubectl:
    """Both ages of kubectl."""
    return cluster.with_(request.param)


@pytest.fixture
def types(kubectl: Kubectl, cluster: PodCluster) -> Iterator[Types]:
    """Starts a kubectl at a terminal."""
    begun: list[Terminal] = []

    def type_(*words: str) -> Terminal:
        environment = {**kubectl.environment, "TERM": "xterm"}
        begun.append(Terminal([str(kubectl.path), "-n", cluster.space, *words], environment))
        return begun[-1]

    yield type_
    for terminal in begun:
        terminal.kill()


def test_run_with_a_shell_that_goes_when_it_is_left(cluster: PodCluster, types: Types) -> None:
    """Workshop, module 1: `kubectl run --rm -ti access --image busybox /bin/sh`."""
    shell = types("run", "--rm", "-ti", "access", "--image=busybox", "--restart=Never", "--", "/bin/sh")
    shell.until(PROMPT)
    assert "/dev/pts/0" in shell.says("tty")
    assert "PID" in shell.says("ps")
    shell.type("exit 5")
    assert 'pod "access" deleted' in shell.until("deleted")
    shell.ended()
    assert cluster("get pods -o name") == ""


def test_exec_with_a_terminal(cluster: PodCluster, types: Types) -> None:
    cluster.pod("box", SLEEPS)
    cluster.ready("box")
    shell = types("exec", "-ti", "box", "--", "sh")
    shell.until(PROMPT)
    assert "root" in shell.says("ps | grep trap")
    assert "xterm" in shell.says("echo $TERM")
    shell.type("exit 7")
    assert shell.ended() == 7


def test_a_terminal_has_the_size_of_its_users(cluster: PodCluster, types: Types) -> None:
    cluster.pod("box", SLEEPS)
    cluster.ready("box")
    shell = types("exec", "-ti", "box", "--", "sh")
    shell.until(PROMPT)
    fcntl.ioctl(shell._master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 111, 0, 0))
    eventually(lambda: "33 111" in shell.says("stty size"))


def test_control_c_reaches_the_program(cluster: PodCluster, types: Types) -> None:
    cluster.pod("box", SLEEPS)
    cluster.ready("box")
    shell = types("exec", "-ti", "box", "--", "sh")
    shell.until(PROMPT)
    shell.type("sleep 1000")
    eventually(lambda: "sleep 1000" in cluster("exec box -- ps"))
    os.write(shell._master, b"\x03")
    shell.until(PROMPT)
    assert "130" in shell.says("echo code $?")


def test_attach_and_come_back(cluster: PodCluster, types: Types) -> None:
    cluster.pod("box", "command: [sh], stdin: true, tty: true")
    cluster.ready("box")
    first = types("attach", "-ti", "box")
    first.type("kept=yes")
    first.says("true")
    os.kill(first.pid, signal.SIGKILL)
    second = types("attach", "-ti", "box")
    assert "yes" in second.says("echo $kept")


def test_attach_without_a_terminal_shows_what_is_printed(cluster: PodCluster, kubectl: Kubectl) -> None:
    cluster.pod("talks", 'command: [sh, -c, "while true; do echo tick; sleep 0.2; done"]')
    cluster.ready("talks")
    with kubectl.popen("-n", cluster.space, "attach", "talks") as attached:
        assert attached.stdout is not None
        lines = [attached.stdout.readline() for _ in range(3)]
        attached.kill()
    assert lines[-1] == "tick\n"


def test_what_is_piped_in_comes_out_and_ends(cluster: PodCluster, kubectl: Kubectl) -> None:
    words = f"-n {cluster.space} run piped -i --rm --image=busybox --restart=Never --quiet -- sort"
    assert kubectl(words, "b\na\n").splitlines()[:2] == ["a", "b"]


def test_exec_keeps_the_streams_apart_and_the_exit_code(cluster: PodCluster, kubectl: Kubectl) -> None:
    cluster.pod("box", SLEEPS)
    cluster.ready("box")
    done = kubectl.run(f"-n {cluster.space} exec box -- sh -c 'echo out; echo err >&2; exit 3'")
    assert (done.code, done.out) == (3, "out\n")
    assert done.err.startswith("err\n")
    refused = kubectl.run(f"-n {cluster.space} exec box -- /no/such")
    assert refused.code != 0
    assert "no such file or directory" in refused.err


def test_exec_carries_much_in_both_directions(cluster: PodCluster, kubectl: Kubectl) -> None:
    cluster.pod("box", SLEEPS)
    cluster.ready("box")
    much = "0123456789abcdef" * (1 << 16)
    assert kubectl(f"-n {cluster.space} exec -i box -- cat", much) == much


def test_cp_both_ways(cluster: PodCluster, kubectl: Kubectl, tmp_path: Path) -> None:
    cluster.pod("box", SLEEPS)
    cluster.ready("box")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "one").write_bytes(bytes(range(256)) * 100)
    kubectl(f"cp {folder} {cluster.space}/box:/tmp/folder")
    kubectl(f"cp {cluster.space}/box:/tmp/folder {tmp_path / 'back'}")
    assert (tmp_path / "back" / "one").read_bytes() == (folder / "one").read_bytes()


def test_debug_adds_a_container_that_sees_the_others_processes(cluster: PodCluster) -> None:
    """kubectl 1.20 speaks of this with a version of the API that was taken away."""
    kubectl = cluster.with_(NEW)
    cluster.pod("box", SLEEPS)
    cluster.ready("box")
    words = ("debug", "-ti", "box", "--image=busybox", "--target=c", "-c", "look", "--profile=general")
    shell = Terminal([str(kubectl.path), "-n", cluster.space, *words], kubectl.environment)
    shell.until(PROMPT)
    assert "trap exit TERM" in shell.says("ps")
    shell.type("exit")
    shell.ended()
    shell.kill()
    (row,) = cluster.status("box")["ephemeralContainerStatuses"]
    assert (row["name"], row["state"]["terminated"]["exitCode"]) == ("look", 0)
    assert cluster.container("box")["restartCount"] == 0


def test_a_commands_process_ends_with_its_client(cluster: PodCluster, kubectl: Kubectl) -> None:
    cluster.pod("box", SLEEPS)
    cluster.ready("box")
    words = ("-n", cluster.space, "exec", "box", "--", "sleep", "12345")
    with kubectl.popen(*words) as running:
        eventually(lambda: "sleep 12345" in cluster("exec box -- ps"))
        running.kill()
    eventually(lambda: "sleep 12345" in cluster("exec box -- ps"), False)


def test_ports_are_forwarded_from_the_pods_own_loopback(cluster: PodCluster, kubectl: Kubectl) -> None:
    script = "mkdir /www; echo inside > /www/index.html; httpd -f -p 127.0.0.1:8000 -h /www"
    cluster.pod("web", f'command: [sh, -c, "{script}"]')
    cluster.ready("web")
    with kubectl.popen("-n", cluster.space, "port-forward", "web", ":8000") as forward:
        assert forward.stdout is not None
        port = forward.stdout.readline().split("->")[0].rpartition(":")[2].strip()
        got = subprocess.run(
            ["curl", "-s", "--noproxy", "*", f"http://127.0.0.1:{port}/"], capture_output=True, text=True
        )
        forward.kill()
    assert got.stdout == "inside\n"
