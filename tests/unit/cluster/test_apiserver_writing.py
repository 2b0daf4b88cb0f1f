"""Writes over HTTP: optimistic locking, dry runs, apply, parts of objects, reviews (spec §4, §7, §8)."""

import base64
import datetime
import json
import ssl

import aiohttp

from ocicat.cluster.apiserver.credentials import client_certificate
from ocicat.cluster.resources.openapi_protobuf import varint
from support.apiserver import config, pod, serving

HERE = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
APPS = "/apis/apps/v1/namespaces/default/deployments"
MERGE = {"Content_Type": "application/merge-patch+json"}
APPLY = {"Content_Type": "application/apply-patch+yaml"}


def deployment(name="web", replicas=1):
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "c", "image": "i"}]},
            },
        },
    }


async def test_a_write_that_changes_nothing_changes_nothing(tmp_path):
    async with serving(tmp_path) as client:
        made = await client("POST", HERE, config("a", x="1"))
        async with client.watch(
            f"{HERE}?watch=1&resourceVersion={made['metadata']['resourceVersion']}"
        ) as following:
            same = await client("PUT", f"{HERE}/a", made)
            assert same == made
            assert await client("PATCH", f"{HERE}/a", {"data": {"x": "1"}}, **MERGE) == made
            changed = await client("PATCH", f"{HERE}/a", {"data": {"x": "2"}}, **MERGE)
            assert (await following())["object"] == changed, (
                "the first event is that of the first real change"
            )


async def test_an_older_state_is_refused(tmp_path):
    async with serving(tmp_path) as client:
        made = await client("POST", HERE, config("a", x="1"))
        await client("PUT", f"{HERE}/a", config("a", x="2"))
        for method, body, headers in (
            ("PUT", {**made, "data": {"x": "3"}}, {}),
            ("PATCH", {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}}, MERGE),
        ):
            refused = await client.refused(method, f"{HERE}/a", body, **headers)
            assert refused["reason"] == "Conflict"
            assert refused["message"] == (
                'Operation cannot be fulfilled on configmaps "a": the object has been modified;'
                " please apply your changes to the latest version and try again"
            )
        forged = {**config("a"), "metadata": {"name": "a", "uid": "another"}}
        assert (await client.refused("PUT", f"{HERE}/a", forged))["reason"] == "Conflict"


async def test_a_dry_run_stores_nothing(tmp_path):
    async with serving(tmp_path) as client:
        dry = await client("POST", f"{HERE}?dryRun=All", config("a"))
        assert dry["metadata"]["uid"]
        await client("POST", APPS, deployment())
        changed = await client("PATCH", f"{APPS}/web?dryRun=All", {"spec": {"replicas": 3}}, **MERGE)
        assert changed["metadata"]["generation"] == 2, "the would-be generation"
        await client("DELETE", f"{APPS}/web?dryRun=All")
        await client("DELETE", f"{APPS}/web", {"dryRun": ["All"]})
        assert (await client("GET", f"{APPS}/web"))["spec"]["replicas"] == 1
        assert (await client.refused("GET", f"{HERE}/a"))["code"] == 404
        assert (await client.refused("POST", f"{HERE}?dryRun=Some", config("a")))["code"] == 422


async def test_names_are_generated(tmp_path):
    async with serving(tmp_path) as client:
        body = {"metadata": {"generateName": "web-"}}
        names = {(await client("POST", HERE, body))["metadata"]["name"] for _ in range(5)}
        assert len(names) == 5
        assert all(name.startswith("web-") and len(name) == 9 for name in names)


async def test_status_is_apart(tmp_path):
    async with serving(tmp_path) as client:
        made = await client("POST", APPS, {**deployment(), "status": {"replicas": 9}})
        assert "status" not in made
        written = await client(
            "PUT", f"{APPS}/web/status", {**deployment(replicas=7), "status": {"replicas": 2}}
        )
        assert (written["spec"]["replicas"], written["status"]) == (1, {"replicas": 2})
        assert written["metadata"]["generation"] == 1
        owners = {row["manager"]: row.get("subresource") for row in written["metadata"]["managedFields"]}
        assert "status" in owners.values()
        kept = await client("PUT", f"{APPS}/web", deployment(replicas=3))
        assert (kept["spec"]["replicas"], kept["status"], kept["metadata"]["generation"]) == (
            3,
            {"replicas": 2},
            2,
        )


