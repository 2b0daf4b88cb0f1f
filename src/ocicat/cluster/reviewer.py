"""`ClusterReviewer`: a cluster's word on who holds a token and what he may do, remembered for 50 seconds.

Source: spec/kubernetes-api §2; TokenReview and SubjectAccessReview of the Kubernetes API.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Final

import msgspec

from ocicat.base.errors import OcicatError
from ocicat.cluster.client import ApiClient
from ocicat.ports.clock import Clock
from ocicat.ports.reviewer import ReviewError, User

TOKENS: Final = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
REMEMBER_NS: Final = 50 * 1_000_000_000
"""With the ten seconds for which the hub takes what a user sees as known, a minute."""
ANSWERS: Final = 20_000
"""How many answers are remembered."""


class _Named(msgspec.Struct, frozen=True):
    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = {}


class _Status(msgspec.Struct, frozen=True):
    authenticated: bool = False
    user: _Named = _Named()
    allowed: bool = False


class _Review(msgspec.Struct, frozen=True):
    status: _Status = _Status()


class ClusterReviewer:
    """Fulfils `ocicat.ports.reviewer.Reviewer`. Its client must be allowed to create both reviews."""

    def __init__(self, client: ApiClient, clock: Clock) -> None:
        """Ask by `client`."""
        self._client = client
        self._clock = clock
        self._known: OrderedDict[Hashable, tuple[int, Any]] = OrderedDict()

    async def user(self, token: str) -> User | None:
        """Return whose token it is."""
        # Tokens are no keys: what is remembered should not be worth stealing.
        place = ("user", hashlib.sha256(token.encode()).digest())
        known, found = self._recalled(place)
        if not known:
            said = await self._review(TOKENS, "authentication.k8s.io/v1", "TokenReview", {"token": token})
            named = said.user
            found = (
                User(named.username, named.groups, named.uid, tuple(sorted(named.extra.items())))
                if said.authenticated and named.username
                else None
            )
            self._remember(place, found)
        answer: User | None = found
        return answer

    async def may_list(self, user: User, group: str, resource: str, namespace: str) -> bool:
        """Tell whether a user may list a resource in a namespace, in all of them where it is empty."""
        place = ("list", user, group, resource, namespace)
        known, found = self._recalled(place)
        if not known:
            attributes = {"verb": "list", "group": group, "resource": resource, "namespace": namespace}
            spec = {**user.spec(), "resourceAttributes": attributes}
            said = await self._review(ACCESS, "authorization.k8s.io/v1", "SubjectAccessReview", spec)
            found = said.allowed
            self._remember(place, found)
        return bool(found)

    async def _review(self, path: str, version: str, kind: str, spec: Any) -> _Status:
        try:
            body = await self._client.post(path, {"apiVersion": version, "kind": kind, "spec": spec})
            return msgspec.json.decode(body, type=_Review).status
        except (OcicatError, msgspec.MsgspecError) as error:
            raise ReviewError(f"the cluster does not answer a {kind}: {error}") from error

    def _recalled(self, place: Hashable) -> tuple[bool, Any]:
        until_ns, found = self._known.get(place, (0, None))
        return until_ns > self._clock.monotonic_ns(), found

    def _remember(self, place: Hashable, found: Any) -> None:
        self._known[place] = self._clock.monotonic_ns() + REMEMBER_NS, found
        self._known.move_to_end(place)
        while len(self._known) > ANSWERS:
            self._known.popitem(last=False)
