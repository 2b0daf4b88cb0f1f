"""Who somebody is and what he may do, as a cluster says."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from ocicat.base.errors import OcicatError


class ReviewError(OcicatError):
    """The cluster did not say; asking again later may help."""


class User(msgspec.Struct, frozen=True):
    """A user as the cluster knows him."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def spec(self) -> Mapping[str, object]:
        """Return what a review says of its subject."""
        more: Mapping[str, Sequence[str]] = dict(self.extra)
        return {"user": self.name, "groups": self.groups, "uid": self.uid, "extra": more}


class Reviewer(Protocol):
    """Answers from a cluster; the same question within 50 seconds may get the same answer."""

    async def user(self, token: str) -> User | None:
        """Return whose token it is, None for nobody's. Raises ReviewError."""

    async def may_list(self, user: User, group: str, resource: str, namespace: str) -> bool:
        """Tell whether a user may list a resource in a namespace, in all of them where it is empty.

        Raises ReviewError.
        """
