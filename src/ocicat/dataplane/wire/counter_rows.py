"""Elements of counter sets as tables: the fast codec for the sets that the ruleset counts flows in.

It agrees with the plain codec of `nftables` (property tests hold it to that). What the fields of a key are
comes from `ocicat.dataplane.counters`.
"""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from ocicat.dataplane.counters import CounterSet
from ocicat.dataplane.wire import nftables as nft
from ocicat.dataplane.wire.netlink import WireError, attribute_places
from ocicat.dataplane.wire.nfnetlink import Netfilter
from ocicat.dataplane.wire.rows import Bytes, Layout, Layouts, Path
from ocicat.ports.accounting import COUNTED, Table, empty

_HEADER: Final = 4
"""An item of a list is an attribute; its own header comes first."""
_EXPRESSION: Final = (nft.ELEMENT_EXPRESSION,)
_STATE: Final = (*_EXPRESSION, nft.EXPRESSION_DATA)
_NESTS: Final[frozenset[Path]] = frozenset({(nft.ELEMENT_KEY,), _EXPRESSION, _STATE})
_KEY: Final[Path] = (nft.ELEMENT_KEY, nft.DATA_VALUE)
_COUNTS: Final[dict[str, tuple[Path, Any]]] = {
    "packets": ((*_STATE, nft.COUNTER_PACKETS), ">u8"),
    "bytes": ((*_STATE, nft.COUNTER_BYTES), ">u8"),
    "expires_ms": ((nft.ELEMENT_EXPIRATION,), ">u8"),
}


class CounterReader:
    """Reads lists of elements into COUNTED tables."""

    def __init__(self) -> None:
        """Begin without having met any layout."""
        self._layouts = Layouts(_HEADER, _NESTS, (0, 1))
        self.malformed = 0
        """Elements, or whole messages, that could not be read so far."""

    def table(self, of: CounterSet, lists: Iterable[Netfilter]) -> Table:
        """Return one row for each element of the messages that list the set `of`. Never raises.

        Elements without a counter are passed over; those that cannot be read are counted in `malformed`.
        """
        by_length: dict[int, list[bytes]] = {}
        for received in lists:
            try:
                for piece in _items(received):
                    by_length.setdefault(len(piece), []).append(piece)
            except WireError:
                self.malformed += 1
        tables = [
            self._read(of, np.frombuffer(b"".join(pieces), np.uint8).reshape(-1, length))
            for length, pieces in by_length.items()
        ]
        return np.concatenate(tables) if tables else empty(COUNTED)

    def _read(self, of: CounterSet, rows: Bytes) -> Table:
        tables: list[Table] = []
        sorted_out, strange = self._layouts.sorted_out(rows)
        singles = list(strange)
        for layout, numbers in sorted_out:
            try:
                tables.append(_told(of, layout, rows[numbers]))
            except WireError:
                singles.extend(numbers)
        for number in singles:
            try:
                item = nft.element(bytes(rows[number, _HEADER:]))
                if item.counter is not None:
                    tables.append(row_of(of, item))
            except WireError:
                self.malformed += 1
        return np.concatenate(tables) if tables else empty(COUNTED)


def _items(received: Netfilter) -> Iterable[bytes]:
    """Yield the items of a message's list, headers included. Raises WireError."""
    data = received.attributes
    for kind, offset, length in attribute_places(data, 0, len(data)):
        if kind == nft.LIST_ELEMENTS:
            for item, start, size in attribute_places(data, offset, offset + length):
                if item == nft.LIST_ELEMENT:
                    yield data[start - _HEADER : start + size]


def _told(of: CounterSet, layout: Layout, rows: Bytes) -> Table:
    """Return what items of one layout tell. Raises WireError where the plain codec has to look."""
    if nft.ELEMENT_EXPRESSION in {path[0] for path in layout.places} and _STATE not in layout.places:
        raise WireError("an expression without state")
    fields = {"key": (_KEY, ("u1", _key_length(of))), **_COUNTS}
    seen = layout.view(rows, fields)
    there = frozenset(seen.dtype.names or ())
    if not {"key", "packets", "bytes"} <= there or not _is_counter(layout, rows):
        raise WireError("no counter")
    told = np.zeros(len(rows), COUNTED)
    _tell_key(of, told, np.ascontiguousarray(seen["key"]))
    for name in _COUNTS.keys() & there:
        told[name] = seen[name]
    return told


def _is_counter(layout: Layout, rows: Bytes) -> bool:
    """Tell whether the expression of all rows is a counter."""
    offset, length = layout.places.get((*_EXPRESSION, nft.EXPRESSION_NAME), (0, 0))
    name = np.frombuffer(b"counter\0", np.uint8)
    return length == len(name) and bool((rows[:, offset : offset + length] == name).all())


def row_of(of: CounterSet, item: nft.Element) -> Table:
    """Return an element of the plain codec as a table of one row. Raises WireError."""
    if len(item.key) != _key_length(of) or item.counter is None:
        raise WireError(f"no element of {of.name}")
    row = np.zeros(1, COUNTED)
    _tell_key(of, row, np.frombuffer(item.key, np.uint8).reshape(1, -1))
    row["packets"], row["bytes"] = item.counter.packets, item.counter.bytes
    row["expires_ms"] = item.expires_ms
    return row


def _width(of: CounterSet, field: str) -> int:
    return 16 if of.family == 6 and field.endswith("addr") else 4


def _key_length(of: CounterSet) -> int:
    return sum(_width(of, field) for field in of.key)


def _tell_key(of: CounterSet, told: Table, keys: Bytes) -> None:
    """Fill in the flows that `keys`: (rows, key length) uint8 name. Raises WireError for an unknown field."""
    flow = told["tuple"]
    flow["family"], flow["denied"], flow["protocol"] = of.family, of.denied, of.protocol
    offset = 0
    for field in of.key:
        width = _width(of, field)
        column = np.ascontiguousarray(keys[:, offset : offset + width])
        offset += width
        match field.removeprefix("ct original ").split()[-1], field.startswith("ct original"):
            case "mark", False:
                flow["mark"] = column.view("<u4")[:, 0]
            case "saddr", False:
                flow["source"][:, :width] = column
            case "daddr", original:
                flow["dialled" if original else "destination"][:, :width] = column
            case "l4proto", False:
                flow["protocol"] = column[:, 0]
            case "dport", False:
                flow["port"] = column.view(">u2")[:, 0]
            case "type", False:
                flow["port"] += column[:, 0].astype("<u2") * 256
            case "code", False:
                flow["port"] += column[:, 0]
            case _:
                raise WireError(f"no field {field}")
    if not any(field.startswith("ct original") for field in of.key):
        flow["dialled"], flow["dialled_port"] = flow["destination"], flow["port"]
