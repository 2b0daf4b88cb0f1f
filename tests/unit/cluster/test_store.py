"""The contract of `Store`, for both that fulfil it; and what only the one on disk promises."""

import os
import signal
import subprocess
import sys

import pytest

from ocicat.cluster.store.memory import MemoryStore
from ocicat.cluster.store.protocol import CompactedError, StaleError, StoreBrokenError, Write
from ocicat.cluster.store.sqlite import SqliteStore

HISTORY = 8


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    found = (
        MemoryStore(history=HISTORY) if request.param == "memory" else SqliteStore(tmp_path, history=HISTORY)
    )
    yield found
    found.close()


def thing(name, namespace="default", **data):
    return {"kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def put(store, name, namespace="default", expected=0, **data):
    return store.commit([Write("configmaps", namespace, name, thing(name, namespace, **data), expected)])[0]


def test_every_write_has_a_revision_of_its_own_and_the_object_carries_it(store):
    first, second = put(store, "a"), put(store, "b")
    assert (first.revision, second.revision, store.revision) == (1, 2, 2)
    stored = store.get("configmaps", "default", "b")
    assert stored.thing["metadata"]["resourceVersion"] == "2"
    assert stored.copy() == stored.thing


def test_a_write_against_an_older_state_changes_nothing(store):
    put(store, "a", x="1")
    put(store, "a", expected=1, x="2")
    for expected in (0, 1, 3):
        with pytest.raises(StaleError):
            put(store, "a", expected=expected, x="3")
    assert store.get("configmaps", "default", "a").thing["data"] == {"x": "2"}
    assert store.revision == 2


def test_a_commit_is_all_or_nothing(store):
    put(store, "a")
    writes = [Write("configmaps", "default", name, thing(name), 0) for name in ("b", "a")]
    with pytest.raises(StaleError):
        store.commit(writes)
    assert store.get("configmaps", "default", "b") is None
    assert store.revision == 1


def test_scan_is_sorted_and_keeps_to_its_namespace(store):
    for namespace, name in (("b", "x"), ("a", "z"), ("a", "y"), ("a-b", "w")):
        put(store, name, namespace)
    names = [
        (s.thing["metadata"]["namespace"], s.thing["metadata"]["name"]) for s in store.scan("configmaps")
    ]
    assert names == [("a", "y"), ("a", "z"), ("a-b", "w"), ("b", "x")]
    assert [s.thing["metadata"]["name"] for s in store.scan("configmaps", "a")] == ["y", "z"]
    assert list(store.scan("pods")) == []
    assert list(store.resources()) == ["configmaps"]


def test_a_deletion_is_a_change_with_the_last_state(store):
    put(store, "a", x="1")
    change = store.commit([Write("configmaps", "default", "a", None, 1)])[0]
    assert change.after is None
    assert change.before["data"] == {"x": "1"}
    assert change.gone["metadata"]["resourceVersion"] == "2"
    assert store.get("configmaps", "default", "a") is None
    assert list(store.resources()) == []


def test_changes_since_a_revision(store):
    put(store, "a")
    store.commit([Write("pods", "default", "p", thing("p"), 0)])
    put(store, "a", expected=1, x="1")
    assert [change.revision for change in store.since("configmaps", 0)] == [1, 3]
    assert [change.revision for change in store.since("configmaps", 1)] == [3]
    assert list(store.since("configmaps", 3)) == []
    assert store.since("configmaps", 1)[0].before["metadata"]["resourceVersion"] == "1"


def test_the_history_is_bounded_and_says_so(store):
    for number in range(3 * HISTORY):
        put(store, f"c{number:03}")
    with pytest.raises(CompactedError) as caught:
        store.since("configmaps", 0)
    kept = store.since("configmaps", caught.value.oldest)
    assert HISTORY <= len(kept) < 2 * HISTORY
    assert kept[0].revision == caught.value.oldest + 1
    assert list(store.since("pods", 0)) == [], "a busy resource does not push out the others"


def test_compaction_changes_nothing_that_is_seen(store):
    put(store, "a")
    store.compact()
    put(store, "b")
    assert [s.thing["metadata"]["name"] for s in store.scan("configmaps")] == ["a", "b"]


def test_what_was_stored_is_there_again(tmp_path):
    store = SqliteStore(tmp_path)
    put(store, "a", x="1")
    put(store, "b")
    store.commit([Write("configmaps", "default", "b", None, 2)])
    store.close()
    again = SqliteStore(tmp_path)
    assert again.revision == 3
    assert again.get("configmaps", "default", "a").revision == 1
    assert again.get("configmaps", "default", "b") is None
    with pytest.raises(CompactedError):
        again.since("configmaps", 2)
    assert list(again.since("configmaps", 3)) == []
    again.close()


def test_one_process_at_a_time(tmp_path):
    store = SqliteStore(tmp_path)
    with pytest.raises(StoreBrokenError, match="another process uses"):
        SqliteStore(tmp_path)
    store.close()
    SqliteStore(tmp_path).close()


def test_a_damaged_or_newer_file_is_told(tmp_path):
    (tmp_path / "store.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreBrokenError, match="cannot open"):
        SqliteStore(tmp_path)


def test_a_failing_disk_changes_nothing(tmp_path):
    store = SqliteStore(tmp_path)
    put(store, "a")
    store._connection.execute("PRAGMA query_only=ON")
    with pytest.raises(StoreBrokenError, match="cannot write"):
        put(store, "b")
    assert store.revision == 1
    assert store.get("configmaps", "default", "b") is None
    store._connection.execute("PRAGMA query_only=OFF")
    assert put(store, "b").revision == 2
    store.close()


WRITER = """
import sys, pathlib
from ocicat.cluster.store.protocol import Write
from ocicat.cluster.store.sqlite import SqliteStore
store = SqliteStore(pathlib.Path(sys.argv[1]))
number = 0
while True:
    thing = {"metadata": {"name": f"c{number}"}, "data": {"x": "y" * 200}}
    change = store.commit([Write("configmaps", "", f"c{number}", thing, 0)])[0]
    sys.stdout.write(f"{change.revision}\\n"); sys.stdout.flush()
    number += 1
    if number % 50 == 0:
        store.compact()
"""


def test_nothing_acknowledged_is_lost_by_a_kill(tmp_path):
    """The writer is killed in the middle of writing, with compactions going on."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True)
    acknowledged = [process.stdout.readline() for _ in range(400)]
    os.kill(process.pid, signal.SIGKILL)
    rest, _ = process.communicate(timeout=60)
    acknowledged += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    store = SqliteStore(tmp_path)
    try:
        last = int(acknowledged[-1])
        assert store.revision >= last
        assert all(store.get("configmaps", "", f"c{number}") is not None for number in range(last))
    finally:
        store.close()
