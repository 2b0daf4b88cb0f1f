"""CertificateSigningRequests: what a request must be, and what became of it.

Whoever asks is written into the request by the server, so that whoever approves it (`kubectl certificate
approve`) knows. One signer is served: certificates of users and programs that speak to this API server.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from ocicat.cluster.resources.cells import part, rows
from ocicat.cluster.resources.errors import Cause, invalid_value, required
from ocicat.cluster.resources.rbac import MASTERS, User

GROUP: Final = "certificates.k8s.io"
RESOURCE: Final = f"certificatesigningrequests.{GROUP}"
SIGNER: Final = "kubernetes.io/kube-apiserver-client"
_USAGES: Final = frozenset(["digital signature", "key encipherment", "client auth"])
_LEAST_S: Final = 600
DECISIONS: Final = ("Approved", "Denied")
Thing = Mapping[str, Any]


def asked_by(thing: dict[str, Any], user: User) -> dict[str, Any]:
    """Return a new request with the name of the one who makes it."""
    spec = {key: value for key, value in (thing.get("spec") or {}).items() if key not in ("uid", "extra")}
    return {**thing, "spec": {**spec, **user.as_json()}}


def problems(thing: Thing) -> list[Cause]:
    """Return what is wrong with a request."""
    causes = [
        required(f"spec.{name}") for name in ("signerName", "usages") if not part(thing, f"spec.{name}")
    ]
    seconds = part(thing, "spec.expirationSeconds")
    if isinstance(seconds, int) and seconds < _LEAST_S:
        why = f"may not specify a duration less than {_LEAST_S} seconds"
        causes.append(invalid_value("spec.expirationSeconds", seconds, why))
    try:
        request_of(thing)
    except ValueError as unreadable:
        causes.append(invalid_value("spec.request", part(thing, "spec.request"), str(unreadable)))
    return causes


def request_of(thing: Thing) -> x509.CertificateSigningRequest:
    """Return the request that is in the object. Raises ValueError where there is none, or not of its key."""
    try:
        pem = base64.b64decode(str(part(thing, "spec.request") or ""), validate=True)
        request = x509.load_pem_x509_csr(pem)
    except (binascii.Error, ValueError) as unreadable:
        raise ValueError("PEM block type must be CERTIFICATE REQUEST") from unreadable
    if not request.is_signature_valid:
        raise ValueError("the signature is not of the request's key")
    return request


def restriction(thing: Thing) -> str:
    """Return why nobody may ask for this, empty where somebody may."""
    groups = request_of(thing).subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    if part(thing, "spec.signerName") == SIGNER and any(group.value == MASTERS for group in groups):
        return f"use of {SIGNER} signer with {MASTERS} group is not allowed"
    return ""


def is_to_be_signed(thing: Thing) -> bool:
    """Tell whether it is approved, for the signer that is served, and neither signed nor given up."""
    done = part(thing, "status.certificate") or _has(thing, "Failed") or _has(thing, "Denied")
    return part(thing, "spec.signerName") == SIGNER and _has(thing, "Approved") and not done


def refused_usages(thing: Thing) -> str:
    """Return why the signer refuses an approved request, empty where it does not."""
    usages = set(part(thing, "spec.usages") or ())
    if "client auth" in usages and usages <= _USAGES:
        return ""
    return f"usages must be among {', '.join(sorted(_USAGES))}, and client auth one of them"


def _has(thing: Thing, kind: str) -> bool:
    return any(row.get("type") == kind for row in rows(thing, "status.conditions"))


def decided(live: Thing, new: Thing) -> dict[str, Any]:
    """Return `live` with the decision in `new`: the conditions, and nothing else."""
    return _with_conditions(live, rows(new, "status.conditions"))


def undecided(live: Thing, new: dict[str, Any]) -> dict[str, Any]:
    """Return `new` with the decision in `live`: a status is no way to approve."""
    kept = [row for row in rows(live, "status.conditions") if row.get("type") in DECISIONS]
    told = [row for row in rows(new, "status.conditions") if row.get("type") not in DECISIONS]
    return _with_conditions(new, [*kept, *told])


def _with_conditions(thing: Thing, conditions: list[Thing]) -> dict[str, Any]:
    return {**thing, "status": {**(thing.get("status") or {}), "conditions": conditions}}
