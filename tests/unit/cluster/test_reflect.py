"""A reflector against a list-and-watch server that fails in every way. Source: spec/kubernetes-api §4, §5."""

import asyncio
import time
from contextlib import asynccontextmanager

import msgspec
import pytest
import yaml

from ocicat.cluster.client import KubeconfigError, connect
from ocicat.cluster.deltas import Inbox
from ocicat.cluster.reflect import Reflector, State, reflectors
from ocicat.cluster.reflection import Delta
from ocicat.model.calico import GROUP
from ocicat.model.kinds import kind_of
from support.clocks import until
from support.listwatch import ApiServer, serving

POLICIES = "networking.k8s.io/v1/networkpolicies"
KIND = kind_of("networking.k8s.io", "NetworkPolicy")
CALICO = kind_of(GROUP, "NetworkPolicy")


class SwiftTimer:
    """Sleeps a hundredth of what is asked for, so that back-offs pass quickly."""

    def now_ns(self):
        return time.time_ns()

    def monotonic_ns(self):
        return time.monotonic_ns()

    async def sleep(self, seconds):
        await asyncio.sleep(seconds / 100)


class Mirror:
    """What a consumer of an inbox believes."""

    def __init__(self, inbox):
        self.inbox = inbox
        self.objects = {}

    @property
    def names(self):
        for delta in self.inbox.take():
            if delta.resource is None:
                self.objects.pop(delta.name, None)
            else:
                self.objects[delta.name] = delta.resource
        return set(self.objects)


def read(kind, raw):
    return msgspec.json.decode(raw, type=kind.struct), []


def policy(name, **labels):
    metadata = {"name": name, "namespace": "a", "labels": labels}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": {}}


def kubeconfig(folder, port):
    path = folder / "kubeconfig"
    document = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "it", "user": {"token": "secret"}}],
    }
    path.write_text(yaml.safe_dump(document))
    return str(path)


@asynccontextmanager
async def following(folder, port, kind=KIND):
    client, inbox = connect(kubeconfig(folder, port)), Inbox()
    reflector = Reflector(kind, client, read, inbox, SwiftTimer(), lambda: 0.5)
    task = asyncio.create_task(reflector.run())
    try:
        yield reflector, Mirror(inbox)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.close()


async def test_it_lists_then_follows(tmp_path):
    server = ApiServer()
    await server.put(POLICIES, policy("p"))
    async with serving(server) as port, following(tmp_path, port) as (reflector, mirror):
        await until(lambda: reflector.synced)
        assert mirror.names == {"p"}
        await until(lambda: server.watchers == 1)
        await server.put(POLICIES, policy("q"))
        await until(lambda: mirror.names == {"p", "q"})
        await server.put(POLICIES, policy("q", team="red"))
        await until(lambda: mirror.names and mirror.objects["q"].metadata.labels == {"team": "red"})
        await server.delete(POLICIES, "p", "a")
        await until(lambda: mirror.names == {"q"})
    assert reflector.status().lists == 1


async def test_it_lists_in_pages(tmp_path):
    server = ApiServer(page=2)
    for number in range(5):
        await server.put(POLICIES, policy(f"p{number}"))
    async with serving(server) as port, following(tmp_path, port) as (reflector, mirror):
        await until(lambda: reflector.synced)
        assert len(mirror.names) == 5
    assert sum("continue" in query for _, _, query in server.requests) == 2


async def test_a_list_that_expires_half_way_is_asked_for_in_one_piece(tmp_path):
    class Forgetful(ApiServer):
        def _list(self, request, collection):
            if "continue" in request.query:
                self.oldest = self.revision + 1
                self.revision += 1
            return super()._list(request, collection)

    server = Forgetful(page=2)
    for number in range(5):
        await server.put(POLICIES, policy(f"p{number}"))
    async with serving(server) as port, following(tmp_path, port) as (reflector, mirror):
        await until(lambda: reflector.synced)
        assert len(mirror.names) == 5


async def test_it_resumes_where_a_watch_ended_without_a_list(tmp_path):
    server = ApiServer()
    async with serving(server) as port, following(tmp_path, port) as (reflector, mirror):
        await until(lambda: server.watchers == 1)
        await server.put(POLICIES, policy("p"))
        await until(lambda: mirror.names == {"p"})
        await server.end_watches()
        await server.put(POLICIES, policy("q"))
        await until(lambda: mirror.names == {"p", "q"})
        assert reflector.status().lists == 1


async def test_it_resumes_after_a_connection_was_cut_in_the_middle_of_an_event(tmp_path):
    server = ApiServer()
    async with serving(server) as port, following(tmp_path, port) as (reflector, mirror):
        await until(lambda: server.watchers == 1)
        await server.put(POLICIES, policy("p"))
        await until(lambda: mirror.names == {"p"})
        await server.break_connections()
        await server.put(POLICIES, policy("q"))
        await until(lambda: mirror.names == {"p", "q"})
        assert reflector.status().lists == 1


