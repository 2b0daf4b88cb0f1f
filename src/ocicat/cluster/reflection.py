"""`Reflection`: the protocol of list and watch for one kind, without I/O.

It is told pages of lists and lines of watches, and returns what has changed since: one delta for each object
that came, changed or went. A list after a gap is compared with what was known, so that nothing that went in
the gap stays. Source: spec/kubernetes-api §4 (lists), §5 (watch events, bookmarks, 410).
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from ocicat.base.errors import OcicatError
from ocicat.base.problem import Problem
from ocicat.cluster.client import ApiError, Status
from ocicat.cluster.sources import Source, as_written
from ocicat.model.kinds import Kind
from ocicat.model.meta import Resource

Read = Callable[[Kind, bytes], tuple[Resource | None, list[Problem]]]
"""Returns the resource that a JSON object spells, None where it is invalid, and its Problems."""

ObjectKey = tuple[str, str]
"""Namespace and name in the API."""


class ExpiredError(OcicatError):
    """The server no longer knows the revision that we have; list anew."""


class BrokenStreamError(OcicatError):
    """A list or watch sent something that is no event."""


class Delta(msgspec.Struct, frozen=True):
    """What became of one object."""

    kind: Kind
    namespace: str
    name: str
    resource: Resource | None
    """The object as it is now; None where it is gone, or invalid and so treated as absent."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with it."""


class Head(msgspec.Struct, frozen=True, rename="camel"):
    """The metadata that the protocol itself looks at."""

    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    continues: str = msgspec.field(default="", name="continue")


class Page(msgspec.Struct, frozen=True):
    """A page of a list."""

    metadata: Head = Head()
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


class _Headed(msgspec.Struct, frozen=True):
    kind: str = ""
    metadata: Head = Head()


_PAGE: Final = msgspec.json.Decoder(Page)
_EVENT: Final = msgspec.json.Decoder(_Event)
_HEADED: Final = msgspec.json.Decoder(_Headed)
_STATUS: Final = msgspec.json.Decoder(Status)
_DOCUMENT: Final = msgspec.json.Decoder(dict[str, Any])


def page_of(body: bytes) -> Page:
    """Read a page of a list. Raises BrokenStreamError."""
    try:
        return _PAGE.decode(body)
    except msgspec.MsgspecError as error:
        raise BrokenStreamError(f"the answer to a list cannot be read: {error}") from error


class Reflection:
    """What is known of the objects of one kind."""

    def __init__(self, kind: Kind, read: Read) -> None:
        """Know nothing yet; `read` understands objects."""
        self.kind = kind
        self._read = read
        self._opening = f'{{"apiVersion":"{kind.api_version}","kind":"{kind.kind}",'.encode()
        self._known: dict[ObjectKey, tuple[str, str, str]] = {}
        self.revision = ""
        """The revision up to which everything has been told; empty before the first list."""
        self.invalid: dict[ObjectKey, tuple[Problem, ...]] = {}
        """What is wrong with the objects that are treated as absent."""

    def __len__(self) -> int:
        return len(self._known)

    def listed(self, source: Source, pages: Iterable[Page]) -> list[Delta]:
        """Take a complete list; return what differs from what was known."""
        changed: list[Delta] = []
        present: set[ObjectKey] = set()
        revision = ""
        for page in pages:
            revision = page.metadata.resource_version
            for raw in page.items or ():
                headed = _HEADED.decode(raw)
                head = headed.metadata
                key = (head.namespace, head.name)
                present.add(key)
                known = self._known.get(key)
                if known is None or known[0] != head.resource_version:
                    changed += self._put(source, headed, bytes(raw))
        gone = [self._gone(key) for key in [key for key in self._known if key not in present]]
        self.revision = revision
        # First what went: an object that another source shows under another key is one that changed.
        return gone + changed

    def told(self, source: Source, line: bytes) -> list[Delta]:
        """Take a line of a watch; return what it changes: nothing, or one delta (two where a name changed).

        Raises:
            ExpiredError: The watch cannot go on from here.
            ApiError: The server reports another failure.
            BrokenStreamError: The line is no event.
        """
        try:
            event = _EVENT.decode(line)
            if event.type == "ERROR":
                raise _failure(_STATUS.decode(event.object))
            headed = _HEADED.decode(event.object)
        except msgspec.MsgspecError as error:
            raise BrokenStreamError(f"an event of a watch cannot be read: {error}") from error
        head = headed.metadata
        if _runs_backwards(self.revision, head.resource_version):
            raise ExpiredError(f"the server is at {head.resource_version}, we have seen {self.revision}")
        self.revision = head.resource_version or self.revision
        match event.type:
            case "ADDED" | "MODIFIED":
                return self._put(source, headed, bytes(event.object))
            case "DELETED":
                key = (head.namespace, head.name)
                return [self._gone(key)] if key in self._known else []
            case "BOOKMARK":
                return []
            case other:
                raise BrokenStreamError(f"a watch sent an event of type {other!r}")

    def forget(self) -> list[Delta]:
        """Forget every object; return that they are gone."""
        self.revision = ""
        return [self._gone(key) for key in list(self._known)]

    def _put(self, source: Source, headed: _Headed, raw: bytes) -> list[Delta]:
        head = headed.metadata
        key = (head.namespace, head.name)
        name = head.name
        if source.stored:
            document = as_written(_DOCUMENT.decode(raw), self.kind)
            name = document["metadata"]["name"]
            raw = msgspec.json.encode(document)
        elif not headed.kind:
            # The items of a list leave out what the list says.
            raw = self._opening + raw.lstrip()[1:]
        resource, problems = self._read(self.kind, raw)
        deltas = []
        known = self._known.get(key)
        if known is not None and known[2] != name:
            deltas.append(Delta(self.kind, known[1], known[2], None))
        self._known[key] = (head.resource_version, head.namespace, name)
        self.invalid.pop(key, None)
        if resource is None:
            self.invalid[key] = tuple(problems)
        deltas.append(Delta(self.kind, head.namespace, name, resource, tuple(problems)))
        return deltas

    def _gone(self, key: ObjectKey) -> Delta:
        _, namespace, name = self._known.pop(key)
        self.invalid.pop(key, None)
        return Delta(self.kind, namespace, name, None)


def _runs_backwards(known: str, told: str) -> bool:
    """Tell whether a server counts from anew: it was set up again, and no change since then would be told.

    Revisions are opaque to clients, but all servers count in decimals, and a watch tells them in order.
    """
    return known.isdecimal() and told.isdecimal() and int(told) < int(known)


def _failure(status: Status) -> OcicatError:
    # A server that was set up anew does not know our revision either, and says so with 504 (spec §5).
    if status.code == 410 or status.reason in ("Expired", "Gone") or "resource version" in status.message:
        return ExpiredError(status.message)
    return ApiError(status.code, status.reason, status.message)
