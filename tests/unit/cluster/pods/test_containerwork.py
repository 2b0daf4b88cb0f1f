"""A container's runs: restart policy, back-off, hooks, probes, and being taken over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ocicat.cluster.pods.containerwork import ContainerWork, Role, delay_before, goes_on
from support.clocks import until
from support.podnode import FakeNode, FakeSandbox, pod_of


class Bench:
    """A container at work on a node of a test's own."""

    def __init__(self, folder: Path, role: Role = Role.MAIN, policy: str = "Always", **spec: Any) -> None:
        self.node = FakeNode()
        pod = pod_of(restartPolicy=policy, terminationGracePeriodSeconds=3)
        self.states: list[str] = []
        self.work = ContainerWork(
            self.node, FakeSandbox(folder, pod), pod, {"name": "c", "image": "busybox", **spec},  # type: ignore[arg-type]
            role=role, changed=self._changed,
        )  # fmt: skip

    def _changed(self) -> None:
        state = self.work.state
        said = "runs" if state.running_since else "ended" if state.final else state.waiting
        if self.states[-1:] != [said]:
            self.states.append(said)

    async def runs(self, count: int) -> None:
        """Wait until the container has been started so many times."""
        await until(lambda: len(self.node.holding.ends) == count and self.work.state.running_since != "")

    def ends(self, code: int) -> None:
        """Let the present run end."""
        self.node.holding.ends[-1].set_result(code)

    async def waits(self) -> None:
        """Wait until it waits for its next run."""
        await until(lambda: self.work.state.waiting == "CrashLoopBackOff" and self.node.timer.sleepers > 0)


@asynccontextmanager
async def bench(folder: Path, *arguments: Any, **spec: Any) -> AsyncIterator[Bench]:
    made = Bench(folder, *arguments, **spec)
    task = asyncio.create_task(made.work.run({}))
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("policy", "code", "role", "wanted"),
    [
        # "Always, OnFailure, Never"
        ("Always", 0, Role.MAIN, True),
        ("OnFailure", 0, Role.MAIN, False),
        ("OnFailure", 1, Role.MAIN, True),
        ("Never", 1, Role.MAIN, False),
        # "Init containers always run to completion": a good one is not run again, whatever the pod says
        ("Always", 0, Role.INIT, False),
        ("Always", 1, Role.INIT, True),
        ("Never", 1, Role.INIT, False),
        # "restartPolicy Always of an init container": whatever its pod's is
        ("Never", 0, Role.SIDECAR, True),
        # "Ephemeral containers … will never be automatically restarted"
        ("Always", 1, Role.EPHEMERAL, False),
    ],
)
def test_whether_it_is_run_again(policy: str, code: int, role: Role, wanted: bool) -> None:
    assert goes_on(policy, code, role) is wanted


def test_delays() -> None:
    """ "exponential back-off delay (10s, 20s, 40s, …), that is capped at 300 seconds" """
    assert [delay_before(run) for run in range(9)] == [0, 0, 10, 20, 40, 80, 160, 300, 300]


