"""Codes `OC000x`, `OC001x`: bytes that do not read as documents."""

from typing import Final

from ocicat.model.codes.code import Code

READING: Final = (
    Code(
        "OC0001",
        "path cannot be read",
        "A path that was named does not exist, matches nothing, or the system refuses to open it.",
        "name a file, a folder, a glob that matches, or - for standard input",
    ),
    Code(
        "OC0002",
        "source too large",
        "A file or standard input is larger than the bound. The bound protects against reading a whole disk "
        "into memory by mistake.",
        "split it into smaller files",
    ),
    Code(
        "OC0003",
        "not text",
        "Manifests are text in UTF-8 (or UTF-16 with a byte order mark). These bytes are not.",
        "save the file as UTF-8",
    ),
    Code(
        "OC0004",
        "broken YAML",
        "The text is not YAML at this place. Other documents of the same file are still read.",
        "correct the YAML at this place",
    ),
    Code(
        "OC0005",
        "broken JSON",
        "The text is not JSON at this place. Nothing of the same file is read past it.",
        "correct the JSON at this place",
    ),
    Code(
        "OC0006",
        "nested too deeply",
        "Lists and maps stand inside each other deeper than any manifest does. The bound keeps a hostile "
        "file from exhausting the stack.",
        "flatten the value",
    ),
    Code(
        "OC0007",
        "too much data",
        "The text holds, or its YAML aliases unfold to, more values than the bound. A few lines of aliases "
        "can stand for billions of values.",
        "write the values out without aliases, or split the file",
    ),
    Code(
        "OC0008",
        "line too long",
        "A line of YAML is longer than the bound; no person and no tool writes such a line.",
        "break the line, or write the document as JSON",
    ),
    Code(
        "OC0009",
        "duplicate key",
        "A map has the same key twice. Readers differ in which one counts, so neither is believed.",
        "keep one of the two",
    ),
    Code(
        "OC0010",
        "key is not a string",
        "A key of a map must be text. YAML reads this key as something else.",
        "put the key into quotes",
    ),
    Code(
        "OC0011",
        "unknown tag",
        "A YAML tag asks for a type that Kubernetes does not have.",
        "remove the tag",
    ),
    Code(
        "OC0012",
        "bad alias",
        "A YAML alias names an anchor that does not exist before it, or that contains the alias itself.",
        "define the anchor (&name) above, outside of the value that uses it",
    ),
    Code(
        "OC0013",
        "bad merge key",
        "The merge key << takes a map, or a list of maps.",
        "write <<: *name, or <<: [*first, *second]",
    ),
    Code(
        "OC0014",
        "number out of range",
        "The number is infinite, not a number, or too large to be stored.",
        "write a number that fits",
    ),
    Code(
        "OC0015",
        "not an object",
        "A document, or an item of a List, must be a map with apiVersion, kind and metadata.",
        "write an object with apiVersion, kind and metadata",
    ),
    Code(
        "OC0016",
        "too many mistakes",
        "So much of the document is wrong that listing the rest would not help.",
        "correct the mistakes that are listed, then look again",
    ),
)
