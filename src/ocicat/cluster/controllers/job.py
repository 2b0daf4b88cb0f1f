"""Jobs: pods until enough of them have succeeded, or too many have failed."""

from typing import Final

from ocicat.cluster.controllers.actions import Action, Again, Change, Create, Remove, Say, Thing
from ocicat.cluster.controllers.known import Known
from ocicat.cluster.controllers.replicaset import pod_of
from ocicat.cluster.controllers.things import (
    NS,
    changed,
    condition,
    instant,
    is_active,
    is_going,
    is_ready,
    name_of,
    phase_of,
    spec_of,
    status_of,
    timestamp,
    with_condition,
)

NAME_LABELS: Final = ("batch.kubernetes.io/job-name", "job-name")


def reconcile(known: Known, job: Thing, now_ns: int) -> list[Action]:
    """Return the pods to create or delete, and the status; a finished Job goes when its time is over."""
    if is_going(job):
        return []
    if finished(job):
        return _expired(job, now_ns)
    spec = spec_of(job)
    pods = known.controlled("Pod", job)
    active = [pod for pod in pods if is_active(pod)]
    succeeded = sum(phase_of(pod) == "Succeeded" for pod in pods)
    failed = sum(phase_of(pod) == "Failed" for pod in pods)
    needed, parallel = spec.get("completions"), int(spec.get("parallelism", 1))
    verdict = _verdict(job, succeeded, failed, active, now_ns)
    actions: list[Action] = []
    if verdict is not None:
        actions += [Remove(pod) for pod in active]
    elif not spec.get("suspend"):
        missing = parallel if needed is None else min(parallel, int(needed) - succeeded)
        enough = needed is None and succeeded > 0
        actions += [Create(_pod(job), job) for _ in range(0 if enough else max(0, missing - len(active)))]
    counts = {
        "active": len(active),
        "ready": sum(map(is_ready, active)),
        "succeeded": succeeded,
        "failed": failed,
    }
    return actions + _status(job, counts, verdict, now_ns)


def finished(job: Thing) -> bool:
    """Tell whether the Job has ended, well or badly."""
    return any(
        (found := condition(job, kind)) is not None and found.get("status") == "True"
        for kind in ("Complete", "Failed")
    )


def _verdict(job: Thing, succeeded: int, failed: int, active: list[Thing], now_ns: int) -> Thing | None:
    spec = spec_of(job)
    needed = spec.get("completions")
    if (needed is not None and succeeded >= int(needed)) or (needed is None and succeeded and not active):
        return {"type": "Complete", "status": "True", "reason": "CompletionsReached", "message": ""}
    if failed > int(spec.get("backoffLimit", 6)):
        text = "Job has reached the specified backoff limit"
        return {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": text}
    deadline_s, began = spec.get("activeDeadlineSeconds"), status_of(job).get("startTime")
    if deadline_s is not None and began and now_ns - instant(began) >= int(deadline_s) * NS:
        text = "Job was active longer than specified deadline"
        return {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": text}
    return None


def _pod(job: Thing) -> Thing:
    pod = pod_of(job, spec_of(job).get("template") or {})
    labels = {**(pod["metadata"].get("labels") or {}), **dict.fromkeys(NAME_LABELS, name_of(job))}
    return {**pod, "metadata": {**pod["metadata"], "labels": labels}}


def _status(job: Thing, counts: dict[str, int], verdict: Thing | None, now_ns: int) -> list[Action]:
    before = status_of(job)
    status: Thing = dict(counts)
    status["startTime"] = before.get("startTime", timestamp(now_ns))
    actions: list[Action] = []
    if verdict is not None:
        status |= {"active": 0, "ready": 0, "conditions": with_condition(job, verdict, now_ns)}
        if verdict["type"] == "Complete":
            status["completionTime"] = timestamp(now_ns)
            actions.append(Say(job, "Completed", "Job completed"))
        else:
            actions.append(Say(job, verdict["reason"], verdict["message"], warning=True))
    if patch := changed(before, status):
        actions.append(Change(job, {"status": patch}, "status"))
    deadline_s = spec_of(job).get("activeDeadlineSeconds")
    if deadline_s is not None and verdict is None:
        actions.append(Again(float(deadline_s)))
    return actions


def _expired(job: Thing, now_ns: int) -> list[Action]:
    lives_s = spec_of(job).get("ttlSecondsAfterFinished")
    if lives_s is None:
        return []
    ends = [found for kind in ("Complete", "Failed") if (found := condition(job, kind)) is not None]
    left_s = (instant(ends[0]["lastTransitionTime"]) - now_ns) / NS + int(lives_s)
    return [Remove(job)] if left_s <= 0 else [Again(left_s)]
