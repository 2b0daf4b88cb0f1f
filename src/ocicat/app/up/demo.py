"""The catfacts application, as `ocicat up --demo` puts it into a cluster."""

from pathlib import Path
from typing import Any, Final

import yaml

import ocicat
from ocicat.app.up.writing import as_applied
from ocicat.base.errors import OcicatError

_PACKAGE: Final = Path(ocicat.__file__).resolve().parent
_FOLDERS: Final = (_PACKAGE / "manifests", _PACKAGE.parents[1] / "manifests")
"""In the wheel, and in a checkout."""


class NoManifestsError(OcicatError):
    """This installation has no example manifests."""


def manifests() -> Path:
    """Return the folder of the example manifests. Raises NoManifestsError."""
    found = next((folder for folder in _FOLDERS if (folder / "catfacts.yaml").is_file()), None)
    if found is None:
        raise NoManifestsError("this installation of ocicat has no example manifests: install it again")
    return found


def catfacts() -> list[dict[str, Any]]:
    """Return the application's objects. Raises NoManifestsError."""
    text = (manifests() / "catfacts.yaml").read_text()
    return [as_applied(thing) for thing in yaml.safe_load_all(text) if thing]
