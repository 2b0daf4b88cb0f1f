"""The lab's certificate authority and the certificate of the simulated outside, made in a folder.

This authority is another one than the API server's: images trust it, and it signs nothing but public names.
"""

import datetime
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ocicat.cluster.apiserver.credentials import ensure_server


class Certificates(msgspec.Struct, frozen=True):
    """Where the files are, all PEM."""

    authority: Path
    """The certificate that images trust."""
    certificate: Path
    """The server's, with its chain."""
    key: Path


def ensure_certificates(folder: Path, names: Sequence[str], now: datetime.datetime) -> Certificates:
    """Return certificates for public `names`, made where they are absent, near their end, or lack a name.

    Raises:
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ensure_server(folder, names, now, names[0])
    return Certificates(folder / "ca.crt", folder / "server.crt", folder / "server.key")
