"""`Core`: what every handler of the API server shares — store, registry, schemas, clock and chance.

All of it is used from the one event loop, and a write is one step of it: reading, deciding and committing
happen without an await between them, so that no lock is needed and no decision is made on a state that has
passed.
"""

import asyncio
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from ocicat.cluster.resources import customs, rules
from ocicat.cluster.resources.builtin import BUILTIN
from ocicat.cluster.resources.kinds import Kind, Registry
from ocicat.cluster.resources.meta import SUFFIX_LETTERS
from ocicat.cluster.resources.schema import Schemas
from ocicat.cluster.resources.watch import Change
from ocicat.cluster.store.protocol import Store, StoreBrokenError, Stored, Write

DEFINITIONS: Final = "customresourcedefinitions.apiextensions.k8s.io"
_EVENTS_KEPT: Final = 4096
"""Encoded events that are shared among watchers; the newest are the ones that many want at once."""


class Chance(Protocol):
    """Where unique ids and random choices come from."""

    def uid(self) -> str:
        """Return a new unique id."""

    def suffix(self) -> str:
        """Return five letters for a generated name."""

    def number(self) -> int:
        """Return a number from 0 to 2**31 - 1."""


class SystemChance:
    """Chance as the operating system gives it."""

    def uid(self) -> str:
        """Return a new unique id."""
        return str(uuid.uuid4())

    def suffix(self) -> str:
        """Return five letters for a generated name."""
        return "".join(secrets.choice(SUFFIX_LETTERS) for _ in range(5))

    def number(self) -> int:
        """Return a number from 0 to 2**31 - 1."""
        return secrets.randbelow(1 << 31)


class Core:
    """The state of one API server. Not thread-safe: it belongs to the event loop."""

    def __init__(self, store: Store, schemas: Schemas, now_ns: Callable[[], int], chance: Chance) -> None:
        self.store: Final = store
        self.now_ns: Final = now_ns
        self.chance: Final = chance
        self._builtin_schemas: Final = schemas
        self._waiting: Final[dict[str, asyncio.Future[None]]] = {}
        self._events: Final[dict[tuple[int, str], bytes]] = {}
        self._touched: Final[dict[str, int]] = {}
        self.generation = 0
        """Counts the changes of registry and schemas; documents made from them are cached under it."""
        self.registry: Registry = BUILTIN
        self.schemas: Schemas = schemas
        self.rules: Mapping[str, rules.RuleTree] = {}
        """The rules of custom kinds, by the names of their schemas."""
        self.takes_writes = True
        """Whether the store took the last write."""
        self._extend()

    def commit(self, writes: Sequence[Write]) -> tuple[Change, ...]:
        """Write to the store and wake the watchers. Raises StaleError, StoreBrokenError."""
        try:
            changes = self.store.commit(writes)
        except StoreBrokenError:
            self.takes_writes = False
            raise
        self.takes_writes = True
        for change in changes:
            self._touched[change.resource] = change.revision
        for resource in {change.resource for change in changes}:
            waiting = self._waiting.pop(resource, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(None)
        if any(change.resource == DEFINITIONS for change in changes):
            self._extend()
        return changes

    def wake_all(self) -> None:
        """Wake every watcher, so that it sees that the server stops."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()

    def touched(self, resource: str) -> int:
        """Return the revision of the last write to `resource` since the start; 0 when there was none."""
        return self._touched.get(resource, 0)

    async def changed(self, resource: str, timeout_s: float) -> bool:
        """Wait until something of `resource` is written; False when `timeout_s` pass before."""
        waiting = self._waiting.get(resource)
        if waiting is None:
            waiting = self._waiting[resource] = asyncio.get_running_loop().create_future()
        done, _ = await asyncio.wait([waiting], timeout=max(timeout_s, 0))
        return bool(done)

    def event(self, change: Change, kind: str, thing: Mapping[str, Any]) -> bytes:
        """Return one line of a watch; encoded once, however many watch."""
        key = (change.revision, kind)
        found = self._events.get(key)
        if found is None:
            found = msgspec.json.encode({"type": kind, "object": thing}) + b"\n"
            if len(self._events) >= _EVENTS_KEPT:
                del self._events[next(iter(self._events))]
            self._events[key] = found
        return found

    def find(self, kind: Kind, namespace: str, name: str) -> Stored | None:
        """Return the stored object, or None."""
        return self.store.get(kind.resource, namespace if kind.namespaced else "", name)

    def things(self, resource: str, namespace: str = "") -> list[Mapping[str, Any]]:
        """Return the stored objects of a resource."""
        return [stored.thing for stored in self.store.scan(resource, namespace)]

    def _extend(self) -> None:
        """Make registry and schemas anew from the stored definitions of custom resources."""
        kinds: list[Kind] = []
        added: dict[str, Mapping[str, Any]] = {}
        trees: dict[str, rules.RuleTree] = {}
        for definition in self.things(DEFINITIONS):
            for kind in customs.kinds_of(definition):
                kinds.append(kind)
                schema = customs.schema_of(definition, kind.version)
                added[kind.schema] = {**schema, "x-kubernetes-group-version-kind": [kind.gvk()]}
                if (tree := rules.tree_of(schema)) is not None:
                    trees[kind.schema] = tree
        self.registry = BUILTIN.extended(kinds)
        self.schemas = Schemas({**added, **self._builtin_schemas.definitions})
        self.rules = trees
        self.generation += 1
