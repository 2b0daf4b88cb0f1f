"""A pod on its node, from its binding to its end: with a holder and an API of our own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from ocicat.cluster.client import ApiError
from ocicat.cluster.pods.podwork import REFRESH_S, PodWork
from support.clocks import until
from support.podnode import FakeApi, FakeNode, pod_of

STATUS = "/api/v1/namespaces/shop/pods/box/status"
TOKEN = "/api/v1/namespaces/shop/serviceaccounts/default/token"


class Api(FakeApi):
    """Has ConfigMaps, gives tokens, and deletes pods."""

    def __init__(self) -> None:
        super().__init__()
        self.maps: dict[str, dict[str, str]] = {}
        self.deleted: list[str] = []

    async def post(self, path: str, body: Any) -> bytes:
        answer = await super().post(path, body)
        return msgspec.json.encode({"status": {"token": "t"}}) if path == TOKEN else answer

    async def get(self, path: str) -> Any:
        name = path.rpartition("/")[2]
        return {"data": self.maps[name]} if name in self.maps else None

    async def delete(self, path: str, _options: Any = None) -> bytes:
        self.deleted.append(path)
        return b"{}"

    def status(self) -> dict[str, Any]:
        """What was last written of the pod's status."""
        rows = [body["status"] for _, path, body in self.written if path == STATUS]
        return dict(rows[-1]) if rows else {}


class Programmed:
    """Lets every pod's packets through at once."""

    def __init__(self) -> None:
        self.expected: list[str] = []

    def expect(self, interface: str) -> None:
        self.expected.append(interface)

    def forget(self, interface: str) -> None:
        """Nothing is remembered."""

    async def wait(self, _interface: str, _seconds: float) -> bool:
        return True


