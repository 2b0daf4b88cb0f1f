import pytest

from ocicat.model.kinds import KINDS, Kind
from ocicat.model.recognition import Unread, recognised


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.api_version}-{kind.kind}")
def test_every_kind_of_ours_is_recognised_in_each_of_its_versions(kind):
    for version in kind.versions:
        api_version = f"{kind.group}/{version}" if kind.group else version
        assert recognised(api_version, kind.kind) is kind


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("v1", "ConfigMap"),
        ("v1", "Secret"),
        ("v1", "Endpoints"),
        ("route.openshift.io/v1", "Route"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ("networking.k8s.io/v1", "Ingress"),
        ("networking.k8s.io/v1", "IngressClass"),
        ("apps/v1", "ControllerRevision"),
        ("policy/v1", "PodDisruptionBudget"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ("projectcalico.org/v3", "IPPool"),
        ("projectcalico.org/v3", "FelixConfiguration"),
        ("projectcalico.org/v3", "BGPPeer"),
        ("crd.projectcalico.org/v1", "IPPool"),
        ("operator.tigera.io/v1", "Installation"),
        # Other people's kinds of the same name
        ("crd.antrea.io/v1beta1", "NetworkPolicy"),
        ("crd.antrea.io/v1beta1", "Tier"),
        ("serving.knative.dev/v1", "Service"),
        ("kubeflow.org/v1", "Profile"),
        ("cilium.io/v2", "CiliumNetworkPolicy"),
    ],
)
def test_what_says_nothing_about_policy_is_passed_over_in_silence(api_version, kind):
    assert recognised(api_version, kind) is None


@pytest.mark.parametrize(
    ("api_version", "kind", "code", "field", "fix"),
    [
        # A version that is not read
        ("projectcalico.org/v1", "NetworkPolicy", "OC0022", "apiVersion", "projectcalico.org/v3"),
        ("networking.k8s.io/v1beta1", "NetworkPolicy", "OC0022", "apiVersion", "networking.k8s.io/v1"),
        ("policy.networking.k8s.io/v1alpha1", "ClusterNetworkPolicy", "OC0022", "apiVersion", "/v1alpha2"),
        ("policy.networking.k8s.io/v1alpha2", "AdminNetworkPolicy", "OC0022", "apiVersion", "/v1alpha1"),
        ("apps/v1beta2", "Deployment", "OC0022", "apiVersion", "apps/v1"),
        ("v2", "Pod", "OC0022", "apiVersion", "apiVersion: v1"),
        ("discovery.k8s.io/v1beta1", "EndpointSlice", "OC0022", "apiVersion", "discovery.k8s.io/v1"),
        # A group that is not the one to write
        ("crd.projectcalico.org/v1", "NetworkPolicy", "OC0022", "apiVersion", "projectcalico.org/v3"),
        ("crd.projectcalico.org/v1", "Tier", "OC0022", "apiVersion", "projectcalico.org/v3"),
        ("extensions/v1beta1", "NetworkPolicy", "OC0022", "apiVersion", "networking.k8s.io/v1"),
        ("extensions/v1beta1", "Deployment", "OC0022", "apiVersion", "apps/v1"),
        ("v1", "GlobalNetworkPolicy", "OC0022", "apiVersion", "projectcalico.org/v3"),
        ("v1", "NetworkPolicy", "OC0022", "apiVersion", "projectcalico.org/v3 or networking.k8s.io/v1"),
        ("projectcalico.com/v3", "GlobalNetworkPolicy", "OC0022", "apiVersion", "projectcalico.org/v3"),
        ("network.k8s.io/v1", "NetworkPolicy", "OC0022", "apiVersion", "networking.k8s.io/v1"),
        ("apps/v1", "Pod", "OC0022", "apiVersion", ""),
        # A kind that is misspelled
        ("projectcalico.org/v3", "NetworkPolcy", "OC0023", "kind", "kind: NetworkPolicy"),
        ("projectcalico.org/v3", "networkpolicy", "OC0023", "kind", "kind: NetworkPolicy"),
        ("projectcalico.org/v3", "GlobalNetworkpolicies", "OC0023", "kind", "kind: GlobalNetworkPolicy"),
        ("networking.k8s.io/v1", "NetworkPolicies", "OC0023", "kind", "kind: NetworkPolicy"),
        (
            "policy.networking.k8s.io/v1alpha2",
            "ClusterNetworkPolice",
            "OC0023",
            "kind",
            "ClusterNetworkPolicy",
        ),
        ("v1", "pod", "OC0023", "kind", "kind: Pod"),
        ("apps/v1", "deployments", "OC0023", "kind", "kind: Deployment"),
        # A kind that nobody has heard of, in a group of which all are known
        ("projectcalico.org/v3", "Foo", "OC0024", "kind", ""),
    ],
)
def test_an_object_that_would_be_passed_over_by_mistake_is_told(api_version, kind, code, field, fix):
    found = recognised(api_version, kind)
    if (api_version, kind) == ("apps/v1", "Pod"):
        assert found is None, "the groups are not alike: it may be anybody's Pod"
        return
    assert isinstance(found, Unread)
    assert not isinstance(found, Kind)
    assert (found.code, found.field) == (code, field)
    assert fix in found.fix
