"""RBAC, tiers and custom resources with unmodified kubectls (spec/kubernetes-api §2; workshop, module 2)."""

import base64
import json
import subprocess

import pytest
import yaml

pytestmark = pytest.mark.cluster

TIERS = """
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: security}
spec: {order: 200}
---
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: platform}
spec: {order: 300, defaultAction: Pass}
"""
POLICY = """
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: platform.db}
spec:
  tier: platform
  order: 100
  selector: app == 'db'
  types: [Ingress]
  ingress:
  - action: Allow
    protocol: TCP
    source: {selector: app == "worker" || app == "facts"}
    destination: {ports: ["3306"]}
"""
CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: cats.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: cats, kind: Cat, shortNames: [ct]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.paws, statusReplicasPath: .status.paws}}
    additionalPrinterColumns: [{name: Mood, type: string, jsonPath: .spec.mood}]
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            required: [mood]
            properties:
              mood: {type: string, enum: [sleepy, hungry], description: How the cat feels.}
              paws: {type: integer, minimum: 0, maximum: 4, default: 4}
              toys: {type: array, items: {type: string}}
"""
CAT = """
apiVersion: example.com/v1
kind: Cat
metadata: {name: tom}
spec: {mood: sleepy, toys: [ball, mouse]}
"""


@pytest.fixture
def tiers(kubectl):
    kubectl("apply -f -", TIERS)


def test_five_built_in_tiers_that_stay(kubectl):
    """policy-semantics §2.1."""
    found = json.loads(kubectl("get tiers -o json"))["items"]
    built_in = {
        row["metadata"]["name"]: (row["spec"]["order"], row["spec"]["defaultAction"])
        for row in found
        if row["metadata"]["name"] not in ("security", "platform")
    }
    assert built_in == {
        "adminnetworkpolicy": (1000, "Pass"),
        "kube-admin": (1000, "Pass"),
        "default": (1000000, "Deny"),
        "baselineadminnetworkpolicy": (10000000, "Pass"),
        "kube-baseline": (10000000, "Pass"),
    }
    said = kubectl("describe tier default")
    assert "Default Action:  Deny" in said
    assert "Order:           1000000" in said
    for name in built_in:
        assert f"The built-in tier {name} cannot be deleted" in kubectl.refused(f"delete tier {name}")


def test_tiers_in_order_and_a_full_one_stays(kubectl, namespace, tiers):
    assert "tier.projectcalico.org/security unchanged" in kubectl("apply -f -", TIERS)
    kubectl(f"-n {namespace} apply -f -", POLICY)
    assert "Cannot delete a non-empty tier" in kubectl.refused("delete tier platform")
    lost = POLICY.replace("tier: platform", "tier: nowhere").replace("platform.db", "nowhere.db")
    assert "resource does not exist: Tier(nowhere)" in kubectl.refused(f"-n {namespace} create -f -", lost)


def test_calico_policies_by_their_short_names(kubectl, namespace, tiers):
    """`cnp` is Calico's; plain networkpolicy means networking.k8s.io (spec §2)."""
    here = f"-n {namespace}"
    created = kubectl(f"{here} apply -f -", POLICY)
    assert created == "networkpolicy.projectcalico.org/platform.db created\n"
    for name in ("cnp", "caliconetworkpolicy", "caliconetworkpolicies", "networkpolicies.projectcalico.org"):
        assert kubectl(f"{here} get {name} -o name") == "networkpolicy.projectcalico.org/platform.db\n"
    assert kubectl(f"{here} get networkpolicy -o name") == ""
    assert kubectl(f"{here} get cnp").split()[:3] == ["NAME", "CREATED", "AT"]
    edited = kubectl(f"{here} edit caliconetworkpolicy platform.db", EDITOR="sed -i s/Allow/Deny/")
    assert edited == "networkpolicy.projectcalico.org/platform.db edited\n"
    assert "Action:  Deny" in kubectl(f"{here} describe caliconetworkpolicy platform.db")
    assert kubectl(f"{here} apply -f -", POLICY) == "networkpolicy.projectcalico.org/platform.db configured\n"
    found = json.loads(kubectl(f"{here} get cnp platform.db -o json"))
    assert found["metadata"]["labels"] == {"projectcalico.org/tier": "platform"}
    merge = """'{"spec":{"order":7}}'"""
    said = kubectl.refused(f"{here} patch cnp platform.db --type=strategic -p {merge}")
    assert "strategic-merge-patch+json is not" in said
    kubectl(f"{here} patch cnp platform.db --type=merge -p {merge}")


