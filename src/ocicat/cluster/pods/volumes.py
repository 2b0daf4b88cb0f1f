"""The files of a pod's volumes, with their modes. Pure.

Source: the Kubernetes API reference of v1.32, Volume (configMap, secret, downwardAPI, projected, emptyDir).
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ocicat.cluster.pods.environment import (
    Given,
    MissingError,
    data_of,
    field_of,
    found_source,
    resource_field,
)

Thing = Mapping[str, Any]
_MODE: Final = 0o644


class File(msgspec.Struct, frozen=True):
    """A file of a volume."""

    data: bytes
    mode: int = _MODE


Files = dict[str, File]
"""By path, relative to the volume."""


class Credentials(msgspec.Struct, frozen=True):
    """What a pod proves with who it is."""

    tokens: Mapping[tuple[str, int], str]
    """The service account's, by audience (empty for the API server's own) and seconds of life."""
    authority: str
    """The cluster's certificate authority."""


TOKEN_S: Final = 86400
"""How long the token of the usual account folder is good."""


def token_key(source: Thing) -> tuple[str, int]:
    """Return the audience and the life of what a serviceAccountToken asks for."""
    return str(source.get("audience") or ""), int(source.get("expirationSeconds") or 3600)


def tokens_wanted(pod: Thing) -> set[tuple[str, int]]:
    """Return the audiences and lives of the tokens that the volumes of a pod ask for."""
    sources = [
        source
        for volume in pod["spec"].get("volumes") or ()
        for source in (volume.get("projected") or {}).get("sources") or ()
    ]
    return {token_key(row["serviceAccountToken"]) for row in sources if "serviceAccountToken" in row}


def account_files(given: Given, credentials: Credentials) -> Files:
    """Return the files of a pod's service account."""
    texts = {
        "token": credentials.tokens["", TOKEN_S],
        "ca.crt": credentials.authority,
        "namespace": given.pod["metadata"]["namespace"],
    }
    return {name: File(text.encode()) for name, text in texts.items()}


def volume_files(given: Given, volume: Thing, credentials: Credentials) -> Files | None:
    """Return the files of a volume, or None for one that holds none of the cluster's (emptyDir).

    Raises:
        MissingError: The volume is of a kind that is not known here, or names what does not exist.
    """
    if "emptyDir" in volume:
        return None
    if "projected" in volume:
        source = volume["projected"]
        mode = _mode(source, _MODE)
        found: Files = {}
        for part in source.get("sources") or ():
            found |= _projected(given, part, credentials, mode)
        return found
    for key, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
        if key in volume:
            return _items(kind, volume[key], given, _mode(volume[key], _MODE))
    if "downwardAPI" in volume:
        return _downward(given, volume["downwardAPI"], _mode(volume["downwardAPI"], _MODE))
    kinds = ", ".join(sorted(set(volume) - {"name"}))
    raise MissingError(f"volume {volume.get('name', '')}: {kinds} is not provided by this cluster")


def _mode(source: Thing, default: int) -> int:
    found = source.get("defaultMode", source.get("mode"))
    return default if found is None else int(found)


def _projected(given: Given, part: Thing, credentials: Credentials, mode: int) -> Files:
    if "serviceAccountToken" in part:
        source = part["serviceAccountToken"]
        return {source["path"]: File(credentials.tokens[token_key(source)].encode(), mode)}
    if "configMap" in part:
        return _items("ConfigMap", part["configMap"], given, mode)
    if "secret" in part:
        return _items("Secret", part["secret"], given, mode)
    if "downwardAPI" in part:
        return _downward(given, part["downwardAPI"], mode)
    raise MissingError(f"projected volume: {', '.join(sorted(part))} is not provided by this cluster")


def _items(kind: str, source: Thing, given: Given, mode: int) -> Files:
    data = data_of(kind, found_source(kind, source, given.sources))
    items = source.get("items")
    if not items:
        return {key: File(value, mode) for key, value in data.items()}
    found: Files = {}
    for row in items:
        if row["key"] in data:
            found[row["path"]] = File(data[row["key"]], _mode(row, mode))
        elif not source.get("optional"):
            name = source.get("name") or source.get("secretName")
            raise MissingError(f"{kind.lower()} {name} has no key {row['key']}")
    return found


def _downward(given: Given, source: Thing, mode: int) -> Files:
    found: Files = {}
    for row in source.get("items") or ():
        if "fieldRef" in row:
            text = field_of(given, row["fieldRef"]["fieldPath"])
        else:
            text = resource_field(given, {}, row.get("resourceFieldRef") or {})
        found[row["path"]] = File(text.encode(), _mode(row, mode))
    return found
