"""Events: what controllers say about objects, as the API keeps it."""

from typing import Final

from ocicat.cluster.controllers.actions import Say, Thing
from ocicat.cluster.controllers.things import name_of, namespace_of, timestamp

COMPONENTS: Final = {
    "Deployment": "deployment-controller",
    "ReplicaSet": "replicaset-controller",
    "DaemonSet": "daemonset-controller",
    "StatefulSet": "statefulset-controller",
    "Job": "job-controller",
    "CronJob": "cronjob-controller",
    "Pod": "default-scheduler",
}


def event_of(said: Say, now_ns: int, chance: float) -> Thing:
    """Return the Event; `chance` (0 up to 1) tells events of one object and moment apart."""
    about = said.about
    component = COMPONENTS.get(about["kind"], "controller-manager")
    stamp = timestamp(now_ns)
    namespace = namespace_of(about) or "default"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{name_of(about)}.{now_ns:x}{int(chance * 0xFFFF):04x}",
            "namespace": namespace,
        },
        "involvedObject": {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "namespace": namespace_of(about),
            "name": name_of(about),
            "uid": about["metadata"].get("uid", ""),
            "resourceVersion": about["metadata"].get("resourceVersion", ""),
        },
        "reason": said.reason,
        "message": said.message,
        "type": "Warning" if said.warning else "Normal",
        "source": {"component": component},
        "reportingComponent": component,
        "reportingInstance": "",
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }
