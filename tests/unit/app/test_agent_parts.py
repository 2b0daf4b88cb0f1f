"""The agent's parts side by side: what one of them does when it fails, and how they stop."""

import asyncio
from contextlib import asynccontextmanager

import numpy as np
import pytest

from ocicat.api.flowclient import FlowClientStatus
from ocicat.app.agent.accounting import Unaccounted
from ocicat.app.agent.agent import Agent
from ocicat.app.agent.cutting import CutStatus, Cutting
from ocicat.app.agent.enforcer import Enforcer
from ocicat.app.agent.events import EventReporter
from ocicat.app.agent.status import socket_path
from ocicat.app.agent.translation import LOOK_S, Translation
from ocicat.app.mirror import Mirror
from ocicat.app.settings import AgentSettings, ServicesMode, Settings
from ocicat.base.errors import OcicatError
from ocicat.cluster.deltas import Inbox
from ocicat.dataplane.cut import Cut
from ocicat.dataplane.routes import Routes
from ocicat.dataplane.socket import NetlinkError
from ocicat.flows.collect import CollectorStatus
from ocicat.ports.accounting import CONNECTION
from support.agentparts import FakeKernel, route_table
from support.clocks import FakeTimer, until


class Flows:
    """A FlowClient that is connected to nobody."""

    def __init__(self):
        self.queued = 0
        self.runs = 0
        self.crash = None

    async def run(self):
        self.runs += 1
        if self.crash is not None:
            raise self.crash
        await asyncio.Event().wait()

    def status(self):
        return FlowClientStatus("hub:1", True, "batches", self.queued, 0, 0, "")


class Accounting:
    """Accounting that notes what it is told."""

    def __init__(self, flows):
        self.flows = flows
        self.begun = 0
        self.shown = []
        self.emptied = 0

    async def run(self):
        try:
            await asyncio.Event().wait()
        finally:
            self.flows.queued = 1

    def begin(self, _plan, _services):
        self.begun += 1

    def show(self, done):
        self.shown.append(done)

    def counters_begin_anew(self):
        self.emptied += 1

    def marks_in_use(self):
        return frozenset()

    def status(self):
        return CollectorStatus(records=1)


class Client:
    async def close(self):
        self.closed = True


class Scene:
    def __init__(self, folder, **settings):
        self.timer, self.inbox, self.kernel = FakeTimer(), Inbox(), FakeKernel()
        self.flows = Flows()
        self.kube_proxy = ""
        self.looks = 0
        self.translations = []
        self.cuts = []
        self.uncut = ""
        self.accounting = Accounting(self.flows)
        self.client = Client()
        self.settings = Settings(home=str(folder), agent=AgentSettings(node="n1", metrics_port=0, **settings))
        self.path = socket_path(self.settings.folder, "n1")
        enforcer = Enforcer(
            node="n1",
            prefix="cali",
            mirror=Mirror(),
            inbox=self.inbox,
            synced=lambda: True,
            routes=route_table,
            kernel=self.kernel,
            timer=self.timer,
            chance=lambda: 0.0,
            begin=self.accounting.begin,
            passed=lambda done: self.agent.passed(done),
        )
        self.agent = Agent(
            settings=self.settings,
            client=self.client,
            inbox=self.inbox,
            reflectors=[],
            enforcer=enforcer,
            kernel=self.kernel,
            routes=Routes(),
            flows=self.flows,
            accounting=self.accounting,
            events=EventReporter(self.client, "n1", self.timer),
            cutting=Cutting(self.end, enforcer, self.timer, lambda: 0.0),
            translation=Translation(
                ServicesMode.AUTO,
                self.look,
                lambda here: self.translations.append((here, len(self.kernel.wanted))),
                enforcer,
                self.timer,
            ),
            timer=self.timer,
        )

    def look(self):
        self.looks += 1
        if self.kube_proxy is None:
            raise OcicatError("nft does not answer")
        return self.kube_proxy

    def end(self, plan):
        if self.uncut:
            raise NetlinkError(self.uncut)
        self.cuts.append(plan)
        return Cut(3, 2)


@asynccontextmanager
async def running(folder, **settings):
    scene = Scene(folder, **settings)
    task = asyncio.create_task(scene.agent.run())
    await until(lambda: scene.flows.runs > 0)
    try:
        yield scene
    finally:
        scene.agent.stop()
        await until(lambda: scene.flows.queued == 1)
        scene.flows.queued = 0
        await task


async def test_it_adopts_before_it_does_anything(tmp_path):
    async with running(tmp_path) as it:
        assert it.kernel.adopted == 1
        it.inbox.nudge()
        await until(lambda: it.accounting.shown)
        assert it.accounting.begun == 1
        assert it.agent.status().enforcement.generation == 1


async def test_a_part_that_fails_is_started_again_while_the_others_go_on(tmp_path):
    async with running(tmp_path) as it:
        assert it.agent.status().faults == 0
        it.flows.crash = ZeroDivisionError()
        crashed = asyncio.create_task(it.agent._kept_up(it.flows.run))
        await until(lambda: it.agent.status().faults == 1)
        it.inbox.nudge()
        await until(lambda: it.accounting.shown)
        it.flows.crash = None
        runs = it.flows.runs
        await it.timer.advance(1)
        await until(lambda: it.flows.runs == runs + 1)
        crashed.cancel()
        await asyncio.gather(crashed, return_exceptions=True)


async def test_when_it_stops_the_last_flows_are_waited_for(tmp_path):
    scene = Scene(tmp_path)
    task = asyncio.create_task(scene.agent.run())
    await until(lambda: scene.flows.runs > 0)
    scene.agent.stop()
    await until(lambda: scene.flows.queued == 1)
    await asyncio.sleep(0.1)
    assert not task.done(), "accounting has looked a last time, and the hub has not taken it yet"
    scene.flows.queued = 0
    await asyncio.wait_for(task, 10)
    assert scene.client.closed
    assert not scene.path.exists()


