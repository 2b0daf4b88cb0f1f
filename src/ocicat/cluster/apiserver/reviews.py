"""Questions that are answered and not stored: who is this, and may he? Source: spec §2; the issue on RBAC."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web

from ocicat.cluster.apiserver.access import Access
from ocicat.cluster.apiserver.answers import json_answer
from ocicat.cluster.apiserver.authentication import AUDIENCE, Authenticator
from ocicat.cluster.apiserver.call import Call
from ocicat.cluster.resources import rbac
from ocicat.cluster.resources.errors import bad_request
from ocicat.cluster.resources.rbac import CALICO, TIERED, Ask, User

Thing = Mapping[str, Any]


class Reviews:
    """The reviews of one API server."""

    def __init__(self, access: Access, authenticator: Authenticator) -> None:
        self._access: Final = access
        self._authenticator: Final = authenticator
        self._answers: Final[Mapping[str, Callable[[Thing, Call], Thing]]] = {
            "tokenreviews": self._token,
            "selfsubjectreviews": lambda spec, call: {"userInfo": call.user.as_json()},
            "subjectaccessreviews": self._subject,
            "localsubjectaccessreviews": self._subject,
            "selfsubjectaccessreviews": lambda spec, call: self._may(call.user, spec),
            "selfsubjectrulesreviews": self._rules,
        }

    async def review(self, call: Call) -> web.Response:
        """Answer a POST of a review. Raises ApiError."""
        body = (await call.body()).value
        if not isinstance(body, dict):
            raise bad_request("the body of the request must be an object")
        spec = body.get("spec") or {}
        if not isinstance(spec, dict):
            raise bad_request("spec must be an object")
        status = self._answers[call.kind.plural](spec, call)
        head = {
            "kind": call.kind.kind,
            "apiVersion": call.kind.api_version,
            "metadata": body.get("metadata") or {},
        }
        return json_answer({**head, "spec": spec, "status": status}, status=201)

    def _token(self, spec: Thing, call: Call) -> Thing:
        user = self._authenticator.user_of_token(str(spec.get("token") or ""))
        if user is None:
            return {"authenticated": False, "error": "the token is not valid, or over"}
        return {"authenticated": True, "user": user.as_json(), "audiences": [AUDIENCE]}

    def _subject(self, spec: Thing, call: Call) -> Thing:
        groups = spec.get("groups") or ()
        if not isinstance(groups, list | tuple):
            raise bad_request("spec.groups must be a list")
        user = User(str(spec.get("user") or ""), tuple(str(group) for group in groups))
        if not user.name and not user.groups:
            raise bad_request("at least one of user or group must be specified")
        return self._may(user, spec)

    def _may(self, user: User, spec: Thing) -> Thing:
        ask = _ask_of(spec)
        if ask.group == CALICO and ask.resource in TIERED:
            verdict = self._may_in_some_tier(user, ask)
        else:
            verdict = self._access.verdict(user, ask)
        return {"allowed": verdict.allowed, **({"reason": verdict.reason} if verdict.reason else {})}

    def _may_in_some_tier(self, user: User, ask: Ask) -> rbac.Verdict:
        """A question about policies names no tier: the answer is yes where any tier makes it so."""
        return rbac.Verdict(bool(self._access.tiers_of(user, ask)))

    def _rules(self, spec: Thing, call: Call) -> Thing:
        resources, paths = rbac.rules_for(call.user, str(spec.get("namespace") or ""), self._access.roles())
        return {"resourceRules": resources, "nonResourceRules": paths, "incomplete": False}


def _ask_of(spec: Thing) -> Ask:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if isinstance(resource, Mapping):
        words = {name: str(resource.get(name) or "") for name in ("verb", "group", "resource", "subresource",
                                                                  "namespace", "name")}  # fmt: skip
        return Ask(**words)
    if isinstance(path, Mapping):
        return Ask(str(path.get("verb") or ""), path=str(path.get("path") or ""))
    raise bad_request("exactly one of nonResourceAttributes or resourceAttributes must be specified")
