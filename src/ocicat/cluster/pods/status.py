"""What a pod's containers do, as its status in the API tells. Pure. Source: kubernetes-api §5, §8."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from ocicat.cluster.pods.quantities import service_class

Thing = Mapping[str, Any]


class Ended(msgspec.Struct, frozen=True):
    """A run of a container that is over."""

    code: int
    started: str
    finished: str
    message: str = ""
    """What it left in its termination log, or why it could not run."""
    ran: bool = True
    """Whether it could run at all."""

    @property
    def reason(self) -> str:
        """`Completed`, `Error`, or `StartError` for one that never ran."""
        if not self.ran:
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
    sidecar: bool = False
    """Whether it is to run as long as the main containers do."""

    @property
    def has_done(self) -> bool:
        """Whether the next init container may run."""
        if self.sidecar:
            return bool(self.running_since) and self.started
        return self.final and self.ended is not None and self.ended.code == 0


def container_status(state: ContainerState, pod_uid: str) -> dict[str, Any]:
    """Return a row of `containerStatuses`."""
    identity = f"ocicat://{pod_uid}/{state.name}/{state.restarts}"
    begun = bool(state.running_since or state.ended)
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
        "imageID": f"ocicat/{state.image}" if begun else "",
        **({"containerID": identity} if begun else {}),
        "restartCount": state.restarts,
        "ready": state.ready,
        "started": state.started,
        "state": now,
        "lastState": last,
    }


def restored(row: Thing, *, final: bool) -> ContainerState:
    """Return the state that a row of `containerStatuses` tells.

    Args:
        row: What an earlier process of the node has written.
        final: Whether a run that is over is not followed by another.
    """
    now, last = row.get("state") or {}, (row.get("lastState") or {}).get("terminated")
    state = ContainerState(
        name=row["name"],
        image=row["image"],
        restarts=int(row.get("restartCount") or 0),
        ready=bool(row.get("ready")),
        started=bool(row.get("started")),
    )
    if "running" in now:
        return msgspec.structs.replace(
            state, running_since=now["running"].get("startedAt", ""), last=_run_of(last)
        )
    if "terminated" in now:
        return msgspec.structs.replace(state, ended=_run_of(now["terminated"]), final=final)
    return msgspec.structs.replace(state, ended=_run_of(last))


def _run_of(row: Thing | None) -> Ended | None:
    if row is None:
        return None
    return Ended(
        int(row.get("exitCode", 0)),
        row.get("startedAt", ""),
        row.get("finishedAt", ""),
        row.get("message", ""),
        ran=row.get("reason") != "StartError",
    )


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
    undone = [state.name for state in init if not state.has_done]
    unready = [state.name for state in main if not state.ready]
    done = bool(main) and all(state.final and state.ended and state.ended.code == 0 for state in main)
    failed = any(state.final and state.ended and state.ended.code for state in init) or (
        bool(main) and all(state.final for state in main) and not done
    )
    truths = (sandbox, not undone, not unready, not unready)
    found = [dict(row) for row in old if row.get("type") not in _CONDITIONS]
    before = {row.get("type"): row for row in old}
    for name, truth in zip(_CONDITIONS, truths, strict=True):
        row: dict[str, Any] = {"type": name, "status": str(truth), "lastProbeTime": None}
        if not truth and name in ("Ready", "ContainersReady"):
            reason = "PodCompleted" if done else "PodFailed" if failed else "ContainersNotReady"
            row |= {"reason": reason}
            if not (done or failed):
                row["message"] = f"containers with unready status: [{' '.join(unready)}]"
        if not truth and name == "Initialized":
            row |= {"reason": "ContainersNotInitialized"}
            row["message"] = f"containers with incomplete status: [{' '.join(undone)}]"
        last = before.get(name)
        kept = last is not None and last.get("status") == row["status"] and last.get("lastTransitionTime")
        row["lastTransitionTime"] = last["lastTransitionTime"] if kept and last else now
        found.append(row)
    return found


class Verdict(msgspec.Struct, frozen=True):
    """Why a whole pod has failed, whatever its containers say."""

    reason: str
    message: str


def pod_status(
    pod: Thing,
    *,
    began: str,
    now: str,
    host_addresses: Sequence[str],
    addresses: Sequence[str],
    sandbox: bool,
    init: Sequence[ContainerState],
    main: Sequence[ContainerState],
    others: Sequence[ContainerState],
    verdict: Verdict | None,
) -> dict[str, Any]:
    """Return the status of a pod.

    Args:
        pod: What the API says of it.
        began: When its node took it, as the API writes times.
        now: The time of a condition that changes.
        host_addresses: Its node's.
        addresses: Its own, none before it has any.
        sandbox: Whether it has namespaces and network.
        init: Its init containers, sidecars among them.
        main: Its containers.
        others: Those that were added to look at it.
        verdict: Why it has failed as a whole.
    """
    uid = str(pod["metadata"]["uid"])
    old = (pod.get("status") or {}).get("conditions") or ()
    policy = pod["spec"].get("restartPolicy", "Always")
    found: dict[str, Any] = {
        "phase": "Failed" if verdict else phase_of(init, main, policy),
        "hostIP": host_addresses[0],
        "hostIPs": [{"ip": address} for address in host_addresses],
        "startTime": began,
        "qosClass": service_class(pod),
        "conditions": conditions_of(old, sandbox=sandbox, init=init, main=main, now=now),
        "containerStatuses": [container_status(state, uid) for state in main],
    }
    if verdict is not None:
        found |= {"reason": verdict.reason, "message": verdict.message}
    for name, states in (("initContainerStatuses", init), ("ephemeralContainerStatuses", others)):
        if states:
            found[name] = [container_status(state, uid) for state in states]
    if addresses:
        found["podIP"] = addresses[0]
        found["podIPs"] = [{"ip": address} for address in addresses]
    return found
