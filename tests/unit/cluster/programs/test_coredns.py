"""The name server as a process, beside a real API server, asked by UDP and TCP."""

import asyncio
import contextlib
import os
import socket
import threading

import pytest
import yaml
from dnslib import QTYPE, RCODE, RR, TXT, A, DNSRecord

from ocicat.cluster.apiserver.credentials import kubeconfig
from ocicat.cluster.pods.programs.coredns import endpoint
from ocicat.cluster.pods.programs.nameserver import host_row, name_servers
from support import apiserver
from support.podprograms import DEADLINE_S, programs, until

SERVICES = "/api/v1/namespaces/default/services"
PARTS = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
EARLY = "early.default.svc.cluster.local"
"""A Service that is there before the name server starts."""
NO_UPSTREAM = ("--resolver-file", os.devnull)


class Asker:
    """Asks one server."""

    def __init__(self, port, address="127.0.0.1"):
        self.port, self.address = port, address

    async def __call__(self, name, kind="A", *, tcp=False, raw=None):
        data = bytes(DNSRecord.question(name, kind).pack()) if raw is None else raw
        return await asyncio.to_thread(self._exchange, data, tcp)

    def _exchange(self, data, tcp):
        reply = DNSRecord.parse(data).send(
            self.address, self.port, tcp=tcp, timeout=DEADLINE_S, ipv6=":" in self.address
        )
        return DNSRecord.parse(reply)

    async def answers(self, name, kind="A", **how):
        return sorted(str(row.rdata) for row in (await self(name, kind, **how)).rr)


class Upstream:
    """A server that knows an address of every name, and of `long.example.org` so much that TCP is needed."""

    def __init__(self):
        self.asked = []
        self._udp, self._tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
        self._udp.bind(("127.0.0.1", 0))
        self._tcp.bind(self._udp.getsockname())
        self._tcp.listen()
        self.port = self._udp.getsockname()[1]
        self._threads = [threading.Thread(target=target) for target in (self._datagrams, self._streams)]
        for thread in self._threads:
            thread.start()

    def _reply(self, data):
        request = DNSRecord.parse(data)
        self.asked.append(str(request.q.qname))
        found = request.reply()
        if request.q.qname == "long.example.org":
            for number in range(60):
                found.add_answer(RR(request.q.qname, QTYPE.TXT, rdata=TXT(f"{number} {'x' * 30}")))
        else:
            found.add_answer(RR(request.q.qname, QTYPE.A, rdata=A("198.51.100.7")))
        return found

    def _datagrams(self):
        while True:
            data, peer = self._udp.recvfrom(4096)
            if data == b"end":
                return
            found = self._reply(data)
            self._udp.sendto((found if len(found.pack()) <= 512 else found.truncate()).pack(), peer)

    def _streams(self):
        while True:
            connection, _ = self._tcp.accept()
            with connection:
                data = connection.recv(4096)
                if data == b"end":
                    return
                found = self._reply(data[2:]).pack()
                connection.sendall(len(found).to_bytes(2, "big") + found)

    def end(self):
        self._udp.sendto(b"end", self._udp.getsockname())
        with socket.create_connection(self._tcp.getsockname()) as connection:
            connection.sendall(b"end")
        for thread in self._threads:
            thread.join()
        self._udp.close()
        self._tcp.close()


@pytest.fixture
def upstream():
    found = Upstream()
    yield found
    found.end()


@contextlib.asynccontextmanager
async def serving(folder, *arguments):
    """Yield the API's client, what starts programs, and the name server that follows it."""
    async with apiserver.serving(folder / "state") as client:
        path = folder / "kubeconfig"
        path.write_text(yaml.safe_dump(kubeconfig(client.server.credentials, "it", client.server.url)))
        await client("POST", SERVICES, service("early", ports=[{"port": 80}]))
        with programs() as starting:
            program = starting.start(
                "coredns", "--kubeconfig", path, "--port", 0, *(arguments or NO_UPSTREAM)
            )
            yield client, program, Asker(await asyncio.to_thread(lambda: program.port))


def service(name, **spec):
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


async def wait_for(ask, name, wanted, kind="A"):
    async with asyncio.timeout(DEADLINE_S):
        while await ask.answers(name, kind) != wanted:
            await asyncio.sleep(0.02)


