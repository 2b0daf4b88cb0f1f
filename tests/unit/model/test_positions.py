import pytest

from ocicat.model.positions import Lines, Place, Places, Shape, Token, path_of, path_text

PATHS = [
    ((), ""),
    (("spec",), "spec"),
    (("spec", "ingress", 0, "destination", "ports", 1), "spec.ingress[0].destination.ports[1]"),
    (("metadata", "labels", "app.kubernetes.io/name"), 'metadata.labels["app.kubernetes.io/name"]'),
    (("a", "0"), 'a["0"]'),
    (("a", ""), 'a[""]'),
    (("a", 'say "x"\\'), 'a["say \\"x\\"\\\\"]'),
    ((3, "a"), "[3].a"),
]


@pytest.mark.parametrize(("path", "text"), PATHS)
def test_a_path_is_written_as_people_write_it_and_read_back(path, text):
    assert path_text(path) == text
    assert path_of(text) == path


@pytest.mark.parametrize("text", ["spec.order: x", "spec.order (line 5)", "spec.order["])
def test_a_path_ends_where_it_stops_being_one(text):
    assert path_of(text) == ("spec", "order")


@pytest.mark.parametrize(
    ("offset", "place"), [(0, (1, 1)), (1, (1, 2)), (2, (1, 3)), (3, (2, 1)), (4, (3, 1)), (6, (3, 3))]
)
@pytest.mark.parametrize("asked_before", [0, 6])
def test_an_offset_becomes_a_line_and_a_column(offset, place, asked_before):
    lines = Lines("aé\n\nxyz")
    lines.place(asked_before)
    assert lines.place(offset) == Place(*place)


def tokens(*items):
    return [Token(shape, text, Place(line, column)) for shape, text, line, column in items]


STREAM = tokens(
    (Shape.MAP, "", 1, 1),
    (Shape.SCALAR, "spec", 1, 1),
    (Shape.MAP, "", 2, 3),
    (Shape.SCALAR, "ports", 2, 3),
    (Shape.LIST, "", 3, 3),
    (Shape.SCALAR, "80", 3, 5),
    (Shape.SCALAR, "81", 4, 5),
    (Shape.END, "", 5, 1),
    (Shape.SCALAR, "order", 5, 3),
    (Shape.SCALAR, "7", 5, 10),
    (Shape.END, "", 6, 1),
    (Shape.END, "", 6, 1),
)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), (1, 1)),
        # "a map or list at its key"
        (("spec",), (1, 1)),
        (("spec", "ports"), (2, 3)),
        # "A scalar is at its own first character"
        (("spec", "ports", 1), (4, 5)),
        (("spec", "order"), (5, 10)),
        # "or its nearest parent that exists"
        (("spec", "ports", 2), (2, 3)),
        (("spec", "selector", "x", 0), (1, 1)),
        (("metadata",), (1, 1)),
    ],
)
def test_a_path_is_found(path, place):
    assert Places(STREAM).of(path) == Place(*place)


@pytest.mark.parametrize(
    ("path", "place"), [(("spec", "order"), (5, 3)), (("spec", "ports", 1), (4, 5)), (("spec", "no"), (1, 1))]
)
def test_the_key_of_a_path_is_found(path, place):
    assert Places(STREAM).key(path) == Place(*place)


@pytest.mark.parametrize("length", range(len(STREAM)))
def test_a_stream_cut_short_gives_the_places_it_has(length):
    found = Places(STREAM[:length]).of(())
    assert found == (Place(1, 1) if length else None)


def test_a_stream_that_closes_too_much_ends_there():
    surplus = [*STREAM, *tokens((Shape.END, "", 7, 1), (Shape.SCALAR, "x", 8, 1))]
    assert Places(surplus).of(("spec", "order")) == Place(5, 10)
