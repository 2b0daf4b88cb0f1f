"""`SqliteStore`: the store on disk, one SQLite file in WAL mode.

All objects are held in memory too, and reads never touch the disk. A commit is one transaction, made in the
caller's thread: in WAL mode with `synchronous=NORMAL` it is a write without fsync (about 0.1 ms), which
outlives the death of the process, not a loss of power. The costly part, moving the log into the file, is
never done by a commit but by `compact`, on a connection of its own that another thread may use.
"""

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from ocicat.cluster.resources.watch import Change
from ocicat.cluster.store.memory import HISTORY, MemoryStore
from ocicat.cluster.store.protocol import StoreBrokenError, Stored, Write

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS objects (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    revision INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (resource, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL);
INSERT OR IGNORE INTO counter VALUES (1, 0);
"""
_FORMAT: Final = 1
_UPSERT: Final = "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)"
_DELETE: Final = "DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?"


class SqliteStore:
    """A `Store` in `folder`; only one process can have it open."""

    def __init__(self, folder: Path, *, history: int = HISTORY) -> None:
        """Open or create the store.

        Raises:
            StoreBrokenError: another process has it open, the file is damaged, or of a newer format.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._lock: Final = _locked(folder / "store.lock")
        self._path: Final = folder / "store.sqlite"
        try:
            self._connection: Final = self._connect()
            self._memory: Final = self._load(history)
        except (sqlite3.Error, msgspec.MsgspecError) as broken:
            os.close(self._lock)
            raise StoreBrokenError(f"cannot open {self._path}: {broken}") from broken

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > _FORMAT:
            raise StoreBrokenError(f"{self._path} has format {found}; this version reads up to {_FORMAT}")
        connection.executescript(_SCHEMA)
        connection.execute(f"PRAGMA user_version={_FORMAT}")
        return connection

    def _load(self, history: int) -> MemoryStore:
        revision = self._connection.execute("SELECT revision FROM counter").fetchone()[0]
        memory = MemoryStore(revision, history=history)
        for resource, namespace, name, at, body in self._connection.execute("SELECT * FROM objects"):
            memory.place(resource, namespace, name, Stored(msgspec.json.decode(body), bytes(body), at))
        return memory

    @property
    def revision(self) -> int:
        """Return the revision of the last change."""
        return self._memory.revision

    def get(self, resource: str, namespace: str, name: str) -> Stored | None:
        """Return the object, or None."""
        return self._memory.get(resource, namespace, name)

    def scan(self, resource: str, namespace: str = "") -> Sequence[Stored]:
        """Return the objects of a resource, sorted by namespace and name."""
        return self._memory.scan(resource, namespace)

    def resources(self) -> Sequence[str]:
        """Return the resources that have at least one object, sorted."""
        return self._memory.resources()

    def since(self, resource: str, revision: int) -> Sequence[Change]:
        """Return the changes of a resource after `revision`. Raises CompactedError."""
        return self._memory.since(resource, revision)

    def commit(self, writes: Sequence[Write]) -> tuple[Change, ...]:
        """Write all or nothing. Raises StaleError, StoreBrokenError."""
        prepared = self._memory.prepare(writes)
        try:
            self._write(prepared)
        except sqlite3.Error as broken:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise StoreBrokenError(f"cannot write to {self._path}: {broken}") from broken
        return self._memory.publish(prepared)

    def _write(self, prepared: Sequence[tuple[Change, Stored | None]]) -> None:
        if not prepared:
            return
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        for change, stored in prepared:
            key = (change.resource, change.namespace, change.name)
            if stored is None:
                execute(_DELETE, key)
            else:
                execute(_UPSERT, (*key, stored.revision, stored.encoded))
        execute("UPDATE counter SET revision = ?", (prepared[-1][0].revision,))
        execute("COMMIT")

    def compact(self) -> None:
        """Move the log into the file; readers and the writer go on meanwhile."""
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as broken:
            raise StoreBrokenError(f"cannot compact {self._path}: {broken}") from broken
        finally:
            connection.close()

    def close(self) -> None:
        """Release the file."""
        self._connection.close()
        os.close(self._lock)


def _locked(path: Path) -> int:
    """Return a descriptor that holds the lock; the kernel gives it back when the process dies."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as taken:
        os.close(descriptor)
        raise StoreBrokenError(f"another process uses {path.parent}") from taken
    return descriptor
