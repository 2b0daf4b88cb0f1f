"""SPDY frames and WebSocket channels: sentences of spec/kubernetes-api §9, round trips, hostile bytes."""

import json
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocicat.cluster.streams import channels, spdy, status
from ocicat.cluster.streams.channels import Channel, Message, Size
from ocicat.cluster.streams.dictionary import CHECKSUM, DICTIONARY
from ocicat.cluster.streams.spdy import Connection, Data, GoAway, Opened, Ping, Reset, SpdyError


def test_the_dictionary_is_the_one_that_others_have():
    """1,423 bytes, adler32 0xe3c6a7c2."""
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY), CHECKSUM) == (1423, 0xE3C6A7C2, 0xE3C6A7C2)


def test_a_stream_from_opening_to_end():
    client, server = Connection(), Connection()
    sent = client.open(1, {"streamType": "stdin", "X": "y"}) + client.data(1, b"hello", finish=True)
    assert server.feed(sent) == [
        Opened(1, {"streamtype": "stdin", "x": "y"}),
        Data(1, b"hello", finished=True),
    ]
    assert client.feed(server.reply(1) + server.data(1, b"world")) == [Data(1, b"world")]


@given(
    headers=st.lists(
        st.dictionaries(st.text("abcXYZ-", min_size=1), st.text("abc é", max_size=9), max_size=3), max_size=4
    ),
    bodies=st.lists(st.binary(max_size=50), max_size=4),
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=30),
)
def test_bytes_may_be_cut_anywhere(headers, bodies, cuts):
    client, whole, cut = Connection(), Connection(), Connection()
    sent = b"".join(client.open(2 * n + 1, found) for n, found in enumerate(headers))
    sent += b"".join(
        client.data(2 * (n % len(headers)) + 1, body) for n, body in enumerate(bodies) if headers
    )
    events, position, turn = [], 0, 0
    while position < len(sent):
        step = cuts[turn % len(cuts)]
        events += cut.feed(sent[position : position + step])
        position, turn = position + step, turn + 1
    assert events == whole.feed(sent)
    assert [dict(event.headers) for event in events if isinstance(event, Opened)] == [
        _first_by_lower(found) for found in headers
    ]
    assert b"".join(event.data for event in events if isinstance(event, Data)) == (
        b"".join(bodies) if headers else b""
    )


def _first_by_lower(found):
    lowered = {}
    for name, value in found.items():
        lowered.setdefault(name.lower(), value)
    return lowered


def test_control_frames():
    client, server = Connection(), Connection()
    server.feed(client.open(1, {}))
    ping = Ping(7)
    assert server.feed(client.pong(ping)) == [ping]
    assert server.feed(client.reset(1)) == [Reset(1)]
    assert server.feed(client.data(1, b"late")) == []
    assert server.feed(client.goaway()) == [GoAway()]


def test_settings_and_window_updates_are_ignored():
    server = Connection()
    for kind in (spdy.SETTINGS, spdy.WINDOW_UPDATE):
        assert server.feed(struct.pack(">II", 0x80030000 | kind, 8) + bytes(8)) == []


def test_replies_of_the_other_side_keep_its_zlib_context_true():
    client, server = Connection(), Connection()
    server.feed(client.reply(1) + client.open(3, {"a": "b"}))
    assert server.feed(client.open(5, {"c": "d"})) == [Opened(5, {"c": "d"})]


def test_long_data_is_cut_into_frames():
    client, server = Connection(), Connection()
    server.feed(client.open(1, {}))
    events = server.feed(client.data(1, bytes(spdy.MAX_FRAME + 5), finish=True))
    assert [(len(event.data), event.finished) for event in events] == [(spdy.MAX_FRAME, False), (5, True)]


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (struct.pack(">II", 1, 0xFFFFFF), "too long"),
        (struct.pack(">II", 0x80020001, 0), "version 2"),
        (struct.pack(">II", 0x80030001, 2) + b"xx", "ends too early"),
        (struct.pack(">II", 0x80030001, 12) + bytes(10) + b"xx", "ends too early|cannot be unpacked"),
    ],
)
def test_what_is_no_spdy(frame, said):
    with pytest.raises(SpdyError, match=said):
        Connection().feed(frame)


def test_a_header_block_that_unpacks_to_megabytes_is_refused():
    packer = zlib.compressobj(zdict=DICTIONARY)
    block = packer.compress(bytes(10 << 20)) + packer.flush(zlib.Z_SYNC_FLUSH)
    with pytest.raises(SpdyError, match="more than"):
        Connection().feed(struct.pack(">II", 0x80030001, 10 + len(block)) + bytes(10) + block)


def test_too_many_streams_are_refused():
    client, server = Connection(), Connection()
    many = b"".join(client.open(2 * number + 1, {}) for number in range(spdy.MAX_STREAMS + 1))
    with pytest.raises(SpdyError, match="streams at once"):
        server.feed(many)


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_hostile_bytes_give_an_error_of_ours_and_no_other(pieces):
    server = Connection()
    for piece in pieces:
        try:
            server.feed(piece)
        except SpdyError:
            return


# --- WebSocket ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["v4.channel.k8s.io", "v5.channel.k8s.io"], "v5.channel.k8s.io"),
        (["v4.channel.k8s.io", "channel.k8s.io"], "v4.channel.k8s.io"),
        (["base64.channel.k8s.io"], None),
    ],
)
def test_the_best_protocol_is_chosen(offered, chosen):
    assert channels.chosen(offered) == chosen


@pytest.mark.parametrize(
    ("message", "read"),
    [
        (b"\x00abc", Message(Channel.STDIN, b"abc")),
        (b"\x04{}", Message(Channel.RESIZE, b"{}")),
        (b"\xff\x00", Message(Channel.STDIN, closed=True)),
        (b"", None),
        (b"\xff", None),
        (b"\x09x", None),
    ],
)
def test_messages(message, read):
    assert channels.read(message) == read


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (b'{"Width":120,"Height":40}', Size(120, 40)),
        (b'{"Width":0,"Height":40}', None),
        (b'{"Width":"x"}', None),
        (b"nonsense", None),
    ],
)
def test_sizes(data, size):
    assert channels.size_of(data) == size


def test_written():
    assert channels.written(Channel.STDOUT, b"x") == b"\x01x"


def test_how_a_command_ended():
    assert json.loads(status.ended(0))["status"] == "Success"
    found = json.loads(status.ended(3))
    assert found["reason"] == "NonZeroExitCode"
    assert found["message"] == "command terminated with non-zero exit code: exit status 3"
    assert found["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
    assert json.loads(status.failed("no"))["message"] == "no"
