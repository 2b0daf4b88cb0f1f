"""The names of a cluster. Source: the Kubernetes DNS specification, schema version 1.1.0."""

import pytest

from ocicat.cluster.pods.programs.zone import Zone


def service(name, namespace="catfacts", **spec):
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def endpoint(address, *, ready=True, hostname=""):
    return {"addresses": [address], "conditions": {"ready": ready}} | (
        {"hostname": hostname} if hostname else {}
    )


def part(name, owner, *endpoints, namespace="catfacts", ports=()):
    labels = {"kubernetes.io/service-name": owner}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"metadata": metadata, "endpoints": list(endpoints), "ports": list(ports)}


MYSQL = {"name": "mysql", "port": 3306, "protocol": "TCP"}
DNS = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]


@pytest.fixture
def zone():
    found = Zone()
    found.put_service(
        service("db", clusterIP="10.96.0.7", clusterIPs=["10.96.0.7", "fd00::7"], ports=[MYSQL])
    )
    found.put_service(service("kube-dns", "kube-system", clusterIP="10.96.0.10", ports=DNS))
    found.put_service(service("set", clusterIP="None", ports=[MYSQL]))
    found.put_slice(
        part("set-4", "set", endpoint("10.65.1.2", hostname="set-0"), endpoint("10.65.1.3"), ports=[MYSQL])
    )
    found.put_slice(part("set-6", "set", endpoint("fd00::2", hostname="set-0"), ports=[MYSQL]))
    found.put_slice(part("set-late", "set", endpoint("10.65.1.9", ready=False), ports=[MYSQL]))
    found.put_service(service("early", clusterIP="None", publishNotReadyAddresses=True))
    found.put_slice(part("early-4", "early", endpoint("10.65.1.8", ready=False)))
    found.put_service(service("away", type="ExternalName", externalName="db.example.org."))
    return found


ADDRESSES = [
    ("db.catfacts.svc.cluster.local", "A", ["10.96.0.7"]),
    ("db.catfacts.svc.cluster.local", "AAAA", ["fd00::7"]),
    ("DB.CatFacts.svc.Cluster.Local", "A", ["10.96.0.7"]),
    ("kube-dns.kube-system.svc.cluster.local", "A", ["10.96.0.10"]),
    ("set.catfacts.svc.cluster.local", "A", ["10.65.1.2", "10.65.1.3"]),
    ("set.catfacts.svc.cluster.local", "AAAA", ["fd00::2"]),
    ("set-0.set.catfacts.svc.cluster.local", "A", ["10.65.1.2"]),
    ("set-0.set.catfacts.svc.cluster.local", "AAAA", ["fd00::2"]),
    ("10-65-1-3.set.catfacts.svc.cluster.local", "A", ["10.65.1.3"]),
    ("early.catfacts.svc.cluster.local", "A", ["10.65.1.8"]),
    ("away.catfacts.svc.cluster.local", "A", ["db.example.org"]),
    ("away.catfacts.svc.cluster.local", "CNAME", ["db.example.org"]),
    ("10-65-1-2.catfacts.pod.cluster.local", "A", ["10.65.1.2"]),
    ("fd00--2.catfacts.pod.cluster.local", "AAAA", ["fd00::2"]),
    ("dns-version.cluster.local", "TXT", ["1.1.0"]),
    ("_mysql._tcp.db.catfacts.svc.cluster.local", "SRV", ["0 100 3306 db.catfacts.svc.cluster.local"]),
    (
        "_dns._udp.kube-dns.kube-system.svc.cluster.local",
        "SRV",
        ["0 100 53 kube-dns.kube-system.svc.cluster.local"],
    ),
    ("db.catfacts.svc.cluster.local", "SRV", ["0 100 3306 db.catfacts.svc.cluster.local"]),
    (
        "_mysql._tcp.set.catfacts.svc.cluster.local",
        "SRV",
        [
            "0 100 3306 10-65-1-3.set.catfacts.svc.cluster.local",
            "0 100 3306 set-0.set.catfacts.svc.cluster.local",
        ],
    ),
    ("7.0.96.10.in-addr.arpa", "PTR", ["db.catfacts.svc.cluster.local"]),
    ("2.1.65.10.in-addr.arpa", "PTR", ["set-0.set.catfacts.svc.cluster.local"]),
    (f"{'.'.join('7' + '0' * 29 + 'df')}.ip6.arpa", "PTR", ["db.catfacts.svc.cluster.local"]),
]


