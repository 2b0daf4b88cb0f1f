"""Which extra a command needs, said before an import does it less kindly."""

import importlib.util
from collections.abc import Sequence

from ocicat.base.errors import OcicatError


class ExtraMissingError(OcicatError):
    """Packages are missing that an extra brings."""

    def __init__(self, extra: str, missing: Sequence[str]) -> None:
        """Name what is missing, and the remedy."""
        super().__init__(f"not installed: {', '.join(missing)}. Run: pip install 'ocicat[{extra}]'")


def need(extra: str, modules: Sequence[str]) -> None:
    """Raise ExtraMissingError where one of `modules` cannot be imported."""
    missing = [name for name in modules if not _is_installed(name)]
    if missing:
        raise ExtraMissingError(extra, missing)


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