async def test_it_backs_off_longer_each_time_and_forgives(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        await it.runs(1)
        it.ends(1)  # the first time it is run again at once
        await it.runs(2)
        for number, delay_s in enumerate((10, 20), 3):
            it.ends(1)
            await it.waits()
            await it.node.timer.advance(delay_s - 0.1)
            assert len(it.node.holding.ends) == number - 1
            await it.node.timer.advance(0.2)
            await it.runs(number)
        assert it.work.state.restarts == 3
        assert it.work.state.last is not None
        # "once a container has executed for 10 minutes without any problems, the kubelet resets the timer"
        await it.node.timer.advance(601)
        it.ends(1)
        await it.runs(5)
        assert it.node.reasons().count("BackOff") == 2


async def test_each_run_has_its_own_root_and_name(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        await it.runs(1)
        it.ends(0)
        await it.runs(2)
        first, second = it.node.holding.started
        assert (first.keep, second.keep) == ("node-1/u/c/0", "node-1/u/c/1")
        assert first.root is not None
        assert second.root is not None
        assert first.root["writable"] != second.root["writable"]
        assert it.node.holding.forgotten == ["node-1/u/c/0"]


async def test_a_run_that_is_not_to_be_followed_is_final(tmp_path: Path) -> None:
    async with bench(tmp_path, Role.MAIN, "Never") as it:
        await it.runs(1)
        it.ends(3)
        await until(lambda: it.work.state.final)
        assert it.work.state.ended is not None
        assert (it.work.state.ended.code, it.work.state.ended.reason) == (3, "Error")
        assert it.states == ["runs", "ended"]


async def test_what_cannot_be_started_says_why(tmp_path: Path) -> None:
    made = Bench(tmp_path, Role.MAIN, "Never")
    made.node.holding.refuses = 'exec: "nothing": executable file not found in $PATH'
    await made.work.run({})
    ended = made.work.state.ended
    assert ended is not None
    assert (ended.code, ended.reason) == (128, "StartError")
    assert ended.message == made.node.holding.refuses


async def test_an_image_that_is_not_there_is_asked_for_again_and_again(tmp_path: Path) -> None:
    async with bench(tmp_path, image="redis") as it:
        await until(lambda: it.work.state.waiting == "ErrImagePull")
        await until(lambda: it.node.timer.sleepers > 0)
        await it.node.timer.advance(10)
        await until(lambda: it.work.state.waiting == "ImagePullBackOff")
        assert it.work.state.message.startswith('Back-off pulling image "redis": there is no image')
        await it.node.timer.advance(10)
        await until(lambda: it.node.reasons().count("Failed") == 2)


async def test_the_hook_after_the_start_holds_back_that_it_runs(tmp_path: Path) -> None:
    async with bench(tmp_path, lifecycle={"postStart": {"exec": {"command": ["begin"]}}}) as it:
        it.node.holding.answers["begin",] = 1
        await until(lambda: "FailedPostStartHook" in it.node.reasons())
        assert it.states == []
        it.ends(137)  # it is killed, and tried again
        it.node.holding.answers["begin",] = 0
        await it.runs(2)


async def test_it_is_ready_at_once_without_probes_and_later_with(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        await it.runs(1)
        assert (it.work.state.ready, it.work.state.started) == (True, True)
    probe = {"exec": {"command": ["ask"]}, "periodSeconds": 1}
    async with bench(tmp_path / "b", readinessProbe=probe, startupProbe=probe) as it:
        it.node.holding.answers["ask",] = 1
        await it.runs(1)
        await until(lambda: "Unhealthy" in it.node.reasons())
        assert (it.work.state.ready, it.work.state.started) == (False, False)
        it.node.holding.answers["ask",] = 0
        await until(lambda: it.work.state.ready and it.work.state.started)


@pytest.mark.parametrize(("end", "restarts"), [(None, 2), (0, 3)])
async def test_a_run_that_is_kept_is_taken_over_and_any_other_is_over(
    tmp_path: Path, end: int | None, restarts: int
) -> None:
    it = Bench(tmp_path)
    row = {
        "name": "c", "image": "busybox", "restartCount": 2, "containerID": "x", "ready": True,
        "started": True, "state": {"running": {"startedAt": "t"}},
    }  # fmt: skip
    it.work.resume(row, frozenset({"node-1/u/c/2"} if end is None else ()))
    assert it.work.state.restarts == restarts
    assert it.work.state.running_since == ("t" if end is None else "")


async def test_a_run_whose_record_was_never_written_is_ended_and_begun_anew(tmp_path: Path) -> None:
    it = Bench(tmp_path)
    row = {"name": "c", "image": "busybox", "containerID": "x", "state": {"running": {"startedAt": "t"}}}
    it.work.resume(row, frozenset({"node-1/u/c/0"}))
    task = asyncio.create_task(it.work.run({}))
    await it.runs(1)
    assert it.node.holding.forgotten == ["node-1/u/c/0"]
    assert it.node.holding.started[0].keep == "node-1/u/c/1"
    assert any("the record of what was started cannot be read" in text for _, text in it.node.told)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_run_that_was_final_is_not_begun_again(tmp_path: Path) -> None:
    async def check() -> None:
        it = Bench(tmp_path, Role.INIT)
        state = {"terminated": {"exitCode": 0, "reason": "Completed"}}
        row = {"name": "c", "image": "busybox", "restartCount": 0, "containerID": "x", "state": state}
        it.work.resume(row, frozenset())
        assert it.work.state.has_done
        await it.work.run({})
        assert it.node.holding.started == []

    asyncio.run(check())


async def test_one_that_is_being_ended_is_not_run_again(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        await it.runs(1)
        it.work.stop()
        it.ends(143)
        await until(lambda: it.work.state.final)
        assert len(it.node.holding.ends) == 1


async def test_the_hook_before_the_end_comes_before_the_signal(tmp_path: Path) -> None:
    async with bench(tmp_path, lifecycle={"preStop": {"exec": {"command": ["bye"]}}}) as it:
        it.node.holding.answers["bye",] = 7
        await it.runs(1)
        running = it.work.current
        assert running is not None
        signals: list[int] = []
        running.kill = signals.append  # type: ignore[method-assign,assignment]
        ending = asyncio.create_task(it.work.end_within(running, 5))
        await until(lambda: signals == [15])
        assert "FailedPreStopHook" in it.node.reasons()
        it.ends(0)
        it.work.stop()
        running.kill = lambda *_: None  # type: ignore[method-assign]
        await ending