async def test_it_follows_services_and_slices_of_the_cluster(tmp_path):
    async with serving(tmp_path) as (client, program, ask):
        early = await client("GET", f"{SERVICES}/early")
        assert await ask.answers(EARLY) == [early["spec"]["clusterIP"]]
        made = await client("POST", SERVICES, service("db", ports=[{"name": "mysql", "port": 3306}]))
        await wait_for(ask, "db.default.svc.cluster.local", [made["spec"]["clusterIP"]])
        srv = await ask("_mysql._tcp.db.default.svc.cluster.local", "SRV")
        assert str(srv.rr[0].rdata) == "0 100 3306 db.default.svc.cluster.local."
        await client("POST", SERVICES, service("set", clusterIP="None", selector={"app": "set"}))
        row = {"addresses": ["10.65.1.2"], "hostname": "set-0", "conditions": {"ready": True}}
        part = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "set-x", "labels": {"kubernetes.io/service-name": "set"}},
            "addressType": "IPv4",
            "endpoints": [row],
            "ports": [],
        }
        await client("POST", PARTS, part)
        await wait_for(ask, "set-0.set.default.svc.cluster.local", ["10.65.1.2"])
        await client("DELETE", f"{SERVICES}/db")
        await wait_for(ask, "db.default.svc.cluster.local", [])
        assert (await ask("db.default.svc.cluster.local")).header.rcode == RCODE.NXDOMAIN
        assert await asyncio.to_thread(program.end) == 0


async def test_it_answers_by_udp_and_tcp_on_both_families(tmp_path):
    async with serving(tmp_path) as (_, _, ask):
        four = await ask.answers(EARLY)
        assert four == await ask.answers(EARLY, tcp=True)
        six = Asker(ask.port, "::1")
        assert four == await six.answers(EARLY)
        assert four == await six.answers(EARLY, tcp=True)


async def test_other_names_come_from_the_table_then_from_upstream(tmp_path, upstream):
    table = "Catfact.Ninja=203.0.113.10,2001:db8::10"
    given = ("--host", table, "--upstream", f"127.0.0.1:{upstream.port}")
    async with serving(tmp_path, *given) as (client, _, ask):
        assert await ask.answers("catfact.ninja") == ["203.0.113.10"]
        assert await ask.answers("catfact.ninja", "AAAA") == ["2001:db8::10"]
        empty = await ask("catfact.ninja", "TXT")
        assert (empty.header.rcode, empty.rr) == (RCODE.NOERROR, [])
        assert upstream.asked == []
        assert await ask.answers("www.example.org") == ["198.51.100.7"]
        assert upstream.asked == ["www.example.org."]
        assert len((await ask("long.example.org", "TXT", tcp=True)).rr) == 60
        await client("POST", SERVICES, service("away", type="ExternalName", externalName="www.example.org"))
        await wait_for(ask, "away.default.svc.cluster.local", ["198.51.100.7", "www.example.org."])


async def test_without_an_upstream_other_names_do_not_exist(tmp_path):
    async with serving(tmp_path) as (_, _, ask):
        absent = await ask("www.example.org")
        assert absent.header.rcode == RCODE.NXDOMAIN
        assert [row.rtype for row in absent.auth] == [QTYPE.SOA]


async def test_a_dead_upstream_is_a_failure_and_stops_nothing(tmp_path):
    with socket.socket(type=socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    async with serving(tmp_path, "--upstream", f"127.0.0.1:{port}") as (_, program, ask):
        assert (await ask("www.example.org")).header.rcode == RCODE.SERVFAIL
        assert await ask.answers(EARLY)
        until(lambda: program.said("upstream.fails"))


async def test_what_is_no_question_gets_no_answer_and_stops_nothing(tmp_path):
    async with serving(tmp_path) as (_, program, ask):
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            for data in (b"", b"x", b"\x00" * 12, b"\xff" * 600, DNSRecord.question("a.b").reply().pack()):
                sock.sendto(data, ("127.0.0.1", ask.port))
        with socket.create_connection(("127.0.0.1", ask.port)) as connection:
            connection.sendall(b"\x00\x05hello")
        assert await ask.answers(EARLY)
        assert not program.said("Traceback")


async def test_an_answer_too_long_for_udp_is_cut(tmp_path):
    given = (*NO_UPSTREAM, "--host", "many.example.org=" + ",".join(f"192.0.2.{n}" for n in range(100)))
    async with serving(tmp_path, *given) as (_, _, ask):
        assert (await ask("many.example.org")).header.tc == 1
        assert len(await ask.answers("many.example.org", tcp=True)) == 100


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10.0.0.1", ("10.0.0.1", 53)),
        ("10.0.0.1:5353", ("10.0.0.1", 5353)),
        ("fd00::1", ("fd00::1", 53)),
        ("[fd00::1]", ("fd00::1", 53)),
        ("[fd00::1]:5353", ("fd00::1", 5353)),
    ],
)
def test_endpoints_are_understood(text, found):
    assert endpoint(text) == found


@pytest.mark.parametrize("text", ["name", "=1.2.3.4", "name="])
def test_a_row_of_the_table_needs_both_halves(text):
    with pytest.raises(ValueError, match="NAME=ADDRESS"):
        host_row(text)


def test_upstreams_are_those_of_the_resolver_file():
    text = "search a\n# nameserver 9.9.9.9\nnameserver 172.31.0.1\nnameserver  fd00::1\nnameserver\n"
    assert name_servers(text) == [("172.31.0.1", 53), ("fd00::1", 53)]