async def test_a_bookmark_lets_it_resume_after_others_changes_were_forgotten(tmp_path):
    server = ApiServer(bookmark_s=0.05)
    async with serving(server) as port, following(tmp_path, port) as (reflector, mirror):
        await until(lambda: server.watchers == 1)
        await server.put("v1/pods", policy("noise"))
        await until(lambda: reflector.status().revision == "1")
        server.oldest = 1
        await server.end_watches()
        await server.put(POLICIES, policy("p"))
        await until(lambda: mirror.names == {"p"})
        assert reflector.status().lists == 1


async def test_it_lists_anew_when_its_revision_is_forgotten(tmp_path):
    """What went while nobody watched is told as gone."""
    server = ApiServer()
    await server.put(POLICIES, policy("gone"))
    await server.put(POLICIES, policy("stays"))
    async with serving(server) as port, following(tmp_path, port) as (reflector, mirror):
        await until(lambda: mirror.names == {"gone", "stays"} and server.watchers == 1)
        server.refused["/apis/networking.k8s.io/v1/networkpolicies"] = 503
        await server.end_watches()
        await until(lambda: reflector.status().state is State.INTERRUPTED)
        await server.delete(POLICIES, "gone", "a")
        await server.expire()
        assert mirror.names == {"gone", "stays"}
        server.refused.clear()
        await until(lambda: mirror.names == {"stays"})
        assert reflector.status().lists == 2


async def test_it_keeps_what_it_knows_while_the_server_is_away(tmp_path):
    server = ApiServer()
    await server.put(POLICIES, policy("p"))
    async with serving(server) as port:
        follow = following(tmp_path, port)
        reflector, mirror = await follow.__aenter__()
        await until(lambda: mirror.names == {"p"})
    await until(lambda: reflector.status().state is State.INTERRUPTED)
    assert mirror.names == {"p"}
    assert reflector.synced
    async with serving(server, port):
        await server.put(POLICIES, policy("q"))
        await until(lambda: mirror.names == {"p", "q"})
        await follow.__aexit__(None, None, None)


async def test_a_server_that_was_away_from_the_start_is_waited_for(tmp_path):
    server = ApiServer()
    async with serving(server) as port:
        pass
    async with following(tmp_path, port) as (reflector, mirror):
        await until(lambda: reflector.status().state is State.INTERRUPTED)
        assert not reflector.synced
        async with serving(server, port):
            await server.put(POLICIES, policy("p"))
            await until(lambda: mirror.names == {"p"})


async def test_a_kind_that_is_not_served_is_empty_until_it_is(tmp_path):
    server = ApiServer("v1/pods")
    async with serving(server) as port, following(tmp_path, port) as (reflector, mirror):
        await until(lambda: reflector.synced)
        assert reflector.status().state is State.NOT_SERVED
        server.served.add(POLICIES)
        await server.put(POLICIES, policy("p"))
        await until(lambda: mirror.names == {"p"})
        assert reflector.status().state is State.WATCHING


async def test_a_kind_that_we_may_not_read_is_not_empty(tmp_path):
    server = ApiServer()
    server.refused["/apis/networking.k8s.io/v1/networkpolicies"] = 403
    async with serving(server) as port, following(tmp_path, port) as (reflector, mirror):
        await until(lambda: reflector.status().state is State.REFUSED)
        assert not reflector.synced
        server.refused.clear()
        await server.put(POLICIES, policy("p"))
        await until(lambda: mirror.names == {"p"})


async def test_objects_of_a_kind_whose_server_vanishes_are_still_believed(tmp_path):
    server = ApiServer()
    await server.put(POLICIES, policy("p"))
    async with serving(server) as port, following(tmp_path, port) as (reflector, mirror):
        await until(lambda: mirror.names == {"p"} and server.watchers == 1)
        server.served = {"v1/pods"}
        await server.expire()
        await server.end_watches()
        await until(lambda: "no longer serves" in reflector.status().error)
        assert mirror.names == {"p"}


async def test_calico_kinds_come_from_where_they_are_served(tmp_path):
    server = ApiServer("crd.projectcalico.org/v1/networkpolicies")
    stored = {**policy("default.p"), "apiVersion": "crd.projectcalico.org/v1"}
    await server.put("crd.projectcalico.org/v1/networkpolicies", stored)
    async with serving(server) as port, following(tmp_path, port, CALICO) as (reflector, mirror):
        await until(lambda: mirror.names == {"p"})
        assert reflector.status().source == "/apis/crd.projectcalico.org/v1/networkpolicies"


