"""`NameServer`: DNS over UDP and TCP. It answers from a `Zone` and a table, and asks upstream for the rest.

Bounded: so many questions at once, so many bytes, so many seconds for a silent TCP connection.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from dnslib import AAAA, CNAME, PTR, QTYPE, RCODE, RR, SOA, SRV, TXT, A, DNSError, DNSRecord

from ocicat.cluster.pods.programs.process import Leg
from ocicat.cluster.pods.programs.zone import Found, Record, Zone

TTL_S: Final = 5
UDP_BYTES: Final = 512
UPSTREAM_S: Final = 2.0
IDLE_S: Final = 30.0
QUESTIONS_AT_ONCE: Final = 500
DNS_PORT: Final = 53
_UNREADABLE: Final = (DNSError, ValueError, IndexError, struct.error)
"""What dnslib raises for bytes that are no message."""


class NameServer:
    """Answers questions. Start it with `start_udp` and `start_tcp`, for each socket."""

    def __init__(
        self, zone: Zone, hosts: Mapping[str, Sequence[str]], upstreams: Sequence[tuple[str, int]]
    ) -> None:
        """Make one.

        Args:
            zone: The cluster's names.
            hosts: Addresses of further names, lower case.
            upstreams: Asked for all else, one after the other; without any, nothing else exists.
        """
        self._zone: Final = zone
        self._hosts: Final = hosts
        self._upstreams: Final = upstreams
        self._leg: Final = Leg("upstream")
        self._free = QUESTIONS_AT_ONCE
        self._tasks: Final[set[asyncio.Task[None]]] = set()

    async def start_udp(self, sock: socket.socket) -> None:
        """Serve a bound UDP socket."""
        sock.setblocking(False)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Datagrams(self), sock=sock)

    async def start_tcp(self, sock: socket.socket) -> asyncio.Server:
        """Serve a TCP socket that listens."""
        return await asyncio.start_server(self._serve_stream, sock=sock)

    def take(self, data: bytes, peer: Any, transport: asyncio.DatagramTransport) -> None:
        """Answer a datagram; where too many wait already, drop it: the client asks again."""
        if self._free > 0:
            task = asyncio.create_task(self._answer_datagram(data, peer, transport))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer_datagram(self, data: bytes, peer: Any, transport: asyncio.DatagramTransport) -> None:
        reply = await self.answer(data, stream=False)
        if reply is not None:
            transport.sendto(reply, peer)

    async def _serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                async with asyncio.timeout(IDLE_S):
                    (length,) = struct.unpack(">H", await reader.readexactly(2))
                    reply = await self.answer(await reader.readexactly(length), stream=True)
                    if reply is None:
                        return
                    writer.write(struct.pack(">H", len(reply)) + reply)
                    await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def answer(self, data: bytes, *, stream: bool) -> bytes | None:
        """Return the answer to a message; None for what is no question at all."""
        try:
            request = DNSRecord.parse(data)
        except _UNREADABLE:
            return None
        if request.header.qr or self._free <= 0:
            return None
        self._free -= 1
        try:
            reply = await self._reply(request, data)
        finally:
            self._free += 1
        room = (
            65_535
            if stream
            else max([UDP_BYTES, *(row.edns_len for row in request.ar if row.rtype == QTYPE.OPT)])
        )
        return reply if len(reply) <= room else _truncated(request)

    async def _reply(self, request: DNSRecord, data: bytes) -> bytes:
        reply = request.reply(ra=1, aa=1)
        if request.header.opcode != 0 or len(request.questions) != 1:
            reply.header.rcode = RCODE.NOTIMP
            return bytes(reply.pack())
        name, kind = str(request.q.qname).rstrip("."), QTYPE.get(request.q.qtype)
        found = self._zone.find(name, kind)
        if found is None:
            found = self._host(name.lower(), kind)
        if found is None and self._upstreams:
            return await self._forwarded(request, data)
        await self._fill(reply, found or Found(exists=False), kind)
        return bytes(reply.pack())

    def _host(self, name: str, kind: str) -> Found | None:
        addresses = self._hosts.get(name)
        if addresses is None:
            return None
        records = [Record(name, "AAAA" if ":" in address else "A", address) for address in addresses]
        return Found(True, tuple(record for record in records if record.type == kind))

    async def _fill(self, reply: DNSRecord, found: Found, kind: str) -> None:
        for record in found.records:
            reply.add_answer(_resource(record))
            if record.type == "CNAME" and kind in ("A", "AAAA"):
                await self._chase(reply, record.data, kind)
        for record in found.additional:
            reply.add_ar(_resource(record))
        if not found.records:
            reply.add_auth(self._authority())
            reply.header.rcode = RCODE.NOERROR if found.exists else RCODE.NXDOMAIN

    async def _chase(self, reply: DNSRecord, name: str, kind: str) -> None:
        """Add the addresses of what an alias names; an alias of an alias is the client's to follow."""
        question = DNSRecord.question(name, kind)
        found = self._zone.find(name, kind) or self._host(name.lower(), kind)
        if found is not None:
            for record in found.records:
                reply.add_answer(_resource(record))
        elif self._upstreams:
            told = await self._forwarded(question, bytes(question.pack()))
            with contextlib.suppress(*_UNREADABLE):  # what upstream says in no known form is left out
                reply.add_answer(*DNSRecord.parse(told).rr)

    def _authority(self) -> RR:
        domain = self._zone.domain
        times = (1, 7200, 1800, 86_400, TTL_S)
        return RR(domain, QTYPE.SOA, ttl=TTL_S, rdata=SOA(f"ns.dns.{domain}", f"hostmaster.{domain}", times))

    async def _forwarded(self, request: DNSRecord, data: bytes) -> bytes:
        """Return what the first upstream that answers says; a failure where none does."""
        error: Exception | None = None
        for host, port in self._upstreams:
            try:
                async with asyncio.timeout(UPSTREAM_S):
                    reply = await _ask(host, port, data)
                self._leg.works()
            except (TimeoutError, OSError, asyncio.IncompleteReadError) as failure:
                error = failure
            else:
                return reply
        self._leg.fails(error or "none answers")
        reply_of_failure = request.reply(ra=1, aa=0)
        reply_of_failure.header.rcode = RCODE.SERVFAIL
        return bytes(reply_of_failure.pack())