def test_what_calico_refuses_is_refused(kubectl, namespace, tiers):
    wrong = POLICY.replace("app == 'db'", "app ==")
    said = kubectl.refused(f"-n {namespace} create -f -", wrong)
    assert "selector" in said.lower()
    assert "app ==" in said


def test_rbac_is_enforced(kubectl, namespace):
    here = f"-n {namespace}"
    kubectl(f"{here} create serviceaccount bob")
    kubectl(f"{here} create role reader --verb=get,list,watch --resource=configmaps")
    kubectl(f"{here} create rolebinding reader --role=reader --serviceaccount={namespace}:bob")
    bob = f"{here} --as=system:serviceaccount:{namespace}:bob"
    assert kubectl(f"{bob} auth can-i list configmaps") == "yes\n"
    assert kubectl.run(f"{bob} auth can-i delete configmaps").out == "no\n"
    elsewhere = f"-n default --as=system:serviceaccount:{namespace}:bob"
    assert kubectl.run(f"{elsewhere} auth can-i list configmaps").out == "no\n"
    kubectl(f"{bob} get configmaps")
    said = kubectl.refused(f"{bob} get secrets")
    assert f'User "system:serviceaccount:{namespace}:bob" cannot list resource "secrets"' in said
    assert f'in API group "" in the namespace "{namespace}"' in said
    assert "configmaps" in kubectl(f"{bob} auth can-i --list")
    assert 'cannot create resource "configmaps"' in kubectl.refused(f"{bob} create configmap x")


def test_nobody_hands_out_more_than_he_has(kubectl, namespace):
    here = f"-n {namespace}"
    kubectl(f"{here} create rolebinding admins --clusterrole=admin --user=ann")
    kubectl(f"{here} --as=ann create role small --verb=get --resource=pods")
    said = kubectl.refused(f"{here} --as=ann create role big --verb=get --resource=nodes")
    assert "is attempting to grant RBAC permissions not currently held" in said


def test_rights_by_tier(kubectl, namespace, tiers):
    """Module 2, step 3: a user who may not edit a tier's policies is refused."""
    rules = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: platform-policies}
rules:
- {apiGroups: [projectcalico.org], resources: [tiers], resourceNames: [platform], verbs: [get]}
- apiGroups: [projectcalico.org]
  resources: [tier.networkpolicies]
  resourceNames: [platform.*]
  verbs: ["*"]
