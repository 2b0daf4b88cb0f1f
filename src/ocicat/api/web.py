"""The hub's HTTP server: who may ask, what headers go out, and which path is whose.

Loopback by default. Requests name a host that we expect (`localhost` with any port, since forwards have any),
and browsers' requests come from a page of such a host; both keep other pages out. When exposed, everything
but health needs a token or a session. Source: docs/explanation/console-api.md, spec/flows-and-console §7.
"""

import ipaddress
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from ocicat.api.asking import BadRequestError
from ocicat.api.door import LOGIN, VISITOR, Door, Sessions, token_of
from ocicat.api.headers import SECURITY
from ocicat.api.health import Health
from ocicat.api.login import LoginPage
from ocicat.api.replies import JSON, failure
from ocicat.api.rest import FlowApi
from ocicat.api.sight import SIGHT
from ocicat.api.whisker import WhiskerApi, WhiskerError
from ocicat.ports.clock import Clock
from ocicat.ports.reviewer import ReviewError

OPEN_PATHS: Final = ("/healthz", "/readyz", "/login", "/logout")
OF_PROGRAMS: Final = ("/api/", "/whisker-backend/", "/metrics")
"""What these begin with is asked by programs, which are told to bring a token; people get the login page."""
BODY_BYTES: Final = 64 * 1024
"""No request of ours has a longer body."""

PREPARED: Final = web.RequestKey("prepared", bool)
"""There once the head of an answer is on its way."""

log: Final = structlog.get_logger("ocicat.hub")


class Access(msgspec.Struct, frozen=True):
    """Who may ask."""

    hosts: frozenset[str] = frozenset()
    """Names beside `localhost` and loopback addresses by which the hub may be called."""
    door: Door = Door()


def application(
    flows: FlowApi, whisker: WhiskerApi, health: Health, console: Path | None, access: Access, clock: Clock
) -> web.Application:
    """Return the application; `console` is the folder of the built page, None where there is none."""
    sessions = Sessions(clock)
    app = web.Application(middlewares=[_guarded(access, sessions), _told], client_max_size=BODY_BYTES)
    app[LOGIN] = access.door.login
    app.on_response_prepare.append(_note_prepared)
    app.add_routes(
        [
            web.get("/healthz", health.alive),
            web.get("/readyz", health.ready),
            web.get("/metrics", health.metrics),
            web.get("/whisker-backend/flows", whisker.flows, allow_head=False),
            web.get("/whisker-backend/flows-filter-hints", whisker.hints),
            *LoginPage(access.door, sessions).routes(),
            *flows.routes(),
        ]
    )
    page = Page(console)
    app.add_routes([web.get("/{path:.*}", page.serve)])
    return app


def _guarded(access: Access, sessions: Sessions) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not is_expected(_hostname(request.host), access.hosts):
            return failure(403, f"this hub is not called {request.host!r}; use localhost, or --allow-host")
        origin = request.headers.get("Origin")
        if origin is not None and not is_expected(_hostname_of_url(origin), access.hosts):
            return failure(403, f"requests from {origin!r} are not taken")
        try:
            if request.path not in OPEN_PATHS:
                visitor = await access.door.visitor(token_of(request, sessions))
                if visitor is None:
                    return _refused(request)
                request[SIGHT], request[VISITOR] = visitor.sight, visitor.name
            response = await handler(request)
        except ReviewError as error:
            log.warning("hub.review_failed", error=str(error))
            return failure(503, "the cluster does not say who you are: try again")
        if not response.prepared:
            response.headers.update({**SECURITY, **response.headers})
        return response

    return guard


def _refused(request: web.Request) -> web.Response:
    is_page = not request.path.startswith(OF_PROGRAMS) and not PurePosixPath(request.path).suffix
    if is_page and request.method == "GET":
        asked = "" if request.path_qs == "/" else f"?to={quote(request.path_qs, safe='/')}"
        # Relative, for somebody who takes a prefix off before the path comes here.
        up = "../" * (request.rel_url.raw_path.count("/") - 1)
        return web.Response(status=303, headers={"Location": f"{up}login{asked}", **SECURITY})
    refused = failure(401, "a token is needed: log in at /login, or send Authorization: Bearer …")
    refused.headers["WWW-Authenticate"] = "Bearer"
    return refused


def _hostname(host: str) -> str:
    return _hostname_of_url(f"//{host}")


def _hostname_of_url(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_expected(hostname: str, hosts: frozenset[str] = frozenset()) -> bool:
    """Tell whether a host name is ours: `localhost`, a loopback address, or one that was allowed."""
    if hostname == "localhost" or hostname in hosts:
        return True
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return False


async def _note_prepared(request: web.Request, _response: web.StreamResponse) -> None:
    request[PREPARED] = True


@web.middleware
async def _told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what goes wrong into JSON that says so."""
    try:
        return await handler(request)
    except BadRequestError as error:
        return failure(400, str(error), error.column)
    except WhiskerError as error:
        return _whisker_failure(error.status, str(error))
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        refused = failure(405, f"{request.method} is not answered here; {allowed} is")
        refused.headers["Allow"] = allowed
        return refused
    except web.HTTPException as error:
        return failure(error.status, error.text or error.reason)
    except (ConnectionError, ReviewError):
        raise
    except Exception:
        # The outermost place of a request: it fails alone, and the log says why.
        log.exception("hub.request_failed", method=request.method, path=request.path)
        if PREPARED in request and request.transport is not None:
            # Part of the answer is on its way: only a broken connection says that it is not all.
            request.transport.abort()
        if request.path.startswith("/whisker-backend/"):
            return _whisker_failure(500, "Internal Server Error")
        return failure(500, "the hub failed; its log says why")


def _whisker_failure(status: int, message: str) -> web.Response:
    body = msgspec.json.encode({"error": message}) + b"\n"
    return web.Response(status=status, body=body, headers={"Content-Type": JSON})


class Page:
    """The console's static files; every path without a file extension is the page itself."""

    def __init__(self, folder: Path | None) -> None:
        """Serve what is below `folder`."""
        self._folder = folder.resolve() if folder is not None and (folder / "index.html").is_file() else None

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Return a file, or the page."""
        wanted = request.match_info["path"]
        if wanted.startswith("api/"):
            return failure(404, f"there is no path /{wanted}; /api/v1/openapi.json has those that are")
        if wanted.startswith("whisker-backend/") or "\0" in wanted:
            return web.Response(status=404, text="404 page not found\n")
        if self._folder is None:
            text = (
                "This installation has no console built in. The API is below /api/v1 and /whisker-backend.\n"
            )
            return web.Response(status=404, text=text)
        path = (self._folder / wanted).resolve()
        if path.is_file() and path.is_relative_to(self._folder):
            # Built files carry a digest in their name and never change.
            lasting = "assets" in path.relative_to(self._folder).parts
            cache = "public, max-age=31536000, immutable" if lasting else "no-cache"
            return web.FileResponse(path, headers={"Cache-Control": cache, **SECURITY})
        if path.suffix:
            return web.Response(status=404, text="404 page not found\n")
        return web.FileResponse(
            self._folder / "index.html", headers={"Cache-Control": "no-cache", **SECURITY}
        )
