"""The simulated public network: a server that answers under public names, over real TLS.

Under every name that it is given it answers as `catfact.ninja` does, `/fact` with a fact as JSON, and has a
page that says where one is. Connections are kept alive and never closed while idle. Its certificate comes
from the lab's authority (`ocicat.cluster.pods.programs.certificates`), which the images trust.

As a program it listens on ports of its own, with a name server for its names too; whoever has sockets in the
right namespace calls `start`, and `NameServer` for the names.
"""

import argparse
import asyncio
import random
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from socket import SOCK_DGRAM, socket
from threading import Thread
from typing import Final

from ocicat.cluster.pods.programs.nameserver import NameServer, host_row
from ocicat.cluster.pods.programs.process import hold_endings, listening, run, tell
from ocicat.cluster.pods.programs.web import WebHandler, WebServer
from ocicat.cluster.pods.programs.zone import Zone

CATFACT: Final = "catfact.ninja"
FACTS: Final = (
    "A cat's whiskers are about as wide as the cat, so that it knows where it fits through.",
    "Cats walk with both legs of one side at a time, as camels and giraffes do.",
    "A cat has 32 muscles in each outer ear, and can turn the two apart.",
    "The pattern of the skin on a cat's nose is its own, like a person's fingerprint.",
    "Cats cannot taste sweetness: they lack half of the receptor for it.",
    "A house cat can sprint at nearly 50 km/h, but not for long.",
    "A group of kittens is called a kindle.",
    "Cats sleep for 12 to 16 hours a day, most of it lightly.",
    "A cat's collarbone is not joined to other bones, so its shoulders pass wherever its head does.",
    "Cats have a third eyelid, which wipes the eye and shows when they are unwell.",
    "Adult cats meow mostly at people, and rarely at each other.",
    "A cat rights itself in the air within the height of a table.",
    "Nearly all tortoiseshell cats are female: the colours sit on the X chromosome.",
    "A cat's heart beats 140 to 220 times a minute.",
    "Cats purr while breathing in and while breathing out.",
    "A cat that blinks at you slowly is at ease with you.",
    "The tongue of a cat is covered with small hooks, which comb its fur.",
    "Cats sweat through their paws only.",
    "A cat sees in a sixth of the light that a person needs.",
    "Kittens are born with closed eyes, which are blue when they open.",
    "Most cats have five toes on each front paw and four on each hind paw.",
    "White cats with two blue eyes are often deaf.",
    "The longest hair on a cat's face tells it how far away its prey is when that is too near to see.",
    "A cat's hearing reaches to about 64 kHz, three times as high as a person's.",
)
"""What `/fact` chooses from."""

_PAGE: Final = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{name}</title></head>
<body><h1>{name}</h1><p>This is {name} in the simulated public network of an ocicat cluster.</p></body></html>
"""


def handler(names: Iterable[str]) -> type[WebHandler]:
    """Return what serves connections under `names`; others are told that they are not here."""
    known = frozenset(name.lower() for name in names)

    class Outside(WebHandler):
        server_version = "outside"

        def do_GET(self) -> None:  # noqa: N802 — the standard library's name
            name = self.headers.get("Host", "").partition(":")[0].lower()
            if name not in known:
                self.answer_json(HTTPStatus.MISDIRECTED_REQUEST, {"message": "no such name here"})
            elif self.path.partition("?")[0] == "/fact":
                fact = random.choice(FACTS)  # noqa: S311 — nobody guards it
                self.answer_json(HTTPStatus.OK, {"fact": fact, "length": len(fact)})
            elif self.path.partition("?")[0] == "/":
                self.answer_page(HTTPStatus.OK, _PAGE.format(name=name))
            else:
                self.answer_json(HTTPStatus.NOT_FOUND, {"message": "Not Found", "code": 404})

        do_HEAD = do_GET  # noqa: N815

    return Outside


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the context of a server. Raises OSError, ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    return context


def start(
    names: Sequence[str], secured: Iterable[socket], plain: Iterable[socket], context: ssl.SSLContext | None
) -> list[WebServer]:
    """Serve sockets that listen, in threads that end with the process; `shutdown` of a server ends its own.

    Args:
        names: The public names that are served.
        secured: Sockets for HTTPS.
        plain: Sockets for HTTP.
        context: For HTTPS; None only where nothing is secured.
    """
    serves = handler(names)
    servers = [WebServer(sock, serves, context) for sock in secured]
    servers += [WebServer(sock, serves) for sock in plain]
    for server in servers:
        Thread(target=server.serve_forever, daemon=True).start()
    return servers


def main() -> None:
    """Be the public network."""
    hold_endings()
    parser = argparse.ArgumentParser(prog="outside", description="The simulated public network.")
    parser.add_argument("--certificate", type=Path, required=True, help="PEM, with its chain")
    parser.add_argument("--key", type=Path, required=True, help="PEM")
    parser.add_argument(
        "--host",
        action="append",
        default=[],
        type=host_row,
        metavar="NAME=ADDRESS",
        help=f"a public name; {CATFACT} is one in any case",
    )
    parser.add_argument("--port", type=int, default=443, help="for HTTPS; 0 for any")
    parser.add_argument("--plain-port", type=int, help="for HTTP; none where not given")
    parser.add_argument("--dns-port", type=int, help="for the names, UDP and TCP; none where not given")
    options = parser.parse_args()
    hosts = dict(options.host)
    serves = handler([CATFACT, *hosts])
    secured = listening(options.port)
    context = tls_context(options.certificate, options.key)
    tasks: list[Callable[[], None]] = [WebServer(sock, serves, context).serve_forever for sock in secured]
    tell("listening", port=secured[0].getsockname()[1])
    if options.plain_port is not None:
        plain = listening(options.plain_port)
        tasks += [WebServer(sock, serves).serve_forever for sock in plain]
        tell("listening.plain", port=plain[0].getsockname()[1])
    if options.dns_port is not None:
        tasks.append(lambda: asyncio.run(answer_names(hosts, options.dns_port)))
    run(tasks)


async def answer_names(hosts: Mapping[str, Sequence[str]], port: int) -> None:
    """Be the name server of public names, for ever."""
    server = NameServer(Zone(), hosts, ())
    streams = listening(port)
    port = streams[0].getsockname()[1]
    for sock in listening(port, SOCK_DGRAM):
        await server.start_udp(sock)
    servers = [await server.start_tcp(sock) for sock in streams]
    tell("listening.dns", port=port)
    await asyncio.gather(*(one.serve_forever() for one in servers))


if __name__ == "__main__":
    main()
