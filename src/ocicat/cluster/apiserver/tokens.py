"""Tokens of service accounts: JSON web tokens signed with the cluster's own key (ES256, RFC 7519).

A token names its account by namespace, name and uid; it ends by time, and with the account that it was made
for.
"""

import base64
import binascii
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
_HEADER: Final = {"alg": "ES256", "typ": "JWT"}
_HALF: Final = 32


class Account(msgspec.Struct, frozen=True):
    """The service account that a token speaks for."""

    namespace: str
    name: str
    uid: str


class Claims(msgspec.Struct, frozen=True):
    """What a token says."""

    account: Account
    audiences: tuple[str, ...]
    expires_s: int
    pod: str = ""
    pod_uid: str = ""


def issue(key: ec.EllipticCurvePrivateKey, claims: Claims, now_s: int) -> str:
    """Return a signed token."""
    account = claims.account
    bound: dict[str, Any] = {
        "namespace": account.namespace,
        "serviceaccount": {"name": account.name, "uid": account.uid},
    }
    if claims.pod:
        bound["pod"] = {"name": claims.pod, "uid": claims.pod_uid}
    body = {
        "iss": ISSUER,
        "sub": f"system:serviceaccount:{account.namespace}:{account.name}",
        "aud": list(claims.audiences),
        "iat": now_s,
        "nbf": now_s,
        "exp": claims.expires_s,
        "kubernetes.io": bound,
    }
    signed = f"{_coded(msgspec.json.encode(_HEADER))}.{_coded(msgspec.json.encode(body))}"
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{_coded(r.to_bytes(_HALF, 'big') + s.to_bytes(_HALF, 'big'))}"


def verify(key: ec.EllipticCurvePublicKey, token: str, now_s: float) -> Claims | None:
    """Return what `token` says, or None where it is not ours, damaged, or over."""
    try:
        signed, _, signature = token.rpartition(".")
        raw = _plain(signature)
        header, body = (msgspec.json.decode(_plain(part)) for part in signed.split("."))
        if header.get("alg") != _HEADER["alg"] or len(raw) != 2 * _HALF:
            return None
        numbers = (int.from_bytes(raw[:_HALF], "big"), int.from_bytes(raw[_HALF:], "big"))
        key.verify(encode_dss_signature(*numbers), signed.encode(), ec.ECDSA(hashes.SHA256()))
        if body["iss"] != ISSUER or now_s >= body["exp"]:
            return None
        return _claims(body)
    except (
        InvalidSignature,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        binascii.Error,
        msgspec.MsgspecError,
    ):
        return None


def _claims(body: dict[str, Any]) -> Claims:
    bound = body["kubernetes.io"]
    who, pod = bound["serviceaccount"], bound.get("pod") or {}
    account = Account(bound["namespace"], who["name"], who["uid"])
    return Claims(account, tuple(body["aud"]), body["exp"], pod.get("name", ""), pod.get("uid", ""))


def _coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _plain(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
