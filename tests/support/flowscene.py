"""A picture of a small cluster, for flow accounting: two pods of one node, and what a test adds."""

import msgspec

from ocicat.engine.convert.services import ServicePorts
from ocicat.engine.index import PolicyIndex
from ocicat.engine.policy import Entity, EntityKey
from ocicat.flows.scene import Scene
from ocicat.model.net import Address
from support.accounted import ADDRESSES, ALLOW_ALL, CLIENT, NODE, SERVER, pod

CLIENT_ADDRESS, SERVER_ADDRESS = ADDRESSES[CLIENT][0], ADDRESSES[SERVER][0]
TWIN_ADDRESS = Address.parse("10.65.0.9")


def index(*entities: Entity) -> PolicyIndex:
    """Return an index of the client, the server and these."""
    made = PolicyIndex()
    made.put_profile(ALLOW_ALL)
    for entity in (pod(CLIENT, shown="client-5d7b8c-*"), pod(SERVER), *entities):
        made.put_entity(entity)
    return made


def scene(*entities: Entity, services: tuple[ServicePorts, ...] = ()) -> Scene:
    """Return the picture of that index."""
    return Scene(index(*entities).plan(), services, NODE)


def twin(shown: str, **labels: str) -> Entity:
    """Return a third pod, under a name that another pod may have too."""
    own = {**pod(CLIENT).labels, **labels}
    key = EntityKey(pod(CLIENT).key.kind, "a", "twin")
    return msgspec.structs.replace(
        pod(CLIENT), key=key, shown_name=shown, labels=own, addresses=(TWIN_ADDRESS,)
    )
