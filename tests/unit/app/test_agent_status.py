"""What an agent says of itself: at its socket, as metrics, on the command line."""

import asyncio
import stat
import urllib.request

import msgspec
import pytest
from click.testing import CliRunner
from prometheus_client import generate_latest

from ocicat.api.flowclient import FlowClientStatus
from ocicat.app.agent.cutting import CutStatus
from ocicat.app.agent.metrics import COUNTERS, GAUGES, Metrics
from ocicat.app.agent.status import (
    AgentRunningError,
    AgentStatus,
    AgentUnreachableError,
    EnforcementStatus,
    StatusServer,
    Verification,
    ask_status,
    ask_verify,
    socket_path,
)
from ocicat.app.agent.unenforced import Unenforced
from ocicat.base.errors import OcicatError
from ocicat.cli.agent import status_lines
from ocicat.cli.main import cli
from ocicat.cluster.reflect import ReflectorStatus, State
from ocicat.flows.aggregate import Losses
from ocicat.flows.collect import CollectorStatus
from ocicat.model.meta import Ref
from support.clocks import settled

FINE = AgentStatus(
    node="n1",
    version="1.0",
    started_ns=1_700_000_000_000_000_000,
    synced=True,
    waiting=3,
    faults=0,
    enforcement=EnforcementStatus(generation=7, endpoints=2, policies=4, last_apply_s=0.0214, passes=9),
    unenforced=(),
    reflectors=(
        ReflectorStatus("Pod", State.WATCHING, "/api/v1/pods", True, 12, 0, "40", 1, 2, ""),
        ReflectorStatus("Tier.projectcalico.org", State.NOT_SERVED, "", True, 0, 0, "", 0, 0, ""),
    ),
    flows=FlowClientStatus("127.0.0.1:7443", True, "batches", 5, 100, 6, ""),
    accounting=CollectorStatus(records=111, losses=Losses(events=1, unknown_traces=2)),
)
WARNED = Unenforced(Ref("", "Node", "", "n1"), "EN0004 no number is free", enforced=True)
SAME = Verification((), False)
LOST = Unenforced(Ref("", "Pod", "a", "web"), "the node has no route to 10.0.0.1")


def changed(**fields):
    return msgspec.structs.replace(FINE, **fields)


# --- the socket ---------------------------------------------------------------------------------------------


class Answers:
    """A status server with what it answers."""

    def __init__(self, path, status=FINE, verification=SAME, error=None):
        async def verify(heal):
            self.healed = heal
            if error:
                raise error
            return verification

        self.server = StatusServer(path, lambda: status, verify)
        self.healed = None


async def test_the_status_comes_whole(tmp_path):
    path = socket_path(tmp_path, "n1")
    answers = Answers(path)
    await answers.server.start()
    assert await asyncio.to_thread(ask_status, path) == FINE
    await answers.server.close()
    assert not path.exists()


async def test_the_socket_is_its_owners_alone(tmp_path):
    path = socket_path(tmp_path, "n1")
    answers = Answers(path)
    await answers.server.start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    await answers.server.close()


async def test_verification_is_asked_for_with_or_without_healing(tmp_path):
    path = socket_path(tmp_path, "n1")
    answers = Answers(path, verification=Verification(("chain x was edited",), True))
    await answers.server.start()
    found = await asyncio.to_thread(lambda: ask_verify(path, heal=True))
    assert (found.deviations, found.healed, answers.healed) == (("chain x was edited",), True, True)
    await asyncio.to_thread(lambda: ask_verify(path, heal=False))
    assert answers.healed is False
    await answers.server.close()


async def test_what_goes_wrong_in_the_agent_is_told_to_who_asked(tmp_path):
    path = socket_path(tmp_path, "n1")
    answers = Answers(path, error=OcicatError("nft is gone"))
    await answers.server.start()
    with pytest.raises(AgentUnreachableError, match="nft is gone"):
        await asyncio.to_thread(lambda: ask_verify(path, heal=False))
    await answers.server.close()


@pytest.mark.parametrize("question", [b"", b"hello\n", b"[]\n", b'{"ask":"money"}\n', b"x" * 10_000])
async def test_nonsense_is_answered_or_dropped_and_harms_nobody(tmp_path, question):
    path = socket_path(tmp_path, "n1")
    answers = Answers(path)
    await answers.server.start()
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(question)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 10)
    assert answer == b"" or b'"error"' in answer
    writer.close()
    assert await asyncio.to_thread(ask_status, path) == FINE
    await answers.server.close()


async def test_two_agents_of_one_node_are_one_too_many(tmp_path):
    path = socket_path(tmp_path, "n1")
    first, second = Answers(path), Answers(path)
    await first.server.start()
    with pytest.raises(AgentRunningError):
        await second.server.start()
    await settled()
    await first.server.close()


async def test_what_a_killed_agent_left_does_not_keep_the_next_from_starting(tmp_path):
    path = socket_path(tmp_path, "n1")
    dead = Answers(path)
    await dead.server.start()
    dead.server._server.close()
    await dead.server._server.wait_closed()
    path.touch()
    alive = Answers(path)
    await alive.server.start()
    assert await asyncio.to_thread(ask_status, path) == FINE
    await alive.server.close()


