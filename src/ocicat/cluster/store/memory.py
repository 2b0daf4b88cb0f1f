"""`MemoryStore`: the store as a value in memory. For tests, and as the reading half of the store on disk."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from ocicat.cluster.resources.watch import Change
from ocicat.cluster.store.protocol import CompactedError, StaleError, Stored, Write

_Key = tuple[str, str]
HISTORY: Final = 4096
"""Changes remembered per resource: at 300 writes a second a watcher may fall 13 seconds behind."""


class _Shelf:
    """The objects of one resource, sorted, and its recent changes."""

    def __init__(self, oldest: int) -> None:
        self.items: dict[_Key, Stored] = {}
        self.keys: list[_Key] = []
        self.changes: list[Change] = []
        self.revisions: list[int] = []
        self.oldest = oldest

    def remember(self, change: Change, history: int) -> None:
        self.changes.append(change)
        self.revisions.append(change.revision)
        if len(self.changes) >= 2 * history:  # cut by halves, so that the cost per change stays constant
            self.oldest = self.revisions[history - 1]
            del self.changes[:history]
            del self.revisions[:history]


class MemoryStore:
    """A `Store` that forgets everything when it is closed."""

    def __init__(self, revision: int = 0, *, history: int = HISTORY) -> None:
        self._revision = revision
        self._start: Final = revision
        self._history: Final = history
        self._shelves: Final[dict[str, _Shelf]] = {}

    @property
    def revision(self) -> int:
        """Return the revision of the last change."""
        return self._revision

    def get(self, resource: str, namespace: str, name: str) -> Stored | None:
        """Return the object, or None."""
        shelf = self._shelves.get(resource)
        return shelf.items.get((namespace, name)) if shelf else None

    def scan(self, resource: str, namespace: str = "") -> Sequence[Stored]:
        """Return the objects of a resource, sorted by namespace and name."""
        shelf = self._shelves.get(resource)
        if shelf is None:
            return ()
        keys = shelf.keys
        if namespace:
            keys = keys[bisect_left(keys, (namespace, "")) : bisect_left(keys, (namespace + "\0", ""))]
        return [shelf.items[key] for key in keys]

    def resources(self) -> Sequence[str]:
        """Return the resources that have at least one object, sorted."""
        return sorted(resource for resource, shelf in self._shelves.items() if shelf.items)

    def since(self, resource: str, revision: int) -> Sequence[Change]:
        """Return the changes of a resource after `revision`. Raises CompactedError."""
        shelf = self._shelves.get(resource)
        oldest = shelf.oldest if shelf else self._start
        if revision < oldest:
            raise CompactedError(oldest)
        return shelf.changes[bisect_right(shelf.revisions, revision) :] if shelf else ()

    def commit(self, writes: Sequence[Write]) -> tuple[Change, ...]:
        """Write all or nothing. Raises StaleError."""
        return self.publish(self.prepare(writes))

    def prepare(self, writes: Sequence[Write]) -> list[tuple[Change, Stored | None]]:
        """Return what `writes` would change, with revisions given. Raises StaleError; changes nothing."""
        prepared = []
        for revision, write in enumerate(writes, self._revision + 1):
            present = self.get(write.resource, write.namespace, write.name)
            if (present.revision if present else 0) != write.expected:
                raise StaleError(f"{write.resource} {write.namespace}/{write.name} has changed")
            prepared.append(_prepared(write, present, revision))
        return prepared

    def publish(self, prepared: Sequence[tuple[Change, Stored | None]]) -> tuple[Change, ...]:
        """Make prepared changes visible to readers and watchers."""
        for change, stored in prepared:
            self.place(change.resource, change.namespace, change.name, stored)
            self._shelves[change.resource].remember(change, self._history)
            self._revision = change.revision
        return tuple(change for change, _ in prepared)

    def place(self, resource: str, namespace: str, name: str, stored: Stored | None) -> None:
        """Put an object in its place, or take it away, without a trace in the history."""
        shelf = self._shelves.setdefault(resource, _Shelf(self._start))
        key = (namespace, name)
        if stored is None:
            if shelf.items.pop(key, None) is not None:
                del shelf.keys[bisect_left(shelf.keys, key)]
            return
        if key not in shelf.items:
            insort(shelf.keys, key)
        shelf.items[key] = stored

    def compact(self) -> None:
        """Do nothing: the history is bounded by itself."""

    def close(self) -> None:
        """Forget everything."""
        self._shelves.clear()


def _prepared(write: Write, present: Stored | None, revision: int) -> tuple[Change, Stored | None]:
    before = present.thing if present else None
    if write.thing is None:
        gone = at_revision(before, revision) if before is not None else None
        return Change(revision, write.resource, write.namespace, write.name, before, None, gone), None
    after = at_revision(write.thing, revision)
    stored = Stored(after, msgspec.json.encode(after), revision)
    return Change(revision, write.resource, write.namespace, write.name, before, after), stored


def at_revision(thing: Mapping[str, Any], revision: int) -> dict[str, Any]:
    """Return `thing` with its `resourceVersion` set."""
    return {**thing, "metadata": {**thing["metadata"], "resourceVersion": str(revision)}}
