"""Who asks: client certificates, bearer tokens, impersonation, and nobody. Source: spec §1; the issue on
RBAC."""

import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from multidict import CIMultiDictProxy

from ocicat.cluster.apiserver import tokens
from ocicat.cluster.apiserver.core import Core
from ocicat.cluster.apiserver.credentials import Credentials
from ocicat.cluster.resources.errors import ApiError, bad_request
from ocicat.cluster.resources.kinds import metadata_of
from ocicat.cluster.resources.rbac import ALL_USERS, ANONYMOUS, MASTERS, User

AUDIENCE: Final = tokens.ISSUER
_ADMIN: Final = User("ocicat-admin", (MASTERS, ALL_USERS))
_NOBODY: Final = User(ANONYMOUS, ("system:unauthenticated",))
_EXTRA: Final = "impersonate-extra-"
_TOKEN_LIMIT: Final = 16 * 1024


class ImpersonationJudge(Protocol):
    """Who decides whether one user may act as another."""

    def check_impersonation(self, user: User, wanted: User) -> None:
        """Raise ApiError (403) where he may not."""


class Authenticator:
    """Reads the user of a request from what it presents."""

    def __init__(self, core: Core, credentials: Credentials, judge: ImpersonationJudge) -> None:
        self._core: Final = core
        self._credentials: Final = credentials
        self._judge: Final = judge

    def user(self, headers: CIMultiDictProxy[str], certificate: Mapping[str, Any] | None) -> User:
        """Return the user that a request speaks for, impersonated or not.

        Raises:
            ApiError: 401 for a token that is not valid, 403 for an impersonation that is not allowed.
        """
        user = self._presented(headers, certificate)
        wanted = _impersonated(headers)
        if wanted is None:
            return user
        self._judge.check_impersonation(user, wanted)
        return _with_standard_groups(wanted)

    def _presented(self, headers: CIMultiDictProxy[str], certificate: Mapping[str, Any] | None) -> User:
        if certificate:
            found = user_of_certificate(certificate)
            if found is not None:
                return found
        words = headers.get("Authorization", "")
        scheme, _, token = words.partition(" ")
        if not words:
            return _NOBODY
        if scheme.lower() == "bearer" and (user := self.user_of_token(token.strip())) is not None:
            return user
        raise ApiError("Unauthorized", "Unauthorized")

    def user_of_token(self, token: str) -> User | None:
        """Return the user that a bearer token speaks for, or None."""
        if len(token) > _TOKEN_LIMIT:
            return None
        if hmac.compare_digest(token.encode(), self._credentials.token.encode()):
            return _ADMIN
        if token.count(".") != 2:
            return None
        now_s = self._core.now_ns() / 1e9
        claims = tokens.verify(self._credentials.account_key.public_key(), token, now_s)
        if claims is None or AUDIENCE not in claims.audiences:
            return None
        account = claims.account
        stored = self._core.store.get("serviceaccounts", account.namespace, account.name)
        if stored is None or metadata_of(stored.thing).get("uid") != account.uid:
            return None
        if claims.pod:
            pod = self._core.store.get("pods", account.namespace, claims.pod)
            if pod is None or metadata_of(pod.thing).get("uid") != claims.pod_uid:
                return None
        return _account_user(account)


def _account_user(account: tokens.Account) -> User:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{account.namespace}", ALL_USERS)
    return User(f"system:serviceaccount:{account.namespace}:{account.name}", groups, account.uid)


def user_of_certificate(certificate: Mapping[str, Any]) -> User | None:
    """Return the user that a verified client certificate names: CN is the name, every O a group."""
    names: list[str] = []
    groups: list[str] = []
    for part in certificate.get("subject", ()):
        for key, value in part:
            if key == "commonName":
                names.append(value)
            elif key == "organizationName":
                groups.append(value)
    return User(names[0], (*groups, ALL_USERS)) if names else None


def _impersonated(headers: CIMultiDictProxy[str]) -> User | None:
    name = headers.get("Impersonate-User", "")
    groups: Sequence[str] = headers.getall("Impersonate-Group", [])
    extra: dict[str, tuple[str, ...]] = {}
    for key in headers:
        if key.lower().startswith(_EXTRA):
            extra[key.lower().removeprefix(_EXTRA)] = tuple(headers.getall(key))
    uid = headers.get("Impersonate-Uid", "")
    if not name:
        if groups or extra or uid:
            raise bad_request("requested impersonation of groups, uid or extra without impersonating a user")
        return None
    return User(name, tuple(groups), uid, extra)


def _with_standard_groups(user: User) -> User:
    groups = list(user.groups)
    if user.name.startswith("system:serviceaccount:") and user.name.count(":") == 3 and not groups:
        groups += ["system:serviceaccounts", f"system:serviceaccounts:{user.name.split(':')[2]}"]
    word = "system:unauthenticated" if user.name == ANONYMOUS else ALL_USERS
    return User(user.name, (*groups, word) if word not in groups else tuple(groups), user.uid, user.extra)
