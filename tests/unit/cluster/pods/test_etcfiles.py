"""/etc/hosts and /etc/resolv.conf of pods (the Kubernetes API reference of v1.32, PodSpec)."""

from typing import Any

import pytest

from ocicat.cluster.pods.etcfiles import hosts_file, resolver_file


def pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "box", "namespace": "shop"}, "spec": spec}


def test_a_pod_finds_itself_by_all_its_addresses() -> None:
    lines = hosts_file(pod(), ("10.0.0.1", "fd00::1"), "box").splitlines()
    assert lines[-2:] == ["10.0.0.1\tbox", "fd00::1\tbox"]


def test_a_pod_of_a_subdomain_has_its_full_name() -> None:
    """ "a fully qualified hostname <hostname>.<subdomain>.<pod namespace>.svc.<cluster domain>" """
    text = hosts_file(pod(hostname="db-0", subdomain="db"), ("10.0.0.1",), "db-0")
    assert text.endswith("10.0.0.1\tdb-0.db.shop.svc.cluster.local\tdb-0\n")


def test_aliases_come_last() -> None:
    aliases = [{"ip": "1.2.3.4", "hostnames": ["a", "b"]}, {"ip": "::9"}]
    text = hosts_file(pod(hostAliases=aliases), ("10.0.0.1",), "box")
    assert text.endswith("\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n::9\n")


CLUSTER = (
    "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
)


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({}, CLUSTER),
        ({"dnsPolicy": "ClusterFirst"}, CLUSTER),
        ({"dnsPolicy": "Default"}, "nameserver 9.9.9.9\n"),
        ({"dnsPolicy": "ClusterFirst", "hostNetwork": True}, "nameserver 9.9.9.9\n"),
        ({"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": True}, CLUSTER),
        (
            {
                "dnsPolicy": "None",
                "dnsConfig": {
                    "nameservers": ["1.1.1.1"],
                    "searches": ["x.example"],
                    "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
                },
            },
            "search x.example\nnameserver 1.1.1.1\noptions ndots:2 edns0\n",
        ),
        (
            {"dnsConfig": {"options": [{"name": "ndots", "value": "1"}]}},
            CLUSTER.replace("ndots:5", "ndots:1"),
        ),
    ],
)
def test_resolvers(spec: dict[str, Any], wanted: str) -> None:
    assert resolver_file(pod(**spec), "9.9.9.9") == wanted
