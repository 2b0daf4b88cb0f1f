"""A kube-proxy is found in each of its forms."""

import pytest

from ocicat.dataplane import kubeproxy
from ocicat.dataplane.kubeproxy import sign_of_kube_proxy
from ocicat.dataplane.nft.driver import NftUnavailableError

pytestmark = pytest.mark.kernel


@pytest.fixture(autouse=True)
def _nothing_but_nft(monkeypatch, tmp_path):
    """What is not asked of nft is that of the host, which may have anything."""
    monkeypatch.setattr(kubeproxy.socket, "if_nameindex", lambda: [(1, "lo")])
    monkeypatch.setattr(kubeproxy, "_LEGACY", tmp_path / "ip_tables_names")


def sign(namespaces):
    return sign_of_kube_proxy([*namespaces.command(), "nft"])


def test_there_is_none(namespaces):
    assert sign(namespaces) == ""


@pytest.mark.parametrize(
    ("ruleset", "expected"),
    [
        ("table ip kube-proxy {}", "table ip kube-proxy"),
        ("table ip6 kube-proxy {}", "table ip6 kube-proxy"),
        ("table ip nat { chain KUBE-SERVICES {}; }", "chains KUBE-… in table ip nat"),
        ("table ip nat { chain DOCKER {}; }", ""),
        ("table inet ocicat-services {}", ""),
    ],
)
def test_it_is_known_by_its_tables(namespaces, ruleset, expected):
    namespaces.run("nft", "-f", "-", stdin=ruleset)
    assert sign(namespaces) == expected


def test_it_is_known_by_its_interface(namespaces, monkeypatch):
    monkeypatch.setattr(kubeproxy.socket, "if_nameindex", lambda: [(1, "lo"), (2, "kube-ipvs0")])
    assert sign(namespaces) == "interface kube-ipvs0"


@pytest.mark.parametrize(
    ("tables", "expected"), [("filter\nnat\n", "table nat of the old iptables"), ("filter\n", ""), ("", "")]
)
def test_the_old_iptables_keeps_its_chains_to_itself(namespaces, tmp_path, tables, expected):
    (tmp_path / "ip_tables_names").write_text(tables)
    assert sign(namespaces) == expected


@pytest.mark.parametrize("nft", ["no-such-program", "false"])
def test_an_nft_that_says_nothing_is_no_sign_that_there_is_none(nft):
    with pytest.raises(NftUnavailableError, match="cannot look for a kube-proxy"):
        sign_of_kube_proxy([nft])
