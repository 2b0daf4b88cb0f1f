"""CronJobs: a Job at each time of a schedule."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from ocicat.cluster.controllers.actions import Action, Again, Change, Create, Remove, Say, Thing
from ocicat.cluster.controllers.job import finished
from ocicat.cluster.controllers.known import Known
from ocicat.cluster.controllers.things import (
    NS,
    changed,
    condition,
    instant,
    is_going,
    name_of,
    namespace_of,
    owned,
    spec_of,
    status_of,
    timestamp,
)

_MACROS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def next_time(schedule: str, after: datetime) -> datetime | None:
    """Return the first time of a schedule after a moment; None where there is none, as for 30 February.

    Raises CronSimError where the text is no schedule.
    """
    return next(CronSim(_MACROS.get(schedule.strip(), schedule), after), None)


def reconcile(known: Known, cronjob: Thing, now_ns: int) -> list[Action]:
    """Return the Job that is due, the old ones to delete, and when to look again."""
    if is_going(cronjob):
        return []
    spec = spec_of(cronjob)
    jobs = known.controlled("Job", cronjob)
    active = [job for job in jobs if not finished(job) and not is_going(job)]
    actions = _history(cronjob, jobs) + _status(cronjob, active)
    if spec.get("suspend"):
        return actions
    try:
        zone = ZoneInfo(spec["timeZone"]) if spec.get("timeZone") else UTC
        now = datetime.fromtimestamp(now_ns / NS, zone)
        due = _due(cronjob, now)
        upcoming = next_time(spec.get("schedule", ""), now)
    except (CronSimError, ZoneInfoNotFoundError, ValueError) as error:
        return [*actions, Say(cronjob, "InvalidSchedule", str(error), warning=True)]
    if due is not None:
        actions += _start(cronjob, due, active, now)
    return actions if upcoming is None else [*actions, Again((upcoming - now).total_seconds())]


def _due(cronjob: Thing, now: datetime) -> datetime | None:
    """Return the latest time of the schedule that has come and has not been served."""
    since_text = status_of(cronjob).get("lastScheduleTime") or cronjob["metadata"].get("creationTimestamp")
    since = datetime.fromtimestamp(instant(since_text) / NS, now.tzinfo) if since_text else now
    limit_s = spec_of(cronjob).get("startingDeadlineSeconds")
    earliest = now - timedelta(seconds=int(limit_s) if limit_s is not None else 86400)
    schedule = spec_of(cronjob).get("schedule", "")
    found, moment = None, max(since, earliest - timedelta(minutes=1))
    while (upcoming := next_time(schedule, moment)) is not None and upcoming <= now:
        found = moment = upcoming
    return found if found is None or found >= earliest else None


def _start(cronjob: Thing, due: datetime, active: list[Thing], now: datetime) -> list[Action]:
    policy = spec_of(cronjob).get("concurrencyPolicy", "Allow")
    if active and policy == "Forbid":
        text = "Not starting job because prior execution is running and concurrency policy is Forbid"
        return [Say(cronjob, "JobAlreadyActive", text)]
    actions: list[Action] = [Remove(job) for job in active] if policy == "Replace" else []
    template = spec_of(cronjob).get("jobTemplate") or {}
    given = template.get("metadata") or {}
    metadata = {key: given[key] for key in ("labels", "annotations") if given.get(key)}
    minutes = int(due.timestamp()) // 60
    body = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**metadata, "name": f"{name_of(cronjob)}-{minutes}"},
        "spec": dict(template.get("spec") or {}),
    }
    stamped = timestamp(int(due.timestamp()) * NS)
    return [
        *actions,
        Create(owned(body, cronjob)),
        Say(cronjob, "SuccessfulCreate", f"Created job {name_of(cronjob)}-{minutes}"),
        Change(cronjob, {"status": {"lastScheduleTime": stamped}}, "status"),
    ]


def _history(cronjob: Thing, jobs: list[Thing]) -> list[Action]:
    actions: list[Action] = []
    for kind, field, default in (
        ("Complete", "successfulJobsHistoryLimit", 3),
        ("Failed", "failedJobsHistoryLimit", 1),
    ):
        ended = [job for job in jobs if (found := condition(job, kind)) and found.get("status") == "True"]
        ended.sort(key=lambda job: str(job["metadata"].get("creationTimestamp", "")))
        kept = int(spec_of(cronjob).get(field, default))
        actions += [Remove(job) for job in ended[: max(0, len(ended) - kept)]]
    return actions


def _status(cronjob: Thing, active: list[Thing]) -> list[Action]:
    references = [
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": name_of(job),
            "namespace": namespace_of(job),
            "uid": job["metadata"].get("uid", ""),
        }
        for job in active
    ]
    before = status_of(cronjob)
    if not references and not before.get("active"):
        return []
    patch = changed(before, {"active": references})
    return [Change(cronjob, {"status": patch}, "status")] if patch else []
