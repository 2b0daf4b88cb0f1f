"""The codecs read what a kernel really sent, beside what `conntrack` and `nft` made of the same moment.

The files in `golden/` hold datagrams as hex, and as comments the other program's output.
"""

import re
from pathlib import Path

import pytest

from ocicat.dataplane.counters import COUNTER_SETS
from ocicat.dataplane.socket import last_header
from ocicat.dataplane.wire import conntrack as ct
from ocicat.dataplane.wire import netlink, nfnetlink, nftables
from ocicat.dataplane.wire.conntrack_rows import ConnectionReader, row_of
from ocicat.dataplane.wire.counter_rows import CounterReader
from ocicat.dataplane.wire.netlink import Message, Refusal
from ocicat.dataplane.wire.nftables import Code, Element, Verdict, concatenated
from ocicat.flows.tuples import FlowTuple
from ocicat.model.net import Address

GOLDEN = Path(__file__).with_name("golden")
SETS = {counted.name: counted for counted in COUNTER_SETS}
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}


def golden(name: str) -> tuple[str, list[bytes]]:
    """Return the comments of a file, and its datagrams."""
    lines = (GOLDEN / name).read_text().splitlines()
    told = "\n".join(line[2:] for line in lines[1:] if line.startswith("#"))
    return told, [bytes.fromhex(line) for line in lines if not line.startswith("#")]


def messages(name: str, subsystem: int) -> list[Message]:
    return [
        message
        for datagram in golden(name)[1]
        for message in netlink.messages(datagram)
        if message.type >> 8 == subsystem
    ]


# --- conntrack ----------------------------------------------------------------------------------------------


def as_conntrack_says(line: str) -> ct.Connection:
    """Read a line of the conntrack program."""
    protocol = int(re.search(r"ipv[46] +(?:2|10) +\w+ +(\d+)", line)[1])
    fields: dict[str, list[str]] = {}
    for key, value in re.findall(r"([\w-]+)=(\S+)", line):
        fields.setdefault(key, []).append(value)
    # ICMP has an `id` of its own in each direction; the connection's comes last.
    ways = []
    for way in range(2):
        number = {
            key: int(values[way])
            for key, values in fields.items()
            if len(values) > 1 and values[way].isdigit()
        }
        ways.append(
            ct.Tuple(
                Address.parse(fields["src"][way]),
                Address.parse(fields["dst"][way]),
                protocol,
                number.get("sport", 0),
                number.get("dport", 0),
                number.get("id", 0),
                number.get("type", 0),
                number.get("code", 0),
            )
        )
    counters = [ct.Counters(int(p), int(b)) for p, b in zip(fields["packets"], fields["bytes"], strict=True)]
    return ct.Connection(
        *ways, id=int(fields["id"][-1]), mark=int(fields["mark"][0]), sent=counters[0], answered=counters[1]
    )


def comparable(found: ct.Connection) -> ct.Connection:
    """Keep what the conntrack program shows too."""
    return ct.Connection(
        found.orig, found.reply, id=found.id, mark=found.mark, sent=found.sent, answered=found.answered
    )


@pytest.mark.parametrize("name", ["conntrack_list.hex", "conntrack_destroy.hex"])
def test_connections_read_as_the_conntrack_program_reads_them(name: str) -> None:
    told = {as_conntrack_says(line) for line in golden(name)[0].splitlines()}
    found = [ct.connection(nfnetlink.parse(message)) for message in messages(name, nfnetlink.CONNTRACK)]
    assert {comparable(connection) for connection in found} == told
    assert len(told) >= 9
    assert {connection.orig.protocol for connection in found} == {1, 6, 17, 58, 132}
    assert {connection.orig.source.family for connection in found} == {4, 6}


@pytest.mark.parametrize("name", ["conntrack_list.hex", "conntrack_destroy.hex"])
def test_the_fast_codec_reads_the_same(name: str) -> None:
    reader = ConnectionReader()
    rows = reader.table(golden(name)[1])
    plain = [ct.connection(nfnetlink.parse(message)) for message in messages(name, nfnetlink.CONNTRACK)]
    assert [row.tobytes() for row in rows] == [row_of(connection)[0].tobytes() for connection in plain]
    assert reader.malformed == 0


def test_states_and_times_of_connections() -> None:
    found = [ct.connection(nfnetlink.parse(m)) for m in messages("conntrack_list.hex", nfnetlink.CONNTRACK)]
    closed = [connection for connection in found if connection.over]
    assert {connection.tcp_state for connection in closed} == {ct.TCP_TIME_WAIT}
    assert any(connection.tcp_state and not connection.over for connection in found)
    assert all(connection.start_ns > 1_700_000_000_000_000_000 for connection in found)
    assert all(connection.status & ct.CONFIRMED and connection.timeout_s for connection in found)
    dialled = [connection for connection in found if connection.status & ct.DST_NAT]
    assert [
        (str(c.orig.destination), c.orig.destination_port, str(c.reply.source), c.reply.source_port)
        for c in dialled
    ] == [("10.96.0.10", 80, "10.65.0.2", 8080)]


