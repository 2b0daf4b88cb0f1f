"""The hub's HTTP server: who may ask, what headers go out, and which path is whose.

Loopback by default. Requests name a host that we expect (`localhost` with any port, since forwards have any),
and browsers' requests come from a page of such a host; both keep other pages out. When exposed, everything
but health needs the bearer token. Source: docs/explanation/console-api.md, spec/flows-and-console §7.
"""

import hmac
import ipaddress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from ocicat.api.asking import BadRequestError
from ocicat.api.headers import SECURITY
from ocicat.api.health import Health
from ocicat.api.rest import FlowApi
from ocicat.api.whisker import WhiskerApi, WhiskerError

OPEN_PATHS: Final = ("/healthz", "/readyz")


class Access(msgspec.Struct, frozen=True):
    """Who may ask."""

    hosts: frozenset[str] = frozenset()
    """Names beside `localhost` and loopback addresses by which the hub may be called."""
    token: str = ""
    """The bearer token that is asked for; empty on loopback."""


def application(
    flows: FlowApi, whisker: WhiskerApi, health: Health, console: Path | None, access: Access
) -> web.Application:
    """Return the application; `console` is the folder of the built page, None where there is none."""
    app = web.Application(middlewares=[_guarded(access), _told])
    app.add_routes(
        [
            web.get("/healthz", health.alive),
            web.get("/readyz", health.ready),
            web.get("/metrics", health.metrics),
            web.get("/whisker-backend/flows", whisker.flows),
            web.get("/whisker-backend/flows-filter-hints", whisker.hints),
            *flows.routes(),
        ]
    )
    page = Page(console)
    app.add_routes([web.get("/{path:.*}", page.serve)])
    return app


def _guarded(access: Access) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not is_expected(_hostname(request.host), access):
            return failure(403, f"this hub is not called {request.host!r}; use localhost, or --allow-host")
        origin = request.headers.get("Origin")
        if origin is not None and not is_expected(urlsplit(origin).hostname or "", access):
            return failure(403, f"requests from {origin!r} are not taken")
        if access.token and request.path not in OPEN_PATHS and not _has_token(request, access.token):
            refused = failure(401, "a bearer token is needed: Authorization: Bearer …")
            refused.headers["WWW-Authenticate"] = "Bearer"
            return refused
        response = await handler(request)
        if not response.prepared:
            response.headers.update(SECURITY)
        return response

    return guard


def _hostname(host: str) -> str:
    return urlsplit(f"//{host}").hostname or ""


def is_expected(hostname: str, access: Access) -> bool:
    """Tell whether a host name is ours: `localhost`, a loopback address, or one that was allowed."""
    if hostname == "localhost" or hostname in access.hosts:
        return True
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return False


def _has_token(request: web.Request, token: str) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


@web.middleware
async def _told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what goes wrong into JSON that says so."""
    try:
        return await handler(request)
    except BadRequestError as error:
        return failure(400, str(error), error.column)
    except WhiskerError as error:
        body = msgspec.json.encode({"error": str(error)}) + b"\n"
        headers = {"Content-Type": "application/json; charset=utf-8"}
        return web.Response(status=error.status, body=body, headers=headers)
    except web.HTTPMethodNotAllowed:
        return failure(405, "only GET is answered")
    except web.HTTPException as error:
        return web.Response(status=error.status, text=f"{error.status} {error.reason}\n")


def failure(status: int, message: str, column: int = 0) -> web.Response:
    """Return `{"error": …}` with a status."""
    body = {"error": message} | ({"column": column} if column else {})
    return web.json_response(body, status=status, headers=SECURITY)


class Page:
    """The console's static files; every path without a file extension is the page itself."""

    def __init__(self, folder: Path | None) -> None:
        """Serve what is below `folder`."""
        self._folder = folder.resolve() if folder is not None and (folder / "index.html").is_file() else None

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Return a file, or the page."""
        wanted = request.match_info["path"]
        if wanted.startswith(("api/", "whisker-backend/")):
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
