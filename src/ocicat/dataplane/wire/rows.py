"""Many messages of one shape at once: learn where their attributes are, then read all as one table.

The kernel writes the attributes of one kind of message always in one order, so messages of equal length
nearly always have equal headers at equal places. A `Layout` is what was learned from one of them; whether
others have it is compared byte for byte, header for header, before anything is read. What does not compare is
left to the plain codec. Source: design/dataplane §3 (one precompiled form for each message length).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from ocicat.dataplane.wire.netlink import WireError, attribute_places

Path = tuple[int, ...]
"""Types of attributes from the outermost to the one meant."""
Bytes = NDArray[np.uint8]

MOST_LAYOUTS: Final = 16
"""Shapes that are remembered for each length; messages of further ones are read one by one."""


class Layout(msgspec.Struct, frozen=True):
    """Where the attributes of a message of `length` bytes are."""

    length: int
    places: Mapping[Path, tuple[int, int]]
    """Path → offset and length of the payload."""
    fixed: NDArray[np.intp]
    """Offsets of the bytes that make the shape: the caller's own and all attribute headers."""
    expected: Bytes
    """What is at `fixed`."""

    @classmethod
    def of(cls, sample: bytes, start: int, nests: Collection[Path], fixed: Iterable[int] = ()) -> "Layout":
        """Return the layout of `sample`, whose attributes begin at `start`.

        Args:
            sample: One whole message.
            start: Offset of its first attribute.
            nests: Paths of the attributes that hold attributes.
            fixed: Offsets of further bytes that must be the same in all messages of this layout.

        Raises:
            WireError: The attributes do not fit, or one path comes twice.
        """
        places: dict[Path, tuple[int, int]] = {}
        held = list(fixed)

        def walk(path: Path, begin: int, end: int) -> None:
            for kind, offset, length in attribute_places(sample, begin, end):
                inner = (*path, kind)
                if inner in places:
                    raise WireError(f"attribute {inner} comes twice")
                places[inner] = offset, length
                held.extend(range(offset - 4, offset))
                if inner in nests:
                    walk(inner, offset, offset + length)

        walk((), start, len(sample))
        offsets = np.asarray(sorted(set(held)), dtype=np.intp)
        return cls(len(sample), places, offsets, np.frombuffer(sample, np.uint8)[offsets])

    def fits(self, rows: Bytes) -> NDArray[np.bool_]:
        """Tell which of `rows`: (messages, length) uint8 have this layout."""
        fitting: NDArray[np.bool_] = (rows[:, self.fixed] == self.expected).all(axis=1)
        return fitting

    def view(self, rows: Bytes, fields: Mapping[str, tuple[Path, Any]]) -> NDArray[np.void]:
        """Return `rows`: (messages, length) uint8, contiguous, as a table of those `fields` that are there.

        A field is its path and the NumPy type of its payload. Raises WireError where a length differs.
        """
        there = {name: field for name, field in fields.items() if field[0] in self.places}
        for name, (path, kind) in there.items():
            if np.dtype(kind).itemsize != self.places[path][1]:
                raise WireError(f"{name} has {self.places[path][1]} bytes")
        row = np.dtype(
            {
                "names": list(there),
                "formats": [kind for _, kind in there.values()],
                "offsets": [self.places[path][0] for path, _ in there.values()],
                "itemsize": self.length,
            }
        )
        return rows.view(row)[:, 0]


class Layouts:
    """The layouts met so far of one kind of message."""

    def __init__(self, start: int, nests: Collection[Path], fixed: Sequence[int] = ()) -> None:
        """Begin knowing none; the arguments are those of `Layout.of`."""
        self._start = start
        self._nests = frozenset(nests)
        self._fixed = tuple(fixed)
        self._known: dict[int, list[Layout]] = {}

    def sorted_out(self, rows: Bytes) -> tuple[list[tuple[Layout, NDArray[np.intp]]], NDArray[np.intp]]:
        """Return which of `rows`: (messages, length) uint8 have which layout, and which have none.

        Cost: about 50 ns a row and layout, and one walk in Python for each new layout.
        """
        left = np.arange(len(rows))
        found: list[tuple[Layout, NDArray[np.intp]]] = []
        strange: list[int] = []
        known = self._known.setdefault(rows.shape[1], [])
        tried = 0
        while len(left):
            if tried == len(known) and not self._learn(known, bytes(rows[left[0]])):
                strange.append(int(left[0]))
                left = left[1:]
                if len(known) == MOST_LAYOUTS:
                    break
                continue
            layout = known[tried]
            tried += 1
            fitting = layout.fits(rows[left])
            if fitting.any():
                found.append((layout, left[fitting]))
                left = left[~fitting]
        return found, np.concatenate([np.asarray(strange, dtype=np.intp), left])

    def _learn(self, known: list[Layout], sample: bytes) -> bool:
        if len(known) == MOST_LAYOUTS:
            return False
        try:
            known.append(Layout.of(sample, self._start, self._nests, self._fixed))
        except WireError:
            return False
        return True
