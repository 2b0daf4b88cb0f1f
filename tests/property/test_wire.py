"""Laws of the netlink codecs: what is written is read again, and no bytes raise anything but WireError."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocicat.dataplane.counters import COUNTER_SETS, CounterSet
from ocicat.dataplane.wire import conntrack as ct
from ocicat.dataplane.wire import netlink, nfnetlink, nftables
from ocicat.dataplane.wire.conntrack_rows import ConnectionReader, row_of
from ocicat.dataplane.wire.counter_rows import CounterReader
from ocicat.dataplane.wire.counter_rows import row_of as counter_row_of
from ocicat.dataplane.wire.netlink import Message, Refusal, WireError
from ocicat.dataplane.wire.nftables import Code, Counter, Element, Elements, Verdict
from ocicat.flows.tuples import FlowTuple
from ocicat.model.net import Address

GOLDEN = Path(__file__).parents[1] / "unit" / "dataplane" / "golden"
SAMPLES = [
    bytes.fromhex(line)
    for path in sorted(GOLDEN.glob("*.hex"))
    for line in path.read_text().splitlines()
    if not line.startswith("#")
]

u8, u16, u32, u64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))
addresses = {
    4: st.builds(Address, st.just(4), u32),
    6: st.builds(Address, st.just(6), st.integers(0, 2**128 - 1)),
}
names = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=30)


# --- netlink ------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(u16, u16, u32, st.binary(max_size=40)), max_size=4))
def test_messages(sent: list[tuple[int, int, int, bytes]]) -> None:
    data = b"".join(netlink.message(*fields) for fields in sent)
    assert list(netlink.messages(data)) == [
        Message(kind, flags, sequence, 0, body) for kind, flags, sequence, body in sent
    ]


@given(st.lists(st.tuples(st.integers(0, 0x3FFF), st.binary(max_size=40)), max_size=5))
def test_attributes(sent: list[tuple[int, bytes]]) -> None:
    data = b"".join(netlink.attribute(kind, payload) for kind, payload in sent)
    assert list(netlink.each_attribute(data)) == sent
    assert netlink.attributes(netlink.nested(7, data)) == {7: data}


def test_an_attribute_has_65531_bytes_at_most() -> None:
    longest = bytes(netlink.LONGEST_PAYLOAD)
    assert netlink.attributes(netlink.attribute(1, longest)) == {1: longest}
    with pytest.raises(WireError):
        netlink.attribute(1, longest + b"\0")


refusals = st.builds(
    Refusal, errno=st.integers(0, 4095), sequence=u32, text=names | st.just(""), offset=u32, missing=u32
)


@given(refusals)
def test_refusals(told: Refusal) -> None:
    (message,) = netlink.messages(netlink.refusal_message(told))
    assert netlink.refusal(message) == told


@given(st.integers(0, 4095), u32)
def test_the_end_of_a_list_may_be_a_refusal(errno: int, sequence: int) -> None:
    (message,) = netlink.messages(netlink.refusal_message(Refusal(errno, sequence), kind=netlink.DONE))
    assert netlink.refusal(message) == Refusal(errno, sequence)


# --- conntrack ----------------------------------------------------------------------------------------------


@st.composite
def tuples(draw: st.DrawFn, family: int, protocol: int) -> ct.Tuple:
    ends = draw(addresses[family]), draw(addresses[family])
    if protocol in (6, 17, 33, 132, 136):
        return ct.Tuple(*ends, protocol, source_port=draw(u16), destination_port=draw(u16))
    if protocol in (1, 58):
        return ct.Tuple(*ends, protocol, icmp_id=draw(u16), icmp_type=draw(u8), icmp_code=draw(u8))
    return ct.Tuple(*ends, protocol)


counters = st.none() | st.builds(ct.Counters, u64, u64)


@st.composite
def connections(draw: st.DrawFn) -> ct.Connection:
    family, protocol = draw(st.sampled_from((4, 6))), draw(st.sampled_from((6, 6, 17, 132, 1, 58, 47, 136)))
    return ct.Connection(
        draw(tuples(family, protocol)),
        draw(tuples(family, protocol)),
        id=draw(u32),
        mark=draw(st.just(0) | u32),
        status=draw(u32),
        timeout_s=draw(u32),
        sent=draw(counters),
        answered=draw(counters),
        tcp_state=draw(st.integers(0, 9)) if protocol == 6 else 0,
        zone=draw(st.just(0) | u16),
        start_ns=draw(st.just(0) | u64),
        stop_ns=draw(st.just(0) | u64),
    )


@given(connections(), st.booleans())
def test_connections(told: ct.Connection, closed: bool) -> None:
    (message,) = netlink.messages(ct.connection_message(told, closed=closed))
    assert ct.connection(nfnetlink.parse(message)) == told


@given(st.lists(st.lists(connections(), max_size=6), max_size=3))
def test_the_fast_codec_agrees_with_the_plain_one(datagrams: list[list[ct.Connection]]) -> None:
    reader = ConnectionReader()
    rows = reader.table([b"".join(map(ct.connection_message, told)) for told in datagrams])
    expected = [row_of(told)[0].tobytes() for datagram in datagrams for told in datagram]
    assert [row.tobytes() for row in rows] == expected
    assert reader.malformed == 0


@given(st.lists(connections(), min_size=1, max_size=8))
def test_rows_of_datagrams_agree_with_datagrams(told: list[ct.Connection]) -> None:
    datagrams = [ct.connection_message(connection, closed=True) for connection in told]
    lengths = np.asarray([len(datagram) for datagram in datagrams], np.uint32)
    rows = np.zeros((len(datagrams), int(lengths.max()) + 8), np.uint8)
    for row, datagram in zip(rows, datagrams, strict=True):
        row[: len(datagram)] = np.frombuffer(datagram, np.uint8)
    fast, plain = ConnectionReader(), ConnectionReader()
    assert fast.table_of_rows(rows, lengths).tobytes() == plain.table(datagrams).tobytes()
    assert fast.malformed == 0


@given(connections())
def test_requests_name_what_they_ask_for(told: ct.Connection) -> None:
    (message,) = netlink.messages(ct.delete_request(5, told.orig, id=told.id))
    assert message.sequence == 5
    asked = netlink.attributes(nfnetlink.parse(message).attributes)
    assert asked[ct.TUPLE_ORIG] == netlink.attributes(ct.connection_attributes(told))[ct.TUPLE_ORIG]
    assert (ct.ID in asked) is bool(told.id)


@given(u32, u32, st.booleans())
def test_lists_filtered_by_mark(value: int, mask: int, zero: bool) -> None:
    (message,) = netlink.messages(ct.list_request(3, mark=ct.MarkFilter(value, mask), zero=zero))
    found = nfnetlink.parse(message)
    assert found.operation == (ct.GET_AND_ZERO if zero else ct.GET)
    assert message.flags & netlink.DUMP == netlink.DUMP
    asked = netlink.attributes(found.attributes)
    assert (netlink.u32(asked[ct.MARK]), netlink.u32(asked[ct.MARK_MASK])) == (value, mask)


# --- nf_tables ----------------------------------------------------------------------------------------------

verdicts = st.builds(Verdict, st.sampled_from((Code.DROP, Code.ACCEPT, Code.RETURN))) | st.builds(
    Verdict, st.sampled_from((Code.JUMP, Code.GOTO)), names
)
keys = st.binary(min_size=1, max_size=40)
elements = st.builds(
    Element,
    key=keys | st.just(b""),
    data=st.none() | verdicts | keys,
    key_end=st.none() | keys,
    interval_end=st.booleans(),
    timeout_ms=u64,
    expires_ms=u64,
    counter=st.none() | st.builds(Counter, u64, u64),
)


@given(names, names, st.lists(elements, max_size=5).map(tuple))
def test_elements(table: str, name: str, told: tuple[Element, ...]) -> None:
    sent = Elements(table, name, told)
    body = nftables.elements_attributes(sent)
    request = nfnetlink.request(nfnetlink.NFTABLES, nftables.NEW_ELEMENTS, 0, 1, body)
    (message,) = netlink.messages(request)
    assert nftables.elements(nfnetlink.parse(message)) == sent


@given(st.lists(elements, max_size=20), st.none() | u32, u32)
def test_batches(told: list[Element], generation: int | None, sequence: int) -> None:
    requests = [*nftables.additions("t", "s", told), *nftables.removals("t", "s", told)]
    begin, *changes, end = netlink.messages(nfnetlink.batch(requests, sequence, generation=generation))
    assert (begin.sequence, end.sequence) == (sequence, sequence)
    assert (begin.type, end.type) == (0x10, 0x11)
    assert nfnetlink.parse(begin).resource == nfnetlink.NFTABLES
    condition = netlink.attributes(nfnetlink.parse(begin).attributes)
    assert condition == ({} if generation is None else {1: generation.to_bytes(4)})
    parsed = [nfnetlink.parse(change) for change in changes]
    assert {change.operation for change in parsed} <= {nftables.NEW_ELEMENTS, nftables.DELETE_ELEMENTS}
    found = [
        element
        for change in parsed
        for element in nftables.elements(
            msgspec.structs.replace(change, operation=nftables.NEW_ELEMENTS)
        ).elements
    ]
    assert found == told * 2


def test_many_elements_are_spread_over_messages() -> None:
    told = [Element(number.to_bytes(4)) for number in range(10_000)]
    sent = [
        message for request in nftables.additions("t", "s", told) for message in netlink.messages(request)
    ]
    assert len(sent) > 1
    found = [nftables.elements(nfnetlink.parse(message)) for message in sent]
    assert [element for part in found for element in part.elements] == told


@st.composite
def counted(draw: st.DrawFn) -> tuple[CounterSet, list[Element]]:
    of = draw(st.sampled_from(COUNTER_SETS))
    width = sum(16 if of.family == 6 and field.endswith("addr") else 4 for field in of.key)
    item = st.builds(
        Element,
        key=st.binary(min_size=width, max_size=width),
        expires_ms=st.integers(1, 60_000),
        timeout_ms=st.sampled_from((0, 0, 5)),
        counter=st.none() | st.builds(Counter, u64, u64),
    )
    return of, draw(st.lists(item, max_size=8))


@given(counted())
def test_the_fast_codec_of_counters_agrees_with_the_plain_one(told: tuple[CounterSet, list[Element]]) -> None:
    of, items = told
    body = nftables.elements_attributes(Elements("t", of.name, tuple(items)))
    request = nfnetlink.request(nfnetlink.NFTABLES, nftables.NEW_ELEMENTS, 0, 1, body)
    reader = CounterReader()
    rows = reader.table(of, map(nfnetlink.parse, netlink.messages(request)))
    expected = sorted(counter_row_of(of, item)[0].tobytes() for item in items if item.counter is not None)
    assert sorted(row.tobytes() for row in rows) == expected
    assert reader.malformed == 0


@given(st.integers(0, len(COUNTER_SETS) - 1), u16, u8)
def test_a_flow_of_a_counter_is_read_field_by_field(number: int, mark: int, octet: int) -> None:
    of = COUNTER_SETS[number]
    values = {"mark": mark.to_bytes(4, "little"), "l4proto": b"\x06", "dport": (80).to_bytes(2)}
    values |= {"type": b"\x08", "code": bytes((octet,))}
    width = 4 if of.family == 4 else 16
    sides = {"ip saddr": 1, "ip daddr": 2, "ct original ip daddr": 3}
    parts = []
    for field in of.key:
        side = sides.get(field.replace("ip6", "ip"))
        parts.append(side.to_bytes(width) if side else values[field.split()[-1]])
    row = counter_row_of(of, Element(nftables.concatenated(*parts), counter=Counter(1, 2)))
    flow = FlowTuple.of(row["tuple"][0].tobytes())
    assert (flow.mark, flow.source.bits, flow.destination.bits) == (mark, 1, 2)
    assert flow.dialled.bits == (3 if "ct original" in of.type or any("original" in f for f in of.key) else 2)
    if "icmp" in of.name:
        assert flow.port == 8 * 256 + octet
    elif "other" not in of.name:
        assert (flow.port, flow.protocol) == (80, of.protocol or 6)
    assert flow.row().tobytes() == row["tuple"].tobytes()


# --- hostile bytes ------------------------------------------------------------------------------------------


@st.composite
def hostile(draw: st.DrawFn) -> bytes:
    """Real datagrams, cut off or with bytes changed; or no datagram at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    data = bytearray(draw(st.sampled_from(SAMPLES)))
    for position, value in draw(st.lists(st.tuples(st.integers(0, len(data) - 1), u8), max_size=6)):
        data[position] = value
    return bytes(data[: draw(st.integers(0, len(data)))]) if draw(st.booleans()) else bytes(data)


