"""What a pod's containers do, as its status in the API tells. Pure. Source: kubernetes-api §5, §8."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

Thing = Mapping[str, Any]


class Ended(msgspec.Struct, frozen=True):
    """A run of a container that is over."""

    code: int
    started: str
    finished: str
    message: str = ""
    """Why it could not run; empty for one that ran."""

    @property
    def reason(self) -> str:
        """`Completed`, `Error`, or `StartError` for one that never ran."""
        if self.message:
            return "StartError"
        return "Completed" if self.code == 0 else "Error"


class ContainerState(msgspec.Struct, frozen=True, kw_only=True):
    """Where one container stands. It waits unless it runs or has ended for good."""

    name: str
    image: str
    waiting: str = "ContainerCreating"
    """The reason, while it waits."""
    message: str = ""
    running_since: str = ""
    """When the present run began; empty where none is."""
    ended: Ended | None = None
    """Its last run, when it will not be run again, or waits for the next."""
    last: Ended | None = None
    """The run before the present one."""
    final: bool = False
    """Whether it will not be run again."""
    restarts: int = 0
    ready: bool = False
    started: bool = False
    """Whether its startup probe has succeeded, or there is none."""


def container_status(state: ContainerState, pod_uid: str) -> dict[str, Any]:
    """Return a row of `containerStatuses`."""
    identity = f"ocicat://{pod_uid}/{state.name}/{state.restarts}"
    last: dict[str, Any] = {}
    if state.running_since:
        now: dict[str, Any] = {"running": {"startedAt": state.running_since}}
        if state.last:
            last = {"terminated": _ended(state.last, identity)}
    elif state.final and state.ended:
        now = {"terminated": _ended(state.ended, identity)}
    else:
        now = {"waiting": {"reason": state.waiting, **({"message": state.message} if state.message else {})}}
        if state.ended:
            last = {"terminated": _ended(state.ended, identity)}
    return {
        "name": state.name,
        "image": state.image,
        "imageID": f"ocicat/{state.image}",
        "containerID": identity,
        "restartCount": state.restarts,
        "ready": state.ready,
        "started": state.started,
        "state": now,
        "lastState": last,
    }


def _ended(run: Ended, identity: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "exitCode": run.code,
        "reason": run.reason,
        "startedAt": run.started,
        "finishedAt": run.finished,
        "containerID": identity,
    }
    if run.message:
        found["message"] = run.message
    return found


def phase_of(init: Sequence[ContainerState], main: Sequence[ContainerState], policy: str) -> str:
    """Return the phase of a pod that has a node."""
    if any(state.final and state.ended and state.ended.code for state in init):
        return "Failed"
    if all(state.final for state in main):
        return "Failed" if any(state.ended and state.ended.code for state in main) else "Succeeded"
    begun = [state for state in main if state.running_since or state.ended]
    if len(begun) == len(main) and (policy != "Never" or begun):
        return "Running"
    return "Pending"


_CONDITIONS: Final = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")


def conditions_of(
    old: Sequence[Thing],
    *,
    sandbox: bool,
    init: Sequence[ContainerState],
    main: Sequence[ContainerState],
    now: str,
) -> list[dict[str, Any]]:
    """Return the conditions of a pod; one keeps its time until it changes."""
    initialized = all(state.final and state.ended and state.ended.code == 0 for state in init)
    unready = [state.name for state in main if not state.ready]
    done = bool(main) and all(state.final and state.ended and state.ended.code == 0 for state in main)
    truths = (sandbox, initialized, not unready, not unready)
    found = [dict(row) for row in old if row.get("type") not in _CONDITIONS]
    before = {row.get("type"): row for row in old}
    for name, truth in zip(_CONDITIONS, truths, strict=True):
        row: dict[str, Any] = {"type": name, "status": str(truth), "lastProbeTime": None}
        if not truth and name in ("Ready", "ContainersReady"):
            reason = "PodCompleted" if done else "ContainersNotReady"
            row |= {"reason": reason}
            if not done:
                row["message"] = f"containers with unready status: [{' '.join(unready)}]"
        last = before.get(name)
        kept = last is not None and last.get("status") == row["status"] and last.get("lastTransitionTime")
        row["lastTransitionTime"] = last["lastTransitionTime"] if kept and last else now
        found.append(row)
    return found
