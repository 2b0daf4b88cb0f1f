"""catfacts on the loopback: worker → outside, db, facts. Source: spec/workshop, "The application"."""

import datetime
import signal
import socket
import ssl
import threading

import httpx2 as httpx
import pytest
from dnslib import RCODE, DNSRecord

from ocicat.cluster.pods.programs.certificates import ensure_certificates
from ocicat.cluster.pods.programs.outside import FACTS
from support.podprograms import black_hole, programs, until

NAMES = ("localhost", "127.0.0.1")


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return ensure_certificates(tmp_path_factory.mktemp("lab"), NAMES, datetime.datetime.now(datetime.UTC))


class Lab:
    """The four programs, each started when it is asked for."""

    def __init__(self, starting, folder, pki):
        self.starting, self.folder, self.pki = starting, folder, pki

    def outside(self):
        given = (
            "--certificate",
            self.pki.certificate,
            "--key",
            self.pki.key,
            "--host",
            "localhost=127.0.0.1",
            "--port",
            0,
        )
        return self.starting.start("outside", *given)

    def db(self, port=0):
        return self.starting.start("catfacts_db", PORT=port, DATA=self.folder / "db.sqlite")

    def facts(self, db_port, port=0):
        given = {"DB_SERVICE_HOST": "127.0.0.1", "DB_SERVICE_PORT": db_port}
        return self.starting.start("catfacts_facts", PORT=port, EVERY_S=0.1, **given)

    def worker(self, outside_port, db_port, facts_port, **more):
        return self.starting.start(
            "catfacts_worker",
            **{"SOURCE": f"https://localhost:{outside_port}/fact", "SSL_CERT_FILE": self.pki.authority}
            | {"DB_SERVICE_HOST": "127.0.0.1", "DB_SERVICE_PORT": db_port}
            | {"FACTS_SERVICE_HOST": "127.0.0.1", "FACTS_SERVICE_PORT": facts_port}
            | {"EVERY_S": 0.1, "RETRY_OUTSIDE_S": 0.2}
            | more,
        )


@pytest.fixture
def lab(tmp_path, pki):
    with programs() as starting:
        yield Lab(starting, tmp_path, pki)


def page(port, host="127.0.0.1"):
    answer = httpx.get(f"http://{host}:{port}/")
    return answer.status_code, answer.text


def shows_a_fact(port):
    status, text = page(port)
    return status == 200 and any(fact.replace("'", "&#x27;") in text for fact in FACTS)


def test_the_page_is_503_until_a_worker_has_reached_it_and_then_shows_a_fact(lab):
    outside, db = lab.outside(), lab.db()
    facts = lab.facts(db.port)
    status, text = page(facts.port)
    assert (status, "No worker has reached this page on port 80" in text) == (503, True)
    lab.worker(outside.port, db.port, facts.port)
    until(lambda: shows_a_fact(facts.port))


def test_each_leg_keeps_its_one_connection(lab):
    """ "Connections are kept alive … over one persistent connection each, worker→db and facts→db pooled"."""
    outside, db = lab.outside(), lab.db()
    facts = lab.facts(db.port)
    worker = lab.worker(outside.port, db.port, facts.port)
    for leg in ("outside", "db", "facts"):
        worker.says(f"{leg}.works")
    until(lambda: shows_a_fact(facts.port))
    for _ in range(10):
        stored = page(facts.port)[1]
        until(lambda stored=stored: page(facts.port)[1] != stored)
    assert len(outside.said("connection.opened")) == 1
    assert len(db.said("connection.opened")) <= 3  # the worker's, the page's reader, and at most one viewer's
    by_the_worker = [line for line in worker.lines if ".works" in line or ".fails" in line]
    assert len(by_the_worker) == 3, "each leg tells its state once, not at each try"


def test_the_worker_has_one_connection_to_facts(lab):
    outside, db = lab.outside(), lab.db()
    facts = lab.facts(db.port)
    worker = lab.worker(outside.port, db.port, facts.port)
    worker.says("facts.works")
    with httpx.Client() as seen:
        until(lambda: seen.get(f"http://127.0.0.1:{facts.port}/").status_code == 200)
    # One is the worker's, one is the viewer's own.
    assert len(facts.said("connection.opened")) == 2


def test_a_denied_outside_stops_neither_store_nor_announcements(lab):
    with black_hole() as nowhere:
        db = lab.db()
        facts = lab.facts(db.port)
        worker = lab.worker(nowhere, db.port, facts.port)
        worker.says("facts.works")
        worker.says("db.works")
        worker.says("outside.fails")
        facts.says("worker.reached_us")
        assert not worker.said("outside.works")
        status, text = page(facts.port)
        assert (status, "neither it nor the database has a fact" in text) == (503, True)


def test_a_denied_facts_stops_neither_fetching_nor_storing(lab):
    with black_hole() as nowhere:
        outside, db = lab.outside(), lab.db()
        worker = lab.worker(outside.port, db.port, nowhere)
        worker.says("facts.fails")
        worker.says("db.works")
        facts = lab.facts(db.port)
        facts.says("db.works")
        assert page(facts.port)[0] == 503, "no worker has reached this one"


def test_a_denied_db_leaves_the_page_with_what_is_announced(lab):
    with black_hole() as nowhere:
        outside = lab.outside()
        facts = lab.facts(nowhere)
        worker = lab.worker(outside.port, nowhere, facts.port)
        worker.says("db.fails")
        facts.says("db.fails")
        assert shows_a_fact(facts.port)


