"""Who is let in, and what he may see: tokens, sessions, and the cluster's word on them.

A hub for one person on the loopback lets everybody in. An exposed one wants a bearer token: its own, which
opens everything, or one of the cluster's, whose user sees the namespaces in which he may list network
policies. A browser cannot send a token with an event stream, so that it logs in and gets a session.
Source: docs/adr/0012-who-sees-which-flows.md.
"""

import asyncio
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Set
from enum import StrEnum
from typing import Final

import msgspec
from aiohttp import web

from ocicat.api.sight import ALL, Sight
from ocicat.ports.clock import Clock
from ocicat.ports.reviewer import Reviewer, User

COOKIE: Final = "ocicat_session"
SESSION_S: Final = 12 * 3600
SESSIONS: Final = 1_000
"""At a time; then the oldest ends."""
SIGHT_NS: Final = 10 * 1_000_000_000
"""For how long a user's sight is taken as known: so long a new namespace stays unseen. A right that was taken
away shows for so much longer than the reviewer remembers it."""
REVIEW_S: Final = 235.0
"""After which a stream ends, so that its reader's token and rights are looked at again when he comes back. He
goes on after his last position, and misses nothing. With the minute for which an answer of the cluster is
taken as known, and the pause between two looks at a silent stream, these are five minutes."""
AT_ONCE: Final = 16
"""Questions to the cluster at a time."""
POLICIES: Final = "networking.k8s.io", "networkpolicies"
"""Who may list these in a namespace sees its flows."""
SHARED: Final = "projectcalico.org", "globalnetworkpolicies"
"""Who may list these reads policies without namespace."""
NOBODY: Final = "-", ""
"""What flows call the namespace of ends that have none."""


class Login(StrEnum):
    """What lets somebody in."""

    NONE = "none"
    TOKEN = "token"
    KUBERNETES = "kubernetes"


class Visitor(msgspec.Struct, frozen=True):
    """Somebody who was let in."""

    name: str
    """The cluster's name of him; empty where there is none."""
    sight: Sight


VISITOR: Final = web.RequestKey("visitor", str)
"""Where the guard leaves the name of whoever asks."""
LOGIN: Final = web.AppKey("login", Login)
"""Where the application says what lets somebody in."""
ANYBODY: Final = Visitor("", ALL)


class Door:
    """Lets everybody in."""

    login = Login.NONE

    async def visitor(self, token: str) -> Visitor | None:
        """Return who holds a token, None where he is not let in. Raises ReviewError."""
        return ANYBODY


class TokenDoor(Door):
    """Lets in whoever has the hub's own token, to everything."""

    login = Login.TOKEN

    def __init__(self, token: str) -> None:
        """Want `token`."""
        self._token = token.encode()

    async def visitor(self, token: str) -> Visitor | None:
        """Return somebody for the right token."""
        return ANYBODY if hmac.compare_digest(token.encode(), self._token) else None


class ClusterDoor(Door):
    """Lets in whoever has a token of the cluster, to what he may see there."""

    login = Login.KUBERNETES

    def __init__(self, reviewer: Reviewer, spaces: Callable[[], Set[str]], clock: Clock) -> None:
        """Ask `reviewer` about the namespaces that `spaces` returns."""
        self._reviewer = reviewer
        self._spaces = spaces
        self._clock = clock
        self._asking = asyncio.Semaphore(AT_ONCE)
        self._sights: OrderedDict[User, tuple[int, Sight]] = OrderedDict()

    async def visitor(self, token: str) -> Visitor | None:
        """Return the token's user with what he may see."""
        user = await self._reviewer.user(token) if token else None
        if user is None:
            return None
        until_ns, sight = self._sights.get(user, (0, ALL))
        if until_ns <= self._clock.monotonic_ns():
            sight = await self._sight(user)
            self._sights[user] = self._clock.monotonic_ns() + SIGHT_NS, sight
            while len(self._sights) > SESSIONS:
                self._sights.popitem(last=False)
        return Visitor(user.name, sight)

    async def _sight(self, user: User) -> Sight:
        shared = await self._reviewer.may_list(user, *SHARED, "")
        if await self._reviewer.may_list(user, *POLICIES, ""):
            return Sight(all_namespaces=True, shared_policies=shared)
        spaces = sorted(self._spaces() - {*NOBODY})
        seen = await asyncio.gather(*(self._may_see(user, space) for space in spaces))
        return Sight(
            namespaces=frozenset(space for space, yes in zip(spaces, seen, strict=True) if yes),
            shared_policies=shared,
        )

    async def _may_see(self, user: User, namespace: str) -> bool:
        async with self._asking:
            return await self._reviewer.may_list(user, *POLICIES, namespace)


class Sessions:
    """Browsers that have logged in. They end with the hub; who holds the token can begin another one."""

    def __init__(self, clock: Clock) -> None:
        """Begin with none."""
        self._clock = clock
        self._open: OrderedDict[str, tuple[int, str]] = OrderedDict()

    def begin(self, token: str) -> str:
        """Return the name of a new session for a token."""
        name = secrets.token_urlsafe(32)
        self._open[name] = self._clock.monotonic_ns() + SESSION_S * 1_000_000_000, token
        while len(self._open) > SESSIONS:
            self._open.popitem(last=False)
        return name

    def token(self, name: str) -> str:
        """Return the token of a session; empty where there is none, or no longer."""
        until_ns, token = self._open.get(name, (0, ""))
        if until_ns > self._clock.monotonic_ns():
            return token
        self._open.pop(name, None)
        return ""

    def end(self, name: str) -> None:
        """End a session."""
        self._open.pop(name, None)


def longest_stream_s(request: web.Request) -> float | None:
    """Return after how many seconds a stream ends; None where nobody has rights that could be taken away."""
    return None if request.app[LOGIN] is Login.NONE else REVIEW_S


def token_of(request: web.Request, sessions: Sessions) -> str:
    """Return the token that a request has: a bearer token, else that of its session; empty without."""
    bearer = bearer_of(request)
    return sessions.token(request.cookies.get(COOKIE, "")) if bearer is None else bearer


def bearer_of(request: web.Request) -> str | None:
    """Return the token of the header; empty where it is none, None without header."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, given = header.partition(" ")
    # No token has other characters, and what is no text cannot be compared.
    return given.strip() if scheme.lower() == "bearer" and given.isascii() else ""
