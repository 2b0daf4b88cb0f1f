"""What the cluster says → what the kernel does: when, and when not."""

import asyncio
import json
import threading
from contextlib import asynccontextmanager

import pytest

from ocicat.app.agent.enforcer import Enforcer, unenforced
from ocicat.app.agent.unenforced import Unenforced, ref_of, unenforced_of
from ocicat.app.mirror import Mirror, understood
from ocicat.base.problem import Problem, Severity, Where
from ocicat.cluster.deltas import Inbox
from ocicat.cluster.reflection import Delta
from ocicat.dataplane.traces import TraceBook
from ocicat.engine.policy import Direction, EntityKey, EntityKind, PolicyKey
from ocicat.engine.program import Outcome
from ocicat.engine.walk import Walked
from ocicat.model.calico import GROUP
from ocicat.model.flow import Action, HitKind
from ocicat.model.kinds import kind_of
from ocicat.model.meta import Ref
from ocicat.ports.kernel import Shortfall
from support.agentparts import FakeKernel, route_table
from support.clocks import FakeTimer, until

POLICY = kind_of(GROUP, "NetworkPolicy")
POD = kind_of("", "Pod")


def delta(kind, name, document):
    document = {"apiVersion": kind.api_version, "kind": kind.kind, **document}
    document["metadata"] = {"name": name, "namespace": "a"}
    resource, problems = understood(kind, json.dumps(document).encode())
    return Delta(kind, "a", name, resource, tuple(problems))


def policy(name="p", selector="all()"):
    return delta(POLICY, name, {"spec": {"selector": selector, "ingress": [{"action": "Deny"}]}})


def pod(name="web", ip="10.0.0.1", node="n1"):
    status = {"podIP": ip, "podIPs": [{"ip": ip}], "phase": "Running"}
    return delta(POD, name, {"spec": {"nodeName": node}, "status": status})


class Scene:
    def __init__(self):
        self.kernel, self.inbox, self.timer = FakeKernel(), Inbox(), FakeTimer()
        self.ready = True
        self.routes = route_table(cali1="10.0.0.1/32", cali2="10.0.0.2/32", eth0="0.0.0.0/0")
        self.passes = []
        self.begun = []
        self.enforcer = Enforcer(
            node="n1",
            prefix="cali",
            mirror=Mirror(),
            inbox=self.inbox,
            synced=lambda: self.ready,
            routes=lambda: self.routes,
            kernel=self.kernel,
            timer=self.timer,
            chance=lambda: 0.0,
            begin=lambda plan, services: self.begun.append((len(self.kernel.wanted), plan, services)),
            passed=self.passes.append,
        )

    async def tell(self, *deltas):
        for item in deltas:
            await self.inbox.put(item)