async def test_scale(tmp_path):
    async with serving(tmp_path) as client:
        await client("POST", APPS, deployment())
        scale = await client("GET", f"{APPS}/web/scale")
        assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == (
            "Scale",
            {"replicas": 1},
            "app=web",
        )
        scale["spec"]["replicas"] = 5
        assert (await client("PUT", f"{APPS}/web/scale", scale))["spec"] == {"replicas": 5}
        assert (await client.refused("PUT", f"{APPS}/web/scale", scale))["reason"] == "Conflict"
        patched = await client("PATCH", f"{APPS}/web/scale", {"spec": {"replicas": 0}}, **MERGE)
        assert patched["spec"] == {}
        assert (await client("GET", f"{APPS}/web"))["spec"]["replicas"] == 0
        wrong = await client.refused("PATCH", f"{APPS}/web/scale", {"spec": {"replicas": -1}}, **MERGE)
        assert wrong["code"] == 422


async def test_server_side_apply(tmp_path):
    async with serving(tmp_path) as client:
        status, made, _ = await client.ask("PATCH", f"{APPS}/web?fieldManager=me", deployment(), **APPLY)
        assert (status, made["metadata"]["generation"]) == (201, 1)
        status, again, _ = await client.ask("PATCH", f"{APPS}/web?fieldManager=me", deployment(), **APPLY)
        assert (status, again) == (200, made)
        refused = await client.refused(
            "PATCH", f"{APPS}/web?fieldManager=other", deployment(replicas=2), **APPLY
        )
        assert refused["details"]["causes"][0]["field"] == ".spec.replicas"
        forced = await client(
            "PATCH", f"{APPS}/web?fieldManager=other&force=true", deployment(replicas=2), **APPLY
        )
        assert forced["spec"]["replicas"] == 2
        assert (await client.refused("PATCH", f"{APPS}/web", deployment(), **APPLY))["code"] == 422
        unknown = {**deployment(), "spec": {**deployment()["spec"], "foo": 1}}
        strict = await client.refused("PATCH", f"{APPS}/web?fieldManager=me", unknown, **APPLY)
        assert 'unknown field "spec.foo"' in strict["message"]
        text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\ndata: {a: b}\n"
        assert (await client("PATCH", f"{HERE}/y?fieldManager=me", text, **APPLY))["data"] == {"a": "b"}


