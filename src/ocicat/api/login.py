"""`/login` and `/logout`: a browser turns a token into a session, by a form that needs no script.

The session is a cookie that scripts cannot read and that goes with no request from another site. It is sent
as secure where the request came by TLS, or through somebody who ended it (X-Forwarded-Proto).
Source: docs/howto/expose-the-hub.md.
"""

import base64
import hashlib
from html import escape
from typing import Final

import msgspec
from aiohttp import web

from ocicat.api.contract.flows import Answer
from ocicat.api.door import COOKIE, SESSION_S, Door, Login, Sessions, bearer_of
from ocicat.api.headers import SECURITY
from ocicat.api.replies import failure

STYLE: Final = (
    ":root{color-scheme:light;--page:#fff;--ink:#171d26;--dim:#596473;--line:#b4bcc8;--accent:#2456c9;"
    "--on:#fff;--deny:#b3261e}"
    "@media(prefers-color-scheme:dark){:root{color-scheme:dark;--page:#10141a;--ink:#e7ebf1;--dim:#9aa6b6;"
    "--line:#4a5666;--accent:#8bb0ff;--on:#0d1730;--deny:#ff8c80}}"
    "body{font:14px/20px system-ui,sans-serif;max-width:22rem;margin:18vh auto 0;padding:0 1rem;"
    "color:var(--ink);background:var(--page)}"
    "h1{font-size:20px;line-height:28px;margin:0 0 4px}p{margin:0 0 20px;color:var(--dim)}"
    "label,input,button{display:block;width:100%;box-sizing:border-box;font:inherit}"
    "input,button{min-height:36px;margin:6px 0 12px;padding:0 12px;border:1px solid var(--line);"
    "border-radius:6px;background:none;color:inherit}"
    "button{background:var(--accent);border-color:var(--accent);color:var(--on);font-weight:600;"
    "cursor:pointer}"
    ":focus-visible{outline:2px solid var(--accent);outline-offset:2px}code{font-size:12px}"
    "p[role=alert]{color:var(--deny);margin:0 0 12px;font-weight:600}"
)
PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>ocicat: log in</title>
<meta name="viewport" content="width=device-width"><style>{style}</style></head>
<body><main><h1>ocicat</h1><p>{asks}</p><form method="post" action="login">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<input name="to" type="hidden" value="{to}">{alert}<button>Log in</button></form></main></body></html>
"""
ASKS: Final = {
    Login.NONE: "This hub lets everybody in.",
    Login.TOKEN: "Log in with the token that this hub was started with.",
    Login.KUBERNETES: (
        "Log in with a token of the cluster, for example from <code>kubectl create token NAME</code>."
    ),
}
HOME: Final = "./"
"""Where to after the login when nobody says: the page itself, below any prefix."""
_DIGEST: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_HEADERS: Final = {
    **SECURITY,
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_DIGEST}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    # With no-referrer browsers send the form's origin as "null", and the guard takes no such thing.
    "Referrer-Policy": "same-origin",
}
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")


class Credentials(Answer, frozen=True):
    """What a script posts to `/login`."""

    token: str


class LoginPage:
    """The handlers of both paths."""

    def __init__(self, door: Door, sessions: Sessions) -> None:
        """Let in whom `door` lets in."""
        self._door = door
        self._sessions = sessions

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/login", self.show),
            web.post("/login", self.login),
            web.post("/logout", self.logout),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """`GET /login`: the form. `to` is the path that was asked for."""
        return self._page(200, request.query.get("to", ""))

    async def login(self, request: web.Request) -> web.StreamResponse:
        """`POST /login` with a form, JSON `{"token": …}`, or a bearer token. Raises ReviewError."""
        by_form = request.content_type in _FORMS
        to = str((await request.post()).get("to", "")) if by_form else ""
        token = await self._given(request)
        if not token or await self._door.visitor(token) is None:
            return self._page(401, to, "This token is not taken.") if by_form else failure(401, "wrong token")
        headers = {"Location": own_path(to)}
        answer = web.Response(status=303, headers=headers) if by_form else web.Response(status=204)
        answer.headers["Cache-Control"] = "no-store"
        answer.set_cookie(
            COOKIE,
            self._sessions.begin(token),
            max_age=SESSION_S,
            httponly=True,
            samesite="Strict",
            secure=request.secure or request.headers.get("X-Forwarded-Proto") == "https",
        )
        return answer

    async def _given(self, request: web.Request) -> str:
        if request.content_type in _FORMS:
            return str((await request.post()).get("token", "")).strip()
        if request.content_type == "application/json":
            try:
                return msgspec.json.decode(await request.read(), type=Credentials).token
            except msgspec.MsgspecError:
                return ""
        # Not the session: it would begin another one for ever.
        return bearer_of(request) or ""

    async def logout(self, request: web.Request) -> web.Response:
        """`POST /logout`: end the session."""
        self._sessions.end(request.cookies.get(COOKIE, ""))
        by_form = request.content_type in _FORMS
        answer = (
            web.Response(status=303, headers={"Location": "login"}) if by_form else web.Response(status=204)
        )
        answer.del_cookie(COOKIE)
        return answer

    def _page(self, status: int, to: str, alert: str = "") -> web.Response:
        said = f'<p role="alert">{escape(alert)}</p>' if alert else ""
        text = PAGE.format(style=STYLE, alert=said, asks=ASKS[self._door.login], to=escape(to))
        return web.Response(status=status, text=text, content_type="text/html", headers=_HEADERS)


def own_path(to: str) -> str:
    """Return where `to` is, as seen from `/login` below any prefix, if it is a path of this hub.

    Else the page itself: a login leads to no other site.
    """
    # Browsers read "//host", "/\host" and such with tabs in between as addresses of other sites.
    is_own = to.startswith("/") and to[1:2] not in ("/", "\\") and to.isascii() and to.isprintable()
    return f".{to}" if is_own else HOME