"""
    kubectl("apply -f -", rules)
    here = f"-n {namespace}"
    kubectl(f"{here} create rolebinding pat --clusterrole=platform-policies --user=pat")
    kubectl(f"create clusterrolebinding pat-{namespace} --clusterrole=platform-policies --user=pat")
    loose = f"{here} --as=pat"
    kubectl(f"{loose} create -f - --validate=false", POLICY)
    other = POLICY.replace("tier: platform", "tier: security").replace("platform.db", "security.db")
    said = kubectl.refused(f"{loose} create -f - --validate=false", other)
    assert 'cannot create networkpolicies.projectcalico.org in tier "security"' in said
    assert "(user cannot get tier)" in said
    kubectl(f"{here} create -f -", other)
    assert kubectl(f"{loose} get cnp -o name") == "networkpolicy.projectcalico.org/platform.db\n"
    assert "cannot get" in kubectl.refused(f"{loose} get cnp security.db")
    move = """'{"spec":{"tier":"security"}}'"""
    assert 'in tier "security"' in kubectl.refused(f"{loose} patch cnp platform.db --type=merge -p {move}")
    kubectl(f"{loose} delete cnp platform.db")


def test_tokens_and_certificates_authenticate(kubectl, namespace, apiserver):
    assert kubectl("auth can-i create nodes") == "yes\n"
    bad = kubectl.run("--token=nonsense get ns")
    assert "Unauthorized" in bad.err or "must be logged in" in bad.err
    if kubectl.version == "1.20":
        return
    kubectl(f"-n {namespace} create serviceaccount bob")
    token = kubectl(f"-n {namespace} create token bob").strip()
    server = kubectl("config view --raw -o jsonpath='{.clusters[0].cluster.server}'")
    alone = f"--kubeconfig=/dev/null --server={server} --certificate-authority={apiserver.data}/pki/ca.crt"
    assert f"system:serviceaccount:{namespace}:bob" in kubectl(f"{alone} --token={token} auth whoami")
    kubectl(f"-n {namespace} delete serviceaccount bob")
    said = kubectl.run(f"{alone} --token={token} auth whoami").err
    assert "Unauthorized" in said or "logged in" in said


def test_a_user_by_certificate(kubectl, namespace, apiserver, tmp_path):
    """How a cluster gets a user: his request, an approval, and the certificate that comes of it."""
    key, request = tmp_path / "pat.key", tmp_path / "pat.csr"
    words = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run(
        [*words, "-keyout", key, "-out", request, "-subj", "/O=team/CN=pat"], check=True, capture_output=True
    )
    name = f"pat-{namespace}"
    spec = {
        "request": base64.b64encode(request.read_bytes()).decode(),
        "signerName": "kubernetes.io/kube-apiserver-client",
        "usages": ["client auth"],
    }
    head = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
    }
    kubectl("create -f -", json.dumps({**head, "spec": spec}))
    assert kubectl(f"get csr {name} --no-headers").split()[-1] == "Pending"
    approved = f"certificatesigningrequest.certificates.k8s.io/{name} approved\n"
    assert kubectl(f"certificate approve {name}") == approved
    assert kubectl(f"get csr {name} --no-headers").split()[-1] == "Approved,Issued"
    (tmp_path / "pat.crt").write_bytes(
        base64.b64decode(kubectl(f"get csr {name} -o jsonpath='{{.status.certificate}}'"))
    )
    config = yaml.safe_load(apiserver.kubeconfig.read_text())
    config["users"][0]["user"] = {"client-key": str(key), "client-certificate": str(tmp_path / "pat.crt")}
    (tmp_path / "pat.yaml").write_text(yaml.safe_dump(config))
    pat = f"--kubeconfig={tmp_path}/pat.yaml -n {namespace}"
    assert 'User "pat" cannot list resource "pods"' in kubectl.refused(f"{pat} get pods")
    kubectl(f"-n {namespace} create rolebinding team --clusterrole=view --group=team")
    assert kubectl(f"{pat} get pods -o name") == ""


def test_custom_resources(kubectl, namespace):
    here = f"-n {namespace}"
    kubectl("apply -f -", CRD)
    kubectl("wait --for=condition=established crd/cats.example.com --timeout=20s")
    assert kubectl(f"{here} apply -f -", CAT) == "cat.example.com/tom created\n"
    assert kubectl(f"{here} get ct").split() == ["NAME", "MOOD", "tom", "sleepy"]
    assert kubectl(f"{here} get cat tom -o jsonpath='{{.spec.paws}}'") == "4"
    said = kubectl.refused(f"{here} apply -f -", CAT.replace("sleepy", "angry"))
    assert 'spec.mood: Unsupported value: "angry": supported values: "sleepy", "hungry"' in said
    assert "How the cat feels." in kubectl("explain cat.spec.mood")
    assert kubectl(f"{here} scale cat tom --replicas=3") == "cat.example.com/tom scaled\n"
    assert (
        kubectl(f"{here} apply -f -", CAT.replace("sleepy", "hungry")) == "cat.example.com/tom configured\n"
    )
    assert kubectl(f"{here} get ct tom -o jsonpath='{{.spec}}'") == (
        '{"mood":"hungry","paws":3,"toys":["ball","mouse"]}'
    )
    kubectl("delete crd cats.example.com")
    assert "the server could not find the requested resource" in kubectl.refused(
        f"{here} get --raw /apis/example.com"
    )
