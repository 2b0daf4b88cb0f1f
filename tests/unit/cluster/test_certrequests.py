"""Certificate requests: made by anybody, approved by those who may, signed at once."""

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from ocicat.cluster.resources.certrequests import SIGNER
from support.apiserver import serving

HERE = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
USAGES = ["client auth", "digital signature"]
APPROVED = {"type": "Approved", "status": "True", "reason": "KubectlApprove", "message": "by hand"}
MERGE = {"Content_Type": "application/merge-patch+json"}


def asked_for(name, *groups, key=None):
    """Return a request (PEM, in base64) for a certificate of a user."""
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    attributes += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    made = builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


def a_request(name, request, **spec):
    return {
        "metadata": {"name": name},
        "spec": {"request": request, "signerName": SIGNER, "usages": USAGES, **spec},
    }


async def test_a_request_is_approved_and_signed(tmp_path):
    key = rsa.generate_private_key(65537, 2048)
    async with serving(tmp_path) as client:
        body = a_request("ann", asked_for("ann", "cats", key=key), expirationSeconds=3600, username="forged")
        made = await client("POST", HERE, body)
        assert made["spec"]["username"] == "ocicat-admin"
        assert "system:masters" in made["spec"]["groups"]
        status = {"status": {"conditions": [APPROVED], "certificate": "Zm9yZ2Vk"}}
        await client("PUT", f"{HERE}/ann/approval", {**made, **status})
        found = await client("GET", f"{HERE}/ann")
        assert [row["type"] for row in found["status"]["conditions"]] == ["Approved"]
        certificate = x509.load_pem_x509_certificate(base64.b64decode(found["status"]["certificate"]))
        assert certificate.subject.rfc4514_string() == "O=cats,CN=ann"
        assert certificate.public_key() == key.public_key()
        authority = x509.load_pem_x509_certificate((tmp_path / "pki" / "ca.crt").read_bytes())
        certificate.verify_directly_issued_by(authority)
        lasts = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        assert 3600 <= lasts.total_seconds() <= 3600 + 300, "as long as asked, and the clock's slack before"


async def test_who_may_approve(tmp_path):
    """It takes the right to approve for the signer, beside that to the subresource; status is no way in."""
    async with serving(tmp_path) as client:
        made = await client("POST", HERE, a_request("x", asked_for("x")))
        rule = {
            "apiGroups": ["certificates.k8s.io"],
            "resources": ["certificatesigningrequests/approval", "certificatesigningrequests/status"],
            "verbs": ["update", "patch"],
        }
        rbac = "/apis/rbac.authorization.k8s.io/v1"
        await client("POST", f"{rbac}/clusterroles", {"metadata": {"name": "half"}, "rules": [rule]})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "half"}
        user = {"kind": "User", "name": "eve", "apiGroup": "rbac.authorization.k8s.io"}
        binding = {"metadata": {"name": "half"}, "roleRef": role, "subjects": [user]}
        await client("POST", f"{rbac}/clusterrolebindings", binding)
        decision = {**made, "status": {"conditions": [APPROVED]}}
        refused = await client.refused("PUT", f"{HERE}/x/approval", decision, Impersonate_User="eve")
        assert 'cannot approve resource "signers"' in refused["message"]
        after = await client("PATCH", f"{HERE}/x/status", {"status": {"conditions": [APPROVED]}},
                             Impersonate_User="eve", **MERGE)  # fmt: skip
        assert not (after.get("status") or {}).get("conditions")
        assert "certificate" not in (await client("GET", f"{HERE}/x")).get("status", {})


async def test_a_denied_request_stays_unsigned(tmp_path):
    async with serving(tmp_path) as client:
        await client("POST", HERE, a_request("x", asked_for("x")))
        denied = {"status": {"conditions": [{**APPROVED, "type": "Denied"}]}}
        found = await client("PATCH", f"{HERE}/x/approval", denied, **MERGE)
        assert found["status"]["conditions"][0]["type"] == "Denied"
        table = await client("GET", HERE, Accept="application/json;as=Table;v=v1;g=meta.k8s.io")
        cells = dict(
            zip([head["name"] for head in table["columnDefinitions"]], table["rows"][0]["cells"], strict=True)
        )
        assert (cells["Condition"], cells["RequestedDuration"], cells["SignerName"]) == (
            "Denied",
            "<none>",
            SIGNER,
        )


async def test_usages_that_the_signer_refuses(tmp_path):
    async with serving(tmp_path) as client:
        await client("POST", HERE, a_request("x", asked_for("x"), usages=["server auth"]))
        await client("PATCH", f"{HERE}/x/approval", {"status": {"conditions": [APPROVED]}}, **MERGE)
        status = (await client("GET", f"{HERE}/x"))["status"]
        assert [row["type"] for row in status["conditions"]] == ["Approved", "Failed"]
        assert "certificate" not in status


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"request": "bm90aGluZw=="}, 422, "PEM block type must be CERTIFICATE REQUEST"),
        ({"request": "%"}, 422, "PEM block type must be CERTIFICATE REQUEST"),
        ({"signerName": ""}, 422, "spec.signerName: Required value"),
        ({"usages": []}, 422, "spec.usages: Required value"),
        ({"expirationSeconds": 5}, 422, "may not specify a duration less than 600 seconds"),
        ({"request": asked_for("eve", "system:masters")}, 403, "with system:masters group is not allowed"),
    ],
)
async def test_requests_that_are_refused(tmp_path, changed, code, words):
    async with serving(tmp_path) as client:
        found = await client.refused("POST", HERE, a_request("x", **{"request": asked_for("x"), **changed}))
        assert found["code"] == code
        assert words in found["message"]


async def test_what_was_asked_cannot_change(tmp_path):
    async with serving(tmp_path) as client:
        await client("POST", HERE, a_request("x", asked_for("x")))
        found = await client.refused("PATCH", f"{HERE}/x", {"spec": {"request": asked_for("y")}}, **MERGE)
        assert "field is immutable" in found["message"]
