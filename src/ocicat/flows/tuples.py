"""Which flow a row belongs to: tuples as bytes, as numbers to sort and join by, and as values to read.

Rows are grouped and joined by 64-bit numbers, mixed from all their bytes with a salt of this process, so that
nobody outside can choose what collides. Among 262,144 rows, the most a node tracks by default, two have the
same number by chance once in a billion tables.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from ocicat.model.net import Address
from ocicat.ports.accounting import TUPLE, Table

Numbers = NDArray[np.uint64]

_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(29)
_HALF: Final = np.uint64(32)


class FlowTuple(msgspec.Struct, frozen=True):
    """A row of TUPLE, to be read."""

    mark: int
    family: int
    protocol: int
    source: Address
    destination: Address
    """After NAT."""
    port: int
    """After NAT; for ICMP type * 256 + code."""
    dialled: Address
    dialled_port: int
    """0 where the kernel did not tell, or there is none."""
    denied: bool

    @property
    def egress(self) -> int:
        """The trace of the source's egress; 0 for "not judged here"."""
        return self.mark & 0xFFFF

    @property
    def ingress(self) -> int:
        """The trace of the destination's ingress; 0 for "not judged here"."""
        return self.mark >> 16

    @classmethod
    def of(cls, row: bytes) -> "FlowTuple":
        """Read the 64 bytes of a row."""
        told = np.frombuffer(row, TUPLE)[0]
        width = 4 if told["family"] == 4 else 16

        def address(name: str) -> Address:
            return Address(int(told["family"]), int.from_bytes(told[name].tobytes()[:width], "big"))

        return cls(
            int(told["mark"]),
            int(told["family"]),
            int(told["protocol"]),
            address("source"),
            address("destination"),
            int(told["port"]),
            address("dialled"),
            int(told["dialled_port"]),
            bool(told["denied"]),
        )

    def row(self) -> Table:
        """Return the tuple as a table of one row."""
        rows = np.zeros(1, TUPLE)
        for name in ("mark", "family", "protocol", "port", "dialled_port", "denied"):
            rows[name] = getattr(self, name)
        width = 4 if self.family == 4 else 16
        for name in ("source", "destination", "dialled"):
            packed = getattr(self, name).bits.to_bytes(width, "big")
            rows[name][0, :width] = list(packed)
        return rows


def words_of(tuples: Table) -> Numbers:
    """Return rows of TUPLE as (rows, 8) numbers."""
    words: Numbers = np.ascontiguousarray(tuples).view(np.uint64).reshape(-1, TUPLE.itemsize // 8)
    return words


def mixed(columns: list[Numbers], salt: int) -> Numbers:
    """Return one number for each row of `columns`."""
    number = np.full(len(columns[0]), salt, np.uint64)
    for column in columns:
        number = (number ^ column) * _MULTIPLIER
        number ^= number >> _SHIFT
    return number


def flow_numbers(tuples: Table, salt: int) -> Numbers:
    """Return the number of each row's flow: equal for equal rows."""
    return mixed(list(words_of(tuples).T), salt)


def connection_numbers(connections: Table, salt: int) -> Numbers:
    """Return the number of each connection, which stays when policy gives it another mark.

    The kernel's id is a hash of where it keeps the connection and of its addresses; alone it repeats among
    100,000 connections, so addresses and ports go in too.
    """
    words = list(words_of(connections["tuple"]).T)
    own = connections["id"].astype(np.uint64) << _HALF | connections["source_port"]
    return mixed([own, words[0] >> _HALF, *words[1:]], salt)


def directly(tuples: Table) -> Table:
    """Return the tuples as they would be without NAT: how `conns…` sets know them."""
    plain = tuples.copy()
    plain["dialled"], plain["dialled_port"] = plain["destination"], plain["port"]
    return plain
