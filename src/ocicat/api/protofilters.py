"""Filters of the flow API's messages → our Filter. Pure. Source: spec/flows-and-console §2, §4.2, §10."""

from typing import Any, Final

from google.protobuf.message import DecodeError

from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.whiskerfilters import filter_of
from ocicat.model.flowfilter import Filter

_TEXTS: Final = ("source_names", "source_namespaces", "dest_names", "dest_namespaces", "protocols")


def filter_of_message(message: pb.Filter) -> Filter:
    """Return the filter that a message spells. Raises BadFiltersError."""
    given: dict[str, Any] = {
        name: [_match(item) for item in getattr(message, name)] for name in _TEXTS if getattr(message, name)
    }
    if message.dest_ports:
        given["dest_ports"] = [{"value": item.port} for item in message.dest_ports]
    for name in ("actions", "pending_actions"):
        if actions := [pb.Action.Name(number) for number in getattr(message, name) if number]:
            given[name] = actions
    if message.reporter:
        given["reporter"] = pb.Reporter.Name(message.reporter)
    if message.policies:
        given["policies"] = [policy_document(item) for item in message.policies]
    return filter_of(given)


def policy_document(item: pb.PolicyMatch) -> dict[str, Any]:
    """Return a policy match as the REST back end spells it."""
    found: dict[str, Any] = {}
    if item.kind:
        found["kind"] = pb.PolicyKind.Name(item.kind)
    for name in ("tier", "namespace", "name"):
        if raw := getattr(item, name):
            found[name] = _match(string_match(raw))
    if item.action:
        found["action"] = pb.Action.Name(item.action)
    return found


def string_match(raw: bytes) -> pb.StringMatch:
    """Return what a part of a policy match says: a StringMatch since 3.32, a plain text before (§10).

    A text can happen to parse as a message, but then with fields that a StringMatch does not have.
    """
    try:
        message = pb.StringMatch.FromString(raw)
    except DecodeError:
        return pb.StringMatch(value=raw.decode("utf-8", "replace"))
    message.DiscardUnknownFields()
    if message.ByteSize() == len(raw):
        return message
    return pb.StringMatch(value=raw.decode("utf-8", "replace"))


def _match(item: pb.StringMatch) -> dict[str, Any]:
    return {"value": item.value, "type": "Fuzzy" if item.type == pb.Fuzzy else "Exact"}
