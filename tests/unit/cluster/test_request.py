"""What an address asks for (spec/kubernetes-api §2, §8)."""

import pytest

from ocicat.cluster.resources.request import RequestInfo, request_info


@pytest.mark.parametrize(
    ("method", "path", "query", "wanted"),
    [
        ("GET", "/api/v1/pods", {}, ("list", "", "v1", "", "pods", "", "")),
        ("GET", "/api/v1/namespaces/n/pods", {}, ("list", "", "v1", "n", "pods", "", "")),
        ("GET", "/api/v1/namespaces/n/pods", {"watch": "1"}, ("watch", "", "v1", "n", "pods", "", "")),
        ("GET", "/api/v1/namespaces/n/pods", {"watch": "false"}, ("list", "", "v1", "n", "pods", "", "")),
        ("GET", "/api/v1/watch/namespaces/n/pods/p", {}, ("watch", "", "v1", "n", "pods", "p", "")),
        ("GET", "/api/v1/namespaces/n/pods/p", {}, ("get", "", "v1", "n", "pods", "p", "")),
        ("GET", "/api/v1/namespaces/n/pods/p/log", {}, ("get", "", "v1", "n", "pods", "p", "log")),
        ("POST", "/api/v1/namespaces/n/pods/p/exec", {}, ("create", "", "v1", "n", "pods", "p", "exec")),
        ("GET", "/api/v1/namespaces", {}, ("list", "", "v1", "", "namespaces", "", "")),
        ("GET", "/api/v1/namespaces/n", {}, ("get", "", "v1", "n", "namespaces", "n", "")),
        ("PUT", "/api/v1/namespaces/n/finalize", {},
         ("update", "", "v1", "n", "namespaces", "n", "finalize")),
        ("PATCH", "/apis/apps/v1/namespaces/n/deployments/d/scale", {},
         ("patch", "apps", "v1", "n", "deployments", "d", "scale")),
        ("DELETE", "/apis/apps/v1/namespaces/n/deployments", {},
         ("deletecollection", "apps", "v1", "n", "deployments", "", "")),
        ("DELETE", "/apis/projectcalico.org/v3/tiers/t", {},
         ("delete", "projectcalico.org", "v3", "", "tiers", "t", "")),
    ],
)  # fmt: skip
def test_resources(method, path, query, wanted):
    found = request_info(method, path, query)
    assert found == RequestInfo(*wanted[:1], path, *wanted[1:])


@pytest.mark.parametrize(
    "path", ["/", "/version", "/api", "/apis", "/apis/apps", "/apis/apps/v1", "/openapi/v2", "/api/v1"]
)
def test_plain_paths(path):
    found = request_info("GET", path, {})
    assert found is not None
    assert not found.is_resource


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/namespaces/../secrets",
        "/api//v1/pods",
        "/./api",
        "/api/v1/namespaces/n/pods/..",
        "api",
        "",
        "/a\x00b",
        "/a\nb",
    ],
)
def test_paths_with_tricks_never_reach_authorization(path):
    assert request_info("GET", path, {}) is None