@pytest.mark.parametrize(("name", "kind", "data"), ADDRESSES, ids=[f"{row[1]} {row[0]}" for row in ADDRESSES])
def test_names_have_their_records(zone, name, kind, data):
    found = zone.find(name, kind)
    assert found.exists
    assert sorted(record.data for record in found.records) == data


EMPTY = [
    ("kube-dns.kube-system.svc.cluster.local", "AAAA"),
    ("db.catfacts.svc.cluster.local", "TXT"),
    ("catfacts.svc.cluster.local", "A"),
    ("_tcp.db.catfacts.svc.cluster.local", "A"),
    ("svc.cluster.local", "A"),
    ("cluster.local", "A"),
    ("10-65-1-2.catfacts.pod.cluster.local", "AAAA"),
]


@pytest.mark.parametrize(("name", "kind"), EMPTY)
def test_a_name_may_exist_without_a_record_of_the_type(zone, name, kind):
    found = zone.find(name, kind)
    assert (found.exists, found.records) == (True, ())


ABSENT = [
    "nix.catfacts.svc.cluster.local",
    "db.nix.svc.cluster.local",
    "nix.svc.cluster.local",
    "nix.cluster.local",
    "_nix._tcp.db.catfacts.svc.cluster.local",
    "_mysql._udp.db.catfacts.svc.cluster.local",
    "set-0.db.catfacts.svc.cluster.local",
    "set-9.set.catfacts.svc.cluster.local",
    "10-65-1-9.set.catfacts.svc.cluster.local",
    "10-65-1.catfacts.pod.cluster.local",
    "10-65-1-2.nix.pod.cluster.local",
]


@pytest.mark.parametrize("name", ABSENT)
def test_other_names_of_the_domain_do_not_exist(zone, name):
    found = zone.find(name, "SRV" if name.startswith("_") else "A")
    assert (found.exists, found.records) == (False, ())


@pytest.mark.parametrize(
    "name", ["example.org", "cluster.local.example", "xcluster.local", "9.9.9.9.in-addr.arpa"]
)
def test_names_of_others_are_left_to_others(zone, name):
    assert zone.find(name, "A") is None


def test_srv_brings_the_addresses_of_what_it_names(zone):
    found = zone.find("_mysql._tcp.set.catfacts.svc.cluster.local", "SRV")
    assert {(record.name.partition(".")[0], record.data) for record in found.additional} == {
        ("set-0", "10.65.1.2"),
        ("set-0", "fd00::2"),
        ("10-65-1-3", "10.65.1.3"),
    }


def test_what_goes_is_forgotten(zone):
    zone.drop_slice("catfacts", "set-4")
    zone.drop_slice("catfacts", "never-there")
    assert zone.find("set.catfacts.svc.cluster.local", "A").records == ()
    assert zone.find("2.1.65.10.in-addr.arpa", "PTR") is None
    zone.drop_service("catfacts", "db")
    assert not zone.find("db.catfacts.svc.cluster.local", "A").exists
    assert zone.find("7.0.96.10.in-addr.arpa", "PTR") is None


def test_a_slice_may_change_its_service(zone):
    zone.put_service(service("other", clusterIP="None"))
    zone.put_slice(part("set-4", "other", endpoint("10.65.1.2")))
    assert zone.find("set.catfacts.svc.cluster.local", "A").records == ()
    assert [record.data for record in zone.find("other.catfacts.svc.cluster.local", "A").records] == [
        "10.65.1.2"
    ]
