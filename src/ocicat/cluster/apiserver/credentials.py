"""Keys and certificates of one cluster, made on first use in the state folder, and the kubeconfig that uses
them.

The CA and the key of service account tokens last; the serving and the administrator's certificates are
short-lived and made anew when they near their end or no longer fit.
"""

import base64
import datetime
import ipaddress
import os
import secrets
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CA_DAYS: Final = 3650
_LEAF_DAYS: Final = 365
_RENEW_DAYS: Final = 30
_SKEW: Final = datetime.timedelta(minutes=5)
"""Certificates begin this much before now, so that a slightly slow clock accepts them."""

Key = ec.EllipticCurvePrivateKey


class Credentials(msgspec.Struct, frozen=True):
    """The files and secrets of one cluster."""

    folder: Path
    ca_pem: bytes
    token: str
    """The administrator's bearer token."""
    account_key: Key
    """Signs the tokens of service accounts."""

    @property
    def ca_file(self) -> Path:
        """Return the path of the CA's certificate."""
        return self.folder / "ca.crt"

    def server_context(self) -> ssl.SSLContext:
        """Return the TLS context of the server: HTTP/1.1 only, client certificates of our CA welcome."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.folder / "server.crt", self.folder / "server.key")
        context.load_verify_locations(self.ca_file)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.set_alpn_protocols(["http/1.1"])
        return context


def ensure_credentials(folder: Path, names: Sequence[str], now: datetime.datetime) -> Credentials:
    """Return the credentials in `folder`, made where they are absent, stale, or lack one of `names`."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ca = ensure_server(folder, names, now, "kube-apiserver")
    token_file = folder / "admin.token"
    if not token_file.exists():
        _write(token_file, secrets.token_urlsafe(32).encode())
    return Credentials(folder, _pem(ca), token_file.read_text().strip(), _ensure_key(folder / "accounts.key"))


def ensure_server(
    folder: Path, names: Sequence[str], now: datetime.datetime, subject: str
) -> x509.Certificate:
    """Have `ca.crt`, `server.crt` and `server.key` in `folder`, made where absent, stale, or lacking one of
    `names`; return the CA.
    """
    ca_key, ca = _ensure_ca(folder, now)
    if not _is_good(folder / "server.crt", names, now):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _issue(ca_key, ca, key, now, subject, (), names)
        _write(folder / "server.key", _key_pem(key))
        _write(folder / "server.crt", _pem(certificate) + _pem(ca))
    return ca


def client_certificate(
    folder: Path, user: str, groups: Sequence[str], now: datetime.datetime
) -> tuple[bytes, bytes]:
    """Return a certificate and its key (PEM) that authenticate `user` as a member of `groups`."""
    ca_key, ca = _ensure_ca(folder, now)
    key = ec.generate_private_key(ec.SECP256R1())
    return _pem(_issue(ca_key, ca, key, now, user, groups, ())), _key_pem(key)


def signed(
    folder: Path, request: x509.CertificateSigningRequest, now: datetime.datetime, lasts_s: int | None
) -> bytes:
    """Return the client certificate (PEM) that `request` asks for, valid for `lasts_s` at most a year."""
    ca_key, ca = _ensure_ca(folder, now)
    most = datetime.timedelta(days=_LEAF_DAYS)
    lasts = most if lasts_s is None else min(most, datetime.timedelta(seconds=lasts_s))
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(ca.subject)
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + lasts)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(authority, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return _pem(certificate)


def _ensure_ca(folder: Path, now: datetime.datetime) -> tuple[Key, x509.Certificate]:
    key = _ensure_key(folder / "ca.key")
    path = folder / "ca.crt"
    if path.exists():
        return key, x509.load_pem_x509_certificate(path.read_bytes())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ocicat-ca")])
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder(name, name, key.public_key(), now, _CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(path, _pem(certificate))
    return key, certificate


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _issue(
    ca_key: Key,
    ca: x509.Certificate,
    key: Key,
    now: datetime.datetime,
    user: str,
    groups: Sequence[str],
    names: Sequence[str],
) -> x509.Certificate:
    """Return a leaf: a server's where `names` are given, else a client's."""
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    subject = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, user)])
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    builder = (
        _builder(subject, ca.subject, key.public_key(), now, _LEAF_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(authority, critical=False)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general(name) for name in names]), critical=False
        )
    return builder.sign(ca_key, hashes.SHA256())


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _is_good(path: Path, names: Sequence[str], now: datetime.datetime) -> bool:
    if not path.exists():
        return False
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    if set(names) - {str(name.value) for name in held}:
        return False
    return certificate.not_valid_after_utc - now > datetime.timedelta(days=_RENEW_DAYS)


def _ensure_key(path: Path) -> Key:
    if not path.exists():
        _write(path, _key_pem(ec.generate_private_key(ec.SECP256R1())))
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} is not an elliptic curve key")
    return key


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    fresh.replace(path)


def kubeconfig(credentials: Credentials, cluster: str, url: str) -> dict[str, Any]:
    """Return a kubeconfig of the administrator for the server at `url`."""

    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": cluster,
                "cluster": {
                    "server": url,
                    "certificate-authority-data": base64.b64encode(credentials.ca_pem).decode(),
                },
            }
        ],
        "users": [{"name": cluster, "user": {"token": credentials.token}}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": cluster}}],
        "current-context": cluster,
    }


def write_kubeconfig(path: Path, config: dict[str, Any]) -> None:
    """Write a kubeconfig that only its owner reads."""
    _write(path, yaml.safe_dump(config, sort_keys=False).encode())
