"""What is not about one object: version, health, discovery, OpenAPI. Source: spec/kubernetes-api §2, §3."""

import platform
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

from ocicat.cluster.apiserver.answers import json_answer, raw_answer
from ocicat.cluster.apiserver.core import Core
from ocicat.cluster.resources import discovery, openapi, openapi_protobuf
from ocicat.cluster.resources.errors import method_not_allowed, no_such_path

_TITLE: Final = "Kubernetes"
_PROTOBUF: Final = "application/com.github.proto-openapi.spec.v2"
_PROTOBUF_ANSWER: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_HEALTH: Final = ("/healthz", "/livez", "/readyz")


class Documents:
    """The documents of one API server; made from the registry on first use, and anew when it has changed."""

    def __init__(self, core: Core, release: str, address: Callable[[], str]) -> None:
        self._core: Final = core
        self._release: Final = release
        self._address: Final = address
        self._cache: Final[dict[str, bytes]] = {}
        self._cached_at = -1

    def serve(self, request: web.BaseRequest, path: str) -> web.Response:
        """Answer a GET of a plain path. Raises ApiError."""
        if request.method not in ("GET", "HEAD"):
            raise method_not_allowed()
        steps = [step for step in path.split("/") if step]
        accept = request.headers.get("Accept", "")
        if steps and "/" + steps[0] in _HEALTH:
            return self._health(steps[0], verbose="verbose" in request.query)
        if steps[:1] == ["openapi"]:
            return self._openapi(steps[1:], accept, request.query.get("hash", ""))
        registry = self._core.registry
        match steps:
            case []:
                return json_answer({"paths": self._paths()})
            case ["version"]:
                return json_answer(version(self._release))
            case ["api" | "apis"]:
                return self._groups(accept, core=steps[0] == "api")
            case ["api", name]:
                return _found(discovery.resource_list(registry, "", name))
            case ["apis", group]:
                return _found(discovery.one_group(registry, group))
            case ["apis", group, name]:
                return _found(discovery.resource_list(registry, group, name))
            case _:
                raise no_such_path()

    def _health(self, name: str, *, verbose: bool) -> web.Response:
        """Answer a probe: a server whose last write failed is alive, and not ready."""
        ready = self._core.takes_writes or name == "livez"
        store = "[+]store ok" if self._core.takes_writes else "[-]store failed: reason withheld"
        lines = ["[+]ping ok", store, f"{name} check {'passed' if ready else 'failed'}", ""]
        text = "ok" if ready and not verbose else "\n".join(lines)
        return raw_answer(
            text.encode(), status=200 if ready else 500, content_type="text/plain; charset=utf-8"
        )

    def _openapi(self, steps: list[str], accept: str, asked: str) -> web.Response:
        if steps == ["v2"]:
            return self._openapi_v2(accept)
        if steps[:1] == ["v3"]:
            return self._openapi_v3(steps[1:], asked)
        raise no_such_path()

    def _paths(self) -> list[str]:
        roots = [
            "/" + openapi.root_of(group, name)
            for group, names in self._core.registry.versions().items()
            for name in names
        ]
        return sorted({"/api", "/apis", "/openapi/v2", "/openapi/v3", "/version", *_HEALTH, *roots})

    def _groups(self, accept: str, *, core: bool) -> web.Response:
        form = discovery.aggregated_version(accept)
        if form is not None:
            body = self._cached(
                f"{form} {core}", lambda: _json(discovery.aggregated(self._core.registry, form, core=core))
            )
            return raw_answer(body, content_type=discovery.aggregated_type(form))
        return json_answer(
            discovery.api_versions(self._address()) if core else discovery.group_list(self._core.registry)
        )

    def _cached(self, key: str, make: Callable[[], bytes]) -> bytes:
        if self._cached_at != self._core.generation:
            self._cache.clear()
            self._cached_at = self._core.generation
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]

    def _openapi_v2(self, accept: str) -> web.Response:
        def document() -> dict[str, Any]:
            return openapi.document_v2(self._core.registry, self._core.schemas, _TITLE, self._release)

        if _PROTOBUF in accept:
            body = self._cached("v2 protobuf", lambda: openapi_protobuf.document(document()))
            return raw_answer(body, content_type=_PROTOBUF_ANSWER)
        return raw_answer(self._cached("v2 json", lambda: _json(document())))

    def _openapi_v3(self, rest: list[str], asked: str) -> web.Response:
        registry = self._core.registry
        roots = {
            openapi.root_of(group, name): (group, name)
            for group, names in registry.versions().items()
            for name in names
        }
        if not rest:
            hashes = {at: self._hash_v3(*at) for at in roots.values()}
            return json_answer(openapi.index_v3(hashes))
        at = roots.get("/".join(rest))
        if at is None:
            raise no_such_path()
        found = self._hash_v3(*at)
        answer = raw_answer(self._document_v3(*at))
        answer.headers["ETag"] = f'"{found}"'
        if asked == found:
            answer.headers["Cache-Control"] = "public, immutable"
        return answer

    def _document_v3(self, group: str, name: str) -> bytes:
        def make() -> bytes:
            core = self._core
            return _json(openapi.document_v3(core.registry, core.schemas, group, name, _TITLE, self._release))

        return self._cached(f"v3 {group}/{name}", make)

    def _hash_v3(self, group: str, name: str) -> str:
        document = self._document_v3(group, name)
        return self._cached(f"hash {group}/{name}", lambda: openapi.digest(document)).decode()


def version(release: str) -> dict[str, str]:
    """Return the answer of `/version`."""
    major, minor, *_ = release.lstrip("v").split(".")
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"{release}+ocicat",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": f"python{platform.python_version()}",
        "platform": f"linux/{machine}",
    }


def _found(document: Mapping[str, Any] | None) -> web.Response:
    if document is None:
        raise no_such_path()
    return json_answer(document)


def _json(document: Any) -> bytes:
    return msgspec.json.encode(document)