@asynccontextmanager
async def scene():
    made = Scene()
    task = asyncio.create_task(made.enforcer.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_change_is_programmed():
    async with scene() as it:
        await it.tell(pod(), policy())
        await until(lambda: it.kernel.policies == {"p"})
        assert list(it.kernel.wanted[-1].interfaces.values()) == ["cali1"]
        assert it.passes[-1].deltas == 2


async def test_nothing_is_programmed_by_half_knowledge():
    async with scene() as it:
        it.ready = False
        await it.tell(pod(), policy())
        await until(lambda: len(it.inbox) == 0)
        await it.enforcer.verify(heal=False)
        assert it.kernel.wanted == []
        it.ready = True
        it.inbox.nudge()
        await until(lambda: it.kernel.policies == {"p"})
        assert len(it.kernel.wanted) == 1


async def test_changes_during_a_pass_are_taken_together_by_the_next():
    async with scene() as it:
        it.kernel.hold = threading.Event()
        await it.tell(policy("first"))
        await until(lambda: len(it.inbox) == 0)
        for name in ("b", "c", "d"):
            await it.tell(policy(name))
            await asyncio.sleep(0.01)
        it.kernel.hold.set()
        await until(lambda: it.kernel.policies == {"first", "b", "c", "d"})
        assert len(it.kernel.wanted) == 2


async def test_accounting_begins_before_anything_is_enforced():
    async with scene() as it:
        await it.tell(policy())
        await until(lambda: it.passes)
        await it.tell(policy("q"))
        await until(lambda: len(it.passes) == 2)
        ((enforced_before, plan, services),) = it.begun
        assert (enforced_before, services) == (0, ())
        assert {key.name for key in plan.policies} == {"p"}


async def test_what_changes_nothing_does_not_touch_the_kernel():
    async with scene() as it:
        await it.tell(policy())
        await until(lambda: len(it.kernel.wanted) == 1)
        await it.tell(policy())
        it.inbox.nudge()
        await until(lambda: len(it.inbox) == 0)
        await it.enforcer.verify(heal=False)
        assert len(it.kernel.wanted) == 1


async def test_only_pods_of_this_node_have_interfaces():
    async with scene() as it:
        await it.tell(pod("here"), pod("there", "10.0.0.2", node="n2"))
        await until(lambda: it.kernel.wanted)
        assert [key.name for key in it.kernel.wanted[-1].interfaces] == ["here"]
        assert len(it.kernel.wanted[-1].plan.endpoints) == 2


async def test_a_pod_without_interface_is_told():
    async with scene() as it:
        await it.tell(pod("lost", "10.9.9.9"))
        await until(lambda: it.passes)
        reason = "the route to 10.9.9.9 is over eth0, whose name does not begin with cali"
        assert unenforced(it.passes[-1]) == (Unenforced(Ref("", "Pod", "a", "lost"), reason),)


async def test_a_route_that_comes_later_is_programmed():
    async with scene() as it:
        await it.tell(pod("late", "10.9.9.9"))
        await until(lambda: it.passes)
        it.routes = route_table(cali9="10.9.9.9/32")
        it.inbox.nudge()
        await until(lambda: len(it.passes) == 2)
        assert list(it.kernel.wanted[-1].interfaces.values()) == ["cali9"]


async def test_an_invalid_policy_is_told_and_the_rest_enforced():
    async with scene() as it:
        await it.tell(policy("good"), policy("bad", "app = 'x'"))
        await until(lambda: it.kernel.policies == {"good"})
        (told,) = it.enforcer.unsound
        assert told.ref == Ref(GROUP, "NetworkPolicy", "a", "bad")


async def test_a_kernel_that_refuses_is_asked_again():
    async with scene() as it:
        it.kernel.broken = "no"
        await it.tell(policy())
        await until(lambda: it.enforcer.failures == 1)
        assert it.enforcer.error == "no"
        await until(lambda: it.timer.sleepers == 1)
        it.kernel.broken = ""
        await it.timer.advance(1)
        await until(lambda: it.kernel.policies == {"p"})
        assert it.enforcer.error == ""


async def test_a_mistake_of_ours_does_not_end_enforcement():
    async with scene() as it:
        it.kernel.crash = KeyError("x")
        await it.tell(policy())
        await until(lambda: it.enforcer.error == "KeyError: 'x'")
        it.kernel.crash = None
        await until(lambda: it.timer.sleepers == 1)
        await it.timer.advance(1)
        await until(lambda: it.kernel.policies == {"p"})


async def test_services_are_wanted_with_their_slices():
    service = kind_of("", "Service")
    async with scene() as it:
        await it.tell(delta(service, "web", {"spec": {"clusterIP": "10.96.0.1"}}))
        await until(lambda: it.kernel.wanted)
        ((found, slices),) = it.kernel.wanted[-1].services
        assert (found.metadata.name, slices) == ("web", ())
        assert [front.name for front in it.passes[-1].services] == ["web"]
        it.kernel.broken = "no"
        await it.tell(Delta(service, "a", "web", None))
        await until(lambda: it.timer.sleepers == 1)
        it.kernel.broken = ""
        await it.timer.advance(1)
        await until(lambda: len(it.kernel.wanted) == 2)
        assert it.kernel.wanted[-1].services == ()
        assert it.passes[-1].services == ()


async def test_verification_waits_for_a_pass():
    async with scene() as it:
        it.kernel.edits = ["chain x was edited"]
        assert await it.enforcer.verify(heal=True) == ()
        await it.tell(policy())
        await until(lambda: it.enforcer.programmed is not None)
        assert await it.enforcer.verify(heal=False) == ("chain x was edited",)
        assert await it.enforcer.verify(heal=True) == ("chain x was edited",)
        assert await it.enforcer.verify(heal=False) == ()


async def test_numbers_of_traces_are_given_back_once_no_connection_carries_them():
    outcome = Outcome(Walked(Action.ALLOW, ()), Walked(Action.ALLOW, ()))
    async with scene() as it:
        book = it.kernel.book
        for direction in Direction:
            book.id_of(direction, outcome)
            book.rendered(direction, ())
        assert await it.enforcer.recycle(lambda: frozenset({0x0001_0000})) == 1
        assert book.outcome(Direction.EGRESS, 1) is None
        assert book.outcome(Direction.INGRESS, 1) == outcome
        assert await it.enforcer.recycle(frozenset) == 1


async def test_where_numbers_were_wanting_those_given_back_are_given_anew_at_once():
    names = [Outcome(Walked(Action.ALLOW, ()), Walked(action, ())) for action in Action]
    async with scene() as it:
        book = it.kernel.book = TraceBook(most=1)
        it.kernel.writes = names[:2]
        await it.tell(policy())
        await until(lambda: it.passes)
        assert book.unexplained == tuple(Direction)
        it.kernel.writes = names[1:2]
        assert await it.enforcer.recycle(frozenset) == 0, "the first outcome is still written"
        it.enforcer.again()
        await until(lambda: len(it.passes) == 2)
        assert await it.enforcer.recycle(frozenset) == 2
        await until(lambda: book.unexplained == ())
        assert len(it.passes) == 4, "one frees the numbers, one gives them"
        assert book.outcome(Direction.INGRESS, 1) == names[1]


async def test_a_shortfall_of_the_kernel_is_told_of_its_object():
    what = Problem("EN0001", Severity.WARNING, Where("it", "spec.ingress[0].http"), "no HTTP", "none")
    async with scene() as it:
        it.kernel.shortfalls = (Shortfall(PolicyKey(HitKind.CALICO_NETWORK_POLICY, "a", "p"), what),)
        await it.tell(policy())
        await until(lambda: it.passes)
        reason = "EN0001 no HTTP (spec.ingress[0].http)"
        assert unenforced(it.passes[-1]) == (Unenforced(Ref(GROUP, "NetworkPolicy", "a", "p"), reason),)
        assert unenforced_of(it.kernel.shortfalls[0]).reason == reason


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (PolicyKey(HitKind.NETWORK_POLICY, "a", "p"), Ref("networking.k8s.io", "NetworkPolicy", "a", "p")),
        (PolicyKey(HitKind.GLOBAL_NETWORK_POLICY, "", "p"), Ref(GROUP, "GlobalNetworkPolicy", "", "p")),
        (PolicyKey(HitKind.STAGED_NETWORK_POLICY, "a", "p"), Ref(GROUP, "StagedNetworkPolicy", "a", "p")),
        (
            PolicyKey(HitKind.ADMIN_NETWORK_POLICY, "", "p"),
            Ref("policy.networking.k8s.io", "AdminNetworkPolicy", "", "p"),
        ),
        (EntityKey(EntityKind.WORKLOAD, "a", "w"), Ref("", "Pod", "a", "w")),
        (EntityKey(EntityKind.HOST, "", "h"), Ref(GROUP, "HostEndpoint", "", "h")),
        (EntityKey(EntityKind.NETWORK_SET, "", "s"), Ref(GROUP, "GlobalNetworkSet", "", "s")),
    ],
)
def test_the_object_of_a_subject(subject, expected):
    assert ref_of(subject) == expected


@pytest.mark.parametrize("jump_ns", [-(10**18), 10**18])
async def test_a_clock_that_jumps_changes_nothing(jump_ns):
    async with scene() as it:
        await it.tell(policy())
        await until(lambda: it.kernel.policies == {"p"})
        it.timer.set_clock(it.timer.now_ns() + jump_ns)
        await it.tell(policy("q"))
        await until(lambda: it.kernel.policies == {"p", "q"})
        assert it.passes[-1].duration_s >= 0