def attempt(read: Callable[[], object]) -> object:
    """Return what is read, None where a WireError says that it cannot be."""
    try:
        return read()
    except WireError:
        return None


@given(hostile())
def test_hostile_bytes_raise_nothing_else(data: bytes) -> None:
    for message in attempt(lambda: list(netlink.messages(data))) or ():
        attempt(lambda message=message: netlink.refusal(message))
        parsed = attempt(lambda message=message: nfnetlink.parse(message))
        if parsed is not None:
            attempt(lambda parsed=parsed: ct.connection(parsed))
            attempt(lambda parsed=parsed: nftables.elements(parsed))
            attempt(lambda parsed=parsed: nftables.generation(parsed))


@given(st.lists(hostile(), max_size=4))
def test_the_fast_codec_takes_hostile_bytes(datagrams: list[bytes]) -> None:
    """It never raises, and gives the same as the plain codec for every message that the latter takes."""
    rows = [row.tobytes() for row in ConnectionReader().table(datagrams)]
    for data in datagrams:
        for message in attempt(lambda data=data: list(netlink.messages(data))) or ():
            told = attempt(lambda message=message: ct.connection(nfnetlink.parse(message)))
            if told is not None:
                assert row_of(told)[0].tobytes() in rows


@given(st.lists(hostile(), max_size=3), st.sampled_from(COUNTER_SETS))
def test_the_fast_codec_of_counters_takes_hostile_bytes(datagrams: list[bytes], of: CounterSet) -> None:
    reader = CounterReader()
    for data in datagrams:
        for message in attempt(lambda data=data: list(netlink.messages(data))) or ():
            parsed = attempt(lambda message=message: nfnetlink.parse(message))
            if parsed is None:
                continue
            rows = [row.tobytes() for row in reader.table(of, [parsed])]
            told = attempt(lambda parsed=parsed: nftables.elements(parsed))
            for item in told.elements if told is not None else ():
                expected = attempt(lambda item=item: counter_row_of(of, item))
                if expected is not None:
                    assert expected[0].tobytes() in rows
