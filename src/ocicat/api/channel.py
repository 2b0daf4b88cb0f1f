"""How a flow API is reached: its address, and the files for mutual TLS.

Source: spec/flows-and-console §6 (one port, client certificate required, names of the certificates).
"""

from pathlib import Path
from typing import Final

import grpc
import grpc.aio
import msgspec

from ocicat.base.errors import OcicatError

MESSAGE_BYTES: Final = 16 * 2**20
"""Bound on one message: a batch of 1,000 flows with long traces is about 1 MiB."""


class TlsFilesError(OcicatError):
    """A certificate or key cannot be read."""


class TlsFiles(msgspec.Struct, frozen=True):
    """The files for mutual TLS, in PEM. All three, or none for plain text."""

    ca: str = ""
    """Certificates that sign the peer's."""
    certificate: str = ""
    key: str = ""

    def read(self) -> tuple[bytes, bytes, bytes] | None:
        """Return CA, certificate and key, or None for plain text. Raises TlsFilesError."""
        names = (self.ca, self.certificate, self.key)
        if not any(names):
            return None
        if not all(names):
            raise TlsFilesError(
                "mutual TLS takes three files: the CA's certificates, a certificate and its key"
            )
        try:
            ca, certificate, key = (Path(name).read_bytes() for name in names)
        except OSError as error:
            raise TlsFilesError(f"{error.filename}: {error.strerror}") from error
        return ca, certificate, key


class FlowServer(msgspec.Struct, frozen=True):
    """A server of the flow API."""

    address: str
    """`host:port`."""
    tls: TlsFiles = TlsFiles()
    server_name: str = ""
    """The name in the server's certificate, where it is not the host of the address."""

    def channel(self) -> grpc.aio.Channel:
        """Return a new channel; the files are read anew, so that renewed certificates count.

        Raises TlsFilesError.
        """
        options: list[tuple[str, str | int]] = [("grpc.max_send_message_length", MESSAGE_BYTES)]
        if self.server_name:
            options.append(("grpc.ssl_target_name_override", self.server_name))
        files = self.tls.read()
        if files is None:
            return grpc.aio.insecure_channel(self.address, options)
        ca, certificate, key = files
        credentials = grpc.ssl_channel_credentials(ca, key, certificate)
        return grpc.aio.secure_channel(self.address, credentials, options)