def test_nobody_answers(tmp_path):
    with pytest.raises(AgentUnreachableError, match="no agent answers at"):
        ask_status(socket_path(tmp_path, "n1"))


# --- metrics ------------------------------------------------------------------------------------------------


def test_every_metric_is_there_and_agrees_with_the_status():
    text = generate_latest(Metrics(lambda: FINE).registry).decode()
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    for name, (_, value) in GAUGES.items():
        assert float(lines[f"ocicat_agent_{name}"]) == float(value(FINE))
    for name, (_, value) in COUNTERS.items():
        assert float(lines[f"ocicat_agent_{name}_total"]) == float(value(FINE))
    assert lines['ocicat_agent_reflector_objects{kind="Pod",state="watching"}'] == "12.0"
    assert lines["ocicat_agent_apply_seconds_count"] == "0.0"
    assert lines['ocicat_agent_flow_losses_total{kind="unknown_traces"}'] == "2.0"


def test_metrics_are_served_on_the_loopback():
    metrics = Metrics(lambda: FINE)
    metrics.serve(0)
    port = metrics._server.server_port
    assert metrics._server.server_address[0] == "127.0.0.1"
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:  # our own
        assert b"ocicat_agent_generation 7.0" in answer.read()
    metrics.close()


# --- for people ---------------------------------------------------------------------------------------------


def test_a_status_for_people():
    assert status_lines(FINE) == [
        "node         n1 (ocicat 1.0, since 2023-11-14 22:13:20 UTC)",
        "cluster      12 objects of 1 kinds",
        "kernel       2 pods, 4 policies",
        "last change  21 ms, generation 7, 0 refused, 0 foreign edits put right",
        "hub          127.0.0.1:7443, by batches",
        (
            "flows        111 records, 100 acknowledged, 5 waiting, 6 lost; "
            "not counted: 1 events, 2 unknown traces"
        ),
    ]


def test_what_is_not_enforced_stands_out():
    lines = status_lines(changed(unenforced=(LOST,)))
    assert lines[-2:] == ["NOT ENFORCED (1)", "  Pod a/web: the node has no route to 10.0.0.1"]


def test_what_is_not_known_stands_out():
    waiting = msgspec.structs.replace(
        FINE.reflectors[1], synced=False, state=State.REFUSED, error="403 Forbidden: no"
    )
    lines = status_lines(changed(synced=False, reflectors=(FINE.reflectors[0], waiting)))
    kind = "Tier.projectcalico.org"
    assert lines[1] == f"cluster      NOT SYNCED, waiting for {kind}; {kind}: 403 Forbidden: no"


@pytest.mark.parametrize(
    ("found", "ok"),
    [
        (FINE, True),
        (changed(synced=False), False),
        (changed(unenforced=(LOST,)), False),
        (changed(enforcement=EnforcementStatus(error="no")), False),
    ],
)
def test_all_is_well_or_not(found, ok):
    assert found.ok is ok


# --- the command line ---------------------------------------------------------------------------------------


def run(*arguments, env=None):
    return CliRunner().invoke(cli, ["agent", *arguments], env=env)


def test_a_node_must_be_named():
    done = run(env={"OCICAT_AGENT_NODE": None})
    assert done.exit_code == 2
    assert "name the node" in done.output


def test_a_wrong_setting_is_wrong_usage(tmp_path):
    done = run("--node", "n1", "--home", str(tmp_path), "--metrics-port", "many")
    assert done.exit_code == 2
    assert "--metrics-port ('many')" in done.output


def test_no_agent_is_unreachable(tmp_path):
    for command in ("status", "verify"):
        done = run("--node", "n1", "--home", str(tmp_path), command)
        assert done.exit_code == 3
        assert "no agent answers" in done.output


def test_a_kubeconfig_that_is_not_there_ends_the_agent(tmp_path):
    done = run("--node", "n1", "--home", str(tmp_path), "--kubeconfig", str(tmp_path / "nowhere"))
    assert done.exit_code == 3
    assert "nowhere" in done.output


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "lightkube" else object())
    done = run("--node", "n1", "--home", str(tmp_path), "status")
    assert done.exit_code == 3
    assert "not installed: lightkube. Run: pip install 'ocicat[agent]'" in done.output


def test_warnings_are_listed_apart_and_leave_the_agent_in_order():
    warned = changed(unenforced=(WARNED,))
    assert warned.ok
    assert status_lines(warned)[-2:] == ["WARNINGS (1)", f"  {WARNED.ref}: {WARNED.reason}"]
    both = changed(unenforced=(LOST, WARNED))
    assert not both.ok
    assert [line for line in status_lines(both) if line.isupper() or "(1)" in line] == [
        "NOT ENFORCED (1)",
        "WARNINGS (1)",
    ]


def test_cuts_and_services_are_shown_where_there_is_something_to_say():
    told = changed(services="translated here", cut=CutStatus(5, 2, "no answer"))
    assert not told.ok
    assert status_lines(told)[-2:] == [
        "services     translated here",
        "cut          2 connections that policy refuses; FAILED: no answer",
    ]
    assert not any(line.startswith(("services", "cut")) for line in status_lines(FINE))