async def test_a_write_that_only_changes_managed_fields_is_stored(tmp_path):
    """Else the way from client-side to server-side apply never ends (spec §4)."""
    async with serving(tmp_path) as client:
        made = await client("POST", f"{HERE}?fieldManager=one", config("a", x="1"))
        steps = [{"op": "replace", "path": "/metadata/managedFields/0/manager", "value": "two"}]
        moved = await client("PATCH", f"{HERE}/a", steps, Content_Type="application/json-patch+json")
        assert [row["manager"] for row in moved["metadata"]["managedFields"]] == ["two"]
        assert moved["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]


async def test_deletion_with_grace_and_eviction(tmp_path):
    async with serving(tmp_path) as client:
        await client("POST", PODS, pod("a"))
        binding = {"metadata": {"name": "a"}, "target": {"kind": "Node", "name": "one"}}
        assert (await client("POST", f"{PODS}/a/binding", binding))["status"] == "Success"
        assert (await client.refused("POST", f"{PODS}/a/binding", binding))["reason"] == "Conflict"
        bound = await client("GET", f"{PODS}/a")
        assert bound["spec"]["nodeName"] == "one"
        assert bound["status"]["conditions"][0]["type"] == "PodScheduled"
        refused = await client.refused("GET", f"{PODS}/a/log")
        assert (refused["code"], "runs no pods" in refused["message"]) == (503, True)
        dying = await client("DELETE", f"{PODS}/a")
        assert dying["metadata"]["deletionGracePeriodSeconds"] == 30
        await client(
            "POST",
            f"{PODS}/a/eviction",
            {"metadata": {"name": "a"}, "deleteOptions": {"gracePeriodSeconds": 0}},
        )
        assert (await client.refused("GET", f"{PODS}/a"))["code"] == 404


async def test_delete_options_in_protobuf(tmp_path):
    async with serving(tmp_path) as client:
        await client("POST", HERE, config("a"))
        meta = b"\x0a\x02v1\x12\x0dDeleteOptions"
        options = b"\x22\x06Orphan"
        body = b"k8s\x00\x0a" + varint(len(meta)) + meta + b"\x12" + varint(len(options)) + options
        kept = await client("DELETE", f"{HERE}/a", body, Content_Type="application/vnd.kubernetes.protobuf")
        assert kept["metadata"]["finalizers"] == ["orphan"]


async def test_a_collection_is_deleted(tmp_path):
    async with serving(tmp_path) as client:
        for name, app in (("a", "x"), ("b", "y"), ("c", "x")):
            await client("POST", PODS, pod(name, app=app))
        gone = await client("DELETE", f"{PODS}?labelSelector=app%3Dx")
        assert [row["metadata"]["name"] for row in gone["items"]] == ["a", "c"]
        assert [row["metadata"]["name"] for row in (await client("GET", PODS))["items"]] == ["b"]


async def test_namespaces_go_by_their_finalizer(tmp_path):
    async with serving(tmp_path) as client:
        await client("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}})
        dying = await client("DELETE", "/api/v1/namespaces/n")
        assert dying["status"]["phase"] == "Terminating"
        refused = await client.refused("POST", "/api/v1/namespaces/n/configmaps", config("a", "n"))
        assert "because it is being terminated" in refused["message"]
        await client("PUT", "/api/v1/namespaces/n/finalize", {**dying, "spec": {"finalizers": []}})
        assert (await client.refused("GET", "/api/v1/namespaces/n"))["code"] == 404
        assert (await client.refused("DELETE", "/api/v1/namespaces/default"))["code"] == 403


async def test_reviews(tmp_path):
    async with serving(tmp_path) as client:
        ask = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}}
        mine = await client("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"spec": ask})
        assert mine["status"]["allowed"] is True
        theirs = {"spec": {**ask, "user": "ann"}}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        assert (await client("POST", path, theirs))["status"]["allowed"] is False
        assert (await client.refused("POST", path, {"spec": ask}))["code"] == 400
        assert (await client.refused("POST", path, {"spec": {"user": "ann"}}))["code"] == 400
        who = await client("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
        assert "system:masters" in who["status"]["userInfo"]["groups"]
        rules = await client(
            "POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", {"spec": {"namespace": "x"}}
        )
        assert rules["status"]["resourceRules"][0]["verbs"] == ["*"]


async def test_tokens_of_service_accounts(tmp_path):
    async with serving(tmp_path) as client:
        accounts = "/api/v1/namespaces/default/serviceaccounts"
        await client("POST", accounts, {"metadata": {"name": "bob"}})
        made = await client("POST", f"{accounts}/bob/token", {"spec": {"expirationSeconds": 600}})
        token = made["status"]["token"]
        review = "/apis/authentication.k8s.io/v1/tokenreviews"
        found = await client("POST", review, {"spec": {"token": token}})
        assert found["status"]["user"]["username"] == "system:serviceaccount:default:bob"
        refused = await client.refused("GET", PODS, token=token)
        assert 'User "system:serviceaccount:default:bob" cannot list resource "pods"' in refused["message"]
        head, body, signature = token.split(".")
        forged = json.loads(base64.urlsafe_b64decode(body + "=="))
        forged["sub"] = "system:serviceaccount:kube-system:admin"
        again = base64.urlsafe_b64encode(json.dumps(forged).encode()).decode().rstrip("=")
        none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
        for bad in (f"{head}.{again}.{signature}", f"{none}.{body}.", f"{none}.{body}.{signature}"):
            assert (await client.refused("GET", PODS, token=bad))["code"] == 401
        await client("DELETE", f"{accounts}/bob")
        await client("POST", accounts, {"metadata": {"name": "bob"}})
        assert (await client.refused("GET", PODS, token=token))["code"] == 401, (
            "another account of the same name"
        )


async def test_impersonation(tmp_path):
    async with serving(tmp_path) as client:
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        headers = {"Impersonate_User": "ann", "Impersonate_Group": "team", "Impersonate_Extra_Scope": "x"}
        found = await client("POST", path, {}, **headers)
        assert found["status"]["userInfo"] == {
            "username": "ann", "groups": ["team", "system:authenticated"], "extra": {"scope": ["x"]},
        }  # fmt: skip
        assert (await client.refused("POST", path, {}, Impersonate_Group="team"))["code"] == 400
        refused = await client.refused("GET", PODS, token="", Impersonate_User="root")
        assert 'User "system:anonymous" cannot impersonate resource "users"' in refused["message"]


async def test_client_certificates(tmp_path):
    async with serving(tmp_path) as client:
        pki = client.server.credentials.folder
        certificate, key = client_certificate(
            pki, "ann", ["system:masters"], datetime.datetime.now(datetime.UTC)
        )
        (tmp_path / "both.pem").write_bytes(certificate + key)
        context = ssl.create_default_context(cafile=str(client.server.credentials.ca_file))
        context.load_cert_chain(tmp_path / "both.pem")
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
            path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
            async with session.post(client.server.url + path, json={}) as answer:
                found = await answer.json()
        assert found["status"]["userInfo"]["username"] == "ann"


async def test_the_state_outlives_the_server(tmp_path):
    async with serving(tmp_path) as client:
        made = await client("POST", HERE, config("a", x="1"))
        kept = client.server.credentials.token
    async with serving(tmp_path) as client:
        assert await client("GET", f"{HERE}/a") == made
        assert client.server.credentials.token == kept
        later = await client("POST", HERE, config("b"))
        assert int(later["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