async def test_foreign_edits_are_put_right_now_and_then(tmp_path):
    async with running(tmp_path, verify_interval_s=60.0) as it:
        it.inbox.nudge()
        await until(lambda: it.accounting.shown)
        it.kernel.edits = ["ocicat: chain forward was edited"]
        await until(lambda: it.timer.sleepers >= 3)
        await it.timer.advance(60)
        await until(lambda: it.agent.status().enforcement.deviations == 1)
        assert it.kernel.edits == []
        assert it.accounting.emptied == 0


async def test_counters_begin_anew_with_a_table_that_was_missing(tmp_path):
    async with running(tmp_path) as it:
        it.inbox.nudge()
        await until(lambda: it.accounting.shown)
        it.kernel.edits = ["ocicat: table ocicat is missing"]
        await it.agent._verification(heal=False)
        assert it.accounting.emptied == 0
        await it.agent._verification(heal=True)
        assert it.accounting.emptied == 1


async def test_a_kernel_that_cannot_be_read_now_is_read_later(tmp_path):
    async with running(tmp_path, verify_interval_s=60.0) as it:
        it.inbox.nudge()
        await until(lambda: it.accounting.shown)
        it.kernel.broken = "no nft"
        await it.timer.advance(60)
        assert it.agent.status().faults == 0
        it.kernel.broken, it.kernel.edits = "", ["x"]
        await it.timer.advance(60)
        await until(lambda: it.agent.status().enforcement.deviations == 1)


def test_marks_are_kept_in_use_without_accounting_too():
    table = np.zeros(3, CONNECTION)
    table["tuple"]["mark"] = (0x00020001, 0x00020001, 7)
    assert Unaccounted(lambda: table).marks_in_use() == {0x00020001, 7}


@pytest.mark.parametrize("interval_s", [0.0])
async def test_verification_can_be_switched_off(tmp_path, interval_s):
    async with running(tmp_path, verify_interval_s=interval_s) as it:
        it.inbox.nudge()
        await until(lambda: it.accounting.shown)
        it.kernel.edits = ["x"]
        await it.timer.advance(3600)
        assert it.kernel.edits == ["x"]


# --- cutting ------------------------------------------------------------------------------------------------


async def test_after_each_pass_what_the_plan_in_force_refuses_is_ended(tmp_path):
    async with running(tmp_path) as it:
        it.inbox.nudge()
        await until(lambda: it.agent.status().cut == CutStatus(3, 2))
        assert it.cuts == [it.kernel.wanted[-1].plan]
        it.agent._enforcer.again()
        await until(lambda: it.agent.status().cut == CutStatus(3, 4))
        assert len(it.cuts) == 2


async def test_a_cut_that_fails_is_shown_and_tried_again(tmp_path):
    async with running(tmp_path) as it:
        it.uncut = "the kernel does not answer"
        it.inbox.nudge()
        await until(lambda: it.agent.status().cut.error == "the kernel does not answer")
        assert not it.agent.status().ok
        it.uncut = ""
        await it.timer.advance(1)
        await until(lambda: it.agent.status().cut == CutStatus(3, 2))


async def test_without_the_setting_nothing_is_ended(tmp_path):
    scene = Scene(tmp_path)
    off = Cutting(None, scene.agent._enforcer, scene.timer, lambda: 0.0)
    off.passed()
    task = asyncio.create_task(off.run())
    await asyncio.sleep(0)
    assert not task.done()
    assert off.status() == CutStatus()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    scene.agent._routes.close()


# --- Services and a kube-proxy ------------------------------------------------------------------------------


async def test_services_are_left_to_a_kube_proxy_that_comes_and_taken_over_when_it_goes(tmp_path):
    async with running(tmp_path) as it:
        assert it.translations == [(True, 0)]
        it.inbox.nudge()
        await until(lambda: it.kernel.wanted)
        it.kube_proxy = "table ip kube-proxy"
        await it.timer.advance(LOOK_S)
        await until(lambda: len(it.kernel.wanted) == 2)
        assert it.translations[1:] == [(False, 1)], "told before the next pass"
        assert it.agent.status().services == "left to kube-proxy (table ip kube-proxy)"
        it.kube_proxy = ""
        await it.timer.advance(LOOK_S)
        await until(lambda: len(it.kernel.wanted) == 3)
        assert it.translations[2:] == [(True, 2)]
        assert it.agent.status().services == "translated here"


async def test_while_nobody_knows_of_a_kube_proxy_services_stay_with_whom_they_are(tmp_path):
    async with running(tmp_path) as it:
        it.kube_proxy = None
        await it.timer.advance(LOOK_S)
        await until(lambda: it.looks == 2)
        assert it.translations == [(True, 0)]
        assert it.agent.status().faults == 0
        it.kube_proxy = "interface kube-ipvs0"
        await it.timer.advance(LOOK_S)
        await until(lambda: it.translations[1:] == [(False, 0)])


@pytest.mark.parametrize(("mode", "translated"), [(ServicesMode.ON, True), (ServicesMode.OFF, False)])
async def test_nobody_looks_for_a_kube_proxy_where_it_is_set_who_translates(tmp_path, mode, translated):
    scene = Scene(tmp_path)
    told = []
    fixed = Translation(mode, lambda: "a sign", told.append, scene.agent._enforcer, scene.timer)
    assert told == [translated]
    assert fixed.status() == ("translated here" if translated else "off")
    scene.agent._routes.close()
