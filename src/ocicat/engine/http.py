"""HTTP criteria of a rule, for an enforcement point that sees requests.

Source: spec/policy-semantics §6.8.
"""

import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from ocicat.model.calico import HttpMatch

_STILL_ENCODED: Final = re.compile(r"%(2e|2f|5c)|\x00", re.IGNORECASE)


def http_matches(match: HttpMatch, method: str | None, path: str | None) -> bool:
    """Tell whether a request meets the criterion; what is None was not seen and counts as met.

    This is how rules with `http` are evaluated on layers 3 and 4: nobody has seen a request there.
    """
    return _method_matches(match, method) and _path_matches(match, path)


def _method_matches(match: HttpMatch, method: str | None) -> bool:
    return method is None or not match.methods or "*" in match.methods or method in match.methods


def _path_matches(match: HttpMatch, path: str | None) -> bool:
    if path is None or not match.paths:
        return True
    request = normalised_path(path)
    if request is None:
        return False
    for item in match.paths:
        rule_path = normalised_path(item.exact or item.prefix)
        if rule_path is None:
            continue
        if item.exact and request == rule_path:
            return True
        if item.prefix and (rule_path == "/" or request == rule_path or request.startswith(rule_path + "/")):
            return True
    return False


@lru_cache(maxsize=4096)
def normalised_path(path: str) -> str | None:
    """Return the path as it is compared, or None where it cannot be normalised and so matches nothing."""
    cut = re.split("[?#]", path, maxsplit=1)[0]
    decoded = unquote_to_bytes(cut).decode("utf-8", "surrogateescape")
    if _STILL_ENCODED.search(decoded):
        return None
    decoded = decoded.replace("\\", "/")
    if not decoded.startswith("/"):
        return None
    segments: list[str] = []
    for part in decoded.split("/"):
        segment = part.split(";", 1)[0]
        if segment == "..":
            if segments:
                segments.pop()
        elif segment not in ("", "."):
            segments.append(segment)
    return "/" + "/".join(segments)
