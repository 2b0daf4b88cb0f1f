"""Events on objects that are not enforced, and where the hub is."""

import asyncio

import msgspec
import pytest

from ocicat.api.channel import FlowServer, TlsFiles
from ocicat.app.agent.events import BURST, EventReporter, event_for
from ocicat.app.agent.hub import hub_server
from ocicat.app.agent.unenforced import Unenforced
from ocicat.app.settings import AgentSettings
from ocicat.cluster.client import ApiError, UnreachableError
from ocicat.model.calico import GROUP
from ocicat.model.kubernetes import Service, ServiceSpec
from ocicat.model.meta import Ref
from support.clocks import FakeTimer, settled

POLICY = Ref(GROUP, "NetworkPolicy", "a", "p")


class Client:
    def __init__(self):
        self.posted = []
        self.error = None

    async def post(self, path, body):
        if self.error is not None:
            raise self.error
        self.posted.append((path, body))


async def told(reporter, timer, *items, seconds=0):
    reporter.tell(items)
    task = asyncio.create_task(reporter.run())
    await settled()
    for _ in range(seconds):
        await timer.advance(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def unenforced(name="p", reason="bad"):
    return Unenforced(msgspec.structs.replace(POLICY, name=name), reason)


async def test_an_event_names_the_object_and_the_reason():
    client, timer = Client(), FakeTimer()
    await told(EventReporter(client, "n1", timer), timer, unenforced())
    ((path, event),) = client.posted
    assert path == "/api/v1/namespaces/a/events"
    assert event["involvedObject"] == {
        "apiVersion": "projectcalico.org/v3",
        "kind": "NetworkPolicy",
        "namespace": "a",
        "name": "p",
    }
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "NotEnforced", "bad")
    assert event["source"] == {"component": "ocicat-agent", "host": "n1"}
    assert event["firstTimestamp"] == "2023-11-14T22:13:20Z"


def test_events_of_cluster_wide_objects_are_in_default():
    event = event_for(Unenforced(Ref(GROUP, "Tier", "", "t"), "bad"), "n1", 0)
    assert event["metadata"]["namespace"] == "default"


def test_all_agents_give_one_event_one_name():
    names = {event_for(Unenforced(POLICY, "bad"), node, 0)["metadata"]["name"] for node in ("n1", "n2")}
    assert len(names) == 1
    kubernetes = Ref("networking.k8s.io", "NetworkPolicy", "a", "p")
    assert event_for(Unenforced(kubernetes, "bad"), "n1", 0)["metadata"]["name"] not in names
    assert event_for(Unenforced(POLICY, "worse"), "n1", 0)["metadata"]["name"] not in names


async def test_what_lasts_is_told_once_and_what_returns_again():
    client, timer = Client(), FakeTimer()
    reporter = EventReporter(client, "n1", timer)
    await told(reporter, timer, unenforced())
    await told(reporter, timer, unenforced())
    assert len(client.posted) == 1
    await told(reporter, timer)
    await told(reporter, timer, unenforced())
    assert len(client.posted) == 2


async def test_events_are_rate_limited_and_none_is_lost():
    client, timer = Client(), FakeTimer()
    reporter = EventReporter(client, "n1", timer)
    items = [unenforced(f"p{number}") for number in range(BURST + 10)]
    await told(reporter, timer, *items)
    assert len(client.posted) == BURST
    await told(reporter, timer, *items, seconds=5)
    assert len(client.posted) == BURST + 5
    await told(reporter, timer, *items, seconds=6)
    assert len(client.posted) == BURST + 10


@pytest.mark.parametrize("code", [403, 404, 409])
async def test_an_event_that_is_refused_is_given_up(code):
    client, timer = Client(), FakeTimer()
    client.error = ApiError(code, "", "no")
    reporter = EventReporter(client, "n1", timer)
    await told(reporter, timer, unenforced())
    client.error = None
    await told(reporter, timer, unenforced(), seconds=3)
    assert client.posted == []


async def test_an_event_waits_for_a_server_that_is_away():
    client, timer = Client(), FakeTimer()
    client.error = UnreachableError("away")
    reporter = EventReporter(client, "n1", timer)
    await told(reporter, timer, unenforced(), seconds=2)
    client.error = None
    await told(reporter, timer, unenforced(), seconds=2)
    assert len(client.posted) == 1


# --- the hub ------------------------------------------------------------------------------------------------


def services(address):
    return {("calico-system", "goldmane"): Service(spec=ServiceSpec(cluster_ip=address))}


def test_the_hub_is_where_the_setting_says():
    settings = AgentSettings(hub="hub.example:7443", tls_ca="c", tls_certificate="d", tls_key="e")
    expected = FlowServer("hub.example:7443", TlsFiles("c", "d", "e"), "")
    assert hub_server(settings, services("10.96.0.9")) == expected


@pytest.mark.parametrize(
    ("address", "expected"), [("10.96.0.9", "10.96.0.9:7443"), ("fd00::9", "[fd00::9]:7443")]
)
def test_the_hub_is_the_clusters_service(address, expected):
    found = hub_server(AgentSettings(), services(address))
    assert found == FlowServer(expected, TlsFiles(), "goldmane.calico-system.svc")


@pytest.mark.parametrize("known", [{}, services(""), services("None")])
def test_there_may_be_no_hub_yet(known):
    assert hub_server(AgentSettings(), known) is None


def test_a_warning_has_a_reason_of_its_own():
    node = Unenforced(Ref("", "Node", "", "n1"), "EN0004 no number is free", enforced=True)
    event = event_for(node, "n1", 0)
    assert (event["reason"], event["metadata"]["namespace"]) == ("NotExplained", "default")
    assert event_for(Unenforced(node.ref, node.reason), "n1", 0)["reason"] == "NotEnforced"
