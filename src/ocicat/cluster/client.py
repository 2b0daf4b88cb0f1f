"""`ApiClient`: raw JSON from and to any Kubernetes API server.

lightkube reads the kubeconfig (certificates, tokens, exec plugins), and we speak HTTP with the client that it
is made for, because its own lists and watches build objects that we would only take apart again: bytes go to
msgspec as they come. Source: spec/kubernetes-api §1, §4, §5.
"""

import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx2 as httpx
import msgspec
import yaml
from lightkube.config.client_adapter import ConnectionParams
from lightkube.config.kubeconfig import KubeConfig
from lightkube.core.exceptions import ConfigError

from ocicat.base.errors import OcicatError

REQUEST_TIMEOUT_S: Final = 30.0
CONNECT_TIMEOUT_S: Final = 10.0
CONNECTIONS: Final = 100
"""One for each kind that is watched, and some for lists and events."""
SHOWN: Final = 300
"""Characters of a foreign answer that a message repeats: some proxies answer with whole pages."""

TOKEN_AGE_S: Final = 60.0
"""How old a token of a service account gets before its file is read again."""
ACCOUNT_TOKEN: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
"""Where a pod finds the token of its service account."""

_KEEPALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
"""A watch may be silent for minutes; this tells within half a minute whether anybody is still there."""


class KubeconfigError(OcicatError):
    """The kubeconfig cannot be used."""


class UnreachableError(OcicatError):
    """The API server did not answer, or the connection broke."""