def test_everything_recovers_when_db_and_facts_are_replaced(lab):
    outside, db = lab.outside(), lab.db()
    facts = lab.facts(db.port)
    worker = lab.worker(outside.port, db.port, facts.port)
    until(lambda: shows_a_fact(facts.port))
    assert (facts.end(), db.end()) == (0, 0)
    until(lambda: worker.said("facts.fails") and worker.said("db.fails"))
    db = lab.db(db.port)
    again = lab.facts(db.port, facts.port)
    again.says("listening")
    until(lambda: shows_a_fact(again.port))
    until(lambda: len(worker.said("db.works")) == 2)
    assert len(outside.said("connection.opened")) == 1, "the leg that nobody touched keeps its connection"


def test_the_certificate_of_the_outside_is_checked(lab, tmp_path):
    other = ensure_certificates(tmp_path / "other", NAMES, datetime.datetime.now(datetime.UTC))
    outside = lab.outside()
    worker = lab.worker(outside.port, 1, 1, SSL_CERT_FILE=other.authority)
    assert "CERTIFICATE_VERIFY_FAILED" in worker.says("outside.fails")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"fact": "Cats <script>"}', 200),
        (b'{"fact": ""}', 200),
        (b'{"fact": 1}', 400),
        (b"[]", 400),
        (b"no json", 400),
        (b'{"fact": "' + b"x" * 20_000 + b'"}', 413),
    ],
)
def test_announcements_are_checked(lab, body, status):
    with black_hole() as nowhere:
        facts = lab.facts(nowhere)
        assert httpx.post(f"http://127.0.0.1:{facts.port}/announce", content=body).status_code == status


def test_what_is_announced_is_shown_as_text(lab):
    with black_hole() as nowhere:
        facts = lab.facts(nowhere)
        httpx.post(f"http://127.0.0.1:{facts.port}/announce", json={"fact": "<script>&"})
        status, text = page(facts.port)
        assert status == 200
        assert "&lt;script&gt;&amp;" in text
        assert "<script>" not in text


def test_the_page_answers_on_both_families_and_knows_one_path(lab):
    with black_hole() as nowhere:
        facts = lab.facts(nowhere)
        assert page(facts.port, "[::1]")[0] == 503
        assert httpx.get(f"http://127.0.0.1:{facts.port}/other").status_code == 404
        assert httpx.head(f"http://127.0.0.1:{facts.port}/").content == b""


def test_the_outside_answers_by_name_over_one_connection(lab):
    outside = lab.outside()
    trusting = ssl.create_default_context(cafile=str(lab.pki.authority))
    with httpx.Client(verify=trusting, base_url=f"https://localhost:{outside.port}") as client:
        found = client.get("/fact").json()
        assert found["fact"] in FACTS
        assert found["length"] == len(found["fact"])
        assert "This is localhost" in client.get("/").text
        assert client.get("/nothing").status_code == 404
        assert client.get("/fact", headers={"Host": "elsewhere.example"}).status_code == 421
    assert len(outside.said("connection.opened")) == 1


def test_the_outside_serves_http_and_its_names_too(lab):
    files = ("--certificate", lab.pki.certificate, "--key", lab.pki.key)
    given = (
        "--host",
        "example.org=203.0.113.11,2001:db8::11",
        "--port",
        0,
        "--plain-port",
        0,
        "--dns-port",
        0,
    )
    outside = lab.starting.start("outside", *files, *given)
    plain, names = (int(outside.says(f"listening.{kind} ").rpartition("=")[2]) for kind in ("plain", "dns"))
    answer = httpx.get(f"http://127.0.0.1:{plain}/", headers={"Host": "example.org"})
    assert "This is example.org" in answer.text
    for kind, address in (("A", "203.0.113.11"), ("AAAA", "2001:db8::11")):
        reply = DNSRecord.parse(DNSRecord.question("example.org", kind).send("127.0.0.1", names, timeout=30))
        assert [str(row.rdata) for row in reply.rr] == [address]
    absent = DNSRecord.question("nowhere.org").send("::1", names, tcp=True, ipv6=True, timeout=30)
    assert DNSRecord.parse(absent).header.rcode == RCODE.NXDOMAIN


def test_a_worker_that_was_there_before_the_service_says_so_and_ends(lab):
    worker = lab.starting.start("catfacts_worker", DB_SERVICE_HOST="127.0.0.1", DB_SERVICE_PORT=1)
    worker.says("the Service facts was not there before this pod")
    assert worker.process.wait(30) == 1


def test_a_client_that_says_nothing_keeps_nobody_from_the_outside(lab):
    outside = lab.outside()
    trusting = ssl.create_default_context(cafile=str(lab.pki.authority))
    with socket.create_connection(("127.0.0.1", outside.port)):
        assert httpx.get(f"https://localhost:{outside.port}/fact", verify=trusting).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_every_program_ends_at_once(lab, number):
    outside, db = lab.outside(), lab.db()
    facts = lab.facts(db.port)
    with black_hole() as nowhere:
        worker = lab.worker(outside.port, db.port, nowhere)
        worker.says("db.works")
        facts.says("listening")
        statuses = {}
        ending = [
            threading.Thread(target=lambda one=one: statuses.update({one.name: one.end(number)}))
            for one in (worker, facts, db, outside)
        ]
        for thread in ending:
            thread.start()
        for thread in ending:
            thread.join()
    assert statuses == dict.fromkeys(("catfacts_worker", "catfacts_facts", "catfacts_db", "outside"), 0)
    assert not [line for one in (worker, facts, db, outside) for line in one.said("Traceback")]