def name_servers(text: str) -> list[tuple[str, int]]:
    """Return the servers that a resolv.conf names."""
    rows = [line.split() for line in text.splitlines()]
    return [(row[1], DNS_PORT) for row in rows if row[:1] == ["nameserver"] and len(row) > 1]


def host_row(text: str) -> tuple[str, tuple[str, ...]]:
    """Return name and addresses of `name=address,address`. Raises ValueError."""
    name, equals, addresses = text.partition("=")
    if not (name and equals and addresses):
        raise ValueError(f"{text!r} is not NAME=ADDRESS")
    return name.lower().rstrip("."), tuple(addresses.split(","))


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # which it is, whatever its class says

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self._transport is not None:
            self._server.take(data, addr, self._transport)


async def _ask(host: str, port: int, data: bytes) -> bytes:
    """Ask one server by UDP, and by TCP where the answer is cut.

    Raises:
        OSError, asyncio.IncompleteReadError: It cannot be reached, or broke off.
    """
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect((host, port))  # the kernel then drops what others send
        await loop.sock_sendall(sock, data)
        reply = await loop.sock_recv(sock, 65_535)
        while reply[:2] != data[:2]:
            reply = await loop.sock_recv(sock, 65_535)
    if len(reply) > 2 and reply[2] & 0x02:
        reader, writer = await asyncio.open_connection(host, port)
        with contextlib.closing(writer):
            writer.write(struct.pack(">H", len(data)) + data)
            (length,) = struct.unpack(">H", await reader.readexactly(2))
            return await reader.readexactly(length)
    return reply


def _truncated(request: DNSRecord) -> bytes:
    reply = request.reply(ra=1, aa=1)
    reply.header.tc = 1
    return bytes(reply.pack())


def _resource(record: Record) -> RR:
    match record.type:
        case "A":
            data: Any = A(record.data)
        case "AAAA":
            data = AAAA(record.data)
        case "CNAME":
            data = CNAME(record.data)
        case "PTR":
            data = PTR(record.data)
        case "TXT":
            data = TXT(record.data)
        case "SRV":
            priority, weight, port, target = record.data.split(" ")
            data = SRV(int(priority), int(weight), int(port), target)
        case other:
            raise ValueError(f"no record of type {other} is made here")
    return RR(record.name, getattr(QTYPE, record.type), ttl=TTL_S, rdata=data)
