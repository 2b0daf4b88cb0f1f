"""A certificate authority with one server and one client, for tests of mutual TLS."""

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def certificates(folder: Path, server_name: str) -> dict[str, Path]:
    """Write ca, server and client (`.crt` and `.key`) into `folder`, and return their paths by file name."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("test CA")
    ca = _signed(ca_name, ca_name, ca_key, ca_key, [(x509.BasicConstraints(ca=True, path_length=None), True)])
    written = _write(folder, "ca", ca, ca_key)
    for who, names in (("server", [server_name, "localhost"]), ("client", ["n1"])):
        key = ec.generate_private_key(ec.SECP256R1())
        alternative = x509.SubjectAlternativeName(
            [*map(x509.DNSName, names), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        signed = _signed(_name(names[0]), ca_name, key, ca_key, [(alternative, False)])
        written |= _write(folder, who, signed, key)
    return written


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _signed(subject, issuer, key, signer, extensions):
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signer, hashes.SHA256())


def _write(folder, name, certificate, key):
    paths = {f"{name}.crt": folder / f"{name}.crt", f"{name}.key": folder / f"{name}.key"}
    paths[f"{name}.crt"].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[f"{name}.key"].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths
