"""Lists, tables, watches over HTTP (spec/kubernetes-api §4, §5)."""

import asyncio

from support.apiserver import TABLE, config, pod, serving

HERE = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"


async def test_lists_are_sorted_and_come_in_pieces(tmp_path):
    async with serving(tmp_path) as client:
        await client("POST", "/api/v1/namespaces", {"metadata": {"name": "another"}})
        for namespace in ("default", "another"):
            for name in ("c", "a", "b"):
                await client("POST", f"/api/v1/namespaces/{namespace}/configmaps", config(name, namespace))
        seen, query = [], "limit=4"
        first = await client("GET", f"/api/v1/configmaps?{query}")
        assert first["metadata"]["remainingItemCount"] == 2
        await client("DELETE", "/api/v1/namespaces/another/configmaps/a")
        second = await client("GET", f"/api/v1/configmaps?{query}&continue={first['metadata']['continue']}")
        assert "continue" not in second["metadata"]
        assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        seen = [
            (row["metadata"]["namespace"], row["metadata"]["name"])
            for row in first["items"] + second["items"]
        ]
        assert seen == [(namespace, name) for namespace in ("another", "default") for name in "abc"]
        assert (first["kind"], first["apiVersion"]) == ("ConfigMapList", "v1")
        assert (await client.refused("GET", "/api/v1/configmaps?continue=nonsense"))["reason"] == "BadRequest"
        assert (await client.refused("GET", "/api/v1/configmaps?limit=-1"))["reason"] == "BadRequest"


async def test_selectors_of_lists(tmp_path):
    async with serving(tmp_path) as client:
        for name, app in (("a", "web"), ("b", "db")):
            await client("POST", PODS, pod(name, app=app))
        for query, names in (
            ("labelSelector=app%3Dweb", ["a"]),
            ("labelSelector=app%20in%20(web,db)", ["a", "b"]),
            ("fieldSelector=metadata.name%3Db", ["b"]),
            ("fieldSelector=status.phase%3DPending", ["a", "b"]),
            ("fieldSelector=status.phase%3DRunning", []),
        ):
            found = await client("GET", f"/api/v1/pods?{query}")
            assert [row["metadata"]["name"] for row in found["items"]] == names, query
        refused = await client.refused("GET", "/api/v1/pods?fieldSelector=spec.foo%3Db")
        assert "field label not supported" in refused["message"]


async def test_tables(tmp_path):
    async with serving(tmp_path) as client:
        await client("POST", PODS, pod("a"))
        found = await client("GET", PODS, Accept=TABLE)
        assert (found["kind"], found["apiVersion"]) == ("Table", "meta.k8s.io/v1")
        heads = [(column["name"], column["priority"]) for column in found["columnDefinitions"]]
        assert heads[:5] == [("Name", 0), ("Ready", 0), ("Status", 0), ("Restarts", 0), ("Age", 0)]
        assert [name for name, priority in heads if priority] == [
            "IP",
            "Node",
            "Nominated Node",
            "Readiness Gates",
        ]
        assert found["columnDefinitions"][0]["format"] == "name"
        row = found["rows"][0]
        assert row["cells"][:4] == ["a", "0/1", "Pending", "0"]
        assert row["object"]["kind"] == "PartialObjectMetadata"
        assert row["object"]["metadata"]["namespace"] == "default"
        whole = await client("GET", f"{PODS}?includeObject=Object", Accept=TABLE)
        assert whole["rows"][0]["object"]["kind"] == "Pod"
        assert "object" not in (await client("GET", f"{PODS}?includeObject=None", Accept=TABLE))["rows"][0]
        single = await client("GET", f"{PODS}/a", Accept=TABLE.replace("v=v1", "v=v1beta1"))
        assert (single["apiVersion"], len(single["rows"])) == ("meta.k8s.io/v1beta1", 1)
        tiers = await client("GET", "/apis/projectcalico.org/v3/tiers", Accept=TABLE)
        assert [column["name"] for column in tiers["columnDefinitions"]] == ["Name", "Created At"]


async def test_a_watch_goes_on_from_a_revision(tmp_path):
    async with serving(tmp_path) as client:
        await client("POST", HERE, config("before"))
        revision = (await client("GET", HERE))["metadata"]["resourceVersion"]
        async with client.watch(f"{HERE}?watch=1&resourceVersion={revision}") as following:
            made = await client("POST", HERE, config("a", x="1"))
            assert await following() == {"type": "ADDED", "object": made}
            changed = await client("PUT", f"{HERE}/a", config("a", x="2"))
            assert await following() == {"type": "MODIFIED", "object": changed}
            await client("DELETE", f"{HERE}/a")
            event = await following()
            assert (event["type"], event["object"]["data"]) == ("DELETED", {"x": "2"})
            assert int(event["object"]["metadata"]["resourceVersion"]) > int(
                changed["metadata"]["resourceVersion"]
            )


async def test_a_watch_without_revision_begins_with_what_is_there(tmp_path):
    async with serving(tmp_path) as client:
        await client("POST", HERE, config("a"))
        for query in ("watch=1", "watch=true&resourceVersion=0"):
            async with client.watch(f"{HERE}?{query}") as following:
                event = await following()
                assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "a")


