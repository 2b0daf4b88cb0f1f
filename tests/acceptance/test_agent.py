"""The node agent as a user runs it: a real process, a real kernel, real packets between pods.

Source: the issue on the dataplane and the agent; spec/kubernetes-api §5; spec/flows-and-console §5.
"""

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from ocicat.cluster.reflect import State
from ocicat.model.flow import Action, Reporter
from ocicat.model.record import FlowRecord
from support.agentbed import POLICIES, AgentBed
from support.pods_net import PodsNet

HUB = "127.0.0.1:7443"
pytestmark = [pytest.mark.kernel, pytest.mark.slow]


@pytest.fixture
def bed(pods_net: PodsNet, tmp_path: Path) -> Iterator[AgentBed]:
    """A node with two pods, an API server that knows them, a hub, and no agent yet."""
    made = AgentBed(pods_net, tmp_path)
    try:
        made.start_api()
        made.start_hub()
        made.add_pod("client", "10.65.0.1", app="client")
        made.add_pod("server", "10.65.0.2", app="server")
        made.put_cluster()
        yield made
    finally:
        made.close()


def denied(bed: AgentBed) -> list[FlowRecord]:
    """Return what the hub knows of refused connections to the server."""
    return [
        record
        for record in bed.records()
        if record.key.action is Action.DENY and record.key.reporter is Reporter.DST
    ]


def test_a_policy_is_enforced_explained_and_edited(bed: AgentBed) -> None:
    bed.start_agent()
    assert bed.passes("client", "server")

    bed.put_policy("p", "Deny")
    bed.until(lambda: not bed.passes("client", "server"))
    assert bed.until(lambda: bool(denied(bed))) < 1.0
    (record, *_) = denied(bed)
    assert [hit.text() for hit in record.key.enforced] == ["0|default|np:a/p|deny|0"]
    assert (record.key.source_name, record.key.dest_name) == ("client-*", "server-*")
    assert (record.key.dest_port, record.key.proto, record.node) == (80, "tcp", "n1")
    assert (record.source_ip, record.dest_ip) == ("10.65.0.1", "10.65.0.2")

    bed.put_policy("p", "Allow")
    bed.until(lambda: bed.passes("client", "server"))
    assert not bed.passes("client", "server", 81), "what no rule allows, the end of the tier denies"
    bed.until(lambda: any(record.key.dest_port == 81 for record in denied(bed)))
    (ended,) = {record.key.enforced for record in denied(bed) if record.key.dest_port == 81}
    assert [hit.text() for hit in ended] == ["0|default|np:a/p|deny|-1"]


def test_enforcement_outlives_the_agent_and_the_next_one_takes_it_over(bed: AgentBed) -> None:
    bed.start_agent()
    bed.put_policy("p", "Deny")
    bed.until(lambda: not bed.passes("client", "server"))
    ruleset = bed.ruleset()

    bed.kill("agent")
    assert not bed.passes("client", "server")
    assert bed.passes("server", "client"), "what no policy selects goes on"
    assert bed.ruleset() == ruleset

    told_before = len(denied(bed))
    bed.start_agent(wait=False)
    while not bed.enforcing():
        assert not bed.passes("client", "server"), "no packet leaks while the next agent takes over"
        assert bed.passes("server", "client"), "none is lost"
    assert not bed.passes("client", "server")
    assert bed.ruleset() == ruleset, "a restart changes nothing where nothing has changed"
    assert bed.ask_agent("verify").stdout == "0 differences\n"
    bed.until(lambda: len(denied(bed)) > told_before)
    assert {hit.text() for record in denied(bed) for hit in record.key.enforced} == {
        "0|default|np:a/p|deny|0"
    }


def test_the_api_server_goes_away_and_comes_back(bed: AgentBed) -> None:
    bed.put_policy("p", "Deny")
    bed.start_agent()
    assert not bed.passes("client", "server")

    bed.kill("api")
    bed.until(lambda: any(r.state is State.INTERRUPTED for r in bed.status().reflectors))
    assert not bed.passes("client", "server")
    assert bed.passes("server", "client")

    # It comes back with nothing in common with what it was but the objects.
    bed.start_api()
    bed.put_cluster()
    bed.put_policy("q", "Allow")
    bed.until(lambda: bed.passes("client", "server"))


