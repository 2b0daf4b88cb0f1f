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
from ocicat.api.door import COOKIE, SESSION_S, Door, Login, Sessions, token_of
from ocicat.api.headers import SECURITY
from ocicat.api.replies import failure

STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:15vh auto;padding:0 1rem;"
    "color:CanvasText;background:Canvas;color-scheme:light dark}"
    "label,input,button{display:block;width:100%;box-sizing:border-box;margin:.5rem 0;font:inherit}"
    "input,button{padding:.5rem}[role=alert]{color:#c62828}"
)
PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>ocicat: log in</title>
<meta name="viewport" content="width=device-width"><style>{style}</style></head>
<body><main><h1>ocicat</h1>{alert}<form method="post" action="login">
<label for="token">{label}</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Log in</button></form></main></body></html>
"""
LABELS: Final = {
    Login.NONE: "Token",
    Login.TOKEN: "The hub's token",
    Login.KUBERNETES: "A token of the cluster, for example from: kubectl create token NAME",
}
_DIGEST: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_HEADERS: Final = {
    **SECURITY,
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_DIGEST}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
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

    async def show(self, _request: web.Request) -> web.Response:
        """`GET /login`: the form."""
        return self._page(200)

    async def login(self, request: web.Request) -> web.StreamResponse:
        """`POST /login` with a form, JSON `{"token": …}`, or a bearer token. Raises ReviewError."""
        by_form = request.content_type in _FORMS
        token = await self._given(request)
        if not token or await self._door.visitor(token) is None:
            return self._page(401, "This token is not taken.") if by_form else failure(401, "wrong token")
        answer = web.Response(status=303, headers={"Location": "./"}) if by_form else web.Response(status=204)
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
        return token_of(request, self._sessions)

    async def logout(self, request: web.Request) -> web.Response:
        """`POST /logout`: end the session."""
        self._sessions.end(request.cookies.get(COOKIE, ""))
        by_form = request.content_type in _FORMS
        answer = (
            web.Response(status=303, headers={"Location": "login"}) if by_form else web.Response(status=204)
        )
        answer.del_cookie(COOKIE)
        return answer

    def _page(self, status: int, alert: str = "") -> web.Response:
        said = f'<p role="alert">{escape(alert)}</p>' if alert else ""
        text = PAGE.format(style=STYLE, alert=said, label=escape(LABELS[self._door.login]))
        return web.Response(status=status, text=text, content_type="text/html", headers=_HEADERS)
