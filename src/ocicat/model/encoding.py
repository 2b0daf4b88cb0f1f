"""Bytes → text: UTF-8, or UTF-16 where a byte order mark says so (what `>` writes in Windows PowerShell)."""

import codecs
import re
from typing import Final

from ocicat.model.positions import Lines, Place
from ocicat.model.reading import Fault

_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MARKS: Final = re.compile("^\ufeff+", re.MULTILINE)


def text_of(data: bytes) -> str | Fault:
    """Return the text of `data` without byte order marks at the start of lines, or what is wrong with it."""
    if data.startswith(_UTF16):
        return _decoded(data, "utf-16")
    nul = data.find(b"\0")
    if nul >= 0:
        what = "this is binary data, not text (it holds a NUL byte)"
        return Fault("OC0003", what, _place_in_bytes(data, nul))
    return _decoded(data, "utf-8")


def _decoded(data: bytes, encoding: str) -> str | Fault:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        start = error.start
        found = " ".join(f"0x{byte:02x}" for byte in data[start : start + 1])
        what = f"this is not {encoding.upper()} text (byte {found} at offset {start:,})"
        place = _place_in_bytes(data, start) if encoding == "utf-8" else Place(1, 1)
        return Fault("OC0003", what, place)
    nul = text.find("\0")
    if nul >= 0:
        return Fault("OC0003", "this is binary data, not text (it holds a NUL)", Lines(text).place(nul))
    # Also where files that begin with one were put one behind the other.
    return _MARKS.sub("", text) if "\ufeff" in text else text


def _place_in_bytes(data: bytes, offset: int) -> Place:
    before = data[:offset].decode("utf-8", "replace")
    return Lines(before).place(len(before))
