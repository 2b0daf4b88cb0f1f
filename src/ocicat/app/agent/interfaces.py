"""Which interface is whose: by the route to a pod's address. Pure.

The agent knows only the API and its node's routes, so it works with every network plugin that routes pods
over an interface of their own (Calico's `cali…`). Where one does not, for example behind a bridge, a pod
cannot be told from its neighbours, and that is said instead of guessed.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from ocicat.engine.policy import Entity, EntityKey
from ocicat.model.net import Address


class Routing(Protocol):
    """Tells ways."""

    def interface(self, address: Address) -> str:
        """Return the interface that the route to an address names; empty where there is no route."""


class Assignment(msgspec.Struct, frozen=True):
    """The pods of this node, with and without interface."""

    interfaces: Mapping[EntityKey, str]
    unenforced: Mapping[EntityKey, str]
    """Why a pod has none, in words."""


def assigned(pods: Iterable[Entity], routing: Routing, prefix: str) -> Assignment:
    """Return the interface of each pod, or the reason why it has none of its own.

    Args:
        pods: The endpoints of this node.
        routing: The node's routes.
        prefix: What the name of a pod's interface begins with.
    """
    interfaces: dict[EntityKey, str] = {}
    unenforced: dict[EntityKey, str] = {}
    owners: dict[str, EntityKey] = {}
    for pod in sorted(pods, key=lambda pod: pod.key):
        found, reason = _interface(pod, routing, prefix)
        if not found:
            unenforced[pod.key] = reason
            continue
        if (other := owners.get(found)) is not None:
            # The one whose key sorts last, as for addresses that two endpoints claim.
            interfaces.pop(other, None)
            unenforced[other] = f"its interface {found} is also that of {pod.key.namespace}/{pod.key.name}"
        owners[found] = pod.key
        interfaces[pod.key] = found
    return Assignment(interfaces, unenforced)


def _interface(pod: Entity, routing: Routing, prefix: str) -> tuple[str, str]:
    """Return the interface of a pod and no reason, or none and the reason."""
    names = {name: address for address in pod.addresses if (name := routing.interface(address))}
    own = sorted(name for name in names if name.startswith(prefix))
    if len(own) == 1:
        return own[0], ""
    if len(own) > 1:
        return "", (f"its addresses are routed over several interfaces: {', '.join(own)}")
    if not names:
        return "", (f"the node has no route to {', '.join(map(str, pod.addresses))}")
    name, address = next(iter(names.items()))
    return "", (f"the route to {address} is over {name}, whose name does not begin with {prefix}")
