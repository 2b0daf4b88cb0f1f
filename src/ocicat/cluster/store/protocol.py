"""`Store`: what the API server asks of its storage, and the values that pass.

A store keeps objects by resource (`plural.group`), namespace and name, counts revisions, and remembers the
recent changes of every resource so that watchers can go on from a revision. It never merges or judges: that
is done before, in the same step of the event loop, so that nothing happens between reading and writing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from ocicat.base.errors import OcicatError
from ocicat.cluster.resources.watch import Change


class StaleError(OcicatError):
    """The object is not at the revision that the writer saw; nothing was written."""


class CompactedError(OcicatError):
    """The changes asked for are no longer remembered; list anew. `oldest` is what can still be asked from."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"changes before revision {oldest} are no longer remembered")
        self.oldest = oldest


class StoreBrokenError(OcicatError):
    """The storage itself failed (disk full, file damaged); nothing was written."""


class Stored(msgspec.Struct, frozen=True):
    """An object at rest. `thing` is shared by all readers and never changed."""

    thing: Mapping[str, Any]
    encoded: bytes
    """The JSON of `thing`."""
    revision: int

    def copy(self) -> dict[str, Any]:
        """Return a copy of the object that the caller may change."""
        found: dict[str, Any] = msgspec.json.decode(self.encoded)
        return found


class Write(msgspec.Struct, frozen=True):
    """One object to be written, or taken away where `thing` is None."""

    resource: str
    namespace: str
    name: str
    thing: Mapping[str, Any] | None
    expected: int
    """The revision that the writer saw; 0 when there must be no such object."""


class Store(Protocol):
    """Storage of one cluster. Used from one thread; `compact` alone may run in another."""

    @property
    def revision(self) -> int:
        """Return the revision of the last change."""

    def get(self, resource: str, namespace: str, name: str) -> Stored | None:
        """Return the object, or None."""

    def scan(self, resource: str, namespace: str = "") -> Sequence[Stored]:
        """Return the objects of a resource, in one namespace or in all, sorted by namespace and name."""

    def resources(self) -> Sequence[str]:
        """Return the resources that have at least one object, sorted."""

    def commit(self, writes: Sequence[Write]) -> tuple[Change, ...]:
        """Write all or nothing, each write at a revision of its own; when this returns, they outlive a kill
        -9.

        Raises:
            StaleError: an object is not at the expected revision.
            StoreBrokenError: the storage failed.
        """

    def since(self, resource: str, revision: int) -> Sequence[Change]:
        """Return the changes of a resource after `revision`, oldest first.

        Raises:
            CompactedError: they are no longer all remembered.
        """

    def compact(self) -> None:
        """Give back what the storage no longer needs. Blocks; may be called from another thread."""

    def close(self) -> None:
        """Release the storage; nothing may be called afterwards."""
