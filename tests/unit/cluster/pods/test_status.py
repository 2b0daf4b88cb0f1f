"""The status of pods, as their containers stand."""

from typing import Any

import pytest

from ocicat.cluster.pods.status import (
    ContainerState,
    Ended,
    Verdict,
    conditions_of,
    container_status,
    phase_of,
    pod_status,
    restored,
)


def state(name: str = "c", **changes: Any) -> ContainerState:
    return ContainerState(name=name, image="busybox", **changes)


RUNS = state(running_since="t1", ready=True, started=True)
GOOD = state(ended=Ended(0, "t1", "t2"), final=True)
BAD = state(ended=Ended(3, "t1", "t2"), final=True)
BACKS_OFF = state(ended=Ended(3, "t1", "t2"), waiting="CrashLoopBackOff", restarts=1)
WAITS = state()
SIDECAR = state("side", running_since="t1", started=True, sidecar=True)


@pytest.mark.parametrize(
    ("init", "main", "phase"),
    [
        ([], [WAITS], "Pending"),
        ([], [RUNS], "Running"),
        ([], [RUNS, WAITS], "Pending"),
        # "at least one container is still running, or is in the process of starting or restarting"
        ([], [RUNS, GOOD], "Running"),
        ([], [BACKS_OFF], "Running"),
        # "All containers in the pod have terminated in success, and will not be restarted"
        ([], [GOOD, GOOD], "Succeeded"),
        # "at least one container has terminated in failure"
        ([], [GOOD, BAD], "Failed"),
        ([BAD], [WAITS], "Failed"),
        ([BACKS_OFF], [WAITS], "Pending"),
        ([GOOD, SIDECAR], [WAITS], "Pending"),
        ([SIDECAR], [GOOD], "Succeeded"),
    ],
)
def test_phases(init: list[ContainerState], main: list[ContainerState], phase: str) -> None:
    assert phase_of(init, main, "Always") == phase


def truths(init: list[ContainerState], main: list[ContainerState], old: Any = ()) -> dict[str, Any]:
    rows = conditions_of(old, sandbox=True, init=init, main=main, now="now")
    return {row["type"]: row for row in rows}


def test_conditions_of_a_pod_that_starts() -> None:
    found = truths([state("first")], [WAITS])
    assert found["PodReadyToStartContainers"]["status"] == "True"
    assert found["Initialized"]["status"] == "False"
    assert found["Initialized"]["message"] == "containers with incomplete status: [first]"
    assert found["Ready"]["reason"] == "ContainersNotReady"
    assert found["Ready"]["message"] == "containers with unready status: [c]"


@pytest.mark.parametrize(("main", "reason"), [([GOOD], "PodCompleted"), ([BAD], "PodFailed")])
def test_conditions_of_a_pod_that_is_over(main: list[ContainerState], reason: str) -> None:
    assert truths([], main)["Ready"]["reason"] == reason


def test_a_condition_keeps_its_time_until_it_changes_and_foreign_ones_stay() -> None:
    old = [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": "before"},
        {"type": "Ready", "status": "True", "lastTransitionTime": "before"},
        {"type": "ContainersReady", "status": "False", "lastTransitionTime": "before"},
    ]
    found = truths([], [RUNS], old)
    times = {name: row["lastTransitionTime"] for name, row in found.items()}
    assert times == {
        "PodScheduled": "before", "Ready": "before", "ContainersReady": "now", "Initialized": "now",
        "PodReadyToStartContainers": "now",
    }  # fmt: skip


def test_a_sidecar_lets_the_next_container_start_when_it_has_started() -> None:
    assert SIDECAR.has_done
    assert not state(running_since="t1", started=False, sidecar=True).has_done
    assert truths([SIDECAR], [RUNS])["Initialized"]["status"] == "True"


def test_a_container_that_never_ran_has_no_identity() -> None:
    row = container_status(state(waiting="ErrImagePull", message="no"), "u")
    assert "containerID" not in row
    assert row["state"] == {"waiting": {"reason": "ErrImagePull", "message": "no"}}


STATES = [
    RUNS, GOOD, BAD, BACKS_OFF, WAITS,
    state(running_since="t3", last=Ended(1, "t1", "t2", "because"), restarts=2),
    state(ended=Ended(128, "t1", "t2", "no such file", ran=False), final=True),
]  # fmt: skip


@pytest.mark.parametrize("known", STATES)
def test_a_state_comes_back_from_what_was_written_of_it(known: ContainerState) -> None:
    found = restored(container_status(known, "u"), final=known.final)
    assert container_status(found, "u")["lastState"] == container_status(known, "u")["lastState"]
    for name in ("running_since", "ended", "last", "final", "restarts", "ready", "started"):
        assert getattr(found, name) == getattr(known, name), name


def test_a_pods_status() -> None:
    pod = {"metadata": {"uid": "u"}, "spec": {"containers": [{"name": "c"}]}}

    def told(**changes: Any) -> dict[str, Any]:
        given: dict[str, Any] = {
            "began": "t0", "now": "t9", "host_addresses": ("1.1.1.1", "::1"), "addresses": (),
            "sandbox": False, "init": [], "main": [WAITS], "others": [], "verdict": None,
        }  # fmt: skip
        return pod_status(pod, **(given | changes))

    first = told()
    assert (first["phase"], first["hostIP"], first["qosClass"]) == ("Pending", "1.1.1.1", "BestEffort")
    assert "podIP" not in first
    assert "initContainerStatuses" not in first
    later = told(addresses=("2.2.2.2", "::2"), others=[state("look")], verdict=Verdict("Late", "too long"))
    assert (later["phase"], later["reason"], later["message"]) == ("Failed", "Late", "too long")
    assert later["podIPs"] == [{"ip": "2.2.2.2"}, {"ip": "::2"}]
    assert [row["name"] for row in later["ephemeralContainerStatuses"]] == ["look"]
