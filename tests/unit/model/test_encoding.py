import codecs

import pytest

from ocicat.model.encoding import text_of
from ocicat.model.positions import Place
from ocicat.model.reading import Fault


@pytest.mark.parametrize(
    "data",
    [
        "kind: é\n".encode(),
        codecs.BOM_UTF8 + "kind: é\n".encode(),
        # "UTF-16 where a byte order mark says so"
        codecs.BOM_UTF16_LE + "kind: é\n".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "kind: é\n".encode("utf-16-be"),
    ],
)
def test_text_loses_its_byte_order_mark(data):
    assert text_of(data) == "kind: é\n"


def test_files_put_one_behind_the_other_lose_all_their_marks():
    parts = [codecs.BOM_UTF8 + b"kind: Pod\n", b"---\n", 2 * codecs.BOM_UTF8 + b"kind: 'a\xef\xbb\xbf'\n"]
    assert text_of(b"".join(parts)) == "kind: Pod\n---\nkind: 'a\ufeff'\n"


@pytest.mark.parametrize(
    ("data", "place", "what"),
    [
        (b"a: 1\nb: \xe9\n", (2, 4), "not UTF-8 text (byte 0xe9 at offset 8)"),
        ("é\n".encode() + b"\xff", (2, 1), "not UTF-8"),
        (b"\xed\xa0\x80", (1, 1), "not UTF-8"),
        (b"a: 1\n\x00", (2, 1), "binary"),
        (b"\x7fELF\x02\x01\x01\x00", (1, 8), "binary"),
        (codecs.BOM_UTF16_LE + b"a", (1, 1), "not UTF-16"),
        (codecs.BOM_UTF16_LE + b"a\0\n\0\0\0", (2, 1), "binary"),
    ],
)
def test_what_is_no_text_is_a_fault_with_its_place(data, place, what):
    fault = text_of(data)
    assert isinstance(fault, Fault)
    assert fault.code == "OC0003"
    assert what in fault.what
    assert fault.place == Place(*place)