async def test_send_initial_events_ends_with_a_marked_bookmark(tmp_path):
    async with serving(tmp_path) as client:
        await client("POST", HERE, config("a"))
        query = "watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
        async with client.watch(f"{HERE}?{query}") as following:
            assert (await following())["type"] == "ADDED"
            event = await following()
            assert event["type"] == "BOOKMARK"
            assert event["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_objects_that_begin_or_cease_to_match(tmp_path):
    async with serving(tmp_path) as client:
        await client("POST", PODS, pod("a", app="db"))
        revision = (await client("GET", PODS))["metadata"]["resourceVersion"]
        query = f"watch=1&resourceVersion={revision}&labelSelector=app%3Dweb"
        async with client.watch(f"{PODS}?{query}") as following:
            for app, kind in (
                ("web", "ADDED"),
                ("web", None),
                ("db", "DELETED"),
                ("db", None),
                ("web", "ADDED"),
            ):
                body = {"metadata": {"labels": {"app": app, "turn": f"{kind}"}}}
                await client("PATCH", f"{PODS}/a", body, Content_Type="application/merge-patch+json")
                if kind:
                    event = await following()
                    while event["type"] == "MODIFIED":
                        event = await following()
                    assert event["type"] == kind


async def test_bookmarks_and_the_end_of_a_watch(tmp_path):
    query = "watch=1&allowWatchBookmarks=true&timeoutSeconds=1"
    async with (
        serving(tmp_path, bookmark_interval_s=0.05) as client,
        client.watch(f"{HERE}?{query}") as following,
    ):
        event = await following()
        assert (event["type"], event["object"]["kind"]) == ("BOOKMARK", "ConfigMap")
        while event is not None:
            event = await following()


async def test_tables_in_a_watch_carry_their_heads_once(tmp_path):
    async with serving(tmp_path) as client:
        await client("POST", HERE, config("a"))
        async with client.watch(f"{HERE}?watch=1", Accept=TABLE) as following:
            first = await following()
            await client("POST", HERE, config("b"))
            second = await following()
            assert [len(event["object"]["rows"]) for event in (first, second)] == [1, 1]
            assert len(first["object"]["columnDefinitions"]) == 3
            assert second["object"]["columnDefinitions"] == []


async def test_a_watch_from_the_forgotten_past_is_told_so(tmp_path):
    async with serving(tmp_path) as client:
        await client("POST", HERE, config("a"))
        client.server.store._memory._history = 4
        for number in range(20):
            await client("PUT", f"{HERE}/a", config("a", x=str(number)))
        refused = await client.refused("GET", f"{HERE}?watch=1&resourceVersion=1")
        assert (refused["code"], refused["reason"]) == (410, "Expired")
        later = await client.refused("GET", f"{HERE}?watch=1&resourceVersion=999999")
        assert later["reason"] == "Timeout"


async def test_many_watchers_see_the_same(tmp_path):
    async with serving(tmp_path) as client:
        revision = (await client("GET", HERE))["metadata"]["resourceVersion"]

        async def one():
            async with client.watch(f"{HERE}?watch=1&resourceVersion={revision}") as following:
                waiting.release()
                return [(await following())["object"]["metadata"]["name"] for _ in range(3)]

        waiting = asyncio.Semaphore(0)
        tasks = [asyncio.create_task(one()) for _ in range(50)]
        for _ in tasks:
            await waiting.acquire()
        for name in "abc":
            await client("POST", HERE, config(name))
        assert await asyncio.gather(*tasks) == [["a", "b", "c"]] * 50


async def test_partial_metadata(tmp_path):
    async with serving(tmp_path) as client:
        await client("POST", HERE, config("a", x="1"))
        accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
        found = await client("GET", HERE, Accept=accept)
        assert (found["kind"], "data" in found["items"][0]) == ("PartialObjectMetadataList", False)


async def test_a_watch_sees_policies_of_tiers_that_are_made_later(tmp_path):
    """Who reads policies of all tiers would otherwise miss what a new one denies (policy-semantics §2.1)."""
    rbac, calico = "/apis/rbac.authorization.k8s.io/v1", "/apis/projectcalico.org/v3"
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reads-policy"}
    rule = {"apiGroups": ["projectcalico.org"], "resources": ["*"], "verbs": ["get", "list", "watch"]}
    tier = {"apiVersion": "projectcalico.org/v3", "kind": "Tier", "metadata": {"name": "late"}}
    policy = {
        "apiVersion": "projectcalico.org/v3",
        "kind": "GlobalNetworkPolicy",
        "metadata": {"name": "late.closed"},
        "spec": {"tier": "late", "selector": "all()"},
    }
    async with serving(tmp_path) as client:
        await client("POST", f"{rbac}/clusterroles", {"metadata": {"name": "reads-policy"}, "rules": [rule]})
        subjects = [{"kind": "User", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"}]
        binding = {"metadata": {"name": "reads-policy"}, "roleRef": role, "subjects": subjects}
        await client("POST", f"{rbac}/clusterrolebindings", binding)
        path = f"{calico}/globalnetworkpolicies?watch=true"
        async with client.watch(path, Impersonate_User="reader") as following:
            await client("POST", f"{calico}/tiers", tier)
            await client("POST", f"{calico}/globalnetworkpolicies", policy)
            added = await following()
            assert (added["type"], added["object"]["metadata"]["name"]) == ("ADDED", "late.closed")
            await client("DELETE", f"{calico}/globalnetworkpolicies/late.closed")
            await client("DELETE", f"{calico}/tiers/late")
            assert (await following())["type"] == "DELETED"
