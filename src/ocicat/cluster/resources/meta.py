"""`metadata`: what the server writes into it, what a client may, and which names are names.

Source: spec/kubernetes-api §4; policy-semantics §2.2 for Calico's own rules of names, which its validator
adds.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from ocicat.cluster.resources.errors import Cause, bad_request, invalid_value, required
from ocicat.cluster.resources.kinds import Kind, metadata_of

_LABEL: Final = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_DNS_LABEL: Final = re.compile(_LABEL)
_SERVICE: Final = re.compile("[a-z](?:[-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN_RULE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and"
    " must start"
    " and end with an alphanumeric character (e.g. 'example.com', regex used for validation is"
    r" '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_RULE: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start"
    " and end"
    " with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is"
    " '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SERVICE_RULE: Final = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic"
    " character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for"
    " validation"
    " is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_PATH_RULE: Final = "may not be '.' or '..', and may not contain '/' or '%'"
_FREE_NAMES: Final = ("roles", "clusterroles", "rolebindings", "clusterrolebindings")
_QUALIFIED: Final = re.compile(
    r"(?:[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_LABEL_VALUE: Final = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_ANNOTATIONS_LIMIT: Final = 256 * 1024
SUFFIX_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"
"""What generated names end in: no vowels, so that no word arises."""


def name_problem(kind: Kind, name: str) -> str:
    """Return why `name` is no name for `kind`, the empty word when it is one."""
    if kind.plural in _FREE_NAMES:
        return _PATH_RULE if name in (".", "..") or "/" in name or "%" in name else ""
    if kind.resource == "services":
        return "" if _SERVICE.fullmatch(name) and len(name) <= 63 else _SERVICE_RULE
    if kind.resource == "namespaces":
        return "" if _DNS_LABEL.fullmatch(name) and len(name) <= 63 else _LABEL_RULE
    if len(name) > 253:
        return "must be no more than 253 bytes"
    return "" if _SUBDOMAIN.fullmatch(name) else _SUBDOMAIN_RULE


def metadata_causes(kind: Kind, thing: Mapping[str, Any]) -> list[Cause]:
    """Return what is wrong with an object's metadata: name, labels, annotations, finalizers, owners."""
    metadata = metadata_of(thing)
    name = metadata.get("name")
    causes = []
    if not isinstance(name, str) or not name:
        causes.append(required("metadata.name", "name or generateName is required"))
    elif why := name_problem(kind, name):
        causes.append(invalid_value("metadata.name", name, why))
    for key, value in (metadata.get("labels") or {}).items():
        if not _QUALIFIED.fullmatch(key):
            causes.append(invalid_value("metadata.labels", key, _qualified_rule()))
        if not isinstance(value, str) or not _LABEL_VALUE.fullmatch(value):
            causes.append(invalid_value("metadata.labels", value, _label_value_rule()))
    annotations = metadata.get("annotations") or {}
    causes.extend(
        invalid_value("metadata.annotations", key, _qualified_rule())
        for key in annotations
        if not _QUALIFIED.fullmatch(key.lower())
    )
    if sum(len(key) + len(str(value)) for key, value in annotations.items()) > _ANNOTATIONS_LIMIT:
        text = f"Too long: may not be more than {_ANNOTATIONS_LIMIT} bytes"
        causes.append(Cause("FieldValueTooLong", text, "metadata.annotations"))
    return causes


def _qualified_rule() -> str:
    return (
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an"
        " alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is"
        " '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
    )


def _label_value_rule() -> str:
    return (
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and"
        " must"
        " start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex"
        " used for"
        " validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
    )


_MAPS: Final = ("labels", "annotations")
_LISTS: Final = ("finalizers", "ownerReferences", "managedFields")
_TEXTS: Final = ("name", "generateName", "namespace", "uid", "resourceVersion")


