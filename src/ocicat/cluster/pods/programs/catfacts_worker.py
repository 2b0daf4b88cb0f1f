"""The worker of catfacts: fetches facts from outside, stores them in `db`, and announces them to `facts`.

The three legs are independent, each in its own thread: when one is denied the others go on. Each keeps one
connection, and opens the next only when that one is closed; policy that is applied later does not cut it.
When the outside is denied the worker goes on with the facts that it has, and tries again now and then.

Environment: DB_SERVICE_HOST and _PORT, FACTS_SERVICE_HOST and _PORT (Kubernetes sets them for Services that
were there before the pod), SOURCE (https://catfact.ninja/fact), EVERY_S (1.5), RETRY_OUTSIDE_S (10), and
SSL_CERT_FILE, the authorities that are trusted. Source: spec/workshop, "The application".
"""

import http.client
import json
import os
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import pymysql

from ocicat.cluster.pods.programs.pool import Pool
from ocicat.cluster.pods.programs.process import Leg, hold_endings, peer_name, run, service, tell

CONNECT_S: Final = 2.0
ANSWER_S: Final = 15.0
"""Long: a connection that is open must outlive some lost packets, as the next one may be denied."""
ANSWER_BYTES: Final = 65_536
FACT_CHARACTERS: Final = 1000
FACTS_KEPT: Final = 500
DATABASE: Final = "catfacts"
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS facts ("
    "id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, "
    "fact VARCHAR(1000) NOT NULL UNIQUE, "
    "stored_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP)"
)


class BadAnswerError(Exception):
    """A server answered something else than was asked for."""


class KeptConnection:
    """One HTTP connection, used for one request after the other. One thread uses it."""

    def __init__(self, url: str, tls: ssl.SSLContext | None = None) -> None:
        """Keep where it goes: the host of `url`, whose certificate is checked where it says https."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            self._http: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, parts.port, timeout=CONNECT_S, context=tls or ssl.create_default_context()
            )
        else:
            self._http = http.client.HTTPConnection(host, parts.port, timeout=CONNECT_S)

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Return the body of a good answer.

        Whatever fails, the connection is closed, and the next call opens one.

        Raises:
            OSError, http.client.HTTPException: There is no connection, or it broke.
            BadAnswerError: The answer is no success.
        """
        kept = self._http.sock is not None
        try:
            return self._once(method, path, body)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            self._http.close()
            if not kept:
                raise
        except BaseException:
            self._http.close()
            raise
        # The other side had closed the kept connection since: that is found out only by using it.
        try:
            return self._once(method, path, body)
        except BaseException:
            self._http.close()
            raise

    def _once(self, method: str, path: str, body: bytes | None) -> bytes:
        if self._http.sock is None:
            self._http.connect()
        self._http.sock.settimeout(ANSWER_S)
        self._http.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = self._http.getresponse()
        content = answer.read(ANSWER_BYTES)
        if not answer.isclosed() and answer.read(1):
            raise http.client.HTTPException(f"the answer is longer than {ANSWER_BYTES} bytes")
        if answer.status >= 400:
            raise BadAnswerError(f"HTTP {answer.status} {answer.reason}")
        return content


class Worker:
    """The worker. Its three methods go on for ever, each in a thread of its own."""

    def __init__(self, outside: KeptConnection, path: str, pool: Pool, facts: KeptConnection) -> None:
        """Use connections: to the outside (which has facts at `path`), to `db`, and to `facts`."""
        self._outside: Final = outside
        self._path: Final = path
        self._pool: Final = pool
        self._facts: Final = facts
        self._known: Final[deque[str]] = deque(maxlen=FACTS_KEPT)
        self._unstored: Final[deque[str]] = deque(maxlen=FACTS_KEPT)

    def fetch(self) -> None:
        """Get one fact from outside. Raises what `KeptConnection.ask` does."""
        fact = fact_in(self._outside.ask("GET", self._path))
        self._known.append(fact)
        self._unstored.append(fact)

    def store(self) -> None:
        """Store what was fetched since, or else count the facts. Raises pymysql.MySQLError."""
        if not self._unstored:
            self._run("SELECT COUNT(*) FROM facts", ())
        while self._unstored:
            self._run("INSERT IGNORE INTO facts (fact) VALUES (%s)", (self._unstored[0],))
            self._unstored.popleft()

    def _run(self, sql: str, arguments: tuple[object, ...]) -> None:
        try:
            self._pool.query(sql, arguments)
        except pymysql.ProgrammingError:  # the table does not exist: the database is a fresh one
            self._pool.query(_TABLE)
            self._pool.query(sql, arguments)

    def announce(self) -> None:
        """Tell `facts` the latest fact. Raises what `KeptConnection.ask` does."""
        fact = self._known[-1] if self._known else ""
        self._facts.ask("POST", "/announce", json.dumps({"fact": fact}).encode())


def fact_in(content: bytes) -> str:
    """Return the fact of an answer from outside. Raises BadAnswerError."""
    try:
        fact = json.loads(content)["fact"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadAnswerError(f"the answer holds no fact: {content[:100]!r}") from error
    if not isinstance(fact, str):
        raise BadAnswerError("the fact is no text")
    return fact[:FACT_CHARACTERS]


def forever(leg: Leg, step: Callable[[], None], every_s: float, retry_s: float) -> None:
    """Do a step again and again, `retry_s` after it failed."""
    while True:
        try:
            step()
        except (OSError, http.client.HTTPException, pymysql.MySQLError, BadAnswerError) as error:
            leg.fails(error)
            time.sleep(retry_s)
        else:
            leg.works()
            time.sleep(every_s)


def main() -> None:
    """Be the worker."""
    hold_endings()
    environment = os.environ
    every_s = float(environment.get("EVERY_S", "1.5"))
    source = environment.get("SOURCE", "https://catfact.ninja/fact")
    db, facts = service("db"), peer_name(service("facts"))
    worker = Worker(
        KeptConnection(source),
        urlsplit(source).path or "/",
        Pool(*db, DATABASE),
        KeptConnection(f"http://{facts}"),
    )
    tell("started", source=source, db=peer_name(db), facts=facts)
    retry_s = float(environment.get("RETRY_OUTSIDE_S", "10"))
    run(
        (
            lambda: forever(Leg("outside"), worker.fetch, every_s, retry_s),
            lambda: forever(Leg("db"), worker.store, every_s, every_s),
            lambda: forever(Leg("facts"), worker.announce, every_s, every_s),
        )
    )


if __name__ == "__main__":
    main()
