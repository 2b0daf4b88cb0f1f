"""The four ways to patch: JSON patch, merge patch, strategic merge patch, and apply (see `managed`).

Source: spec/kubernetes-api §7; RFC 6902, RFC 7386.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import jsonpatch
import jsonpointer

from ocicat.cluster.resources.errors import ApiError, Cause, bad_request, invalid
from ocicat.cluster.resources.schema import Node, Schemas
from ocicat.cluster.resources.strategic import strategic_merge

JSON: Final = "application/json-patch+json"
MERGE: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"

_OPERATIONS_LIMIT: Final = 10_000
"""Operations of one JSON patch, as upstream's bound."""
_TYPE_WORDS: Final = re.compile(r" \(<class '[^']*'>\)")
"""Python's words for types, which mean nothing to those who read the refusal."""


def patched(
    live: Mapping[str, Any],
    patch: Any,
    how: str,
    node: Node,
    schemas: Schemas,
    *,
    kind: str,
    group: str,
    name: str,
) -> dict[str, Any]:
    """Return `live` with `patch` applied in the way that the media type `how` names; `live` is not changed.

    Raises:
        ApiError: 400 where the patch cannot be read, 413 where it is too long, 422 where it does not fit.
    """
    if how == JSON:
        return _json_patched(live, patch, kind, group, name)
    if not isinstance(patch, Mapping):
        raise bad_request("the patch must be an object")
    merged = merge_patched(live, patch) if how == MERGE else strategic_merge(live, patch, node, schemas)
    if not isinstance(merged, dict):
        raise bad_request("the patch must leave an object")
    return merged


def merge_patched(live: Any, patch: Any) -> Any:
    """Return `live` with the merge patch `patch` applied (RFC 7386): null removes, maps merge, all else
    replaces."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(live) if isinstance(live, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patched(merged.get(name), value)
    return merged


def _json_patched(live: Mapping[str, Any], patch: Any, kind: str, group: str, name: str) -> dict[str, Any]:
    if not isinstance(patch, list) or not all(isinstance(step, Mapping) for step in patch):
        raise bad_request("the patch must be a list of operations")
    if len(patch) > _OPERATIONS_LIMIT:
        raise ApiError(
            "RequestEntityTooLarge",
            f"The allowed maximum operations in a JSON patch is {_OPERATIONS_LIMIT}, got {len(patch)}",
        )
    try:
        result = jsonpatch.apply_patch(live, patch)
    except jsonpatch.JsonPatchTestFailed as refused:
        told = _TYPE_WORDS.sub("", str(refused))[:400]
        cause = Cause("FieldValueInvalid", f"testing value failed: {told}", "patch")
        raise invalid(kind, group, name, [cause]) from refused
    except (
        jsonpatch.JsonPatchException,
        jsonpointer.JsonPointerException,
        TypeError,
        KeyError,
        ValueError,
    ) as refused:
        told = _TYPE_WORDS.sub("", str(refused))[:400]
        cause = Cause("FieldValueInvalid", f"the patch cannot be applied: {told}", "patch")
        raise invalid(kind, group, name, [cause]) from refused
    if not isinstance(result, dict):
        raise bad_request("the patch must leave an object")
    return result