# --- nf_tables ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("set_*.hex")), ids=lambda path: path.stem)
def test_counter_sets_read_as_nft_reads_them(path: Path) -> None:
    counted = SETS[path.stem.removeprefix("set_")]
    told, _ = golden(path.name)
    lines = re.findall(
        r"(0x\S+(?: \. \S+)+) counter packets (\d+) bytes (\d+) expires (\d+)s(?:(\d+)ms)?", told
    )
    reader = CounterReader()
    rows = reader.table(counted, map(nfnetlink.parse, messages(path.name, nfnetlink.NFTABLES)))
    assert len(rows) == len(lines) > 0
    found = {flow_text(FlowTuple.of(row["tuple"].tobytes())): row for row in rows}
    for key, packets, octets, seconds, milliseconds in lines:
        row = found[key_text(counted.key, counted.protocol, key.split(" . "))]
        assert (row["packets"], row["bytes"]) == (int(packets), int(octets))
        # nft listed a moment before we did.
        assert 0 <= int(seconds) * 1000 + int(milliseconds or 0) - int(row["expires_ms"]) < 2000
        assert FlowTuple.of(row["tuple"].tobytes()).denied is counted.denied
    assert reader.malformed == 0


def flow_text(flow: FlowTuple) -> tuple[str, ...]:
    fields = (flow.mark, flow.source, flow.destination, flow.protocol, flow.port, flow.dialled)
    return tuple(str(field) for field in fields)


def key_text(names: tuple[str, ...], protocol: int, values: list[str]) -> tuple[str, ...]:
    """Return a key that nft printed as `flow_text` has it."""
    field = dict(zip(names, values, strict=True))
    ip = "ip" if "ip saddr" in field else "ip6"
    icmp = next((name for name in names if name.endswith(" type")), "")
    if icmp:
        code = field[icmp.replace("type", "code")]
        codes = {"net-unreachable": 0, "no-route": 0}
        kind = {"echo-request": 8 if ip == "ip" else 128}[field[icmp]]
        port = kind * 256 + codes.get(code, 0 if not code.isdigit() else int(code))
    else:
        port = int(field.get("th dport", "0"))
    if "meta l4proto" in field:
        protocol = PROTOCOLS.get(field["meta l4proto"], 47)
    destination = field[f"{ip} daddr"]
    dialled = field.get(f"ct original {ip} daddr", destination)
    return (
        str(int(field["ct mark"], 16)),
        field[f"{ip} saddr"],
        destination,
        str(protocol),
        str(port),
        dialled,
    )


def elements(name: str) -> tuple[Element, ...]:
    return tuple(
        element
        for message in messages(name, nfnetlink.NFTABLES)
        for element in nftables.elements(nfnetlink.parse(message)).elements
    )


def test_a_map_of_intervals_to_verdicts() -> None:
    def key(text: str) -> bytes:
        return Address.parse(text).bits.to_bytes(4)

    found = {element.key: element for element in elements("map_verdicts.hex")}
    assert found[key("192.0.2.1")].data == Verdict(Code.ACCEPT)
    assert found[key("198.51.100.0")].data == Verdict(Code.DROP)
    assert found[key("203.0.113.0")].data == Verdict(Code.JUMP, "far")
    assert found[key("10.0.0.0")].data == Verdict(Code.GOTO, "far")
    ends = {element.key for element in found.values() if element.interval_end}
    assert {key("11.0.0.0"), key("192.0.2.2"), key("198.51.101.0"), key("203.0.114.0")} <= ends


def test_a_map_of_names_and_addresses() -> None:
    key = concatenated(b"cali1".ljust(16, b"\0"), bytes((10, 0, 0, 1)))
    assert elements("map_plain.hex") == (Element(key, Verdict(Code.GOTO, "far")),)


def test_a_map_of_ranges_to_values() -> None:
    first, last = (concatenated(bytes((10, 0, 0, 1)), port.to_bytes(2)) for port in (80, 90))
    data = concatenated(bytes((10, 0, 0, 2)), (8080).to_bytes(2))
    assert elements("map_ports.hex") == (Element(first, data, key_end=last),)


def test_the_generation() -> None:
    (message,) = messages("generation.hex", nfnetlink.NFTABLES)
    assert nftables.generation(nfnetlink.parse(message)) == 4


# --- answers ------------------------------------------------------------------------------------------------


def test_refusals() -> None:
    (told,) = (m for datagram in golden("error_extack.hex")[1] for m in netlink.messages(datagram))
    assert netlink.refusal(told) == Refusal(34, 9, "Attribute failed policy validation", offset=20)
    (told,) = (m for datagram in golden("error_no_table.hex")[1] for m in netlink.messages(datagram))
    assert netlink.refusal(told) == Refusal(2, 7, offset=20)
    *_, told = (m for datagram in golden("generation.hex")[1] for m in netlink.messages(datagram))
    assert netlink.refusal(told) == Refusal(0, 11)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.hex")), ids=lambda path: path.stem)
def test_the_last_message_is_found(path: Path) -> None:
    for datagram in golden(path.name)[1]:
        offset, flags, kind = last_header(datagram) or (0, 0, 0)
        *_, last = netlink.messages(datagram)
        assert (flags, kind) == (last.flags, last.type)
        assert next(netlink.messages(datagram[offset:])) == last
