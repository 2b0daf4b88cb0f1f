"""Whether the kernel has been told of an interface: from its own announcements."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocicat.cluster.pods.programmed import Programmed, elements

NEW_ELEMENT = 10 << 8 | 12
NEW_SET = 10 << 8 | 9


def message(kind: int, body: bytes) -> bytes:
    padded = body + b"\0" * (-len(body) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + padded


def named(name: str) -> bytes:
    return b"before" + name.encode().ljust(16, b"\0") + b"after"


def test_only_new_elements_count() -> None:
    data = message(NEW_SET, b"set") + message(NEW_ELEMENT, b"one") + message(NEW_ELEMENT, b"two!")
    assert list(elements(data)) == [b"one", b"two!"]


@given(st.binary(max_size=200))
def test_no_datagram_is_too_strange(data: bytes) -> None:
    assert sum(map(len, elements(data))) <= len(data)


class Told(Programmed):
    """Gets what a test says instead of what the kernel does."""

    def open(self) -> None:
        self._socket = self  # type: ignore[assignment]

    def tell(self, data: bytes | Exception) -> None:
        self._data = data
        self._readable()

    def recv(self, _size: int) -> bytes:
        if isinstance(self._data, Exception):
            raise self._data
        return self._data


async def test_who_waits_wakes_when_his_interface_is_named() -> None:
    told = Told()
    told.open()
    told.expect("cali1")
    told.expect("cali12")
    told.tell(message(NEW_ELEMENT, named("cali12")))
    assert await told.wait("cali12", 0) is True
    assert await told.wait("cali1", 0) is False


async def test_what_nobody_expects_is_not_waited_for() -> None:
    told = Told()
    told.expect("cali1")  # not open: nobody could tell
    assert await told.wait("cali1", 100) is True
    told.open()
    assert await told.wait("other", 100) is True


@pytest.mark.parametrize("error", [OSError(105, "no buffer space"), BlockingIOError()])
async def test_lost_announcements_make_nobody_wait(error: Exception) -> None:
    told = Told()
    told.open()
    told.expect("cali1")
    told.tell(error)
    assert await told.wait("cali1", 0) is not isinstance(error, BlockingIOError)
