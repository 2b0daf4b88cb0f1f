"""A real hub keeps what its OpenAPI document promises, whatever it is asked. Source: RFC 9457."""

from collections.abc import Iterator

import httpx2 as httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from ocicat.api.contract.openapi import document
from support.hub import STAGED, RealHub, denied_record, flow_record

pytestmark = pytest.mark.slow

# What is no filter is refused, and no schema says what is one: so whether a value is refused is not judged
# by the document, only that the refusal is what it promises.
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
)
# The stream has no end to wait for; tests of its own read it.
SCHEMA = schemathesis.openapi.from_dict(document("0")).exclude(path="/flows/stream")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHub]:
    """A hub that has been told of the catfacts application."""
    hub = RealHub(tmp_path_factory.mktemp("hub"))
    hub.push([flow_record(), flow_record("facts", "db", pending=STAGED), denied_record()])
    yield hub
    assert hub.process.poll() is None
    hub.stop()


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        yield made


@SCHEMA.parametrize()
@settings(max_examples=30, suppress_health_check=list(HealthCheck))
def test_whatever_is_asked_the_answer_is_as_promised(
    case: schemathesis.Case, filled: RealHub, session: requests.Session
) -> None:
    answer = case.call(base_url=f"{filled.url}/api/v1", session=session, timeout=30)
    case.validate_response(answer, checks=list(CHECKS))


def test_the_hub_serves_the_document(filled: RealHub) -> None:
    served = filled.get("/api/v1/openapi.json")
    assert served | {"info": {}} == document("0") | {"info": {}}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v1/flows/nothing", 404),
        ("POST", "/api/v1/flows", 405),
        ("DELETE", "/api/v1/flows/stream", 405),
        ("HEAD", "/api/v1/flows/stream", 404),  # a stream has no head without body
        ("GET", "/api/v1/flows?from=yesterday", 400),
        ("GET", "/api/v1/flows?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", 400),
        ("GET", "/api/v1/flows?limit=many", 400),
        ("GET", "/api/v1/export?format=doc", 400),
    ],
)
def test_every_refusal_is_a_problem_document(filled: RealHub, method: str, path: str, status: int) -> None:
    answer = httpx.request(method, f"{filled.url}{path}", trust_env=False)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    if method != "HEAD":
        body = answer.json()
        assert body["status"] == status
        assert body["detail"] == body["error"] != ""