class Node(FakeNode):
    """A whole node."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.client, self.programmed = Api(), Programmed()
        self.get = self.client.get
        self.chance: Callable[[], float] = lambda: 0.5
        self.folder, self.authority, self.resolver = folder, "pem", "9.9.9.9"
        self.capacity = {"cpu": "1"}
        self.spaces: list[str] = []
        self.holding.space = self._space  # type: ignore[attr-defined]
        self.holding.drop = self._drop  # type: ignore[attr-defined]
        self.holding.sysctl = self.holding.run = self.holding.path = self._nothing  # type: ignore[attr-defined]
        self.taken: list[tuple[str, ...]] = []

    async def _space(self, name: str, *, kept: bool) -> None:
        assert kept
        self.spaces.append(name)

    async def _drop(self, name: str) -> None:
        if name in self.spaces:
            self.spaces.remove(name)

    async def _nothing(self, *_: Any, **__: Any) -> str:
        return ""

    def take_addresses(self, wanted: tuple[str, ...] = ()) -> tuple[str, str]:
        self.taken.append(wanted or ("10.65.1.2", "fd00::2"))
        return self.taken[-1]  # type: ignore[return-value]

    def give_back(self, addresses: tuple[str, str]) -> None:
        self.taken.remove(addresses)


@asynccontextmanager
async def at_work(
    folder: Path, pod: Any, kept: frozenset[str] = frozenset()
) -> AsyncIterator[tuple[Node, PodWork, "asyncio.Task[None]"]]:
    node = Node(folder)
    node.client.maps["settings"] = {"colour": "green"}
    work = PodWork(node, pod, kept)  # type: ignore[arg-type]
    task = asyncio.create_task(work.run())
    try:
        yield node, work, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def deleted(pod: Any, grace_s: int = 0) -> Any:
    metadata = {**pod["metadata"], "deletionTimestamp": "t", "deletionGracePeriodSeconds": grace_s}
    return {**pod, "metadata": metadata}


async def test_from_nothing_to_running_to_nothing(tmp_path: Path) -> None:
    pod = pod_of()
    async with at_work(tmp_path, pod) as (node, work, task):
        await until(lambda: node.client.status().get("phase") == "Running")
        status = node.client.status()
        assert status["podIPs"] == [{"ip": "10.65.1.2"}, {"ip": "fd00::2"}]
        assert status["containerStatuses"][0]["ready"] is True
        assert node.spaces == ["u"]
        assert node.programmed.expected  # looked out for before anybody could know of it
        assert (tmp_path / "pods/u/account/token").read_text() == "t"
        # It is deleted; the process is killed, and all is given back.
        work.update(deleted(pod))
        await until(lambda: bool(node.holding.started))
        node.holding.ends[0].set_result(137)
        await asyncio.wait_for(task, 20)
        assert node.client.deleted == ["/api/v1/namespaces/shop/pods/box"]
        assert (node.spaces, node.taken) == ([], [])
        assert not (tmp_path / "pods/u").exists()


async def test_one_that_the_api_has_forgotten_is_not_deleted_again(tmp_path: Path) -> None:
    async with at_work(tmp_path, pod_of()) as (node, work, task):
        await until(lambda: node.client.status().get("phase") == "Running")
        work.vanish()
        node.holding.ends[0].set_result(137)
        await asyncio.wait_for(task, 20)
        assert node.client.deleted == []
        assert node.spaces == []


async def test_what_is_mounted_follows_the_api(tmp_path: Path) -> None:
    pod = pod_of(volumes=[{"name": "v", "configMap": {"name": "settings"}}])
    async with at_work(tmp_path, pod) as (node, _, __):
        file = tmp_path / "pods/u/volume-v/colour"
        await until(lambda: node.client.status().get("phase") == "Running")
        assert file.read_text() == "green"
        node.client.maps["settings"] = {"colour": "red"}
        await node.timer.advance(REFRESH_S)
        await until(lambda: file.read_text() == "red")
        # A ConfigMap that is gone leaves the files as they are.
        del node.client.maps["settings"]
        await node.timer.advance(REFRESH_S)
        assert file.read_text() == "red"


async def test_a_volume_that_cannot_be_is_tried_again(tmp_path: Path) -> None:
    pod = pod_of(volumes=[{"name": "v", "configMap": {"name": "later"}}])
    async with at_work(tmp_path, pod) as (node, _, __):
        await until(lambda: "FailedMount" in node.reasons())
        assert node.client.status()["phase"] == "Pending"
        node.client.maps["later"] = {"a": "b"}
        await until(lambda: node.timer.sleepers > 1)
        await node.timer.advance(1)
        await until(lambda: node.client.status().get("phase") == "Running")


async def test_a_deadline_fails_the_pod_while_its_process_still_ends(tmp_path: Path) -> None:
    async with at_work(tmp_path, pod_of(activeDeadlineSeconds=60)) as (node, _, __):
        await until(lambda: node.client.status().get("phase") == "Running")
        await node.timer.advance(59)
        assert node.client.status()["phase"] == "Running"
        await node.timer.advance(2)
        await until(lambda: node.client.status()["phase"] == "Failed")
        assert node.client.status()["reason"] == "DeadlineExceeded"
        node.holding.ends[0].set_result(137)
        await until(lambda: "terminated" in node.client.status()["containerStatuses"][0]["state"])


async def test_init_containers_come_one_after_the_other(tmp_path: Path) -> None:
    first, second = ({"name": name, "image": "busybox", "command": [name]} for name in ("one", "two"))
    async with at_work(tmp_path, pod_of(initContainers=[first, second])) as (node, _, __):
        for number, name in enumerate(("one", "two")):
            await until(lambda number=number: len(node.holding.started) == number + 1)
            assert node.holding.started[number].argv == [name]
            node.holding.ends[number].set_result(0)
        await until(lambda: node.client.status().get("phase") == "Running")
        rows = node.client.status()["initContainerStatuses"]
        assert [row["state"]["terminated"]["reason"] for row in rows] == ["Completed", "Completed"]


async def test_a_status_that_cannot_be_written_is_written_later(tmp_path: Path) -> None:
    async with at_work(tmp_path, pod_of()) as (node, _, __):
        node.client.refuses[STATUS] = 500
        await until(lambda: len(node.holding.started) == 1)
        assert node.client.status() == {}
        node.client.refuses.clear()
        for _ in range(20):
            await node.timer.advance(5)
        await until(lambda: node.client.status().get("phase") == "Running")


async def test_a_container_to_look_with_is_added_while_the_pod_runs(tmp_path: Path) -> None:
    pod = pod_of()
    async with at_work(tmp_path, pod) as (node, work, _):
        await until(lambda: node.client.status().get("phase") == "Running")
        look = {"name": "look", "image": "busybox", "targetContainerName": "c"}
        work.update({**pod, "spec": {**pod["spec"], "ephemeralContainers": [look]}})
        await until(lambda: len(node.holding.started) == 2)
        main, other = node.holding.started
        assert main.beside is None
        assert other.beside == work.running("c").pid  # type: ignore[union-attr]
        node.holding.ends[1].set_result(5)
        await until(lambda: bool(node.client.status().get("ephemeralContainerStatuses")))
        await until(lambda: "terminated" in node.client.status()["ephemeralContainerStatuses"][0]["state"])
        assert len(node.holding.started) == 2


async def test_a_mistake_of_ours_is_told_and_tried_again(tmp_path: Path) -> None:
    async with at_work(tmp_path, pod_of()) as (node, _, __):
        node.holding.sysctl = node.holding.run = None  # type: ignore[attr-defined]
        await until(lambda: "FailedSync" in node.reasons())
        node.holding.sysctl = node.holding.run = node._nothing  # type: ignore[attr-defined]
        await until(lambda: node.timer.sleepers > 1)
        await node.timer.advance(5)
        await until(lambda: node.client.status().get("phase") == "Running")


async def test_a_refusal_to_delete_is_tried_again(tmp_path: Path) -> None:
    pod = pod_of()
    async with at_work(tmp_path, pod) as (node, work, task):
        await until(lambda: node.client.status().get("phase") == "Running")
        refusals = [ApiError(500, "InternalError", "no"), ApiError(404, "NotFound", "gone")]

        async def delete(*_: Any) -> bytes:
            raise refusals.pop(0)

        node.client.delete = delete  # type: ignore[method-assign]
        work.update(deleted(pod))
        node.holding.ends[0].set_result(0)
        await until(lambda: len(refusals) == 1)
        await node.timer.advance(1)
        await asyncio.wait_for(task, 20)
        assert refusals == []