class ApiError(OcicatError):
    """The API server refused a request."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        """Keep the status: its HTTP code, its reason (`NotFound`, `Expired`, …) and what it says."""
        super().__init__(f"{code} {reason}: {message}" if reason else f"{code}: {message}")
        self.code = code
        self.reason = reason


_EXEC_VERSION: Final = "client.authentication.k8s.io/v1"

_UNUSABLE: Final = (
    ConfigError,
    OSError,
    AttributeError,
    KeyError,
    TypeError,
    ValueError,
    yaml.YAMLError,
    msgspec.MsgspecError,
)
"""What lightkube raises for a file that is no kubeconfig."""


class AccountToken(httpx.Auth):
    """The token of a pod's service account, read anew now and then: its file is renewed before it is over."""

    def __init__(self, path: Path, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        """Read the token from `path`."""
        self._path: Final = path
        self._monotonic_s: Final = monotonic_s
        self._token = ""
        self._read_s = -TOKEN_AGE_S

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Put the token into a request. A file that cannot be read leaves the last one in use."""
        now_s = self._monotonic_s()
        if now_s - self._read_s >= TOKEN_AGE_S or not self._token:
            with contextlib.suppress(OSError):
                self._token, self._read_s = self._path.read_text(encoding="ascii").strip(), now_s
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


class Status(msgspec.Struct, frozen=True):
    """The parts of a `Status` object that matter."""

    code: int = 0
    reason: str = ""
    message: str = ""


class ApiClient:
    """A connection to one API server. Close it with `close`."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        """Use an HTTP client that knows the server and who we are."""
        self._http = http

    @property
    def server(self) -> str:
        """The address of the API server."""
        return str(self._http.base_url)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def get(self, path: str, parameters: Mapping[str, str] | None = None) -> bytes:
        """Return the body of a GET. Raises ApiError, UnreachableError."""
        return await self._request("GET", path, parameters)

    async def post(self, path: str, body: Any) -> bytes:
        """Create an object from plain values; return the answer. Raises ApiError, UnreachableError."""
        return await self._request("POST", path, None, msgspec.json.encode(body))

    async def put(self, path: str, body: Any) -> bytes:
        """Replace an object; return the answer. Raises ApiError, UnreachableError."""
        return await self._request("PUT", path, None, msgspec.json.encode(body))

    async def patch(self, path: str, body: Any) -> bytes:
        """Merge plain values into an object (RFC 7386); return it. Raises ApiError, UnreachableError."""
        kind = "application/merge-patch+json"
        return await self._request("PATCH", path, None, msgspec.json.encode(body), kind)

    async def apply(self, path: str, body: Any, manager: str) -> bytes:
        """Apply an object as `manager` (server-side, by force); return it. Raises ApiError, UnreachableError.

        What is absent is created; fields that others have set stay theirs.
        """
        kind, parameters = "application/apply-patch+yaml", {"fieldManager": manager, "force": "true"}
        return await self._request("PATCH", path, parameters, msgspec.json.encode(body), kind)

    async def delete(self, path: str, options: Any = None) -> bytes:
        """Delete an object, with DeleteOptions; return the answer. Raises ApiError, UnreachableError."""
        body = msgspec.json.encode(options) if options is not None else None
        return await self._request("DELETE", path, None, body)

    async def _request(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None,
        body: bytes | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        headers = {"Content-Type": content_type} if body is not None else {}
        try:
            response = await self._http.request(
                method, path, params=parameters, content=body, headers=headers
            )
        except (httpx.HTTPError, ConfigError, OSError) as error:
            raise unreachable(error) from error
        if response.is_error:
            raise refusal(response.status_code, response.content)
        content: bytes = response.content
        return content

    @asynccontextmanager
    async def watch(
        self, path: str, parameters: Mapping[str, str], timeout_s: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a watch; inside, its lines come one by one until the server ends it.

        Args:
            path: The collection.
            parameters: `watch` is added.
            timeout_s: How long the connection may be silent.

        Raises:
            ApiError, UnreachableError: also from the lines.
        """
        timeout = httpx.Timeout(CONNECT_TIMEOUT_S, read=timeout_s)
        try:
            async with self._http.stream(
                "GET", path, params={**parameters, "watch": "true"}, timeout=timeout
            ) as response:
                if response.is_error:
                    raise refusal(response.status_code, await response.aread())
                yield _lines(response)
        except (httpx.HTTPError, ConfigError, OSError) as error:
            raise unreachable(error) from error


async def _lines(response: httpx.Response) -> AsyncIterator[bytes]:
    """Yield the lines of a body. What comes after the last newline when the connection ends is no event."""
    rest = b""
    async for chunk in response.aiter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line


def refusal(code: int, body: bytes) -> ApiError:
    """Return the error for an answer that is not a success."""
    try:
        status = msgspec.json.decode(body, type=Status)
    except msgspec.MsgspecError:
        status = Status(message=body.decode("utf-8", "replace")[:SHOWN].strip())
    return ApiError(code, status.reason, status.message or "no reason given")


def unreachable(error: Exception) -> UnreachableError:
    """Return the error for a connection that failed."""
    return UnreachableError(f"{error}" or type(error).__name__)


def has_account() -> bool:
    """Tell whether we run in a pod that has a service account."""
    return "KUBERNETES_SERVICE_HOST" in os.environ and ACCOUNT_TOKEN.is_file()


def connect(kubeconfig: str, context: str | None = None) -> ApiClient:
    """Return a client for the cluster of a kubeconfig; nothing is sent yet.

    Args:
        kubeconfig: The file; empty for the service account of the pod that we run in.
        context: The context in it; None for the current one.

    Raises:
        KubeconfigError: The file cannot be read, or says too little.
    """
    try:
        config = KubeConfig.from_file(kubeconfig) if kubeconfig else KubeConfig.from_service_account()
        single = config.get(context)
        if single is None or single.user is None:
            raise KubeconfigError(f"{kubeconfig or 'the service account'}: the context names no user")
        if single.user.exec is not None and single.user.exec.apiVersion == _EXEC_VERSION:
            # Its answer is that of v1beta1, which lightkube knows by name.
            single.user.exec.apiVersion = f"{_EXEC_VERSION}beta1"
        known = ConnectionParams().httpx_params(single)
    except _UNUSABLE as error:
        name = Path(kubeconfig).name if kubeconfig else "the pod's service account"
        raise KubeconfigError(f"{name} cannot be used as a kubeconfig: {error}") from error
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    transport = httpx.AsyncHTTPTransport(
        verify=known["verify"], limits=limits, socket_options=list(_KEEPALIVE), trust_env=True
    )
    return ApiClient(
        httpx.AsyncClient(
            base_url=known["base_url"],
            auth=known["auth"] if kubeconfig else AccountToken(ACCOUNT_TOKEN),
            transport=transport,
            timeout=httpx.Timeout(REQUEST_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            headers={"Accept": "application/json", "User-Agent": "ocicat"},
        )
    )