def checked(thing: object, kind: Kind, namespace: str, name: str) -> dict[str, Any]:
    """Return `thing` as an object of `kind` with a well-shaped metadata; absent identity is filled in.

    Raises:
        ApiError: 400, where it is no object, or of another kind, namespace or name than the address says.
    """
    if not isinstance(thing, dict):
        raise bad_request("the body of the request must be an object")
    said = (thing.get("apiVersion") or kind.api_version, thing.get("kind") or kind.kind)
    if said != (kind.api_version, kind.kind):
        raise bad_request(
            f"the API version in the data ({said[0]}, {said[1]}) does not match the expected API version"
            f" ({kind.api_version}, {kind.kind})"
        )
    metadata = thing.get("metadata")
    if metadata is None:
        metadata = {}
    if not isinstance(metadata, dict):
        raise bad_request("metadata must be an object")
    _check_shapes(metadata)
    metadata = {key: value for key, value in metadata.items() if value is not None}
    if not kind.namespaced:
        metadata.pop("namespace", None)
    elif metadata.setdefault("namespace", namespace) != namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if name and metadata.setdefault("name", name) != name:
        raise bad_request(
            f"the name of the object ({str(metadata['name'])[:253]}) does not match the name on the URL"
            f" ({name})"
        )
    return {"apiVersion": kind.api_version, "kind": kind.kind, **_rest(thing), "metadata": metadata}


def _rest(thing: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in thing.items() if key not in ("apiVersion", "kind", "metadata")}


def _check_shapes(metadata: Mapping[str, Any]) -> None:
    for names, shape, word in (
        (_MAPS, dict, "a map of text"),
        (_LISTS, list, "a list"),
        (_TEXTS, str, "a text"),
    ):
        for name in names:
            value = metadata.get(name)
            if value is not None and not isinstance(value, shape):
                raise bad_request(f"metadata.{name} must be {word}")
    for name in _MAPS:
        if not all(isinstance(value, str) for value in (metadata.get(name) or {}).values()):
            raise bad_request(f"metadata.{name} must be a map of text")
    if not all(isinstance(word, str) for word in metadata.get("finalizers") or ()):
        raise bad_request("metadata.finalizers must be a list of text")
    for name in ("ownerReferences", "managedFields"):
        if not all(isinstance(row, dict) for row in metadata.get(name) or ()):
            raise bad_request(f"metadata.{name} must be a list of objects")


_SERVERS_OWN: Final = ("uid", "resourceVersion", "creationTimestamp", "deletionTimestamp",
                       "deletionGracePeriodSeconds", "generation", "selfLink")  # fmt: skip


def born(
    thing: Mapping[str, Any], *, uid: str, time: str, suffix: str, counted: bool = True
) -> dict[str, Any]:
    """Return `thing` as it is created: identity from the server, `suffix` put to a `generateName`.

    With `counted`, it begins with generation 1; kinds that nobody acts on by degrees have none.
    """
    metadata = {key: value for key, value in metadata_of(thing).items() if key not in _SERVERS_OWN}
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = metadata["generateName"][:58] + suffix
    metadata |= {"uid": uid, "creationTimestamp": time, **({"generation": 1} if counted else {})}
    return {**thing, "metadata": metadata}


def carried_over(new: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    """Return `new` with what an update must not change taken from `old`; the generation counts changes of
    spec."""
    before = metadata_of(old)
    metadata = {key: value for key, value in metadata_of(new).items() if key not in _SERVERS_OWN}
    metadata |= {key: before[key] for key in _SERVERS_OWN if key in before}
    if "generateName" in before:
        metadata["generateName"] = before["generateName"]
    if before.get("generation") and _desired(new) != _desired(old):
        metadata["generation"] = int(before["generation"]) + 1
    return {**new, "metadata": metadata}


_NOT_DESIRE: Final = ("apiVersion", "kind", "metadata", "status")


def _desired(thing: Mapping[str, Any]) -> Any:
    return {key: value for key, value in thing.items() if key not in _NOT_DESIRE}
