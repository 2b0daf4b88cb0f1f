"""`RequestInfo`: what an address and a method ask for. Source: spec/kubernetes-api §2, §8.

`/api/v1/namespaces/NS/pods/NAME/log` is the read of a subresource; `/apis/apps/v1/deployments?watch=1` a
watch of all namespaces. Every other address is a plain path, which authorization treats by its text.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

_VERBS: Final = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_TRUE: Final = ("1", "true", "True", "TRUE", "t", "T", "")
_NAMESPACE_PARTS: Final = ("status", "finalize")


class RequestInfo(msgspec.Struct, frozen=True):
    """A request for a resource, or (with an empty `plural`) for a plain path."""

    verb: str
    path: str
    group: str = ""
    version: str = ""
    namespace: str = ""
    plural: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""
    """What follows a subresource, for those that pass paths on."""

    @property
    def is_resource(self) -> bool:
        """Tell whether the address is that of a resource."""
        return bool(self.plural)


def flag(query: Mapping[str, str], name: str) -> bool:
    """Return a boolean of the query; a bare name counts as true."""
    return name in query and query[name] in _TRUE


def request_info(method: str, path: str, query: Mapping[str, str]) -> RequestInfo | None:
    """Return what `method` on the decoded `path` asks for; None for a path with tricks in it.

    A path with empty, `.` or `..` steps, or with control characters, never reaches authorization: two readers
    could see two addresses in it.
    """
    verb = _VERBS.get(method, method.lower())
    steps = path.split("/")
    if not path.startswith("/") or any(ord(letter) < 32 or letter == "\x7f" for letter in path):
        return None
    if any(step in (".", "..") for step in steps) or "" in steps[1:-1]:
        return None
    parts = [step for step in steps if step]
    plain = RequestInfo(verb, path)
    if parts[:1] == ["api"] and len(parts) >= 3:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) >= 4:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return plain
    watch = flag(query, "watch")
    if rest[0] == "watch" and len(rest) > 1:
        watch, rest = True, rest[1:]
    return _resource(verb, path, group, version, rest, watch)


def _resource(verb: str, path: str, group: str, version: str, rest: list[str], watch: bool) -> RequestInfo:
    namespace = ""
    if rest[0] == "namespaces" and not group:
        if len(rest) > 2 and rest[2] not in _NAMESPACE_PARTS:
            namespace, rest = rest[1], rest[2:]
        elif len(rest) >= 2:
            namespace = rest[1]
    elif rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if verb == "get" and not subresource:
        verb = "watch" if watch else "get" if name else "list"
    elif verb == "delete" and not name:
        verb = "deletecollection"
    return RequestInfo(verb, path, group, version, namespace, rest[0], name, subresource, "/".join(rest[3:]))
