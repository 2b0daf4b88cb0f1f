"""What every namespace gets: the service account `default` and the cluster's certificate authority."""

from typing import Final

from ocicat.cluster.controllers.actions import Action, Create, Thing
from ocicat.cluster.controllers.known import Known
from ocicat.cluster.controllers.things import is_going, name_of

ROOT_CA: Final = "kube-root-ca.crt"


def reconcile(known: Known, namespace: Thing, authority_pem: str) -> list[Action]:
    """Return the objects that are missing in a namespace."""
    name = name_of(namespace)
    if is_going(namespace):
        return []
    actions: list[Action] = []
    if known.get("ServiceAccount", name, "default") is None:
        metadata = {"name": "default", "namespace": name}
        actions.append(Create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}))
    if authority_pem and known.get("ConfigMap", name, ROOT_CA) is None:
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": ROOT_CA, "namespace": name},
            "data": {"ca.crt": authority_pem},
        }
        actions.append(Create(body))
    return actions