def test_an_agent_that_starts_without_its_api_server_leaves_the_kernel_as_it_is(bed: AgentBed) -> None:
    bed.start_agent()
    bed.put_policy("p", "Deny")
    bed.until(lambda: not bed.passes("client", "server"))
    bed.kill("agent")
    bed.kill("api")

    bed.start_agent(wait=False)
    bed.until(lambda: bed.status() is not None and any(r.error for r in bed.status().reflectors))
    assert not bed.status().synced
    assert not bed.passes("client", "server")
    assert bed.passes("server", "client")
    shown = bed.ask_agent("status")
    assert shown.returncode == 1
    assert "NOT SYNCED" in shown.stdout


def test_the_hub_goes_away_and_misses_nothing(bed: AgentBed) -> None:
    bed.put_policy("p", "Deny")
    bed.start_agent()
    bed.kill("hub")
    for _ in range(3):
        assert not bed.passes("client", "server")
    bed.until(lambda: bed.status().flows.queued > 0)
    assert bed.status().flows.lost == 0

    bed.start_hub()
    bed.until(lambda: sum(record.counts.packets_in for record in denied(bed)) == 3)
    bed.until(lambda: bed.status().flows.queued == 0)


def test_a_goldmane_gets_the_same_flows_in_windows(bed: AgentBed) -> None:
    bed.stop("hub")
    bed.start_hub("--turns")
    bed.put_policy("p", "Deny")
    bed.start_agent()
    assert not bed.passes("client", "server")
    bed.until(lambda: bool(denied(bed)))
    (record, *_) = denied(bed)
    assert record.end_ns - record.start_ns == 15_000_000_000
    assert record.start_ns % 15_000_000_000 == 0
    assert bed.status().flows.method == "turns"


def test_it_works_with_our_own_api_server_and_our_own_hub(pods_net: PodsNet, tmp_path: Path) -> None:
    bed = AgentBed(pods_net, tmp_path)
    try:
        bed.start_embedded_api()
        ocicat = str(Path(sys.executable).with_name("ocicat"))
        home = str(tmp_path / "hub")
        bed.start("hub", ocicat, "hub", "--home", home, "--listen", "127.0.0.1:8081", "--grpc", HUB)
        bed.put("/api/v1/namespaces", "Namespace", "a")
        bed.add_pod("client", "10.65.0.1", app="client")
        bed.add_pod("server", "10.65.0.2", app="server")
        bed.start_agent()
        bed.until(lambda: bed.passes("client", "server"))
        bed.put_policy("p", "Deny")
        bed.until(lambda: not bed.passes("client", "server"))
        bed.until(lambda: "Policy a/p, rule 1" in bed.in_node(ocicat, "flows", "--denied", "-o", "wide"))
        assert bed.status().flows.method == "batches"
    finally:
        bed.close()


def test_a_foreign_edit_is_found_and_put_right(bed: AgentBed) -> None:
    bed.put_policy("p", "Deny")
    bed.start_agent()
    bed.net.namespaces.run("nft", "flush chain inet ocicat forward")
    assert bed.passes("client", "server"), "somebody has opened the node"
    found = bed.ask_agent("verify")
    assert found.returncode == 1
    assert "chain forward was edited" in found.stdout
    assert bed.ask_agent("verify", "--heal").returncode == 1
    assert not bed.passes("client", "server")
    assert bed.ask_agent("verify").returncode == 0


def test_a_pod_without_an_interface_of_its_own_is_told(bed: AgentBed) -> None:
    bed.start_agent()
    bed.put_pod("bridged", "172.18.0.77", app="server")
    bed.until(lambda: bool(bed.status().unenforced))
    (told,) = bed.status().unenforced
    assert (told.ref.kind, told.ref.name) == ("Pod", "bridged")
    shown = bed.ask_agent("status")
    assert shown.returncode == 1
    assert "Pod a/bridged: the route to 172.18.0.77 is over uplink" in shown.stdout
    bed.until(lambda: "bridged" in bed.api("GET", "/api/v1/namespaces/a/events").text)


def test_a_pod_that_comes_and_goes(bed: AgentBed) -> None:
    bed.put_policy("p", "Deny")
    bed.start_agent()
    bed.add_pod("late", "10.65.0.3", app="server")
    assert not bed.passes("client", "late"), "closed until it is programmed, and then denied"
    assert bed.passes("late", "client") or bed.until(lambda: bed.passes("late", "client"))
    bed.net.remove("late")
    bed.api("DELETE", "/api/v1/namespaces/a/pods/late").raise_for_status()
    bed.until(lambda: bed.status().enforcement.endpoints == 2)


def test_an_invalid_policy_is_told_on_the_policy_and_the_rest_is_enforced(bed: AgentBed) -> None:
    bed.put_policy("p", "Deny")
    bed.put(POLICIES.format("a"), "NetworkPolicy", "broken", spec={"selector": "app = 'x'"})
    bed.start_agent()
    assert not bed.passes("client", "server")
    (told,) = bed.status().unenforced
    assert told.ref.name == "broken"
    bed.until(lambda: "broken" in bed.api("GET", "/api/v1/namespaces/a/events").text)


def test_it_stops_when_it_is_asked(bed: AgentBed) -> None:
    bed.put_policy("p", "Deny")
    bed.start_agent()
    assert not bed.passes("client", "server")
    assert bed.stop("agent") == 0
    assert '"event": "agent.stopped"' in bed.log("agent")
    assert denied(bed), "the last flows were still delivered"
    assert not bed.passes("client", "server")
    assert bed.ask_agent("status").returncode == 3


@pytest.mark.parametrize("cut", [False, True])
def test_established_connections_go_on_unless_the_agent_is_told_to_cut_them(
    pods_net: PodsNet, tmp_path: Path, cut: bool
) -> None:
    """§9.1: a change leaves what is established alone; `--cut-refused` ends what policy refuses, no more."""
    bed = AgentBed(pods_net, tmp_path)
    try:
        bed.start_api()
        bed.add_pod("client", "10.65.0.1", stack=True, app="client")
        bed.add_pod("server", "10.65.0.2", stack=True, app="server")
        bed.put_cluster()
        bed.start_agent("--denial", "reject", *(["--cut-refused"] if cut else []))
        with ExitStack() as opened:
            refused, kept = (opened.enter_context(connected(bed, port)) for port in (80, 81))
            bed.put_policy("p", "Allow", port=81)
            bed.until(lambda: bed.status().enforcement.policies == 1)
            if cut:
                bed.until(lambda: bed.status().cut.ended == 1)
                assert "1 connections that policy refuses" in bed.ask_agent("status").stdout
            for held in (refused, kept):
                held.sendall(b"ping")
            assert kept.recv(4) == b"ping"
            if cut:
                with pytest.raises(ConnectionResetError):
                    refused.recv(4)
            else:
                assert refused.recv(4) == b"ping"
        assert bed.status().cut.error == ""
    finally:
        bed.close()


@contextmanager
def connected(bed: AgentBed, port: int) -> Iterator[socket.socket]:
    """A connection from client to server, which sends back what it gets."""
    places = bed.net.namespaces
    with (
        places.socket(socket.AF_INET, socket.SOCK_STREAM, at="server") as listening,
        places.socket(socket.AF_INET, socket.SOCK_STREAM, at="client") as opened,
    ):
        listening.bind(("", port))
        listening.listen()
        opened.settimeout(20)
        opened.connect((str(bed.addresses["server"]), port))
        accepted, _ = listening.accept()
        echo = threading.Thread(target=_echo, args=(accepted,), daemon=True)
        echo.start()
        yield opened
        accepted.shutdown(socket.SHUT_RD)
        echo.join()


def _echo(accepted: socket.socket) -> None:
    with accepted, suppress(ConnectionError):
        while data := accepted.recv(100):
            accepted.sendall(data)