async def test_it_says_who_it_is(tmp_path):
    server = ApiServer()
    seen = []

    async def note(request, _response):
        seen.append(request.headers.get("Authorization"))

    server.application.on_response_prepare.append(note)
    async with serving(server) as port, following(tmp_path, port) as (reflector, _):
        await until(lambda: reflector.synced)
    assert seen[0] == "Bearer secret"


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_a_plugin_gives_the_token(tmp_path, version):
    api_version = f"client.authentication.k8s.io/{version}"
    plugin = tmp_path / "plugin"
    answer = {"apiVersion": api_version, "kind": "ExecCredential", "status": {"token": "of the plugin"}}
    plugin.write_text(f"#!/bin/sh\necho '{msgspec.json.encode(answer).decode()}'\n")
    plugin.chmod(0o755)
    server = ApiServer()
    seen = []

    async def note(request, _response):
        seen.append(request.headers.get("Authorization"))

    server.application.on_response_prepare.append(note)
    async with serving(server) as port:
        path = kubeconfig(tmp_path, port)
        document = yaml.safe_load((tmp_path / "kubeconfig").read_text())
        document["users"][0]["user"] = {"exec": {"apiVersion": api_version, "command": str(plugin)}}
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(document))
        client = connect(path)
        await client.get("/api/v1/pods")
        await client.close()
    assert seen == ["Bearer of the plugin"]


def test_a_kubeconfig_that_cannot_be_used_is_told_by_name(tmp_path):
    with pytest.raises(KubeconfigError, match="nowhere"):
        connect(str(tmp_path / "nowhere"))
    broken = tmp_path / "broken"
    broken.write_text("- just\n- a list\n")
    with pytest.raises(KubeconfigError, match="broken"):
        connect(str(broken))


# --- policies of tiers --------------------------------------------------------------------------------------

TIERS = "projectcalico.org/v3/tiers"
TIERED = "projectcalico.org/v3/networkpolicies"


def in_tier(name, tier):
    """A policy, and the tier that it is in."""
    head = {"apiVersion": "projectcalico.org/v3"}
    metadata = {"name": f"{tier}.{name}", "namespace": "a"}
    policy = {**head, "kind": "NetworkPolicy", "metadata": metadata, "spec": {"tier": tier}}
    return {**head, "kind": "Tier", "metadata": {"name": tier}, "spec": {}}, policy


async def test_policies_of_a_tier_that_comes_later_are_seen_at_once(tmp_path):
    """The watch of the policies says nothing of them: only a list does."""
    server = ApiServer()
    server.by_tier = True
    async with serving(server) as port:
        client, inbox = connect(kubeconfig(tmp_path, port)), Inbox()
        made = reflectors([CALICO, kind_of(GROUP, "Tier")], client, read, inbox, SwiftTimer(), lambda: 0.5)
        tasks = [asyncio.create_task(reflector.run()) for reflector in made]
        try:
            mirror = Mirror(inbox)
            await until(lambda: server.watchers == 2)
            for name in ("late", "later"):
                tier, policy = in_tier("p", name)
                await server.put(TIERS, tier)
                await server.put(TIERED, policy)
                await until(lambda name=name: f"{name}.p" in mirror.names)
            await server.delete(TIERED, "late.p", "a")
            await until(lambda: "late.p" not in mirror.names)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await client.close()


async def test_policies_are_listed_anew_when_their_watch_ends(tmp_path):
    """A server may learn late of a tier: then what was not seen is seen with the next list."""
    server = ApiServer()
    server.by_tier = True
    async with serving(server) as port, following(tmp_path, port, CALICO) as (reflector, mirror):
        await until(lambda: server.watchers == 1)
        tier, policy = in_tier("p", "late")
        await server.put(TIERS, tier)
        await server.put(TIERED, policy)
        await server.end_watches()
        await until(lambda: mirror.names == {"late.p"})
        assert reflector.status().lists == 2


# --- the inbox ----------------------------------------------------------------------------------------------


def delta(name, resource=None):
    return Delta(KIND, "a", name, resource)


async def test_of_one_object_only_the_last_state_waits():
    inbox = Inbox()
    first, second = delta("p"), delta("p", KIND.struct())
    for item in (first, delta("q"), second):
        await inbox.put(item)
    assert inbox.take() == [delta("q"), second]


async def test_a_full_inbox_makes_the_watch_wait():
    inbox = Inbox(bound=1)
    await inbox.put(delta("p"))
    await asyncio.wait_for(inbox.put(delta("p")), 5)
    waiting = asyncio.create_task(inbox.put(delta("q")))
    await asyncio.sleep(0)
    assert not waiting.done()
    inbox.take()
    await asyncio.wait_for(waiting, 5)
    assert [item.name for item in inbox.take()] == ["q"]
