"""A node for tests of pods: a holder whose processes are futures, images without files, an API of objects."""

import asyncio
import itertools
from pathlib import Path
from typing import Any

import msgspec

from ocicat.cluster.client import ApiError
from ocicat.cluster.pods.environment import Given
from ocicat.cluster.pods.holding import HolderError, Start, Started
from ocicat.cluster.pods.images.known import Image
from ocicat.cluster.pods.images.making import Made, UnknownImageError
from ocicat.cluster.pods.network import NodePlace
from support.clocks import FakeTimer


class FakeHolding:
    """Starts nothing; a test says when what was started ends."""

    def __init__(self) -> None:
        self.started: list[Start] = []
        self.ends: list[asyncio.Future[int]] = []
        self.killed: list[int] = []
        self.forgotten: list[str] = []
        self.refuses = ""
        self.answers: dict[tuple[str, ...], int] = {}
        """Exit codes of commands that are run beside a container; 0 where none is said."""
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pids = itertools.count(1_000_000_000)

    async def start(self, what: Start, streams: Any = ()) -> Started:
        if self.refuses:
            raise HolderError(self.refuses)
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if what.target is not None:
            ended.set_result(self.answers.get(tuple(what.argv), 0))
        else:
            self.started.append(what)
            self.ends.append(ended)
        return Started(next(self._pids), ended)

    async def kill(self, pid: int) -> None:
        self.killed.append(pid)

    async def forget(self, name: str) -> None:
        self.forgotten.append(name)

    async def kept(self, prefix: str) -> list[str]:
        names = [what.keep for what in self.started if what.keep not in self.forgotten]
        return [name for name in names if name.startswith(prefix)]

    async def shut(self, name: str) -> None:
        """Nothing is kept here."""


class FakeImages:
    """Knows one image."""

    def made(self, reference: str) -> Made:
        if reference != "busybox":
            raise UnknownImageError(f'there is no image "{reference}" here')
        return Made(Image(name="busybox", kind="busybox", command=(), arguments=("sh",)), Path("/image"), [])


class FakeApi:
    """Keeps what is posted and patched; `refuses` names codes by the beginning of a path."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str, Any]] = []
        self.refuses: dict[str, int] = {}

    def _check(self, path: str) -> None:
        for beginning, code in self.refuses.items():
            if path.startswith(beginning):
                raise ApiError(code, "Refused", path)

    async def post(self, path: str, body: Any) -> bytes:
        self._check(path)
        self.written.append(("POST", path, body))
        return msgspec.json.encode(body)

    async def patch(self, path: str, body: Any) -> bytes:
        self._check(path)
        self.written.append(("PATCH", path, body))
        return msgspec.json.encode(body)


class FakeSandbox:
    """Has addresses and no namespaces."""

    def __init__(self, folder: Path, pod: Any) -> None:
        self.folder, self._pod = folder, pod
        self.uid, self.space, self.hostname = "u", "u", "box"
        self.on_host, self.stands = False, True
        self.addresses = ("127.0.0.1",)

    @property
    def given(self) -> Given:
        return Given(pod=self._pod, addresses=self.addresses)

    async def read_sources(self) -> None:
        """There are none."""

    def shared_files(self) -> list[tuple[str, str, bool]]:
        return []

    def mounts(self, *_: Any) -> list[tuple[str, str, bool]]:
        return []


class FakeNode:
    """Fulfils what containers ask of a NodeContext."""

    def __init__(self) -> None:
        self.name, self.place = "node-1", NodePlace(1)
        self.timer = FakeTimer()
        self.holding, self.images = FakeHolding(), FakeImages()
        self.services: dict[Any, Any] = {}
        self.told: list[tuple[str, str]] = []

    def tell(self, _pod: Any, reason: str, message: str, *, warning: bool = False) -> None:
        self.told.append((reason, message))

    def reasons(self) -> list[str]:
        return [reason for reason, _ in self.told]


def pod_of(**spec: Any) -> Any:
    """A pod of one container."""
    return {
        "metadata": {"name": "box", "namespace": "shop", "uid": "u"},
        "spec": {"containers": [{"name": "c", "image": "busybox"}], **spec},
    }
