"""Both stores, driven through the same history, are one; and reopening changes nothing."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ocicat.cluster.store.memory import MemoryStore
from ocicat.cluster.store.protocol import CompactedError, StaleError, Write
from ocicat.cluster.store.sqlite import SqliteStore

RESOURCES = st.sampled_from(["configmaps", "pods"])
NAMESPACES = st.sampled_from(["", "a", "b"])
NAMES = st.sampled_from("xyz")


class Twins(RuleBasedStateMachine):
    """A store in memory, one on disk, and the truth as a dict."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.memory = MemoryStore(history=4)
        self.disk = SqliteStore(Path(self.folder.name), history=4)
        self.truth = {}

    @rule(resource=RESOURCES, namespace=NAMESPACES, name=NAMES, value=st.integers(0, 9), stale=st.booleans())
    def write(self, resource, namespace, name, value, stale):
        known = self.truth.get((resource, namespace, name))
        expected = (known[0] if known else 0) + stale
        thing = {"metadata": {"name": name, "namespace": namespace}, "value": value}
        self._both([Write(resource, namespace, name, thing, expected)], stale)
        if not stale:
            self.truth[resource, namespace, name] = (self.memory.revision, value)

    @rule(resource=RESOURCES, namespace=NAMESPACES, name=NAMES)
    def delete(self, resource, namespace, name):
        known = self.truth.pop((resource, namespace, name), None)
        if known:
            self._both([Write(resource, namespace, name, None, known[0])], False)

    def _both(self, writes, stale):
        answers = []
        for store in (self.memory, self.disk):
            try:
                answers.append(store.commit(writes))
            except StaleError:
                answers.append("stale")
        assert answers[0] == answers[1]
        assert (answers[0] == "stale") is stale

    @rule()
    def reopen(self):
        self.disk.close()
        self.disk = SqliteStore(Path(self.folder.name), history=4)
        memory = MemoryStore(self.memory.revision, history=4)
        for resource in self.memory.resources():
            for stored in self.memory.scan(resource):
                metadata = stored.thing["metadata"]
                memory.place(resource, metadata["namespace"], metadata["name"], stored)
        self.memory = memory

    @rule()
    def compact(self):
        self.disk.compact()

    @invariant()
    def all_say_the_same(self):
        assert self.memory.revision == self.disk.revision
        assert self.memory.resources() == self.disk.resources()
        found = {}
        for resource in self.disk.resources():
            for namespace in ("", "a", "b"):
                assert self.memory.scan(resource, namespace) == self.disk.scan(resource, namespace)
            for stored in self.disk.scan(resource):
                metadata = stored.thing["metadata"]
                key = (resource, metadata["namespace"], metadata["name"])
                found[key] = (stored.revision, stored.thing["value"])
                assert metadata["resourceVersion"] == str(stored.revision)
        assert found == self.truth
        for resource in ("configmaps", "pods"):
            for revision in range(self.disk.revision + 1):
                assert self._since(self.memory, resource, revision) == self._since(
                    self.disk, resource, revision
                )

    def _since(self, store, resource, revision):
        try:
            return list(store.since(resource, revision))
        except CompactedError as gone:
            return gone.oldest

    def teardown(self):
        self.disk.close()
        self.folder.cleanup()


TestTwins = Twins.TestCase
TestTwins.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
