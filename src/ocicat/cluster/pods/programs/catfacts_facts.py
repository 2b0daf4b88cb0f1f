"""The page of catfacts: shows a fact from `db`, as soon as a worker has reached it.

Until then it answers 503: it has nothing to show. It reads `db` every other second whoever looks, so that its
connection, which is kept, is always to be seen. Source: spec/workshop, "The application".

Environment: PORT (80), DB_SERVICE_HOST and _PORT, EVERY_S (2).
"""

import html
import json
import os
import threading
import time
from http import HTTPStatus
from typing import Final

import pymysql

from ocicat.cluster.pods.programs.pool import Pool
from ocicat.cluster.pods.programs.process import Leg, hold_endings, listening, run, service, tell
from ocicat.cluster.pods.programs.web import WebHandler, WebServer

DATABASE: Final = "catfacts"
FACT_CHARACTERS: Final = 1000

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · catfacts</title>
<style>
:root {{ color-scheme: light dark; --ink: #2d2440; --soft: #6d6480; --paper: #fffdf8; --ground: #f3e9dc;
  --accent: #a8480f; }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #f4eefb; --soft: #b5abc6; --paper: #2b2438;
  --ground: #1a1523; --accent: #ffb27d; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem;
  background: var(--ground); color: var(--ink); font: 1.125rem/1.6 system-ui, sans-serif; }}
main {{ max-width: 38rem; padding: 2.5rem; border-radius: 1.5rem; background: var(--paper);
  box-shadow: 0 1.5rem 3rem rgb(0 0 0 / 12%); }}
svg {{ display: block; width: 4.5rem; fill: var(--accent); }}
h1 {{ margin: 1rem 0 .25rem; font-size: 1rem; letter-spacing: .04em; color: var(--soft); }}
p.fact {{ margin: 0 0 1.5rem; font-size: 1.5rem; line-height: 1.4; text-wrap: pretty; }}
p.note {{ margin: 0; font-size: .95rem; color: var(--soft); }}
a {{ color: var(--accent); font-weight: 600; }}
</style>
</head>
<body>
<main>
<svg viewBox="0 0 64 56" aria-hidden="true"><path d="M8 4l12 10a34 34 0 0 1 24 0L56 4v26a24 22 0 1 1-48 0z
M22 27a3.5 4.5 0 1 0 .1 0zM42 27a3.5 4.5 0 1 0 .1 0zM32 38l-4 4h8z" fill-rule="evenodd"/></svg>
<h1>{title}</h1>
<p class="fact">{text}</p>
<p class="note">{note}</p>
</main>
</body>
</html>
"""


def page(title: str, text: str, note: str) -> str:
    """Return the page; `note` is HTML, the others are plain text."""
    return _PAGE.format(title=html.escape(title), text=html.escape(text), note=note)


class Facts:
    """What the page knows. Any thread may use it."""

    def __init__(self, pool: Pool) -> None:
        """Know nothing yet; read from `pool`."""
        self._pool: Final = pool
        self._leg: Final = Leg("db")
        self._reached: Final = threading.Event()
        self._latest = ""
        self._stored = 0

    def announced(self, fact: str) -> None:
        """Note that a worker has reached us, and the fact that it brought; it may bring none."""
        if not self._reached.is_set():
            tell("worker.reached_us")
            self._reached.set()
        self._latest = fact or self._latest

    def read(self) -> str:
        """Return a fact from the database, or the latest that was announced where it gives none."""
        try:
            rows = self._pool.query("SELECT fact FROM facts ORDER BY RAND() LIMIT 1")
            self._stored = self._pool.query("SELECT COUNT(*) FROM facts")[0][0]
        except pymysql.ProgrammingError:  # nobody has stored anything yet
            rows = ()
        except pymysql.MySQLError as error:
            self._leg.fails(error)
            return self._latest
        self._leg.works()
        return str(rows[0][0]) if rows else self._latest

    def shown(self) -> tuple[HTTPStatus, str]:
        """Return the page, and its status."""
        again = '<a href="/">Try again</a>'
        if not self._reached.is_set():
            why = "No worker has reached this page on port 80 since it started."
            return HTTPStatus.SERVICE_UNAVAILABLE, page("No facts yet", why, again)
        fact = self.read()
        if not fact:
            why = "A worker has reached this page, but neither it nor the database has a fact."
            return HTTPStatus.SERVICE_UNAVAILABLE, page("No facts yet", why, again)
        note = f'<a href="/">Another one</a> · {self._stored} in the database'
        return HTTPStatus.OK, page("Did you know?", fact, note)

    def read_forever(self, every_s: float) -> None:
        """Read now and then for ever."""
        while True:
            self.read()
            time.sleep(every_s)


def handler(facts: Facts) -> type[WebHandler]:
    """Return what serves connections."""

    class Page(WebHandler):
        def do_GET(self) -> None:  # noqa: N802 — the standard library's name
            if self.path.partition("?")[0] == "/":
                self.answer_page(*facts.shown())
            else:
                self.answer_page(
                    HTTPStatus.NOT_FOUND, page("Nothing here", "No such page.", '<a href="/">A fact</a>')
                )

        do_HEAD = do_GET  # noqa: N815

        def do_POST(self) -> None:  # noqa: N802
            body = self.body()
            if body is None:
                return
            fact = announcement(body)
            if self.path != "/announce" or fact is None:
                self.answer_json(HTTPStatus.BAD_REQUEST, {"error": 'POST /announce {"fact": "…"}'})
                return
            facts.announced(fact)
            self.answer_json(HTTPStatus.OK, {"announced": True})

    return Page


def announcement(body: bytes) -> str | None:
    """Return the fact of an announcement, empty where it brings none; None where it is no announcement."""
    try:
        fact = json.loads(body)["fact"]
    except (ValueError, KeyError, TypeError):
        return None
    return fact[:FACT_CHARACTERS] if isinstance(fact, str) else None


def main() -> None:
    """Be the page."""
    hold_endings()
    environment = os.environ
    facts = Facts(Pool(*service("db"), DATABASE))
    every_s = float(environment.get("EVERY_S", "2"))
    sockets = listening(int(environment.get("PORT", "80")))
    servers = [WebServer(sock, handler(facts)) for sock in sockets]
    tell("listening", port=sockets[0].getsockname()[1])
    run((lambda: facts.read_forever(every_s), *(server.serve_forever for server in servers)))


if __name__ == "__main__":
    main()
